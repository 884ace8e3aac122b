"""What figures are drawn from: the study's tables and the cells' audit files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from prunescope.analysis.audit_tables import AUDIT_TABLES
from prunescope.analysis.tables.declared import columns as columns_of
from prunescope.analysis.tables.registry import TABLES
from prunescope.config.pruners import CONTROL, NO_PRUNER, paper_order
from prunescope.errors import BadFileError
from prunescope.figures.style import ordered
from prunescope.files import read_json
from prunescope.paths import CellFolder


def _declared(table: str) -> dict[str, bool]:
    """By column of a table of the study or of an audit, in order: whether it is a name rather than a number."""
    known = [tables[table] for tables in (TABLES, AUDIT_TABLES) if table in tables]
    return {column.name: column.kind is str for one in known for column in columns_of(one.row)}


#: Truth values as tables write them, as numbers.
_TRUTH = {"true": "1", "false": "0"}


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The declared columns of a table, at least ``columns``; names as strings, all else as numbers (empty: NaN;
    true: 1, false: 0).

    Raises:
        UserError: the file cannot be read or lacks a column.
    """
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        raise BadFileError(path, "is empty") from None
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"cannot be read as CSV ({error})") from None
    missing = [name for name in columns if name not in raw.columns]
    if missing:
        raise BadFileError(path, f"column {missing[0]!r} is missing")
    # A name may look like a number or like a missing value.
    declared = {name: text for name, text in _declared(path.stem).items() if name in raw.columns}
    return pd.DataFrame(
        {
            name: raw[name] if text else pd.to_numeric(raw[name].replace(_TRUTH), errors="coerce")
            for name, text in declared.items()
        }
    )


@dataclass(frozen=True)
class CellFiles(CellFolder):
    """One pruned cell's files."""

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """``test/summary.json``."""
        value = read_json(self.path / "test" / "summary.json")
        if not isinstance(value, dict):
            raise BadFileError(self.path / "test" / "summary.json", "not a JSON object")
        return value

    @property
    def n_seeds(self) -> float:
        """The number of seeds, or NaN."""
        return float(self.summary.get("n_seeds") or "nan")

    def table(self, name: str, columns: Sequence[str], split: str = "test") -> pd.DataFrame | None:
        """One of the cell's CSV files, or None where its kind of task has none."""
        path = self.path / split / name
        return read_table(path, columns) if path.exists() else None


@dataclass(frozen=True)
class Source:
    """Tables folder and pruned cells, and what was left out for lack of data."""

    tables: Path
    cells: tuple[CellFiles, ...]
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, tables: Path, cells: Sequence[Path]) -> Source:
        known = {CellFiles.at(Path(cell)) for cell in cells}
        found = sorted(
            (cell for cell in known if cell.pruner != NO_PRUNER and not cell.pruner.startswith(CONTROL)),
            key=lambda c: (c.dataset, c.arch, paper_order(c.pruner), c.compression),
        )
        return cls(Path(tables), tuple(found))

    def table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """A table of ``results/tables`` without its rows of controls; an absent one has no rows, which is noted."""
        path = self.tables / name
        if not path.exists():
            self.skip(name, "the table is missing")
            return pd.DataFrame(columns=list(columns))
        found = read_table(path, columns)
        return found[~found["pruner"].str.startswith(CONTROL)] if "pruner" in found else found

    def skip(self, what: str, why: str) -> None:
        """Note a figure that is left out."""
        self.skipped.append((what, why))

    def pairs(self) -> list[tuple[str, str]]:
        """The (dataset, arch) pairs of the cells, in their order."""
        return list(dict.fromkeys((cell.dataset, cell.arch) for cell in self.cells))

    def levels(self, dataset: str, arch: str) -> list[float]:
        """The sparsity that each cell is asked for, of weights that can all be pruned; models reach others nearby."""
        return sorted(float(cell.compression.share(10**9, 10**9)) for cell in self.of_pair(dataset, arch))

    def of_pair(self, dataset: str, arch: str) -> list[CellFiles]:
        return [cell for cell in self.cells if (cell.dataset, cell.arch) == (dataset, arch)]

    def tables_of(
        self, cells: Sequence[CellFiles], name: str, columns: Sequence[str], split: str = "test"
    ) -> list[tuple[CellFiles, pd.DataFrame]]:
        """The cells that have rows in one of their CSV files, with these."""
        found = [(cell, cell.table(name, columns, split)) for cell in cells]
        return [(cell, table) for cell, table in found if table is not None and not table.empty]


def by_pair(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Every (dataset, arch) of a table, in order of appearance, with its rows."""
    for (dataset, arch), rows in table.groupby(["dataset", "arch"], sort=False):
        yield str(dataset), str(arch), rows


def pruners_of(table: pd.DataFrame) -> list[str]:
    """The pruners of a table, without dense models."""
    return [name for name in ordered(table["pruner"]) if name != NO_PRUNER]


def seeds_text(counts: Sequence[float]) -> str:
    """``30 seeds`` or ``28 to 30 seeds`` for captions."""
    known = [int(count) for count in counts if not math.isnan(count)]
    if not known:
        return "an unknown number of seeds"
    low, high = min(known), max(known)
    if low == high:
        return f"{high} seed{'' if high == 1 else 's'}"
    return f"{low} to {high} seeds"
