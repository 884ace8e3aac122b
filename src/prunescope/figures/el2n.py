"""Share of PIEs by how influential training examples are: PIE paper, figures 4 and 14 to 20."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, pairs, pruners_of, seeds_text
from prunescope.figures.style import ordered

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "bin", "n_examples", "n_pies", "pie_share")
CELL_COLUMNS = ("bin", "n_examples", "n_pies", "pie_share")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_PANELS = 4


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per pruner, a line per sparsity."""
    table = source.table("el2n_bins.csv", COLUMNS)
    table = table[table["pruner"] != "none"]
    if table.empty:
        source.skip("el2n", "no EL2N scores of training examples")
        return
    for dataset, arch in pairs(table):
        rows = table[(table["dataset"] == dataset) & (table["arch"] == arch)]
        seeds = [float(cell.summary.get("n_seeds") or "nan") for cell in source.of_pair(dataset, arch)]
        yield _figure(dataset, arch, rows, seeds)


def looks_of(count: int) -> list[dict[str, Any]]:
    """Colours and markers of lines from the least to the most pruned."""
    import matplotlib

    colours = matplotlib.colormaps["viridis"].resampled(256)
    steps = [0.82 * (1 - index / max(count - 1, 1)) for index in range(count)]
    return [
        {"color": colours(step), "marker": _MARKERS[index % len(_MARKERS)]}
        for index, step in enumerate(steps)
    ]


def draw_bins(panel: Any, line: pd.DataFrame, style: dict[str, Any]) -> None:
    """One line of shares by bin; its markers may lie on the axes."""
    line = line.sort_values("bin", kind="stable")
    panel.plot(line["bin"], line["pie_share"], markersize=2.8, linewidth=1.1, clip_on=False, **style)


def bin_axes(panel: Any, last: int) -> None:
    panel.set_xlim(0.3, last + 0.7)
    panel.set_xticks(sorted({1, round(last / 2), last}))
    layout.percent_axis(panel)


def _figure(dataset: str, arch: str, rows: pd.DataFrame, seeds: list[float]) -> Figure:
    names = pruners_of(rows)
    # Reached sparsities of one study differ in the last decimals between architectures.
    levels = sorted({round(float(value), 3) for value in rows["sparsity"]})
    looks = dict(zip(levels, looks_of(len(levels)), strict=True))
    last = int(rows["bin"].max())
    figure, axes = layout.panels(len(names), columns=_PANELS, height=1.75, share_y=True)
    for panel, pruner in zip(axes, names, strict=True):
        own = rows[rows["pruner"] == pruner]
        for level in levels:
            line = own[own["sparsity"].round(3) == level]
            if not line.empty:
                draw_bins(panel, line, looks[level])
        panel.set_title(pruner)
        bin_axes(panel, last)
    layout.from_zero(axes, rows["pie_share"])
    layout.outer_labels(axes, _PANELS, "EL2N bin", "PIEs (% of bin)")
    layout.legend_below(
        figure,
        [layout.line_handle(f"{100 * level:.3g}%", **looks[level]) for level in levels],
        title=f"EL2N bin 1: least, {last}: most influential · lines by sparsity:",
        columns=8,
    )
    title = f"PIEs by influence on training: {dataset} · {arch}"
    figure.suptitle(title)
    over = f" Mean EL2N scores and majorities over {seeds_text(seeds)}." if seeds else ""
    caption = (
        f"Training examples sorted by EL2N score early in training into {last} bins of equal size, bin 1 "
        f"the least and bin {last} the most influential; share of each bin that is PIEs, a panel per "
        f"pruner, a line per sparsity.{over}"
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, rows)


def draw_by_pruner(source: Source) -> Iterator[Figure]:
    """A figure per pruner that ran on several architectures or data sets: a panel per (dataset, arch), a line per
    compression level.

    ``draw`` has the pruners of one architecture side by side.
    """
    by_pruner: dict[str, list[tuple[CellFiles, pd.DataFrame]]] = {}
    for cell in source.cells:
        table = cell.table("el2n.csv", CELL_COLUMNS, split="train")
        if table is not None and not table.empty:
            by_pruner.setdefault(cell.pruner, []).append((cell, table))
    for pruner in ordered(by_pruner):
        found = by_pruner[pruner]
        if len({(cell.dataset, cell.arch) for cell, _ in found}) > 1:
            yield _of_pruner(pruner, found)


def _of_pruner(pruner: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Figure:
    pairs = list(dict.fromkeys((cell.dataset, cell.arch) for cell, _ in found))
    compressions = sorted({cell.compression for cell, _ in found})
    looks = dict(zip(compressions, looks_of(len(compressions)), strict=True))
    figure, axes = layout.panels(len(pairs), columns=_PANELS, height=1.75, share_y=True)
    parts = []
    for panel, pair in zip(axes, pairs, strict=True):
        own = [(cell, table) for cell, table in found if (cell.dataset, cell.arch) == pair]
        for cell, table in own:
            draw_bins(panel, table, looks[cell.compression])
            part = table.assign(
                dataset=cell.dataset, arch=cell.arch, pruner=pruner, amount=cell.compression.token
            )
            parts.append(part[["dataset", "arch", "pruner", "amount", *CELL_COLUMNS]])
        panel.set_title(" · ".join(pair))
        bin_axes(panel, max(int(table["bin"].max()) for _, table in own))
    everything = pd.concat(parts, ignore_index=True)
    last = int(everything["bin"].max())
    layout.from_zero(axes, everything["pie_share"])
    layout.outer_labels(axes, _PANELS, "EL2N bin", "PIEs (% of bin)")
    layout.legend_below(
        figure,
        [layout.line_handle(compression.text, **looks[compression]) for compression in compressions],
        title=f"EL2N bin 1: least, {last}: most influential · lines by compression level:",
        columns=8,
    )
    title = f"PIEs by influence on training: {pruner}"
    figure.suptitle(title)
    seeds = [float(cell.summary.get("n_seeds") or "nan") for cell, _ in found]
    caption = (
        f"Training examples sorted by EL2N score early in training into {last} bins of equal size, bin 1 "
        f"the least and bin {last} the most influential; share of each bin that is PIEs of {pruner}, a panel "
        "per data set and architecture, a line per compression level. Mean EL2N scores and majorities over "
        f"{seeds_text(seeds)}."
    )
    return Figure(pruner, title, caption, figure, everything)
