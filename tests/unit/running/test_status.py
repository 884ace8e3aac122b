"""What of a study is done, from results trees made up for it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from prunescope.cli import main
from prunescope.config.load import study_from
from prunescope.config.study import Study
from prunescope.errors import Problems
from prunescope.paths import Layout, fill
from prunescope.running.results_lock import ResultsLock
from prunescope.running.retraining import refuse_retraining, retrained_lines
from prunescope.running.status import status_of, status_text
from prunescope.running.workflow import WorkflowGrid

LAYOUT = Layout("results")

#: Snakemake 9's marker of a job that has begun: its output in base64, cut into folders where it is long.
LONG_OUTPUT = (
    "results/models/docstrings-topics-with-a-rather-long-name-of-a-data-set-that-goes-on/"
    "bert-with-a-very-long-name-that-does-not-stop-at-all/"
    "IMP-WR-and-something-longer-than-usual-for-a-pruner/sparsity-900permille/seeds-0-3/metrics.json"
)
LONG_MARKER = (
    "@cmVzdWx0cy9tb2RlbHMvZG9jc3RyaW5ncy10b3BpY3Mtd2l0aC1hLXJhdGhlci1sb25nLW5hbWUtb2YtYS1kYXRhLXNldC10"
    "aGF0LWdvZXMtb24vYmVydC13aXRoLWEtdmVyeS1sb25nLW5hbWUtdGhhdC1kb2VzLW5vdC1zdG9wLWF0LWFsbC9JTVAtV1It"
    "YW5kLXNvbWV0aGluZy1sb25nZXItdGhhbi11c3VhbC1mb3ItYS1wcnVuZXIvc3/BhcnNpdHktOTAwcGVybWlsbGUvc2VlZHM"
    "tMC0zL21ldHJpY3MuanNvbg=="
)
SHORT_OUTPUT = "results/models/docstrings/bert/IMP-WR/sparsity-900permille/seeds-0-3/metrics.json"
SHORT_MARKER = (
    "cmVzdWx0cy9tb2RlbHMvZG9jc3RyaW5ncy9iZXJ0L0lNUC1XUi9zcGFyc2l0eS05MDBwZXJtaWxsZS9zZWVkcy0wLTMvbWV0"
    "cmljcy5qc29u"
)


def put(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def metrics(seeds: tuple[int, ...], diverged: tuple[int, ...] = ()) -> str:
    models: list[dict[str, Any]] = [{"seed": s, "diverged": s in diverged} for s in seeds]
    for model in models:
        if model["diverged"]:
            model["reason"] = "loss is nan in epoch 2 of train"
    return json.dumps({"models": models})


@pytest.fixture
def study(study_dict) -> Study:
    return study_from(study_dict)


def path_of(study: Study, cell: int, block: str, file: str = "metrics.json") -> str:
    return fill(LAYOUT.model(file), study.cells[cell], block)


def log_of(study: Study, cell: int, block: str) -> str:
    rule = "train" if study.cells[cell].dense else "prune"
    return fill(LAYOUT.log(rule, "dataset", "arch", "pruner", "amount", "block"), study.cells[cell], block)


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[key] for key in ("models", "done", "running", "failed", "waiting"))


def test_nothing_has_begun(study, tmp_path):
    status = status_of(study, tmp_path)
    assert counts(status) == (26, 0, 0, 0, 26)
    assert [(row["dataset"], *counts(row)) for row in status["datasets"]] == [
        ("numbers", 20, 0, 0, 0, 20),
        ("prose", 6, 0, 0, 0, 6),
    ]
    assert status["report"] is None
    assert "report: not made yet" in status_text(status)


def begin(tmp_path: Path, *outputs: str, locked: bool) -> None:
    import base64

    for output in outputs:
        name = base64.b64encode(output.encode(), altchars=b"-_").decode()
        put(tmp_path / ".snakemake" / "incomplete" / name)
    if locked:
        ResultsLock(tmp_path / "results").take()


def test_done_running_failed_and_waiting(study, tmp_path):
    put(tmp_path / path_of(study, 0, "0-1"), metrics((0, 1)))
    put(tmp_path / path_of(study, 0, "2-3"), metrics((2, 3), diverged=(3,)))
    begin(tmp_path, path_of(study, 0, "4-4"), path_of(study, 1, "0-1"), locked=True)
    put(tmp_path / log_of(study, 0, "4-4"), "seed 4 ...\n")
    put(tmp_path / log_of(study, 3, "0-1"), "Traceback\n\nMemoryError: too large  \n")
    put(tmp_path / log_of(study, 7, "0-0"), "")
    put(tmp_path / "results" / "index.html")
    status = status_of(study, tmp_path)
    assert counts(status) == (26, 4, 3, 3, 16)
    assert status["failures"] == [
        {
            "what": "numbers lenet5 RP-AI sparsity-500permille seeds 0-1",
            "log": log_of(study, 3, "0-1"),
            "last_line": "MemoryError: too large",
        },
        {
            "what": "prose bilstm mine sparsity-700permille seeds 0-0",
            "log": log_of(study, 7, "0-0"),
            "last_line": "no output",
        },
    ]
    assert status["diverged"] == [
        "numbers lenet5 none sparsity-0permille seeds 2-3: seed 3: loss is nan in epoch 2 of train"
    ]
    assert status["report"] == "results/index.html"
    text = status_text(status)
    assert "small: 4 of 26 models done, 3 running, 3 failed, 16 waiting" in text
    assert "failed: numbers lenet5 RP-AI sparsity-500permille seeds 0-1: MemoryError: too large" in text
    assert "diverged: numbers" in text


def test_dense_models_at_chance_are_told(study, tmp_path):
    """60 of 100 where one class has half: p = .028, so they are not told from it at 1 %; 63 are (p = .006)."""
    models = [
        {"seed": seed, "diverged": False, "scores": {"test": {"accuracy": right}}}
        for seed, right in enumerate((0.6, 0.63))
    ]
    put(tmp_path / path_of(study, 0, "0-1"), json.dumps({"models": models}))
    card = {"task": "single-label", "splits": {"test": {"n_examples": 100, "majority_share": 0.5}}}
    put(tmp_path / "results" / "data" / "numbers" / "card.json", json.dumps(card))
    status = status_of(study, tmp_path)
    (line,) = status["at_chance"]
    assert line.startswith(
        "numbers, lenet5: 1 of 2 dense models are no better than the most frequent class alone"
    )
    assert "accuracy 60.0%, that class 50.0% of 100 test examples (exact binomial test, level 1%)" in line
    assert f"WARNING: {line}" in status_text(status)
    put(tmp_path / "results" / "data" / "numbers" / "card.json", json.dumps(card | {"task": "regression"}))
    assert status_of(study, tmp_path)["at_chance"] == []


def test_what_was_interrupted_waits(study, tmp_path):
    """After Ctrl-C or a crash of the machine the mark is there, the lock may not be."""
    put(tmp_path / log_of(study, 0, "0-1"), "seed 0 (1 of 2) in 3 s\n")
    put(tmp_path / path_of(study, 0, "2-3"), '{"models": [')
    begin(tmp_path, path_of(study, 0, "0-1"), path_of(study, 0, "2-3"), locked=False)
    status = status_of(study, tmp_path)
    assert counts(status) == (26, 0, 0, 0, 26)
    assert status["failures"] == status["damaged"] == []


@pytest.mark.parametrize("content", ["", '{"models": [', "[]", '{"models": [{"seed": 0}]}', '{"model": 1}'])
def test_damaged_metrics_are_named(study, tmp_path, content):
    path = path_of(study, 0, "0-1")
    put(tmp_path / path, content)
    status = status_of(study, tmp_path)
    assert status["damaged"] == [path]
    assert f"damaged: {path}: the next `prunescope run` rebuilds it" in status_text(status)


def test_marks_as_snakemake_writes_them(study, study_dict, tmp_path):
    from prunescope.running.status import recorded

    put(tmp_path / ".snakemake" / "incomplete" / LONG_MARKER)
    put(tmp_path / ".snakemake" / "incomplete" / SHORT_MARKER)
    put(tmp_path / ".snakemake" / "incomplete" / "x")  # no base64
    assert set(recorded(tmp_path, "incomplete")) == {LONG_OUTPUT, SHORT_OUTPUT}


def test_finished_models_of_other_settings_are_named_and_a_run_refuses_them(study, study_dict, tmp_path):
    """Records as Snakemake 9 writes them: the job's parameters, each as Python writes it."""

    def record(output: str, settings: str) -> None:
        name = base64.urlsafe_b64encode(output.encode()).decode()
        cut = [name[at : at + 200] for at in range(0, len(name), 200)]
        path = Path(tmp_path, ".snakemake", "metadata", *(f"@{part}" for part in cut[:-1]), cut[-1])
        put(path, json.dumps({"params": [repr(settings), "2"]}))

    assert retrained_lines(study, tmp_path) == []
    cell, metrics_path = study.cells[0], path_of(study, 0, "0-1")
    one = SimpleNamespace(
        dataset=cell.dataset, arch=cell.arch, pruner=cell.pruner, amount=cell.compression.token, block="0-1"
    )
    card = LAYOUT.data("card.json").format(dataset=cell.dataset)
    put(tmp_path / metrics_path, metrics((0, 1)))
    record(metrics_path, WorkflowGrid(study).job_settings(one))
    record(card, WorkflowGrid(study).dataset_settings(one))
    assert retrained_lines(study, tmp_path) == []

    before = json.loads(WorkflowGrid(study).job_settings(one))
    before["training"]["epochs"] = 77
    record(metrics_path, json.dumps(before))
    (line,) = retrained_lines(study, tmp_path)
    assert line.startswith(
        f"2 finished models of data set {cell.dataset} are of other settings (training.epochs: 77 -> "
    )
    assert line.endswith(") and would be trained again")
    assert retrained_lines(study, tmp_path, names=["another"]) == []
    with pytest.raises(Problems, match="or, to train them again, give `run --retrain`"):
        refuse_retraining(study, tmp_path, [cell.dataset])

    record(card, json.dumps({**json.loads(WorkflowGrid(study).dataset_settings(one)), "label": "grade"}))
    (line,) = retrained_lines(study, tmp_path)
    assert '(label: "grade" -> not given)' in line


def test_the_mark_is_the_one_this_snakemake_writes():
    persistence = pytest.importorskip("snakemake.persistence", reason="Snakemake is not installed")
    source = Path(persistence.__file__).read_text(encoding="utf-8")
    folder = Path(persistence.__file__).parent
    if folder.name == "persistence":
        source = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    assert "urlsafe_b64encode" in source
    assert '"incomplete"' in source


def test_as_json_and_as_text(study_dict, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml.safe_dump(study_dict))
    assert main(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert counts(status) == (26, 0, 0, 0, 26)
    assert main(["status"]) == 0
    assert capsys.readouterr().out.rstrip("\n") == status_text(status)
