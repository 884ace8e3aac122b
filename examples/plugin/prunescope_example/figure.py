"""A figure: a declaration, which every job reads, and the function that draws it, loaded when it is drawn."""

from prunescope.figures.registry import Family

SCORE_CHANGE = Family(
    "Change of the score",
    "Score of the pruned models minus that of the dense ones, by pruner and sparsity.",
    "prunescope_example.figure:draw",
)


def draw(source):
    """One figure, a panel per data set and architecture, a line per pruner.

    source: the study's tables (``source.table(file, columns)``). Yields each figure with its data.
    """
    from prunescope.figures import layout
    from prunescope.figures.layout import Figure
    from prunescope.figures.source import by_pair, pruners_of
    from prunescope.figures.style import look

    table = source.table("effectiveness.csv", ("dataset", "arch", "pruner", "sparsity", "mean"))
    dense = table[table["pruner"] == "none"].set_index(["dataset", "arch"])["mean"]
    table = table[table["pruner"] != "none"].copy()
    if table.empty:
        source.skip("score_change", "no model is pruned")
        return
    base = [dense[key] for key in zip(table["dataset"], table["arch"], strict=True)]
    table["change"] = table["mean"] - base
    pairs = list(by_pair(table))
    figure, axes = layout.panels(len(pairs))
    for panel, (dataset, arch, rows) in zip(axes, pairs, strict=True):
        for pruner in pruners_of(rows):
            line = rows[rows["pruner"] == pruner].sort_values("sparsity")
            panel.plot(line["sparsity"], line["change"], label=pruner, **look(pruner).plot())
        panel.axhline(0, linewidth=0.5)
        panel.legend()
        panel.set_title(f"{dataset} · {arch}")
    layout.outer_labels(axes, 3, "sparsity", "change of the score")
    data = table[["dataset", "arch", "pruner", "sparsity", "change"]]
    yield Figure(
        "score_change", "Change of the score", "Pruned minus dense score, means over seeds.", figure, data
    )
