"""The changes to Snakemake's SLURM executor, on the installed plugin."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from prunescope.running.slurm import executor
from prunescope.running.slurm.executor import Asked, adapt, beat, heartbeat, with_signal_in_time
from prunescope.running.slurm.queue import run_prefix
from prunescope.running.slurm.supervisor import Supervision, _hangs
from prunescope.running.slurm.watch import Watch

plugin = pytest.importorskip("snakemake_executor_plugin_slurm")


@pytest.fixture
def adapted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A copy of the plugin's module, with a class of its own, adapted to a results tree."""
    copy: Any = ModuleType("copy")
    copy.__dict__.update(plugin.__dict__)
    copy.Executor = type("Executor", (plugin.Executor,), {})
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", copy)
    monkeypatch.setattr(executor, "PAUSE", 0.01)
    return copy


def test_what_is_replaced_is_what_the_plugin_calls() -> None:
    source = inspect.getsource(plugin.Executor)
    for call in (
        "await query_job_status(\n                    status_command, self.logger",
        "= get_min_job_age()",
        "next(self.get_account_arg(job))",
        "call = get_submit_command(\n                job,",
        "self._report_job_error_threadsafe(\n                    SubmittedJobInfo(job),",
        "self._job_submission_executor.submit(self.run_job, job)",
        "self.workflow.executor_settings.jobname_prefix",
    ):
        assert call in source, call


def test_an_outage_is_waited_for_and_said_once(
    adapted: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([(None, None)] * 5 + [({"7": "RUNNING"}, 0.1)])

    async def query(command: str, logger: logging.Logger) -> Any:
        return next(answers)

    adapted.query_job_status = query
    adapt(tmp_path)
    with caplog.at_level(logging.WARNING):
        states, _ = asyncio.run(adapted.query_job_status("squeue", logging.getLogger("x")))
    assert states == {"7": "RUNNING"}
    assert [record.message.split(";")[0][:20] for record in caplog.records] == [
        "squeue: no answer",
        "squeue: answers agai",
    ]
    assert heartbeat(tmp_path).exists()
    assert adapted.get_min_job_age() > 10**9


def test_jobs_do_not_ask_the_controller_for_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    own = tmp_path / "scontrol"
    own.write_text(f"#!/bin/sh\ntouch {asked}\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    executor.ask_no_scontrol(tmp_path / "results")
    assert plugin.get_min_job_age() is None
    assert not asked.exists()


def test_jobs_that_may_wait_for_ever_are_told_once(
    adapted: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    async def query(command: str, logger: logging.Logger) -> Any:
        asked.append(command)
        return {"7": "PENDING:AssocGrpCPUMinutesLimit", "8": "PENDING:Priority", "9": "RUNNING:None"}, 0.1

    async def none(self: Any, jobs: Any) -> Any:
        return
        yield

    adapted.query_job_status = query
    adapted.Executor.check_active_jobs = none
    adapt(tmp_path)
    adapted.Executor.prunescope_asked.jobs = {"7", "8", "9"}
    command = plugin.query_job_status_squeue("run")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            states, _ = asyncio.run(adapted.query_job_status(command, logging.getLogger("x")))
    assert states == {"7": "PENDING", "8": "PENDING", "9": "RUNNING"}
    assert "%i|%T:%r" in asked[0]
    assert [record.message for record in caplog.records] == [
        "squeue: jobs wait for AssocGrpCPUMinutesLimit, which may not pass by itself; they stay in the queue"
    ]


def test_a_job_that_squeue_forgets_has_ended() -> None:
    asked = Asked({"1", "2"})
    assert asked.ended({"1", "2"}, 0) == []
    assert asked.ended({"1"}, 10) == []
    assert asked.ended({"1"}, 40) == []
    assert asked.ended({"1"}, 69) == []  # Shown last at 0, missed first at 10.
    assert asked.ended({"1"}, 70) == ["2"]
    assert asked.ended({"1", "2"}, 80) == []
    assert asked.ended({"1"}, 200) == []


def test_a_refusal_that_passes_is_tried_again_and_another_is_reported(adapted: Any, tmp_path: Path) -> None:
    reported: list[str] = []
    adapted.Executor._report_job_error_threadsafe = lambda self, job, msg: reported.append(msg)
    adapt(tmp_path)
    submitted: list[Any] = []
    said: list[str] = []
    self = SimpleNamespace(
        logger=SimpleNamespace(warning=said.append),
        _job_submission_executor=SimpleNamespace(submit=lambda run, job: submitted.append(job)),
        run_job=None,
    )
    refuse = "SLURM sbatch failed. The error message was 'sbatch: error: Batch job submission failed: {}'.\n"
    away, wrong = (
        refuse.format("Unable to contact slurm controller"),
        refuse.format("Invalid qos specification"),
    )
    for message in (away, away, wrong, "Job submission failed with exception: x"):
        adapted.Executor._report_job_error_threadsafe(self, SimpleNamespace(job=message), msg=message)
    for _ in range(200):
        if len(submitted) == 2:
            break
        asyncio.run(asyncio.sleep(0.01))
    assert submitted == [away, away]
    assert reported == [wrong, "Job submission failed with exception: x"]
    assert said == ["sbatch: Unable to contact slurm controller; tried again every 0 s"]


def test_a_plain_run_names_its_jobs_by_the_results_tree(
    adapted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    begun: list[str] = []
    adapted.Executor.__post_init__ = lambda self: begun.append(self.workflow.executor_settings.jobname_prefix)
    adapt(tmp_path)
    for prefix, expected in (("", run_prefix(tmp_path)), ("mine", "mine")):
        self = SimpleNamespace(
            workflow=SimpleNamespace(
                executor_settings=SimpleNamespace(jobname_prefix=prefix, init_seconds_before_status_checks=20)
            )
        )
        adapted.Executor.__post_init__(self)
        assert begun[-1] == expected


def test_an_account_goes_to_sbatch_as_it_is(adapted: Any, tmp_path: Path) -> None:
    adapt(tmp_path)
    for resources, expected in (
        ({"slurm_account": "a b"}, " -A 'a b'"),
        ({"slurm_account": "a,b"}, " -A a"),
        ({}, ""),
    ):
        job = SimpleNamespace(resources=resources)
        assert next(adapted.Executor.get_account_arg(SimpleNamespace(), job)) == expected


@pytest.mark.parametrize(
    ("minutes", "signal"),
    [(60, " --signal=USR1@120"), (3, " --signal=USR1@90"), (2, " --signal=USR1@30"), (1, " ")],
)
def test_the_warning_comes_after_the_start_of_a_short_job(minutes: int, signal: str) -> None:
    assert with_signal_in_time("sbatch --signal=USR1@120", minutes) == f"sbatch{signal}"


def test_the_heart_beats_in_cycles_without_jobs(adapted: Any, tmp_path: Path) -> None:
    async def check(self: Any, active_jobs: list[Any]) -> Any:
        for job in active_jobs:
            yield job

    adapted.Executor.check_active_jobs = check
    adapt(tmp_path)
    settings = SimpleNamespace(init_seconds_before_status_checks=20)
    self = SimpleNamespace(
        workflow=SimpleNamespace(executor_settings=settings), next_seconds_between_status_checks=170
    )

    async def cycle() -> list[Any]:
        return [job async for job in adapted.Executor.check_active_jobs(self, [])]

    assert asyncio.run(cycle()) == []
    assert heartbeat(tmp_path).exists()
    assert self.next_seconds_between_status_checks == 60


def test_a_heartbeat_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("")
    beat(tmp_path / "full")
    assert not heartbeat(tmp_path / "full").exists()


@pytest.mark.parametrize(
    ("age", "active", "hangs"), [(0, {"1"}, False), (500, {"1"}, True), (500, set(), False)]
)
def test_only_a_long_silence_with_jobs_is_a_hang(
    tmp_path: Path, age: float, active: set[str], hangs: bool
) -> None:
    beat(tmp_path)
    then = time.time() - age
    os.utime(heartbeat(tmp_path), (then, then))
    plan = Supervision(tmp_path / "study.yaml", tmp_path, patience=400)
    assert _hangs(plan, Watch(active=active)) is hangs
