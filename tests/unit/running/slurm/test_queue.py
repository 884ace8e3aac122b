"""What the queue holds, by a squeue of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunescope.running.slurm.queue import QueueError, jobs_of, run_prefix
from prunescope.running.slurm.supervisor import Supervision, _tell_of_jobs

UUID = "8a3c5c8e-1111-4222-8333-123456789abc"


def squeue(folder: Path, text: str, code: int = 0) -> None:
    script = folder / "squeue"
    script.write_text(f"#!/bin/sh\ncat <<'EOF'\n{text}EOF\nexit {code}\n")
    script.chmod(0o755)


def test_jobs_belong_to_a_results_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    mine, other = tmp_path / "mine", tmp_path / "other"
    squeue(
        tmp_path,
        f"1|{run_prefix(mine)}_{UUID}|RUNNING|None|rule_train_wildcards_digits\n"
        f"2|{run_prefix(other)}_{UUID}|PENDING|None|rule_train_wildcards_digits\n"
        f"3|{UUID}|RUNNING|None|rule_train_wildcards_of_another_workflow\n"
        f"4|{run_prefix(mine)}_{UUID}|COMPLETED|None|rule_cell_wildcards_a|b\n",
    )
    assert [(job.number, job.lives, job.rule) for job in jobs_of(mine)] == [
        ("1", True, "train_wildcards_digits"),
        ("4", False, "cell_wildcards_a|b"),
    ]
    assert [job.number for job in jobs_of(other)] == ["2"]


def test_a_queue_that_does_not_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    squeue(tmp_path, "", 1)
    with pytest.raises(QueueError, match="exit code 1"):
        jobs_of(tmp_path)


def test_jobs_that_outlive_a_failed_run_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    name = f"{run_prefix(tmp_path)}_{UUID}"
    squeue(
        tmp_path,
        f"1|{name}|RUNNING|None|rule_train\n2|{name}|PENDING|None|rule_cell\n3|{name}|FAILED|None|x\n",
    )
    plan = Supervision(tmp_path / "study.yaml", tmp_path)
    _tell_of_jobs(plan)
    assert "2 jobs of this run go on; the same command waits for them" in capsys.readouterr().err
    squeue(tmp_path, "", 1)
    _tell_of_jobs(plan)
    assert capsys.readouterr().err == ""
