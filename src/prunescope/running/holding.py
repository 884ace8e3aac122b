"""What Snakemake does first: hold the results tree until it ends."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

from prunescope.errors import UserError
from prunescope.files import sweep
from prunescope.running.results_lock import ResultsLock

#: The variable that says which process holds the tree for this one.
SUPERVISOR = "PRUNESCOPE_RESULTS_LOCK"


def hold(results: str, *, on_slurm: bool) -> None:
    """Take the lock of a results tree until this process ends; under a run that has it already, nothing.

    Raises:
        UserError: another run holds it, or (``on_slurm``) jobs of an earlier one are in the queue.
    """
    lock = ResultsLock(Path(results))
    if supervised(results):
        holder = lock.holder()
        # `prunescope slurm run` waits for them itself; `prunescope run` does not.
        if on_slurm and holder is not None and not holder.supervises:
            _refuse_beside_jobs(Path(results))
        return
    lock.take()
    atexit.register(lock.release)
    if on_slurm:
        _refuse_beside_jobs(Path(results))
    sweep(results)


def tell_of_holder(results: str) -> None:
    """Say who holds a results tree, if another run does: Snakemake's own message of its lock does not."""
    holder = ResultsLock(Path(results)).holder()
    if holder is not None and holder.lives and not supervised(results):
        print(
            f"prunescope: {results}: in use by {holder}; nothing but a dry run starts until that run ends; if it is no "
            "more, clear the lock with `prunescope unlock` and the same --configfile",
            file=sys.stderr,
        )


def supervised(results: str) -> bool:
    """Whether a run that holds the tree has started this process."""
    supervisor = os.environ.get(SUPERVISOR)
    if supervisor is None:
        return False
    holder = ResultsLock(Path(results)).holder()
    return holder is not None and holder.here and str(holder.pid) == supervisor


def _refuse_beside_jobs(results: Path) -> None:
    from prunescope.running.slurm import queue

    try:
        count = sum(job.lives for job in queue.jobs_of(results))
    except queue.QueueError as error:
        raise UserError(f"the SLURM queue does not answer ({error}); run again later") from None
    if count:
        raise UserError(
            f"{count} jobs of an earlier run are in the SLURM queue; `prunescope slurm run` waits for them, "
            "`prunescope slurm cancel` ends them"
        )
