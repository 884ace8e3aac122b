"""`snakemake tune`: killed, resumed, and a study that can be run in the end."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from prunescope.config.load import load_study, study_from
from prunescope.tuning.job import tune_job
from prunescope.tuning.search import search

from .conftest import Workspace, changed

pytestmark = pytest.mark.workflow

SPACE = {"epochs": {"min": 10, "max": 20}, "lr": {"min": 1e-3, "max": 1e-1}}
STUDY_TO_TUNE = changed(tune={"evaluations": 4, "seed": 7, "spaces": {"digits": {"lenet5": SPACE}}})


def test_killed_search_goes_on_and_ends_in_a_study(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "tuned", STUDY_TO_TUNE)
    log = workspace.results / "logs/search/digits/lenet5.log"
    # The line of one that has ended; a slow one has lines of its epochs before.
    ended = re.compile(r"evaluation 1 of 4: \d+ epochs, lr")
    workspace.kill_when(lambda: log.is_file() and ended.search(log.read_text()), workspace.command("tune"))
    folder = workspace.results / "tuning/digits/lenet5"
    assert not (folder / "trials.csv").exists()

    assert workspace.snakemake("--unlock").returncode == 0
    done = workspace.snakemake("tune", "--rerun-incomplete")
    assert done.returncode == 0, done.stderr
    assert "resuming after" in log.read_text()
    assert "evaluation 1 of 4" not in log.read_text()
    with open(folder / "trials.csv", newline="") as stream:
        trials = list(csv.DictReader(stream))
    # Points of a random search do not depend on scores: those of one that was not disturbed.
    undisturbed = search(
        tune_job(study_from(STUDY_TO_TUNE), "digits", "lenet5"), "", tmp_path / "s.db", lambda *_: 0.5
    )
    assert [(int(t["number"]), int(t["epochs"]), float(t["lr"])) for t in trials] == [
        (e.number, e.epochs, e.lr) for e in undisturbed
    ]

    (best,) = (trial for trial in trials if trial["rank"] == "1")
    assert float(best["score"]) == max(float(trial["score"]) for trial in trials) > 0.5
    tuned = load_study(workspace.results / "tuning/tuned.yaml").training("digits", "lenet5")
    assert (tuned.epochs, tuned.lr, tuned.batch_size) == (int(best["epochs"]), float(best["lr"]), 64)
    assert {path.name for path in (folder / "figure").glob("search.*")} == {
        "search.svg",
        "search.pdf",
        "search.png",
    }
    assert not workspace.jobs("tune")

    # The tuned study runs as it is, beside the untuned one's results.
    (workspace.folder / "study.yaml").write_bytes((workspace.results / "tuning/tuned.yaml").read_bytes())
    assert workspace.jobs()["train"] == 2
    assert load_study(workspace.folder / "study.yaml").results == "results-tuned"


def test_tune_is_no_part_of_a_study(tmp_path: Path) -> None:
    plain, with_section = Workspace(tmp_path / "a"), Workspace(tmp_path / "b", STUDY_TO_TUNE)
    assert plain.jobs() == with_section.jobs()
    done = plain.snakemake("tune")
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith(
        "prunescope: error: tune: no data set and arch of the grid has a search space; add"
    )
    assert "Traceback" not in done.stderr
    assert not plain.results.exists()
