"""The template environment: autoescaped, with numbers formatted in one way on all pages."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import jinja2
from markupsafe import Markup

import prunescope
from prunescope.errors import visible
from prunescope.figures.style import pretty_metric
from prunescope.report import sentences, svg


class Link(NamedTuple):
    """One of the pages that every page leads to; ``here``: ``page`` where it is this one, ``true`` where its part."""

    name: str
    href: str
    here: str


#: The bar of a study's pages, below the folder of the first one.
BAR = {
    "Overview": "index.html",
    "Grid": "report/grid.html",
    "Examples": "report/examples.html",
    "Classes & groups": "report/classes.html",
    "Papers": "report/papers.html",
    "Data": "report/data.html",
}
#: Pages that belong to one of them, by the folder or file they are in.
_PARTS = {
    "report/cells": "Grid",
    "report/often": "Examples",
    "paper": "Papers",
    "report/figures.html": "Data",
}


def bar(root: Path, where: Path) -> list[Link]:
    """The bar of the page ``where``, of a study whose first page is ``root / "index.html"``."""
    name = where.relative_to(root).as_posix()
    part = next((of for place, of in _PARTS.items() if name == place or name.startswith(f"{place}/")), None)
    return [
        Link(title, link(root / file, where), "page" if file == name else "true" if title == part else "")
        for title, file in BAR.items()
    ]


@cache
def environment() -> jinja2.Environment:
    """Templates of this package; everything they print is escaped unless marked as safe."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("prunescope.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        percent=sentences.percent,
        number=sentences.number,
        count=sentences.count,
        p_value=p_value,
        score=sentences.score_text,
        metric=pretty_metric,
        signed_points=sentences.signed_points,
        supported=sentences.supported_points,
        sort_key=sort_key,
        change_of=sentences.change_text,
        unknown_scales=lambda rows: sentences.unknown_scales(map(vars, rows)),
        meter=svg.bar,
        ratio_bar=svg.ratio_bar,
    )
    return env


def p_value(p: float | None) -> str:
    """``0.03``, ``4e-8``; a dash where there is none."""
    return sentences.GAP if p is None else sentences.p_text(p).removeprefix("p ").removeprefix("= ")


def sort_key(value: float | None) -> str:
    """What a table's script sorts by; gaps are empty."""
    return "" if value is None else repr(value)


def render(template: str, **context: Any) -> str:
    """A whole page, its styles and script inside."""
    given = {"css": asset("style.css"), "js": asset("tables.js"), "version": prunescope.__version__}
    return visible(environment().get_template(template).render(**given, **context))


@cache
def asset(name: str) -> Markup:
    """A style sheet or script of this package, which is safe to inline as it is."""
    text = resources.files("prunescope.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text.strip())


def link(target: Path, page: Path) -> str:
    """The relative address of a file from a page, percent-encoded."""
    return quote(Path(os.path.relpath(target, page.parent)).as_posix())


def figure_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an SVG by its ``viewBox``, so that a page keeps its place free; None where it names none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            found = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', stream.read(2000))
    except OSError:
        return None
    return None if found is None else (round(float(found[1])), round(float(found[2])))


def query(chosen: Mapping[str, str]) -> str:
    """Choices as the part of an address after ``#``, which the page's script reads."""
    return urlencode(chosen, quote_via=quote)


def embedded(value: Any) -> Markup:
    """JSON that can stand inside a script element: no character in it can end one or start a comment."""
    return Markup(safe_json(value))


def safe_json(value: Any) -> str:
    """JSON without the characters that mean something to HTML or to older scripts."""
    text = visible(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
