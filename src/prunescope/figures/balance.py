"""Normalized recall balance before and after pruning: recall paper, figures 5 to 8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.analysis.alpha.slopes import pooled_slope
from prunescope.figures import layout
from prunescope.figures.cuts import Cut, across, each, names
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, look

COLUMNS = ("seed", "class", "support", "recall_dense", "recall_pruned", "balance_dense", "balance_pruned")
#: What is fitted to all points of a panel, the same in each of its rows.
FITTED = ("panel_alpha", "panel_r2", "panel_accuracy")
#: Panels in a row, at most.
_PANELS = 5
#: A panel with more points keeps its points as a bitmap inside the SVG.
_VECTOR_POINTS = 1500


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per pruner and compression level."""
    yield from each(source, matrix, "balance")


def draw_across(source: Source) -> Iterator[Figure]:
    """A figure per pruner and kind of model that has several sizes, then per pruner on several data sets."""
    yield from map(matrix, across(source))


def matrix(cut: Cut) -> Figure:
    """A panel for every cell; groups of several compression levels have a row each."""
    tables = [_points(cell) for cell in cut.cells]
    levels = {len(group.cells) for group in cut.groups}
    columns = max(levels) if len(levels) == 1 and max(levels) in (3, 4) else _PANELS
    figure, axes = layout.panels(len(tables), columns=columns, height=1.35)
    titles = [f"{group.name} · {cell.compression.text}" for group in cut.groups for cell in group.cells]
    parts = []
    beyond = 0
    for panel, title, cell, table in zip(axes, titles, cut.cells, tables, strict=True):
        before, after = _range(table["balance_dense"]), _range(table["balance_pruned"])
        fitted = _scatter(panel, title, cell, table, before)
        panel.set(xlim=before, ylim=after)
        inside = table["balance_dense"].between(*before) & table["balance_pruned"].between(*after)
        beyond += int((~inside).sum())
        parts.append(table.assign(**names(cell), **fitted)[[*names(cell), *FITTED, *COLUMNS]])
    layout.outer_labels(
        axes, columns if 3 <= columns <= _PANELS else _PANELS, "before pruning", "after pruning"
    )
    title = f"Recall balance of classes, before and after: {cut.title}"
    counts = [float(table["seed"].nunique()) for table in tables]
    caption = (
        "Normalized recall balance, (recall of the class - accuracy) / accuracy, before (x) and after "
        f"pruning (y); one point per class and seed, {seeds_text(counts)} per panel. Coloured line: slope "
        "α̂ of all points, through the origin, with its coefficient of determination r²; dashed: no "
        "change. Steeper than dashed: classes move apart; "
        "flatter: they move together. Axes "
        "differ between panels. Ā: mean accuracy after pruning."
    )
    if beyond:
        caption += f" {beyond} point{'s' if beyond > 1 else ''} far beyond the axes not shown."
    return Figure(cut.stem, title, caption, figure, pd.concat(parts, ignore_index=True), cut.shows)


def _points(cell: CellFiles) -> pd.DataFrame:
    """The classes and seeds of a cell that have both balances; those of a seed with an alpha do."""
    table = cell.table("recall.csv", COLUMNS)
    assert table is not None  # written together with the alphas
    return table[table["balance_dense"].notna() & table["balance_pruned"].notna()]


def _range(values: pd.Series) -> tuple[float, float]:
    """An axis with 0 and all values, unless single ones lie far beyond 98 % of them."""
    low, high = (0.0, float(values.min())), (0.0, float(values.max()))
    most = 2.5 * float(values.abs().quantile(0.98)) or 0.1
    bottom, top = max(min(low), -most), min(max(high), most)
    margin = 0.07 * max(top - bottom, 0.02)
    return bottom - margin, top + margin


def _scatter(
    panel: Any, title: str, cell: CellFiles, table: pd.DataFrame, before: tuple[float, float]
) -> dict[str, float | None]:
    """Draw one panel; returns its ``FITTED``."""
    import seaborn

    colour = look(cell.pruner).colour
    panel.grid(visible=False)
    panel.axhline(0, color="#dcdfe3", linewidth=0.6, zorder=0)
    panel.axvline(0, color="#dcdfe3", linewidth=0.6, zorder=0)
    panel.plot(before, before, color=DENSE_COLOUR, linewidth=0.9, linestyle=(0, (3, 2)), zorder=2)
    seaborn.scatterplot(
        table, x="balance_dense", y="balance_pruned", color=colour, s=7, linewidth=0, alpha=0.55, ax=panel,
        rasterized=len(table) > _VECTOR_POINTS,
    )  # fmt: skip
    pooled = pooled_slope(table["balance_dense"].to_numpy(), table["balance_pruned"].to_numpy())
    if pooled.alpha is not None:
        panel.plot(before, [pooled.alpha * end for end in before], color=colour, linewidth=1.6, zorder=2.5)
    fitted = dict(zip(FITTED, (pooled.alpha, pooled.r2, cell.summary.get("pruned_score")), strict=True))
    notes = zip(("α̂", "r²", "Ā"), fitted.values(), strict=True)
    note = "  ".join(f"{name} {value:.2f}" for name, value in notes if value is not None)
    layout.heading(panel, title, note)
    panel.tick_params(labelsize=6.4)
    panel.locator_params(nbins=3)
    panel.set(xlabel="", ylabel="")
    return fitted
