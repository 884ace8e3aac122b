"""alpha measured in other ways: precision and F1 in place of recall (recall paper, section 4), and one
slope of all models and the mean of intensifications in place of the mean slope (appendix G)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.alpha.distortion import balance, slope
from prunescope.analysis.alpha.slopes import pooled_slope
from prunescope.analysis.csv_text import number, read_csv
from prunescope.analysis.stats import mean, std, t_interval

VARIANT_COLUMNS = ("ratio", "measure", "alpha", "ci_low", "ci_high", "n_seeds")
INTENSIFICATION_COLUMNS = (
    "ratio",
    "pooled_alpha",
    "pooled_r2",
    "alpha_mean",
    "alpha_std",
    "alpha_min",
    "alpha_max",
    "intensification_mean",
    "intensification_std",
    "intensification_min",
    "intensification_max",
    "n_seeds",
    "n_undefined",
)
#: Columns of ``recall.csv`` or ``class_scores.csv``, dense and pruned.
_MEASURES = {
    "recall": ("recall_dense", "recall_pruned"),
    "precision": ("precision_dense", "precision_pruned"),
    "f1": ("f1_dense", "f1_pruned"),
}

#: (S, C) values of one column, and the seeds of its rows.
_Matrix = tuple[np.ndarray, list[int]]


def variant_slopes(
    dense: np.ndarray, pruned: np.ndarray, accuracy_dense: np.ndarray, accuracy_pruned: np.ndarray
) -> np.ndarray:
    """(S,) slopes alpha of a measure in place of recall, balanced as recall is: (measure - accuracy) / accuracy.

    NaN for a model that has no value for a class on either side: a class that is never predicted has no
    precision, and a slope over the other classes would be of another quantity. NaN too where an accuracy
    is 0 or all dense balances are.

    Args:
        dense, pruned: (S, C) of the classes with support; NaN where there is no value.
        accuracy_dense, accuracy_pruned: (S,).
    """
    undefined = np.isnan(dense).any(axis=1) | np.isnan(pruned).any(axis=1)
    pairs = zip(balance(dense, accuracy_dense), balance(pruned, accuracy_pruned), strict=True)
    slopes = np.array([slope(x, y) for x, y in pairs], dtype=float)
    return np.where(undefined, np.nan, slopes)


def variant_rows(folder: Path, ratio: float | None, confidence: float) -> list[list[Any]]:
    """The rows of ``VARIANT_COLUMNS`` of one cell's test audit; none of measures that it does not tell."""
    rows = []
    accuracies = read_csv(folder / "alpha.csv")
    dense, pruned = (
        {int(row["seed"]): _float(row[f"accuracy_{side}"]) for row in accuracies}
        for side in ("dense", "pruned")
    )
    for measure, columns in _MEASURES.items():
        table = _table(folder, "recall.csv" if measure == "recall" else "class_scores.csv")
        if not table:
            continue
        values, seeds = zip(*(_matrix(table, column) for column in columns), strict=True)
        at = [np.array([found[seed] for seed in seeds[0]]) for found in (dense, pruned)]
        slopes = variant_slopes(*values, *at)
        kept = slopes[~np.isnan(slopes)]
        interval = t_interval(kept, confidence)
        rows.append([ratio, measure, interval.mean, interval.low, interval.high, len(kept)])
    return rows


def intensification_rows(folder: Path, ratio: float | None) -> list[list[Any]]:
    """The row of ``INTENSIFICATION_COLUMNS`` of one cell's test audit, as the paper's appendix G has it.

    ``intensification_*``: over models, of each model's mean over classes; ``n_undefined``: classes of
    models that have no intensification since their dense balance is 0 (or an accuracy is). ``n_seeds``:
    models with an alpha.
    """
    table = _table(folder, "recall.csv")
    if not table:
        return []
    dense, _ = _matrix(table, "balance_dense")
    pruned, _ = _matrix(table, "balance_pruned")
    ratios, _ = _matrix(table, "intensification")
    pooled = pooled_slope(dense, pruned)
    alphas = [a for row in read_csv(folder / "alpha.csv") if (a := number(row["alpha"])) is not None]
    kept = [row[~np.isnan(row)] for row in ratios]
    means = [value for row in kept if (value := mean(row)) is not None]
    undefined = int(np.isnan(ratios).sum())
    return [[ratio, pooled.alpha, pooled.r2, *_spread(alphas), *_spread(means), len(alphas), undefined]]


def _spread(values: Sequence[float]) -> list[float | None]:
    return [mean(values), std(values), min(values, default=None), max(values, default=None)]


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / name
    return read_csv(path) if path.exists() else []


def _matrix(rows: Sequence[Mapping[str, str]], column: str) -> _Matrix:
    """A column as (S, C): rows are ordered by seed, every seed has the same classes."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        by_seed.setdefault(int(row["seed"]), []).append(_float(row[column]))
    return np.array(list(by_seed.values()), dtype=float), list(by_seed)


def _float(text: str) -> float:
    value = number(text)
    return float("nan") if value is None else value
