"""A study's results by cell: the rows of the cross-study tables, found by what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import Key, Row, read_table
from prunescope.analysis.tables.results import read_cell
from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.config.pruners import NO_PRUNER
from prunescope.config.study import Study
from prunescope.figures.style import ordered
from prunescope.papers.measured import Measured, grouped
from prunescope.paths import CellFolder

#: A value of a paper's table, with everything that its row, its column and its file need, by name.
Record = Mapping[str, Any]
T = TypeVar("T")
R = TypeVar("R", bound=Record)
Kind = TypeVar("Kind", bound=Row)


class Setup(NamedTuple):
    """An architecture on a data set: a block of rows in the papers' tables."""

    dataset: str
    arch: str

    @property
    def text(self) -> str:
        return f"{self.dataset} · {self.arch}"


class PrunedCell(NamedTuple):
    """A cell of the grid that a pruner has gone over; dense models have pruner ``none``."""

    dataset: str
    arch: str
    pruner: str
    compression: Compression

    @classmethod
    def of(cls, cell: Cell | CellFolder | CellResults) -> PrunedCell:
        return cls(cell.dataset, cell.arch, cell.pruner, cell.compression)

    @property
    def setup(self) -> Setup:
        return Setup(self.dataset, self.arch)

    @property
    def text(self) -> str:
        return f"{self.setup.text} · {self.pruner} at {self.compression.text}"


@dataclass(frozen=True)
class Results:
    """What there is, and what the study asks for.

    cells: every pruned cell of the study, done or not, and any other that is done.
    found: those that are analysed, of dense models too.
    measured: their quantities. order: setups, as the study lists them.
    """

    cells: frozenset[PrunedCell]
    found: Mapping[PrunedCell, CellResults]
    measured: Measured = field(default_factory=Measured)
    order: tuple[Setup, ...] = ()

    @classmethod
    def read(cls, study: Study, datasets: Collection[str], cells: Iterable[Path], tables: Path) -> Results:
        """Read the tables.

        Args:
            study: its cells are the rows and columns of the papers' tables, if of one of ``datasets``.
            cells: cell folders ``.../<dataset>/<arch>/<pruner>/<compression>``, dense ones too.
            tables: folder of the cross-study tables.

        Raises:
            UserError: a table or a cell's ``models.json`` cannot be read.
        """
        found = {PrunedCell.of(cell): cell for cell in map(read_cell, cells) if not cell.control}
        asked = [PrunedCell.of(cell) for cell in study.cells if cell.dataset in datasets and not cell.control]
        every = [*asked, *sorted(found)]
        return cls(
            frozenset(cell for cell in every if cell.pruner != NO_PRUNER),
            found,
            Measured.read(tables),
            tuple(dict.fromkeys(cell.setup for cell in every)),
        )

    @cached_property
    def setups(self) -> list[Setup]:
        """Those with pruned cells, as the study lists them."""
        there = {cell.setup for cell in self.cells}
        return [setup for setup in self.order if setup in there]

    def pruners(self, setup: Setup) -> list[str]:
        """In the papers' order, further ones by name."""
        return ordered(cell.pruner for cell in self.cells if cell.setup == setup)

    def compressions(self, setup: Setup) -> list[Compression]:
        """Least pruned first."""
        return sorted({cell.compression for cell in self.cells if cell.setup == setup})

    def crossed(self, setup: Setup) -> list[PrunedCell]:
        """Every pruner at every level of a setup, in order, whether the study asks for it or not."""
        levels = self.compressions(setup)
        return [PrunedCell(*setup, pruner, level) for pruner in self.pruners(setup) for level in levels]

    def value(self, quantity: str, cell: PrunedCell) -> Any:
        """A quantity of a cell, None where there is none."""
        there = self.found.get(cell)
        return None if there is None or there.key is None else self.measured[quantity].get(there.key)

    def of_dense(self, quantity: str, setup: Setup) -> Any:
        return self.measured[quantity].get(Key.of_dense(*setup))

    def metric(self, setup: Setup) -> str:
        """What the scores of a setup are; empty where nothing is known of it."""
        metrics = self.measured.metrics.items()
        return next((metric for key, metric in metrics if key[:2] == setup and metric), "")

    def records(self, **fields: str) -> list[dict[str, Any]]:
        """A record for every pruner at every compression level of each setup.

        Args:
            fields: the quantity of a field, by name; what starts with ``dense_`` is of the setup's dense models.
        """
        dense = {name for name in fields if name.startswith("dense_")}
        return [
            {"cell": cell, "setup": setup, "metric": self.metric(setup), **cell._asdict()}
            | {name: self.of_dense(fields[name], setup) for name in dense}
            | {name: self.value(fields[name], cell) for name in fields.keys() - dense}
            for setup in self.setups
            for cell in self.crossed(setup)
        ]


@dataclass(frozen=True)
class Inputs:
    """All that the papers' tables are laid out from.

    tables: folder of the cross-study tables. cards: ``card.json`` files, each beside its data tables.
    samples: of the examples on which pruned and dense models disagree, for Table 1 of the PIE paper.
    """

    study: Study
    results: Results
    tables: Path
    cards: Sequence[Path] = ()
    samples: Sequence[dict[str, Any]] = ()
    _known: dict[Any, Any] = field(default_factory=dict)

    def once(self, read: Callable[[Inputs], T]) -> T:
        """What a function reads, which several tables need."""
        if read not in self._known:
            self._known[read] = read(self)
        known: T = self._known[read]
        return known

    def rows(self, kind: type[Kind]) -> list[Kind]:
        """The rows of a cross-study table; none without its file."""
        return read_table(self.tables, kind)


def alike(records: Iterable[R], fields: str) -> list[tuple[R, ...]]:
    """Records by the values of some fields, as ``dataset, arch``, in the order in which these first occur."""
    names = fields.split(", ") if fields else []
    return list(grouped((tuple(record[name] for name in names), record) for record in records).values())
