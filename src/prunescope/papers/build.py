"""Writes ``paper/``: what the papers print, with a study's numbers, a folder each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prunescope.config.study import Study
from prunescope.files import atomic_directory
from prunescope.papers.pie import pages as pie
from prunescope.papers.pins import pages as pins
from prunescope.papers.printed import PAPERS
from prunescope.papers.recall import pages as recall
from prunescope.papers.results import Results
from prunescope.report import page


def build(
    *,
    study: Study,
    cells: Sequence[Path],
    tables: Path,
    figures: Path,
    cards: Sequence[Path],
    out: Path,
) -> None:
    """Write the folder ``out`` with ``FILES``; it appears as a whole.

    Its ``index.html`` leads to the pages of those papers of which the study has something to show.

    Data sets of pictures add ``pie/pictures-<dataset>.png``, which ``pie/disagreements.html`` shows piece by piece.

    Args:
        study: the configuration; of its data sets, those that have a card are reported.
        cells: cell folders ``.../<dataset>/<arch>/<pruner>/<amount>``, unpruned ones too. Cells that the study
            asks for and that are not among them are blank.
        tables: folder of the cross-study tables.
        figures: folder with a folder per figure family.
        cards: ``card.json`` files of data sets, each beside its data tables.
        out: the folder to write, such as ``results/paper``; the study's page is one above.

    Raises:
        UserError: a file cannot be read, or the pictures of a data set are not those that were voted on.
    """
    out = Path(out)
    names = [Path(card).parent.name for card in cards]
    results = Results.read(study, names, cells, Path(tables))
    title = study.title or study.name
    where = out / "index.html"
    with atomic_directory(out) as folder:
        for name in ("pie", "recall", "pins"):
            (folder / name).mkdir()
        pie.write(study, results, figures=figures, cards=cards, folder=folder / "pie", out=out / "pie")
        has_alphas = recall.write(
            study, results, tables=Path(tables), figures=figures, folder=folder / "recall", out=out / "recall"
        )
        has_scores = pins.write(study, tables=Path(tables), folder=folder / "pins", out=out / "pins")
        text = page.render(
            "papers.html",
            title=f"{title}, as the papers print it",
            study=title,
            home=page.link(out.parent / "index.html", where),
            titles=PAPERS,
            has_pies=bool(results.places),
            has_alphas=has_alphas,
            has_scores=has_scores,
        )
        (folder / "index.html").write_text(text, encoding="utf-8")
