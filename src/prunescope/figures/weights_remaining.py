"""Magnitudes and layers of the remaining weights: PINS paper, figure 4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from prunescope.analysis.weights.measures import BINS_PER_POWER
from prunescope.config.pruners import NO_PRUNER
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair, pruners_of, seeds_text
from prunescope.figures.style import look
from prunescope.figures.weights_layers import at_level, draw_layers, levels_of, of_layers, side_by_side

_VALUES = ("dataset", "arch", "pruner", "sparsity", "low", "high", "share", "share_std", "n_seeds")

#: Magnitudes are drawn between those that cut off this share of some model's weights at either end.
_CUT_OFF = 0.002


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a row per sparsity: magnitudes on the left, layers on the right."""
    layers = of_layers(source)
    values = source.table("weight_values.csv", _VALUES)
    for dataset, arch, rows in by_pair(layers):
        own = values[(values["dataset"] == dataset) & (values["arch"] == arch)]
        levels = levels_of(rows)
        if levels:
            yield _figure(dataset, arch, rows, own, levels)


def _figure(dataset: str, arch: str, rows: pd.DataFrame, values: pd.DataFrame, levels: list[float]) -> Figure:
    figure, axes = layout.panels(2 * len(levels), columns=2, height=2.0)
    limits = _limits(values)
    for left, right, level in zip(axes[::2], axes[1::2], levels, strict=True):
        _draw_values(left, at_level(values, level))
        left.set(xscale="log", xlim=limits, ylabel="density of remaining weights")
        # Plain text, not powers set as mathematics, and no labels between them.
        left.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        left.xaxis.set_minor_formatter(lambda value, _: "")
        left.set_ylim(bottom=0.0)
        here = side_by_side(at_level(rows, level))
        names = pruners_of(here)
        layout.pruner_lines(right, here, names, "x", "left_share", ("left_low", "left_high"))
        draw_layers(right, here, "left_share")
        layout.name_at_end(right, here, names, "left_share", "x")
        right.set_ylabel("remaining weights (% of layer)")
        for panel in (left, right):
            panel.set_title(f"{100 * level:.3g}% sparsity")
    layout.outer_labels(axes, 2, "layer", None)
    axes[-2].set_xlabel("absolute value")
    title = f"Remaining weights: {dataset} · {arch}"
    caption = (
        f"Left: absolute values of the remaining weights in all prunable matrices, as a density per power of ten "
        f"(each line has an area of one), mean over {seeds_text(list(rows['n_seeds']))} (band: standard deviation). "
        "Right: remaining share of each layer's prunable weights, mean over seeds (vertical lines: standard "
        "deviation). A row per sparsity of the model, a line per pruner; black: the dense models."
    )
    data = pd.concat([values.assign(panel="values"), rows.assign(panel="layers")], ignore_index=True)
    return Figure(f"{dataset}--{arch}", title, caption, figure, data)


def _draw_values(panel: Any, values: pd.DataFrame) -> None:
    for pruner in [NO_PRUNER, *pruners_of(values)]:
        line = values[(values["pruner"] == pruner) & values["high"].notna() & (values["low"] > 0)]
        if line.empty:
            continue
        # Bins without any weight have no row: they are zero, not to be drawn across.
        exponents = np.rint(np.log10(line["low"].to_numpy()) * BINS_PER_POWER).astype(int)
        first, last = exponents.min() - 1, exponents.max() + 1
        density = np.zeros((2, last - first + 1))
        shares = line[["share", "share_std"]].fillna(0.0).to_numpy()
        density[:, exponents - first] = shares.T * BINS_PER_POWER
        centres = 10.0 ** ((np.arange(first, last + 1) + 0.5) / BINS_PER_POWER)
        style = look(pruner)
        panel.plot(centres, density[0], color=style.colour, linestyle=style.line, linewidth=1.1)
        if pruner != NO_PRUNER:
            low, high = np.maximum(density[0] - density[1], 0.0), density[0] + density[1]
            panel.fill_between(centres, low, high, color=style.colour, alpha=0.15, linewidth=0)


def _limits(values: pd.DataFrame) -> tuple[float, float]:
    """Smallest and largest magnitude that are drawn, for all sparsities."""
    lows, highs = [], []
    for _, line in values[values["high"].notna() & (values["low"] > 0)].groupby(["pruner", "sparsity"]):
        line = line.sort_values("low", kind="stable")
        below = line["share"].cumsum()
        lows.append(float(line["low"][below > _CUT_OFF].min()))
        highs.append(float(line["high"][below >= line["share"].sum() - _CUT_OFF].min()))
    return (min(lows), max(highs)) if lows else (1e-3, 1.0)
