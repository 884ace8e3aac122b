"""The page that puts a study beside the papers, cell by cell: ours, the printed number, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.analysis.csv_text import number, read_csv
from prunescope.papers.comparison import SIGN, SIGNIFICANT
from prunescope.papers.printed_spread import Spread, spreads
from prunescope.papers.report_comparison import PLAIN, QUANTITIES, Unit

#: By the size of a difference in printed spreads, up to which: the class of a cell, and its name in the legend.
NEARNESS = (
    (1.0, "near", "at most one spread apart"),
    (2.0, "apart", "one to two"),
    (4.0, "far", "two to four"),
    (float("inf"), "farther", "more than four"),
)


@dataclass(frozen=True)
class Shown:
    """One cell of a table: texts, the class that colours it, and what it says when pointed at."""

    ours: str
    printed: str
    nearness: str
    title: str


@dataclass(frozen=True)
class Block:
    """A network's numbers of one quantity: a row per pruner, a column per sparsity."""

    network: str
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
    """Of published.csv: every printed number that has one of ours beside it, but for those of tests.

    Raises:
        UserError: the table cannot be read.
    """
    path = tables / "published.csv"
    if not path.exists():
        return []
    rows = [row for row in read_csv(path) if not row["quantity"].startswith((SIGNIFICANT, SIGN))]
    groups: dict[tuple[str, str, str], list[tuple[dict[str, str], Spread | None]]] = {}
    for row, spread in zip(rows, spreads(rows), strict=True):
        name = QUANTITIES.get(row["quantity"], (row["quantity"].replace("_", " "), PLAIN))[0]
        groups.setdefault((row["paper"], row["table"], name), []).append((row, spread))
    return [_quantity(key, entries) for key, entries in groups.items()]


def _quantity(key: tuple[str, str, str], entries: Sequence[tuple[dict[str, str], Spread | None]]) -> Quantity:
    unit = QUANTITIES.get(entries[0][0]["quantity"], ("", PLAIN))[1]
    networks: dict[str, dict[tuple[str, float], Shown]] = {}
    counts: dict[str, int] = {}
    for row, spread in entries:
        shown = _shown(row, spread, unit)
        counts[shown.nearness] = counts.get(shown.nearness, 0) + 1
        place = (_pruner(row), float(row["sparsity"]))
        networks.setdefault(f"{row['dataset']} · {row['arch']}", {})[place] = shown
    blocks = []
    for network, cells in networks.items():
        sparsities = sorted({sparsity for _, sparsity in cells})
        pruners = list(dict.fromkeys(pruner for pruner, _ in cells))
        table = [(pruner, [cells.get((pruner, sparsity)) for sparsity in sparsities]) for pruner in pruners]
        blocks.append(Block(network, [f"{100 * value:.4g}%" for value in sparsities], table))
    over = list(dict.fromkeys(spread.over for _, spread in entries if spread is not None))
    return Quantity(*key, unit.name, blocks, counts, over)


def _pruner(row: dict[str, str]) -> str:
    """Unpruned models are printed once for every pruner's experiments."""
    if row["pruner"] != "none":
        return row["pruner"]
    _, _, pruner = row["quantity"].partition("_for_")
    return f"unpruned, for {pruner}" if pruner else "unpruned"


def _shown(row: dict[str, str], spread: Spread | None, unit: Unit) -> Shown:
    ours, printed = number(row["ours"]), float(row["published"])
    written = f"{printed:.{unit.digits_of_numbers}f}"
    if ours is None:
        return Shown("–", written, "none", "not measured here")
    difference = ours - printed
    title = f"ours − printed: {difference:+.{unit.digits_of_numbers}f}".replace("-", "−")
    if spread is None:
        return Shown(f"{ours:.{unit.digits_of_numbers}f}", written, "none", f"{title}; no printed spread")
    size = abs(difference) / spread.value
    nearness = next(name for most, name, _ in NEARNESS if size <= most)
    title += f", {size:.1f} spreads of {spread.value:.{unit.digits_of_numbers + 1}f} over {spread.over}"
    return Shown(f"{ours:.{unit.digits_of_numbers}f}", written, nearness, title)


def legend() -> list[dict[str, Any]]:
    return [{"name": name, "text": text} for _, name, text in NEARNESS]
