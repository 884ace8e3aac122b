"""Share of PIEs against the number of models that vote, with that of the dense models as a control."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, look, ordered

COLUMNS = ("n_models", "pie_share", "low", "high", "noise_floor")


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch): a panel per compression level, a line per pruner."""
    for dataset, arch in source.pairs():
        found = []
        for cell in source.of_pair(dataset, arch):
            table = cell.table("pie_share_by_seeds.csv", COLUMNS)
            if table is not None and len(table) > 1:
                found.append((cell, table))
        if not found:
            source.skip(f"pie_share_seeds, {dataset} · {arch}", "fewer than two models vote")
            continue
        yield _figure(dataset, arch, found)


def _figure(dataset: str, arch: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Figure:
    compressions = sorted({cell.compression for cell, _ in found})
    names = ordered(cell.pruner for cell, _ in found)
    figure, axes = layout.panels(len(compressions), height=2.1, share_y=True)
    parts = []
    for panel, compression in zip(axes, compressions, strict=True):
        here = [(cell, table) for cell, table in found if cell.compression == compression]
        # Dropped seeds apart, every cell of an architecture has the same dense models.
        control = pd.concat([table for _, table in here]).groupby("n_models")["noise_floor"].mean().dropna()
        panel.plot(control.index, control, color=DENSE_COLOUR, linewidth=1.3, zorder=3)
        for cell, table in here:
            style = look(cell.pruner)
            panel.plot(
                table["n_models"],
                table["pie_share"],
                **style.plot(),
                markevery=max(1, len(table) // 6),
            )
            parts.append(
                table.assign(pruner=cell.pruner, amount=compression.token)[["pruner", "amount", *COLUMNS]]
            )
        panel.set_title(compression.text)
        panel.xaxis.get_major_locator().set_params(integer=True)
        layout.percent_axis(panel)
    everything = pd.concat(parts, ignore_index=True)
    layout.from_zero(axes, everything[["pie_share", "noise_floor"]].max())
    layout.outer_labels(axes, 3, "models on each side", "PIEs (% of examples)")
    handles = [layout.line_handle("noise floor", color=DENSE_COLOUR, linewidth=1.3)]
    handles += [layout.line_handle(name, **look(name).plot()) for name in names]
    layout.legend_below(figure, handles)
    title = f"Does the share of PIEs depend on the number of models? {dataset} · {arch}"
    figure.suptitle(title)
    counts = [float(table["n_models"].max()) for _, table in found]
    caption = (
        "Share of test examples that are PIEs against the number of models that vote on each side, mean over "
        f"subsets of the seeds, up to all {seeds_text(counts)}. Black: the noise floor, disjoint groups of as "
        "many dense models against each other, at most half of them. These groups share no seed, while each pruned "
        "model comes from the dense model of its seed. With one model: how often a pruned model differs from its "
        "dense model, and how often two dense models differ."
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, everything)
