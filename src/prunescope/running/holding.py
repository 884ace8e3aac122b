"""What Snakemake does first: hold the results tree until it ends."""

from __future__ import annotations

import atexit
import json
import os
import sys
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prunescope.errors import UserError, listed, visible
from prunescope.files import sweep
from prunescope.paths import block_seeds
from prunescope.running.progress import NOTE
from prunescope.running.results_lock import ResultsLock

#: The variable that says which process holds the tree for this one.
SUPERVISOR = "PRUNESCOPE_RESULTS_LOCK"


#: Rules that train models, and those that make what they are trained from.
_TRAINING = ("train", "prune")
_TRAINED_FROM = ("dataset", "encode", *_TRAINING)


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


def tell_of_replaced(dag: Any) -> None:
    """Say how many finished models a run trains again, and for which changed settings, before it starts a job.

    Args:
        dag: Snakemake's jobs, once it knows which of them it runs.
    """
    models, changes = 0, dict[str, None]()
    for job in dag.needrun_jobs():
        if job.rule.name in _TRAINING and all(Path(file).exists() for file in job.output):
            models += len(block_seeds(job.wildcards.block))
        if job.rule.name in _TRAINED_FROM and (changed := dag.reason(job).params_changed):
            before, now = (_settings(params) for params in (changed.only_old, changed.only_new))
            changes |= dict.fromkeys(
                f"{job.wildcards.dataset}: {name} {_shown(before.get(name))} -> {_shown(now.get(name))}"
                for name in sorted(before.keys() | now.keys())
                if before.get(name) != now.get(name)
            )
    if models:
        why = f" ({listed(list(changes), 3)})" if changes else ""
        print(
            f"{NOTE}{models} finished model{'s are' if models > 1 else ' is'} trained again and replaced{why}; to "
            "keep them, stop now and give the study another `results` folder",
            file=sys.stderr,
        )


def _settings(params: set[Any]) -> dict[str, Any]:
    """What jobs were given as JSON, by dotted name."""
    found: dict[str, Any] = {}
    for text in sorted(params):
        try:
            # Snakemake keeps them as Python writes them.
            found.update(_flat(json.loads(literal_eval(text)), ""))
        except (SyntaxError, TypeError, ValueError):
            continue
    return found


def _shown(value: Any) -> str:
    text = "none" if value is None else visible(str(value))
    return text if len(text) <= 40 else f"{text[:12]}..."


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and (value or not name):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    else:
        yield name or "version", value


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
