"""Who pays under one pruner, against who pays under another: rows of ``who_pays.csv`` and ``who_pays_classes.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis.csv_text import read_csv
from prunescope.analysis.stats import t_interval
from prunescope.config.compression import Compression
from prunescope.errors import UserError

#: The columns after those of the cell.
COLUMNS = ("reference", "n_examples", "n_pies_reference", "n_pies", "n_both", "jaccard", "jaccard_by_chance")
CLASS_COLUMNS = (
    "reference",
    "class",
    "support",
    "change_reference",
    "change_reference_low",
    "change_reference_high",
    "change",
    "change_low",
    "change_high",
    "difference",
    "difference_low",
    "difference_high",
    "confidence",
    "n_seeds",
)

#: Whom others are compared with: the first of these that prunes the network to the same amount, else the first by
#: name that prunes by magnitude.
REFERENCES = ("GMP", "IMP-FT", "IMP-WR", "MP", "LTH", "MP-AI")


@dataclass(frozen=True)
class Payer:
    """A pruned cell: its key (dataset, arch, pruner, sparsity), its folder, by what it was pruned if that is known."""

    key: tuple[Any, ...]
    compression: Compression
    folder: Path
    criterion: str | None

    @cached_property
    def pies(self) -> tuple[int, np.ndarray] | None:
        """How many test examples there are, and the PIEs among them, ascending; None where no models were left.

        Raises:
            UserError: the file is damaged.
        """
        path = self.folder / "test" / "pies.parquet"
        if not path.exists():
            return None
        try:
            table = pq.read_table(path, columns=["example", "is_pie"], partitioning=None)
            examples, is_pie = (table[name].to_numpy() for name in ("example", "is_pie"))
        except (OSError, pa.ArrowException, KeyError) as error:
            raise UserError(
                f"{path}: cannot be read ({error}); delete the cell's folder and run again"
            ) from None
        return len(examples), np.sort(examples[is_pie])

    @cached_property
    def changes(self) -> tuple[dict[str, int], dict[int, dict[str, float]]]:
        """Support by class, and pruned minus unpruned recall by seed and class; empty without classes."""
        path = self.folder / "test" / "recall.csv"
        support: dict[str, int] = {}
        changes: dict[int, dict[str, float]] = {}
        for row in read_csv(path) if path.exists() else []:
            support[row["class"]] = int(row["support"])
            change = float(row["recall_pruned"]) - float(row["recall_dense"])
            changes.setdefault(int(row["seed"]), {})[row["class"]] = change
        return support, changes


def rows(cells: Iterable[Payer], confidence: float) -> tuple[list[list[Any]], list[list[Any]]]:
    """Rows (key and ``COLUMNS``, key and ``CLASS_COLUMNS``) of every pruner against the reference at its amount.

    Args:
        confidence: of the t intervals over seeds, those that both pruners have.

    Raises:
        UserError: a file is damaged, or two cells are of different examples.
    """
    groups: dict[tuple[Any, ...], list[Payer]] = {}
    for cell in cells:
        groups.setdefault((*cell.key[:2], cell.compression), []).append(cell)
    overlaps: list[list[Any]] = []
    classes: list[list[Any]] = []
    for group in groups.values():
        reference = _reference(group)
        for cell in group if reference is not None else []:
            if reference is None or cell is reference:
                continue
            overlap = _overlap(reference, cell)
            if overlap is not None:
                overlaps.append([*cell.key, reference.key[2], *overlap])
            for row in _by_class(reference, cell, confidence):
                classes.append([*cell.key, reference.key[2], *row])
    return overlaps, classes


def by_chance(first: int, second: int, of: int) -> float | None:
    """The expected Jaccard index of two random sets of these sizes among ``of`` examples; None where both are empty.

    The mean of k / (first + second - k) over the hypergeometric distribution of k, how many they share.

    >>> round(by_chance(2, 2, 4), 4)  # 0, 1 or 2 shared with probabilities 1/6, 4/6, 1/6
    0.3889
    """
    from scipy.special import gammaln

    if not first + second:
        return None

    def log_choose(n: Any, k: Any) -> Any:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    shared = np.arange(max(0, first + second - of), min(first, second) + 1, dtype=np.float64)
    log = (
        log_choose(first, shared)
        + log_choose(of - first, second - shared)
        - log_choose(float(of), float(second))
    )
    return float(np.sum(np.exp(log) * shared / (first + second - shared)))


def _reference(group: Sequence[Payer]) -> Payer | None:
    by_name = {cell.key[2]: cell for cell in sorted(group, key=lambda cell: str(cell.key[2]))}
    for name in REFERENCES:
        if name in by_name:
            return by_name[name]
    return next((cell for cell in by_name.values() if cell.criterion == "magnitude"), None)


def _overlap(reference: Payer, cell: Payer) -> list[Any] | None:
    if reference.pies is None or cell.pies is None:
        return None
    (n, first), (m, second) = reference.pies, cell.pies
    if n != m:
        raise UserError(
            f"{cell.folder}: has {m} test examples and {reference.folder} {n}; delete both and run again"
        )
    both = len(np.intersect1d(first, second, assume_unique=True))
    either = len(first) + len(second) - both
    jaccard = both / either if either else None
    return [n, len(first), len(second), both, jaccard, by_chance(len(first), len(second), n)]


def _by_class(reference: Payer, cell: Payer, confidence: float) -> Iterable[list[Any]]:
    support, first = reference.changes
    _, second = cell.changes
    seeds = sorted(set(first) & set(second))
    for name, size in support.items():
        if not seeds or any(name not in side[seed] for side in (first, second) for seed in seeds):
            continue
        ours, theirs = ([side[seed][name] for seed in seeds] for side in (first, second))
        apart = [b - a for a, b in zip(ours, theirs, strict=True)]
        numbers: list[Any] = []
        for values in (ours, theirs, apart):
            interval = t_interval(values, confidence)
            numbers += [interval.mean, interval.low, interval.high]
        yield [name, size, *numbers, confidence, len(seeds)]
