"""Normalized recall balance before and after pruning: recall paper, figures 5-8."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.analysis.slopes import pooled_slope
from prunescope.figures.layout import Picture, legend_below, line_handle
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH, look, ordered

COLUMNS = ("seed", "class", "support", "recall_dense", "recall_pruned", "balance_dense", "balance_pruned")
_PANELS = 6
#: A panel with more points keeps its points as a picture inside the SVG.
_VECTOR_POINTS = 1500


def draw(source: Source) -> Iterator[Picture]:
    """A picture per (dataset, arch), panels pruner (columns) by amount (rows)."""
    for dataset, arch in source.networks():
        found = []
        for cell in source.of_network(dataset, arch):
            table = cell.table("recall.csv", COLUMNS)
            if table is not None:
                table = table[table["balance_dense"].notna() & table["balance_pruned"].notna()]
                if not table.empty:
                    found.append((cell, table))
        if not found:
            source.skip(
                f"balance, {dataset} · {arch}", "recall balance is defined for single-label tasks only"
            )
            continue
        yield _picture(dataset, arch, found)


def _picture(dataset: str, arch: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Picture:
    import matplotlib.pyplot as plt

    amounts = sorted({cell.amount for cell, _ in found})
    names = ordered(cell.pruner for cell, _ in found)
    columns = max(math.ceil(len(names) / math.ceil(len(names) / _PANELS)), 2)
    blocks = [names[start : start + columns] for start in range(0, len(names), columns)]
    rows = len(blocks) * len(amounts)
    side = FULL_WIDTH / columns
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(FULL_WIDTH, rows * min(side + 0.12, 2.6) + 0.9),
        layout="constrained",
        squeeze=False,
    )
    at = {(cell.pruner, cell.amount): (cell, table) for cell, table in found}
    before = _reach([table["balance_dense"] for _, table in found])
    parts: list[pd.DataFrame] = []
    beyond = 0
    for number, block in enumerate(blocks):
        for row, amount in enumerate(amounts):
            line = axes[number * len(amounts) + row]
            shown = [name for name in block if (name, amount) in at]
            for column, panel in enumerate(line):
                name = block[column] if column < len(block) else None
                if name is None or name not in shown:
                    panel.set_visible(False)
                    continue
                cell, table = at[name, amount]
                after = max(_reach([table["balance_pruned"]]), before)
                _scatter(panel, cell, table, before, after)
                outside = (table["balance_dense"].abs() > before) | (table["balance_pruned"].abs() > after)
                beyond += int(outside.sum())
                parts.append(table.assign(pruner=name, amount=amount.token)[["pruner", "amount", *COLUMNS]])
                panel.set_title(f"{name} · {amount.text}", fontsize=7.4)
                if name == shown[0]:
                    panel.set_ylabel("after pruning", fontsize=7.4)
                if row == len(amounts) - 1 or (name, amounts[row + 1]) not in at:
                    panel.set_xlabel("before pruning", fontsize=7.4)
                else:
                    panel.tick_params(labelbottom=False)
    legend_below(
        figure,
        [
            line_handle("one class of one seed", color="#5f6368", marker="o", linestyle="", markersize=3),
            line_handle("slope α̂ of all points", color="#5f6368", linewidth=1.6),
            line_handle(
                "nothing changes (slope 1)", color=DENSE_COLOUR, linewidth=0.9, linestyle=(0, (3, 2))
            ),
        ],
        columns=3,
    )
    title = f"Recall balance of classes, before and after: {dataset} · {arch}"
    figure.suptitle(title)
    counts = [float(table["seed"].nunique()) for _, table in found]
    caption = (
        "Normalized recall balance, (recall of the class - accuracy) / accuracy, before (x) and after "
        f"pruning (y); one point per class and seed, {seeds_text(counts)} per panel. Coloured line: slope "
        "α̂ of all points, through the origin, with its coefficient of determination r²; dashed: nothing "
        "changes. Steeper than dashed: classes move apart; "
        "flatter: they move together. The axis after pruning is "
        "each panel's own. Ā: mean accuracy after pruning."
    )
    if beyond:
        caption += f" {beyond} point{'s' if beyond > 1 else ''} far beyond the axes not shown."
    return Picture(f"{dataset}--{arch}", title, caption, figure, pd.concat(parts, ignore_index=True))


def _reach(balances: list[pd.Series]) -> float:
    """Half the range of an axis: everything, unless single points lie far beyond 98 % of them."""
    values = pd.concat(balances).abs()
    top, most = float(values.max()), float(values.quantile(0.98))
    wanted = top if top <= 2.5 * most else most * 1.3
    if wanted <= 0:
        return 0.1
    step = 10 ** math.floor(math.log10(wanted)) / 2
    return math.ceil(wanted * 1.05 / step) * step


def _scatter(panel: Any, cell: CellFiles, table: pd.DataFrame, before: float, after: float) -> None:
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
