"""How long the models that a study still lacks will take, from those that it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """One finished block of models: what it is of, its models, its working time, and when it ended, in seconds."""

    dataset: str
    arch: str
    pruner: str
    models: int
    seconds: float
    ended: float


#: What a model is of: data set, network, pruner.
Kind = tuple[str, str, str]


def side_by_side(done: Sequence[Done]) -> float:
    """How many blocks ran at once: the time of all of them over the time in which any ran.

    Breaks between runs of a study do not count: only times that a block covers do.
    """
    spans = sorted((one.ended - one.seconds, one.ended) for one in done)
    covered, until = 0.0, float("-inf")
    for start, end in spans:
        covered += max(end - max(start, until), 0.0)
        until = max(until, end)
    return sum(one.seconds for one in done) / covered if covered > 0 else 1.0


def seconds_left(done: Sequence[Done], left: Iterable[tuple[Kind, int]]) -> float | None:
    """Wall time for the models that are left, as many at once as so far; None where none is done or left.

    A model is taken to last as long as those of its data set, network and pruner did on average, else of its data set
    and network, else of its network, else of all.

    Args:
        left: what is left of each kind, with how many models.
    """
    waiting = [(kind, models) for kind, models in left if models]
    if not waiting or not done or not any(one.models for one in done):
        return None
    means: dict[tuple[str, ...], tuple[float, int]] = {}
    for one in done:
        for key in _keys((one.dataset, one.arch, one.pruner)):
            seconds, models = means.get(key, (0.0, 0))
            means[key] = (seconds + one.seconds, models + one.models)
    total = 0.0
    for kind, models in waiting:
        seconds, known = next(means[key] for key in _keys(kind) if means.get(key, (0.0, 0))[1])
        total += models * seconds / known
    return total / max(side_by_side(done), 1.0)


def _keys(kind: Kind) -> tuple[tuple[str, ...], ...]:
    """From the most alike models to all of them."""
    return (kind, kind[:2], (kind[1],), ())
