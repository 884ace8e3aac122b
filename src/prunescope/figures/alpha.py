"""Alpha over seeds as boxes and as intervals: recall paper, figures 1 to 4 and 9 to 12."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from prunescope.figures import rows
from prunescope.figures.cuts import NO_ALPHA, Cut, Measured, across, by_pruner
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, seeds_text
from prunescope.figures.style import look

COLUMNS = ("seed", "accuracy_dense", "accuracy_pruned", "alpha")
INTERVAL_COLUMNS = ("alpha", "ci_low", "ci_high", "confidence", "verdict", "n_seeds")
#: Of alpha corrected for noise, drawn beside it.
CORRECTED_COLUMNS = ("alpha_null", "alpha_corrected", "corrected_low", "corrected_high", "corrected_verdict")
#: Beside the paper's alpha, in a look of its own.
_BESIDE, _CORRECTED = 0.34, "#2b2b2b"


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), its pruners side by side."""
    cuts = by_pruner(Measured.of(source))
    yield from map(boxes, cuts)
    drawn = {cut.stem for cut in cuts}
    for dataset, arch in source.pairs():
        if f"{dataset}--{arch}" not in drawn:
            source.skip(f"alpha, {dataset} · {arch}", NO_ALPHA)


def draw_across(source: Source) -> Iterator[Figure]:
    """A figure per pruner and kind of model that has several sizes, then per pruner on several data sets."""
    yield from map(boxes, across(source))


def boxes(cut: Cut) -> Figure:
    """A box of every cell's alphas, with their points."""
    title = f"Do differences between classes grow? α: {cut.title}"
    figure, positions = rows.laid_out(cut, title, "α of each seed")
    parts = []
    for position in positions:
        table = position.cell.table("alpha.csv", COLUMNS)
        assert table is not None  # a cell with alphas has the table they stand in
        verdict = rows.mark(position)
        parts.append(
            table.assign(**rows.names(position.cell), verdict=verdict, panel=position.panel, x=position.x)
        )
    data = pd.concat(parts, ignore_index=True)
    for panel, own in data.dropna(subset="alpha").groupby("panel", sort=False):
        _boxes(panel, own)
    values = data["alpha"].dropna()
    rows.scale(positions, values.to_numpy(dtype=float))
    seeds = data.groupby(list(rows.NAMES), sort=False)["alpha"].count().astype(float).tolist()
    caption = (
        "Intensification α of each seed's model (points) with its quartiles (boxes; whiskers to the "
        f"extremes), {seeds_text(seeds)} per box. α above 1: classes "
        "recalled better or worse than average move further away from it; below 1: closer to it; below 0: "
        f"to its other side. Marks above the boxes: the {rows.interval_text(cut.cells)} of the mean is wholly "
        "above 1 (>), wholly below 1 (<), or includes it (?)."
    )
    return Figure(cut.stem, title, caption, figure, data[[*rows.NAMES, "verdict", *COLUMNS]], cut.shows)


def _boxes(panel: Any, alphas: pd.DataFrame) -> None:
    """Quartiles of every position's alphas with whiskers to the extremes, and their points side by side."""
    import seaborn

    palette = {name: look(name).colour for name in alphas["pruner"].unique()}
    axis = {
        "y": "alpha",
        "hue": "pruner",
        "palette": palette,
        "legend": False,
        "native_scale": True,
        "ax": panel,
    }
    limits, label = panel.get_xlim(), panel.get_ylabel()
    ticks = panel.get_xticks(), [text.get_text() for text in panel.get_xticklabels()]
    seaborn.boxplot(
        alphas, x="x", width=0.68, dodge=False, whis=(0, 100), linewidth=0.9, boxprops={"alpha": 0.35}, **axis
    )
    # Not jittered at random: the same figure every time.
    place = alphas.groupby("x")["alpha"].transform(
        lambda own: np.linspace(-0.2, 0.2, len(own)) if len(own) > 1 else 0
    )
    seaborn.stripplot(
        alphas.assign(x=alphas["x"] + place), x="x", size=2.6, dodge=False, jitter=False, **axis
    )
    panel.set_xticks(*ticks)
    panel.set(xlim=limits, xlabel=panel.get_xlabel() if panel.get_xlabel() != "x" else "", ylabel=label)


def draw_intervals(source: Source) -> Iterator[Figure]:
    """A figure for each one of boxes: per (dataset, arch), per kind of model with several sizes, and per
    pruner on several data sets."""
    measured = Measured.of(source)
    if not measured.cells:
        source.skip("intervals of alpha", NO_ALPHA)
        return
    yield from map(intervals, [*by_pruner(measured), *across(source)])


def intervals(cut: Cut) -> Figure:
    """The mean of every cell's alphas and its interval."""
    title = f"Mean α with its interval: {cut.title}"
    figure, positions = rows.laid_out(cut, title, "mean α")
    found = []
    for position in positions:
        known = position.cell.summary["alpha"]
        mean, low, high = (_number(known.get(name)) for name in ("mean", "ci_low", "ci_high"))
        colour = look(position.cell.pruner).colour
        position.panel.plot([position.x] * 2, [low, high], color=colour, linewidth=2.0, zorder=2)
        for end in (low, high):
            position.panel.plot(
                [position.x - 0.22, position.x + 0.22], [end] * 2, color=colour, linewidth=1.4, zorder=2
            )
        position.panel.plot(position.x, mean, marker="o", color=colour, markersize=4.2, zorder=3)
        seeds = known.get("n_seeds", position.cell.summary.get("n_seeds"))
        numbers = (mean, low, high, known.get("confidence"), rows.mark(position), seeds)
        corrected = _corrected(position)
        names = (*INTERVAL_COLUMNS, *CORRECTED_COLUMNS)
        found.append({**rows.names(position.cell), **dict(zip(names, (*numbers, *corrected), strict=True))})
    data = pd.DataFrame(found, columns=[*rows.NAMES, *INTERVAL_COLUMNS, *CORRECTED_COLUMNS])
    ends = data[["alpha", "ci_low", "ci_high"]].to_numpy(dtype=float)
    rows.scale(positions, ends[~np.isnan(ends)])
    counts = [float(count) if count is not None else float("nan") for count in data["n_seeds"]]
    caption = (
        f"Mean of α over seeds with its {rows.interval_text(cut.cells)}, {seeds_text(counts)} each; the boxes of α "
        "show the values behind it. Wholly above 1 (>): pruning sets classes further apart; wholly below 1 "
        "(<): closer together; otherwise (?) undecided. A single seed has no interval. Dotted: α between dense "
        "models of other seeds, where nothing is pruned. Dark, beside it: α corrected for the noise of the recalls, "
        "which pulls the paper's α towards 0, with its interval over seeds and examples; none with two or three seeds, "
        "and where the dense models' recalls differ between classes no more than noise makes them."
    )
    return Figure(cut.stem, title, caption, figure, data, cut.shows)


def _corrected(position: rows.Position) -> tuple[Any, ...]:
    """Draw the null of alpha, and alpha corrected for noise where it has both ends; return their numbers."""
    null = _number((position.cell.summary.get("alpha_null") or {}).get("mean"))
    if not np.isnan(null):
        across = [position.x - _BESIDE, position.x + _BESIDE]
        position.panel.plot(
            across, [null] * 2, color=_CORRECTED, linewidth=1.2, linestyle=":", zorder=2.5, scaley=False
        )
    known = position.cell.summary.get("alpha_corrected") or {}
    mean, low, high = (_number(known.get(name)) for name in ("mean", "ci_low", "ci_high"))
    if not (np.isnan(low) or np.isnan(high)):
        x = position.x + _BESIDE
        position.panel.plot([x] * 2, [low, high], color=_CORRECTED, linewidth=0.9, zorder=2, scaley=False)
        position.panel.plot(
            x,
            mean,
            marker="D",
            color="white",
            markeredgecolor=_CORRECTED,
            markersize=3.2,
            zorder=3,
            scaley=False,
        )
    return null, mean, low, high, known.get("verdict")


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
