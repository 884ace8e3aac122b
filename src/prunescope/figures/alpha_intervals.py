"""The t interval of every mean alpha: recall paper, figures 9 to 12."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from prunescope.figures import rows
from prunescope.figures.cuts import NO_ALPHA, Cut, Measured, across, by_pruner
from prunescope.figures.layout import Picture
from prunescope.figures.source import Source, seeds_text
from prunescope.figures.style import look

COLUMNS = ("alpha", "ci_low", "ci_high", "confidence", "verdict", "n_seeds")


def draw(source: Source) -> Iterator[Picture]:
    """A picture for each one of boxes: per (dataset, arch), per kind of network with several sizes, and per
    pruner on several data sets."""
    measured = Measured.of(source)
    if not measured.cells:
        source.skip("intervals of alpha", NO_ALPHA)
        return
    yield from map(intervals, [*by_pruner(measured), *across(source)])


def intervals(cut: Cut) -> Picture:
    """The mean of every cell's alphas and its interval."""
    title = f"Mean α with its interval: {cut.title}"
    figure, places = rows.laid_out(cut, title, "mean α")
    found = []
    for place in places:
        known = place.cell.summary["alpha"]
        mean, low, high = (_number(known.get(name)) for name in ("mean", "ci_low", "ci_high"))
        colour = look(place.cell.pruner).colour
        place.panel.plot([place.x] * 2, [low, high], color=colour, linewidth=2.0, zorder=2)
        for end in (low, high):
            place.panel.plot(
                [place.x - 0.22, place.x + 0.22], [end] * 2, color=colour, linewidth=1.4, zorder=2
            )
        place.panel.plot(place.x, mean, marker="o", color=colour, markersize=4.2, zorder=3)
        seeds = known.get("n_seeds", place.cell.summary.get("n_seeds"))
        numbers = (mean, low, high, known.get("confidence"), rows.mark(place), seeds)
        found.append({**rows.names(place.cell), **dict(zip(COLUMNS, numbers, strict=True))})
    data = pd.DataFrame(found, columns=[*rows.NAMES, *COLUMNS])
    ends = data[["alpha", "ci_low", "ci_high"]].to_numpy(dtype=float)
    rows.scale(places, ends[~np.isnan(ends)])
    counts = [float(count) if count is not None else float("nan") for count in data["n_seeds"]]
    caption = (
        f"Mean of α over seeds with its {rows.interval_text(cut.cells)}, {seeds_text(counts)} each; the boxes of α "
        "show the values behind it. Wholly above 1 (>): pruning sets classes further apart; wholly below 1 "
        "(<): closer together; otherwise (?) it is open. A single seed has no interval."
    )
    return Picture(cut.stem, title, caption, figure, data, cut.shows)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
