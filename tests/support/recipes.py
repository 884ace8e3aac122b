"""A pruner followed with one model, without a job around it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner
from prunescope.training.loop import train
from prunescope.training.recipes import pruned
from prunescope.training.state import TrainingState


def prune_and_train(
    state: TrainingState, pruner: Pruner, compression: Compression, start: Mapping[str, Tensor]
) -> None:
    """Follow ``pruned`` with this model alone."""
    for phase in pruned(state, pruner, compression, start):
        train(state, phase)
