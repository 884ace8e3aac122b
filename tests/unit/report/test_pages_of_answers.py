"""Pages of scores, tags, spans and texts: the data set's own metrics, and right votes that are not written alike."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prunescope.analysis.audit import audit
from prunescope.analysis.leading import led
from prunescope.analysis.tables.cell import CellResults
from prunescope.config.compression import Compression
from prunescope.config.load import study_from
from prunescope.papers.results import PrunedCell, Results
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions
from prunescope.report import parts, sentences
from prunescope.report.audit_files import AuditFiles
from prunescope.report.audit_page import render
from prunescope.site import classes_page, explorer, overview
from prunescope.site import disagreements_table as disagreements
from prunescope.site.disagreements_page import payload
from prunescope.site.findings import CellNumbers, Part, losses, payers

TAGS = ("O", "B-PER", "I-PER")
#: By task: its data set's metrics, labels, and what the dense and the pruned models of both seeds say.
TASKS: dict[str, tuple[tuple[str, ...], Any, Any, Any]] = {
    "regression": (("pearson", "spearman"), [0.0, 1.0, 2.0, 4.0], [0.1, 1.1, 2.1, 3.5], [0.1, 2.0, 2.1, 4.1]),
    "tokens": (
        ("f1", "accuracy"),
        [[0, 1, 2, 0], [1, 0, 0], [0, 0, 0]],
        [[0, 1, 2, 0], [1, 0, 0], [0, 0, 0]],
        [[0, 0, 0, 0], [1, 0, 0], [0, 1, 0]],
    ),
    "span": (
        ("f1", "exact_match"),
        [["The Beatles", "Beatles (band)"], ["in 1999"], ["x"]],
        ["beatles", "1999", "x"],
        ["the big Beatles", "In 1999!", "x"],
    ),
    "text": (
        ("bleu", "chrf"),
        [["Ann has a dog.", "A dog is Ann's."], ["Bo runs."]],
        ["Ann has a dog.", "Bo"],
        ["Ann", "Bo runs."],
    ),
}


def audited(folder: Path, task: str) -> Path:
    metrics, label, *sides = TASKS[task]
    classes = TAGS if task == "tokens" else ()
    meta = TableMeta(task, classes, dataset="made", split="test", extra={"metrics": list(metrics)})
    for name, made in zip(("dense", "pruned"), sides, strict=True):
        values = np.array(made, dtype=np.float32) if task == "regression" else made
        true = np.array(label, dtype=np.float32) if task == "regression" else label
        blocks = [SeedBlock(seed, true, prediction=values) for seed in (0, 1)]
        write_predictions(folder / f"{name}.parquet", meta, blocks)
    audit([folder / "dense.parquet"], [folder / "pruned.parquet"], folder / "test", page=render)
    return folder / "test"


@pytest.mark.parametrize("task", TASKS)
def test_a_page_speaks_of_the_data_sets_own_metric(tmp_path: Path, task: str) -> None:
    folder = audited(tmp_path, task)
    page = (folder / "report.html").read_text()
    name = {"regression": "Pearson correlation", "tokens": "F1", "span": "F1", "text": "BLEU"}[task]
    assert f"Mean {name} over 2 seeds" in page
    assert f"On the PIEs, {name} is" in page
    assert f'<th scope="col" class="n">{name}, dense</th>' in page
    second = {
        "regression": "Spearman correlation",
        "tokens": "accuracy",
        "span": "exact match",
        "text": "chrF",
    }
    assert f'<th scope="row">{second[task]}</th>' in page
    raw = json.loads((folder / "summary.json").read_text())
    own = raw["task_metrics"][TASKS[task][0][0]]
    files = AuditFiles(folder)
    assert files.summary["dense_score"] == own["dense"] == files.seeds[0]["score_dense"]
    assert files.summary["pruned_score_on_pies"] == own["pruned_on_pies"]
    assert files.summary["task_metric"] == raw["metric"]


def test_the_metrics_of_the_pies_are_theirs_alone(tmp_path: Path) -> None:
    own = json.loads((audited(tmp_path, "tokens") / "summary.json").read_text())["task_metrics"]
    # The PIEs are the first and the third sentence, which hold one entity of two.
    assert own["f1"]["dense"] == own["f1"]["dense_on_pies"] == 1
    assert own["f1"]["pruned"] == pytest.approx(2 * 1 / (2 + 2))
    assert own["f1"]["pruned_on_pies"] == 0
    assert own["accuracy"]["pruned_on_pies"] == pytest.approx(4 / 7)
    assert own["f1"]["change_on_pies"]["mean"] == -1


def test_without_pies_there_are_no_scores_on_them(tmp_path: Path) -> None:
    meta = TableMeta("text", (), extra={"metrics": ["bleu", "rouge_l", "meteor", "chrf"]})
    for name in ("a", "b"):
        blocks = [SeedBlock(0, [["Ann runs."]], prediction=["Ann runs."])]
        write_predictions(tmp_path / f"{name}.parquet", meta, blocks)
    summary = audit([tmp_path / "a.parquet"], [tmp_path / "b.parquet"], tmp_path / "out", page=render)
    for own in summary["task_metrics"].values():
        assert own["dense_on_pies"] is own["pruned_on_pies"] is own["change_on_pies"] is None


@pytest.mark.parametrize(
    ("task", "right"),
    [
        # The tolerance is 0.171, a tenth of the labels' standard deviation.
        ("regression", {1: (True, False), 3: (False, True)}),
        ("tokens", {0: (True, False), 2: (True, False)}),
        ("span", {0: (True, False), 1: (False, True)}),
        ("text", {0: (True, False), 1: (False, True)}),
    ],
)
def test_right_votes_are_marked(tmp_path: Path, task: str, right: dict[int, tuple[bool, bool]]) -> None:
    folder = audited(tmp_path, task)
    found = {pie.example: (pie.dense_right, pie.pruned_right) for pie in AuditFiles(folder).pies}
    assert found == right
    page = (folder / "report.html").read_text()
    assert page.count('aria-label="correct"') == sum(map(sum, right.values()))


@pytest.mark.parametrize("task", TASKS)
def test_the_explorer_knows_right_votes_and_offers_classes_alone(tmp_path: Path, task: str) -> None:
    folder = audited(tmp_path, task)
    study = study_from(
        {
            "name": "s",
            "seeds": [0, 1],
            "datasets": {"made": {"source": "docstrings", "libraries": ["jinja2", "yaml"], "max_tokens": 8}},
            "archs": {"bilstm": {"family": "bilstm", "vectors": 4}},
            "grid": [{"datasets": ["made"], "archs": ["bilstm"], "pruners": ["MP"], "sparsities": [0.9]}],
        }
    )
    numbers = CellNumbers(
        "made", "bilstm", "MP", Compression.parse("sparsity-900permille"), AuditFiles(folder).summary
    )
    out = tmp_path / "examples"
    out.mkdir()
    explorer.write(study, [(numbers, tmp_path)], {}, out, [])
    text = (out / "made--test.js").read_text()
    key, content = json.loads(f"[{text[len('prunescope.split(') : -3]}]")
    assert key == "made--test"
    assert content["classes"] == (task == "tokens")
    if task == "tokens":
        assert content["right"] is None
        return
    pies = {pie.example: pie for pie in AuditFiles(folder).pies}
    for place, example in enumerate(content["examples"]):
        _, dense, pruned, *_ = content["votes"][place]
        right = content["right"][place]
        assert (dense in right, pruned in right) == (pies[example].dense_right, pies[example].pruned_right)


@pytest.mark.parametrize("task", TASKS)
def test_the_papers_table_of_disagreements_knows_right_votes(tmp_path: Path, task: str) -> None:
    folder = audited(tmp_path, task)
    cell = PrunedCell("made", "net", "MP", Compression.parse("sparsity-900permille"))
    results = Results(frozenset({cell}), {cell: CellResults(tmp_path, [], {})}, order=(cell.setup,))
    found = disagreements.write(results, lambda _: None, tmp_path / "table.parquet", most=100)
    page = payload(found.shown)
    assert page["classless"] == ([] if task == "tokens" else ["made"])
    right = {row[1]: (bool(row[8]), bool(row[9])) for row in page["rows"]}
    assert right == {pie.example: (pie.dense_right, pie.pruned_right) for pie in AuditFiles(folder).pies}


def test_several_answers_are_distinguished(tmp_path: Path) -> None:
    page = (audited(tmp_path, "span") / "report.html").read_text()
    assert "The Beatles | Beatles (band)" in page


def test_votes_on_scores_and_tags_are_reported_as_what_they_are(tmp_path: Path) -> None:
    scores = sentences.story(AuditFiles(audited(tmp_path / "scores", "regression")).summary)
    assert scores[1].startswith(
        "In the average seed, 2 of 4 examples (50.0%) change between within and beyond the tolerance"
    )
    assert scores[3].startswith(
        "The models' median score changes by more than the tolerance, 0.171, for 2 of 4"
    )
    page = (audited(tmp_path / "tags", "tokens") / "report.html").read_text()
    assert "changes for 2 of 3 examples (66.7%), on 3 of 10 tokens: these are" in page
    assert "“I-PER” has 10.0% of the tokens and 33.3% of the tokens whose vote changes" in page


def test_flips_of_sentences_are_not_compared_with_the_accuracy_of_tokens() -> None:
    summary = {"task": "tokens", "metric": "accuracy", "n_flips_mean": 30, "n_examples": 100}
    text = sentences.flips_sentence({**summary, "dense_score": 0.9, "pruned_score": 0.85})
    assert text == "In the average seed, 30 of 100 examples (30.0%) change between right and wrong."


def test_changes_of_correlations_are_no_points() -> None:
    change = {"mean": -0.1, "ci_low": -0.15, "ci_high": -0.05, "confidence": 0.99, "n_seeds": 2}
    summary = led(
        {
            "metric": "accuracy",
            "pie_share": 0.5,
            "task_metrics": {
                "matthews": {
                    "dense": 0.5,
                    "pruned": 0.4,
                    "dense_on_pies": 0.3,
                    "pruned_on_pies": 0.1,
                    "change": change,
                    "change_on_pies": None,
                }
            },
        }
    )
    cell = CellNumbers("cola", "bert", "MP", Compression.parse("sparsity-900permille"), summary)
    assert overview._mean_fact(cell).value == "−0.100"
    assert overview._mean_fact(cell).interval == "−0.150 to −0.050, 99% over seeds"
    (payer,) = payers([cell])
    assert overview._part_fact(payer).value == "−0.200"


def test_a_page_shows_the_classes_that_matter_of_many(tmp_path: Path) -> None:
    """1,000 classes: at most 200 rows, among them the one that pays, the one that gains and the largest."""
    rng = np.random.default_rng(0)
    classes = tuple(f"class {c}" for c in range(1000))
    label = np.concatenate(
        [np.repeat(np.arange(1000), 2), np.full(50, 70), np.full(20, 800), np.full(20, 801)]
    )
    dense = label.copy()
    dense[label == 801] = 0
    pruned = np.where(rng.random(len(label)) < 0.05, 999, label)
    pruned[label == 800] = 1
    meta = TableMeta("single-label", classes)
    for name, made in (("dense", dense), ("pruned", pruned)):
        write_predictions(tmp_path / f"{name}.parquet", meta, [SeedBlock(0, label, prediction=made)])
    audit([tmp_path / "dense.parquet"], [tmp_path / "pruned.parquet"], tmp_path / "out", page=render)
    page = (tmp_path / "out" / "report.html").read_text()
    table = page.split('id="classes-table"')[-1].split("</table>")[0]
    assert 150 <= table.count('<tr><th scope="row">') <= parts.MOST_CLASSES
    assert all(f"<bdi>class {c}</bdi>" in table for c in (70, 800, 801))
    assert "of 1,000 classes" in page
    assert '<a href="classes.csv">classes.csv</a> has all' in page
    assert (tmp_path / "out" / "classes.csv").read_text().count("\n") == 1001


def test_the_page_of_classes_shows_those_that_lose_most_of_many() -> None:
    parts_ = [Part("class", f"class {c}", 10, -c / 5000, p=0.01 if c % 2 else None) for c in range(5000)]
    summary = {"dense_score": 0.9, "pruned_score": 0.8, "task": "single-label"}
    cell = CellNumbers("names", "net", "MP", Compression.parse("sparsity-900permille"), summary, parts_)
    site: Any = SimpleNamespace(numbers=[cell], cells=Path("report/cells"), report=Path("report"))
    block = classes_page._block(("names", "net"), losses([cell]), site)
    assert [row["name"] for row in block["rows"]] == [f"class {c}" for c in range(4999, 4599, -2)]
    assert (
        "Of 5,000 classes and groups those 200 that lose most often and most; classes.csv"
        in block["sentence"]
    )
