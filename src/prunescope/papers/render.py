"""Draws a paper's tables from their declarations: grids of cells for a page, and the rows of a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.analysis import latex
from prunescope.analysis.csv_text import write_csv
from prunescope.config.compression import Compression
from prunescope.papers.layout import Cell, Column, Csv, View, filled, titled
from prunescope.papers.results import Record, alike


@dataclass(frozen=True)
class Head:
    """A column's title; ``span``: columns below it."""

    text: str
    kind: str = "number"
    span: int = 1


@dataclass(frozen=True)
class Grid:
    """One table of a page. aside: behind the caption. below: a paragraph under it. folded: shown on demand."""

    caption: str
    aside: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    below: str
    folded: bool


def grids(view: View, records: Sequence[Record]) -> list[Grid]:
    """The tables of a page."""
    return [_grid(view, own) for own in alike(records, view.grid)]


def _grid(view: View, records: Sequence[Record]) -> Grid:
    first = records[0]
    lines = alike(records, view.row) if view.row else [(record,) for record in records]
    if view.row_order:
        lines.sort(key=lambda line: line[0][view.row_order])
    values = _values(records, view.column, view.column_order) if view.column else []
    at = [{record[view.column]: record for record in line} if values else {} for line in lines]
    heads = [_head(column, first) for column in view.lead]
    span = 1 if view.stacked else len(view.cells)
    heads += [Head(label(value), span=span) for value in values]
    if view.stacked:
        rows = [
            [Cell(column.head, kind="name"), *(column.cell(known.get(value)) for value in values)]
            for known in at
            for column in view.cells
        ]
    else:
        rows = [
            [column.cell(line[0]) for column in view.lead]
            + [column.cell(known.get(value)) for value in values for column in view.cells]
            for line, known in zip(lines, at, strict=True)
        ]
    for column in view.trail:
        last = [column.cell(line[0]) for line in lines]
        if any(cell.text for cell in last):
            heads.append(_head(column, first))
            rows = [[*row, cell] for row, cell in zip(rows, last, strict=True)]
    number = f"{titled('Table', first['table'])}. " if first.get("table") else ""
    caption, aside, below = (filled(text, first) for text in (view.caption, view.aside, view.below))
    return Grid(number + caption, aside, heads, rows, below, bool(view.folded and first[view.folded]))


def latex_of(grids: Sequence[Grid], label: str) -> str:
    """The tables of a page for LaTeX."""
    found = [
        latex.latex(
            [latex.Head(head.text, head.kind == "number", head.span) for head in grid.heads],
            [
                [latex.escaped(" ".join(filter(None, (c.text, c.after, c.below)))) for c in row]
                for row in grid.rows
            ],
            f"{grid.caption}{grid.aside}",
            f"{label}-{number}",
        )
        for number, grid in enumerate(grids, start=1)
    ]
    return "\n".join(found) or "% Nothing to show yet.\n"


def _head(column: Column, first: Record) -> Head:
    return Head(filled(column.head, first), column.kind)


def write(csv: Csv, path: Path, records: Sequence[Record]) -> None:
    """The file of a table."""
    keys = csv.keys.split(", ")
    values = _values(records, csv.column) if csv.values else []
    pairs = [(value, part) for value in values for part in csv.values]
    if csv.by_value:
        pairs = [(value, part) for part in csv.values for value in values]
    rows = []
    for line in alike(records, csv.row or csv.keys) if csv.values else [(record,) for record in records]:
        known = {record[csv.column]: record for record in line} if csv.values else {}
        cells = [known[value][csv.values[part]] if value in known else None for value, part in pairs]
        rows.append([line[0][key] for key in keys] + cells)
    write_csv(path, [*keys, *(f"{label(value)} {part}".rstrip() for value, part in pairs)], rows)


def _values(records: Iterable[Record], column: str, order: str = "") -> list[Any]:
    """The distinct values of a field: compression levels ascending, other values as they first occur."""
    first: dict[Any, Record] = {}
    for record in records:
        first.setdefault(record[column], record)
    if order:
        return sorted(first, key=lambda value: first[value][order])
    return sorted(first) if all(isinstance(value, Compression) for value in first) else list(first)


def label(value: Any) -> str:
    """What a column of a value is called."""
    return value.text if isinstance(value, Compression) else str(value)
