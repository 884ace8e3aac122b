"""Normalized recall balance before and after pruning: recall paper, figures 5 to 8."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.analysis.alpha.slopes import pooled_slope
from prunescope.config.compression import Compression
from prunescope.figures.cuts import NO_ALPHA, Cut, Measured, across, by_pruner
from prunescope.figures.layout import Figure, legend_below, line_handle
from prunescope.figures.rows import NAMES
from prunescope.figures.rows import names as cell_names
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH, look

COLUMNS = ("seed", "class", "support", "recall_dense", "recall_pruned", "balance_dense", "balance_pruned")
#: A group's name and a compression level.
Panel = tuple[str, Compression]
#: What is fitted to all points of a panel, the same in each of its rows.
FITTED = ("panel_alpha", "panel_r2", "panel_accuracy")
_PANELS = 6
#: Panels in a row of a group that stands alone, and the longest name that leaves room for a compression level.
_ALONE, _LONG = 4, 14
#: A panel with more points keeps its points as a bitmap inside the SVG.
_VECTOR_POINTS = 1500


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), panels pruner (columns) by compression level (rows)."""
    cuts = by_pruner(Measured.of(source))
    yield from map(matrix, cuts)
    drawn = {cut.stem for cut in cuts}
    for dataset, arch in source.pairs():
        if f"{dataset}--{arch}" not in drawn:
            source.skip(f"balance, {dataset} · {arch}", NO_ALPHA)


def draw_across(source: Source) -> Iterator[Figure]:
    """A figure per pruner and kind of model that has several sizes, then per pruner on several data sets."""
    yield from map(matrix, across(source))


def matrix(cut: Cut) -> Figure:
    """A panel for every cell: groups in columns, compression levels in rows; many groups in several blocks."""
    import matplotlib.pyplot as plt

    found = {
        (group.name, cell.compression): (cell, _points(cell)) for group in cut.groups for cell in group.cells
    }
    tables = [table for _, table in found.values()]
    grid = panel_grid(cut)
    rows, columns = len(grid), len(grid[0])
    side = FULL_WIDTH / columns
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(FULL_WIDTH, rows * min(side + 0.12, 2.6) + 0.9),
        layout="constrained",
        squeeze=False,
    )
    before = _reach([table["balance_dense"] for table in tables])
    parts: list[pd.DataFrame] = []
    beyond = 0
    between = "\n" if max(map(len, cut.shows)) > _LONG else " · "
    for row, line in enumerate(grid):
        for column, shown in enumerate(line):
            panel = axes[row, column]
            if shown is None:
                panel.set_visible(False)
                continue
            name, compression = shown
            cell, table = found[shown]
            after = max(_reach([table["balance_pruned"]]), before)
            fitted = _scatter(panel, cell, table, before, after)
            outside = (table["balance_dense"].abs() > before) | (table["balance_pruned"].abs() > after)
            beyond += int(outside.sum())
            parts.append(table.assign(**cell_names(cell), **fitted)[[*NAMES, *FITTED, *COLUMNS]])
            panel.set_title(f"{name}{between}{compression.text}", fontsize=7.4)
            if not any(line[:column]):
                panel.set_ylabel("after pruning", fontsize=7.4)
            below = grid[row + 1][column] if row + 1 < rows else None
            if below is None or below[0] != name:
                panel.set_xlabel("before pruning", fontsize=7.4)
            else:
                panel.tick_params(labelbottom=False)
    legend_below(
        figure,
        [
            line_handle("one class of one seed", color="#5f6368", marker="o", linestyle="", markersize=3),
            line_handle("slope α̂ of all points", color="#5f6368", linewidth=1.6),
            line_handle("no change (slope 1)", color=DENSE_COLOUR, linewidth=0.9, linestyle=(0, (3, 2))),
        ],
        columns=3,
    )
    title = f"Recall balance of classes, before and after: {cut.title}"
    figure.suptitle(title)
    counts = [float(table["seed"].nunique()) for table in tables]
    caption = (
        "Normalized recall balance, (recall of the class - accuracy) / accuracy, before (x) and after "
        f"pruning (y); one point per class and seed, {seeds_text(counts)} per panel. Coloured line: slope "
        "α̂ of all points, through the origin, with its coefficient of determination r²; dashed: no "
        "change. Steeper than dashed: classes move apart; "
        "flatter: they move together. The axis after pruning "
        "differs between panels. Ā: mean accuracy after pruning."
    )
    if beyond:
        caption += f" {beyond} point{'s' if beyond > 1 else ''} far beyond the axes not shown."
    return Figure(cut.stem, title, caption, figure, pd.concat(parts, ignore_index=True), cut.shows)


def panel_grid(cut: Cut) -> list[list[Panel | None]]:
    """Positions of panels: groups in columns, compression levels in rows, in blocks of at most ``_PANELS`` columns.

    Panels of a group that shares no compression level with any other fill rows of their own, after the others.
    """
    compressions = {group.name: group.compressions for group in cut.groups}
    beside = [
        name
        for name, own in compressions.items()
        if any(set(own) & set(other) for key, other in compressions.items() if key != name)
    ]
    alone = [name for name in compressions if name not in beside]
    columns = math.ceil(len(beside) / math.ceil(len(beside) / _PANELS)) if beside else 0
    columns = max(columns, 2, *(min(len(compressions[name]), _ALONE) for name in alone))
    grid: list[list[Panel | None]] = []
    for start in range(0, len(beside), columns):
        block = beside[start : start + columns]
        for compression in sorted({compression for name in block for compression in compressions[name]}):
            grid.append(
                [(name, compression) if compression in compressions[name] else None for name in block]
            )
    for name in alone:
        for start in range(0, len(compressions[name]), columns):
            grid.append([(name, compression) for compression in compressions[name][start : start + columns]])
    return [line + [None] * (columns - len(line)) for line in grid]


def _points(cell: CellFiles) -> pd.DataFrame:
    """The classes and seeds of a cell that have both balances; those of a seed with an alpha do."""
    table = cell.table("recall.csv", COLUMNS)
    assert table is not None  # written together with the alphas
    return table[table["balance_dense"].notna() & table["balance_pruned"].notna()]


def _reach(balances: list[pd.Series]) -> float:
    """Half the range of an axis: everything, unless single points lie far beyond 98 % of them."""
    values = pd.concat(balances).abs()
    top, most = float(values.max()), float(values.quantile(0.98))
    wanted = top if top <= 2.5 * most else most * 1.3
    if wanted <= 0:
        return 0.1
    step = 10 ** math.floor(math.log10(wanted)) / 2
    return math.ceil(wanted * 1.05 / step) * step


def _scatter(
    panel: Any, cell: CellFiles, table: pd.DataFrame, before: float, after: float
) -> dict[str, float | None]:
    """Draw one panel; returns its ``FITTED``."""
    shape = look(cell.pruner)
    panel.grid(False)
    panel.axhline(0, color="#dcdfe3", linewidth=0.6, zorder=0)
    panel.axvline(0, color="#dcdfe3", linewidth=0.6, zorder=0)
    panel.plot(
        [-before, before],
        [-before, before],
        color=DENSE_COLOUR,
        linewidth=0.9,
        linestyle=(0, (3, 2)),
        zorder=2,
    )
    panel.plot(
        table["balance_dense"],
        table["balance_pruned"],
        linestyle="",
        marker="o",
        markersize=2.4,
        markeredgewidth=0,
        color=shape.colour,
        alpha=0.55,
        zorder=1.5,
        rasterized=len(table) > _VECTOR_POINTS,
    )
    pooled = pooled_slope(table["balance_dense"].to_numpy(), table["balance_pruned"].to_numpy())
    notes = []
    if pooled.alpha is not None:
        rise = before * pooled.alpha
        panel.plot([-before, before], [-rise, rise], color=shape.colour, linewidth=1.6, zorder=2.5)
        notes.append(f"α̂ = {pooled.alpha:.3f}")
    if pooled.r2 is not None:
        notes.append(f"r² = {pooled.r2:.3f}")
    score = cell.summary.get("pruned_score")
    if score is not None:
        notes.append(f"Ā = {score:.3f}")
    panel.text(
        0.03, 0.98, "\n".join(notes), transform=panel.transAxes, va="top", fontsize=6.6, zorder=4,
        linespacing=1.15, bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip
    panel.set_xlim(-before, before)
    panel.set_ylim(-after, after)
    panel.tick_params(labelsize=6.6)
    panel.locator_params(nbins=3)
    return dict(zip(FITTED, (pooled.alpha, pooled.r2, score), strict=True))
