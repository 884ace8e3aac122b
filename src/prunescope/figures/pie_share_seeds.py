"""Share of PIEs against the number of models that vote, with that of the dense models as a control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR

COLUMNS = ("n_models", "pie_share", "low", "high", "noise_floor")


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch): panels by compression level, a line per pruner."""
    for dataset, arch in source.pairs():
        tables = source.tables_of(source.of_pair(dataset, arch), "pie_share_by_seeds.csv", COLUMNS)
        found = [(cell, table) for cell, table in tables if len(table) > 1]
        if not found:
            source.skip(f"pie_share_seeds, {dataset} · {arch}", "fewer than two models vote")
            continue
        yield _figure(dataset, arch, found)


def _figure(dataset: str, arch: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Figure:
    found = sorted(found, key=lambda one: one[0].compression)
    data = pd.concat(
        [table.assign(pruner=cell.pruner, amount=cell.compression.token) for cell, table in found],
        ignore_index=True,
    )
    levels = [cell.compression.text for cell, _ in found]
    shown = data.assign(
        level=[text for text, (_, table) in zip(levels, found, strict=True) for _ in range(len(table))]
    )
    top = data[["pie_share", "noise_floor"]].max()
    scale = partial(_scale, top)
    figure, axes = layout.lines(
        shown, ("level",), "n_models", "pie_share", scale, under="models on each side"
    )
    layout.outer_labels(axes, 3, None, "PIEs (% of examples)")
    title = f"Does the share of PIEs depend on the number of models? {dataset} · {arch}"
    counts = [float(table["n_models"].max()) for _, table in found]
    caption = (
        "Share of test examples that are PIEs against the number of models that vote on each side, mean over "
        f"subsets of the seeds, up to all {seeds_text(counts)}. Black: the noise floor, disjoint groups of as "
        "many dense models against each other, at most half of them. These groups share no seed, while each pruned "
        "model comes from the dense model of its seed. With one model: how often a pruned model differs from its "
        "dense model, and how often two dense models differ. Grey lines: the pruners of the other panels."
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, data[["pruner", "amount", *COLUMNS]])


def _scale(top: pd.Series, panel: Any, rows: pd.DataFrame, own: Sequence[str]) -> None:
    # Dropped seeds apart, every cell of an architecture has the same dense models.
    control = rows.groupby("n_models")["noise_floor"].mean().dropna()
    panel.plot(control.index, control, color=DENSE_COLOUR, linewidth=1.3, zorder=3)
    panel.xaxis.get_major_locator().set_params(integer=True)
    layout.percent_axis(panel)
    layout.from_zero([panel], top)
