"""What Snakemake's output says of its SLURM jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from prunescope.running.slurm.refusals import sbatch_message

_SUBMITTED = re.compile(r"^Job (\d+) has been submitted with SLURM jobid (\d+) \(log: (.*)\)\.$")
_FINISHED = re.compile(r"^Finished jobid: (\d+)")
_ERROR = re.compile(r"^Error in rule (\S+):$|^Error in group ")
_FIELD = re.compile(r"^    (\w+): (.*)$")
_LOCAL = re.compile(r"^localrule (\S+):$")
_RULE = re.compile(r"^rule (\S+):$")
_STATUS = re.compile(r"SLURM status is: '(\w+)'")
_MINUTES = re.compile(r"\bruntime=(\d+)")

#: What follows the message of a failure: a message has lines of its own, indented or not.
_AFTER_MESSAGE = re.compile(r"^    (sbatch call|jobid|input|output|log):|^(\.'\.)?For further error details ")


@dataclass
class Quotes:
    """Distinguishes the logs of failed jobs, which Snakemake quotes between bars, from its own words.

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


@dataclass
class Failure:
    """The last failure of a job: ``reason`` is SLURM's state, ``refused`` or empty; ``message``, sbatch's words.

    ``minutes``: the time limit that the job had; 0 where it is not known.
    """

    rule: str
    job: str = ""
    output: str = ""
    log: str = ""
    reason: str = ""
    message: str = ""
    minutes: int = 0
    slurm_log: str = ""


@dataclass
class Watch:
    """``active``: by Snakemake's number, the jobs that were submitted and have not been seen to end.

    ``failed``: by Snakemake's number; a job that succeeds after all leaves it. ``rest``: a line that is not yet whole.
    """

    active: set[str] = field(default_factory=set)
    failed: dict[str, Failure] = field(default_factory=dict)
    finished: int = 0
    rest: str = ""
    quotes: Quotes = field(default_factory=Quotes)
    _job: str = ""
    _failure: Failure | None = None
    _message: list[str] | None = None
    _logs: dict[str, str] = field(default_factory=dict)
    _minutes: dict[str, int] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Take in one line of Snakemake's output."""
        line = line.rstrip("\n")
        if self._message is not None:
            if not _AFTER_MESSAGE.match(line):
                self._message.append(line)
                return
            self._end_message()
        if match := _SUBMITTED.match(line):
            self.active.add(match[1])
            self._logs[match[1]] = match[3]
        elif match := _FINISHED.match(line):
            self.finished += 1
            self.active.discard(match[1])
            self.failed.pop(match[1], None)
        elif match := _ERROR.match(line):
            self._failure = Failure(match[1] or "group")
        elif _LOCAL.match(line) or _RULE.match(line) or not line:
            self._failure = None
        elif match := _FIELD.match(line):
            self._read_field(match[1], match[2])

    def _end_message(self) -> None:
        text = "\n".join(self._message or [])
        self._message = None
        if self._failure is not None:
            status = _STATUS.search(text)
            said = sbatch_message(text)
            self._failure.reason = status[1] if status else "refused" if said else ""
            self._failure.message = said

    def _read_field(self, name: str, value: str) -> None:
        failure = self._failure
        if failure is None:
            if name == "jobid":
                self._job = value
            elif name == "resources" and (minutes := _MINUTES.search(value)):
                self._minutes[self._job] = int(minutes[1])
        elif name == "message":
            self._message = [value]
        elif name == "jobid":
            failure.job = value
            failure.slurm_log = self._logs.get(value, "")
            failure.minutes = self._minutes.get(value, 0)
            self.failed[value] = failure
            self.active.discard(value)
        elif name == "output":
            failure.output = value.split(", ")[0]
        elif name == "log":
            failure.log = value.partition(" (check log")[0].split(", ")[0]
