"""What the queue holds of a results tree, through squeue and scancel."""

from __future__ import annotations

import getpass
import hashlib
import re
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

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class QueueError(Exception):
    """The controller did not answer, or refused."""


@dataclass(frozen=True)
class QueuedJob:
    """``name``: of the run that submitted it. ``rule``: what it runs, with its wildcards."""

    number: str
    name: str
    state: str
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


def jobs_of(results: Path, workdir: Path) -> list[QueuedJob]:
    """The user's jobs that write into a results tree.

    Those are the supervised ones, by the tree's prefix, and those of a plain ``snakemake --profile slurm`` that ran in
    ``workdir``, by the plugin's form of names and comments.

    Raises:
        QueueError: squeue failed.
    """
    text = _client(
        ["squeue", "--noheader", "--states=all", f"--user={getpass.getuser()}", "--format=%i|%j|%T|%Z|%k"]
    )
    prefix = run_prefix(results)
    found = []
    for line in text.splitlines():
        number, name, state, folder, comment = line.split("|", 4)
        plain = (
            _UUID.fullmatch(name)
            and comment.startswith("rule_")
            and Path(folder).resolve() == workdir.resolve()
        )
        if name.startswith(f"{prefix}_") or plain:
            found.append(QueuedJob(number, name, state, comment.removeprefix("rule_")))
    return found


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
