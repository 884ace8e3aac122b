"""Share of examples that are PIEs against sparsity: PIE paper, table 4 as a picture."""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.figures import layout
from prunescope.figures.layout import Picture
from prunescope.figures.source import Source, pairs, pruners_of, seeds_text
from prunescope.figures.style import look

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "n_examples", "n_pies", "pie_share")


def draw(source: Source) -> Iterator[Picture]:
    """One picture, a panel per (dataset, arch), a line per pruner."""
    table = source.table("pie_share.csv", COLUMNS)
    table = table[(table["pruner"] != "none") & table["pie_share"].notna()]
    if table.empty:
        source.skip("pie_share", "no pruned model was compared with its unpruned one")
        return
    keys = pairs(table)
    figure, axes = layout.panels(len(keys), height=2.25)
    for panel, (dataset, arch) in zip(axes, keys, strict=True):
        rows = table[(table["dataset"] == dataset) & (table["arch"] == arch)]
        for pruner in pruners_of(rows):
            line = rows[rows["pruner"] == pruner].sort_values("sparsity", kind="stable")
            panel.plot(line["sparsity"], line["pie_share"], **look(pruner).plot())
        layout.sparsity_axis(panel, rows["sparsity"])
        layout.percent_axis(panel)
        layout.from_zero([panel], rows["pie_share"])
        examples = sorted({int(count) for count in rows["n_examples"]})
        panel.set_title(f"{dataset} · {arch} (n = {', '.join(f'{n:,}' for n in examples)})")
    layout.outer_labels(axes, 3, "sparsity", "PIEs (% of examples)")
    layout.legend_below(figure, [layout.line_handle(p, **look(p).plot()) for p in pruners_of(table)])
    title = "How many examples pruning changes"
    figure.suptitle(title)
    seeds = [float(cell.summary.get("n_seeds") or "nan") for cell in source.cells]
    over = f", majorities over {seeds_text(seeds)}" if seeds else ""
    caption = (
        "Share of test examples whose majority vote differs between pruned and unpruned models (PIEs, "
        f"pruning-identified exemplars) against sparsity{over}. n: examples in the test split."
    )
    yield Picture("pie_share", title, caption, figure, table)
