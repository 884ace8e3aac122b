"""Share of PIEs by how influential training examples are, by pruner: PIE paper, figures 4 and 14 to 20."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.el2n import bin_axes, draw_bins, looks_of
from prunescope.figures.layout import Picture
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import ordered

COLUMNS = ("bin", "n_examples", "n_pies", "pie_share")
_PANELS = 4


def draw(source: Source) -> Iterator[Picture]:
    """A picture per pruner that ran on several networks, a panel per (dataset, arch), a line per amount.

    The pruners of a single network stand side by side in the pictures of ``el2n``.
    """
    by_pruner: dict[str, list[tuple[CellFiles, pd.DataFrame]]] = {}
    for cell in source.cells:
        table = cell.table("el2n.csv", COLUMNS, split="train")
        if table is not None and not table.empty:
            by_pruner.setdefault(cell.pruner, []).append((cell, table))
    for pruner in ordered(by_pruner):
        found = by_pruner[pruner]
        if len({(cell.dataset, cell.arch) for cell, _ in found}) > 1:
            yield _picture(pruner, found)


def _picture(pruner: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Picture:
    networks = list(dict.fromkeys((cell.dataset, cell.arch) for cell, _ in found))
    compressions = sorted({cell.compression for cell, _ in found})
    looks = dict(zip(compressions, looks_of(len(compressions)), strict=True))
    figure, axes = layout.panels(len(networks), columns=_PANELS, height=1.75, share_y=True)
    parts = []
    for panel, network in zip(axes, networks, strict=True):
        own = [(cell, table) for cell, table in found if (cell.dataset, cell.arch) == network]
        for cell, table in own:
            draw_bins(panel, table, looks[cell.compression])
            part = table.assign(
                dataset=cell.dataset, arch=cell.arch, pruner=pruner, amount=cell.compression.token
            )
            parts.append(part[["dataset", "arch", "pruner", "amount", *COLUMNS]])
        panel.set_title(" · ".join(network))
        bin_axes(panel, max(int(table["bin"].max()) for _, table in own))
    everything = pd.concat(parts, ignore_index=True)
    last = int(everything["bin"].max())
    layout.from_zero(axes, everything["pie_share"])
    layout.outer_labels(axes, _PANELS, "EL2N bin", "PIEs (% of bin)")
    layout.legend_below(
        figure,
        [layout.line_handle(compression.text, **looks[compression]) for compression in compressions],
        title=f"EL2N bin 1: least, {last}: most influential · lines by amount pruned:",
        columns=8,
    )
    title = f"PIEs by influence on training: {pruner}"
    figure.suptitle(title)
    seeds = [float(cell.summary.get("n_seeds") or "nan") for cell, _ in found]
    caption = (
        f"Training examples sorted by EL2N score early in training into {last} bins of equal size, bin 1 "
        f"the least and bin {last} the most influential; share of each bin that is PIEs of {pruner}, a panel "
        "per data set and network, a line per amount pruned. Mean EL2N scores and majorities over "
        f"{seeds_text(seeds)}."
    )
    return Picture(pruner, title, caption, figure, everything)
