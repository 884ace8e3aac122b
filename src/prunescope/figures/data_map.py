"""PIEs on the data map of the dense models (Swayamdipta et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import DataMap
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair, pruners_of

COLUMNS = header(DataMap)


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch): a panel per pruner at its highest sparsity."""
    table = source.table("data_map.csv", COLUMNS)
    if table.empty:
        source.skip("data_map", "no data map of training examples")
        return
    for dataset, arch, rows in by_pair(table):
        yield _figure(dataset, arch, rows)


def _figure(dataset: str, arch: str, rows: pd.DataFrame) -> Figure:
    import seaborn
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    parts = []
    for pruner in pruners_of(rows):
        own = rows[rows["pruner"] == pruner]
        own = own[own["sparsity"] == own["sparsity"].max()]
        parts.append(own.assign(panel=f"{pruner}, {100 * float(own['sparsity'].iloc[0]):.3g}%"))
    shown = pd.concat(parts, ignore_index=True)
    # The table has the lower ends of its cells: 0.05 of variability by 0.1 of confidence.
    shown = shown.assign(variability=shown["variability"] + 0.025, confidence=shown["confidence"] + 0.05)
    colours = Normalize(0.0, float(shown["pie_share"].max()) or 1.0)
    counts = (0, float(shown["n_examples"].max()))

    def draw(panel: Any, own: pd.DataFrame) -> None:
        seaborn.scatterplot(
            own, x="variability", y="confidence", hue="pie_share", hue_norm=colours, palette="viridis_r", marker="s",
            size="n_examples", size_norm=counts, sizes=(16, 120), linewidth=0, legend=False, ax=panel,
        )  # fmt: skip

    figure, axes = layout.by_panel(shown, "panel", draw, "variability", "confidence")
    for panel in axes:
        panel.set_xlim(shown["variability"].min() - 0.04, shown["variability"].max() + 0.04)
        panel.set_ylim(shown["confidence"].min() - 0.09, shown["confidence"].max() + 0.09)
    bar = figure.colorbar(
        ScalarMappable(colours, "viridis_r"), ax=axes, shrink=0.7, aspect=30, pad=0.02,
        format=lambda value, _: f"{100 * value:.3g}%",
    )  # fmt: skip
    bar.set_label("PIEs (% of examples)")
    bar.outline.set_visible(False)
    title = f"PIEs on the data map: {dataset} · {arch}"
    caption = (
        "Training examples by what the dense models say of the truth over "
        f"{int(rows['n_epochs'].max())} epochs, mean over seeds: confidence is the mean probability of the true "
        "class, variability its standard deviation over epochs. Colour: share of PIEs, a panel per pruner at its "
        "highest sparsity; size: number of examples."
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, rows)
