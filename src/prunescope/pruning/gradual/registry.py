"""Which criterion of a gradual schedule is which watcher."""

from __future__ import annotations

import torch

from prunescope.config.gradual import Gradual
from prunescope.pruning.gradual.pool import Pool
from prunescope.pruning.gradual.relaxed import HardConcrete, Movement, Pst
from prunescope.pruning.gradual.watchers import Magnitude, Pins, Platon, Sensitivity, SmoothedPins, Watcher


def watcher_for(criterion: str, settings: Gradual, pool: Pool, seed: int) -> Watcher:
    """The watcher of ``criterion`` over ``pool``; ``seed``: of what it draws.

    Raises:
        ValueError: the criterion does not watch training.
    """
    window, beta1, beta2 = settings.window, settings.beta1, settings.beta2
    match criterion:
        case "magnitude":
            return Magnitude(pool)
        case "sensitivity":
            return Sensitivity(pool)
        case "platon":
            return Platon(pool, window=window, beta1=beta1, beta2=beta2)
        case "pins":
            return SmoothedPins(pool, window=window, beta1=beta1, beta2=beta2)
        case "pins-plain":
            return Pins(pool)
        case "movement":
            return Movement(pool, lr=settings.score_lr, penalty=settings.penalty)
        case "pst":
            # On the CPU, so that a seed means the same start on every device.
            draws = torch.Generator().manual_seed(seed)
            return Pst(pool, lr=settings.score_lr, rank=settings.rank, generator=draws)
        case "l0":
            # On the device: a draw for every weight in every step.
            draws = torch.Generator(pool.device).manual_seed(seed)
            return HardConcrete(pool, lr=settings.score_lr, penalty=settings.penalty, generator=draws)
    raise ValueError(f"{criterion!r} does not watch training")
