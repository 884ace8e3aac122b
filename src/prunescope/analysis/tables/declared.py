"""How a table is declared: a row type whose fields are its columns, each with its type and meaning.

Everything else follows from the declaration: the header of the file, its reader, the workflow's outputs, the captions
of the Snakemake report and ``docs/tables.md``. Nothing heavy is imported here: the Snakefile reads the declarations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from prunescope.analysis.csv_text import read_csv, write_csv
from prunescope.analysis.spans import Within
from prunescope.config.pruners import NO_PRUNER
from prunescope.errors import BadFileError


@dataclass(frozen=True)
class Row:
    """A row of a table; ``file``: the name of the table. A field ``class_`` is the column ``class``."""

    file: ClassVar[str] = ""


R = TypeVar("R", bound=Row)
T = TypeVar("T", bound=type[Row])


class Column(NamedTuple):
    """``kind``: str, int, float or bool. ``optional``: an empty field is None, and so is a column that is not there.

    ``within``: of the lower end of an interval, whose upper end is the next column.
    """

    name: str
    field: str
    kind: type
    optional: bool
    meaning: str
    within: Within | None = None

    def parse(self, text: str | None) -> Any:
        """A field as written, read back; None stands for a column that is not there."""
        if not text:
            if self.optional:
                return None
            if text is None or self.kind is not str:
                raise ValueError("is empty")
        if self.kind is bool:
            return {"true": True, "false": False}[str(text)]
        return self.kind(text)


class Key(NamedTuple):
    """A cell of a study; dense models have pruner ``none`` and sparsity 0."""

    dataset: str
    arch: str
    pruner: str
    sparsity: float

    @property
    def dense(self) -> Key:
        """The dense models that the cell's were pruned from."""
        return Key.of_dense(self.dataset, self.arch)

    @classmethod
    def of_dense(cls, dataset: str, arch: str) -> Key:
        return cls(dataset, arch, NO_PRUNER, 0.0)

    @property
    def text(self) -> str:
        return f"{self.dataset}, {self.arch}, {self.pruner} at {percent(self.sparsity)}"


def percent(share: float) -> str:
    """``99%``, ``2.4%``."""
    return f"{round(100 * share, 1):g}%"


@dataclass(frozen=True)
class CellRow(Row):
    """A row of one cell of the study."""

    dataset: Annotated[str, "data set"]
    arch: Annotated[str, "architecture"]
    pruner: Annotated[str, "pruner; `none`: the dense models"]
    sparsity: Annotated[float | None, "sparsity asked for; for a pruning ratio, the mean sparsity reached"]

    @property
    def key(self) -> Key | None:
        """None where the cell's sparsity is unknown."""
        return None if self.sparsity is None else Key(self.dataset, self.arch, self.pruner, self.sparsity)


#: The columns that say which cell a row is of.
CELL = Key._fields


class Declaration(NamedTuple):
    """A table: its row type, and ``module:function`` that makes its rows ("" where the rows come from elsewhere)."""

    name: str
    row: type[Row]
    maker: str

    @property
    def columns(self) -> tuple[str, ...]:
        return header(self.row)

    @property
    def caption(self) -> str:
        """The first paragraph of the row type's docstring, as one line."""
        return " ".join(inspect.cleandoc(self.row.__doc__ or "").split("\n\n")[0].split())


class Tables(dict[str, Declaration]):
    """Declared tables by name, in the order in which they are declared."""

    def add(self, name: str, maker: str = "") -> Callable[[T], T]:
        """Decorate a row type: the rows of ``<name>.csv``."""

        def added(row: T) -> T:
            self[name] = Declaration(name, row, maker)
            row.file = name
            return row

        return added


def columns(row: type[Row]) -> tuple[Column, ...]:
    """The columns of a row type, in order."""
    known: Any = row
    return _columns(known)


@cache
def _columns(row: Any) -> tuple[Column, ...]:
    hints = get_type_hints(row, include_extras=True)
    return tuple(_column(field.name, hints[field.name]) for field in fields(row))


def header(row: type[Row]) -> tuple[str, ...]:
    """The names of the columns, in order."""
    return tuple(column.name for column in columns(row))


def _column(field: str, hint: Any) -> Column:
    kind, meaning, *within = get_args(hint) if get_origin(hint) is Annotated else (hint, "")
    kinds = set(get_args(kind)) if get_origin(kind) in (Union, UnionType) else {kind}
    (plain,) = kinds - {NoneType}
    return Column(field.rstrip("_"), field, plain, NoneType in kinds, meaning, *within)


def read_rows(path: Path, row: type[R]) -> list[R]:
    """The rows of a CSV file, each value found by the name of its column.

    Columns that ``row`` does not declare are passed over; optional ones that the file lacks, as those of other versions
    may, are None.

    Raises:
        UserError: the file is missing or damaged, or a column that must be there is not.
    """
    declared = columns(row)
    found = []
    for number, texts in enumerate(read_csv(path), start=2):
        values = {}
        for column in declared:
            try:
                values[column.field] = column.parse(texts.get(column.name))
            except (ValueError, KeyError):
                text = texts.get(column.name)
                why = "is missing" if text is None else f"holds {text!r} in line {number}"
                raise BadFileError(path, f"column {column.name!r} {why}") from None
        found.append(row(**values))
    return found


def read_table(folder: Path, row: type[R]) -> list[R]:
    """The rows of a declared table in ``folder``; none where it is not there."""
    path = folder / f"{row.file}.csv"
    return read_rows(path, row) if path.exists() else []


def write_table(folder: Path, row: type[R], rows: Iterable[R]) -> None:
    """Write a declared table into ``folder``."""
    names = [column.field for column in columns(row)]
    values = ([_written(getattr(one, name)) for name in names] for one in rows)
    write_csv(folder / f"{row.file}.csv", header(row), values)


def _written(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
