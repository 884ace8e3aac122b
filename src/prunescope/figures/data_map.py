"""PIEs on the data map of the dense models (Swayamdipta et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, pairs, pruners_of

COLUMNS = (
    *(
        "dataset",
        "arch",
        "pruner",
        "sparsity",
        "confidence",
        "variability",
        "n_examples",
        "n_pies",
        "pie_share",
    ),
    *("correctness", "el2n", "n_epochs"),
)
_PANELS = 4


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch): a panel per pruner at its highest sparsity."""
    table = source.table("data_map.csv", COLUMNS)
    if table.empty:
        source.skip("data_map", "no data map of training examples")
        return
    for dataset, arch in pairs(table):
        rows = table[(table["dataset"] == dataset) & (table["arch"] == arch)]
        names = pruners_of(rows)
        figure, axes = layout.panels(len(names), columns=_PANELS, height=1.75, share_y=True)
        shown = []
        top = float(rows["pie_share"].max()) or 1.0
        image = None
        for panel, pruner in zip(axes, names, strict=True):
            own = rows[rows["pruner"] == pruner]
            own = own[own["sparsity"] == own["sparsity"].max()]
            shown.append(own)
            image = _draw(panel, own, top)
            panel.set_title(f"{pruner}, {100 * float(own['sparsity'].iloc[0]):.3g}%")
        layout.outer_labels(axes, _PANELS, "variability", "confidence")
        bar = figure.colorbar(image, ax=axes, shrink=0.7, format=lambda value, _: f"{100 * value:.3g}%")
        bar.set_label("PIEs (% of examples)")
        title = f"PIEs on the data map: {dataset} · {arch}"
        figure.suptitle(title)
        caption = (
            "Training examples by what the dense models say of the truth over "
            f"{int(rows['n_epochs'].max())} epochs, mean over seeds: confidence is the mean probability of the true "
            "class, variability its standard deviation over epochs. Colour: share of PIEs, a panel per pruner at its "
            "highest sparsity; size: number of examples."
        )
        yield Figure(f"{dataset}--{arch}", title, caption, figure, rows)


def _draw(panel: Any, rows: Any, top: float) -> Any:
    sizes = 8 + 110 * np.sqrt(rows["n_examples"] / rows["n_examples"].max())
    found = panel.scatter(
        rows["variability"] + 0.025,
        rows["confidence"] + 0.05,
        c=rows["pie_share"],
        s=sizes,
        marker="s",
        cmap="viridis_r",
        vmin=0.0,
        vmax=top,
    )
    panel.set_xlim(0, 0.5)
    panel.set_ylim(0, 1)
    return found
