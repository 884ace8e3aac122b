"""Scores of one pruner under several objectives: PINS paper, Table 6 as a figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import Objective
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, pretty_metric

CELL = ("dataset", "arch", "pruner", "sparsity")
COLUMNS = header(Objective)
#: Objectives in the order of the paper's table: colour, marker.
LOOKS = {
    "task": ("#0072B2", "o"),
    "distilled": ("#D55E00", "s"),
    "self-regularized": ("#6A1B9A", "*"),
}
_APART = 0.24


def draw(source: Source) -> Iterator[Figure]:
    """A figure per pruner and arch: a panel per data set, a group per sparsity."""
    table = source.table("objectives.csv", COLUMNS)
    table = table[table["mean"].notna()]
    if table.empty:
        source.skip("objectives", "no pruner was run under two objectives")
        return
    dense = source.table("effectiveness.csv", (*CELL, "metric", "mean"))
    dense = dense[dense["pruner"] == "none"]
    for base, arch in dict.fromkeys(zip(table["base"], table["arch"], strict=True)):
        rows = table[(table["base"] == base) & (table["arch"] == arch)]
        merged = rows.merge(
            dense[["dataset", "arch", "metric", "mean"]].rename(columns={"mean": "unpruned"}),
            on=["dataset", "arch", "metric"],
            how="left",
        )
        yield _figure(base, arch, merged)


def _figure(base: str, arch: str, rows: pd.DataFrame) -> Figure:
    names = [name for name in LOOKS if name in set(rows["objective"])]
    at = rows["sparsity"].round(3)
    # A group for each sparsity of a data set, its objectives side by side.
    group = at.groupby(rows["dataset"]).rank("dense") - 1
    shift = rows["objective"].map(names.index) - (len(names) - 1) / 2
    shown = rows.assign(at=at, group=group, x=group + _APART * shift)
    handles: dict[str, Any] = {}
    figure, axes = layout.panels(shown["dataset"].nunique(), height=2.2)
    for panel, (dataset, here) in zip(axes, shown.groupby("dataset", sort=False), strict=True):
        handles = _points(panel, here, names) | handles
        metric = here["metric"].iloc[0]
        groups = here.drop_duplicates("group").sort_values("group")
        panel.set_xticks(groups["group"], [f"{100 * level:.4g}%" for level in groups["at"]])
        panel.set(xlim=(-0.6, len(groups) - 0.4), title=dataset, xlabel="", ylabel=pretty_metric(metric))
        _limits(panel, here)
        layout.score_axis(panel, metric)
    layout.outer_labels(axes, 3, "sparsity", None)
    layout.legend_below(figure, handles)
    title = f"Objectives of training while pruned: {base} · {arch}"
    return Figure(f"{base}--{arch}", title, _caption(base, rows), figure, rows)


def _points(panel: Any, here: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Draw means with their spreads and the printed values; returns what they are called."""
    import seaborn

    colours = {name: LOOKS[name][0] for name in names}
    by_row = here["objective"].map(colours)
    panel.vlines(here["x"], here["ci_low"], here["ci_high"], color=by_row, linewidth=0.9, alpha=0.6)
    spread = here["mean"] - here["std"], here["mean"] + here["std"]
    panel.vlines(here["x"], *spread, color=by_row, linewidth=3.0, alpha=0.4)
    seaborn.scatterplot(
        here, x="x", y="mean", hue="objective", style="objective", hue_order=names, style_order=names,
        palette=colours, markers={name: LOOKS[name][1] for name in names}, s=26, linewidth=0, zorder=3, ax=panel,
    )  # fmt: skip
    panel.get_legend().remove()
    found, labels = panel.get_legend_handles_labels()
    handles = dict(zip(labels, found, strict=True))
    if here["unpruned"].notna().any():
        groups = here.drop_duplicates("group")
        handles["dense"] = panel.hlines(
            groups["unpruned"],
            groups["group"] - 0.42,
            groups["group"] + 0.42,
            color=DENSE_COLOUR,
            linewidth=1.1,
        )
    if here["published"].notna().any():
        handles["printed in the paper"] = panel.scatter(
            here["x"] + 0.09,
            here["published"],
            marker="D",
            s=14,
            facecolor="white",
            edgecolor=DENSE_COLOUR,
            zorder=2.5,
        )
    return handles


def _limits(panel: Any, rows: pd.DataFrame) -> None:
    """By scores and their deviations: intervals of few seeds are wider than the differences to be seen."""
    spread = rows["std"].fillna(0.0)
    known = pd.concat([rows["mean"] - spread, rows["mean"] + spread, rows["published"], rows["unpruned"]])
    low, high = float(known.min()), float(known.max())
    margin = max(0.12 * (high - low), 0.005)
    panel.set_ylim(low - margin, high + margin)


def _caption(base: str, rows: pd.DataFrame) -> str:
    caption = (
        f"Score on the test split against sparsity, a panel per data set, for models pruned by {base} and "
        "trained for the task alone, also to match the dense model (distilled), or their own best "
        f"state so far (self-regularized); means over {seeds_text(rows['n_seeds'].tolist())}. Thick lines: one "
        f"standard deviation; thin lines: {100 * rows['confidence'].iloc[0]:g} % t interval of the mean, which of few "
        "seeds may leave the panel."
    )
    if rows["published"].notna().any():
        caption += " Diamonds: what the PINS paper prints (Table 6)."
    return caption
