"""The papers whose tables and figures a study's results are laid out as, in the order of the contents page."""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.papers.layout import Paper
from prunescope.papers.pie.layouts import PIE
from prunescope.papers.pins.layouts import PINS
from prunescope.papers.recall.layouts import RECALL

PAPERS: tuple[Paper, ...] = (PIE, RECALL, PINS)


def files_of(papers: Iterable[Paper]) -> tuple[str, ...]:
    """Everything below the folder ``paper``, its contents page first."""
    names = (
        f"{paper.name}/{name}" for paper in papers for name in ("index.html", *paper.pages, *paper.files)
    )
    return ("index.html", *names)


#: What the workflow waits for.
FILES = files_of(PAPERS)
