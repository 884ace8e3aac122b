"""The page of figures: every family with captions, SVG and PNG files, and the data behind each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunescope.errors import UserError
from prunescope.figures.registry import families
from prunescope.files import read_json
from prunescope.report import page
from prunescope.site.inputs import Site


def render(site: Site) -> str:
    """The page ``report/figures.html``."""
    where = site.report / "figures.html"
    families = _families(site.figures, where, site.got.problems)
    return page.render(
        "figures.html",
        title=f"Figures · {site.title}",
        navigation=site.navigation(where),
        families=families,
        contents=[(f"figure-{family['name']}", family["title"]) for family in families],
    )


def _families(figures: Path, where: Path, problems: list[str]) -> list[dict[str, Any]]:
    """Figure families that have something to show, in their order, with links from the page."""
    found = []
    for name, family in families().items():
        if not family.on_study_page:
            continue
        index = figures / name / "figures.json"
        try:
            value = read_json(index)
            drawn = [_figure(figures / name, one, where, problems) for one in value["figures"]]
            skipped = value["skipped"]
        except (UserError, KeyError, TypeError) as error:
            problems.append(str(error) if isinstance(error, UserError) else f"{index}: not a list of figures")
            continue
        if drawn:
            found.append({"name": name, "title": family.title, "figures": drawn, "skipped": skipped})
    return found


def _figure(folder: Path, one: dict[str, Any], where: Path, problems: list[str]) -> dict[str, Any]:
    """A figure's texts, and the addresses of those of its files that are there."""
    found: dict[str, Any] = {"title": one["title"], "caption": one["caption"]}
    for name, key in (("svg", "file"), ("png", "png"), ("data", "data")):
        path = folder / one[key]
        found[name] = page.link(path, where) if path.exists() else None
        if found[name] is None:
            problems.append(f"{path}: no such file")
    return found
