"""Criteria that watch training and prune in place: a weight that is pruned is zero and keeps its gradient.

A pruned weight can come back: its gradient moves it away from zero, and its importance is measured like
any other's. In the names of the papers, a step takes weights theta and gradient g to theta_hat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from prunescope.criteria import Criterion, Evidence
from prunescope.pruning.gradual.pool import Pool
from prunescope.pruning.gradual.smoothing import Smoothing


class Watcher(ABC):
    """A criterion as the training loop meets it.

    In every step: ``enter`` before the forward pass, ``observe`` once the gradients are final and before
    the optimizer's step, ``leave`` after it, and ``scores`` when masks are chosen.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def enter(self, kept: Tensor | None) -> None:  # noqa: B027
        """Before the forward pass; ``kept``: the row of booleans of the weights that are left, None for all."""

    def observe(self, lr: float) -> None:  # noqa: B027
        """Look at weights and gradients of this step; ``lr``: its learning rate."""

    def leave(self, kept: Tensor | None) -> None:
        """After the optimizer's step; ``kept``: the weights that are left from now on."""
        self._prune(kept)

    def settle(self, kept: Tensor) -> None:
        """The masks are final: from now on the weights themselves are trained, under ``kept``."""
        self._prune(kept)

    @contextmanager
    def effective(self, kept: Tensor | None) -> Iterator[None]:
        """Between steps: the weights are for a while what the model answers with, without noise.

        Here they are so already.
        """
        yield

    @abstractmethod
    def scores(self) -> Tensor:
        """A row (size,) of scores; the highest are kept. May be memory that the next step overwrites."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers from one step to the next, by name, sharing memory; not the weights."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Go on from what ``state`` gave for a model that is now as it was then."""

    def _prune(self, kept: Tensor | None) -> None:
        if kept is not None:
            for weight, mask in zip(self.pool.values(), self.pool.views(kept), strict=True):
                # Seven times as fast as masked_fill_ on a CPU; scores, and so weights, are finite here. The sum
                # makes 0 of -0.
                weight.mul_(mask).add_(0.0)


class Weights(Watcher):
    """Scores the weights as they are, whenever masks are chosen."""

    def __init__(self, pool: Pool, criterion: Criterion, generator: torch.Generator) -> None:
        super().__init__(pool)
        self._criterion, self._evidence = criterion, Evidence({}, 0.0, generator)
        self._row = pool.row()

    def scores(self) -> Tensor:
        scored = self._criterion(
            dict(zip(self.pool.weights, self.pool.values(), strict=True)), self._evidence
        )
        for name, part in zip(self.pool.weights, self.pool.views(self._row), strict=True):
            part.copy_(scored[name])
        return self._row


class Steps(Watcher):
    """Scores of the last training step."""

    def __init__(self, pool: Pool, criterion: Criterion) -> None:
        super().__init__(pool)
        self._criterion = criterion
        self._row = pool.row()

    def observe(self, lr: float) -> None:
        # Layer by layer: no row of memory for the scores of a single step.
        parts = self.pool.views(self._row)
        for value, g, part in zip(self.pool.values(), self.pool.gradients(), parts, strict=True):
            part.copy_(self._criterion(value, g, lr))

    def scores(self) -> Tensor:
        return self._row


class SmoothedSteps(Watcher):
    """Scores of training steps averaged, times the average of how far they stray from that: PLATON's smoothing."""

    def __init__(self, pool: Pool, criterion: Criterion, *, window: int, beta1: float, beta2: float) -> None:
        super().__init__(pool)
        self._criterion = criterion
        self._smoothing = Smoothing(pool.row(), window=window, beta1=beta1, beta2=beta2)

    def observe(self, lr: float) -> None:
        parts = self.pool.views(self._smoothing.sum)
        for value, g, part in zip(self.pool.values(), self.pool.gradients(), parts, strict=True):
            part.add_(self._criterion(value, g, lr))
        self._smoothing.end_step()

    def scores(self) -> Tensor:
        return self._smoothing.scores()

    def state(self) -> dict[str, Tensor]:
        return self._smoothing.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._smoothing.load_state(state)
