"""What Snakemake's output tells of its SLURM jobs, against what the queue holds of them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

_SUBMITTED = re.compile(r"^Job (\d+) has been submitted with SLURM jobid (\d+) \(log: (.*)\)\.$")
_FINISHED = re.compile(r"^Finished jobid: (\d+)")
_ERROR = re.compile(r"^Error in rule (\S+):$|^Error in group ")
_FIELD = re.compile(r"^    (\w+): (.*)$")
_LOCAL = re.compile(r"^localrule (\S+):$")
_RULE = re.compile(r"^rule (\S+):$")
_STATUS = re.compile(r"SLURM status is: '(\w+)'")


@dataclass
class Quotes:
    """Tells the logs of failed jobs, which Snakemake quotes between bars, from what it says itself.

    A job's log is that of a Snakemake too, with numbers of its own.
    """

    _announced: bool = False
    _bar: str = ""

    def hides(self, line: str) -> bool:
        """Whether a line is quoted."""
        line = line.rstrip("\n")
        if self._bar:
            if line == self._bar:
                self._bar = ""
            return True
        if self._announced and line and not line.strip("="):
            self._bar = line
        self._announced = line.startswith("Logfile ") and line.endswith(":")
        return bool(self._bar)


@dataclass(frozen=True)
class Submission:
    """One job as SLURM knows it. ``job``: Snakemake's number, ``log``: SLURM's file."""

    job: str
    slurm: str
    log: str


@dataclass
class Failure:
    """The last failure of a job: ``reason`` is SLURM's state, ``rejected`` or empty."""

    rule: str
    job: str = ""
    output: str = ""
    log: str = ""
    reason: str = ""
    slurm_log: str = ""


@dataclass
class Watch:
    """``active``: by SLURM's number, what was submitted and has not been seen to end.

    ``failed``: by Snakemake's number; a job that succeeds after all leaves it. ``missing``: active jobs that the queue
    no longer holds, with the time of the first query that missed them. ``rest``: a line that is not yet whole.
    """

    active: dict[str, Submission] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    finished: int = 0
    local: set[str] = field(default_factory=set)
    missing: dict[str, float] = field(default_factory=dict)
    rest: str = ""
    quotes: Quotes = field(default_factory=Quotes)
    _block: str = ""
    _failure: Failure | None = None
    _logs: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Take in one line of Snakemake's output."""
        line = line.rstrip("\n")
        if match := _SUBMITTED.match(line):
            self.active[match[2]] = Submission(match[1], match[2], match[3])
            self._logs[match[1]] = match[3]
        elif match := _FINISHED.match(line):
            self.finished += 1
            self._over(match[1])
            self.failed.pop(match[1], None)
        elif match := _ERROR.match(line):
            self._failure = Failure(match[1] or "group")
        elif _LOCAL.match(line):
            self._block = "local"
        elif _RULE.match(line):
            self._block = ""
        elif match := _FIELD.match(line):
            self._read_field(match[1], match[2])
        elif self._failure is not None and not line.startswith(" "):
            self._failure = None

    def _read_field(self, name: str, value: str) -> None:
        if self._failure is None:
            if name == "jobid" and self._block == "local":
                self.local.add(value)
            return
        failure = self._failure
        if name == "message":
            status = _STATUS.search(value)
            failure.reason = (
                status[1] if status else ("rejected" if "SLURM sbatch failed" in value else failure.reason)
            )
        elif name == "jobid":
            failure.job = value
            failure.slurm_log = self._logs.get(value, "")
            self.failed[value] = failure
            self._over(value)
        elif name == "output":
            failure.output = value.split(", ")[0]
        elif name == "log":
            failure.log = value.partition(" (check log")[0].split(", ")[0]

    def _over(self, job: str) -> None:
        self.local.discard(job)
        for slurm in [number for number, one in self.active.items() if one.job == job]:
            del self.active[slurm]
            self.missing.pop(slurm, None)

    def compare(self, living: Collection[str], now: float) -> None:
        """Take in which jobs (SLURM's numbers) the queue says are waiting or running at ``now``."""
        for slurm in self.active:
            if slurm in living:
                self.missing.pop(slurm, None)
            else:
                self.missing.setdefault(slurm, now)

    def stalled(self, now: float, patience: float) -> list[Submission]:
        """Jobs that ended more than ``patience`` seconds ago without Snakemake having noticed."""
        return [self.active[slurm] for slurm, since in self.missing.items() if now - since > patience]
