"""The study's report: a page of findings with the grid, a page for every pruned cell, and the pages between."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import Key
from prunescope.analysis.tables.registry import Control
from prunescope.config.study import Study
from prunescope.errors import UserError
from prunescope.files import atomic_directory, remove, write_text
from prunescope.report import page
from prunescope.report.audit_files import AuditFiles, Pie
from prunescope.report.images import ImageTable, images_of_test
from prunescope.report.texts import texts_of_test
from prunescope.site import (
    cell_page,
    classes_page,
    controls,
    data_page,
    explorer,
    grid,
    often,
    overview,
    papers_page,
)
from prunescope.site.cell_page import Shown
from prunescope.site.findings import CellNumbers
from prunescope.site.inputs import Site, gather
from prunescope.site.often import Tally
from prunescope.site.papers_section import section as against_section
from prunescope.site.state import Live, counted, key_of

#: The folder below the results that holds the pages of an unfinished study, until those of the whole one are there.
SO_FAR = "so-far"


def build(
    *,
    study: Study,
    cells: Sequence[Path],
    tables: Path,
    figures: Path,
    cards: Sequence[Path],
    out: Path,
    live: Live | None = None,
) -> list[str]:
    """Write ``out`` and, beside it, ``report``; links are relative.

    ``report/grid.html`` has all cells, ``report/classes.html`` what classes and groups lose, ``report/data.html`` the
    tables and data sets, ``report/cells/*.html`` is a page per pruned cell, ``report/examples.html`` browses the
    examples on which majorities disagree (their texts and votes in ``report/examples/``), ``report/papers.html`` stands
    beside the papers, ``report/figures.html`` has the figures, and ``report/often/*.html`` is one per image data set
    with two or more pruned models: the examples that are PIEs of most of them.

    A file that is missing or cannot be read is named on the pages; the rest is written without it.

    Args:
        study: the configuration; of its data sets, those that have a card are reported.
        cells: cell folders ``.../<dataset>/<arch>/<pruner>/<amount>``; their ``models.json`` records
            how the models were made. Dense cells get no page.
        tables: folder of the cross-study tables.
        figures: folder with a folder per figure family, each with its ``figures.json``.
        cards: ``card.json`` files of data sets.
        out: the page to write, such as ``results/index.html``.
        live: the state of models without a record.

    Returns:
        What was missing or could not be read.

    Raises:
        UserError: a path is not that of a cell, the images of a data set are not those that were voted on, or a
            file cannot be written.
    """
    got = gather(study, cells)
    data = {Path(card).parent.name: Path(card).parent for card in cards}
    scope = [cell for cell in study.cells if not cell.control and (not data or cell.dataset in data)]
    site = Site(
        study,
        scope,
        got,
        counted(scope, got.records, live),
        Path(tables),
        Path(figures),
        [Path(card) for card in cards],
        Path(out),
        # Data cards stand beside the data tables that hold the texts.
        data,
    )
    with atomic_directory(site.report / "examples") as folder:
        site.splits = explorer.write(study, got.found, data, folder, got.problems)
    if not site.splits:
        remove(site.report / "examples")
    _cell_pages(site)
    _often_pages(site)
    _papers(site)
    data_page.write(site)
    write_text(site.report / "grid.html", grid.render(site))
    write_text(site.report / "classes.html", classes_page.render(site))
    write_text(site.report / "examples.html", _examples(site))
    write_text(site.out, overview.render(site))
    remove(site.out.parent / SO_FAR)
    return list(dict.fromkeys(got.problems))


def _cell_pages(site: Site) -> None:
    tallies: dict[str, tuple[Tally, ImageTable | None]] = {}
    texts: dict[str, Mapping[int, str] | None] = {}
    beside = {row.key: row for row in controls.read(site.tables, site.got.problems)}
    with atomic_directory(site.cells) as folder:
        for cell, where in site.got.found:
            shown = Shown(_texts(site, cell.dataset, texts), study_cells=tuple(site.numbers))
            if _has_images(site.study, cell.dataset):
                if cell.dataset not in tallies:
                    images = _images(site, cell.dataset)
                    tallies[cell.dataset] = (Tally(cell.dataset), images)
                tally, images = tallies[cell.dataset]
                shown = Shown(shown.texts, _every_pie(where), images, shown.study_cells)
                tally.add(cell, shown.pies)
            page_path = site.cells / cell.page
            text = cell_page.render(
                cell, where, site.study, site.got.records.get(key_of(cell)), shown, page_path, site.out,
                navigation=site.navigation(page_path), problems=site.got.problems,
                explored=_explored(site, cell, page_path), control=_control(site, cell, where, beside),
            )  # fmt: skip
            (folder / page_path.name).write_text(text, encoding="utf-8")
    site.often = [pair for pair in tallies.values() if pair[0].n_models >= often.FEWEST_MODELS]


def _control(site: Site, cell: CellNumbers, where: Path, rows: Mapping[Key | None, Control]) -> str | None:
    """The cell beside its control; None where the study has none."""
    record = site.got.records.get(key_of(cell))
    try:
        reached = CellResults(where, record.value["models"] if record is not None else [], {}).sparsity
    except (KeyError, TypeError):
        return None
    if reached is None:
        return None
    row = rows.get(Key(cell.dataset, cell.arch, cell.pruner, reached))
    return None if row is None else controls.sentence(row, cell.summary)


def _texts(site: Site, dataset: str, known: dict[str, Mapping[int, str] | None]) -> Mapping[int, str] | None:
    if dataset not in known:
        try:
            # One data set's at a time: all of them may not fit into memory.
            known.clear()
            known[dataset] = texts_of_test(site.data.get(dataset))
        except UserError as error:
            site.got.problems.append(str(error))
            known[dataset] = None
    return known[dataset]


def _images(site: Site, dataset: str) -> ImageTable | None:
    try:
        return images_of_test(site.data.get(dataset))
    except UserError as error:
        site.got.problems.append(str(error))
        return None


def _has_images(study: Study, dataset: str) -> bool:
    return dataset in study.datasets and study.datasets[dataset].input == "image"


def _every_pie(folder: Path) -> list[Pie]:
    return AuditFiles(folder / "test", max_pies=sys.maxsize, lenient=True).pies


def _explored(site: Site, cell: CellNumbers, where: Path) -> str | None:
    """The address of the explorer with this cell chosen."""
    if not any(split.dataset == cell.dataset for split in site.splits):
        return None
    chosen = {
        "set": f"{cell.dataset}--test", "network": cell.arch, "pruner": cell.pruner, "pruned": cell.compression.text,
    }  # fmt: skip
    return f"{page.link(site.report / 'examples.html', where)}#{page.query(chosen)}"


def _often_pages(site: Site) -> None:
    pages = site.report / "often"
    if not site.often:
        # Pages of an earlier run go.
        remove(pages)
        return
    with atomic_directory(pages) as folder:
        for tally, images in site.often:
            where = pages / often.file_name(tally)
            often.write(
                tally, images, folder, where=where, home=site.out, study=site.title,
                navigation=site.navigation(where),
            )  # fmt: skip


def _papers(site: Site) -> None:
    where = site.report / "papers.html"
    try:
        against, compared = against_section(site.tables, where), papers_page.quantities(site.tables)
    except (UserError, KeyError, ValueError) as error:
        site.got.problems.append(f"{site.tables}: published.csv or claims.csv cannot be read ({error})")
        against, compared = None, []
    text = page.render(
        "against.html",
        title=f"Papers · {site.title}",
        printed=page.link(printed, where)
        if (printed := site.out.parent / "paper" / "index.html").exists()
        else None,
        navigation=site.navigation(where),
        against=against,
        compared=compared,
        legend=papers_page.legend(),
        style=page.asset("against.css"),
    )
    write_text(where, text)


def _examples(site: Site) -> str:
    where = site.report / "examples.html"
    return page.render(
        "examples.html",
        title=f"Examples · {site.title}",
        navigation=site.navigation(where),
        study=site.title,
        splits=site.splits,
        often=[
            {
                "dataset": tally.dataset,
                "href": page.link(site.report / "often" / often.file_name(tally), where),
            }
            for tally, _ in site.often
        ],
        measures=explorer.MEASURES,
        data=page.embedded([split.entry for split in site.splits]),
        style=page.asset("printed.css"),
        script=page.asset("examples.js"),
    )
