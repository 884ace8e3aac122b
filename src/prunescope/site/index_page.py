"""The study's page: what was found, what is missing, the grid, and where everything is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.tables.declared import read_rows
from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.errors import UserError
from prunescope.files import read_json
from prunescope.papers import report_comparison as against_papers
from prunescope.papers.tables import CellClaims
from prunescope.report import page
from prunescope.report.sentences import count, is_share, metric_name
from prunescope.site import controls, grid, often, state, story
from prunescope.site.findings import CellNumbers, architecture_sentences, collapse_sentences, overall
from prunescope.site.inputs import Site
from prunescope.site.state import Key, key_of

#: What each table holds, for the list of links.
TABLES: dict[str, str] = {
    "effectiveness.csv": "score of all models, mean and standard deviation over seeds",
    "task_metrics.csv": "the data sets' own metrics, mean and standard deviation over seeds",
    "controls.csv": "change of the score from the dense model and from the control, trained alike and not pruned",
    "pie_share.csv": "how many examples are PIEs",
    "effectiveness_on_pies.csv": "score on PIEs, dense and pruned",
    "el2n_bins.csv": "PIEs by bin of EL2N score, training split",
    "data_map.csv": "PIEs by confidence and variability of the dense models over epochs, training split",
    "readability.csv": "readability and length of PIEs and of all texts",
    "alpha.csv": "recall distortion α with intervals and verdicts",
    "alpha_tests.csv": "tests between the αs of pruned models",
    "alpha_variants.csv": "α of recall, and of precision and F1 in its place",
    "alpha_intensification.csv": "α beside one slope of all models and the mean of intensifications",
    "recall_variance.csv": "variance of recall over classes",
    "changes.csv": "change of the score with its interval, harm and its test",
    "certainty.csv": "what probabilities lose: divergence, likelihood, calibration",
    "pie_intervals.csv": "PIE share with its interval over seeds, and the noise floor",
    "pie_share_by_seeds.csv": "PIE share and noise floor by number of models that vote",
    "agreement.csv": "loyalty to the dense model, and flips by direction",
    "spearman_pies.csv": "PIEs by rank correlation, several labels",
    "pruning_loss.csv": "task loss during gradual pruning",
    "layer_collapse.csv": "layers that pruning left without any weight, and in how many models",
    "objectives.csv": "score of one pruner under several objectives",
    "who_pays.csv": "PIEs that pruners share with magnitude pruning, and the number expected by chance",
    "slices.csv": "combinations of what is known of the test examples whose members are harmed beyond the rest",
    "groups.csv": "score, its change and harm by group",
    "who_pays_classes.csv": "change of recall by class, under magnitude pruning and under other pruners",
    "weights.csv": "weight matrices after pruning: remaining share, rank, concentration on rows and columns, megabytes",
    "weight_values.csv": "magnitudes of the remaining weights",
    "published.csv": "the papers' printed numbers beside ours",
    "published_tests.csv": "the recall paper's tests between alphas beside ours",
    "claims.csv": "the papers' claims and whether they hold here",
    "claims_by_cell.csv": "claims that each pruned cell can decide alone, and how many of them hold",
}

#: Lines of missing files and models on the page.
MOST_PROBLEMS = 200


def render(site: Site) -> str:
    """The page ``site.out``."""
    out, numbers = site.out, site.numbers
    tables = sorted(site.tables.glob("*.csv"))
    there = {path.name: page.link(path, out) for path in tables}
    data_cards = [card for path in sorted(site.cards) if (card := _card(path, out, site.got.problems))]
    constants = {card["name"]: _constant_score(card["facts"]) for card in data_cards}
    against = _against(site)
    found_problems = [*state.problems(site.counts), *dict.fromkeys(site.got.problems)]
    often_section = often.section(site.often, site.report / "often", out)
    try:
        claims = claims_by_cell(site.tables / "claims_by_cell.csv")
    except (UserError, KeyError, ValueError) as error:
        claims = {}
        found_problems.append(f"{site.tables / 'claims_by_cell.csv'}: cannot be read ({error})")
    contents = [("answer", "What was found"), ("state", "What was run"), ("grid", "Grid")]
    contents += [("often", "Who pays most often")] if often_section else []
    contents += [("networks", "By architecture")] if numbers else []
    contents += [("tables", "Tables")] if tables else []
    contents += [("data", "Data")] if data_cards else []
    contents += [("terms", "How to read")]
    return page.render(
        "index.html",
        title=site.title,
        navigation=site.navigation(out),
        studied=studied(site.scope),
        statements=[_statement(one, there, site) for one in _statements(site)],
        overall=[_statement(story.Statement(*one), there, site) for one in overall(numbers)],
        findings=_by_architecture(site, constants),
        state=state.sentence(site.counts),
        is_whole=not found_problems,
        problems=found_problems[:MOST_PROBLEMS],
        more_problems=max(len(found_problems) - MOST_PROBLEMS, 0),
        against=against,
        cells=[_row(cell, site.cells, out) for cell in numbers],
        grid_data=page.embedded(grid.payload(numbers, site.counts, claims, site.cells, out)),
        grid_script=page.asset("grid.js"),
        grid_style=page.asset("grid.css"),
        often=often_section,
        sheet_style=page.asset("sheet.css") if often_section else "",
        examples=page.link(site.report / "examples.html", out) if site.splits else None,
        explored=[split.summary for split in site.splits if split.split == "test"],
        cards=data_cards,
        tables=[
            {"href": href, "name": name, "meaning": TABLES.get(name, "")} for name, href in there.items()
        ],
        contents=contents,
    )


def _statements(site: Site) -> list[story.Statement]:
    numbers = site.numbers
    found = story.headlines(site.study, numbers)
    beside = controls.headline(controls.read(site.tables, site.got.problems))
    further = (story.above_the_floor(numbers), story.distortion(numbers), beside)
    found += [one for one in further if one is not None]
    return found


def _statement(one: story.Statement, there: dict[str, str], site: Site) -> dict[str, Any]:
    """The sentence with links to the tables that are there, and to the cell's page."""
    cell = one.cell
    return {
        "text": one.text,
        "links": [{"name": name, "href": there[name]} for name in one.tables if name in there],
        "cell": page.link(site.cells / cell.page, site.out) if cell is not None else None,
        "about": cell.name if cell is not None else "",
    }


def _by_architecture(site: Site, constants: dict[str, float | None]) -> list[dict[str, Any]]:
    by_pair: dict[tuple[str, str], list[CellNumbers]] = {}
    for cell in site.numbers:
        by_pair.setdefault((cell.dataset, cell.arch), []).append(cell)
    records = site.got.records
    return [
        {
            "dataset": dataset,
            "arch": arch,
            "sentences": [
                *architecture_sentences(cells, constants.get(dataset)),
                *collapse_sentences(
                    (cell.name, records[key_of(cell)].collapsed) for cell in cells if key_of(cell) in records
                ),
            ],
        }
        for (dataset, arch), cells in by_pair.items()
    ]


def _against(site: Site) -> str | None:
    """How the study compares with the papers, in a sentence."""
    try:
        found = against_papers.section(site.tables, site.out)
    except (UserError, KeyError, ValueError):
        # The page of the papers, written before this one, has reported it.
        return None
    if found is None:
        return None
    measured, cells = len(found["measured"]), sum(row["cells"] for row in found["numbers"])
    text = f"{found['holds']} of the {count(measured, 'claim')} of the papers that this study can decide hold in it"
    if found["n_open"]:
        text += f"; {found['n_open']} more are not measured"
    if not cells:
        return f"{text}."
    beside = "has one of ours beside it" if cells == 1 else "have one of ours beside them"
    return f"{text}. {count(cells, 'printed number')} {beside}."


def _row(cell: CellNumbers, pages: Path, out: Path) -> dict[str, Any]:
    names = ("pruned_score", "pie_share", "dense_score_on_pies", "pruned_score_on_pies", "task")
    return {
        "cell": cell,
        "amount": cell.compression.text,
        "summary": {name: cell.summary.get(name) for name in names},
        "metric": metric_name(cell.summary),
        "is_share": is_share(cell.summary),
        "change": cell.change,
        "floor": cell.summary.get("noise_floor"),
        "alpha": cell.alpha,
        "href": page.link(pages / cell.page, out),
    }


def claims_by_cell(table: Path) -> dict[Key, tuple[int, int]]:
    """By cell: how many claims hold, of how many it decides; none without the table.

    Raises:
        UserError: it cannot be read.
    """
    if not table.exists():
        return {}
    return {
        (row.dataset, row.arch, row.pruner, row.amount): (row.n_hold, row.n_decided)
        for row in read_rows(table, CellClaims)
    }


def _card(path: Path, out: Path, problems: list[str]) -> dict[str, Any] | None:
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
        "links": [{"href": page.link(p, out), "name": p.name} for p in beside if p.exists()],
    }


def _constant_score(card: Any) -> float | None:
    """Score of a constant answer on the test split, if the card has it."""
    try:
        return float(card["splits"]["test"]["constant_score"])
    except (KeyError, TypeError, ValueError):
        return None


def studied(cells: Sequence[Cell]) -> str:
    """Data sets, architectures, pruners, compression levels, seeds and models of a study, in a sentence."""
    pruned = [cell for cell in cells if not cell.dense]
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    archs = list(dict.fromkeys(cell.arch for cell in cells))
    pruners = list(dict.fromkeys(cell.pruner for cell in pruned))
    compressions = compressions_text({cell.compression for cell in pruned})
    seeds = sorted({len(cell.seeds) for cell in cells})
    models = sum(len(cell.seeds) for cell in cells)
    text = (
        f"{count(len(datasets), 'data set')} ({', '.join(datasets)}), "
        f"{count(len(archs), 'architecture')} ({', '.join(archs)})"
    )
    if pruners:
        text += f", {count(len(pruners), 'pruner')} ({', '.join(pruners)}), at {compressions}"
    spans = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0], "seed")
    return f"{text}; {spans} each, {count(models, 'model')} in all."


def compressions_text(compressions: Collection[Compression]) -> str:
    """``50%, 90%, level 1 to level 20``: levels of iterative magnitude pruning as a range."""
    levels = [compression.text for compression in sorted(compressions) if compression.kind == "level"]
    texts = [compression.text for compression in sorted(compressions) if compression.kind != "level"]
    return ", ".join([*texts, *(levels if len(levels) < 3 else [f"{levels[0]} to {levels[-1]}"])])
