"""Writes ``paper/``: what the papers print, with a study's numbers; a folder each, drawn from its declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from prunescope.config.study import Study
from prunescope.errors import BadFileError
from prunescope.files import atomic_directory, read_json, write_text
from prunescope.papers import render
from prunescope.papers.layout import Figure, Paper, Table, titled
from prunescope.papers.layouts import PAPERS
from prunescope.papers.pie.layouts import PIE
from prunescope.papers.printed import PAPERS as TITLES
from prunescope.papers.results import Inputs, Results
from prunescope.report import page
from prunescope.report.texts import texts_of_test
from prunescope.site import disagreements_page, disagreements_table


def build(
    *, study: Study, cells: Sequence[Path], tables: Path, figures: Path, cards: Sequence[Path], out: Path
) -> None:
    """Write the folder ``out`` with ``papers.layouts.FILES``; it appears as a whole.

    Its ``index.html`` leads to the pages of those papers of which the study has something to show. Data sets of images
    add ``pie/pictures-<dataset>.png``, of which ``pie/disagreements.html`` shows parts.

    Args:
        study: the configuration; of its data sets, those that have a card are reported.
        cells: cell folders, dense ones too. Cells that the study asks for and that are not among them are blank.
        tables, figures: folder of the cross-study tables, and that with a folder per figure family.
        cards: ``card.json`` files of data sets, each beside its data tables.
        out: the folder to write, such as ``results/paper``; the study's page is one above.

    Raises:
        UserError: a file cannot be read, or the images of a data set are not those that were voted on.
    """
    out = Path(out)
    data = {Path(card).parent.name: Path(card).parent for card in cards}
    results = Results.read(study, data, cells, Path(tables))
    with atomic_directory(out) as folder:
        for paper in PAPERS:
            (folder / paper.name).mkdir()
        found = _browse(study, results, data, folder / PIE.name, out / PIE.name)
        inputs = Inputs(study, results, Path(tables), cards, found.samples(per_setup=2))
        for paper in PAPERS:
            _page(paper, inputs, Path(figures), folder / paper.name, out / paper.name)
        papers = [
            {"paper": paper, "numbers": ", ".join(name for name, _ in _anchors(paper.contents))}
            for paper in PAPERS
            if paper.has(inputs)
        ]
        _write(folder, out, study, "papers.html", "as the papers print it", titles=TITLES, papers=papers)


def _write(folder: Path, out: Path, study: Study, template: str, title: str, **parts: Any) -> None:
    name, where = study.title or study.name, out / "index.html"
    root = out.parent if template == "papers.html" else out.parents[1]
    navigation, home = page.bar(root, where), page.link(root / "index.html", where)
    text = page.render(
        template, title=f"{name}, {title}", study=name, navigation=navigation, home=home, **parts
    )
    (folder / "index.html").write_text(text, encoding="utf-8")


def _browse(
    study: Study, results: Results, data: Mapping[str, Path], folder: Path, out: Path
) -> disagreements_table.Disagreements:
    """The PIE paper's Table 1 as a whole, and the page that browses it."""
    (table,) = [table for table in PIE.tables if table.csv is None]
    (name,) = PIE.pages
    found = disagreements_table.write(
        results,
        lambda name: texts_of_test(data.get(name)),
        folder / table.file,
        most=disagreements_page.MOST_ROWS,
    )
    of_images = [dataset for dataset, spec in study.datasets.items() if spec.input == "image"]
    images = disagreements_page.draw_images(found.shown, of_images, data, folder)
    places = {"home": out / "index.html", "table": out / table.file, "where": out / name}
    text = disagreements_page.render(
        found.shown, found.total, images, title=study.title or study.name, **places
    )
    (folder / name).write_text(text, encoding="utf-8")
    return found


def _page(paper: Paper, inputs: Inputs, figures: Path, folder: Path, out: Path) -> None:
    """A paper's page, and the files of its tables."""
    where = out / "index.html"
    sections: list[dict[str, Any]] = []
    for part in paper.contents:
        if isinstance(part, Table):
            sections.append({"part": part, **_tables(part, inputs, folder)})
        elif (found := _figures(part, figures / part.family, where))["figures"] or not part.if_any:
            sections.append({"part": part, **found})
    _write(
        folder,
        out,
        inputs.study,
        "paper.html",
        f"as the {paper.key} paper prints it",
        papers=page.link(out.parent / "index.html", where),
        style=page.asset("printed.css"),
        paper=paper,
        full_title=TITLES[paper.key],
        anchors=_anchors([section["part"] for section in sections]),
        sections=sections,
        markup=markup,
    )


def _tables(table: Table, inputs: Inputs, folder: Path) -> dict[str, Any]:
    records = table.records(inputs)
    if table.csv is not None:
        render.write(table.csv, folder / table.file, records)
    grids = render.grids(table.view, records)
    write_text(folder / table.latex, render.latex_of(grids, Path(table.latex).stem))
    return {
        "note": f"{table.note} {table.more(inputs, records)}".strip(),
        "grids": [grid for grid in grids if not grid.folded],
        "folded": [grid for grid in grids if grid.folded],
    }


#: A figure's files: what a page calls them, and what the list of figures does.
_LINKS = {"svg": "file", "png": "png", "data": "data"}


def _figures(figure: Figure, folder: Path, where: Path) -> dict[str, Any]:
    """The figures of a family, those with the paper's numbers first; and what was left out and why."""
    index = folder / "figures.json"
    value = read_json(index) if index.exists() else {"figures": [], "skipped": []}
    try:
        found = [
            {name: one[name] for name in ("title", "caption")}
            | {name: page.link(folder / one[key], where) for name, key in _LINKS.items()}
            | {"number": figure.number(Path(one["file"]).stem, one.get("shows", ()))}
            | {"size": page.figure_size(folder / one["file"])}
            for one in value["figures"]
        ]
        return {"figures": sorted(found, key=lambda one: one["number"] is None), "skipped": value["skipped"]}
    except (KeyError, TypeError):
        raise BadFileError(index, "not a list of figures") from None


def _anchors(contents: Sequence[Table | Figure]) -> list[tuple[str, str]]:
    """Names, such as ``Table 1``, and anchors of a page's parts."""
    found = []
    for kind, parts in groupby(contents, lambda part: type(part).__name__):
        numbers = {part.numbers: part.anchor for part in reversed(list(parts))}
        found += [(titled(kind, own), anchor) for own, anchor in reversed(numbers.items())]
    return found


def markup(text: str) -> Markup:
    """``**bold**``, ```code``` and ``[class:text]`` of a note as HTML; everything else is escaped."""
    html = str(escape(text))
    html = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html)
    html = re.sub(r"`(.+?)`", r"<code>\1</code>", html)
    return Markup(re.sub(r"\[([a-z -]+):(.+?)\]", r'<span class="\1">\2</span>', html))
