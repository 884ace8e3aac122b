"""Tables 1 to 9 of the recall paper: corrected p-values of the tests between alphas, a record per test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic.dataclasses import dataclass as validated

from prunescope.analysis.alpha.cells import AlphaCell, alpha_cell, dense_accuracies
from prunescope.analysis.alpha.order import default_architectures, easiest_first, smallest_first
from prunescope.analysis.tables.registry import AlphaTest
from prunescope.config.compression import Compression
from prunescope.errors import BadFileError, UserError
from prunescope.figures.style import ordered
from prunescope.papers.layout import STRICT
from prunescope.papers.measured import grouped
from prunescope.papers.recall.alpha_tests import DEFAULTS as DEFAULT
from prunescope.papers.recall.alpha_tests import Family
from prunescope.papers.recall.printed import DEFAULTS, FIXED, SIZES, named
from prunescope.papers.render import label
from prunescope.papers.results import Inputs, PrunedCell, Record
from prunescope.paths import CellFolder


class Test(NamedTuple):
    """A test between two cells."""

    family: Family
    a: PrunedCell
    b: PrunedCell
    row: AlphaTest


def alpha_cells(inputs: Inputs) -> list[AlphaCell]:
    """Every analysed cell that has an alpha."""
    cells = [cell for _, cell in sorted(inputs.results.found.items())]
    found = [alpha_cell(cell) for cell in cells if (cell.folder / "test" / "summary.json").exists()]
    return [cell for cell in found if cell is not None and cell.alpha]


def read_tests(inputs: Inputs) -> list[Test]:
    """The tests of a study; none without the table.

    Raises:
        UserError: the table cannot be read.
    """
    found = []
    for row in inputs.rows(AlphaTest):
        try:
            a, b = (PrunedCell.of(CellFolder.at(Path(side))) for side in (row.cell_a, row.cell_b))
        except UserError:
            raise BadFileError(inputs.tables / "alpha_tests.csv", "not a table of tests") from None
        found.append(Test(Family.of(row.family), a, b, row))
    return found


class Order(NamedTuple):
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
        defaults = default_architectures(known)
        at_defaults = [cell for cell in known if defaults[cell.dataset] == cell.arch]
        easiest = [dataset for group in (at_defaults, cells) for dataset, _ in easiest_first(group)]
        pruners = ordered(cell.pruner for cell in cells)
        by_kind = {"arch": smallest_first(cells), "dataset": list(dict.fromkeys(easiest)), "pruner": pruners}
        return cls(by_kind, defaults)

    def place(self, varied: str, name: str) -> int:
        """Others come at the end."""
        names = self.names[varied]
        return names.index(name) if name in names else len(names)

    def later_first(self, varied: str, pair: tuple[str, str]) -> tuple[Any, ...]:
        """Sorts pairs by what comes later in each, as Table 8 has them."""
        return (*sorted((self.place(varied, side) for side in pair), reverse=True), pair)


#: What stands over the first column, by what varies.
_CORNERS = {"arch": "sizes", "dataset": "data sets", "pruner": "pruners"}

#: What is the same in one table, by name.
_FACTS: dict[str, Callable[[Test], str]] = {
    "dataset": lambda test: test.a.dataset,
    "arch": lambda test: test.a.arch,
    "pruner": lambda test: test.a.pruner,
    "networks": lambda test: test.family.archs,
    "pruners": lambda test: f"{test.a.pruner} vs {test.b.pruner}",
}


@validated(frozen=True, config=STRICT)
class PValues:
    """How tests are laid out; a call gives the records.

    facts: what is the same in one table, as ``dataset, pruner``; levels of one kind stand together, too.
    rows: ``levels`` (pairs), ``level``, or what varies between the sides: ``arch``, ``dataset`` or ``pruner``.
    columns: ``level``, or what varies between columns: ``arch``, ``pruner``, or data sets with default architectures.
    grid: what of the paper's grid a table must be of to have its number: ``sizes``, ``datasets`` or ``fixed``.
    numbers: the paper's, by pruner, or of any under an empty name.
    """

    facts: str
    rows: Literal["levels", "level", "arch", "dataset", "pruner"]
    columns: Literal["level", "arch", "dataset", "pruner"]
    grid: Literal["sizes", "datasets", "fixed"]
    numbers: Mapping[str, str]

    def __call__(self, inputs: Inputs) -> list[dict[str, Any]]:
        """A record per test and gap of every table, the paper's own tables first; the others keep their order."""
        order = inputs.once(Order.of)
        tests = [test for test in inputs.once(read_tests) if self._has(test, order)]
        groups = grouped(((*self._facts(test).values(), test.a.compression.kind), test) for test in tests)
        found = [records for own in groups.values() if (records := self._table(own, order))]
        found.sort(key=lambda own: own[0]["table"] or "~")
        return [
            {**record, "grid": index, "line": (index, record["row"])}
            for index, own in enumerate(found)
            for record in own
        ]

    def _facts(self, test: Test) -> dict[str, str]:
        return {name: _FACTS[name](test) for name in self.facts.split(", ")}

    def _has(self, test: Test, order: Order) -> bool:
        if self.rows == "levels":
            default = self.columns != "dataset" or order.defaults.get(test.a.dataset) == test.a.arch
            return default and test.a.compression != test.b.compression
        return test.family.over_sizes if self.rows == "level" else test.family.over == self.rows

    def _table(self, own: Sequence[Test], order: Order) -> list[dict[str, Any]]:
        by_level = self.rows in ("levels", "level")
        row = "compression" if by_level else self.rows
        column = "compression" if self.columns == "level" else self.columns
        at = {((getattr(t.a, row), getattr(t.b, row)), getattr(t.a, column)): t.row for t in own}
        lines: list[Any] = sorted({line for line, _ in at})
        names: list[Any] = list(dict.fromkeys(name for _, name in at))
        if not by_level:
            lines.sort(key=lambda line: order.later_first(self.rows, line))
        names.sort(key=None if self.columns == "level" else lambda name: order.place(self.columns, name))
        facts = self._facts(own[0])
        if self.rows == "levels" and "networks" in facts:
            facts["networks"] = ", ".join(f"{name} with {order.defaults[name]}" for name in names)
        shared = {"table": self._number(own), **facts, "title": " · ".join(filter(None, facts.values()))}
        shared["corner"] = _CORNERS.get(self.rows, own[0].a.compression.kind)
        # One architecture or data set alone stands in Table 4, with its pruners.
        if self.rows == "levels" and self.columns != "pruner" and len(names) < 2 and not shared["table"]:
            return []
        records = []
        for line in lines:
            sides = [bare(side) if by_level else side for side in line]
            title = sides[0] if self.rows == "level" else " vs ".join(sides)
            for name in names:
                records.append(
                    {**shared, "row": title, "column": label(name), **_outcome(at.get((line, name)))}
                )
        return records

    def _number(self, own: Sequence[Test]) -> str:
        """The paper's number of a table, empty where the paper does not print this very table."""
        side, first = own[0].a, [named(*test.a.setup) for test in own]
        both = [*first, *(named(*test.b.setup) for test in own)]
        defaults = own[0].family.archs in ("", DEFAULT)
        known = {
            "sizes": any(dataset == FIXED[0] and arch in SIZES for dataset, arch in first),
            "datasets": defaults and any(setup in DEFAULTS.items() for setup in both),
            "fixed": first[0] == FIXED,
        }
        number = self.numbers.get(side.pruner, self.numbers.get("", ""))
        return number if known[self.grid] and side.compression.kind == "ratio" else ""


def _outcome(test: AlphaTest | None) -> dict[str, Any]:
    """Of a test: ``p`` and how a page shows it."""
    p = test.p_corrected if test else None
    shown = "" if test is None else "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
    why = test.note if test and p is None else ""
    return {"p": p, "shown": shown, "why": why, "significant": p is not None and test and test.significant}


def corrected(inputs: Inputs, records: Sequence[Record], within: str) -> str:
    """How p-values are corrected, ``within`` what of a table."""
    correction = inputs.study.analysis.correction.capitalize()
    return f"{correction}-corrected within each {within}. **Bold**: below 0.05. –: the test has no outcome."


def bare(compression: Compression) -> str:
    """A compression level where the heading says its kind: ``2``, ``90%``."""
    return compression.text.removeprefix(f"{compression.kind} ")
