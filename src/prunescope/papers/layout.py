"""What a paper's table is: one declaration, from which its section on the page and its CSV file follow (``render``).

Records are tidy: one mapping per value, with every name that a row, a column or the file needs. A ``Table`` says where
its records come from, which of their fields name a grid, a row and a column, and what a cell shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

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


@dataclass(frozen=True)
class View:
    """How a page lays records out.

    lead: the first columns of a row, from its first record.
    row, grid: fields that name a row and a grid; without ``row``, every record is a row of its own.
    column: the field that is spread over columns, blank where a row has no record of it; none if empty.
    cells: the columns below each value of ``column``. With ``stacked``, each of them is a row instead.
    trail: the last columns of a row; one with no text in a grid is left out.
    row_order, column_order: what rows and columns are sorted by; compression levels ascend, names keep their order.
    caption, aside, below: of a grid, from its first record. narrow: grids may stand side by side.
    folded: whether a grid is shown on demand only.
    """

    lead: Sequence[Column] = ()
    row: str = ""
    grid: str = ""
    column: str = ""
    cells: Sequence[Column] = ()
    stacked: bool = False
    trail: Sequence[Column] = ()
    row_order: Callable[[Record], Any] | None = None
    column_order: Callable[[Record], Any] | None = None
    caption: Callable[[Record], str] = lambda record: ""
    aside: Callable[[Record], str] = lambda record: ""
    below: Callable[[Record], str] = lambda record: ""
    narrow: bool = False
    folded: Callable[[Record], bool] = lambda record: False


@dataclass(frozen=True)
class Csv:
    """The columns of a table's file, named as the records' fields.

    keys: the first columns, as ``dataset, arch``. values: by the end of a column's name, the field in it. There is one
    for each compression level or name in ``column``: all levels of the first value first (``by_value``), or all values
    of the first level. row: the fields that make a row, if ``keys`` do not. Without values, every record is a row.
    """

    keys: str | Callable[[Sequence[Record]], str]
    values: Mapping[str, str] = field(default_factory=dict)
    column: str = "compression"
    by_value: bool = True
    row: str = ""


@dataclass(frozen=True)
class Part:
    """A section of a paper's page. numbers: the paper's. title: its heading."""

    numbers: str
    title: str

    @property
    def heading(self) -> str:
        return f"{titled(type(self).__name__, self.numbers)}: {self.title}"


@dataclass(frozen=True)
class Table(Part):
    """A table of a paper, or several of one layout: all that is to be said of it.

    file, holds: of the folder, and what the file holds.
    records: where the numbers come from. csv: the file's columns; None where the file is no table of records.
    view: the page's. note: under the heading, with ``**bold**``, ```code``` and ``[class:text]``. empty: what a page
    says where there are no records.
    """

    file: str
    holds: str
    records: Callable[[Inputs], Sequence[Record]]
    view: View
    csv: Csv | None = None
    note: str | Callable[[Inputs, Sequence[Record]], str] = ""
    empty: str = "Nothing to show yet."

    @property
    def anchor(self) -> str:
        return f"table-{self.numbers.split()[0]}"


@dataclass(frozen=True)
class Figure(Part):
    """Figures of a paper that show one thing, by the family of pictures that does so here; ``paper``: what they show.

    by_picture: the paper's own number for a picture, by its file stem; numbers that the paper gives to another cut of
    the same data stand under ``numbers`` alone. shown: what the figure of a number sets side by side; a picture has
    that number only if it shows at least two of them. if_any: leave the section out where there is no picture.
    """

    family: str
    by_picture: Mapping[str, str]
    paper: str
    shown: Mapping[str, Collection[str]] = field(default_factory=dict)
    if_any: bool = False

    @property
    def anchor(self) -> str:
        return f"figure-{self.family}"

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


def titled(kind: str, numbers: str) -> str:
    """``Table 4`` or ``Tables 5 and 6``."""
    return f"{kind}{'s' if ' ' in numbers else ''} {numbers}"
