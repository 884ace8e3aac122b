"""Tables 4, 9 and 10 of the PIE paper: a block of rows per network, a row per pruner, columns by amount."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prunescope.config.compression import Compression
from prunescope.papers.pie.marks import Mark, OnPies, extremes
from prunescope.papers.results import Network, Place, Results

T = TypeVar("T")


@dataclass(frozen=True)
class PieShare:
    """A cell of Table 4. ``verdict``: of the noise floor's comparison, empty where there is none."""

    share: float | None
    mark: Mark
    noise_floor: float | None
    verdict: str


@dataclass(frozen=True)
class Score:
    """A cell of Table 9, mean and standard deviation over seeds."""

    mean: float | None
    std: float | None
    best: bool


@dataclass(frozen=True)
class Block(Generic[T]):
    """The rows of one network. ``rows``: pruner and its cells, in the order of ``amounts``."""

    network: Network
    metric: str
    compressions: tuple[Compression, ...]
    rows: tuple[tuple[str, tuple[T, ...]], ...]


def _blocks(results: Results, cell: Callable[[Place], T]) -> list[Block[T]]:
    found = []
    for network in results.networks:
        compressions = tuple(results.compressions(network))
        rows = tuple(
            (pruner, tuple(cell(Place(network, pruner, compression)) for compression in compressions))
            for pruner in results.pruners(network)
        )
        found.append(Block(network, results.metric(network), compressions, rows))
    return found


def pie_shares(results: Results) -> list[Block[PieShare]]:
    """Table 4: the best pruner's share is printed on green, the worst's on gray, judged by the score."""

    def cell(place: Place) -> PieShare:
        marks = extremes(results.scores(place.network, place.compression))
        return PieShare(
            results.value("pie_share", place, "pie_share"),
            marks.get(place.pruner, ""),
            results.value("pie_intervals", place, "noise_floor"),
            results.text("pie_intervals", place, "verdict"),
        )

    return _blocks(results, cell)


def floor_of(cells: Sequence[PieShare]) -> float | None:
    """The noise floor of a row; its cells share their unpruned models, and it, but for dropped seeds."""
    floors = [cell.noise_floor for cell in cells if cell.noise_floor is not None]
    return sum(floors) / len(floors) if floors else None


def effectiveness(results: Results) -> list[Block[Score]]:
    """Table 9: the best pruner of each column is printed bold."""

    def cell(place: Place) -> Score:
        marks = extremes(results.scores(place.network, place.compression))
        mean, std = (results.value("effectiveness", place, name) for name in ("mean", "std"))
        return Score(mean, std, marks.get(place.pruner) == "best")

    return _blocks(results, cell)


def on_pies(results: Results) -> list[Block[OnPies]]:
    """Table 10: two values per amount, of the pruned and of the unpruned models on the same PIEs."""

    def cell(place: Place) -> OnPies:
        return OnPies(
            results.value("effectiveness_on_pies", place, "pruned"),
            results.value("effectiveness_on_pies", place, "dense"),
            results.value("effectiveness", place, "mean"),
            results.of_dense(place.network, "mean"),
        )

    return _blocks(results, cell)


def pie_share_csv(
    blocks: Sequence[Block[PieShare]], compressions: Sequence[Compression]
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows: the shares of all amounts, then their marks, then the verdicts."""
    columns = ["dataset", "arch", "pruner", "noise_floor", *(a.text for a in compressions)]
    columns += [f"{a.text} {what}" for what in ("mark", "verdict") for a in compressions]
    rows = []
    for block, pruner, cells in _lines(blocks, compressions):
        row: list[Any] = [*block.network, pruner, floor_of([cell for cell in cells if cell is not None])]
        for name in ("share", "mark", "verdict"):
            row += [None if cell is None else getattr(cell, name) for cell in cells]
        rows.append(row)
    return columns, rows


def effectiveness_csv(
    results: Results, blocks: Sequence[Block[Score]], compressions: Sequence[Compression]
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows; the unpruned models stand in a row of their own, before the pruners."""
    columns = ["dataset", "arch", "metric", "pruner", "unpruned mean", "unpruned std"]
    columns += [f"{a.text} {what}" for a in compressions for what in ("mean", "std", "best")]
    rows = []
    for block, pruner, cells in _lines(blocks, compressions):
        dense = [results.of_dense(block.network, name) for name in ("mean", "std")]
        row: list[Any] = [*block.network, block.metric, pruner, *dense]
        for cell in cells:
            row += [None] * 3 if cell is None else [cell.mean, cell.std, _yes(cell.best)]
        rows.append(row)
    return columns, rows


def on_pies_csv(
    blocks: Sequence[Block[OnPies]], compressions: Sequence[Compression]
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows; the last columns of an amount say what is printed blue and bold."""
    names = ("pruned", "unpruned", "pruned_better", "pruned_above_all", "unpruned_above_all")
    columns = ["dataset", "arch", "metric", "pruner"]
    columns += [f"{a.text} {what}" for a in compressions for what in names]
    rows = []
    for block, pruner, cells in _lines(blocks, compressions):
        row: list[Any] = [*block.network, block.metric, pruner]
        for cell in cells:
            if cell is None:
                row += [None] * len(names)
            else:
                marks = (cell.pruned_better, cell.pruned_bold, cell.dense_bold)
                row += [cell.pruned, cell.dense, *map(_yes, marks)]
        rows.append(row)
    return columns, rows


def _lines(
    blocks: Sequence[Block[T]], compressions: Sequence[Compression]
) -> list[tuple[Block[T], str, list[T | None]]]:
    """Every row with its cells in the columns of the whole study; None where the network has no such amount."""
    found = []
    for block in blocks:
        for pruner, cells in block.rows:
            known = dict(zip(block.compressions, cells, strict=True))
            found.append((block, pruner, [known.get(compression) for compression in compressions]))
    return found


def _yes(value: bool) -> str:
    return "yes" if value else ""
