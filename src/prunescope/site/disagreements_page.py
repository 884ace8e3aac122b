"""The page to browse examples on which votes disagree: rows as JSON, images in a file per data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from prunescope.report import contact_sheet, page
from prunescope.report.images import images_of_test, png, tiled
from prunescope.site.disagreements_table import MOST_CHARACTERS, cut

#: A row: its cell, example, text, classes and votes by name, agreements, and whether the votes are right.
Record = Mapping[str, Any]

#: Rows on the page; all of them are in the table beside it.
MOST_ROWS = 12_000
#: Examples of a data set whose image is on the page: about 2.5 MB for CIFAR, 0.4 MB for MNIST.
MOST_IMAGES = 1000
_COLUMNS = 32


#: What the page's script needs of each data set's images; None for data sets whose data table is not there.
Images = dict[str, dict[str, Any] | None]


def draw_images(
    shown: Sequence[Record], datasets: Sequence[str], data: Mapping[str, Path], folder: Path
) -> Images:
    """Write ``pictures-<dataset>.png`` for every data set of images that has disagreements.

    Args:
        shown: the rows of the page. Examples with the most agreed rows come first, and ``MOST_IMAGES`` are drawn.
        datasets: those of images.
        data: folder of each data set's tables.

    Raises:
        UserError: a data table is not the one that was voted on.
    """
    found: Images = {}
    for dataset in datasets:
        rows = [row for row in shown if row["cell"].dataset == dataset]
        if not rows:
            continue
        table = images_of_test(data.get(dataset))
        if table is None:
            found[dataset] = None
            continue
        rows.sort(key=lambda row: (-(row["dense_agreement"] + row["pruned_agreement"]), row["example"]))
        labels = {row["example"]: row["true"] for row in reversed(rows)}
        chosen = list(dict.fromkeys(row["example"] for row in rows))[:MOST_IMAGES]
        images = [table.image(example, "|".join(labels[example])) for example in chosen]
        name, (width, height) = f"pictures-{dataset}.png", table.shown_size
        (folder / name).write_bytes(png(tiled(images, _COLUMNS)))
        positions = {str(example): position for position, example in enumerate(chosen)}
        held = {"file": name, "width": width, "height": height, "columns": _COLUMNS}
        found[dataset] = held | {"rows": -(-len(chosen) // _COLUMNS), "positions": positions}
    return found


def render(
    rows: Sequence[Record], total: int, images: Images, *, title: str, home: Path, table: Path, where: Path
) -> str:
    """The page ``where``, which shows ``rows`` and links to the page ``home`` and the full ``table`` of ``total``."""
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    there = {dataset: held for dataset, held in images.items() if held}
    return page.render(
        "disagreements.html",
        title=f"Examples on which pruned and dense models disagree · {title}",
        home=page.link(home, where),
        navigation=page.bar(home.parents[2], where),
        table=page.link(table, where),
        total=total,
        shown=len(rows),
        most_characters=MOST_CHARACTERS,
        has_texts=any(row["text"] is not None for row in rows),
        has_images=bool(there),
        missing=[contact_sheet.missing(dataset) for dataset in images if dataset not in there],
        choices={
            name: list(dict.fromkeys(getattr(cell, own) for cell in cells))
            for name, own in {"data set": "dataset", "architecture": "arch", "pruner": "pruner"}.items()
        }
        | {"level": [level.text for level in sorted({cell.compression for cell in cells})]},
        data=page.embedded(payload(rows) | {"images": there}),
        script=page.asset("disagreements.js"),
        style=page.asset("printed.css"),
    )


def payload(rows: Sequence[Record]) -> dict[str, Any]:
    """Rows as short lists of numbers; names and texts, which recur, stand once.

    ``rows``: cell, example, text (or -1), true classes, dense vote, pruned vote, their agreements, whether they are
    right. ``classless``: data sets whose labels are not classes.
    """
    cells, names, texts = (defaultdict[Any, int](count().__next__) for _ in range(3))
    short = [
        [
            cells[*row["cell"].setup, row["cell"].pruner, row["cell"].compression.text],
            row["example"],
            -1 if row["text"] is None else texts[cut(row["text"])],
            *([names[name] for name in side] for side in (row["true"], row["dense"], row["pruned"])),
            round(row["dense_agreement"], 3),
            round(row["pruned_agreement"], 3),
            int(row["dense_right"]),
            int(row["pruned_right"]),
        ]
        for row in rows
    ]
    return {
        "cells": [list(key) for key in cells],
        "names": list(names),
        "texts": list(texts),
        "rows": short,
        "classless": sorted({row["cell"].dataset for row in rows if not row["has_classes"]}),
    }
