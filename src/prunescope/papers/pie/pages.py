"""The PIE paper's folder: its tables as CSV, and pages that lay them out as it prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.csv_text import write_csv
from prunescope.config.study import Study
from prunescope.papers import PIE_FILES, pictures
from prunescope.papers.pie import browser, datasets, disagreements, previews, scores
from prunescope.papers.pie.figures import FIGURES
from prunescope.papers.pie.parameters import parameters, parameters_csv
from prunescope.papers.results import Network, Results
from prunescope.report import page
from prunescope.report.images import pictures_of_test
from prunescope.report.sentences import metric_name
from prunescope.report.texts import texts_of_test

_SAMPLES = 2


def write(
    study: Study, results: Results, *, figures: Path, cards: Sequence[Path], folder: Path, out: Path
) -> None:
    """Write ``index.html``, ``disagreements.html`` and ``PIE_FILES`` into ``folder``.

    Data sets of pictures add ``pictures-<dataset>.png``, which ``disagreements.html`` shows piece by piece.

    Args:
        study: the configuration.
        results: what there is of it.
        figures: folder with a folder per figure family.
        cards: ``card.json`` files of data sets, each beside its data tables.
        folder: an empty folder, which will be moved to
        out: where links start from; the papers' contents page is one above, the study's two.

    Raises:
        UserError: a file cannot be read, or the pictures of a data set are not those that were voted on.
    """
    where = out / "index.html"
    title = study.title or study.name
    data = {Path(card).parent.name: Path(card).parent for card in cards}
    found = disagreements.write(
        results,
        lambda name: texts_of_test(data.get(name)),
        folder / "table-1-disagreements.parquet",
        most=browser.MOST_ROWS,
    )
    drawn = previews.write(
        found.shown,
        [name for name, dataset in study.datasets.items() if dataset.input == "image"],
        lambda name: pictures_of_test(data.get(name)),
        folder,
    )
    context = _write_tables(study, results, cards, folder)
    text = page.render(
        "pie.html",
        title=f"{title}, as the PIE paper prints it",
        study=title,
        home=page.link(out.parents[1] / "index.html", where),
        papers=page.link(out.parent / "index.html", where),
        style=page.asset("printed.css"),
        total=found.total,
        samples=disagreements.samples(found.shown, _SAMPLES),
        cut=browser.cut,
        figures=pictures.listing(FIGURES, Path(figures), where),
        files=PIE_FILES,
        **context,
    )
    (folder / "index.html").write_text(text, encoding="utf-8")
    text = browser.render(
        found,
        drawn,
        title=title,
        home=where,
        table=out / "table-1-disagreements.parquet",
        where=out / "disagreements.html",
    )
    (folder / "disagreements.html").write_text(text, encoding="utf-8")


def _write_tables(study: Study, results: Results, cards: Sequence[Path], folder: Path) -> dict[str, Any]:
    """The CSV files, and what the page prints of them."""
    compressions = results.compressions()
    shares, means, on_pies = (
        scores.pie_shares(results),
        scores.effectiveness(results),
        scores.on_pies(results),
    )
    counted, described = parameters(results), datasets.rows(study, cards)
    write_csv(folder / "table-4-pie-share.csv", *scores.pie_share_csv(shares, compressions))
    write_csv(folder / "table-5-parameters.csv", *parameters_csv(counted, compressions))
    write_csv(
        folder / "table-7-datasets.csv",
        datasets.COLUMNS,
        ([getattr(row, name) for name in datasets.COLUMNS] for row in described),
    )
    write_csv(folder / "table-9-effectiveness.csv", *scores.effectiveness_csv(results, means, compressions))
    write_csv(folder / "table-10-effectiveness-on-pies.csv", *scores.on_pies_csv(on_pies, compressions))
    return {
        "shares": [
            {"block": block, "floors": {pruner: scores.floor_of(cells) for pruner, cells in block.rows}}
            for block in shares
        ],
        "has_floor": any(
            cell.noise_floor is not None for block in shares for _, cells in block.rows for cell in cells
        ),
        "means": [{"block": block, "dense": _dense(results, block.network)} for block in means],
        "on_pies": on_pies,
        "parameters": counted,
        "datasets": described,
        "metric_of": {block.network: metric_name({"metric": block.metric or None}) for block in means},
    }


def _dense(results: Results, network: Network) -> Mapping[str, float | None]:
    return {name: results.of_dense(network, name) for name in ("mean", "std")}
