"""Cells of a recall study with drawn recalls: what the tests, tables, figures and pages read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy import stats

from prunescope.config.compression import Compression
from tests.support.fake_study import write_csv, write_json

#: Parameters, and mean recall of the dense models: the easier the data set, the higher.
SIZES = {"lenet5": 60, "resnet20": 270, "resnet32": 460, "resnet44": 660, "resnet56": 850, "resnet110": 1700}
EASE = {"mnist": 0.97, "fashion_mnist": 0.9, "cifar10": 0.8, "cifar100": 0.6}
CLASSES = {"cifar100": 8}


@dataclass
class Drawn:
    """One cell's models: recalls (S, C), each class with ten examples; everything else follows from them."""

    dataset: str
    arch: str
    pruner: str
    compression: Compression
    dense: np.ndarray
    pruned: np.ndarray
    ratio: float
    path: Path = field(default_factory=Path)

    @property
    def accuracy(self) -> tuple[np.ndarray, np.ndarray]:
        return self.dense.mean(axis=1), self.pruned.mean(axis=1)

    @property
    def balances(self) -> tuple[np.ndarray, np.ndarray]:
        before, after = self.accuracy
        return self.dense / before[:, None] - 1, self.pruned / after[:, None] - 1

    @property
    def alpha(self) -> np.ndarray:
        x, y = self.balances
        return np.array([np.linalg.lstsq(a[:, None], b, rcond=None)[0][0] for a, b in zip(x, y, strict=True)])

    def interval(self) -> tuple[float, float]:
        alpha = self.alpha
        return stats.t.interval(0.99, len(alpha) - 1, loc=alpha.mean(), scale=stats.sem(alpha))


def draw(
    root: Path, grid: Mapping[tuple[str, str], Mapping[str, Sequence[Compression]]], seeds: int = 5
) -> list[Drawn]:
    """Cells below ``root/cells`` for every (data set, arch), pruner and level; dense ones have no analysis."""
    rng = np.random.default_rng(7)
    found = []
    for (dataset, arch), pruners in grid.items():
        n_classes = CLASSES.get(dataset, 5)
        dense = EASE[dataset] - 0.2 * rng.random((seeds, n_classes))
        for pruner, compressions in pruners.items():
            for compression in compressions:
                loss = 0.3 * rng.random((seeds, n_classes)) * (1 - 1 / max(compression.value, 1.1))
                cell = Drawn(
                    dataset, arch, pruner, compression, dense, dense * (1 - loss), compression.value * 1.0004
                )
                cell.path = root / "cells" / dataset / arch / pruner / compression.token
                _write(cell)
                found.append(cell)
    _tables(root / "tables", found)
    return found


def _write(cell: Drawn) -> None:
    (before, after), (x, y), alpha = cell.accuracy, cell.balances, cell.alpha
    low, high = cell.interval()
    verdict = ">" if low > 1 else "<" if high < 1 else "?"
    seeds, n_classes = cell.dense.shape
    write_json(
        cell.path / "test" / "summary.json",
        {
            "task": "single-label",
            "metric": "accuracy",
            "n_classes": n_classes,
            "pruned_score": float(after.mean()),
            "alpha": {
                "mean": float(alpha.mean()), "ci_low": low, "ci_high": high, "confidence": 0.99,
                "verdict": verdict, "n_seeds": seeds,
            },
        },
    )  # fmt: skip
    write_csv(
        cell.path / "test" / "alpha.csv",
        ("seed", "accuracy_dense", "accuracy_pruned", "alpha"),
        [(s, before[s], after[s], alpha[s]) for s in range(seeds)],
    )
    write_csv(
        cell.path / "test" / "recall.csv",
        ("seed", "class", "support", "recall_dense", "recall_pruned", "balance_dense", "balance_pruned",
         "intensification"),
        [
            (s, f"class {c}", 10, cell.dense[s, c], cell.pruned[s, c], x[s, c], y[s, c], y[s, c] / x[s, c])
            for s in range(seeds)
            for c in range(n_classes)
        ],
    )  # fmt: skip
    family = "lenet5" if cell.arch == "lenet5" else "resnet"
    about = {
        "diverged": False,
        "sparsity": sparsity(cell),
        "ratio": cell.ratio,
        "parameters": SIZES[cell.arch],
    }
    write_json(
        cell.path / "models.json",
        {
            "settings": {"architecture": {"family": family}},
            "models": [{"seed": seed, **about} for seed in range(seeds)],
        },
    )


def sparsity(cell: Drawn) -> float:
    """The sparsity by which tables know a cell, of which a ratio is asked for all parameters."""
    return (1 - 1 / cell.ratio) * 1.002


def _tables(folder: Path, cells: Sequence[Drawn]) -> None:
    key = ("dataset", "arch", "pruner", "sparsity")
    dense = {(cell.dataset, cell.arch): cell for cell in cells}
    where = [(*model, "none", 0.0) for model in dense]
    # As tables have it: the mean over the models, of which equal numbers may be another one in the last digit.
    own = [(c.dataset, c.arch, c.pruner, fmean([sparsity(c)] * len(c.dense))) for c in cells]
    write_csv(
        folder / "effectiveness.csv",
        (*key, "metric", "mean", "std", "n_seeds"),
        [(*k, "accuracy", c.accuracy[0].mean(), 0.01, 5) for k, c in zip(where, dense.values(), strict=True)],
    )
    write_csv(
        folder / "alpha.csv",
        (*key, "ratio", "alpha", "ci_low", "ci_high", "confidence", "verdict", "accuracy", "n_seeds"),
        [
            (*k, c.ratio, c.alpha.mean(), *c.interval(), 0.99, "?", c.accuracy[1].mean(), 5)
            for k, c in zip(own, cells, strict=True)
        ],
    )
    write_csv(
        folder / "recall_variance.csv",
        (*key, "ratio", "mean_recall_variance", "n_seeds"),
        [(*k, 1.0, variance(c.dense), 5) for k, c in zip(where, dense.values(), strict=True)]
        + [(*k, c.ratio, variance(c.pruned), 5) for k, c in zip(own, cells, strict=True)],
    )


def variance(recalls: np.ndarray) -> float:
    return float(recalls.var(axis=1, ddof=1).mean())
