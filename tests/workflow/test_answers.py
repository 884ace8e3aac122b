"""Questions, tags, texts and scores end to end: from the files of a data set to its pages; beside one that diverges."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from prunescope.predictions.task_metrics import METRICS

from . import made_data
from .conftest import STUDY as IMAGES
from .conftest import Workspace
from .test_runs import rows

pytestmark = pytest.mark.workflow

TRAINING = {"lr": 2e-3, "batch_size": 16, "finetune_epochs": 1}
SMALL = {
    "layers": 2,
    "heads": 4,
    "positions": 64,
    "vocabulary": 400,
    "initializer_range": 0.1,
    "dropout": 0.0,
}
STUDY: dict[str, Any] = {
    "name": "answers",
    "seeds": [0, 1],
    "datasets": {
        "questions": {"source": "squad", "max_tokens": 48, "stride": 16, "max_question": 8, "max_answer": 4},
        "tags": {"source": "conll2003", "max_tokens": 32},
        "scores": {"source": "glue_stsb", "max_tokens": 32},
        "records": {"source": "e2e", "max_tokens": 64},
        "digits": {"source": "digits", "training": {"lenet5": {"lr": 1e20}}},
    },
    "archs": {
        "lenet5": IMAGES["archs"]["lenet5"],
        "encoder": {
            "family": "encoder",
            **SMALL,
            "hidden": 32,
            "intermediate": 64,
            "block": 2,
            "training": {**TRAINING, "epochs": 5},
        },
        "gpt": {
            "family": "causal-lm",
            **SMALL,
            "hidden": 64,
            "block": 2,
            "max_new_tokens": 24,
            "training": {**TRAINING, "epochs": 3},
        },
    },
    "grid": [
        {
            "datasets": ["questions", "tags", "scores"],
            "archs": ["encoder"],
            "pruners": ["MP"],
            "sparsities": [0.9],
        },
        {"datasets": ["records"], "archs": ["gpt"], "pruners": ["MP"], "sparsities": [0.9]},
        {"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP"], "sparsities": [0.5]},
    ],
}

ARCH = {"questions": "encoder", "tags": "encoder", "scores": "encoder", "records": "gpt"}
METRIC = {"questions": "f1", "tags": "f1", "scores": "pearson", "records": "bleu"}
TASK = {"questions": "span", "tags": "tokens", "scores": "regression", "records": "text"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("answers")
    made = {
        "questions": made_data.squad(folder / "squad"),
        "tags": made_data.conll(folder / "conll"),
        "scores": made_data.stsb(folder / "stsb"),
        "records": made_data.e2e(folder / "e2e"),
    }
    sets = {name: {**STUDY["datasets"][name], "path": str(path)} for name, path in made.items()}
    workspace = Workspace(folder / "run", {**STUDY, "datasets": STUDY["datasets"] | sets})
    run = workspace.snakemake()
    assert run.returncode == 0, run.stderr[-4000:]
    return workspace


def table(workspace: Workspace, dataset: str, pruner: str = "none") -> Any:
    compression = "sparsity-0permille" if pruner == "none" else "sparsity-900permille"
    folder = workspace.results / "models" / dataset / ARCH[dataset] / pruner / compression / "seeds-0-1"
    return pq.read_table(folder / "test.parquet")


def trivial(dataset: str, workspace: Workspace) -> float:
    """The best score of an answer that looks at nothing: the commonest answer, or no entity at all."""
    labels = table(workspace, dataset)["label"].to_pylist()[:200]
    train = pq.read_table(workspace.results / "data" / dataset / "train.parquet")["label"].to_pylist()
    measure = METRICS[TASK[dataset]][METRIC[dataset]]
    if dataset == "tags":
        classes = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
        common = Counter(tag for row in train for tag in row if tag).most_common(1)[0][0]
        constants = [[np.full(len(row), tag) for row in labels] for tag in (0, common)]
        return max(measure(labels, one, classes) for one in constants)  # type: ignore[arg-type]
    answers = Counter(answer for row in train for answer in row).most_common(5)
    return max(measure(labels, [answer] * len(labels), ()) for answer, _ in answers)  # type: ignore[arg-type]


@pytest.mark.parametrize("dataset", list(ARCH))
def test_models_beat_an_answer_that_looks_at_nothing(done: Workspace, dataset: str) -> None:
    found = {
        row["pruner"]: row
        for row in rows(done.results / "tables/effectiveness.csv")
        if row["dataset"] == dataset
    }
    assert {row["metric"] for row in found.values()} == {METRIC[dataset]}
    # Of scores, the correlation of what is constant is none.
    baseline = 0.0 if dataset == "scores" else trivial(dataset, done)
    assert len(table(done, dataset)) == 2 * 200
    assert baseline < 0.6
    assert float(found["none"]["mean"]) > baseline + 0.3


@pytest.mark.parametrize("dataset", list(ARCH))
def test_prediction_tables_and_audits_have_the_documented_form(done: Workspace, dataset: str) -> None:
    written = table(done, dataset, "MP")
    meta = json.loads(written.schema.metadata[b"prunescope"])
    assert meta["task"] == TASK[dataset]
    assert meta["metrics"][0] == METRIC[dataset]
    types = {
        "questions": ("list<element: string>", "string"),
        "tags": ("list<element: int32>", "list<element: int32>"),
        "scores": ("float", None),
        "records": ("list<element: string>", "string"),
    }
    label, prediction = types[dataset]
    assert str(written.schema.field("label").type) == label
    if prediction is not None:
        assert str(written.schema.field("prediction").type) == prediction
    cell = done.results / "cells" / dataset / ARCH[dataset] / "MP" / "sparsity-900permille"
    summary = json.loads((cell / "test/summary.json").read_text())
    assert summary["n_examples"] == 200
    assert "alpha" not in summary
    pies = pq.read_table(cell / "test/pies.parquet").to_pylist()
    assert sum(row["is_pie"] for row in pies) == summary["n_pies"] > 0
    for row in pies:
        differ = row["dense_vote"] != row["pruned_vote"]
        if dataset == "scores":
            differ = abs(row["dense_vote"] - row["pruned_vote"]) > summary["tolerance"]
        assert row["is_pie"] == differ
    share = {row["dataset"]: row for row in rows(done.results / "tables/pie_share.csv")}
    assert int(share[dataset]["n_pies"]) == summary["n_pies"]


def test_tables_of_all_metrics_and_pages(done: Workspace) -> None:
    found = {
        (row["dataset"], row["pruner"], row["metric"])
        for row in rows(done.results / "tables/task_metrics.csv")
    }
    assert {m for d, p, m in found if (d, p) == ("records", "MP")} == {"bleu", "rouge_l", "meteor", "chrf"}
    assert {m for d, p, m in found if (d, p) == ("questions", "none")} == {"f1", "exact_match"}
    assert {m for d, p, m in found if (d, p) == ("tags", "MP")} == {"f1", "precision", "recall", "accuracy"}
    assert {row["dataset"] for row in rows(done.results / "tables/alpha.csv")} <= {"digits"}
    for dataset, arch in ARCH.items():
        page = done.results / f"report/cells/{dataset}--{arch}--MP--sparsity-900permille.html"
        text = page.read_text()
        assert "nan" not in text.lower().split()
        assert dataset in (done.results / "index.html").read_text()
    tags = (done.results / "report/cells/tags--encoder--MP--sparsity-900permille.html").read_text()
    assert "The table counts single tokens" in tags
    assert (
        "In paris" in (done.results / "report/cells/records--gpt--MP--sparsity-900permille.html").read_text()
    )


def test_diverged_seeds_are_reported_and_left_out(done: Workspace) -> None:
    record = done.results / "models/digits/lenet5/none/sparsity-0permille/seeds-0-1/metrics.json"
    models = json.loads(record.read_text())["models"]
    assert [model["diverged"] for model in models] == [True, True]
    assert "loss is" in models[0]["reason"]
    found = [row for row in rows(done.results / "tables/effectiveness.csv") if row["dataset"] == "digits"]
    assert [(row["mean"], row["n_seeds"]) for row in found] == [("", "0")] * 2
    assert "diverged" in (done.results / "index.html").read_text()


def test_an_audit_of_its_tables_says_the_same(done: Workspace, tmp_path: Path) -> None:
    from prunescope.cli import main

    for dataset, arch in ARCH.items():
        models = done.results / "models" / dataset / arch
        dense = models / "none/sparsity-0permille/seeds-0-1/test.parquet"
        pruned = models / "MP/sparsity-900permille/seeds-0-1/test.parquet"
        out = tmp_path / dataset
        assert main(["audit", "--dense", str(dense), "--pruned", str(pruned), "--out", str(out)]) == 0
        ours = json.loads((out / "summary.json").read_text())
        cell = done.results / "cells" / dataset / arch / "MP/sparsity-900permille/test/summary.json"
        theirs = json.loads(cell.read_text())
        # A cell knows more of its examples, in which slices are looked for.
        for summary in (ours, theirs):
            del summary["sources"], summary["slices"]
        assert ours == theirs
        assert (out / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("dataset", list(ARCH))
def test_exported_models_answer_the_same(
    done: Workspace, dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prunescope.cli import main

    arch = ARCH[dataset]
    models = done.results / "models" / dataset / arch / "MP/sparsity-900permille/seeds-0-1/models.safetensors"
    inputs = done.results / "data" / dataset / "inputs" / f"{arch}.safetensors"
    out = tmp_path / "small.safetensors"
    assert main(["export", str(models), "--seed", "1", "--inputs", str(inputs), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "at 90.0% sparsity" in said
    same = re.search(r"([\d.]+)% of the predictions are the same", said)
    assert same is not None
    # Scores are numbers, of which quantization moves every one a little.
    assert dataset == "scores" or float(same[1]) > 80
