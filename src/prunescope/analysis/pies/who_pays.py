"""Who pays under one pruner, against who pays under another, at one compression level of the same dense models.

Changes are against the dense models. Scores are compared between all pairs of pruners; PIEs and classes with one
reference, a pruner by magnitude, which is what papers compare new pruners with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from prunescope.analysis.audit_tables import Recall
from prunescope.analysis.pies.table import read_is_pie
from prunescope.analysis.spans import SHARE, span_of
from prunescope.analysis.stats import change_span, mean, t_interval_of_change
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import read_table
from prunescope.analysis.tables.registry import PrunerTest, WhoPays, WhoPaysClass
from prunescope.analysis.tables.results import StudyResults
from prunescope.analysis.ttests import holm, paired
from prunescope.errors import UserError

R = TypeVar("R", PrunerTest, WhoPaysClass)

#: Whom others are compared with: the first of these that prunes to the same compression level, else the first by
#: name that prunes by magnitude.
REFERENCES = ("GMP", "IMP-FT", "IMP-WR", "MP", "LTH", "MP-AI")


def overlaps(study: StudyResults) -> Iterator[WhoPays]:
    """A row per pruned cell that has a reference: how many PIEs they share.

    Raises:
        UserError: a file is damaged, or the two cells have different test examples.
    """
    read = cache(_pies)
    for reference, cells in _compared(study.pruned):
        theirs = read(reference.folder)
        for cell in cells:
            ours = read(cell.folder)
            if theirs is not None and ours is not None:
                yield _overlap(reference, cell, theirs, ours)


def pruner_tests(study: StudyResults) -> list[PrunerTest]:
    """A row per pair of pruners at one compression level of a data set and architecture.

    Both were pruned from the same dense models, so that seeds pair.
    """
    rows = []
    for group in _groups(study.pruned):
        scored = [(cell, cell.scores("pruned")) for cell in sorted(group, key=lambda cell: cell.pruner)]
        for (a, first), (b, second) in combinations(scored, 2):
            seeds = sorted(first.keys() & second.keys())
            test = paired(first, second, "two-sided", study.analysis.confidence)
            of_a, of_b = ([side[seed] for seed in seeds] for side in (first, second))
            difference = test.difference
            if difference.low is not None:
                span = change_span(of_b, of_a, span_of(a.metric), study.analysis.confidence)
                difference = difference.within(span)
            rows.append(
                PrunerTest(
                    a.dataset, a.arch, a.compression.text, a.metric, a.pruner, b.pruner,
                    mean(of_a), mean(of_b), difference.mean, difference.low, difference.high,
                    study.analysis.confidence, len(seeds), test.statistic, test.p_value, None,
                    "/".join(a.folder.parts[-4:]), "/".join(b.folder.parts[-4:]), test.note,
                )
            )  # fmt: skip
    return _corrected(rows)


def class_changes(study: StudyResults) -> Iterator[WhoPaysClass]:
    """A row per class and pruned cell that has a reference.

    Intervals are over the seeds that both have, at the study's ``confidence``.
    """
    read = cache(_recalls)
    confidence = study.analysis.confidence
    for reference, cells in _compared(study.pruned):
        support, first = read(reference.folder)
        rows = []
        for cell in cells:
            _, second = read(cell.folder)
            seeds = sorted(set(first) & set(second))
            for name, size in support.items():
                if not seeds or any(name not in side[seed] for side in (first, second) for seed in seeds):
                    continue
                (dense, theirs), (own_dense, ours) = (
                    zip(*(side[seed][name] for seed in seeds), strict=True) for side in (first, second)
                )
                of_reference, own, apart = (
                    t_interval_of_change(before, after, confidence, SHARE)
                    for before, after in ((dense, theirs), (own_dense, ours), (theirs, ours))
                )
                before, after = (
                    {seed: side[seed][name][1] - side[seed][name][0] for seed in seeds}
                    for side in (first, second)
                )
                test = paired(after, before, "two-sided", confidence)
                rows.append(
                    WhoPaysClass(
                        **cell.names, reference=reference.pruner, class_=name, support=size,
                        change_reference=of_reference.mean, change_reference_low=of_reference.low,
                        change_reference_high=of_reference.high, change=own.mean, change_low=own.low,
                        change_high=own.high, difference=apart.mean, difference_low=apart.low,
                        difference_high=apart.high, confidence=confidence, n_seeds=len(seeds), p_value=test.p_value,
                    )
                )  # fmt: skip
        yield from _corrected(rows)


def _corrected(rows: Sequence[R]) -> list[R]:
    corrected = holm([row.p_value for row in rows])
    return [replace(row, p_corrected=p) for row, p in zip(rows, corrected, strict=True)]


def _groups(cells: Iterable[CellResults]) -> Iterable[list[CellResults]]:
    """Cells of one data set, architecture and compression level."""
    groups: dict[tuple[Any, ...], list[CellResults]] = {}
    for cell in cells:
        groups.setdefault((cell.dataset, cell.arch, cell.compression), []).append(cell)
    return groups.values()


def _compared(cells: Iterable[CellResults]) -> Iterator[tuple[CellResults, list[CellResults]]]:
    """The reference at its compression level, and the other cells, where there is one."""
    for group in _groups(cells):
        if (reference := _reference(group)) is not None:
            yield reference, [cell for cell in group if cell is not reference]


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
