"""Distribution over classes of all examples and of PIEs: PIE paper, figures 2 and 6."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import ordered

COLUMNS = ("class", "n_examples", "share_of_examples", "n_pies", "share_of_pies")
#: More classes than this are numbered by rank, since their names would not be legible.
_NAMED = 24

#: Of more classes than this, those are drawn whose share of the PIEs is furthest from that of the examples.
_DRAWN = 100


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch): a row per pruner at its lowest and its highest compression level."""
    for dataset, arch in source.pairs():
        found = source.tables_of(source.of_pair(dataset, arch), "classes.csv", COLUMNS)
        if not any(table["n_pies"].sum() > 0 for _, table in found):
            source.skip(f"pie_classes, {dataset} · {arch}", "there are no classes or no PIEs")
            continue
        yield _figure(dataset, arch, found)


def _figure(dataset: str, arch: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Figure:
    first = found[0][1].sort_values(["n_examples", "class"], ascending=[False, True], kind="stable")
    classes = first["class"].tolist()
    parts, rows, seeds = [], {}, []
    for pruner in ordered(cell.pruner for cell, _ in found):
        own = sorted((cell.compression, cell, table) for cell, table in found if cell.pruner == pruner)
        for _, cell, table in own if len(own) == 1 else (own[0], own[-1]):
            by_class = table.set_index("class")
            more = by_class["share_of_pies"] - by_class["share_of_examples"]
            rows[f"{pruner} · {cell.compression.text}"] = more.reindex(classes)
            part = table.assign(pruner=pruner, amount=cell.compression.token)
            parts.append(part[["pruner", "amount", *COLUMNS]])
            seeds.append(cell.n_seeds)
    shown = pd.DataFrame(rows).T
    of = ""
    if len(classes) > _DRAWN:
        furthest = shown.abs().max().sort_values(ascending=False, kind="stable").index[:_DRAWN]
        of = f" Of {len(classes):,} classes those {_DRAWN} whose two shares differ most; all are in the data."
        classes = [name for name in classes if name in set(furthest)]
        shown = shown[classes]
    named = len(classes) <= _NAMED
    shown.columns = (
        [layout.clipped(name, 14) for name in classes] if named else list(range(1, len(classes) + 1))
    )
    figure, panel = layout.heatmap(
        100 * shown, "share of PIEs - share of examples (points)", center=0.0, form="+.0f"
    )
    if not named:
        every = [1, *range(10, len(classes) + 1, 10)]
        panel.set_xticks([at - 0.5 for at in every], every, rotation=0)
    panel.set_xlabel("class, most frequent first" + ("" if named else " (rank)"))
    title = f"Which classes the PIEs belong to: {dataset} · {arch}"
    caption = (
        "Share of each class among the PIEs minus its share among all test examples, in points, at each pruner's "
        "lowest and highest compression level; classes by frequency"
        f"{'' if named else ' (their names are in the data)'}. Above 0 (red), the class pays more than its share. PIEs "
        f"are majorities over {seeds_text(seeds)}; empty rows have none.{of}"
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, pd.concat(parts, ignore_index=True))
