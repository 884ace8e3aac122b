"""Snakemake's SLURM executor as this workflow needs it; the workflow applies this in Snakemake's own process.

What the plugin (2.8.0) does otherwise: it asks ``scontrol show config`` in every cycle and turns to sacct where that
fails or where MinJobAge is short; it lets three minutes pass between two questions, and waits for ever for a job that
squeue has forgotten; it forgets its jobs after an outage of five minutes; it gives up a job when sbatch cannot reach
the controller; it looks for an account with sacct.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunescope.running.results_lock import STATE
from prunescope.running.slurm.queue import run_prefix
from prunescope.running.slurm.refusals import passes, sbatch_message

_PLUGIN = "snakemake_executor_plugin_slurm"

#: Seconds between two tries of what the controller did not answer or refused for now; fewer where states are asked for
#: more often.
PAUSE = 15.0

#: A job that squeue has not shown in as many successive answers, over as many seconds, has ended.
ANSWERS, SECONDS = 3, 60.0

#: Reasons for which a job may wait for ever: a limit that only a person raises, a hold.
_STUCK = re.compile(
    r"Minutes|TimeLimit|WallDuration|Per(Job|Node)|held|Bad|Invalid|NotAllowed|PartitionNodeLimit",
    re.IGNORECASE,
)

_SIGNAL = re.compile(r"--signal=USR1@\d+")


def heartbeat(results: Path) -> Path:
    """A file that is touched in every cycle of the executor, by which its supervisor sees that it does not hang."""
    return results / STATE / "slurm-asked"


def beat(results: Path) -> None:
    """Touch the heartbeat. A full disk must not end the executor: without a beat it is started again."""
    with suppress(OSError):
        heartbeat(results).parent.mkdir(parents=True, exist_ok=True)
        heartbeat(results).touch()


@dataclass
class Asked:
    """The jobs whose states are asked for, and those that squeue does not show."""

    jobs: set[str] = field(default_factory=set)
    missing: dict[str, tuple[int, float]] = field(default_factory=dict)

    def ended(self, shown: Collection[str], now: float) -> list[str]:
        """Take in which jobs an answer shows; those that it and the answers before it have not shown.

        squeue forgets ended jobs after MinJobAge. How they ended is seen by their outputs.
        """
        found = []
        for job in self.jobs:
            if job in shown:
                self.missing.pop(job, None)
                continue
            count, since = self.missing.get(job, (0, now))
            self.missing[job] = (count + 1, since)
            if count + 1 >= ANSWERS and now - since >= SECONDS:
                found.append(job)
        self.missing = {job: seen for job, seen in self.missing.items() if job in self.jobs}
        return found


def adapt(results: Path) -> None:
    """Change the plugin where Snakemake has loaded it; without it, nothing."""
    plugin: Any = sys.modules.get(_PLUGIN)
    if plugin is not None and not hasattr(plugin.Executor, "prunescope_asked"):
        _adapt(plugin, results)


def _adapt(plugin: Any, results: Path) -> None:
    executor: Any = plugin.Executor
    executor.prunescope_asked = asked = Asked()
    begin, check, report = (
        executor.__post_init__,
        executor.check_active_jobs,
        executor._report_job_error_threadsafe,
    )
    query, submit_command = plugin.query_job_status, plugin.get_submit_command
    waits: set[str] = set()
    pause = PAUSE

    def post_init(self: Any, *arguments: Any, **options: Any) -> None:
        nonlocal pause
        # So that every run's jobs are known as those of its results tree, a plain Snakemake's too.
        if not self.workflow.executor_settings.jobname_prefix:
            self.workflow.executor_settings.jobname_prefix = run_prefix(results)
        begin(self, *arguments, **options)
        pause = min(PAUSE, self.workflow.executor_settings.init_seconds_before_status_checks)
        ask_no_scontrol(results)

    async def check_active_jobs(self: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        # In every cycle, also in those without jobs: the first job of a cycle must not look like a long silence.
        beat(results)
        asked.jobs = {job.external_jobid for job in active_jobs}
        async for job in check(self, active_jobs):
            yield job
        shortest = self.workflow.executor_settings.init_seconds_before_status_checks
        self.next_seconds_between_status_checks = min(self.next_seconds_between_status_checks, 3 * shortest)

    async def query_job_status(command: str, logger: Any) -> tuple[dict[str, str], float]:
        silent = 0.0
        while True:
            beat(results)
            # The reason beside the state: the plugin's reader takes them for one.
            answer, seconds = await query(command.replace("%i|%T", "%i|%T:%r"), logger)
            if answer is not None:
                break
            if not silent:
                silent = time.monotonic()
                logger.warning(f"squeue: no answer; asked again every {pause:.0f} s, and jobs that run go on")
            await asyncio.sleep(pause)
        if silent:
            logger.warning(f"squeue: answers again after {time.monotonic() - silent:.0f} s")
        states = {job: state.partition(":")[0] for job, state in answer.items()}
        for reason in sorted({state.partition(":")[2] for job, state in answer.items() if job in asked.jobs}):
            if _STUCK.search(reason) and reason not in waits:
                waits.add(reason)
                logger.warning(
                    f"squeue: jobs wait for {reason}, which may not pass by itself; they stay in the queue"
                )
        gone = asked.ended(states, time.monotonic())
        return {**dict.fromkeys(gone, "UNKNOWN"), **states}, seconds

    def report_job_error(self: Any, job: Any, msg: str) -> None:
        message = sbatch_message(msg)
        if not passes(message):
            report(self, job, msg)
            return
        if message not in waits:
            waits.add(message)
            self.logger.warning(f"sbatch: {message}; tried again every {pause:.0f} s")

        def again() -> None:
            try:
                self._job_submission_executor.submit(self.run_job, job.job)
            except RuntimeError:  # Snakemake ends.
                report(self, job, msg)

        timer = threading.Timer(pause, again)
        timer.daemon = True
        timer.start()

    def get_account_arg(self: Any, job: Any) -> Iterator[str]:
        # As the plugin does, the first of several.
        account = str(job.resources.get("slurm_account") or "").partition(",")[0].strip()
        yield f" -A {plugin.shlex.quote(account)}" if account else ""

    def get_submit_command(job: Any, *arguments: Any, **options: Any) -> str:
        return with_signal_in_time(submit_command(job, *arguments, **options), job.resources.get("runtime"))

    executor.__post_init__ = post_init
    executor.check_active_jobs = check_active_jobs
    executor._report_job_error_threadsafe = report_job_error
    executor.get_account_arg = get_account_arg
    plugin.query_job_status = query_job_status
    plugin.get_submit_command = get_submit_command
    plugin.get_min_job_age = lambda: sys.maxsize


def ask_no_scontrol(results: Path) -> None:
    """Put a ``scontrol`` that answers nothing in front, for this process and its jobs.

    Wherever the plugin is imported, twice in each job, it asks the controller for its settings, and uses none of them
    here.
    """
    with suppress(OSError):
        silent = (results / STATE / "bin").absolute() / "scontrol"
        silent.parent.mkdir(parents=True, exist_ok=True)
        silent.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        silent.chmod(0o755)
        os.environ["PATH"] = f"{silent.parent}{os.pathsep}{os.environ['PATH']}"


def with_signal_in_time(command: str, minutes: Any) -> str:
    """``command`` for sbatch with a warning that comes after the job's start.

    SLURM sends a signal up to a minute earlier than it is asked to. A job of a minute gets none.
    """
    try:
        seconds = min(120, int(minutes) * 60 - 90)
    except (TypeError, ValueError):
        return command
    return _SIGNAL.sub(f"--signal=USR1@{seconds}" if seconds > 0 else "", command)
