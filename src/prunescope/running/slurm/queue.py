"""What the queue holds of a results tree, through squeue and scancel."""

from __future__ import annotations

import getpass
import hashlib
import os
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prunescope.errors import UserError

#: States of a job that is not over. One that was preempted or requeued is PENDING again.
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
RUNNING = frozenset(
    {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"}
)

#: Seconds after which a query counts as failed.
TIMEOUT = 60


class QueueError(Exception):
    """The controller did not answer, or refused."""


@dataclass(frozen=True)
class QueuedJob:
    """``name``: of the run that submitted it. ``rule``: what it runs, with its wildcards.

    ``reason``: why it waits, in SLURM's word; ``None`` where it does not.
    """

    number: str
    name: str
    state: str
    reason: str
    rule: str

    @property
    def waits(self) -> bool:
        return self.state in WAITING

    @property
    def lives(self) -> bool:
        return self.state in WAITING or self.state in RUNNING


def run_prefix(results: Path) -> str:
    """What the names of all jobs of a results tree begin with."""
    return f"prunescope-{hashlib.sha256(str(results.resolve()).encode()).hexdigest()[:12]}"


def jobs_of(results: Path) -> list[QueuedJob]:
    """The user's jobs that write into a results tree: those whose names begin with its prefix.

    Raises:
        QueueError: squeue failed.
    """
    text = _client(
        ["squeue", "--noheader", "--states=all", f"--user={getpass.getuser()}", "--format=%i|%j|%T|%r|%k"]
    )
    rows = (line.split("|", 4) for line in text.splitlines())
    return [
        QueuedJob(number, name, state, reason, comment.removeprefix("rule_"))
        for number, name, state, reason, comment in rows
        if name.startswith(f"{run_prefix(results)}_")
    ]


def supervisor_name(results: Path) -> str:
    """The name of a supervisor that is a job itself."""
    return run_prefix(results).replace("prunescope-", "prunescope-supervisor-")


def submit_supervisor(
    command: Sequence[str], results: Path, log: Path, partition: str, minutes: int | None
) -> str:
    """Submit a supervisor as a job that goes back to the queue when its time is up; returns its number.

    Raises:
        UserError: sbatch refuses.
    """
    options = [f"--partition={partition}"] if partition else []
    options += [f"--time={minutes}"] if minutes else []
    try:
        answer = _client(
            [
                *("sbatch", "--parsable", f"--job-name={supervisor_name(results)}", f"--output={log}"),
                *("--open-mode=append", "--mem=2000", "--requeue", "--signal=B:USR1@120", *options),
                *("--wrap", f"exec {shlex.join(command)}"),
            ]
        )
    except QueueError as error:
        raise UserError(f"sbatch: {error}") from None
    return answer.strip().partition(";")[0]


def requeue_this_job() -> None:
    """Put the job that this process runs in back into the queue."""
    number = os.environ.get("SLURM_JOB_ID")
    if number:
        _client(["scontrol", "requeue", number])


def cancel_supervisor(results: Path) -> None:
    """End a supervisor that is a job itself.

    Raises:
        QueueError: scancel failed.
    """
    _client(["scancel", "--quiet", f"--user={getpass.getuser()}", f"--name={supervisor_name(results)}"])


def cancel(jobs: Iterable[QueuedJob], *, waiting_only: bool = False) -> None:
    """Take jobs out of the queue.

    Args:
        waiting_only: leave those alone that have started, also since ``jobs`` was asked for.

    Raises:
        QueueError: scancel failed.
    """
    numbers = [job.number for job in jobs]
    state = ["--state=PENDING"] if waiting_only else []
    for start in range(0, len(numbers), 500):
        _client(["scancel", "--quiet", *state, *numbers[start : start + 500]])


def _client(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except FileNotFoundError:
        raise UserError(f"{command[0]}: not found; run this on a login node of a SLURM cluster") from None
    except subprocess.TimeoutExpired:
        raise QueueError(f"{command[0]}: no answer for {TIMEOUT} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise QueueError(lines[-1] if lines else f"{command[0]}: exit code {done.returncode}")
    return done.stdout
