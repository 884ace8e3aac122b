"""Which examples and classes pay under other pruners, against those that pay under magnitude pruning."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import WhoPays, WhoPaysClass
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair, pruners_of, seeds_text
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH, look

CELL = ("dataset", "arch", "pruner", "sparsity")
COLUMNS = header(WhoPays)
CLASS_COLUMNS = header(WhoPaysClass)
#: Classes that are drawn at most: those in which pruners differ most.
_CLASSES = 12
#: At most this many compression levels are drawn: a figure of many pruners takes seconds, the tables have all.
_COMPRESSIONS = 3


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch) and sparsity: overlaps of PIEs, and what classes pay.

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
    for dataset, arch, own in by_pair(both):
        for compression in _spread(sorted(set(own["sparsity"].round(3).dropna()))):
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
    import matplotlib.pyplot as plt

    reference = str(pd.concat([overlaps["reference"], classes["reference"]]).iloc[0])
    shown = _most_different(classes)
    shared = bool(overlaps["jaccard"].notna().any())
    names = pruners_of(pd.concat([overlaps, classes]))
    widths = [1.0] * shared + [max(1.0, 0.28 * len(shown))] * bool(shown)
    size = (min(FULL_WIDTH, 2.6 + 1.5 * sum(widths)), 0.175 * (len(names) + 1) + 1.4)
    figure, axes = plt.subplots(
        1, len(widths), figsize=size, width_ratios=widths, layout="constrained", squeeze=False
    )
    # The reference has a row of its own above the others where its classes are shown.
    rows = [reference, *names] if shown else names
    if shared:
        _shared(axes[0, 0], overlaps, rows)
    if shown:
        change = classes.pivot_table(index="pruner", columns="class", values="change")
        change.loc[reference] = classes.groupby("class")["change_reference"].mean()
        apart = classes.assign(apart=classes["p_corrected"] < LEVEL)
        sure = apart.pivot_table(index="pruner", columns="class", values="apart", aggfunc="max")
        change, sure = (table.reindex(index=rows, columns=shown) for table in (change, sure))
        label = "change of recall, points"
        change = change.rename(columns=partial(layout.clipped, most=16))
        layout.heatmap(
            100 * change,
            label,
            center=0.0,
            form="+.0f",
            colours="vlag_r",
            panel=axes[0, -1],
            marked=sure == 1,
        )
        axes[0, -1].set_title("Change of recall by class")
        if shared:
            axes[0, -1].set_yticks([])
    title = f"Who pays under other pruners than {reference} at {100 * compression:.4g}%: {dataset} · {arch}"
    data = overlaps if classes.empty else classes.merge(
        overlaps[[*CELL, "n_pies_reference", "n_pies", "n_both", "jaccard", "jaccard_by_chance"]],
        on=list(CELL),
        how="left",
    )  # fmt: skip
    stem = f"{dataset}--{arch}--{100 * compression:.4g}percent"
    return Figure(stem, title, _caption(reference, overlaps, classes, shown), figure, data)


def _shared(panel: Any, overlaps: pd.DataFrame, names: list[str]) -> None:
    """Bars of the Jaccard index, with what chance alone gives."""
    import seaborn

    rows = overlaps.drop_duplicates("pruner").set_index("pruner").reindex(names).reset_index()
    colours = {name: look(name).colour for name in names}
    seaborn.barplot(
        rows,
        x="jaccard",
        y="pruner",
        hue="pruner",
        order=names,
        palette=colours,
        alpha=0.75,
        width=0.6,
        ax=panel,
    )
    at = np.arange(len(names))
    panel.vlines(rows["jaccard_by_chance"], at - 0.42, at + 0.42, color=DENSE_COLOUR, linewidth=1.6)
    for text, name in zip(panel.get_yticklabels(), names, strict=True):
        text.set_color(colours[name])
    panel.grid(visible=True, axis="x")
    panel.tick_params(axis="y", length=0)
    panel.set(title="PIEs in common", xlabel="Jaccard index (line: by chance)", ylabel="")
    panel.set_xlim(0.0, 1.05 * float(np.nanmax(rows[["jaccard", "jaccard_by_chance"]].to_numpy(dtype=float))))
    panel.set(ylim=(len(names) - 0.5, -0.5))


def _most_different(classes: pd.DataFrame) -> list[str]:
    """The classes in which some pruner is furthest from the reference, by support."""
    if classes.empty:
        return []
    apart = (classes["change"] - classes["change_reference"]).abs()
    furthest = classes.assign(apart=apart).groupby("class", sort=True)["apart"].max()
    kept = set(furthest.sort_values(ascending=False, kind="stable").index[:_CLASSES])
    order = classes.sort_values(["support", "class"], ascending=[False, True], kind="stable")
    return [name for name in dict.fromkeys(order["class"]) if name in kept]


def _caption(reference: str, overlaps: pd.DataFrame, classes: pd.DataFrame, shown: list[str]) -> str:
    caption = f"{reference} prunes by magnitude, which new pruners are compared with. "
    if not overlaps.empty:
        caption += (
            f"Bars: of the test examples that are PIEs of a pruner or of {reference}, the share that are PIEs of both "
            "(Jaccard index); black lines: what two random sets of these sizes have in common. PIEs are majorities "
            "over seeds. "
        )
    if not classes.empty:
        caption += (
            f"Cells: recall after pruning minus that of the dense models, in points, of each class under {reference} "
            f"(first row) and the other pruners, means over {seeds_text(classes['n_seeds'].tolist())} that both have. "
            f"Below 0 (red), the class pays; bold: other than under {reference} by a paired t test over seeds (Holm "
            "over classes and pruners, 5 %). The data have all intervals and tests."
        )
        total = classes["class"].nunique()
        if total > len(shown):
            caption += (
                f" Of {total} classes those {len(shown)} in which pruners differ most; all are in the data."
            )
    return caption.strip()
