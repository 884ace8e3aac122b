"""Score against sparsity, on all examples and on the PIEs: PIE paper, figures 1 and 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.config.pruners import NO_PRUNER
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, pairs, pruners_of, seeds_text
from prunescope.figures.style import ALL_COLOUR, DENSE_COLOUR, PIE_COLOUR, pretty_metric

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "metric", "mean", "std", "n_seeds")
ON_PIES_COLUMNS = ("dataset", "arch", "pruner", "sparsity", "metric", "dense", "pruned", "n_pies")
_PRUNED_LINE = (0, (1.2, 1.1))
_PANELS = 4


def draw(source: Source) -> Iterator[Figure]:
    """One figure: mean score with its standard deviation over seeds, dense models as a line."""
    table = source.table("effectiveness.csv", COLUMNS)
    pruned = table[table["pruner"] != "none"]
    if pruned.empty:
        source.skip("effectiveness", "no pruned model has a score")
        return
    table = table.assign(low=table["mean"] - table["std"], high=table["mean"] + table["std"])
    keys = ("dataset", "arch", "metric")
    table = table[table.set_index(list(keys)).index.isin(pruned.set_index(list(keys)).index)]
    figure = layout.lines(source, table, keys, "mean", ("low", "high"), _dense, _scale)
    title = "What pruning does to the score"
    figure.suptitle(title)
    caption = (
        "Score on the test split (higher is better) against sparsity, the removed share of the prunable "
        f"weights; mean over {seeds_text(table['n_seeds'].tolist())}, vertical lines one standard deviation. "
        "Black line: mean of the dense models; grey band: their standard deviation. Grey lines: the pruners of the "
        "other panels. On the sparsity axis, equal steps halve the remaining weights."
    )
    yield Figure("effectiveness", title, caption, figure, table.drop(columns=["low", "high"]))


def _scale(panel: Any, rows: pd.DataFrame) -> None:
    layout.score_axis(panel, rows["metric"].iloc[0])
    panel.set_ylabel(pretty_metric(rows["metric"].iloc[0]))


def _dense(panel: Any, rows: pd.DataFrame) -> None:
    dense = rows[rows["pruner"] == NO_PRUNER]
    if not dense.empty:
        panel.axhline(dense["mean"].iloc[0], color=DENSE_COLOUR, linewidth=1.1, zorder=1.5)
        ends = dense[["low", "high"]].iloc[0]
        if ends.notna().all():
            panel.axhspan(*ends, color="#9aa0a6", alpha=0.25, linewidth=0, zorder=1)


def draw_on_pies(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per pruner."""
    on_pies = source.table("effectiveness_on_pies.csv", ON_PIES_COLUMNS)
    on_pies = on_pies[on_pies["pruner"] != "none"]
    overall = source.table("effectiveness.csv", COLUMNS)
    measured = on_pies[on_pies["dense"].notna() | on_pies["pruned"].notna()]
    if measured.empty:
        source.skip("effectiveness_on_pies", "there are no PIEs with scores")
        return
    for dataset, arch in pairs(on_pies):
        pies = on_pies[(on_pies["dataset"] == dataset) & (on_pies["arch"] == arch)]
        if pies["dense"].isna().all() and pies["pruned"].isna().all():
            source.skip(f"effectiveness_on_pies, {dataset} · {arch}", "there are no PIEs")
            continue
        scores = overall[(overall["dataset"] == dataset) & (overall["arch"] == arch)]
        yield _figure(dataset, arch, pies, scores)


def _figure(dataset: str, arch: str, pies: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    metric = str(pies["metric"].iloc[0])
    scores = scores[scores["metric"] == metric]
    dense = scores[scores["pruner"] == "none"]["mean"]
    names = pruners_of(pies)
    figure, axes = layout.panels(len(names), columns=_PANELS, height=1.75, share_y=True)
    for panel, pruner in zip(axes, names, strict=True):
        if not dense.empty:
            panel.axhline(float(dense.iloc[0]), color=ALL_COLOUR)
        everything = scores[scores["pruner"] == pruner].sort_values("sparsity", kind="stable")
        panel.plot(
            everything["sparsity"], everything["mean"], color=ALL_COLOUR, linestyle=_PRUNED_LINE, marker="o"
        )
        line = pies[pies["pruner"] == pruner].sort_values("sparsity", kind="stable")
        panel.plot(line["sparsity"], line["dense"], color=PIE_COLOUR, marker="s")
        panel.plot(line["sparsity"], line["pruned"], color=PIE_COLOUR, linestyle=_PRUNED_LINE, marker="s")
        layout.sparsity_axis(panel, pies["sparsity"], narrow=True)
        layout.score_axis(panel, metric)
        panel.set_title(pruner)
    name = pretty_metric(metric)
    layout.outer_labels(axes, _PANELS, "sparsity", name)
    layout.legend_below(
        figure,
        [
            layout.line_handle("all examples, dense", color=ALL_COLOUR),
            layout.line_handle("all examples, pruned", color=ALL_COLOUR, linestyle=_PRUNED_LINE, marker="o"),
            layout.line_handle("PIEs, dense", color=PIE_COLOUR, marker="s"),
            layout.line_handle("PIEs, pruned", color=PIE_COLOUR, linestyle=_PRUNED_LINE, marker="s"),
        ],
        columns=4 if len(names) > 1 else 2,
    )
    title = f"Score on PIEs and on all examples: {dataset} · {arch}"
    figure.suptitle(title)
    caption = (
        f"{name[:1].upper()}{name[1:]} on the test split against sparsity, a panel per pruner: on all examples "
        "(blue circles) and on the PIEs of that pruner and sparsity (orange squares), "
        "for dense (solid) and pruned models (dotted); mean over "
        f"{seeds_text(scores['n_seeds'].tolist())}. No orange point: no PIEs."
    )
    shared = scores[["pruner", "sparsity", "mean"]].rename(columns={"mean": "pruned_on_all"})
    data = pies.rename(columns={"dense": "dense_on_pies", "pruned": "pruned_on_pies"})
    data = data.merge(shared, on=["pruner", "sparsity"], how="left")
    data["dense_on_all"] = float(dense.iloc[0]) if not dense.empty else float("nan")
    return Figure(f"{dataset}--{arch}", title, caption, figure, data)
