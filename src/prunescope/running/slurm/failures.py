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
    "rejected": "sbatch did not take it",
}


def failure_lines(failures: Iterable[Failure]) -> Iterator[str]:
    """A line for each failure, and the last lines of its log."""
    for failure in failures:
        reason = _REASONS.get(failure.reason, "")
        log = next((path for path in (failure.log, failure.slurm_log) if _has_text(path)), "")
        what = f"{failure.rule} {failure.output}".strip()
        yield f"failed: {what}{f': {reason}' if reason else ''}; log: {log or 'none'}"
        if log:
            for line in Path(log).read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-LAST:]:
                yield f"    {line}"


def _has_text(path: str) -> bool:
    return bool(path) and Path(path).is_file() and Path(path).stat().st_size > 0
