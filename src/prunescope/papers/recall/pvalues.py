"""Tables 1 to 9 of the recall paper: corrected p-values of the tests between alphas, laid out as printed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from prunescope.analysis.alpha.cells import AlphaCell, dense_accuracies
from prunescope.analysis.alpha.order import default_networks, easiest_first, smallest_first
from prunescope.analysis.csv_text import number, read_csv
from prunescope.config.compression import Compression
from prunescope.errors import UserError
from prunescope.figures.style import ordered
from prunescope.papers.recall import paper

K = TypeVar("K", bound=Hashable)


class Side(NamedTuple):
    """A cell that is compared."""

    dataset: str
    arch: str
    pruner: str
    compression: Compression


@dataclass(frozen=True)
class Test:
    """A row of ``alpha_tests.csv``. ``names``: those of its family, after the word that starts it.

    p: corrected; None where the test has no outcome, and ``note`` says why.
    """

    __test__ = False

    start: str
    names: tuple[str, ...]
    a: Side
    b: Side
    p: float | None
    significant: bool
    note: str


@dataclass(frozen=True)
class Table:
    """One table as printed.

    number: the paper's, where it prints this very table; else empty. facts: what is the same in all of it,
    by name. cells: a row of tests per entry of ``rows``; None where there is no such test.
    """

    number: str
    facts: dict[str, str]
    corner: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Test | None, ...], ...]

    @property
    def title(self) -> str:
        return " · ".join(value for value in self.facts.values() if value)


def read_tests(path: Path) -> list[Test]:
    """The tests of a study; none without the table.

    Raises:
        UserError: the table cannot be read.
    """
    found = []
    for row in read_csv(path) if path.exists() else []:
        try:
            start, _, names = row["family"].partition(": ")
            found.append(
                Test(
                    start,
                    tuple(names.split(", ")),
                    _side(row["cell_a"]),
                    _side(row["cell_b"]),
                    number(row["p_corrected"]),
                    row["significant"] == "true",
                    row["note"],
                )
            )
        except (KeyError, ValueError, TypeError, UserError):
            raise UserError(f"{path}: not a table of tests; delete it and run again") from None
    return found


def _side(place: str) -> Side:
    dataset, arch, pruner, compression = place.split("/")
    return Side(dataset, arch, pruner, Compression.parse(compression))


@dataclass(frozen=True)
class Order:
    """How names follow each other in the paper: sizes ascending, easy data sets first, pruners as in Table 8."""

    archs: Sequence[str]
    datasets: Sequence[str]
    pruners: Sequence[str]
    defaults: dict[str, str]

    @classmethod
    def of(cls, cells: Sequence[AlphaCell]) -> Order:
        accuracies = dense_accuracies(cells)
        known = [cell for cell in cells if cell.network in accuracies]
        defaults = default_networks(known)
        at_defaults = [cell for cell in known if defaults[cell.dataset] == cell.arch]
        easiest = [dataset for dataset, _ in easiest_first(at_defaults)]
        others = [dataset for dataset, _ in easiest_first(cells)]
        return cls(
            smallest_first(cells),
            list(dict.fromkeys([*easiest, *others])),
            ordered(cell.pruner for cell in cells),
            defaults,
        )


def amounts_by_network(tests: Sequence[Test], order: Order) -> list[Table]:
    """Tables 1 and 2: neighbouring amounts, a column per network of one data set."""
    found = []
    for (dataset, pruner, kind), own in _groups(
        _of_compressions(tests), lambda t: (t.a.dataset, t.a.pruner, t.a.compression.kind)
    ):
        archs = _in_order((t.a.arch for t in own), order.archs)
        papers = _papers_sizes(dataset, archs, kind)
        number = {"MP": "1", "UP": "2"}.get(pruner, "") if papers else ""
        if len(archs) > 1 or number:
            facts = {"dataset": dataset, "pruner": pruner}
            found.append(_by_compressions(number, facts, archs, own, lambda t: t.a.arch))
    return found


def amounts_by_dataset(tests: Sequence[Test], order: Order) -> list[Table]:
    """Table 3: neighbouring amounts, a column per data set with its default network."""
    found = []
    for (pruner, kind), own in _groups(
        [t for t in _of_compressions(tests) if order.defaults.get(t.a.dataset) == t.a.arch],
        lambda t: (t.a.pruner, t.a.compression.kind),
    ):
        datasets = _in_order((t.a.dataset for t in own), order.datasets)
        number = "3" if pruner == "MP" and kind == "ratio" and _papers_datasets(own) else ""
        if len(datasets) > 1 or number:
            networks = ", ".join(f"{name} with {order.defaults[name]}" for name in datasets)
            found.append(
                _by_compressions(
                    number, {"pruner": pruner, "networks": networks}, datasets, own, lambda t: t.a.dataset
                )
            )
    return found


def amounts_by_pruner(tests: Sequence[Test], order: Order) -> list[Table]:
    """Table 4: neighbouring amounts of one network, a column per pruner."""
    found = []
    for (dataset, arch, kind), own in _groups(
        _of_compressions(tests), lambda t: (t.a.dataset, t.a.arch, t.a.compression.kind)
    ):
        pruners = _in_order((t.a.pruner for t in own), order.pruners)
        number = "4" if kind == "ratio" and paper.is_papers_network(dataset, arch) else ""
        found.append(
            _by_compressions(number, {"dataset": dataset, "arch": arch}, pruners, own, lambda t: t.a.pruner)
        )
    return found


def sizes(tests: Sequence[Test], order: Order) -> list[Table]:
    """Tables 5 and 6: neighbouring sizes of one kind of network, a column per amount."""
    found = []
    for (dataset, family, pruner, kind), own in _groups(
        [t for t in tests if t.start == "arch"],
        lambda t: (t.a.dataset, t.names[1], t.a.pruner, t.a.compression.kind),
    ):
        papers = _papers_sizes(dataset, [t.a.arch for t in own], kind)
        number = {"MP": "5", "UP": "6"}.get(pruner, "") if papers else ""
        facts = {"dataset": dataset, "networks": family, "pruner": pruner}
        found.append(_by_pairs(number, facts, "sizes", own, lambda side: side.arch, order.archs))
    return found


def datasets(tests: Sequence[Test], order: Order) -> list[Table]:
    """Table 7: data sets of neighbouring difficulty, with their default networks or with one that they share."""
    found = []
    for (arch, pruner, kind), own in _groups(
        [t for t in tests if t.start == "dataset"],
        lambda t: (t.names[0] if len(t.names) > 2 else "", t.a.pruner, t.a.compression.kind),
    ):
        number = "7" if not arch and pruner == "MP" and kind == "ratio" and _papers_datasets(own) else ""
        facts = {"pruner": pruner, "networks": arch or "default networks"}
        found.append(_by_pairs(number, facts, "data sets", own, lambda side: side.dataset, order.datasets))
    return found


def pruners(tests: Sequence[Test], order: Order) -> list[Table]:
    """Table 8: all pairs of pruners of one network, a column per amount."""
    found = []
    for (dataset, arch, kind), own in _groups(
        [t for t in tests if t.start == "pruner"], lambda t: (t.a.dataset, t.a.arch, t.a.compression.kind)
    ):
        number = "8" if kind == "ratio" and paper.is_papers_network(dataset, arch) else ""
        facts = {"dataset": dataset, "arch": arch}
        found.append(_by_pairs(number, facts, "pruners", own, lambda side: side.pruner, order.pruners))
    return found


def over_sizes(tests: Sequence[Test], order: Order) -> list[Table]:
    """Table 9: MP against UP, a row per amount and a column per network; one family of tests."""
    found = []
    for (dataset, family, kind), own in _groups(
        [t for t in tests if t.start.endswith(" over sizes")],
        lambda t: (t.a.dataset, t.names[1], t.a.compression.kind),
    ):
        archs = _in_order((t.a.arch for t in own), order.archs)
        compressions = sorted({t.a.compression for t in own})
        at = {(t.a.compression, t.a.arch): t for t in own}
        found.append(
            Table(
                "9" if _papers_sizes(dataset, archs, kind) else "",
                {
                    "dataset": dataset,
                    "networks": family,
                    "pruners": f"{own[0].a.pruner} vs {own[0].b.pruner}",
                },
                _corner(compressions),
                tuple(archs),
                tuple(bare(compression) for compression in compressions),
                tuple(tuple(at.get((compression, arch)) for arch in archs) for compression in compressions),
            )
        )
    return found


def csv_rows(tables: Sequence[Table]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of several tables below each other: number, facts, row, then a column per name of any."""
    facts = list(tables[0].facts) if tables else []
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    rows = []
    for table in tables:
        for name, tests in zip(table.rows, table.cells, strict=True):
            known = dict(zip(table.columns, tests, strict=True))
            values = [None if (test := known.get(column)) is None else test.p for column in names]
            rows.append([table.number, *table.facts.values(), name, *values])
    return ["table", *facts, "row", *names], rows


def bare(compression: Compression) -> str:
    """An amount where the heading says what it is: ``2``, ``90%``."""
    return compression.text.removeprefix(f"{compression.kind} ")


def _of_compressions(tests: Iterable[Test]) -> list[Test]:
    return [test for test in tests if test.a.compression != test.b.compression]


def _by_compressions(
    number: str,
    facts: dict[str, str],
    columns: Sequence[str],
    tests: Sequence[Test],
    column: Callable[[Test], str],
) -> Table:
    pairs = sorted({(t.a.compression, t.b.compression) for t in tests})
    at = {(t.a.compression, t.b.compression, column(t)): t for t in tests}
    return Table(
        number,
        facts,
        _corner([compression for pair in pairs for compression in pair]),
        tuple(columns),
        tuple(f"{bare(a)} vs {bare(b)}" for a, b in pairs),
        tuple(tuple(at.get((*pair, name)) for name in columns) for pair in pairs),
    )


def _by_pairs(
    number: str,
    facts: dict[str, str],
    corner: str,
    tests: Sequence[Test],
    name: Callable[[Side], str],
    order: Sequence[str],
) -> Table:
    """Pairs in the order of what comes later in each, as Table 8 has them."""
    place = {known: position for position, known in enumerate(order)}

    def later_first(pair: tuple[str, str]) -> tuple[int, int]:
        first, second = sorted(place.get(side, len(place)) for side in pair)
        return (second, first)

    pairs = sorted({(name(t.a), name(t.b)) for t in tests}, key=lambda pair: (later_first(pair), pair))
    compressions = sorted({t.a.compression for t in tests})
    at = {(name(t.a), name(t.b), t.a.compression): t for t in tests}
    return Table(
        number,
        facts,
        corner,
        tuple(compression.text for compression in compressions),
        tuple(f"{a} vs {b}" for a, b in pairs),
        tuple(tuple(at.get((*pair, compression)) for compression in compressions) for pair in pairs),
    )


def _corner(compressions: Sequence[Compression]) -> str:
    return " or ".join(dict.fromkeys(str(compression.kind) for compression in compressions))


def _groups(tests: Iterable[Test], key: Callable[[Test], K]) -> Iterator[tuple[K, list[Test]]]:
    found: dict[K, list[Test]] = {}
    for test in tests:
        found.setdefault(key(test), []).append(test)
    yield from found.items()


def _in_order(names: Iterable[str], order: Sequence[str]) -> list[str]:
    there = dict.fromkeys(names)
    return [name for name in order if name in there] + [name for name in there if name not in order]


def _papers_sizes(dataset: str, archs: Iterable[str], kind: str) -> bool:
    sized = any(paper.is_one_of(arch, paper.SIZES) for arch in archs)
    return kind == "ratio" and sized and paper.is_one_of(dataset, [paper.DATASET])


def _papers_datasets(tests: Iterable[Test]) -> bool:
    return any(paper.is_default(side.dataset, side.arch) for test in tests for side in (test.a, test.b))
