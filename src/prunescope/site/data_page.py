"""The page of tables, data sets and figures, and that of all figures with the data behind each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunescope.analysis.tables.papers import TABLES as PAPER_TABLES
from prunescope.analysis.tables.registry import TABLES
from prunescope.errors import UserError
from prunescope.figures.registry import families
from prunescope.files import read_json, write_text
from prunescope.report import page
from prunescope.site.inputs import Site


def write(site: Site) -> None:
    """Write ``report/data.html`` and ``report/figures.html``."""
    where = site.report / "data.html"
    families = _families(site.figures, where, site.got.problems)
    about = {"study": site.title, "navigation": site.navigation(where)}
    figures = page.render(
        "figures.html",
        title=f"Figures · {site.title}",
        **about,
        families=families,
        contents=[(f"figure-{family['name']}", family["title"]) for family in families],
    )
    write_text(site.report / "figures.html", figures)
    meanings = {f"{name}.csv": table.caption for name, table in {**TABLES, **PAPER_TABLES}.items()}
    tables = [
        {"href": page.link(path, where), "name": path.name, "meaning": meanings.get(path.name, "")}
        for path in sorted(site.tables.glob("*.csv"))
    ]
    found = cards(site, where)
    contents = [("tables", "Tables")] if tables else []
    contents += [("figures", "Figures"), *([("data", "Data sets")] if found else [])]
    data = page.render(
        "data.html",
        title=f"Data · {site.title}",
        **about,
        tables=tables,
        families=families,
        cards=found,
        contents=[*contents, ("cite", "Cite and reproduce"), ("terms", "How to read")],
        versions=_versions(site),
    )
    write_text(where, data)


def _versions(site: Site) -> list[str]:
    """Revisions and packages that the models' records name."""
    found: dict[str, None] = {}
    for record in site.got.records.values():
        entries = [{"commit": revision} for revision in record.value.get("revisions") or ()]
        for entry in (*entries, *(record.value.get("versions") or ())):
            if isinstance(entry, dict):
                found |= dict.fromkeys(f"{name} {version}" for name, version in entry.items() if version)
    return list(found)


def cards(site: Site, where: Path) -> list[dict[str, Any]]:
    """The data sets' cards that can be read, with their warnings, and links from the page ``where``."""
    return [card for path in sorted(site.cards) if (card := _card(path, where, site.got.problems))]


def _card(path: Path, where: Path, problems: list[str]) -> dict[str, Any] | None:
    try:
        facts = read_json(path)
    except UserError as error:
        problems.append(str(error))
        return None
    beside = [path, path.with_suffix(".md")]
    return {
        "name": path.parent.name,
        "facts": facts,
        "warnings": facts.get("warnings", []) if isinstance(facts, dict) else [],
        "links": [{"href": page.link(p, where), "name": p.name} for p in beside if p.exists()],
    }


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
    for name, key in (("svg", "file"), ("pdf", "pdf"), ("png", "png"), ("data", "data")):
        path = folder / one.get(key, f"{Path(one['file']).stem}.{name}")
        found[name] = page.link(path, where) if path.exists() else None
        if found[name] is None:
            problems.append(f"{path}: no such file")
    found["size"] = page.figure_size(folder / one["file"])
    return found
