"""The page that puts a study beside the papers, cell by cell: ours, the printed number, and how far they are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from prunescope.analysis.stats import std
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.measured import grouped
from prunescope.papers.report_comparison import Unit, of_numbers, shown_as
from prunescope.papers.tables import Published

#: By the size of a difference in printed spreads, up to which: the class of a cell, and its name in the legend.
NEARNESS = (
    (1.0, "near", "at most one spread apart"),
    (2.0, "apart", "one to two"),
    (4.0, "far", "two to four"),
    (float("inf"), "farther", "more than four"),
)

#: Fewer printed numbers than this have no spread to speak of.
_FEWEST = 3


class Spread(NamedTuple):
    """How far a paper's own numbers are apart. ``over``: what it is the standard deviation over."""

    value: float
    over: str


@dataclass(frozen=True)
class Shown:
    """One cell of a table: texts, the class that colours it, and what it says when pointed at."""

    ours: str
    printed: str
    nearness: str
    title: str


@dataclass(frozen=True)
class Block:
    """A model's numbers of one quantity: a row per pruner, a column per sparsity."""

    model: str
    columns: list[str]
    rows: list[tuple[str, list[Shown | None]]]


@dataclass(frozen=True)
class Quantity:
    """``counts``: cells by nearness; ``over``: what the spread is over."""

    paper: str
    table: str
    name: str
    unit: str
    blocks: list[Block]
    counts: dict[str, int]
    over: list[str]

    @property
    def cells(self) -> int:
        return sum(self.counts.values())


def quantities(tables: Path) -> list[Quantity]:
    """Of published.csv: every printed number that the study has a cell for, but those of tests.

    Raises:
        UserError: the table cannot be read.
    """
    rows = of_numbers(tables)
    groups = grouped(
        ((row.paper, row.table, shown_as(row.quantity)[0]), (row, spread))
        for row, spread in zip(rows, spreads(rows), strict=True)
    )
    return [_quantity(key, entries) for key, entries in groups.items()]


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


def _quantity(key: tuple[str, str, str], entries: Sequence[tuple[Published, Spread | None]]) -> Quantity:
    _, unit = shown_as(entries[0][0].quantity)
    models: dict[str, dict[tuple[str, float], Shown]] = {}
    counts = Counter[str]()
    for row, spread in entries:
        shown = _shown(row, spread, unit)
        counts[shown.nearness] += 1
        where = (_pruner(row), row.sparsity)
        models.setdefault(f"{row.dataset} · {row.arch}", {})[where] = shown
    blocks = []
    for model, cells in models.items():
        sparsities = sorted({sparsity for _, sparsity in cells})
        pruners = dict.fromkeys(pruner for pruner, _ in cells)
        table = [(pruner, [cells.get((pruner, sparsity)) for sparsity in sparsities]) for pruner in pruners]
        blocks.append(Block(model, [f"{100 * value:.4g}%" for value in sparsities], table))
    over = dict.fromkeys(spread.over for _, spread in entries if spread is not None)
    return Quantity(*key, unit.name, blocks, counts, list(over))


def _pruner(row: Published) -> str:
    """Dense models are printed once for every pruner's experiments."""
    if row.pruner != NO_PRUNER:
        return row.pruner
    _, _, pruner = row.quantity.partition("_for_")
    return f"dense, for {pruner}" if pruner else "dense"


def _shown(row: Published, spread: Spread | None, unit: Unit) -> Shown:
    ours, printed, digits = row.ours, row.published, unit.digits_of_numbers
    if ours is None:
        return Shown("–", f"{printed:.{digits}f}", "none", "not measured here")
    title = f"ours − printed: {ours - printed:+.{digits}f}".replace("-", "−")
    if spread is None:
        nearness, title = "none", f"{title}; no printed spread"
    else:
        size = abs(ours - printed) / spread.value
        nearness = next(name for most, name, _ in NEARNESS if size <= most)
        title += f", {size:.1f} spreads of {spread.value:.{digits + 1}f} over {spread.over}"
    return Shown(f"{ours:.{digits}f}", f"{printed:.{digits}f}", nearness, title)


def legend() -> list[dict[str, Any]]:
    return [{"name": name, "text": text} for _, name, text in NEARNESS]
