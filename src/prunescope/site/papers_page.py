"""The page that puts a study beside the papers, cell by cell: ours, the printed number, and how far they are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from prunescope.analysis.stats import std
from prunescope.analysis.tables.papers import Published
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.layout import Column, View
from prunescope.papers.measured import grouped
from prunescope.papers.render import Grid, grids
from prunescope.site.papers_section import Unit, of_numbers, shown_as

#: By the size of a difference in printed spreads, up to which: the class of a cell, and its name in the legend.
NEARNESS = (
    (1.0, "near", "at most one spread apart"),
    (2.0, "apart", "one to two"),
    (4.0, "far", "two to four"),
    (float("inf"), "farther", "more than four"),
)

#: The classes of cells, one without a printed spread or a number of ours among them.
_CLASSES = (*(name for _, name, _ in NEARNESS), "none")

#: Fewer printed numbers than this have no spread to speak of.
_FEWEST = 3


class Spread(NamedTuple):
    """How far a paper's own numbers are apart. ``over``: what it is the standard deviation over."""

    value: float
    over: str


#: A grid for each model: a row per pruner, a column per sparsity; ours above the printed number.
VIEW = View(
    lead=[Column("pruner", "pruner", "name")],
    row="pruner",
    grid="model",
    column="level",
    column_order="sparsity",
    cells=[Column("", "shown", below="{printed}", note="{note}", styles={name: name for name in _CLASSES})],
    caption="{model}",
)


@dataclass(frozen=True)
class Quantity:
    """``counts``: cells by nearness; ``over``: what the spread is over."""

    paper: str
    table: str
    name: str
    unit: str
    grids: list[Grid]
    counts: Counter[str]
    over: list[str]

    @property
    def cells(self) -> int:
        return self.counts.total()


def quantities(tables: Path) -> list[Quantity]:
    """Of published.csv: every printed number that the study has a cell for, but those of tests.

    Raises:
        UserError: the table cannot be read.
    """
    rows = of_numbers(tables)
    found = grouped(
        ((row.paper, row.table, *shown_as(row.quantity)), _record(row, spread))
        for row, spread in zip(rows, spreads(rows), strict=True)
    )
    return [
        Quantity(
            *(paper, table, name, unit.name, grids(VIEW, records)),
            Counter(record["nearness"] for record in records),
            list(dict.fromkeys(record["over"] for record in records if record["over"])),
        )
        for (paper, table, name, unit), records in found.items()
    ]


def spreads(rows: Sequence[Published]) -> list[Spread | None]:
    """Of each row of published.csv, the spread of its printed number; None where the paper has too few.

    A mean score has the standard deviation over seeds that is printed beside it. Other numbers are printed without one,
    and have the standard deviation of the printed numbers of all pruners at the same data set, architecture and
    sparsity, else that of all at the same architecture.
    """
    cell = attrgetter("paper", "table", "dataset", "arch", "pruner", "sparsity")
    near = attrgetter("paper", "table", "quantity", "dataset", "arch", "sparsity")
    wide = attrgetter("paper", "table", "quantity", "dataset", "arch")
    over_seeds = {cell(row): row.published for row in rows if row.quantity == "score_std"}
    beside = grouped((place(row), row.published) for row in rows for place in (near, wide))

    def spread(row: Published) -> Spread | None:
        own = over_seeds.get(cell(row)) if row.quantity == "score_mean" else None
        if own:
            return Spread(own, "seeds")
        for place, over in ((near, "pruners"), (wide, "pruners and sparsities")):
            others = beside[place(row)]
            if len(others) >= _FEWEST and (value := std(others)):
                return Spread(value, over)
        return None

    return [spread(row) for row in rows]


def _record(row: Published, spread: Spread | None) -> dict[str, Any]:
    # Dense models are printed once for every pruner's experiments.
    _, _, pruner = row.quantity.partition("_for_")
    dense = f"dense, for {pruner}" if pruner else "dense"
    return {
        "model": f"{row.dataset} · {row.arch}",
        "pruner": dense if row.pruner == NO_PRUNER else row.pruner,
        "level": f"{100 * row.sparsity:.4g}%",
        "sparsity": row.sparsity,
        **_shown(row, spread, shown_as(row.quantity)[1]),
        "over": spread and spread.over,
    }


def _shown(row: Published, spread: Spread | None, unit: Unit) -> dict[str, Any]:
    """Ours, the printed number below, coloured by how near they are."""
    ours, digits = row.ours, unit.digits_of_numbers
    found = dict.fromkeys(_CLASSES, False) | {"printed": f"{row.published:.{digits}f}", "nearness": "none"}
    if ours is None:
        return found | {"none": True, "shown": "–", "note": "not measured here"}
    note = f"ours − printed: {ours - row.published:+.{digits}f}".replace("-", "−")
    if spread is None:
        note += "; no printed spread"
    else:
        size = abs(ours - row.published) / spread.value
        found["nearness"] = next(name for most, name, _ in NEARNESS if size <= most)
        note += f", {size:.1f} spreads of {spread.value:.{digits + 1}f} over {spread.over}"
    return found | {str(found["nearness"]): True, "shown": f"{ours:.{digits}f}", "note": note}


def legend() -> list[dict[str, Any]]:
    return [{"name": name, "text": text} for _, name, text in NEARNESS]
