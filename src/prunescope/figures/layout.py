"""Panels, the sparsity axis and legends, as all figures share them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from prunescope.config.pruners import NO_PRUNER
from prunescope.figures.source import Source, pruners_of
from prunescope.figures.style import (
    COLUMN_WIDTH,
    CORRELATIONS,
    DENSE_COLOUR,
    FAMILIES,
    FULL_WIDTH,
    family,
    look,
)


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
    """A figure with ``count`` panels, ``columns`` in a row at most: as wide as a page, a single panel as a column."""
    import matplotlib.pyplot as plt

    used = min(columns, count)
    rows = math.ceil(count / used)
    figure, axes = plt.subplots(
        rows,
        used,
        figsize=(FULL_WIDTH if used > 1 else COLUMN_WIDTH, rows * height + 0.7),
        layout="constrained",
        squeeze=False,
        sharey=share_y,
        sharex=share_x,
    )
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.05, h_pad=0.05, hspace=0.02, wspace=0.02)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.remove()
    for panel in flat[:count]:
        panel.tick_params(labelbottom=True)
    return figure, flat[:count]


def by_panel(
    table: pd.DataFrame,
    by: str,
    draw: Callable[[Any, pd.DataFrame], None],
    x: str,
    y: str,
    *,
    columns: int = 4,
) -> tuple[Any, list[Any]]:
    """A panel for each value of the column ``by``, in their order, on one y axis; what ``draw`` labels is below."""
    groups = list(table.groupby(by, sort=False))
    figure, axes = panels(len(groups), columns=columns, height=1.55, share_y=True)
    handles: dict[str, Any] = {}
    for panel, (name, rows) in zip(axes, groups, strict=True):
        draw(panel, rows)
        panel.set(xlabel="", ylabel="", title=name)
        found, labels = panel.get_legend_handles_labels()
        handles = dict(zip(labels, found, strict=True)) | handles
        if panel.get_legend() is not None:
            panel.get_legend().remove()
    outer_labels(axes, columns, x, y)
    if handles:
        legend_below(figure, handles)
    return figure, axes


def heatmap(
    table: pd.DataFrame,
    label: str,
    *,
    center: float,
    form: str,
    colours: str = "vlag",
    panel: Any = None,
    marked: Any = None,
) -> tuple[Any, Any]:
    """Cells whose colour is how far a value is from ``center``, to either side as far as the furthest; with numbers.

    Args:
        table: rows named ``<pruner> · <level>`` or by pruner, in whose colours the names are.
        label: what the colours say.
        form: format of a value, such as ``+.0%``.
        colours: red above the center, or ``vlag_r``, red below it.
        panel: where to draw; without it, a figure of its own.
        marked: (rows, columns) of bool: values in bold.

    Returns:
        The figure and its panel.
    """
    import matplotlib.pyplot as plt
    import seaborn

    height, width = table.shape
    if panel is None:
        size = (min(FULL_WIDTH, max(COLUMN_WIDTH, 2.1 + 0.5 * width)), 0.175 * height + 1.3)
        _, panel = plt.subplots(figsize=size, layout="constrained")
    values = table.to_numpy(dtype=float)
    reach = float(np.nanmax(np.abs(values - center), initial=0.0)) or 1.0
    seaborn.heatmap(
        table.astype(float),
        cmap=colours,
        vmin=center - reach,
        vmax=center + reach,
        # So that each number has its room.
        annot=table.astype(float).map(lambda value: _signed(value, form)).to_numpy()
        if width <= _NUMBERED and height <= 10 * _NUMBERED
        else False,
        fmt="",
        annot_kws={"fontsize": 6.2},
        linewidths=0.4,
        cbar_kws={"label": label, "fraction": 0.03, "pad": 0.02, "aspect": 30},
        ax=panel,
    )
    bar = panel.collections[0].colorbar
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(lambda value, _: _signed(value, form))
    if marked is not None:
        for text, bold in zip(panel.texts, np.asarray(marked)[~np.isnan(values)], strict=False):
            text.set_weight("bold" if bold else "normal")
    panel.set(xlabel="", ylabel="")
    panel.tick_params(length=0)
    if max(len(str(name)) for name in table.columns) > 5:
        plt.setp(panel.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    panel.set_yticks(np.arange(height) + 0.5, table.index, rotation=0)
    for text, name in zip(panel.get_yticklabels(), table.index, strict=True):
        pruner = str(name).partition(" · ")[0]
        text.set_color(DENSE_COLOUR if " " in pruner else look(pruner).colour)
    return panel.figure, panel


def clipped(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _signed(value: float, form: str) -> str:
    """A number in this format, 0 and what rounds to it without a sign."""
    text = f"{value:{form}}"
    return text if text.strip("+-0.%") else text.lstrip("+-")


#: Columns of a heat map at most whose cells have numbers.
_NUMBERED = 14


def _halvings(sparsity: Any) -> Any:
    return -np.log2(np.maximum(1.0 - np.asarray(sparsity, dtype=float), 1e-6))


def _sparsity(halvings: Any) -> Any:
    return 1.0 - np.exp2(-np.asarray(halvings, dtype=float))


def sparsity_axis(axes: Any, values: Iterable[float]) -> None:
    """An x axis of sparsity, spaced by the remaining weights: each step halves them.

    Papers measure at 20, 50, 70, 90 and 99 %, or at ratios 2 to 50; on a plain axis the upper
    ones, where things happen, fall onto each other. Ticks stand at the sparsities measured (``values``, as often as
    there are models); those too close to others for a label of their own are short and bare.
    """
    known = [round(float(value), 3) for value in values if not math.isnan(value)]
    first, last = float(_halvings(min(known))), float(_halvings(max(known)))
    reach = last - first or 1.0
    axes.set_xscale("function", functions=(_halvings, _sparsity))
    spaced_ticks(
        axes,
        known,
        lambda value: (float(_halvings(value)) - first) / reach,
        lambda value: f"{100 * value:.3g}%",
    )
    axes.set_xlim(float(_sparsity(first - 0.07 * reach)), float(_sparsity(last + 0.07 * reach)))


def spaced_ticks(
    axes: Any, values: Sequence[float], place: Callable[[float], float], text: Callable[[float], str]
) -> None:
    """Ticks at all values, labelled where there is room: the most frequent first, then the highest.

    Args:
        place: of a value on the axis, in shares of its length.
    """
    apart = 0.45 / (axes.get_position().width * axes.figure.get_figwidth())
    ticks: list[float] = []
    for value in sorted(set(values), key=lambda value: (-values.count(value), -value)):
        if all(abs(place(value) - place(tick)) > apart for tick in ticks):
            ticks.append(value)
    ticks.sort()
    axes.minorticks_off()
    axes.set_xticks(ticks, [text(tick) for tick in ticks])
    axes.set_xticks(sorted(set(values) - set(ticks)), minor=True)
    axes.tick_params(axis="x", which="minor", labelbottom=False)


def levels_axis(axes: Any, source: Source, rows: pd.DataFrame) -> None:
    """``sparsity_axis`` with ticks at what the study asks of the data set and architecture of these rows."""
    levels = source.levels(*rows[["dataset", "arch"]].iloc[0])
    sparsity_axis(axes, levels or rows["sparsity"])


def reference(axes: Any, value: float, low: float = math.nan, high: float = math.nan) -> None:
    """A black line across a panel, and a grey band around it, where they are known."""
    if not math.isnan(value):
        axes.axhline(value, color=DENSE_COLOUR, linewidth=1.1, zorder=1.5)
    if not math.isnan(low + high):
        axes.axhspan(low, high, color="#9aa0a6", alpha=0.25, linewidth=0, zorder=1)


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
    """The same y axis for all panels, from a little below 0, for markers, to a little above the largest value."""
    top = max((float(value) for value in values if not math.isnan(value)), default=0.0)
    for panel in axes:
        panel.set_ylim(-0.03 * top, 1.07 * top if top > 0 else 0.01)


#: So many pruners share a panel; of more, each family has its own.
_TOGETHER = 6
_BEHIND = "#c9cdd2"
#: Between names beside a panel, in shares of its height.
_GAP = 0.1


def lines(
    table: pd.DataFrame,
    keys: Sequence[str],
    x: str,
    y: str,
    scale: Callable[[Any, pd.DataFrame, Sequence[str]], None],
    ends: tuple[str, str] | None = None,
    *,
    columns: int = 3,
    height: float = 1.95,
    under: str,
) -> tuple[Any, list[Any]]:
    """Lines of pruners, named where they end, with the intervals of their points.

    A panel for each distinct value of ``keys``; where it has many pruners, one for each of their families, the other
    pruners behind it in grey.

    Args:
        table: with ``keys``, ``pruner``, ``x``, ``y`` and ``ends``, the columns of the intervals' ends.
        scale: sets a panel's axes, and draws what pruners are compared with, from the panel's rows of ``table`` and
            the pruners that have colours there.
        under: label of the x axis.
    """
    groups = []
    kinds = []
    grouped = list(table.groupby(list(keys), sort=False, dropna=False))
    for values, rows in grouped:
        names = pruners_of(rows)
        split = len(names) > _TOGETHER
        for kind in (
            [kind for kind in FAMILIES if any(family(name) == kind for name in names)] if split else [""]
        ):
            own = [name for name in names if not split or family(name) == kind]
            groups.append((" · ".join([*map(str, values[:2]), *([kind] if kind else [])]), rows, own))
            kinds.append(kind)
    if 1 < len(grouped) <= columns and all(kinds):
        # A row for each family.
        groups = [groups[at] for at in sorted(range(len(groups)), key=lambda at: FAMILIES.index(kinds[at]))]
        columns = len(grouped)
    figure, axes = panels(len(groups), columns=columns, height=height)
    for panel, (title, rows, own) in zip(axes, groups, strict=True):
        pruner_lines(panel, rows, own, x, y, ends)
        scale(panel, rows, own)
        panel.set_xlabel("")
        panel.set_title(title, fontsize=7.6)
        name_at_end(panel, rows, own, y, x)
    outer_labels(axes, columns, under, None)
    return figure, axes


def pruner_lines(
    panel: Any, rows: pd.DataFrame, own: Sequence[str], x: str, y: str, ends: tuple[str, str] | None = None
) -> None:
    """The lines of the pruners ``own`` of these rows in their looks, and of the others behind them in grey."""
    import seaborn

    rows = rows[rows["pruner"] != NO_PRUNER]
    others, shown = rows[~rows["pruner"].isin(own)], rows[rows["pruner"].isin(own)]
    axis = {"x": x, "y": y, "ax": panel, "legend": False, "estimator": None, "units": "pruner"}
    if len(others):
        seaborn.lineplot(others, color=_BEHIND, linewidth=0.8, zorder=1.6, **axis)
    looks = {name: look(name) for name in own}
    many = max((rows["pruner"] == name).sum() for name in own) > _MARKED
    seaborn.lineplot(
        shown,
        hue="pruner",
        style="pruner",
        hue_order=own,
        style_order=own,
        palette={name: one.colour for name, one in looks.items()},
        markers=False if many else {name: one.marker for name, one in looks.items()},
        dashes=False,
        markersize=4.5,
        markeredgewidth=0,
        **axis,
    )
    if ends is not None:
        colours = [looks[name].colour for name in shown["pruner"]]
        # Not error bars: an interval of resampled majorities may leave out the share itself.
        panel.vlines(shown[x], shown[ends[0]], shown[ends[1]], color=colours, linewidth=0.9, alpha=0.6)
    panel.set(xlabel="", ylabel="")


#: Points of a line that has markers, at most.
_MARKED = 30


def name_at_end(panel: Any, rows: pd.DataFrame, own: Sequence[str], y: str, x: str) -> None:
    """The names of lines beside the panel, at the height of their last points, apart from each other.

    A thin line leads from a name that was moved to its line's end.
    """
    last = {
        str(name): line.sort_values(x, kind="stable")[[x, y]].iloc[-1]
        for name, line in rows[rows["pruner"].isin(own) & rows[y].notna()].groupby("pruner", sort=False)
    }
    # In shares of the panel's height, whatever the scale of its axis.
    to_share = (panel.transData + panel.transAxes.inverted()).transform
    ends = {name: np.clip(to_share(tuple(map(float, point))), 0, 1) for name, point in last.items()}
    at = {name: float(height) for name, (_, height) in ends.items()}
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
        if abs(height - ends[name][1]) > _GAP / 4:
            panel.annotate(
                "", xy=tuple(ends[name]), xycoords="axes fraction", xytext=(1.0, height), textcoords="axes fraction",
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-", "color": look(name).colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0,
                },
            )  # fmt: skip


def outer_labels(axes: Sequence[Any], columns: int, x: str | None, y: str | None) -> None:
    """Axis labels at the left and bottom panels only."""
    used = min(columns, len(axes))
    for position, panel in enumerate(axes):
        if y is not None and position % used == 0:
            panel.set_ylabel(y)
        if x is not None and position + used >= len(axes):
            panel.set_xlabel(x)


def legend_below(figure: Any, handles: Mapping[str, Any], *, title: str | None = None) -> None:
    """A legend under all panels, where it cannot cover data, in fewer columns if the figure is too narrow."""
    for used in range(min(int(figure.get_figwidth()) + 1, len(handles)), 0, -1):
        legend = figure.legend(
            handles=list(handles.values()),
            labels=list(handles),
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


def heading(panel: Any, title: str, note: str) -> None:
    """A title, broken at its dots where it is wider than the panel, with a line of plain text below it."""
    size = 7.6
    letters = 0.9 * 72 * panel.figure.get_figwidth() / panel.get_gridspec().ncols / (0.7 * size)
    first, *others = title.split(" · ")
    lines = [first]
    for part in others:
        longer = f"{lines[-1]} · {part}"
        lines[-1:] = [longer] if len(longer) <= letters else [lines[-1], part]
    panel.set_title("\n".join([*lines, ""]), fontsize=size, loc="left")
    text = panel.text(0.0, 1.03, note, transform=panel.transAxes, fontsize=6.4, color="#3c4043", va="bottom")
    # Wider than a small panel, it would make it smaller still.
    text.set_in_layout(False)
