"""The page to browse disagreements: rows as JSON inside it, drawn by its own script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.papers.pie.disagreements import Disagreements
from prunescope.papers.pie.previews import Previews
from prunescope.report import contact_sheet, page

#: Rows on the page; all of them are in the table beside it.
MOST_ROWS = 12_000
#: Longer texts are cut on the page.
MOST_CHARACTERS = 500


def render(found: Disagreements, drawn: Previews, *, title: str, home: Path, table: Path, where: Path) -> str:
    """The page ``where``, which links to the paper's page ``home`` and to the full ``table``.

    Args:
        drawn: pictures of the examples, in files beside the page.
    """
    places = list(dict.fromkeys(row.place for row in found.shown))
    return page.render(
        "disagreements.html",
        title=f"Examples on which pruned and unpruned models disagree · {title}",
        home=page.link(home, where),
        table=page.link(table, where),
        total=found.total,
        shown=len(found.shown),
        most_characters=MOST_CHARACTERS,
        has_texts=any(row.text is not None for row in found.shown),
        has_pictures=bool(drawn.found),
        missing=[contact_sheet.missing(dataset) for dataset in drawn.missing],
        choices={
            "data set": list(dict.fromkeys(place.network.dataset for place in places)),
            "network": list(dict.fromkeys(place.network.arch for place in places)),
            "pruner": list(dict.fromkeys(place.pruner for place in places)),
            "pruned": [compression.text for compression in sorted({place.compression for place in places})],
        },
        data=page.embedded(
            payload(found) | {"pictures": {name: one.payload for name, one in drawn.found.items()}}
        ),
        script=page.asset("disagreements.js"),
        style=page.asset("printed.css"),
    )


def payload(found: Disagreements) -> dict[str, Any]:
    """Rows as short lists of numbers; names and texts, which recur, stand once.

    ``rows``: cell, example, text (or -1), true classes, unpruned vote, pruned vote, their agreements, whether they are
    right. ``classless``: data sets whose labels are no classes.
    """
    cells: dict[tuple[str, ...], int] = {}
    names: dict[str, int] = {}
    texts: dict[str, int] = {}

    def numbered(known: dict[Any, int], value: Any) -> int:
        return known.setdefault(value, len(known))

    def classes(values: Sequence[str]) -> list[int]:
        return [numbered(names, value) for value in values]

    rows = []
    for row in found.shown:
        place = row.place
        key = (*place.network, place.pruner, place.compression.text)
        rows.append(
            [
                numbered(cells, key),
                row.example,
                -1 if row.text is None else numbered(texts, cut(row.text)),
                classes(row.true),
                classes(row.dense),
                classes(row.pruned),
                round(row.dense_agreement, 3),
                round(row.pruned_agreement, 3),
                int(row.dense_right),
                int(row.pruned_right),
            ]
        )
    return {
        "cells": [list(key) for key in cells],
        "names": list(names),
        "texts": list(texts),
        "rows": rows,
        "classless": sorted({row.place.network.dataset for row in found.shown if not row.has_classes}),
    }


def cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
