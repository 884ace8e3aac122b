"""How the task's loss changes while a network is pruned (PINS paper, Figure 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

#: Points of a curve, at most.
MOST = 100


@dataclass(frozen=True)
class PruningPoint:
    """Some steps of pruning, one after the other.

    Attributes:
        step: the last of them, counted from 1.
        sparsity: share of the prunable weights that are gone after it.
        loss: the task's mean loss over the examples of these steps, each before the network was pruned in it.
    """

    step: int
    sparsity: float
    loss: float


class PruningCurve:
    """Gathers points of steps 1 to ``steps``, of which there are as few steps to a point as ``MOST`` allows.

    Args:
        steps: the step from which the sparsity is final.
        sparsity_at: a step -> the sparsity after it.
        device: of the losses, which are summed there: the host reads them once a point.
        points: the curve; points are added to what the callable gives at that time.
    """

    def __init__(
        self,
        steps: int,
        sparsity_at: Callable[[int], float],
        device: torch.device,
        points: Callable[[], list[PruningPoint]],
    ) -> None:
        self.steps, self.width = steps, -(-steps // MOST)
        self._sparsity_at, self._points = sparsity_at, points
        self._total = torch.zeros((), dtype=torch.float64, device=device)
        self._step = self._examples = 0

    def add(self, loss: Tensor, examples: int) -> None:
        """A step's mean loss (a scalar) over its examples. A point that is not finite is left out."""
        if self._step >= self.steps:
            return
        self._step += 1
        self._total += loss.double() * examples
        self._examples += examples
        if self._step % self.width and self._step < self.steps:
            return
        mean = float(self._total) / self._examples
        if math.isfinite(mean):
            self._points().append(PruningPoint(self._step, self._sparsity_at(self._step), mean))
        self._total.zero_()
        self._examples = 0

    def state(self) -> dict[str, Tensor]:
        """The point that is being gathered; those before it are the owner's."""
        return {
            "curve/total": self._total,
            "curve/step": torch.tensor(self._step),
            "curve/examples": torch.tensor(self._examples),
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` gave."""
        self._total.copy_(state["curve/total"])
        self._step, self._examples = int(state["curve/step"]), int(state["curve/examples"])
