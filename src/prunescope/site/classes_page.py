"""The page of classes and groups: over all cells of a data set and architecture, which of them lose answers."""

from __future__ import annotations

from itertools import groupby
from statistics import median
from typing import Any

from prunescope.analysis.conditions import LEVEL
from prunescope.report import page
from prunescope.report.sentences import count
from prunescope.site.findings import CellNumbers, Part
from prunescope.site.inputs import Site


def render(site: Site) -> str:
    """The page ``report/classes.html``."""
    where = site.report / "classes.html"
    cells = [cell for cell in site.numbers if cell.parts]
    blocks = [
        _block(dataset, arch, list(own), site)
        for (dataset, arch), own in groupby(cells, lambda cell: (cell.dataset, cell.arch))
    ]
    return page.render(
        "classes.html",
        title=f"Classes & groups · {site.title}",
        study=site.title,
        navigation=site.navigation(where),
        blocks=blocks,
        level=LEVEL,
    )


def _block(dataset: str, arch: str, cells: list[CellNumbers], site: Site) -> dict[str, Any]:
    by_part: dict[tuple[str, str], list[tuple[CellNumbers, Part]]] = {}
    for cell in cells:
        for part in cell.parts:
            by_part.setdefault((part.kind, part.name), []).append((cell, part))
    rows = [_row(own, len(cells), site) for own in by_part.values()]
    rows.sort(key=lambda row: (-row["sure"], row["worst"].change))
    lost = [row for row in rows if row["sure"]]
    models = count(len(cells), "compressed model")
    sentence = f"No class or group is shown to lose answers under any of {models}."
    if lost:
        first = lost[0]
        sentence = (
            f"{len(lost)} of {count(len(rows), 'class or group', 'classes and groups')} lose answers beyond chance "
            f"under at least one of {models}; most often “{first['name']}”, under {first['sure']}."
        )
    return {
        "dataset": dataset,
        "arch": arch,
        "anchor": f"{dataset}--{arch}",
        "rows": rows,
        "sentence": sentence,
    }


def _row(own: list[tuple[CellNumbers, Part]], n_models: int, site: Site) -> dict[str, Any]:
    """One class or group over its cells; Holm's p-values of a model, times the number of models."""
    cell, worst = min(own, key=lambda pair: pair[1].change)
    sure = sum(part.p is not None and part.p * n_models < LEVEL and part.change < 0 for _, part in own)
    return {
        "name": worst.name,
        "n": worst.n,
        "sure": sure,
        "of": len(own),
        "median": median(part.change for _, part in own),
        "worst": worst,
        "cell": cell.name,
        "href": page.link(site.cells / cell.page, site.report / "classes.html"),
    }
