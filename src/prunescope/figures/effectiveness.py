"""Score against sparsity, a panel per (dataset, arch): PIE paper, figure 1."""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.figures import layout
from prunescope.figures.layout import Picture
from prunescope.figures.source import Source, pruners_of, seeds_text
from prunescope.figures.style import DENSE_COLOUR, look, pretty_metric

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "metric", "mean", "std", "n_seeds")


def draw(source: Source) -> Iterator[Picture]:
    """One picture: mean score with its standard deviation over seeds, unpruned models as a line."""
    table = source.table("effectiveness.csv", COLUMNS)
    pruned = table[table["pruner"] != "none"]
    if pruned.empty:
        source.skip("effectiveness", "no pruned model has a score")
        return
    keys = list(dict.fromkeys(zip(pruned["dataset"], pruned["arch"], pruned["metric"], strict=True)))
    figure, axes = layout.panels(len(keys), height=2.25)
    for panel, (dataset, arch, metric) in zip(axes, keys, strict=True):
        rows = table[(table["dataset"] == dataset) & (table["arch"] == arch) & (table["metric"] == metric)]
        dense = rows[rows["pruner"] == "none"]
        if not dense.empty:
            mean, std = float(dense["mean"].iloc[0]), float(dense["std"].iloc[0])
            panel.axhline(mean, color=DENSE_COLOUR, linewidth=1.1, zorder=1.5)
            if std == std:
                panel.axhspan(mean - std, mean + std, color="#9aa0a6", alpha=0.25, linewidth=0, zorder=1)
        for pruner in pruners_of(rows):
            line = rows[rows["pruner"] == pruner].sort_values("sparsity", kind="stable")
            panel.errorbar(
                line["sparsity"],
                line["mean"],
                yerr=line["std"].fillna(0.0),
                elinewidth=0.7,
                capsize=1.6,
                capthick=0.7,
                **look(pruner).plot(),
            )
        layout.sparsity_axis(panel, rows["sparsity"])
        layout.score_axis(panel, metric)
        panel.set_title(f"{dataset} · {arch}")
        panel.set_ylabel(pretty_metric(metric))
    layout.outer_labels(axes, 3, "sparsity", None)
    handles = [layout.line_handle("unpruned", color=DENSE_COLOUR, linewidth=1.1)]
    handles += [layout.line_handle(name, **look(name).plot()) for name in pruners_of(pruned)]
    layout.legend_below(figure, handles)
    title = "What pruning does to the score"
    figure.suptitle(title)
    caption = (
        "Score on the test split (higher is better) against sparsity, the share of prunable weights "
        f"removed; mean over {seeds_text(table['n_seeds'].tolist())}, error bars one standard deviation. "
        "The black line is the unpruned models' mean, the grey band their standard deviation. The sparsity "
        "axis is spaced by what is left: equal steps halve it."
    )
    yield Picture("effectiveness", title, caption, figure, table)
