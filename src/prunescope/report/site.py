"""The study's report: a page of findings and a page for every pruned cell."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.config import Amount, Cell, Study
from prunescope.errors import UserError
from prunescope.figures import FAMILIES, ON_PAPER_PAGES_ONLY
from prunescope.files import atomic_directory, read_json, write_text
from prunescope.layout import CellFolder
from prunescope.pruners import UNPRUNED
from prunescope.report import against_papers, cell_page, often, page
from prunescope.report.audit_files import AuditFiles, Pie
from prunescope.report.cell_page import ModelsFile, Shown
from prunescope.report.findings import CellNumbers, network_sentences, overall_sentences
from prunescope.report.images import PictureTable, pictures_of_test
from prunescope.report.often import Tally
from prunescope.report.sentences import count, is_share, metric_name
from prunescope.report.texts import texts_of_test

#: What each table holds, for the list of links.
TABLES: dict[str, str] = {
    "effectiveness.csv": "score of every network, mean and standard deviation over seeds",
    "task_metrics.csv": "the data sets' own metrics, mean and standard deviation over seeds",
    "pie_share.csv": "how many examples are PIEs",
    "effectiveness_on_pies.csv": "score on PIEs, unpruned and pruned",
    "el2n_bins.csv": "PIEs by bin of EL2N score, training split",
    "readability.csv": "readability and length of PIEs and of all texts",
    "alpha.csv": "recall distortion α with intervals and verdicts",
    "alpha_tests.csv": "tests between the αs of networks",
    "alpha_variants.csv": "α of recall, and of precision and F1 in its place",
    "alpha_intensification.csv": "α beside one slope of all models and the mean of intensifications",
    "recall_variance.csv": "variance of recall over classes",
    "pie_intervals.csv": "PIE share with its interval over seeds, and the noise floor it has to beat",
    "pie_share_by_seeds.csv": "PIE share and noise floor by number of models that vote",
    "agreement.csv": "loyalty to the unpruned model, and flips by direction",
    "spearman_pies.csv": "PIEs by rank correlation, several labels",
    "published.csv": "the papers' printed numbers beside ours",
    "published_tests.csv": "the recall paper's tests between alphas beside ours",
    "claims.csv": "the papers' claims and whether they hold here",
}


def build(
    *,
    study: Study,
    cells: Sequence[Path],
    tables: Path,
    figures: Path,
    cards: Sequence[Path],
    out: Path,
) -> None:
    """Write ``out`` and, beside it, ``report``; links are relative.

    ``report/cells/*.html`` is a page per pruned cell, ``report/often/*.html`` one per data set of pictures
    with two or more pruned networks: the examples that are PIEs of most of them.

    Args:
        study: the configuration; of its data sets, those that have a card are reported.
        cells: cell folders ``.../<dataset>/<arch>/<pruner>/<amount>``; ``models.json`` in them tells
            how the models were made. Unpruned ones get no page.
        tables: folder of the cross-study tables.
        figures: folder with a folder per figure family, each with its ``figures.json``.
        cards: ``card.json`` files of data sets.
        out: the page to write, such as ``results/index.html``.

    Raises:
        UserError: a file is missing or cannot be read, or the pictures of a data set are not those that
            were voted on.
    """
    folders = [CellFolder.at(Path(path)) for path in cells]
    known = (folder.path / "models.json" for folder in folders)
    records = [_models(path) for path in known if path.exists()]
    pruned = [folder for folder in folders if folder.pruner != UNPRUNED]
    found = sorted((_cell(folder) for folder in pruned), key=_order(study))
    pages = Path(out).parent / "report" / "cells"
    # Data cards stand beside the data tables that hold the texts.
    data = {Path(card).parent.name: Path(card).parent for card in cards}
    texts = {name: texts_of_test(data.get(name)) for name in dict.fromkeys(cell.dataset for cell, _ in found)}
    tallies: dict[str, tuple[Tally, PictureTable | None]] = {}
    with atomic_directory(pages) as folder:
        for cell, where in found:
            key = (cell.dataset, cell.arch, cell.pruner, cell.amount.token)
            name = cell_page.file_name(cell)
            about = next((record for record in records if record.key == key), None)
            shown = Shown(texts[cell.dataset])
            if _of_pictures(study, cell.dataset):
                if cell.dataset not in tallies:
                    tallies[cell.dataset] = (Tally(cell.dataset), pictures_of_test(data.get(cell.dataset)))
                tally, pictures = tallies[cell.dataset]
                shown = Shown(texts[cell.dataset], _every_pie(where), pictures)
                tally.add(cell, shown.pies)
            text = cell_page.render(cell, where, study, about, shown, pages / name, Path(out))
            (folder / name).write_text(text, encoding="utf-8")
    counted = [pair for pair in tallies.values() if pair[0].n_networks >= often.FEWEST_NETWORKS]
    _often_pages(study, counted, pages.parent / "often", Path(out))
    scope = [cell for cell in study.cells if not data or cell.dataset in data]
    often_section = often.section(counted, pages.parent / "often", Path(out))
    write_text(
        out,
        _index(
            study, scope, found, records, Path(tables), Path(figures), cards, pages, Path(out), often_section
        ),
    )


def _of_pictures(study: Study, dataset: str) -> bool:
    return dataset in study.datasets and study.datasets[dataset].input == "image"


def _every_pie(folder: Path) -> list[Pie]:
    return AuditFiles(folder / "test", max_pies=sys.maxsize).pies


def _often_pages(
    study: Study, counted: Sequence[tuple[Tally, PictureTable | None]], pages: Path, out: Path
) -> None:
    if not counted:
        # None of an earlier run stays behind.
        shutil.rmtree(pages, ignore_errors=True)
        return
    with atomic_directory(pages) as folder:
        for tally, pictures in counted:
            where = pages / often.file_name(tally)
            often.write(tally, pictures, folder, where=where, home=out, study=study.title or study.name)


def _index(
    study: Study,
    scope: Sequence[Cell],
    found: Sequence[tuple[CellNumbers, Path]],
    records: Sequence[ModelsFile],
    tables: Path,
    figures: Path,
    cards: Sequence[Path],
    pages: Path,
    out: Path,
    often_section: list[dict[str, Any]],
) -> str:
    numbers = [cell for cell, _ in found]
    networks = list(dict.fromkeys((cell.dataset, cell.arch) for cell in numbers))
    families = _families(figures, out)
    problems = model_problems(scope, records)
    table_links = [
        {"href": page.link(path, out), "name": path.name, "meaning": TABLES.get(path.name, "")}
        for path in sorted(tables.glob("*.csv"))
    ]
    data_cards = [_card(Path(card), out) for card in sorted(cards)]
    constants = {card["name"]: _constant_score(card["facts"]) for card in data_cards}
    contents = [("answer", "Findings")]
    contents += [("problems", "Problems")] if problems else []
    contents += [("cells", "All networks")]
    contents += [("often", "Who pays most often")] if often_section else []
    contents += [(f"figure-{family['name']}", family["title"]) for family in families]
    against = against_papers.section(tables, out)
    contents += [("papers", "Against the papers")] if against else []
    contents += [("data", "Data")] if data_cards else []
    contents += [("tables", "Tables")] if table_links else []
    contents += [("terms", "How to read")]
    return page.render(
        "index.html",
        title=study.title or study.name,
        studied=studied(scope),
        overall=overall_sentences(numbers),
        findings=[
            {
                "dataset": dataset,
                "arch": arch,
                "sentences": network_sentences(
                    [c for c in numbers if (c.dataset, c.arch) == (dataset, arch)], constants.get(dataset)
                ),
            }
            for dataset, arch in networks
        ],
        problems=problems,
        cells=[
            {
                "cell": cell,
                "amount": cell.amount.text,
                "summary": _with_gaps(cell.summary),
                "metric": metric_name(cell.summary),
                "is_share": is_share(cell.summary),
                "change": cell.change,
                "floor": cell.summary.get("noise_floor"),
                "alpha": cell.alpha,
                "href": page.link(pages / cell_page.file_name(cell), out),
            }
            for cell in numbers
        ],
        often=often_section,
        sheet_style=page.asset("sheet.css") if often_section else "",
        families=families,
        against=against,
        cards=data_cards,
        tables=table_links,
        contents=contents,
        paper=_paper(out),
    )


def _paper(out: Path) -> str | None:
    """Where the study's numbers are laid out as the papers print them, if they are."""
    printed = out.parent / "paper" / "index.html"
    return page.link(printed, out) if printed.exists() else None


def studied(cells: Sequence[Cell]) -> str:
    """What a study covers, from its cells."""
    pruned = [cell for cell in cells if not cell.dense]
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    archs = list(dict.fromkeys(cell.arch for cell in cells))
    pruners = list(dict.fromkeys(cell.pruner for cell in pruned))
    amounts = amounts_text({cell.amount for cell in pruned})
    seeds = sorted({len(cell.seeds) for cell in cells})
    models = sum(len(cell.seeds) for cell in cells)
    text = (
        f"{count(len(datasets), 'data set')} ({', '.join(datasets)}), "
        f"{count(len(archs), 'kind of network', 'kinds of network')} ({', '.join(archs)})"
    )
    if pruners:
        text += f", {count(len(pruners), 'pruner')} ({', '.join(pruners)}), pruned to {amounts}"
    spans = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0], "seed")
    return f"{text}; {spans} each, {count(models, 'model')} in all."


def amounts_text(amounts: Collection[Amount]) -> str:
    """``50%, 90%, level 1 to level 20``: the levels of a ladder, which are never left out, as a range."""
    levels = [amount.text for amount in sorted(amounts) if amount.kind == "level"]
    texts = [amount.text for amount in sorted(amounts) if amount.kind != "level"]
    return ", ".join([*texts, *(levels if len(levels) < 3 else [f"{levels[0]} to {levels[-1]}"])])


def model_problems(cells: Sequence[Cell], records: Sequence[ModelsFile]) -> list[str]:
    """Models that diverged, and models the study asks for that left no record."""
    known: dict[tuple[str, str, str, str], dict[int, bool]] = {}
    for record in records:
        entry = known.setdefault(record.key, {})
        entry.update({int(model["seed"]): bool(model["diverged"]) for model in record.models})
    found = []
    for cell in cells:
        entry = known.get((cell.dataset, cell.arch, cell.pruner, cell.amount.token), {})
        name = "unpruned" if cell.dense else f"{cell.pruner} at {cell.amount.text}"
        for what, seeds in (
            ("diverged", [seed for seed in cell.seeds if entry.get(seed)]),
            ("missing", [seed for seed in cell.seeds if seed not in entry]),
        ):
            if seeds:
                found.append(
                    f"{cell.dataset} · {cell.arch} · {name}: {count(len(seeds), 'model')} of "
                    f"{len(cell.seeds)} {what} (seed{'s' if len(seeds) > 1 else ''} "
                    f"{', '.join(map(str, seeds))})"
                )
    return found


def _cell(folder: CellFolder) -> tuple[CellNumbers, Path]:
    summary = AuditFiles(folder.path / "test").summary
    return CellNumbers(folder.dataset, folder.arch, folder.pruner, folder.amount, summary), folder.path


def _order(study: Study) -> Any:
    """Sorts cells as the study lists its data sets, networks and pruners."""
    datasets, archs, pruners = list(study.datasets), list(study.archs), list(study.all_pruners)

    def place(names: list[str], name: str) -> tuple[int, str]:
        return (names.index(name), "") if name in names else (len(names), name)

    def key(entry: tuple[CellNumbers, Path]) -> Any:
        cell = entry[0]
        return (
            place(datasets, cell.dataset),
            place(archs, cell.arch),
            place(pruners, cell.pruner),
            cell.amount,
        )

    return key


def _with_gaps(summary: Mapping[str, Any]) -> dict[str, Any]:
    names = ("pruned_score", "pie_share", "dense_score_on_pies", "pruned_score_on_pies", "task")
    return {name: summary.get(name) for name in names}


def _models(path: Path) -> ModelsFile:
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object; delete it and run again")
    return ModelsFile(path, value)


def _families(figures: Path, out: Path) -> list[dict[str, Any]]:
    """Figure families that have something to show, in their order, with links from the page."""
    found = []
    for name, title in FAMILIES.items():
        if name in ON_PAPER_PAGES_ONLY:
            continue
        index = figures / name / "figures.json"
        if not index.exists():
            continue
        value = read_json(index)
        pictures = [
            {
                "title": picture["title"],
                "caption": picture["caption"],
                "svg": page.link(figures / name / picture["file"], out),
                "png": page.link(figures / name / picture["png"], out),
                "data": page.link(figures / name / picture["data"], out),
            }
            for picture in value["figures"]
        ]
        if pictures:
            found.append({"name": name, "title": title, "figures": pictures, "skipped": value["skipped"]})
    return found


def _card(path: Path, out: Path) -> dict[str, Any]:
    facts = read_json(path)
    beside = [path, path.with_suffix(".md")]
    return {
        "name": path.parent.name,
        "facts": facts,
        "links": [{"href": page.link(p, out), "name": p.name} for p in beside if p.exists()],
    }


def _constant_score(card: Any) -> float | None:
    """What always answering the same scores on the test split, where the card says it."""
    try:
        return float(card["splits"]["test"]["constant_score"])
    except (KeyError, TypeError, ValueError):
        return None
