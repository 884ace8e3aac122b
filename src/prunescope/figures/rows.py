"""Groups of positions side by side, one per compression level: the axes of boxes and intervals of alpha."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunescope.config.compression import Compression
from prunescope.figures.cuts import Cut, Group
from prunescope.figures.source import CellFiles
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH

#: Positions in a row of panels; a group takes one more than its compression levels.
_PLACES = 30
#: ... and a row is at least as wide as this many, so that few boxes are not stretched over the page.
_FEWEST = 10
#: Beyond this range the axis is compressed away from zero, or one box would flatten all others.
_WIDE = 25.0
_MARK_COLOURS = {"<": "#0072B2", ">": "#B23A00"}
MARKS = "> whole interval of the mean above 1      < below 1      ? includes 1"


#: Columns of a figure's data that name the cell of a row.
NAMES = ("dataset", "arch", "pruner", "amount")


def names(cell: CellFiles) -> dict[str, str]:
    """The values of ``NAMES``."""
    return dict(zip(NAMES, (cell.dataset, cell.arch, cell.pruner, cell.compression.token), strict=True))


@dataclass(frozen=True)
class Position:
    """Where one cell is drawn: its panel and x."""

    panel: Any
    x: float
    cell: CellFiles


def short(compression: Compression) -> str:
    """Label of a compression level: ``2``, ``90`` (percent)."""
    return f"{compression.value * 100:g}" if compression.kind == "sparsity" else f"{compression.value:g}"


def kind_label(compressions: Sequence[Compression]) -> str:
    """What the numbers of ``short`` are."""
    names = {"sparsity": "sparsity, %", "ratio": "pruning ratio"}
    kinds = dict.fromkeys(str(compression.kind) for compression in compressions)
    return " or ".join(names.get(kind, kind) for kind in kinds)


def laid_out(cut: Cut, title: str, y_label: str) -> tuple[Any, list[Position]]:
    """A figure with a position for every cell of ``cut``, its groups named and kept apart.

    All rows share the y axis and the width of a position. A grey line marks 1: no change.
    """
    import matplotlib.pyplot as plt

    rows = packed(cut.groups)
    figure, axes = plt.subplots(
        len(rows),
        1,
        figsize=(FULL_WIDTH, 0.75 + 2.35 * len(rows)),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    widest = max(sum(len(group.cells) + 1 for group in row) for row in rows)
    positions = []
    for number, (panel, row) in enumerate(zip(axes[:, 0], rows, strict=True)):
        panel.axhline(1.0, color=DENSE_COLOUR, linewidth=0.9, zorder=1.5)
        ticks: list[tuple[float, str]] = []
        x = 0.0
        for number_in_row, group in enumerate(row):
            if number_in_row:
                panel.axvline(x - 1.0, color="#c4c8cd", linewidth=0.8)
            centre = x + (len(group.cells) - 1) / 2
            panel.text(
                centre, 1.115, group.name, transform=panel.get_xaxis_transform(), ha="center", va="bottom",
                fontsize=8, weight="bold",
            )  # fmt: skip
            for cell in group.cells:
                positions.append(Position(panel, x, cell))
                ticks.append((x, short(cell.compression)))
                x += 1.0
            x += 1.0
        # x is one beyond the last position's right end; shorter rows are centred.
        spare = (max(widest, _FEWEST) - x) / 2
        panel.set_xlim(-1.0 - spare, x - 1.0 + spare)
        panel.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
        panel.tick_params(axis="x", length=0)
        panel.set_ylabel(y_label)
        if number == len(rows) - 1:
            panel.set_xlabel(
                f"{kind_label([cell.compression for cell in cut.cells])}\n{MARKS}", linespacing=1.7
            )
    figure.suptitle(title)
    return figure, positions


def packed(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups in rows of at most ``_PLACES`` positions, as even as their order allows."""
    total = sum(len(group.cells) + 1 for group in groups)
    target = total / math.ceil(total / _PLACES)
    rows: list[list[Group]] = [[]]
    used = 0
    for group in groups:
        size = len(group.cells) + 1
        if rows[-1] and (used + size > _PLACES or used + size / 2 > target):
            rows.append([])
            used = 0
        rows[-1].append(group)
        used += size
    return rows


def mark(position: Position) -> str:
    """Draw the verdict above its position, and return it."""
    alpha = position.cell.summary.get("alpha") or {}
    verdict = str(alpha.get("verdict") or "?")
    position.panel.text(
        position.x, 1.015, verdict, transform=position.panel.get_xaxis_transform(), ha="center", va="bottom",
        fontsize=8.5, color=_MARK_COLOURS.get(verdict, "#5f6368"), weight="bold",
    )  # fmt: skip
    return verdict


def scale(positions: Sequence[Position], values: np.ndarray) -> None:
    """Compress the y axis of all rows where single values lie far out."""
    if np.abs(values).max() <= _WIDE:
        return
    for panel in dict.fromkeys(position.panel for position in positions):
        panel.set_yscale("symlog", linthresh=2.0)
        # Plain numbers: powers of ten are set as mathematics, which text as text does not show.
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def interval_text(cells: Sequence[CellFiles]) -> str:
    """``99 % t interval``, from the cells."""
    known = [cell.summary["alpha"].get("confidence") for cell in cells if cell.summary.get("alpha")]
    confidence = next((value for value in known if value is not None), None)
    return f"{100 * confidence:g} % t interval" if confidence is not None else "t interval"
