"""alpha measured in other ways: precision and F1 instead of recall (recall paper, section 4), and one
slope of all models and the mean of intensifications instead of the mean slope (appendix G)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from prunescope.analysis.alpha.distortion import balance, slope
from prunescope.analysis.alpha.slopes import pooled_slope
from prunescope.analysis.audit_tables import ClassScore, Recall, SeedAlpha
from prunescope.analysis.stats import mean, std, t_interval
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import AlphaVariant, Intensification
from prunescope.analysis.tables.results import StudyResults

#: The audit's table of each measure.
_MEASURES: dict[str, type[Recall] | type[ClassScore]] = {
    "recall": Recall,
    "precision": ClassScore,
    "f1": ClassScore,
}

#: (S, C) values of one column, and the seeds of its rows.
_Matrix = tuple[np.ndarray, list[int]]


def variant_slopes(
    dense: np.ndarray, pruned: np.ndarray, accuracy_dense: np.ndarray, accuracy_pruned: np.ndarray
) -> np.ndarray:
    """(S,) slopes alpha of a measure instead of recall, balanced as recall is: (measure - accuracy) / accuracy.

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


def variants(study: StudyResults) -> Iterator[AlphaVariant]:
    """A row per cell that has an alpha and measure of ``_MEASURES`` that its audit has."""
    for cell in study.pruned:
        if cell.summary.get("alpha") is not None:
            yield from variant_rows(cell, float(cell.summary["alpha"]["confidence"]))


def variant_rows(cell: CellResults, confidence: float) -> Iterator[AlphaVariant]:
    """The rows of one cell."""
    accuracies = cell.rows(SeedAlpha)
    dense = {row.seed: _float(row.accuracy_dense) for row in accuracies}
    pruned = {row.seed: _float(row.accuracy_pruned) for row in accuracies}
    for measure, kind in _MEASURES.items():
        table = cell.rows(kind)
        if not table:
            continue
        values = [_matrix(table, f"{measure}_{side}") for side in ("dense", "pruned")]
        seeds = values[0][1]
        at = [np.array([found[seed] for seed in seeds]) for found in (dense, pruned)]
        slopes = variant_slopes(values[0][0], values[1][0], *at)
        kept = slopes[~np.isnan(slopes)]
        interval = t_interval(kept, confidence)
        yield AlphaVariant(
            **cell.names,
            ratio=cell.reached.get("ratio"),
            measure=measure,
            alpha=interval.mean,
            ci_low=interval.low,
            ci_high=interval.high,
            n_seeds=len(kept),
        )


def intensifications(study: StudyResults) -> Iterator[Intensification]:
    """A row per cell that has an alpha, as the paper's appendix G has it."""
    for cell in study.pruned:
        if cell.summary.get("alpha") is not None and (row := intensification(cell)) is not None:
            yield row


def intensification(cell: CellResults) -> Intensification | None:
    """The row of one cell; None where its audit has no recalls."""
    table = cell.rows(Recall)
    if not table:
        return None
    dense, _ = _matrix(table, "balance_dense")
    pruned, _ = _matrix(table, "balance_pruned")
    ratios, _ = _matrix(table, "intensification")
    pooled = pooled_slope(dense, pruned)
    alphas = [row.alpha for row in cell.rows(SeedAlpha) if row.alpha is not None]
    kept = [row[~np.isnan(row)] for row in ratios]
    means = [value for row in kept if (value := mean(row)) is not None]
    return Intensification(
        **cell.names,
        ratio=cell.reached.get("ratio"),
        pooled_alpha=pooled.alpha,
        pooled_r2=pooled.r2,
        **_spread("alpha", alphas),
        **_spread("intensification", means),
        n_seeds=len(alphas),
        n_undefined=int(np.isnan(ratios).sum()),
    )


def _spread(name: str, values: Sequence[float]) -> dict[str, Any]:
    ends = {f"{name}_min": min(values, default=None), f"{name}_max": max(values, default=None)}
    return {f"{name}_mean": mean(values), f"{name}_std": std(values), **ends}


def _matrix(rows: Iterable[Recall | ClassScore], column: str) -> _Matrix:
    """A column as (S, C): rows are ordered by seed, every seed has the same classes."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, []).append(_float(getattr(row, column)))
    return np.array(list(by_seed.values()), dtype=float), list(by_seed)


def _float(value: float | None) -> float:
    return float("nan") if value is None else value
