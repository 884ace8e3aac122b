"""What a run says before it trains finished models again."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace as Record
from typing import Any

import pytest

from prunescope.running.holding import tell_of_replaced


class Jobs:
    """Jobs that Snakemake runs: (rule, wildcards, outputs, settings before, settings now)."""

    def __init__(self, *jobs: tuple[str, dict[str, str], list[Path], Any, Any]) -> None:
        self.jobs = {
            index: (
                Record(rule=Record(name=rule), wildcards=Record(**wildcards), output=output, number=index),
                None if before is None else Record(only_old={repr(before), "3"}, only_new={repr(now), "4"}),
            )
            for index, (rule, wildcards, output, before, now) in enumerate(jobs)
        }

    def needrun_jobs(self) -> list[Any]:
        return [job for job, _ in self.jobs.values()]

    def reason(self, job: Any) -> Any:
        return Record(params_changed=self.jobs[job.number][1])


def test_finished_models_that_are_trained_again_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = tmp_path / "metrics.json"
    done.touch()
    before = json.dumps({"label": "kind", "splits": {"test": 0.2}, "path": "d.csv"})
    now = json.dumps({"label": "mood", "splits": {"test": 0.3}, "path": "d.csv"})
    tell_of_replaced(
        Jobs(
            ("dataset", {"dataset": "mine"}, [tmp_path / "card.json"], before, now),
            ("train", {"dataset": "mine", "block": "0-4"}, [done], None, None),
            ("prune", {"dataset": "mine", "block": "5-6"}, [done], None, None),
            # Not finished: nothing is lost.
            ("prune", {"dataset": "mine", "block": "7-9"}, [done, tmp_path / "test.parquet"], None, None),
            ("cell", {"dataset": "mine"}, [done], before, now),
        )
    )
    said = capsys.readouterr().err
    assert said.startswith(
        "prunescope: WARNING: 7 finished models are trained again and replaced (mine: label kind -> mood, "
        "mine: splits.test 0.2 -> 0.3); "
    )
    assert said.count("\n") == 1


def test_new_models_are_no_reason_to_warn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = ("train", {"dataset": "mine", "block": "0-4"}, [tmp_path / "metrics.json"], None, None)
    tell_of_replaced(Jobs(new))
    assert capsys.readouterr().err == ""
