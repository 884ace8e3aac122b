"""Distribution over classes of all examples and of PIEs: PIE paper, figures 2 and 6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import ordered

COLUMNS = ("class", "n_examples", "share_of_examples", "n_pies", "share_of_pies")
_LOW, _HIGH = "#E69F00", "#8A3800"
#: More classes than this are numbered by rank, since their names would not be legible.
_NAMED = 16
_PANELS = 3


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per pruner, at its lowest and its highest compression level."""
    for dataset, arch in source.pairs():
        found = []
        for cell in source.of_pair(dataset, arch):
            table = cell.table("classes.csv", COLUMNS)
            if table is not None and not table.empty:
                found.append((cell, table))
        if not any(table["n_pies"].sum() > 0 for _, table in found):
            source.skip(f"pie_classes, {dataset} · {arch}", "there are no classes or no PIEs")
            continue
        yield _figure(dataset, arch, found)


def _figure(dataset: str, arch: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Figure:
    names = ordered(cell.pruner for cell, _ in found)
    first = found[0][1].sort_values(["n_examples", "class"], ascending=[False, True], kind="stable")
    classes = first["class"].tolist()
    positions = range(1, len(classes) + 1)
    named = len(classes) <= _NAMED
    figure, axes = layout.panels(len(names), columns=_PANELS, height=2.2, share_y=True, share_x=True)
    parts: list[pd.DataFrame] = []
    seeds: list[float] = []
    for panel, pruner in zip(axes, names, strict=True):
        own = sorted(
            (pair for pair in found if pair[0].pruner == pruner), key=lambda pair: pair[0].compression
        )
        chosen = [own[0]] if len(own) == 1 else [own[0], own[-1]]
        handles: list[Any] = []
        panel.bar(positions, first["share_of_examples"], color="#c5cbd3", width=0.8, linewidth=0)
        for (cell, table), colour, marker in zip(chosen, (_LOW, _HIGH), ("o", "s"), strict=False):
            shares = table.set_index("class")["share_of_pies"].reindex(classes)
            shift = 0.0 if not named or len(chosen) == 1 else (-0.17 if cell is chosen[0][0] else 0.17)
            where = [position + shift for position in positions]
            if named:
                panel.vlines(where, 0, shares, color=colour, linewidth=1.2)
            handles += panel.plot(
                where, shares, color=colour, marker=marker, markersize=4.0 if named else 2.2, linewidth=1.0,
                linestyle="" if named else "-", label=cell.compression.text, clip_on=False,
            )  # fmt: skip
            part = table.assign(pruner=pruner, amount=cell.compression.token)
            parts.append(part[["pruner", "amount", *COLUMNS]])
            seeds.append(float(cell.summary.get("n_seeds") or "nan"))
        panel.set_title(pruner)
        panel.legend(
            loc="lower right", bbox_to_anchor=(1.0, 0.985), borderaxespad=0, ncols=2, fontsize=6.6,
            handlelength=1.3, columnspacing=0.8, handletextpad=0.4,
            handles=handles,
        )  # fmt: skip
        if named:
            panel.set_xticks(list(positions), [_clip(name) for name in classes])
            panel.tick_params(axis="x", rotation=90 if max(map(len, classes)) > 2 else 0)
        else:
            step = 5 if len(classes) <= 30 else 10
            panel.set_xticks([1, *range(step, len(classes) + 1, step)])
        layout.percent_axis(panel)
    layout.from_zero(
        axes, pd.concat([first["share_of_examples"], *(part["share_of_pies"] for part in parts)])
    )
    label = "class, most frequent first" + ("" if named else " (rank)")
    layout.outer_labels(axes, _PANELS, label, "share")
    from matplotlib.patches import Patch

    layout.legend_below(
        figure,
        [
            Patch(color="#c5cbd3", label="all test examples"),
            layout.line_handle("PIEs, least pruned", color=_LOW, marker="o", linewidth=1.2),
            layout.line_handle("PIEs, most pruned", color=_HIGH, marker="s", linewidth=1.2),
        ],
        columns=3 if len(names) > 1 else 2,
    )
    title = f"Which classes the PIEs belong to: {dataset} · {arch}"
    figure.suptitle(title)
    caption = (
        "Share of each class among all test examples (grey bars) and among the PIEs (points) at each "
        "pruner's lowest and highest compression level, named above each panel; classes by frequency"
        f"{'' if named else ' (their names are in the data)'}. Where a point "
        "is above its bar, the class pays more than its share. PIEs are majorities over "
        f"{seeds_text(seeds)}."
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, pd.concat(parts, ignore_index=True))


def _clip(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"
