"""A study's results by cell: the rows of the cross-study tables, found by what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from prunescope.analysis.stats import mean
from prunescope.analysis.tables import registry
from prunescope.analysis.tables.declared import CellRow, Row, read_table
from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.config.pruners import CONTROL, NO_PRUNER
from prunescope.config.study import Study
from prunescope.errors import BadFileError
from prunescope.figures.style import ordered
from prunescope.files import read_json
from prunescope.papers.measured import grouped
from prunescope.paths import CellFolder

#: A value of a paper's table, with everything that its row, its column and its file need, by name.
Record = Mapping[str, Any]
T = TypeVar("T")
R = TypeVar("R", bound=Record)
Kind = TypeVar("Kind", bound=Row)

#: Rows of the tables that the papers' are laid out from; a table that is not there leaves its cells blank.
TABLES: tuple[type[CellRow], ...] = (
    registry.Effectiveness, registry.PieShare, registry.EffectivenessOnPies, registry.PieInterval, registry.Alpha,
    registry.RecallVariance,
)  # fmt: skip

#: Reached sparsities of one pruner differ by far more than this between compression levels.
_SAME = 1e-6


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
    def of(cls, cell: Cell | CellFolder) -> PrunedCell:
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
    folders: those that are analysed, of dense models too.
    tables: rows by table, and by setup and pruner (``none`` for dense models).
    order: setups, as the study lists them.
    """

    cells: frozenset[PrunedCell]
    folders: Mapping[PrunedCell, Path]
    tables: Mapping[str, Mapping[tuple[Setup, str], Sequence[CellRow]]] = field(default_factory=dict)
    order: tuple[Setup, ...] = ()

    @classmethod
    def read(cls, study: Study, datasets: Collection[str], cells: Iterable[Path], tables: Path) -> Results:
        """Read the tables.

        Args:
            study: its cells are the rows and columns of the papers' tables, if of one of ``datasets``.
            cells: cell folders ``.../<dataset>/<arch>/<pruner>/<compression>``, dense ones too.
            tables: folder of the cross-study tables.

        Raises:
            UserError: a table cannot be read.
        """
        at = [CellFolder.at(Path(cell)) for cell in cells]
        folders = {PrunedCell.of(cell): cell.path for cell in at if not cell.pruner.startswith(CONTROL)}
        asked = [PrunedCell.of(cell) for cell in study.cells if cell.dataset in datasets and not cell.control]
        every = [*asked, *sorted(folders)]
        return cls(
            frozenset(cell for cell in every if cell.pruner != NO_PRUNER),
            folders,
            {
                kind.file: grouped(
                    ((Setup(row.dataset, row.arch), row.pruner), row) for row in read_table(tables, kind)
                )
                for kind in TABLES
            },
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

    @cached_property
    def sparsities(self) -> dict[PrunedCell, float | None]:
        """The sparsity by which the tables know a cell; None where no model is left that has one.

        Raises:
            UserError: a cell's ``models.json`` cannot be read.
        """
        return {
            cell: cell.compression.value
            if cell.compression.kind == "sparsity"
            else mean([float(model["sparsity"]) for model in models(path) if not model.get("diverged")])
            for cell, path in self.folders.items()
        }

    def row(self, table: str, cell: PrunedCell) -> CellRow | None:
        """A cell's row. Ratios and levels stand in tables by the sparsity they reached."""
        sparsity, rows = self.sparsities.get(cell), self.tables[table].get((cell.setup, cell.pruner), ())
        if sparsity is None:
            return None
        known = (row for row in rows if row.sparsity is not None and abs(row.sparsity - sparsity) < _SAME)
        return next(known, None)

    def value(self, table: str, cell: PrunedCell, column: str) -> Any:
        """A number or text of a cell, None where there is none."""
        return getattr(self.row(table, cell), column, None)

    def of_dense(self, setup: Setup, column: str, table: str = "effectiveness") -> Any:
        rows = self.tables[table].get((setup, NO_PRUNER))
        return getattr(rows[-1], column) if rows else None

    def metric(self, setup: Setup) -> str:
        """What the scores of a setup are; empty where nothing is known of it."""
        every: Iterable[Any] = chain.from_iterable(
            rows for (own, _), rows in self.tables["effectiveness"].items() if own == setup
        )
        return next((row.metric for row in every if row.metric), "")

    def scores(self, setup: Setup, compression: Compression) -> dict[str, float]:
        """Mean scores by pruner, of those that have one."""
        cells = [PrunedCell(*setup, pruner, compression) for pruner in self.pruners(setup)]
        found = {cell.pruner: self.value("effectiveness", cell, "mean") for cell in cells}
        return {pruner: score for pruner, score in found.items() if score is not None}

    def records(self, **columns: tuple[str, str]) -> list[dict[str, Any]]:
        """A record for every pruner at every compression level of each setup.

        Args:
            columns: a field by its name: the table it comes from and its column there. What starts with ``dense_`` is
                of the setup's dense models.
        """

        def value(cell: PrunedCell, name: str, table: str, column: str) -> Any:
            dense = name.startswith("dense_")
            return self.of_dense(cell.setup, column, table) if dense else self.value(table, cell, column)

        return [
            {"cell": cell, "setup": setup, "metric": self.metric(setup), **cell._asdict()}
            | {name: value(cell, name, *place) for name, place in columns.items()}
            for setup in self.setups
            for cell in self.crossed(setup)
        ]


@dataclass(frozen=True)
class Inputs:
    """All that the papers' tables are laid out from.

    tables: folder of the cross-study tables. cards: ``card.json`` files, each beside its data tables.
    disagreements: examples on which pruned and dense models disagree, with how many there are.
    """

    study: Study
    results: Results
    tables: Path
    cards: Sequence[Path] = ()
    disagreements: Any = None
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


def models(folder: Path) -> list[dict[str, Any]]:
    """What is recorded of a cell's models; none without ``models.json``.

    Raises:
        UserError: the file cannot be read.
    """
    path = folder / "models.json"
    if not path.exists():
        return []
    value = read_json(path)
    try:
        return [dict(model) for model in value["models"]]
    except (KeyError, TypeError, ValueError):
        raise BadFileError(path, "not a record of models") from None
