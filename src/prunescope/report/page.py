"""The template environment: autoescaped, with numbers formatted in one way on all pages."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

import prunescope
from prunescope.report import sentences, svg


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
        score=sentences.score_text,
        signed_points=sentences.signed_points,
        sort_key=sort_key,
        meter=svg.bar,
        ratio_bar=svg.ratio_bar,
    )
    return env


def sort_key(value: float | None) -> str:
    """What a table's script sorts by; gaps are empty."""
    return "" if value is None else repr(value)


def render(template: str, **context: Any) -> str:
    """A whole page, its styles and script inside."""
    return (
        environment()
        .get_template(template)
        .render(css=asset("style.css"), js=asset("tables.js"), version=prunescope.__version__, **context)
    )


@cache
def asset(name: str) -> Markup:
    """A style sheet or script of this package, which is safe to inline as it is."""
    text = resources.files("prunescope.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text.strip())


def link(target: Path, page: Path) -> str:
    """The relative address of a file from a page, percent-encoded."""
    return quote(Path(os.path.relpath(target, page.parent)).as_posix())
