"""What stands for a criterion while a model is pruned gradually."""

from __future__ import annotations

from importlib import import_module

import torch

from prunescope.config.gradual import Gradual
from prunescope.criteria import Criterion
from prunescope.criteria.declaration import SMOOTHING
from prunescope.pruning.gradual.pool import Pool
from prunescope.pruning.gradual.watchers import SmoothedSteps, Steps, Watcher, Weights


def watcher_for(criterion: Criterion, settings: Gradual, pool: Pool, seed: int) -> Watcher:
    """The watcher of ``criterion`` over ``pool``; ``seed``: of what it draws.

    Raises:
        ValueError: the criterion does not fit a gradual schedule.
    """
    if criterion.watcher:
        module, name = criterion.watcher.split(":")
        made: Watcher = getattr(import_module(module), name).of(pool, settings, seed)
        return made
    if criterion.watches and set(SMOOTHING) <= set(criterion.settings):
        smoothing = {name: getattr(settings, name) for name in SMOOTHING}
        return SmoothedSteps(pool, criterion, **smoothing)
    if criterion.watches:
        return Steps(pool, criterion)
    if not criterion.gradual:
        raise ValueError(f"{criterion.name!r} does not watch training")
    return Weights(pool, criterion, torch.Generator().manual_seed(seed))
