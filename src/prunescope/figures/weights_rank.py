"""Rank of weight matrices by layer: PINS paper, figures 2 and 5."""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.figures import layout
from prunescope.figures.by_layer import draw_layers, handles_of, layer_axis, levels_of, of_layers
from prunescope.figures.layout import Picture
from prunescope.figures.source import Source, pairs, seeds_text

_COLUMNS = 2


def draw(source: Source) -> Iterator[Picture]:
    """A picture per (dataset, arch), a panel per sparsity, a line per pruner."""
    table = of_layers(source)
    for dataset, arch in pairs(table):
        rows = table[(table["dataset"] == dataset) & (table["arch"] == arch)]
        levels = levels_of(rows)
        if not levels:
            source.skip(f"weights_rank: {dataset} · {arch}", "no pruned network's weights were measured")
            continue
        figure, axes = layout.panels(len(levels), columns=_COLUMNS, height=2.0, share_y=True)
        for panel, level in zip(axes, levels, strict=True):
            draw_layers(panel, rows, level, "rank_share")
            layer_axis(panel, rows)
            layout.percent_axis(panel)
            panel.set_title(f"{100 * level:.3g}% sparsity")
        layout.from_zero(axes, [1.0])
        layout.outer_labels(axes, _COLUMNS, "layer", "mean rank (% of full)")
        layout.legend_below(figure, handles_of(rows))
        title = f"Rank of weight matrices by layer: {dataset} · {arch}"
        figure.suptitle(title)
        most = int(rows["n_matrices"].max())
        caption = (
            f"Numerical rank of the prunable weight matrices of each layer (1 to {most} a layer), as a share of "
            "the highest that their shapes allow, in the mean over a layer's matrices and over "
            f"{seeds_text(list(rows['n_seeds']))}; upright lines: standard deviation over seeds. A panel per "
            "sparsity of the network, a line per pruner. Singular values below the largest one times the longer "
            "side times 2^-23 count as zero."
        )
        yield Picture(f"{dataset}--{arch}", title, caption, figure, rows)
