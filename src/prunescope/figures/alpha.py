"""Alpha over seeds as boxes and as intervals: recall paper, figures 1 to 4 and 9 to 12."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from prunescope.figures.cuts import NO_ALPHA, Cut, Measured, across, by_pruner, each, names
from prunescope.figures.layout import Figure, legend_below
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH, look

COLUMNS = ("seed", "accuracy_dense", "accuracy_pruned", "alpha")
#: What a row of intervals shows, as in the data beside the figure.
NUMBERS = (
    "alpha", "ci_low", "ci_high", "confidence", "verdict", "n_seeds",
    "alpha_null", "alpha_corrected", "corrected_low", "corrected_high", "corrected_verdict", "alpha_control",
)  # fmt: skip
#: Beyond this range the axis is compressed away from zero, or one box would flatten all others.
_WIDE = 25.0
_MARK_COLOURS = {"<": "#0072B2", ">": "#B23A00"}
_MARKS = "mark: the mean's interval is above 1 (>), below (<), includes it (?)"
#: Marks that stand beside the paper's alpha, and how far from its line.
_BESIDE = {
    "no pruning, other seeds": ("alpha_null", {"marker": "|", "markersize": 7, "markeredgewidth": 1.3}, 0.0),
    "control: same training, no pruning": ("alpha_control", {"marker": "^", "markersize": 4}, -0.27),
    "corrected for noise": ("alpha_corrected", {"marker": "D", "markersize": 3.4, "markerfacecolor": "white"}, 0.27),
}  # fmt: skip
_DARK = "#2b2b2b"


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), its pruners one below the other."""
    yield from each(source, boxes, "alpha")


def draw_across(source: Source) -> Iterator[Figure]:
    """A figure per pruner and kind of model that has several sizes, then per pruner on several data sets."""
    yield from map(boxes, across(source))


def boxes(cut: Cut) -> Figure:
    """A box of every cell's alphas, with their points."""
    parts = []
    for row, cell in enumerate(cut.cells):
        table = cell.table("alpha.csv", COLUMNS)
        assert table is not None  # a cell with alphas has the table they stand in
        parts.append(table.assign(**names(cell), verdict=_verdict(cell), row=row))
    data = pd.concat(parts, ignore_index=True)
    figure, panel = _rows(cut, "α of each seed", 0.17, lambda panel: _boxes(panel, data))
    title = f"Do differences between classes grow? α: {cut.title}"
    _compress(panel, data["alpha"])
    seeds = data.groupby(["row"], sort=False)["alpha"].count().astype(float).tolist()
    caption = (
        "Intensification α of each seed's model (points) with its quartiles (boxes; whiskers to the "
        f"extremes), {seeds_text(seeds)} per box. α above 1: classes "
        "recalled better or worse than average move further away from it; below 1: closer to it; below 0: "
        f"to its other side. Marks at the right: the {_interval_text(cut)} of the mean is wholly "
        "above 1 (>), wholly below 1 (<), or includes it (?)."
    )
    columns = [*names(cut.cells[0]), "verdict", *COLUMNS]
    return Figure(cut.stem, title, caption, figure, data[columns], cut.shows)


def _boxes(panel: Any, data: pd.DataFrame) -> None:
    import seaborn

    known = data.dropna(subset="alpha")
    palette = {name: look(name).colour for name in known["pruner"].unique()}
    axis = {"x": "alpha", "y": "row", "hue": "pruner", "palette": palette, "legend": False, "ax": panel}
    axis |= {"orient": "y", "native_scale": True, "dodge": False}
    seaborn.boxplot(known, width=0.7, whis=(0, 100), linewidth=0.8, boxprops={"alpha": 0.35}, **axis)
    seaborn.stripplot(known, size=2.4, jitter=False, **axis)


def draw_intervals(source: Source) -> Iterator[Figure]:
    """A figure for each one of boxes: per (dataset, arch), per kind of model with several sizes, and per
    pruner on several data sets."""
    measured = Measured.of(source)
    if not measured.cells:
        source.skip("intervals of alpha", NO_ALPHA)
        return
    key = ["dataset", "arch", "pruner", "ratio"]
    table = source.table("alpha.csv", key)
    found = table.set_index(key)["alpha_control"].to_dict() if "alpha_control" in table else {}
    controls = {
        cell: found.get((cell.dataset, cell.arch, cell.pruner, alpha.ratio)) for cell, alpha in measured.cells
    }
    for cut in [*by_pruner(measured), *across(source)]:
        yield intervals(cut, controls)


def intervals(cut: Cut, controls: Mapping[CellFiles, float | None]) -> Figure:
    """The mean of every cell's alphas and its interval; beside it what no pruning gives, and alpha without noise."""
    data = pd.DataFrame(_numbers(cell, controls) for cell in cut.cells)
    figure, panel = _rows(cut, "mean α", 0.21, lambda panel: _intervals(panel, data))
    title = f"Mean α with its interval: {cut.title}"
    ends = ("alpha", "ci_low", "ci_high", "alpha_null", "alpha_corrected", "corrected_low", "corrected_high")
    _compress(panel, pd.concat([data[name].astype(float) for name in (*ends, "alpha_control")]))
    control = (
        " Triangle: α between dense models and controls, which train as long as pruned models and are not pruned."
        if data["alpha_control"].notna().any()
        else ""
    )
    caption = (
        f"Mean of α over seeds with its {_interval_text(cut)}, {seeds_text(data['n_seeds'].astype(float).tolist())} "
        "each; the boxes of α show the values behind it. Wholly above 1 (>): pruning sets classes further apart; "
        "wholly below 1 (<): closer together; otherwise (?) undecided. A single seed has no interval. Upright bar: α "
        f"between dense models of other seeds, where nothing is pruned.{control} Diamond: α corrected for noise of the "
        "recalls, which pulls the paper's α towards 0, with its interval over seeds and examples, which may leave the "
        "panel; none with two or three seeds, and where the dense models' recalls differ between classes no more than "
        "noise makes them."
    )
    return Figure(cut.stem, title, caption, figure, data, cut.shows)


def _numbers(cell: CellFiles, controls: Mapping[CellFiles, float | None]) -> dict[str, Any]:
    """The names of a cell, and its ``NUMBERS``; NaN: none."""
    alpha, null, corrected = (
        cell.summary.get(name) or {} for name in ("alpha", "alpha_null", "alpha_corrected")
    )
    ends = ("mean", "ci_low", "ci_high")
    corrected_ends = [corrected.get(name) for name in ends]
    if None in corrected_ends:
        # Without an interval it may be anything.
        corrected_ends[0] = corrected_ends[0] if corrected_ends[0] is None else float("nan")
    found = (
        *(alpha.get(name) for name in (*ends, "confidence")),
        _verdict(cell),
        alpha.get("n_seeds", cell.summary.get("n_seeds")),
        null.get("mean"),
        *corrected_ends,
        corrected.get("verdict"),
        controls.get(cell),
    )
    return names(cell) | dict(zip(NUMBERS, found, strict=True))


def _intervals(panel: Any, data: pd.DataFrame) -> None:
    rows = np.arange(len(data))
    colours = [look(name).colour for name in data["pruner"]]
    panel.hlines(rows, *_floats(data, "ci_low", "ci_high"), color=colours, linewidth=2.0)
    panel.scatter(_floats(data, "alpha")[0], rows, color=colours, s=18, zorder=3)
    handles = {}
    for label, (column, style, shift) in _BESIDE.items():
        (x,) = _floats(data, column)
        if not np.isnan(x).all():
            style = {"color": _DARK, "linestyle": "", "zorder": 3, **style}
            (handles[label],) = panel.plot(x, rows + shift, scalex=False, **style)
    low, high = _floats(data, "corrected_low", "corrected_high")
    known = ~np.isnan(low + high)
    for y, *ends in zip((rows + 0.27)[known], low[known], high[known], strict=True):
        panel.plot(ends, [y, y], color=_DARK, linewidth=0.9, zorder=2, scalex=False)
    if handles:
        legend_below(panel.figure, handles)


def _floats(data: pd.DataFrame, *columns: str) -> list[np.ndarray]:
    return [data[column].to_numpy(dtype=float) for column in columns]


def _rows(cut: Cut, label: str, height: float, draw: Callable[[Any], None]) -> tuple[Any, Any]:
    """A figure with a row for every cell of ``cut``, named at the left, with its verdict at the right."""
    import matplotlib.pyplot as plt

    count = len(cut.cells)
    figure, panel = plt.subplots(figsize=(0.75 * FULL_WIDTH, height * count + 1.2), layout="constrained")
    draw(panel)
    panel.axvline(1.0, color=DENSE_COLOUR, linewidth=0.9, zorder=1.5)
    panel.grid(axis="x")
    panel.grid(visible=False, axis="y")
    first = 0
    for group in cut.groups:
        if first:
            panel.axhline(first - 0.5, color="#dcdfe3", linewidth=0.6)
        first += len(group.cells)
    labels = [f"{group.name} · {cell.compression.text}" for group in cut.groups for cell in group.cells]
    panel.set(xlabel=f"{label}\n{_MARKS}", ylabel="", ylim=(count - 0.4, -0.6))
    panel.set_yticks(range(count), labels)
    for row, (text, cell) in enumerate(zip(panel.get_yticklabels(), cut.cells, strict=True)):
        verdict = _verdict(cell)
        text.set_color(look(cell.pruner).colour)
        panel.text(
            1.01, row, verdict, transform=panel.get_yaxis_transform(), va="center", fontsize=8, weight="bold",
            color=_MARK_COLOURS.get(verdict, "#5f6368"),
        )  # fmt: skip
    panel.tick_params(axis="y", length=0)
    return figure, panel


def _compress(panel: Any, values: pd.Series) -> None:
    """Compress the axis away from zero where single values lie far out."""
    if values.abs().max() > _WIDE:
        panel.set_xscale("symlog", linthresh=2.0)
        # Plain numbers: powers of ten are set as mathematics, which text as text does not show.
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _verdict(cell: CellFiles) -> str:
    return str((cell.summary.get("alpha") or {}).get("verdict") or "?")


def _interval_text(cut: Cut) -> str:
    """``99 % t interval``, from the cells."""
    known = [(cell.summary.get("alpha") or {}).get("confidence") for cell in cut.cells]
    confidence = next((value for value in known if value is not None), None)
    return f"{100 * confidence:g} % t interval" if confidence is not None else "t interval"
