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
    datasets = list(dict.fromkeys(rows["dataset"]))
    names = [name for name in LOOKS if name in set(rows["objective"])]
    figure, axes = layout.panels(len(datasets), height=2.2)
    for panel, dataset in zip(axes, datasets, strict=True):
        here = rows[rows["dataset"] == dataset]
        at = here["sparsity"].round(3)
        compressions = sorted(set(at))
        for position, compression in enumerate(compressions):
            _group(panel, position, here[at == compression], names)
        panel.set_xticks(
            range(len(compressions)), [f"{100 * compression:.4g}%" for compression in compressions]
        )
        panel.set_xlim(-0.6, len(compressions) - 0.4)
        _limits(panel, here)
        layout.score_axis(panel, here["metric"].iloc[0])
        panel.set_title(dataset)
        panel.set_ylabel(pretty_metric(here["metric"].iloc[0]))
    layout.outer_labels(axes, 3, "sparsity", None)
    layout.legend_below(figure, _handles(rows, names))
    title = f"Objectives of training while pruned: {base} · {arch}"
    figure.suptitle(title)
    return Figure(f"{base}--{arch}", title, _caption(base, rows), figure, rows)


def _group(panel: Any, position: int, here: pd.DataFrame, names: list[str]) -> None:
    """The objectives of one sparsity side by side, with the printed values."""
    if here["unpruned"].notna().any():
        panel.hlines(
            here["unpruned"].iloc[0],
            position - 0.42,
            position + 0.42,
            color=DENSE_COLOUR,
            linewidth=1.1,
            zorder=1.5,
        )
    for number, name in enumerate(names):
        for row in here[here["objective"] == name].to_dict("records"):
            x = position + _APART * (number - (len(names) - 1) / 2)
            colour, marker = LOOKS[name]
            panel.vlines(x, row["ci_low"], row["ci_high"], color=colour, linewidth=0.9, alpha=0.6)
            panel.vlines(
                x, row["mean"] - row["std"], row["mean"] + row["std"], color=colour, linewidth=3.0, alpha=0.4
            )
            panel.plot([x], [row["mean"]], color=colour, marker=marker, linestyle="", zorder=3)
            panel.plot(
                [x + 0.09], [row["published"]], marker="D", markersize=4, linestyle="",
                markerfacecolor="white", markeredgecolor=DENSE_COLOUR, zorder=2.5,
            )  # fmt: skip


def _limits(panel: Any, rows: pd.DataFrame) -> None:
    """By scores and their deviations: intervals of few seeds are wider than the differences to be seen."""
    spread = rows["std"].fillna(0.0)
    known = pd.concat([rows["mean"] - spread, rows["mean"] + spread, rows["published"], rows["unpruned"]])
    low, high = float(known.min()), float(known.max())
    margin = max(0.12 * (high - low), 0.005)
    panel.set_ylim(low - margin, high + margin)


def _handles(rows: pd.DataFrame, names: list[str]) -> list[Any]:
    handles = [
        layout.line_handle(name, color=LOOKS[name][0], marker=LOOKS[name][1], linestyle="") for name in names
    ]
    if rows["unpruned"].notna().any():
        handles.append(layout.line_handle("dense", color=DENSE_COLOUR, linewidth=1.1))
    if rows["published"].notna().any():
        handles.append(
            layout.line_handle(
                "printed in the paper", marker="D", linestyle="", markerfacecolor="white",
                markeredgecolor=DENSE_COLOUR,
            )
        )  # fmt: skip
    return handles


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
