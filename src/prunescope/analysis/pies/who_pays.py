"""Who pays under one pruner, against who pays under another: rows of ``who_pays.csv`` and ``who_pays_classes.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.audit_tables import Recall
from prunescope.analysis.pies.table import read_is_pie
from prunescope.analysis.spans import SHARE
from prunescope.analysis.stats import t_interval_of_change
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import read_table
from prunescope.analysis.tables.registry import WhoPays, WhoPaysClass
from prunescope.analysis.tables.results import StudyResults
from prunescope.errors import UserError

#: Whom others are compared with: the first of these that prunes to the same compression level, else the first by
#: name that prunes by magnitude.
REFERENCES = ("GMP", "IMP-FT", "IMP-WR", "MP", "LTH", "MP-AI")


def overlaps(study: StudyResults) -> Iterator[WhoPays]:
    """A row per pruned cell that has a reference: how many PIEs they share.

    Raises:
        UserError: a file is damaged, or the two cells have different test examples.
    """
    read = cache(_pies)
    for reference, cell in compared(study.pruned):
        theirs, ours = read(reference.folder), read(cell.folder)
        if theirs is not None and ours is not None:
            yield _overlap(reference, cell, theirs, ours)


def class_changes(study: StudyResults) -> Iterator[WhoPaysClass]:
    """A row per class and pruned cell that has a reference.

    Intervals are over the seeds that both have, at the study's ``confidence``.
    """
    read = cache(_recalls)
    for reference, cell in compared(study.pruned):
        support, first = read(reference.folder)
        _, second = read(cell.folder)
        seeds = sorted(set(first) & set(second))
        for name, size in support.items():
            if not seeds or any(name not in side[seed] for side in (first, second) for seed in seeds):
                continue
            confidence = study.analysis.confidence
            (dense, reference_recalls), (own_dense, recalls) = (
                zip(*(side[seed][name] for seed in seeds), strict=True) for side in (first, second)
            )
            of_reference, own, difference = (
                t_interval_of_change(before, after, confidence, SHARE)
                for before, after in (
                    (dense, reference_recalls),
                    (own_dense, recalls),
                    (reference_recalls, recalls),
                )
            )
            yield WhoPaysClass(
                **cell.names,
                reference=reference.pruner,
                class_=name,
                support=size,
                change_reference=of_reference.mean,
                change_reference_low=of_reference.low,
                change_reference_high=of_reference.high,
                change=own.mean,
                change_low=own.low,
                change_high=own.high,
                difference=difference.mean,
                difference_low=difference.low,
                difference_high=difference.high,
                confidence=confidence,
                n_seeds=len(seeds),
            )


def compared(cells: Iterable[CellResults]) -> Iterator[tuple[CellResults, CellResults]]:
    """The reference at its compression level, and the cell, for every pruned cell that has one."""
    groups: dict[tuple[Any, ...], list[CellResults]] = {}
    for cell in cells:
        groups.setdefault((cell.dataset, cell.arch, cell.compression), []).append(cell)
    for group in groups.values():
        reference = _reference(group)
        if reference is not None:
            yield from ((reference, cell) for cell in group if cell is not reference)


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


def _reference(group: Sequence[CellResults]) -> CellResults | None:
    by_name = {cell.pruner: cell for cell in sorted(group, key=lambda cell: cell.pruner)}
    for name in REFERENCES:
        if name in by_name:
            return by_name[name]
    by_magnitude = (cell for cell in by_name.values() if cell.composition.get("criterion") == "magnitude")
    return next(by_magnitude, None)


def _pies(folder: Path) -> tuple[int, np.ndarray] | None:
    """The number of test examples, and the PIEs among them, ascending; None where no models were left.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / "test" / "pies.parquet"
    if not path.exists():
        return None
    examples, is_pie = read_is_pie(path)
    return len(examples), np.sort(examples[is_pie])


def _recalls(folder: Path) -> tuple[dict[str, int], dict[int, dict[str, tuple[float, float]]]]:
    """Support by class, and dense and pruned recall by seed and class; empty without classes."""
    support: dict[str, int] = {}
    recalls: dict[int, dict[str, tuple[float, float]]] = {}
    for row in read_table(folder / "test", Recall):
        support[row.class_] = row.support
        if row.recall_dense is not None and row.recall_pruned is not None:
            recalls.setdefault(row.seed, {})[row.class_] = (row.recall_dense, row.recall_pruned)
    return support, recalls


def _overlap(
    reference: CellResults, cell: CellResults, theirs: tuple[int, np.ndarray], ours: tuple[int, np.ndarray]
) -> WhoPays:
    (n, first), (m, second) = theirs, ours
    if n != m:
        raise UserError(
            f"{cell.folder}: has {m} test examples and {reference.folder} {n}; run the study again, with both in it"
        )
    both = len(np.intersect1d(first, second, assume_unique=True))
    either = len(first) + len(second) - both
    return WhoPays(
        **cell.names,
        reference=reference.pruner,
        n_examples=n,
        n_pies_reference=len(first),
        n_pies=len(second),
        n_both=both,
        jaccard=both / either if either else None,
        jaccard_by_chance=by_chance(len(first), len(second), n),
    )
