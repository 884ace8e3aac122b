"""The page of classes and groups: over all cells of a data set and architecture, which of them lose answers."""

from __future__ import annotations

from statistics import median
from typing import Any

from prunescope.analysis.conditions import LEVEL
from prunescope.report import page
from prunescope.report.parts import MOST_CLASSES
from prunescope.report.sentences import count
from prunescope.site.findings import Payer, left_out, losses
from prunescope.site.inputs import Site


def render(site: Site) -> str:
    """The page ``report/classes.html``."""
    where = site.report / "classes.html"
    found = losses(site.numbers)
    names = dict.fromkeys((cell.dataset, cell.arch) for cell in site.numbers if cell.parts)
    blocks = [
        _block(name, [one for one in found if (one.cell.dataset, one.cell.arch) == name], site)
        for name in names
    ]
    return page.render(
        "classes.html",
        title=f"Classes & groups · {site.title}",
        study=site.title,
        navigation=site.navigation(where),
        blocks=blocks,
        level=LEVEL,
    )


def _block(name: tuple[str, str], found: list[Payer], site: Site) -> dict[str, Any]:
    """One data set and architecture with its classes and groups over the cells that are compared."""
    by_part: dict[tuple[str, str], list[Payer]] = {}
    for one in found:
        by_part.setdefault((one.part.kind, one.part.name), []).append(one)
    rows = [_row(own, site) for own in by_part.values()]
    rows.sort(key=lambda row: (-row["sure"], row["worst"].change))
    models = len({one.cell.name for one in found})
    sentence = f"No class or group is shown to lose answers under any of {count(models, 'compressed model')}."
    if any(row["sure"] for row in rows):
        first, paying = rows[0], len({one.cell.name for one in found if one.is_sure})
        sentence = (
            f"In {paying} of {count(models, 'compressed model')}, a class or group loses answers beyond chance; most "
            f"often {first['worst'].words}, in {first['sure']}."
        )
    more = ""
    if len(rows) > MOST_CLASSES:
        more = (
            f"Of {len(rows):,} classes and groups those {MOST_CLASSES} that lose most often and most; classes.csv of "
            "each model's cell has all."
        )
    dataset, arch = name
    left = left_out([cell for cell in site.numbers if (cell.dataset, cell.arch) == name])
    return {
        "dataset": dataset,
        "arch": arch,
        "anchor": f"{dataset}--{arch}",
        "rows": rows[:MOST_CLASSES],
        "sentence": " ".join(filter(None, [sentence if models else "", left, more])),
    }


def _row(own: list[Payer], site: Site) -> dict[str, Any]:
    """One class or group over its cells."""
    worst = min(own, key=lambda one: one.part.change)
    return {
        "name": worst.part.name,
        "n": worst.part.n,
        "sure": sum(one.is_sure for one in own),
        "of": len(own),
        "median": median(one.part.change for one in own),
        "worst": worst.part,
        "cell": worst.cell.name,
        "href": page.link(site.cells / worst.cell.page, site.report / "classes.html"),
    }
