"""Panels, the sparsity axis and legends, as all figures share them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from prunescope.figures.style import CORRELATIONS, FULL_WIDTH


@dataclass(frozen=True)
class Figure:
    """A drawn figure with what belongs to it: file stem, title, caption, and its data.

    ``shows``: what it sets side by side, where that decides which figure of a paper it is.
    """

    stem: str
    title: str
    caption: str
    figure: Any
    data: pd.DataFrame
    shows: tuple[str, ...] = ()


def panels(
    count: int, *, columns: int = 3, height: float = 2.1, share_y: bool = False, share_x: bool = False
) -> tuple[Any, list[Any]]:
    """A figure of page width with ``count`` panels, ``columns`` in a row at most.

    A single panel is not stretched over the page: it is two thirds as wide.
    """
    import matplotlib.pyplot as plt

    used = min(columns, count)
    rows = math.ceil(count / used)
    width = FULL_WIDTH if used > 1 else FULL_WIDTH * 0.85
    extra = 0.9
    figure, axes = plt.subplots(
        rows,
        used,
        figsize=(width, rows * height + extra),
        layout="constrained",
        squeeze=False,
        sharey=share_y,
        sharex=share_x,
    )
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.06, h_pad=0.06, hspace=0.03, wspace=0.03)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_visible(False)
    if share_x:
        for position in range(count):
            if position + used >= count:
                flat[position].tick_params(labelbottom=True)
    return figure, flat[:count]


def _halvings(sparsity: Any) -> Any:
    return -np.log2(np.maximum(1.0 - np.asarray(sparsity, dtype=float), 1e-6))


def _sparsity(halvings: Any) -> Any:
    return 1.0 - np.exp2(-np.asarray(halvings, dtype=float))


def sparsity_axis(axes: Any, values: Iterable[float], *, narrow: bool = False) -> None:
    """An x axis of sparsity from 0, spaced by the remaining weights: each step halves them.

    Papers measure at 20, 50, 70, 90 and 99 %, or at ratios 2 to 50; on a plain axis the upper
    ones, where things happen, fall onto each other. Ticks stand at the sparsities measured;
    those too close to others for a label of their own are short and bare.
    """
    known = sorted({0.0, *(round(float(value), 3) for value in values if not math.isnan(value))})
    last = float(_halvings(known[-1])) or 1.0
    axes.set_xscale("function", functions=(_halvings, _sparsity))
    # Ticks are kept from the sparsest down; labels of closer neighbours would touch.
    apart = 0.2 if narrow else 0.135
    ticks: list[float] = []
    for value in reversed(known):
        if all(abs(_halvings(value) - _halvings(tick)) > apart * last for tick in ticks):
            ticks.append(value)
    ticks.reverse()
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{100 * tick:.{2 if narrow and tick < 0.985 else 3}g}%" for tick in ticks])
    axes.set_xticks([value for value in known[1:] if value not in ticks], minor=True)
    axes.tick_params(axis="x", which="minor", labelbottom=False)
    margin = 0.05 * last
    axes.set_xlim(float(_sparsity(-margin)), float(_sparsity(last + margin)))


def percent_axis(axes: Any) -> None:
    """Fractions on the y axis, read as percent, with no more decimals than the ticks need."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")
    axes.locator_params(axis="y", nbins=6)


def score_axis(axes: Any, metric: str) -> None:
    """Scores on the y axis: percent, but correlations as they are."""
    if metric in CORRELATIONS:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
        axes.locator_params(axis="y", nbins=6)
    else:
        percent_axis(axes)


def from_zero(axes: Sequence[Any], values: Iterable[float]) -> None:
    """The same y axis for all panels, from 0 to a little above the largest value."""
    top = max((float(value) for value in values if not math.isnan(value)), default=0.0)
    for panel in axes:
        panel.set_ylim(0.0, 1.07 * top if top > 0 else 0.01)


def outer_labels(axes: Sequence[Any], columns: int, x: str | None, y: str | None) -> None:
    """Axis labels at the left and bottom panels only."""
    used = min(columns, len(axes))
    for position, panel in enumerate(axes):
        if y is not None and position % used == 0:
            panel.set_ylabel(y)
        if x is not None and position + used >= len(axes):
            panel.set_xlabel(x)


def legend_below(
    figure: Any, handles: Sequence[Any], *, columns: int | None = None, title: str | None = None
) -> None:
    """A legend under all panels, where it cannot cover data, in fewer columns if the figure is too narrow."""
    for used in range(min(columns or int(figure.get_figwidth()), len(handles)), 0, -1):
        legend = figure.legend(
            handles=list(handles),
            loc="outside lower center",
            ncols=used,
            title=title,
            handlelength=2.6,
            columnspacing=1.4,
        )
        # Some room to spare: rounded to whole pixels, text is wider at some resolutions than at others.
        if used == 1 or legend.get_window_extent().width <= 0.92 * figure.bbox.width:
            return
        legend.remove()


def line_handle(label: str, **style: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)
