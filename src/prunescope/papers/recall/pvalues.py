"""Tables 1 to 9 of the recall paper: corrected p-values of the tests between alphas, a record per test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from prunescope.analysis.alpha.cells import AlphaCell, dense_accuracies, read_alpha_cell
from prunescope.analysis.alpha.order import default_networks, easiest_first, smallest_first
from prunescope.analysis.csv_text import number
from prunescope.config.compression import Compression
from prunescope.errors import UserError
from prunescope.figures.style import ordered
from prunescope.papers.layout import Cell, Column, Csv, Table, View, captioned, label
from prunescope.papers.results import Inputs, Record


class Side(NamedTuple):
    """A cell that is compared."""

    dataset: str
    arch: str
    pruner: str
    compression: Compression

    @classmethod
    def parse(cls, cell: str) -> Side:
        dataset, arch, pruner, compression = cell.split("/")
        return cls(dataset, arch, pruner, Compression.parse(compression))


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


def alpha_cells(inputs: Inputs) -> list[AlphaCell]:
    """Every analysed cell that has an alpha."""
    paths = [inputs.results.folders[cell] for cell in sorted(inputs.results.folders)]
    found = [read_alpha_cell(path) for path in paths if (path / "test" / "summary.json").exists()]
    return [cell for cell in found if cell is not None and cell.alpha]


def read_tests(inputs: Inputs) -> list[Test]:
    """The tests of a study; none without the table.

    Raises:
        UserError: the table cannot be read.
    """
    found = []
    for row in inputs.rows("alpha_tests"):
        try:
            start, _, names = row["family"].partition(": ")
            sides = (Side.parse(row["cell_a"]), Side.parse(row["cell_b"]))
            p, significant = number(row["p_corrected"]), row["significant"] == "true"
            found.append(Test(start, tuple(names.split(", ")), *sides, p, significant, row["note"]))
        except (KeyError, ValueError, TypeError, UserError):
            path = inputs.tables / "alpha_tests.csv"
            raise UserError(f"{path}: not a table of tests; delete it and run again") from None
    return found


@dataclass(frozen=True)
class Order:
    """How names follow each other in the paper: sizes ascending, easy data sets first, pruners as in Table 8.

    names: by what varies. defaults: the architecture of each data set where data sets are compared.
    """

    names: Mapping[str, Sequence[str]]
    defaults: Mapping[str, str]

    @classmethod
    def of(cls, inputs: Inputs) -> Order:
        cells = inputs.once(alpha_cells)
        accuracies = dense_accuracies(cells)
        known = [cell for cell in cells if (cell.dataset, cell.arch) in accuracies]
        defaults = default_networks(known)
        at_defaults = [cell for cell in known if defaults[cell.dataset] == cell.arch]
        easiest = [dataset for group in (at_defaults, cells) for dataset, _ in easiest_first(group)]
        names = {
            "arch": smallest_first(cells),
            "dataset": list(dict.fromkeys(easiest)),
            "pruner": ordered(cell.pruner for cell in cells),
        }
        return cls(names, defaults)

    def sorted(self, names: Iterable[str], varied: str) -> list[str]:
        """Distinct names in this order, others at the end."""
        there, known = dict.fromkeys(names), self.names[varied]
        return [name for name in known if name in there] + [name for name in there if name not in known]

    def later_first(self, pair: tuple[str, str], varied: str) -> tuple[Any, ...]:
        """Sorts pairs by what comes later in each, as Table 8 has them."""
        known = {name: position for position, name in enumerate(self.names[varied])}
        first, second = sorted(known.get(side, len(known)) for side in pair)
        return (second, first, pair)


#: What stands over the first column, by what varies.
_CORNERS = {"arch": "sizes", "dataset": "data sets", "pruner": "pruners"}


def levels_differ(test: Test) -> bool:
    return test.a.compression != test.b.compression


def table(
    numbers: str,
    title: str,
    file: str,
    holds: str,
    *,
    hypothesis: str,
    of: Callable[[Test, Order], bool],
    facts: Mapping[str, Callable[[Test], str]],
    rows: str,
    columns: str,
    number: Callable[[list[Test]], str],
    several: bool = False,
    defaults: bool = False,
    family: str = "each column",
) -> Table:
    """The declaration of p-values in one layout.

    Args:
        hypothesis: what is tested.
        of: which tests belong here.
        facts: what is the same in one table, by name; levels of one kind stand together, too.
        rows: ``levels`` (pairs), ``level``, or what varies between the sides: ``arch``, ``dataset`` or ``pruner``.
        columns: ``level``, or what varies between columns.
        number: the paper's number of a table, empty where the paper does not print this very table.
        several: whether a table without a number needs two columns.
        defaults: whether the facts say which architecture each data set stands with.
        family: what is corrected together.
    """

    def row(test: Test) -> tuple[Any, ...]:
        if rows in ("levels", "level"):
            return (test.a.compression, test.b.compression)
        return (getattr(test.a, rows), getattr(test.b, rows))

    def named(key: tuple[Any, ...]) -> str:
        if rows == "level":
            return bare(key[0])
        return " vs ".join(bare(side) if rows == "levels" else side for side in key)

    def column(test: Test) -> Any:
        return test.a.compression if columns == "level" else getattr(test.a, columns)

    def one(own: list[Test], order: Order) -> list[dict[str, Any]]:
        keys = {row(test) for test in own}
        lines = sorted(
            keys, key=None if rows.startswith("level") else lambda key: order.later_first(key, rows)
        )
        names = (
            sorted({column(test) for test in own})
            if columns == "level"
            else order.sorted(map(column, own), columns)
        )
        said = {name: read(own[0]) for name, read in facts.items()}
        if defaults:
            said["networks"] = ", ".join(f"{name} with {order.defaults[name]}" for name in names)
        shared = {
            "table": number(own),
            "facts": tuple(said),
            **said,
            "title": " · ".join(filter(None, said.values())),
            "corner": _CORNERS.get(rows, own[0].a.compression.kind),
        }
        if several and len(names) < 2 and not shared["table"]:
            return []
        at = {(row(test), column(test)): test for test in own}
        return [
            {
                **shared,
                "row": named(line),
                "column": label(name),
                "test": (test := at.get((line, name))),
                "p": test.p if test else None,
            }
            for line in lines
            for name in names
        ]

    def records(inputs: Inputs) -> list[dict[str, Any]]:
        order = inputs.once(Order.of)
        groups: dict[Any, list[Test]] = {}
        for test in inputs.once(read_tests):
            if of(test, order):
                key = (*(read(test) for read in facts.values()), test.a.compression.kind)
                groups.setdefault(key, []).append(test)
        # The paper's own tables first; the others keep their order.
        found = sorted(
            filter(None, (one(own, order) for own in groups.values())),
            key=lambda own: own[0]["table"] or "~",
        )
        return [
            {**record, "grid": index, "line": (index, record["row"])}
            for index, own in enumerate(found)
            for record in own
        ]

    def note(inputs: Inputs, records: Sequence[Record]) -> str:
        correction = inputs.study.analysis.correction.capitalize()
        return f"{hypothesis} {correction}-corrected within {family}. **Bold**: below 0.05. –: the test has no outcome."

    return Table(
        numbers,
        f"p-values, {title}",
        file,
        f"corrected p-values: {holds}",
        records,
        View(
            lead=[Column(lambda r: r["corner"], lambda r: r["row"], "name")],
            row=("row",),
            grid=("grid",),
            column="column",
            cells=[Column("", _p_value)],
            caption=lambda r: captioned(r["table"], r["title"]),
            narrow=True,
        ),
        Csv(
            lambda records: ("table", *(records[0]["facts"] if records else ()), "row"),
            {"": "p"},
            column="column",
            row=("line",),
        ),
        note=note,
        empty="The study has no such pair.",
    )


def bare(compression: Compression) -> str:
    """A compression level where the heading says its kind: ``2``, ``90%``."""
    return compression.text.removeprefix(f"{compression.kind} ")


def _p_value(record: Record) -> Cell | str:
    test = record["test"]
    if test is None:
        return ""
    if test.p is None:
        return Cell("–", note=test.note)
    return Cell("< 0.001" if test.p < 0.001 else f"{test.p:.3f}", "strong" if test.significant else "")
