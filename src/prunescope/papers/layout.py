"""What a paper's table is: one declaration, from which its section on the page and its CSV file follow (``render``).

``<paper>/layouts.yaml`` declares a paper's page, ``<paper>/layouts.py`` has the functions that it names.

Records are tidy: one mapping per value, with every name that a row, a column or the file needs. A ``Table`` says where
its records come from, which of their fields name a grid, a row and a column, and what a cell shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as validated

from prunescope.papers import printed, wording
from prunescope.papers.results import Inputs, Record

STRICT = ConfigDict(extra="forbid")

#: Names that the papers and our studies spell differently.
_ALIASES = {"fashionmnist": "fashion", "lenet": "lenet5"}


def plain(name: str) -> str:
    """A name, or several joined by ``--`` or `` · ``, in one spelling: ``ResNet-20`` and ``resnet20`` are the same."""
    parts = map(printed.plain, re.split(r"--| · ", name))
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


@validated(frozen=True, config=STRICT)
class Column:
    """A column of a page's table. Texts may have ``{field}`` for a field of a cell's record.

    head: its title, with fields of a grid's first record. show: the field that is shown, a text with ``{field}``, or a
    function of the record; None and empty are blank. kind: ``number`` is set to the right; the first ``name`` of a row
    heads it; ``text`` may be long. style: CSS classes of all cells. styles, marks: those of a cell and of its text, by
    the field that says yes. after, below, note: texts, as in ``Cell``.
    """

    head: str
    show: str | Callable[[Record], str | None]
    kind: Literal["number", "name", "text"] = "number"
    style: str = ""
    styles: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    below: str = ""
    note: str = ""

    def cell(self, record: Record | None) -> Cell:
        """Of a record; a blank one without it."""
        styles = ["n"] * (self.kind == "number") + [self.style] * bool(self.style)
        if record is None:
            return Cell(style=" ".join(styles), kind=self.kind)
        if isinstance(self.show, str):
            shown = filled(self.show, record) if "{" in self.show else record[self.show]
        else:
            shown = self.show(record)
        styles += [style for of, style in self.styles.items() if record[of]]
        mark = " ".join(mark for of, mark in self.marks.items() if record[of])
        after, below, note = (filled(text, record) for text in (self.after, self.below, self.note))
        return Cell(shown or "", " ".join(styles), mark, after, below, note, self.kind)


@validated(frozen=True, config=STRICT)
class View:
    """How a page lays records out. Texts may have ``{field}`` for a field of a grid's first record.

    lead: the first columns of a row, from its first record.
    row, grid: fields that name a row and a grid; without ``row``, every record is a row of its own.
    column: the field that is spread over columns, blank where a row has no record of it; none if empty.
    cells: the columns below each value of ``column``. With ``stacked``, each of them is a row instead.
    trail: the last columns of a row; one with no text in a grid is left out.
    row_order, column_order: fields that sort rows and columns; else compression levels ascend, names keep their order.
    caption, aside, below: texts over a grid, behind that and under the grid; the caption begins with the paper's number
    where the records have one (``table``). narrow: grids may stand side by side.
    folded: a field that says whether a grid is shown on demand only.
    """

    lead: Sequence[Column] = ()
    row: str = ""
    grid: str = ""
    column: str = ""
    cells: Sequence[Column] = ()
    stacked: bool = False
    trail: Sequence[Column] = ()
    row_order: str = ""
    column_order: str = ""
    caption: str = ""
    aside: str = ""
    below: str = ""
    narrow: bool = False
    folded: str = ""


@validated(frozen=True, config=STRICT)
class Csv:
    """The columns of a table's file, named as the records' fields.

    keys: the first columns, as ``dataset, arch``. values: by the end of a column's name, the field in it. There is one
    for each compression level or name in ``column``: all levels of the first value first (``by_value``), or all values
    of the first level. row: the fields that make a row, if ``keys`` do not. Without values, every record is a row.
    """

    keys: str
    values: Mapping[str, str] = field(default_factory=dict)
    column: str = "compression"
    by_value: bool = True
    row: str = ""


@validated(frozen=True, config=STRICT)
class Part:
    """A section of a paper's page. numbers: the paper's. title: its heading."""

    numbers: str
    title: str

    @property
    def heading(self) -> str:
        return f"{titled(type(self).__name__, self.numbers)}: {self.title}"


@validated(frozen=True, config=STRICT)
class Table(Part):
    """A table of a paper, or several of one layout: all that is to be said of it.

    file, holds: of the folder, and what the file holds.
    records: where the numbers come from. csv: the file's columns; None where the file is no table of records.
    view: the page's. note: under the heading, with ``**bold**``, ```code``` and ``[class:text]``; ``more``: what it
    says of these records. empty: what a page says where there are no records.
    """

    file: str
    holds: str
    records: Callable[[Inputs], Sequence[Record]]
    view: View
    csv: Csv | None = None
    note: str = ""
    empty: str = "Nothing to show yet."
    more: Callable[[Inputs, Sequence[Record]], str] = lambda inputs, records: ""

    @property
    def anchor(self) -> str:
        return f"table-{self.numbers.split()[0]}"

    @property
    def latex(self) -> str:
        """The file of what the page shows, for LaTeX."""
        return str(PurePosixPath(self.file).with_suffix(".tex"))


@validated(frozen=True, config=STRICT)
class Figure(Part):
    """Figures of a paper that show one thing, by the family that does so here; ``paper``: what they show.

    by_file: the paper's own number for a figure of ours, by its file stem; numbers that the paper gives to another cut
    of the same data stand under ``numbers`` alone. shown: what the figure of a number sets side by side; one of ours
    has that number only if it shows at least two of them. if_any: leave the section out where there is no figure.
    """

    family: str
    paper: str
    by_file: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, frozenset[str]] = field(default_factory=dict)
    if_any: bool = False

    @property
    def anchor(self) -> str:
        return f"figure-{self.family}"

    def number(self, stem: str, shows: Collection[str]) -> str | None:
        """The paper's number of a figure, by file stem and what it sets side by side."""
        numbers = {plain(name): number for name, number in self.by_file.items()}
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

    @classmethod
    def read(
        cls,
        name: str,
        has: Callable[[Inputs], bool],
        functions: Mapping[str, Any],
        shown: Mapping[str, frozenset[str]] | None = None,
    ) -> Paper:
        """Of ``<name>/layouts.yaml``.

        Args:
            functions: by name, what the file calls ``=name`` (or ``_name``), or ``{=: name}`` with arguments by name
                (of a class: an object that can be called).
            shown: of every figure.

        Raises:
            pydantic.ValidationError: a section lacks a field, or has one that there is not.
            KeyError: there is no such function.
        """
        known = {name.lstrip("_"): function for name, function in functions.items()} | dict(functions)
        value = printed.read_yaml(name, "layouts.yaml", dict[str, Any])
        contents = [
            Table(**_with(known, part)) if "file" in part else Figure(**part, shown=shown or {})
            for part in value["contents"]
        ]
        own = {field.name: value[field.name] for field in fields(cls) if field.name in value}
        return cls(**(own | {"contents": contents}), has=has)

    @property
    def tables(self) -> list[Table]:
        return [part for part in self.contents if isinstance(part, Table)]

    @property
    def files(self) -> dict[str, str]:
        """The data files of the folder, with what each holds."""
        found = {table.file: table.holds for table in self.tables}
        return found | {table.latex: f"{titled('Table', table.numbers)}, for LaTeX" for table in self.tables}


def titled(kind: str, numbers: str) -> str:
    """``Table 4`` or ``Tables 5 and 6``."""
    return f"{kind}{'s' if ' ' in numbers else ''} {numbers}"


def _with(functions: Mapping[str, Callable[..., Any]], value: Any) -> Any:
    """A value of ``layouts.yaml`` with the functions that it names."""
    if isinstance(value, list):
        return [_with(functions, part) for part in value]
    if isinstance(value, dict) and "=" in value:
        function, args = functions[value["="]], {name: part for name, part in value.items() if name != "="}
        return function(**args) if isinstance(function, type) else partial(function, **args)
    if isinstance(value, dict):
        return {name: _with(functions, part) for name, part in value.items()}
    if isinstance(value, str) and value.startswith("="):
        name, *more = value[1:].split()
        return partial(_form, name, more) if more else functions[name]
    return value


def _form(name: str, more: Sequence[str], record: Record) -> str:
    """A record's fields in a form of ``wording``, as ``decimal std 0``: names of fields, and digits."""
    form: Callable[..., str] = getattr(wording, name)
    return form(*(int(part) if part.isdigit() else record[part] for part in more))


def filled(text: str, record: Record) -> str:
    """A text with the fields that stand in it as ``{field}``."""
    return text.format_map({name: "" if value is None else value for name, value in record.items()})
