"""Share of PIEs by how influential training examples are: PIE paper, figures 4 and 14 to 20."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.cuts import names
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import ordered

COLUMNS = ("bin", "n_examples", "n_pies", "pie_share")


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per pruner, a line per compression level."""
    found = _cells(source)
    if not found:
        source.skip("el2n", "no EL2N scores of training examples")
    for dataset, arch in dict.fromkeys((cell.dataset, cell.arch) for cell, _ in found):
        own = [(cell, table) for cell, table in found if (cell.dataset, cell.arch) == (dataset, arch)]
        yield _figure(own, "pruner", f"{dataset} · {arch}", f"{dataset}--{arch}", "a panel per pruner")


def draw_by_pruner(source: Source) -> Iterator[Figure]:
    """A figure per pruner that ran on several architectures or data sets: a panel per (dataset, arch), a line per
    compression level.

    ``draw`` has the pruners of one architecture side by side.
    """
    found = _cells(source)
    for pruner in ordered(cell.pruner for cell, _ in found):
        own = [(cell, table) for cell, table in found if cell.pruner == pruner]
        if len({(cell.dataset, cell.arch) for cell, _ in own}) > 1:
            yield _figure(own, "pair", pruner, pruner, "a panel per data set and architecture")


def _cells(source: Source) -> list[tuple[CellFiles, pd.DataFrame]]:
    return source.tables_of(source.cells, "el2n.csv", COLUMNS, split="train")


def _figure(
    found: list[tuple[CellFiles, pd.DataFrame]], by: str, name: str, stem: str, panels: str
) -> Figure:
    import seaborn

    data = pd.concat(
        [
            table.assign(**names(cell), pair=f"{cell.dataset} · {cell.arch}", level=cell.compression.text)
            for cell, table in found
        ],
        ignore_index=True,
    )
    levels = [level.text for level in sorted({cell.compression for cell, _ in found})]
    last = int(data["bin"].max())

    def draw(panel: Any, rows: pd.DataFrame) -> None:
        seaborn.lineplot(
            rows, x="bin", y="pie_share", hue="level", hue_order=levels, palette="viridis_r", style="level",
            style_order=levels, markers=True, dashes=False, markersize=3.4, markeredgewidth=0, linewidth=1.1,
            estimator=None, ax=panel,
        )  # fmt: skip
        panel.set(xlim=(0.3, last + 0.7), xticks=sorted({1, round(last / 2), last}))
        layout.percent_axis(panel)

    figure, axes = layout.by_panel(data, by, draw, "EL2N bin", "PIEs (% of bin)")
    layout.from_zero(axes, data["pie_share"])
    title = f"PIEs by influence on training: {name}"
    seeds = [cell.n_seeds for cell, _ in found]
    caption = (
        f"Training examples sorted by EL2N score early in training into {last} bins of equal size, bin 1 "
        f"the least and bin {last} the most influential; share of each bin that is PIEs, {panels}, a line per "
        f"compression level. Mean EL2N scores and majorities over {seeds_text(seeds)}."
    )
    return Figure(stem, title, caption, figure, data[[*names(found[0][0]), *COLUMNS]])
