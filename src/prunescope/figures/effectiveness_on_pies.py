"""Score on PIEs against score on all examples, per pruner: PIE paper, figure 3."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from prunescope.figures import effectiveness, layout
from prunescope.figures.layout import Picture
from prunescope.figures.source import Source, pairs, pruners_of, seeds_text
from prunescope.figures.style import ALL_COLOUR, PIE_COLOUR, pretty_metric

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "metric", "dense", "pruned", "n_pies")
_PRUNED_LINE = (0, (1.2, 1.1))
_PANELS = 4


def draw(source: Source) -> Iterator[Picture]:
    """A picture per (dataset, arch), a panel per pruner."""
    on_pies = source.table("effectiveness_on_pies.csv", COLUMNS)
    on_pies = on_pies[on_pies["pruner"] != "none"]
    overall = source.table("effectiveness.csv", effectiveness.COLUMNS)
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
        yield _picture(dataset, arch, pies, scores)


def _picture(dataset: str, arch: str, pies: pd.DataFrame, scores: pd.DataFrame) -> Picture:
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
            layout.line_handle("all examples, unpruned", color=ALL_COLOUR),
            layout.line_handle("all examples, pruned", color=ALL_COLOUR, linestyle=_PRUNED_LINE, marker="o"),
            layout.line_handle("PIEs, unpruned", color=PIE_COLOUR, marker="s"),
            layout.line_handle("PIEs, pruned", color=PIE_COLOUR, linestyle=_PRUNED_LINE, marker="s"),
        ],
        columns=4 if len(names) > 1 else 2,
    )
    title = f"Score on PIEs and on all examples: {dataset} · {arch}"
    figure.suptitle(title)
    caption = (
        f"{name[:1].upper()}{name[1:]} on the test split against sparsity, a panel per pruner: on all examples "
        "(blue circles) and on the PIEs of that pruner and sparsity alone (orange squares), "
        "for unpruned (solid) and pruned models (dotted); mean over "
        f"{seeds_text(scores['n_seeds'].tolist())}. No orange point means no PIEs."
    )
    shared = scores[["pruner", "sparsity", "mean"]].rename(columns={"mean": "pruned_on_all"})
    data = pies.rename(columns={"dense": "dense_on_pies", "pruned": "pruned_on_pies"})
    data = data.merge(shared, on=["pruner", "sparsity"], how="left")
    data["dense_on_all"] = float(dense.iloc[0]) if not dense.empty else float("nan")
    return Picture(f"{dataset}--{arch}", title, caption, figure, data)
