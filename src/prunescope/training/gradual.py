"""Gradual pruning in the training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner
from prunescope.models.registry import count_parameters, prunable
from prunescope.pruning.gradual.cubic import CubicSchedule
from prunescope.pruning.gradual.engine import GradualPruning
from prunescope.pruning.gradual.pool import Pool
from prunescope.pruning.gradual.registry import watcher_for
from prunescope.pruning.mask import Masks, ScoreError
from prunescope.seeds import stream
from prunescope.training.state import DivergedError, PruningPoint, StepHook, TrainingState

#: Points of a pruning curve, at most.
MOST = 100


class PrunedGradually(StepHook):
    """Prunes a model to ``compression`` in ``epochs`` of training, and records the loss in its ``pruning_curve``.

    Raises:
        UserError: the schedule leaves no step to prune in, or a ratio that the model cannot reach.
    """

    def __init__(self, state: TrainingState, pruner: Pruner, compression: Compression, epochs: int) -> None:
        pool = Pool(prunable(state.model))
        share = compression.share(count_parameters(state.model), pool.size)
        steps = epochs * state.steps_per_epoch
        settings = pruner.gradual
        schedule = CubicSchedule(
            pool.size, pool.size - round(share * pool.size), steps, *settings.waits(steps)
        )
        seed = stream(state.seed, "prune", "scores", 1)
        self._pruning = GradualPruning(watcher_for(pruner.declared, settings, pool, seed), schedule)
        self._curve = PruningCurve(
            steps - schedule.cool_down,
            lambda step: 1 - schedule.remaining(step) / schedule.size,
            pool.device,
            lambda: state.pruning_curve,
        )

    @property
    def final(self) -> bool:
        return self._pruning.settled

    def before_forward(self) -> None:
        self._pruning.before_forward()

    def after_backward(self, loss: Tensor, examples: int) -> None:
        self._curve.add(loss, examples)

    def before_step(self, lr: float) -> None:
        self._pruning.before_step(lr)

    def after_step(self) -> None:
        try:
            self._pruning.after_step()
        except ScoreError as error:
            raise DivergedError(str(error)) from None

    def evaluating(self) -> AbstractContextManager[None]:
        return self._pruning.evaluating()

    def masks(self) -> Masks:
        """The final masks, after training."""
        return self._pruning.masks()

    def capture(self) -> dict[str, Tensor]:
        return self._pruning.state() | self._curve.capture()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self._pruning.load_state(tensors)
        self._curve.restore(tensors)


class PruningCurve:
    """The task's loss while a model is pruned (PINS paper, Figure 3), in at most ``MOST`` points.

    Args:
        steps: the step from which the sparsity is final.
        sparsity_at: a step -> the sparsity after it.
        device: of the losses, which are summed there: the host reads them once a point.
        points: returns the list that new points are appended to.
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
        """Add a step's mean loss (a scalar) over its examples. A point that is not finite is left out."""
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

    def capture(self) -> dict[str, Tensor]:
        """The unfinished point; those before it are the owner's."""
        return {
            "curve/total": self._total,
            "curve/step": torch.tensor(self._step),
            "curve/examples": torch.tensor(self._examples),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what ``capture`` gave."""
        self._total.copy_(tensors["curve/total"])
        self._step, self._examples = int(tensors["curve/step"]), int(tensors["curve/examples"])
