"""Which examples and classes pay under other pruners, against those that pay under magnitude pruning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import WhoPays
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, pairs, pruners_of, seeds_text
from prunescope.figures.style import DENSE_COLOUR, look

CELL = ("dataset", "arch", "pruner", "sparsity")
COLUMNS = header(WhoPays)
CLASS_COLUMNS = (
    *CELL,
    "reference",
    "class",
    "support",
    "change_reference",
    "change_reference_low",
    "change_reference_high",
    "change",
    "change_low",
    "change_high",
    "difference_low",
    "difference_high",
    "confidence",
    "n_seeds",
)
#: Classes that are drawn at most: those in which pruners differ most.
_CLASSES = 12
#: At most this many compression levels are drawn: a figure of many pruners takes seconds, the tables have all.
_COMPRESSIONS = 3
_PANELS = 3
#: Lines between the two points of a class: where their difference is significant, and otherwise.
_APART, _TOGETHER = "#3c4043", "#c3c8cf"
#: How far the two intervals of a class are from its line.
_SHIFT = 0.14


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch) and sparsity: overlaps of PIEs, and a panel per pruner for the classes.

    Of more than three sparsities, the lowest, the middle and the highest are drawn.
    """
    overlaps = source.table("who_pays.csv", COLUMNS)
    classes = source.table("who_pays_classes.csv", CLASS_COLUMNS)
    if overlaps.empty and classes.empty:
        source.skip(
            "who_pays", "no model was pruned by magnitude and by another pruner to the same compression level"
        )
        return
    both = pd.concat([overlaps[list(CELL)], classes[list(CELL)]])
    compressions = both["sparsity"].round(3)
    for dataset, arch in pairs(both):
        own = (both["dataset"] == dataset) & (both["arch"] == arch)
        for compression in _spread(sorted(set(compressions[own].dropna()))):
            parts = [
                table[
                    (table["dataset"] == dataset)
                    & (table["arch"] == arch)
                    & (table["sparsity"].round(3) == compression)
                ]
                for table in (overlaps, classes)
            ]
            yield _figure(dataset, arch, compression, *parts)


def _spread(compressions: list[float]) -> list[float]:
    """All compression levels, or the first, middle and last of many."""
    if len(compressions) <= _COMPRESSIONS:
        return compressions
    indices = np.linspace(0, len(compressions) - 1, _COMPRESSIONS).round().astype(int)
    return [compressions[index] for index in indices]


def _figure(
    dataset: str, arch: str, compression: float, overlaps: pd.DataFrame, classes: pd.DataFrame
) -> Figure:
    known = pd.concat([overlaps["reference"], classes["reference"]])
    reference = str(known.iloc[0])
    shown = _most_different(classes)
    names = pruners_of(classes)
    first = [] if overlaps["jaccard"].isna().all() else [None]
    tallest = max(len(shown), len(overlaps) if first else 0)
    figure, axes = layout.panels(len(first) + len(names), columns=_PANELS, height=0.75 + 0.17 * tallest)
    if first:
        _shared(axes[0], overlaps)
    limit = _limit(classes)
    for number, (panel, pruner) in enumerate(zip(axes[len(first) :], names, strict=True), start=len(first)):
        rows = classes[classes["pruner"] == pruner].drop_duplicates("class").set_index("class").reindex(shown)
        _dumbbells(panel, rows, reference, pruner)
        panel.set_xlim(-limit, limit)
        labelled = number % _PANELS == 0 or number == len(first)
        panel.set_yticks(
            range(len(shown)), [_clip(name) for name in shown] if labelled else [""] * len(shown)
        )
        panel.set_xlabel("change of recall (points)")
    if names:
        pruned = [layout.line_handle(name, **{**look(name).plot(), "linestyle": ""}) for name in names]
        before = layout.line_handle(
            f"{reference} (reference)",
            **{**look(reference).plot(), "linestyle": "", "markerfacecolor": "white"},
        )
        layout.legend_below(figure, [before, *pruned])
    title = f"Who pays under other pruners than {reference} at {100 * compression:.4g}%: {dataset} · {arch}"
    figure.suptitle(title)
    data = overlaps if classes.empty else classes.merge(
        overlaps[[*CELL, "n_pies_reference", "n_pies", "n_both", "jaccard", "jaccard_by_chance"]],
        on=list(CELL),
        how="left",
    )  # fmt: skip
    stem = f"{dataset}--{arch}--{100 * compression:.4g}percent"
    return Figure(stem, title, _caption(reference, overlaps, classes, shown), figure, data)


def _shared(panel: Any, overlaps: pd.DataFrame) -> None:
    """Bars of the Jaccard index, with what chance alone gives."""
    names = pruners_of(overlaps)
    rows = overlaps.drop_duplicates("pruner").set_index("pruner").loc[names]
    positions = np.arange(len(names))
    panel.barh(
        positions, rows["jaccard"], height=0.6, color=[look(name).colour for name in names], alpha=0.75
    )
    panel.vlines(
        rows["jaccard_by_chance"], positions - 0.42, positions + 0.42, color=DENSE_COLOUR, linewidth=1.6
    )
    panel.set_yticks(positions, names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_xlim(0.0, 1.0)
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    panel.set_title("PIEs in common")
    panel.set_xlabel("Jaccard index (line: by chance)")


def _dumbbells(panel: Any, rows: pd.DataFrame, reference: str, pruner: str) -> None:
    """A line per class between the change under the reference and that under the pruner, with intervals."""
    positions = np.arange(len(rows))
    panel.axvline(0.0, color=DENSE_COLOUR, linewidth=0.9, zorder=1.5)
    apart = (rows["difference_low"] > 0) | (rows["difference_high"] < 0)
    colours = [_APART if beyond else _TOGETHER for beyond in apart]
    panel.hlines(positions, rows["change_reference"], rows["change"], color=colours, linewidth=2.2, zorder=2)
    for name, column, shift, filled in (
        (reference, "change_reference", -_SHIFT, False),
        (pruner, "change", _SHIFT, True),
    ):
        style = look(name)
        panel.hlines(
            positions + shift, rows[f"{column}_low"], rows[f"{column}_high"],
            color=style.colour, linewidth=0.8, alpha=0.55, zorder=2.5,
        )  # fmt: skip
        panel.plot(
            rows[column], positions, linestyle="", marker=style.marker, color=style.colour, zorder=3,
            markerfacecolor=style.colour if filled else "white",
        )  # fmt: skip
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    panel.locator_params(axis="x", nbins=5)
    panel.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+.4g}".replace("+0", "0"))
    panel.set_title(pruner)


def _most_different(classes: pd.DataFrame) -> list[str]:
    """The classes in which some pruner is furthest from the reference, by support."""
    if classes.empty:
        return []
    apart = (classes["change"] - classes["change_reference"]).abs()
    furthest = classes.assign(apart=apart).groupby("class", sort=True)["apart"].max()
    kept = set(furthest.sort_values(ascending=False, kind="stable").index[:_CLASSES])
    order = classes.sort_values(["support", "class"], ascending=[False, True], kind="stable")
    return [name for name in dict.fromkeys(order["class"]) if name in kept]


def _limit(classes: pd.DataFrame) -> float:
    """By the changes: intervals of few seeds are wider than the differences to be seen."""
    largest = float(np.nanmax(np.abs(classes[["change", "change_reference"]].to_numpy()), initial=0.0))
    return max(1.35 * largest, 0.02)


def _caption(reference: str, overlaps: pd.DataFrame, classes: pd.DataFrame, shown: list[str]) -> str:
    caption = ""
    if not overlaps.empty:
        caption += (
            f"Bars: of the test examples that are PIEs of a pruner or of {reference}, the share that are PIEs of both "
            "(Jaccard index); black lines: what two random sets of these sizes have in common. PIEs are majorities "
            "over seeds. "
        )
    if not classes.empty:
        caption += (
            f"Panels: recall after pruning minus before, in points, of each class under {reference} (hollow) and under "
            f"the pruner named above (filled), means over {seeds_text(classes['n_seeds'].tolist())} that both have; "
            f"thin lines: {100 * classes['confidence'].iloc[0]:g} % t interval, which of few seeds may leave the "
            "panel. Left of 0, the class pays; where a dark line joins the points, the interval of their difference "
            "leaves out 0: who pays depends on the pruner."
        )
        total = classes["class"].nunique()
        if total > len(shown):
            caption += (
                f" Of {total} classes those {len(shown)} in which pruners differ most; all are in the data."
            )
    return caption.strip()


def _clip(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"
