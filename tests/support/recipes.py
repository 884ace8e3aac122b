"""A pruner followed with one model, without a job around it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner
from prunescope.training import recipes
from prunescope.training.state import TrainingState


def prune_and_train(
    state: TrainingState, pruner: Pruner, compression: Compression, start: Mapping[str, Tensor]
) -> None:
    """Follow ``pruned`` with this model alone."""
    for phase in recipes.pruned(state, pruner, compression, start):
        # Looked up at each call: tests replace it.
        recipes.train(state, phase)
