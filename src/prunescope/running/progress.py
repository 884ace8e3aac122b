"""What of a run is done, and how long the rest will take, from what Snakemake prints."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prunescope.config.shipped import program, shipped
from prunescope.files.meter import duration

#: What a line begins with that the workflow says to who runs it.
NOTE = "prunescope: WARNING: "

_STAT = re.compile(r"^(\S+)\s+(\d+)$")
_STARTED = re.compile(r"^\s+jobid: (\d+)$")
_RULE = re.compile(r"^(?:local)?rule (\S+):$")
_FINISHED = re.compile(r"^Finished jobid: (\d+)")
_FAILED = re.compile(r"^Error in rule (\S+):$")
_AGAIN = re.compile(r"^Trying to restart job (\d+)\.")
_LOG = re.compile(r"^\s+log: (\S+) \(check log")
_OWN_LOG = re.compile(r"^\s+log: (\S+)$")


@dataclass
class Progress:
    """What Snakemake's output has reported so far. Times are seconds on the caller's clock.

    ``wanted``, ``finished``, ``spent``: by rule. ``running``, ``failed``, ``logs`` (of failed jobs), ``log_of``: by job
    number. ``begun``, ``through``: logs of jobs that were started, and of those that have finished since. ``tried``:
    the time of attempts that failed, by job number. ``notes``: what the workflow says to who runs it.
    """

    started: float
    wanted: Counter[str] = field(default_factory=Counter)
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    finished: Counter[str] = field(default_factory=Counter)
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    tried: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    failed: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    log_of: dict[str, str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    through: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    _rule: str = ""
    _log: str = ""
    _failing: str = ""
    _failed_job: str = ""
    _in_stats: bool = False

    def read(self, line: str, now: float) -> bool:
        """Take in one line of output; returns whether what is done has changed."""
        line = line.rstrip("\n")
        if line.startswith(NOTE):
            self.notes.append(line)
            return False
        if line.startswith("Job stats:"):
            self._in_stats = not self.wanted
            return False
        if self._in_stats:
            if match := _STAT.match(line):
                if match[1] == "total":
                    self._in_stats = False
                else:
                    self.wanted[match[1]] = int(match[2])
            return False
        if match := _RULE.match(line):
            self._rule, self._log = match[1], ""
        elif match := _OWN_LOG.match(line):
            self._log = match[1]
        elif match := _STARTED.match(line):
            if not self._failing:
                self.running[match[1]] = (self._rule, now)
                if self._log:
                    self.log_of[match[1]] = self._log
                    self.begun.add(self._log)
                    self.through.discard(self._log)
                return False
            self.tried[match[1]] += now - self.running.pop(match[1], ("", now))[1]
            self.failed[match[1]] = self._failing
            self._failing, self._failed_job = "", match[1]
            return True
        elif match := _FINISHED.match(line):
            rule, began = self.running.pop(match[1], ("", now))
            self.finished[rule] += 1
            self.spent[rule] += now - began
            if match[1] in self.log_of:
                self.through.add(self.log_of[match[1]])
            self.failed.pop(match[1], None)
            self.logs.pop(match[1], None)
            return True
        elif match := _AGAIN.match(line):
            self.running[match[1]] = (self.failed.pop(match[1], ""), now)
            self.logs.pop(match[1], None)
        elif match := _FAILED.match(line):
            self._failing = match[1]
        elif match := _LOG.match(line):
            self.logs[self._failed_job] = match[1]
        return False

    @property
    def total(self) -> int:
        return self.wanted.total()

    @property
    def done(self) -> int:
        return self.finished.total()

    def seconds_left(self, now: float) -> float | None:
        """Jobs left, at the mean time of their rule so far, over the jobs that ran side by side.

        None until most jobs are of rules that have finished one: the first jobs of a study are short. A job that is
        tried again goes on where it was, so that the time left does not grow by that.
        """
        seen = sum(count for rule, count in self.wanted.items() if self.finished[rule])
        if 2 * seen <= self.total or now <= self.started:
            return None
        overall = sum(self.spent.values()) / self.done
        means = {rule: self.spent[rule] / count for rule, count in self.finished.items() if count}
        failed = Counter(self.failed.values())
        left = sum(
            max(count - self.finished[rule] - failed[rule], 0) * means.get(rule, overall)
            for rule, count in self.wanted.items()
        )
        spent = sum(self.spent.values()) + sum(self.tried.values())
        for job, (rule, began) in self.running.items():
            spent += now - began
            # One that takes longer than others has none left; it takes nothing from theirs.
            left -= min(now - began + self.tried[job], means.get(rule, overall))
        return max(left, 0.0) * (now - self.started) / spent if spent > 0 else None

    def line(self, now: float) -> str:
        share = self.done / self.total if self.total else 0.0
        left = self.seconds_left(now)
        text = f"{share:4.0%}  {self.done} of {self.total} jobs, {duration(now - self.started)} passed"
        if left is not None and self.done < self.total:
            text += f", about {duration(left)} left"
        rules = Counter(rule for rule, _ in self.running.values())
        if rules:
            text += (
                "  ("
                + ", ".join(f"{rule} x {n}" if n > 1 else rule for rule, n in sorted(rules.items()))
                + ")"
            )
        if self.failed:
            text += f"  {len(self.failed)} failed"
        return text


def reason(log: Path | str) -> str:
    """Why a job failed: the last line of its log."""
    path = Path(log)
    if not path.is_file():
        return "no output"
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "no output"


def snakemake_program() -> str:
    """Path of the Snakemake of this Python's environment.

    One of another environment, though first in PATH, would read the Snakefile with another prunescope, or with none.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    found = program("snakemake")
    if found is None:
        raise ModuleNotFoundError("No program snakemake", name="snakemake")
    return str(found)


#: Snakemake locks its working folder, in which several studies may run; the workflow itself locks the results tree.
NO_LOCK = ("--nolock",)


def snakefile_arguments() -> list[str]:
    """Arguments that name the shipped workflow where this folder has none of its own."""
    # Another project's Snakefile is none of ours.
    here = Path("workflow/rules/common.smk").is_file()
    return [] if here else ["--snakefile", str(shipped("Snakefile"))]


def without_targets(arguments: Sequence[str]) -> list[str]:
    """Arguments for Snakemake but for those that name what it makes."""
    if not arguments:
        return []
    # Loaded here, for it takes a second; its own parser knows what is a target and what an option's value.
    from snakemake.cli import get_argument_parser

    targets = get_argument_parser().parse_args(list(arguments)).targets
    return [argument for argument in arguments if argument not in targets]
