"""Boxplots of alpha over seeds with the verdict of its interval: recall paper, figure 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from prunescope.figures import rows
from prunescope.figures.cuts import NO_ALPHA, Cut, Measured, by_pruner
from prunescope.figures.layout import Picture
from prunescope.figures.source import Source, seeds_text
from prunescope.figures.style import look

COLUMNS = ("seed", "accuracy_dense", "accuracy_pruned", "alpha")


def draw(source: Source) -> Iterator[Picture]:
    """A picture per (dataset, arch), its pruners side by side."""
    cuts = by_pruner(Measured.of(source))
    yield from map(boxes, cuts)
    drawn = {cut.stem for cut in cuts}
    for dataset, arch in source.networks():
        if f"{dataset}--{arch}" not in drawn:
            source.skip(f"alpha, {dataset} · {arch}", NO_ALPHA)


def boxes(cut: Cut) -> Picture:
    """A box of every cell's alphas, with the points they are of."""
    title = f"Do differences between classes grow? α: {cut.title}"
    figure, places = rows.laid_out(cut, title, "α of each seed")
    parts, values = [], []
    for place in places:
        table = place.cell.table("alpha.csv", COLUMNS)
        assert table is not None  # a cell with alphas has the table they stand in
        alphas = table["alpha"].dropna().to_numpy(dtype=float)
        _box(place.panel, place.x, alphas, look(place.cell.pruner).colour)
        verdict = rows.mark(place)
        parts.append(
            table.assign(**rows.names(place.cell), verdict=verdict)[[*rows.NAMES, "verdict", *COLUMNS]]
        )
        values.append(alphas)
    rows.scale(places, np.concatenate(values))
    caption = (
        "Intensification α of each seed's model (points) with its quartiles (boxes; whiskers to the "
        f"extremes), {seeds_text([float(len(alphas)) for alphas in values])} per box. α above 1: classes "
        "recalled better or worse than average move further away from it; below 1: closer to it; below 0: "
        f"to its other side. Marks above the boxes: the {rows.interval_text(cut.cells)} of the mean is wholly "
        "above 1 (>), wholly below 1 (<), or includes it (?)."
    )
    return Picture(cut.stem, title, caption, figure, pd.concat(parts, ignore_index=True), cut.shows)


def _box(panel: Any, place: float, alphas: np.ndarray, colour: str) -> None:
    panel.boxplot(
        [alphas],
        positions=[place],
        widths=0.68,
        whis=(0, 100),
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "alpha": 0.3, "edgecolor": colour, "linewidth": 1.0},
        medianprops={"color": colour, "linewidth": 1.8},
        whiskerprops={"color": colour, "linewidth": 0.9},
        capprops={"color": colour, "linewidth": 0.9},
        zorder=2,
    )
    # Points side by side instead of at random: the same picture every time.
    offsets = np.linspace(-0.2, 0.2, len(alphas)) if len(alphas) > 1 else np.zeros(1)
    panel.plot(
        place + offsets,
        alphas,
        linestyle="",
        marker="o",
        color=colour,
        markersize=2.4,
        markeredgewidth=0,
        zorder=3,
    )
