"""Score against sparsity, on all examples and on the PIEs: PIE paper, figures 1 and 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pandas as pd

from prunescope.config.pruners import NO_PRUNER
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair, pruners_of, seeds_text
from prunescope.figures.style import ALL_COLOUR, PIE_COLOUR, pretty_metric

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "metric", "mean", "std", "n_seeds")
ON_PIES_COLUMNS = ("dataset", "arch", "pruner", "sparsity", "metric", "dense", "pruned", "n_pies")


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
    scale = partial(_scale, source)
    figure, _ = layout.lines(table, keys, "sparsity", "mean", scale, ("low", "high"), under="sparsity")
    title = "What pruning does to the score"
    caption = (
        "Score on the test split (higher is better) against sparsity, the removed share of the prunable "
        f"weights; mean over {seeds_text(table['n_seeds'].tolist())}, vertical lines one standard deviation. "
        "Black line: mean of the dense models; grey band: their standard deviation. Grey lines: the pruners of the "
        "other panels. On the sparsity axis, equal steps halve the remaining weights."
    )
    yield Figure("effectiveness", title, caption, figure, table.drop(columns=["low", "high"]))


def _scale(source: Source, panel: Any, rows: pd.DataFrame, own: Sequence[str]) -> None:
    for _, dense in rows[rows["pruner"] == NO_PRUNER].iterrows():
        layout.reference(panel, dense["mean"], dense["low"], dense["high"])
    layout.levels_axis(panel, source, rows)
    layout.score_axis(panel, rows["metric"].iloc[0])
    panel.set_ylabel(pretty_metric(rows["metric"].iloc[0]))


def draw_on_pies(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per pruner."""
    on_pies = source.table("effectiveness_on_pies.csv", ON_PIES_COLUMNS)
    on_pies = on_pies[on_pies["pruner"] != "none"]
    overall = source.table("effectiveness.csv", COLUMNS)
    measured = on_pies[on_pies["dense"].notna() | on_pies["pruned"].notna()]
    if measured.empty:
        source.skip("effectiveness_on_pies", "there are no PIEs with scores")
        return
    for dataset, arch, pies in by_pair(on_pies):
        if pies["dense"].isna().all() and pies["pruned"].isna().all():
            source.skip(f"effectiveness_on_pies, {dataset} · {arch}", "there are no PIEs")
            continue
        scores = overall[(overall["dataset"] == dataset) & (overall["arch"] == arch)]
        yield _on_pies(source, dataset, arch, pies, scores)


#: Series of ``_on_pies``: the column of the data, colour, dashes, marker.
_SERIES = {
    "all examples, dense": ("dense_on_all", ALL_COLOUR, "", "o"),
    "all examples, pruned": ("pruned_on_all", ALL_COLOUR, (1.2, 1.1), "o"),
    "PIEs, dense": ("dense_on_pies", PIE_COLOUR, "", "s"),
    "PIEs, pruned": ("pruned_on_pies", PIE_COLOUR, (1.2, 1.1), "s"),
}


def _on_pies(source: Source, dataset: str, arch: str, pies: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    import seaborn

    metric = str(pies["metric"].iloc[0])
    scores = scores[scores["metric"] == metric]
    dense = scores[scores["pruner"] == NO_PRUNER]["mean"]
    shared = scores[["pruner", "sparsity", "mean"]].rename(columns={"mean": "pruned_on_all"})
    data = pies.rename(columns={"dense": "dense_on_pies", "pruned": "pruned_on_pies"})
    data = data.merge(shared, on=["pruner", "sparsity"], how="left")
    data["dense_on_all"] = float(dense.iloc[0]) if not dense.empty else float("nan")
    parts = (
        data[["pruner", "sparsity"]].assign(models=name, score=data[column])
        for name, (column, *_) in _SERIES.items()
    )
    series = pd.concat(parts, ignore_index=True)
    _, colours, dashes, markers = zip(*_SERIES.values(), strict=True)

    def draw(panel: Any, rows: pd.DataFrame) -> None:
        seaborn.lineplot(
            rows, x="sparsity", y="score", hue="models", style="models", palette=colours, dashes=dashes,
            markers=markers, markersize=4, markeredgewidth=0, errorbar=None, ax=panel,
        )  # fmt: skip
        layout.levels_axis(panel, source, pies)
        layout.score_axis(panel, metric)

    pruners = series["pruner"].astype(pd.CategoricalDtype(pruners_of(pies)))
    series = series.assign(pruner=pruners).sort_values("pruner", kind="stable").astype({"pruner": str})
    figure, _ = layout.by_panel(series, "pruner", draw, "sparsity", pretty_metric(metric))
    title = f"Score on PIEs and on all examples: {dataset} · {arch}"
    name = pretty_metric(metric)
    caption = (
        f"{name[:1].upper()}{name[1:]} on the test split against sparsity, a panel per pruner: on all examples "
        "(blue circles) and on the PIEs of that pruner and sparsity (orange squares), "
        "for dense (solid) and pruned models (dotted); mean over "
        f"{seeds_text(scores['n_seeds'].tolist())}. No orange point: no PIEs."
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, data)
