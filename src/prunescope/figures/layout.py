"""Panels, the sparsity axis and legends, as all figures share them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from prunescope.config.pruners import NO_PRUNER
from prunescope.figures.source import Source, pruners_of
from prunescope.figures.style import CORRELATIONS, FAMILIES, FULL_WIDTH, family, look


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

    A single panel is not stretched over the whole page.
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
    apart = 0.26 if narrow else 0.135
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


#: So many pruners share a panel; of more, each family has its own.
_TOGETHER = 6
_BEHIND = "#c9cdd2"
#: Between names beside a panel, in shares of its height.
_GAP = 0.1


def lines(
    source: Source,
    table: pd.DataFrame,
    keys: Sequence[str],
    y: str,
    ends: tuple[str, str],
    behind: Callable[[Any, pd.DataFrame], None],
    scale: Callable[[Any, pd.DataFrame], None],
) -> Any:
    """Lines of pruners against sparsity, named at their ends, with the intervals of their points.

    A panel for each distinct value of ``keys``, which begin with dataset and arch; where it has many pruners, one for
    each of their families, the other pruners behind it in grey.

    Args:
        table: with ``keys``, ``pruner``, ``sparsity``, ``y`` and ``ends``, the columns of the intervals' ends.
        behind: draws what all pruners are compared with into a panel, from the panel's rows of ``table``.
        scale: sets a panel's y axis.
    """
    import seaborn

    groups = []
    for values, rows in table.groupby(list(keys), sort=False, dropna=False):
        names = pruners_of(rows)
        kinds = [kind for kind in FAMILIES if any(family(name) == kind for name in names)]
        split = len(names) > _TOGETHER
        for kind in kinds if split else [""]:
            own = [name for name in names if not split or family(name) == kind]
            groups.append((" · ".join([*map(str, values[:2]), *([kind] if kind else [])]), rows, own))
    figure, axes = panels(len(groups), height=2.05)
    for panel, (title, rows, own) in zip(axes, groups, strict=True):
        behind(panel, rows)
        pruned = rows[(rows["pruner"] != NO_PRUNER)]
        others, shown = pruned[~pruned["pruner"].isin(own)], pruned[pruned["pruner"].isin(own)]
        axis = {"x": "sparsity", "y": y, "ax": panel, "legend": False, "estimator": None, "units": "pruner"}
        if len(others):
            seaborn.lineplot(others, color=_BEHIND, linewidth=0.8, zorder=1.6, **axis)
        looks = {name: look(name) for name in own}
        seaborn.lineplot(
            shown,
            hue="pruner",
            style="pruner",
            palette={name: one.colour for name, one in looks.items()},
            markers={name: one.marker for name, one in looks.items()},
            dashes=False,
            markersize=4.5,
            markeredgewidth=0,
            **axis,
        )
        colours = [looks[name].colour for name in shown["pruner"]]
        # Not error bars: an interval of resampled majorities may leave out the share itself.
        panel.vlines(
            shown["sparsity"], shown[ends[0]], shown[ends[1]], color=colours, linewidth=0.9, alpha=0.6
        )
        sparsity_axis(
            panel, source.levels(*rows[["dataset", "arch"]].iloc[0]) or rows["sparsity"], narrow=True
        )
        panel.set(xlabel="", ylabel="")
        panel.set_title(title, fontsize=7.6)
        scale(panel, rows)
        _named_at_end(panel, rows, own, y)
    outer_labels(axes, 3, "sparsity", None)
    return figure


def _named_at_end(panel: Any, rows: pd.DataFrame, own: Sequence[str], y: str) -> None:
    """The names of lines beside the panel, at the height of their last points, apart from each other."""
    last = {
        str(name): line.sort_values("sparsity", kind="stable")[y].iloc[-1]
        for name, line in rows[rows["pruner"].isin(own) & rows[y].notna()].groupby("pruner", sort=False)
    }
    low, high = panel.get_ylim()
    at = {name: (value - low) / (high - low) for name, value in last.items()}
    # From the bottom up, then down again from where the panel ends.
    upwards = sorted(at, key=lambda name: at[name])
    for names, sign, end in ((upwards, 1, 0.0), (upwards[::-1], -1, 1.0)):
        place = end - sign * _GAP
        for name in names:
            place = at[name] = sign * max(sign * at[name], sign * (place + sign * _GAP))
    for name, height in at.items():
        panel.annotate(
            name, xy=(1.0, height), xycoords="axes fraction", xytext=(3, 0), textcoords="offset points",
            color=look(name).colour, fontsize=6.6, va="center", annotation_clip=False,
        )  # fmt: skip


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
