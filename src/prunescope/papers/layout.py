"""What a paper's table is: one declaration, from which its page section and its CSV file follow.

Records are tidy: one mapping per value or cell, with every name that a column, a row or a file needs. A ``Table`` says
where its records come from, which of their fields name a grid, a row and a column, and what a cell shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from prunescope.analysis.csv_text import write_csv
from prunescope.config.compression import Compression
from prunescope.papers.results import Inputs, Record

R = TypeVar("R", bound=Record)

#: Names that the papers and our studies spell differently.
_ALIASES = {"fashionmnist": "fashion", "lenet": "lenet5"}


def plain(name: str) -> str:
    """A name, or several joined by ``--`` or `` · ``, in one spelling: ``ResNet-20`` and ``resnet20`` are the same."""
    parts = [re.sub(r"[^a-z0-9]", "", part) for part in re.split(r"--| · ", name.casefold())]
    return "--".join(_ALIASES.get(part, part) for part in parts)


@dataclass(frozen=True)
class Cell:
    """What a page shows in one place of a table.

    style: CSS classes of the cell. mark: those of ``text`` alone. after: text behind it. below: a small line under
    it. note: what a reader sees on hover. kind: of its column.
    """

    text: str = ""
    style: str = ""
    mark: str = ""
    after: str = ""
    below: str = ""
    note: str = ""
    kind: str = "number"


@dataclass(frozen=True)
class Column:
    """A column of a page's table.

    head: its title, or how to read it from a grid's first record. show: a record's cell, None or empty for a blank.
    kind: ``number`` is set to the right; the first ``name`` of a row heads it; ``text`` may be long. style: CSS classes
    of all cells.
    """

    head: str | Callable[[Record], str]
    show: Callable[[Record], Cell | str | None]
    kind: str = "number"
    style: str = ""

    def cell(self, record: Record | None) -> Cell:
        shown = "" if record is None else self.show(record)
        cell = shown if isinstance(shown, Cell) else Cell(shown or "")
        styles = ("n" if self.kind == "number" else "", self.style, cell.style)
        return replace(cell, style=" ".join(filter(None, styles)), kind=self.kind)


@dataclass(frozen=True)
class Head:
    """A column's title; ``span``: columns below it."""

    text: str
    kind: str = "number"
    span: int = 1


@dataclass(frozen=True)
class Grid:
    """One table of a page, ready to be drawn.

    aside: behind the caption. below: a paragraph under the table. folded: shown on demand.
    """

    caption: str
    aside: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    below: str = ""
    folded: bool = False


def _nothing(record: Record) -> str:
    return ""


@dataclass(frozen=True)
class View:
    """How a page lays records out.

    lead: the first columns of a row, from its first record.
    row, grid: fields that name a row and a grid; every record is a row of its own without ``row``.
    column: the field that is spread over columns, blank where a row has no record of it; none if empty.
    cells: the columns of each record of a row. With ``stacked``, each of them is a row instead.
    trail: the last columns of a row; one with no text in a grid is left out.
    row_order, column_order: what rows and columns are sorted by; compression levels ascend, names keep their order.
    caption, aside, below: of a grid, from its first record. narrow: grids may stand side by side.
    folded: whether a grid is shown on demand only.
    """

    lead: Sequence[Column] = ()
    row: Sequence[str] = ()
    grid: Sequence[str] = ()
    column: str = ""
    cells: Sequence[Column] = ()
    stacked: bool = False
    trail: Sequence[Column] = ()
    row_order: Callable[[Record], Any] | None = None
    column_order: Callable[[Record], Any] | None = None
    caption: Callable[[Record], str] = _nothing
    aside: Callable[[Record], str] = _nothing
    below: Callable[[Record], str] = _nothing
    narrow: bool = False
    folded: Callable[[Record], bool] = lambda record: False

    def grids(self, records: Sequence[Record]) -> list[Grid]:
        return [self._grid(own) for own in grouped(records, self.grid)]

    def _grid(self, records: Sequence[Record]) -> Grid:
        first = records[0]
        lines = grouped(records, self.row) if self.row else [[record] for record in records]
        if self.row_order is not None:
            order = self.row_order
            lines.sort(key=lambda line: order(line[0]))
        spread = spread_over(records, self.column, self.column_order) if self.column else []
        at = [{record[self.column]: record for record in line} if self.column else {} for line in lines]
        heads = [Head(_head(column, first), column.kind) for column in self.lead]
        rows: list[list[Cell]]
        if self.stacked:
            heads += [Head(label(value)) for value in spread]
            rows = [
                [
                    Cell(_head(column, first), kind="name"),
                    *(column.cell(known.get(value)) for value in spread),
                ]
                for known in at
                for column in self.cells
            ]
        else:
            heads += [Head(label(value), span=len(self.cells)) for value in spread]
            heads += [] if self.column else [Head(_head(column, first), column.kind) for column in self.cells]
            rows = [
                [column.cell(line[0]) for column in self.lead]
                + [column.cell(known.get(value)) for value in spread for column in self.cells]
                + ([] if self.column else [column.cell(line[0]) for column in self.cells])
                for line, known in zip(lines, at, strict=True)
            ]
            for column in self.trail:
                last = [column.cell(line[0]) for line in lines]
                if any(cell.text for cell in last):
                    heads.append(Head(_head(column, first), column.kind))
                    rows = [[*row, cell] for row, cell in zip(rows, last, strict=True)]
        told = (self.caption(first), self.aside(first))
        return Grid(*told, heads, rows, self.below(first), self.folded(first))


@dataclass(frozen=True)
class Csv:
    """The columns of a table's file, named by the records' fields.

    keys: the first columns. values: by the end of the column's name, the field that stands in a column for each
    compression level or name in ``column``: first all levels of the first value (``by_value``), or first all values of
    the first level. row: the fields that make a row, ``keys`` if they do. Without values, every record is a row.
    """

    keys: Sequence[str] | Callable[[Sequence[Record]], Sequence[str]]
    values: Mapping[str, str] = field(default_factory=dict)
    column: str = "compression"
    by_value: bool = True
    row: Sequence[str] = ()

    def write(self, path: Path, records: Sequence[Record]) -> None:
        keys = list(self.keys(records) if callable(self.keys) else self.keys)
        if not self.values:
            write_csv(path, keys, ([record[key] for key in keys] for record in records))
            return
        spread = spread_over(records, self.column)
        if self.by_value:
            order = [(value, part) for part in self.values for value in spread]
        else:
            order = [(value, part) for value in spread for part in self.values]
        rows = []
        for line in grouped(records, self.row or keys):
            known = {record[self.column]: record for record in line}
            cells = [known[value][self.values[part]] if value in known else None for value, part in order]
            rows.append([line[0][key] for key in keys] + cells)
        write_csv(path, [*keys, *(f"{label(value)} {part}".rstrip() for value, part in order)], rows)


@dataclass(frozen=True)
class Table:
    """A table of a paper, or several of one layout: all that is to be said of it.

    numbers: the paper's. title: the heading of its section. file, holds: of the folder, and what the file holds.
    records: where the numbers come from. csv: the file's columns, unless ``write`` writes the file.
    view: the page's. note: under the heading, with ``**bold**``, ```code``` and ``[class:text]``. empty: what a page
    says where there are no records.
    """

    numbers: str
    title: str
    file: str
    holds: str
    records: Callable[[Inputs], Sequence[Record]]
    view: View
    csv: Csv | None = None
    write: Callable[[Inputs, Path], None] | None = None
    note: str | Callable[[Inputs, Sequence[Record]], str] = ""
    empty: str = "Nothing to show yet."

    @property
    def anchor(self) -> str:
        return f"table-{self.numbers.split()[0]}"

    @property
    def heading(self) -> str:
        return f"{titled('Table', self.numbers)}: {self.title}"


@dataclass(frozen=True)
class Figure:
    """Figures of a paper that show one thing, by the family of pictures that does so here.

    by_picture: the paper's own number for a picture, by its file stem; numbers that the paper gives to another cut of
    the same data stand under ``numbers`` alone. shown: what the figure of a number sets side by side; a picture has
    that number only if it shows at least two of them. if_any: leave the section out where there is no picture.
    """

    numbers: str
    title: str
    paper: str
    family: str
    by_picture: Mapping[str, str]
    shown: Mapping[str, Collection[str]] = field(default_factory=dict)
    if_any: bool = False

    @property
    def anchor(self) -> str:
        return f"figure-{self.family}"

    @property
    def heading(self) -> str:
        return f"{titled('Figure', self.numbers)}: {self.title}"

    def number(self, stem: str, shows: Collection[str]) -> str | None:
        """The paper's number of a picture, by file stem and what it sets side by side."""
        numbers = {plain(name): number for name, number in self.by_picture.items()}
        number = numbers.get(plain(stem))
        if number is None or number not in self.shown:
            return number
        common = {plain(name) for name in self.shown[number]} & {plain(name) for name in shows}
        return number if len(common) > 1 else None


@dataclass(frozen=True)
class Paper:
    """A paper's folder and page.

    name: the folder's. authors: who wrote it. about: what it asks, for the contents page. lead: the page's first words.
    contents: tables and figures in the order of the page. has: whether a study has anything to show.
    pages: further pages of the folder, with their words.
    """

    name: str
    key: str
    authors: str
    about: str
    lead: str
    contents: Sequence[Table | Figure]
    has: Callable[[Inputs], bool]
    pages: Mapping[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> list[Table]:
        return [part for part in self.contents if isinstance(part, Table)]

    @property
    def files(self) -> dict[str, str]:
        """The data files of the folder, with what each holds."""
        return {table.file: table.holds for table in self.tables}


def grouped(records: Iterable[R], fields: Sequence[str]) -> list[list[R]]:
    """Records by the values of some fields, in the order in which these first occur."""
    found: dict[tuple[Any, ...], list[R]] = {}
    for record in records:
        found.setdefault(tuple(record[name] for name in fields), []).append(record)
    return list(found.values())


def spread_over(
    records: Iterable[Record], column: str, order: Callable[[Record], Any] | None = None
) -> list[Any]:
    """The distinct values of a field: compression levels ascending, other values as they first occur."""
    first: dict[Any, Record] = {}
    for record in records:
        first.setdefault(record[column], record)
    if order is not None:
        return sorted(first, key=lambda value: order(first[value]))
    return sorted(first) if all(isinstance(value, Compression) for value in first) else list(first)


def label(value: Any) -> str:
    return value.text if isinstance(value, Compression) else str(value)


def titled(kind: str, numbers: str) -> str:
    """``Table 4`` or ``Tables 5 and 6``."""
    return f"{kind}{'s' if ' ' in numbers else ''} {numbers}"


def captioned(numbers: str, title: str) -> str:
    """A table's title with the paper's number, where it has one."""
    return f"{titled('Table', numbers)}. {title}" if numbers else title


def _head(column: Column, first: Record) -> str:
    return column.head if isinstance(column.head, str) else column.head(first)


def yes(value: bool) -> str:
    """A flag as CSV files have it."""
    return "yes" if value else ""


def count(value: float | None) -> str:
    """``1,203``; blank where there is none."""
    return "" if value is None else f"{round(value):,}"


def percent(value: float | None, digits: int = 1) -> str:
    """``0.123`` as ``12.3%``; blank where there is none."""
    return "" if value is None else f"{100 * value:.{digits}f}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """Blank where there is none."""
    return "" if value is None else f"{value:.{digits}f}".replace("-", "−")


def spread(mean: float | None, std: float | None, digits: int = 3) -> str:
    """A mean, with ``± std`` where there is one."""
    return decimal(mean, digits) + ("" if mean is None or std is None else f" ± {decimal(std, digits)}")
