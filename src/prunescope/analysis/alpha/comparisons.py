"""Which cells' alphas are compared: the recall paper's hypotheses (section 7), as far as a grid has them.

A family of comparisons is a column of the paper's Tables 1-8, or all of Table 9; p-values are corrected
within it. What counts as a larger architecture or a more difficult data set is read off the results.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeVar

from prunescope.analysis.alpha.cells import AlphaCell, dense_accuracies
from prunescope.analysis.alpha.order import default_architectures, levels
from prunescope.analysis.ttests import Alternative
from prunescope.config.compression import Compression
from prunescope.config.pruners import paper_order

#: The pruners of Table 9, in its order.
_OVER_SIZES = ("MP", "UP")

#: How second readings of pruners are called: UP-derived beside UP. The paper knows one, so its families have one.
_DERIVED = "-derived"

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """One test: ``first`` against ``second``, called ``a`` and ``b``.

    alternative: of mean alpha of a - mean alpha of b against 0. undecided: why there is no test although
    the grid has both sides; empty where there is one.
    """

    family: str
    varied: str
    fixed: str
    a: str
    b: str
    first: AlphaCell
    second: AlphaCell
    paired: bool
    alternative: Alternative
    undecided: str = ""


def comparisons(cells: Sequence[AlphaCell]) -> list[Comparison]:
    """Every comparison of the grid, families together, in the order of the paper's tables."""
    ordered = sorted(cells, key=lambda cell: (cell.pair, paper_order(cell.pruner), cell.compression))
    over_sizes = list(_over_sizes(ordered))
    return [
        *_compressions(ordered),
        *_sizes(ordered),
        *_datasets(ordered),
        *_pruners(ordered, {c.first.pair for c in over_sizes}),
        *over_sizes,
    ]


def _compressions(cells: Sequence[AlphaCell]) -> Iterator[Comparison]:
    """Tables 1-4: consecutive compression levels of an architecture and pruner; alpha is smaller at the lower."""
    groups = _groups(cells, lambda c: (c.dataset, c.arch, c.pruner, c.compression.kind))
    for (dataset, arch, pruner, kind), group in groups.items():
        for first, second in pairwise(sorted(group, key=lambda cell: cell.compression)):
            yield Comparison(
                family=f"{kind}: {dataset}, {arch}, {pruner}",
                varied=kind,
                fixed=f"dataset={dataset}; arch={arch}; pruner={pruner}",
                a=_value(first.compression),
                b=_value(second.compression),
                first=first,
                second=second,
                paired=True,
                alternative="less",
            )


def _sizes(cells: Sequence[AlphaCell]) -> Iterator[Comparison]:
    """Tables 5-6: consecutive sizes of one family of architectures; alpha is larger in the smaller one."""
    sized = [cell for cell in cells if cell.family is not None and cell.parameters is not None]
    groups = _groups(sized, lambda c: (c.dataset, c.family, c.pruner, c.compression))
    for (dataset, kind, pruner, compression), group in groups.items():
        ascending = sorted(group, key=lambda cell: (cell.parameters or 0, cell.arch))
        for first, second in pairwise(ascending):
            same = first.parameters == second.parameters
            yield Comparison(
                family=f"arch: {dataset}, {kind}, {pruner}, {_named(compression)}",
                varied="arch",
                fixed=f"dataset={dataset}; pruner={pruner}; {_assigned(compression)}",
                a=first.arch,
                b=second.arch,
                first=first,
                second=second,
                paired=False,
                alternative="greater",
                undecided="as many parameters: neither is the smaller network" if same else "",
            )


def _datasets(cells: Sequence[AlphaCell]) -> Iterator[Comparison]:
    """Table 7: data sets of neighbouring complexity; alpha is smaller for the easier one.

    Each data set stands with its default architecture. Data sets with the same one and as many classes are of
    comparable complexity, as the paper takes MNIST and Fashion-MNIST to be; such levels are put in order
    by the mean accuracy of their dense models, and every data set of a level is compared with every
    one of the next. What else shares an architecture is compared in families of its own, neighbours by dense
    accuracy. Of each pair, the one with the higher dense accuracy is the easier.
    """
    accuracies = dense_accuracies(cells)
    known = [cell for cell in cells if cell.pair in accuracies]
    defaults = default_architectures(known)
    in_table = set()
    at_defaults = [cell for cell in known if defaults[cell.dataset] == cell.arch]
    for (pruner, compression), group in _groups(at_defaults, lambda c: (c.pruner, c.compression)).items():
        for one, other in _neighbours_by_level(group, accuracies):
            in_table.add(frozenset((one.path, other.path)))
            yield _of_datasets(f"dataset: {pruner}, {_named(compression)}", one, other, accuracies)
    for (arch, pruner, compression), group in _groups(
        known, lambda c: (c.arch, c.pruner, c.compression)
    ).items():
        by_accuracy = sorted(group, key=lambda cell: (-accuracies[cell.pair], cell.dataset))
        for one, other in pairwise(by_accuracy):
            if frozenset((one.path, other.path)) not in in_table:
                family = f"dataset: {arch}, {pruner}, {_named(compression)}"
                yield _of_datasets(family, one, other, accuracies)


def _of_datasets(
    family: str, one: AlphaCell, other: AlphaCell, accuracies: Mapping[tuple[str, str], float]
) -> Comparison:
    first, second = sorted((one, other), key=lambda cell: (-accuracies[cell.pair], cell.dataset))
    same = accuracies[first.pair] == accuracies[second.pair]
    return Comparison(
        family=family,
        varied="dataset",
        fixed=f"pruner={first.pruner}; {_assigned(first.compression)}",
        a=first.dataset,
        b=second.dataset,
        first=first,
        second=second,
        paired=False,
        alternative="less",
        undecided="the same unpruned accuracy: neither is the easier data set" if same else "",
    )


def _pruners(cells: Sequence[AlphaCell], over_sizes: set[tuple[str, str]]) -> Iterator[Comparison]:
    """Table 8: all pairs of pruners at one compression level of a (data set, architecture) pair.

    A pair that has only the two pruners of Table 9, and is compared there, is not compared once more. Second readings
    are a family of their own: each against the others, where they take the place of their namesakes.
    """
    for (pair, compression), group in _groups(cells, lambda c: (c.pair, c.compression)).items():
        where = f"{', '.join(pair)}, {_named(compression)}"
        derived = {cell.pruner for cell in group if cell.pruner.endswith(_DERIVED)}
        read_once = [cell for cell in group if cell.pruner not in derived]
        if not (pair in over_sizes and {cell.pruner for cell in read_once} == set(_OVER_SIZES)):
            for first, second in combinations(read_once, 2):
                yield _of_pruners(f"pruner: {where}", first, second)
        read_twice = [cell for cell in group if cell.pruner + _DERIVED not in derived]
        for first, second in combinations(read_twice, 2):
            if derived & {first.pruner, second.pruner}:
                yield _of_pruners(f"pruner, as derived: {where}", first, second)


def _over_sizes(cells: Sequence[AlphaCell]) -> Iterator[Comparison]:
    """Table 9: MP against UP at all sizes of a family of architectures and all compression levels, one family."""
    chosen = [cell for cell in cells if cell.family is not None and cell.pruner in _OVER_SIZES]
    groups = _groups(chosen, lambda c: (c.dataset, c.family, c.compression.kind))
    for (dataset, family, kind), group in groups.items():
        by_compression = _groups(group, lambda c: (c.compression, c.parameters or 0, c.arch))
        both = [
            by_compression[key]
            for key in sorted(by_compression)
            if len(by_compression[key]) == len(_OVER_SIZES)
        ]
        if len({pair[0].arch for pair in both}) < 2:
            continue
        for first, second in both:
            name = f"{' and '.join(_OVER_SIZES)} over sizes: {dataset}, {family}, {kind}"
            yield _of_pruners(name, first, second)


def _of_pruners(family: str, first: AlphaCell, second: AlphaCell) -> Comparison:
    return Comparison(
        family=family,
        varied="pruner",
        fixed=f"dataset={first.dataset}; arch={first.arch}; {_assigned(first.compression)}",
        a=first.pruner,
        b=second.pruner,
        first=first,
        second=second,
        paired=True,
        alternative="two-sided",
    )


def _neighbours_by_level(
    group: Sequence[AlphaCell], accuracies: Mapping[tuple[str, str], float]
) -> Iterator[tuple[AlphaCell, AlphaCell]]:
    for easier, harder in pairwise(levels(group, accuracies)):
        yield from ((one, other) for one in easier for other in harder)


def _groups(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    found: dict[K, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def _value(compression: Compression) -> str:
    return f"{compression.value:g}"


def _named(compression: Compression) -> str:
    return f"{compression.kind} {compression.value:g}"


def _assigned(compression: Compression) -> str:
    return f"{compression.kind}={compression.value:g}"
