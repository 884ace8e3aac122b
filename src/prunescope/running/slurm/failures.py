"""What is reported of jobs that failed for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prunescope.running.slurm.watch import Failure

#: Lines of a log that are shown.
LAST = 5

_REASONS = {
    "TIMEOUT": "its time limit was reached",
    "CANCELLED": "it was cancelled",
    "OUT_OF_MEMORY": "it ran out of memory",
    "NODE_FAIL": "its node failed",
}

#: How the log of a job ends that SLURM warned of its time limit.
_WARNED = "SIGUSR1"


def failure_lines(failures: Iterable[Failure]) -> Iterator[str]:
    """A line for each failure, and the last lines of its log. Jobs that sbatch refused in the same words share one."""
    refused: dict[str, list[Failure]] = {}
    for failure in failures:
        if failure.reason == "refused":
            refused.setdefault(failure.message, []).append(failure)
        else:
            yield from _lines(failure)
    for message, jobs in refused.items():
        rules = ", ".join(dict.fromkeys(job.rule for job in jobs))
        count = f"{len(jobs)} job{'s' if len(jobs) > 1 else ''}"
        yield (
            f"failed: sbatch refuses {count} ({rules}): {message}; correct profiles/slurm/site.yaml or "
            "config.yaml, run `prunescope slurm setup`, then the same command again"
        )


def _lines(failure: Failure) -> Iterator[str]:
    log = next((path for path in (failure.log, failure.slurm_log) if _has_text(path)), "")
    last = _read(log).rstrip().splitlines()[-LAST:] if log else []
    reason = _REASONS.get(failure.reason, "")
    if failure.reason == "TIMEOUT" or any(_WARNED in line for line in last):
        limit = f" of {failure.minutes} minutes" if failure.minutes else ""
        reason = (
            f"its time limit{limit} was reached; its progress is kept: raise `runtime` of {failure.rule} in "
            "profiles/slurm/config.yaml, run `prunescope slurm setup`, then the same command again"
        )
    what = f"{failure.rule} {failure.output}".strip()
    yield f"failed: {what}{f': {reason}' if reason else ''}; log: {log or 'none'}"
    yield from (f"    {line}" for line in last)


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")


def _has_text(path: str) -> bool:
    return bool(path) and Path(path).is_file() and Path(path).stat().st_size > 0
