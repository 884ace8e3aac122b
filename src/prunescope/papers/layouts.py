"""The papers whose tables and figures a study's results are laid out as, in the order of the contents page."""

from __future__ import annotations

from prunescope.papers.layout import Paper
from prunescope.papers.pie.layouts import PIE
from prunescope.papers.pins.layouts import PINS
from prunescope.papers.recall.layouts import RECALL

PAPERS: tuple[Paper, ...] = (PIE, RECALL, PINS)

#: Everything below the folder ``paper``, its contents page first.
FILES: tuple[str, ...] = (
    "index.html",
    *(f"{paper.name}/{name}" for paper in PAPERS for name in ("index.html", *paper.pages, *paper.files)),
)
