"""Gradual pruning in the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from torch import Tensor

from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner
from prunescope.models.registry import count_parameters, prunable
from prunescope.pruning.gradual.cubic import CubicSchedule, in_steps
from prunescope.pruning.gradual.engine import GradualPruning
from prunescope.pruning.gradual.pool import Pool
from prunescope.pruning.gradual.registry import watcher_for
from prunescope.pruning.mask import Masks, ScoreError
from prunescope.seeds import stream
from prunescope.training.hooks import StepHook
from prunescope.training.loop import DivergedError, Trainee
from prunescope.training.pruning_curve import PruningCurve


class PrunedGradually(StepHook):
    """Prunes a network to ``amount`` in ``epochs`` of training, and notes the loss in its ``pruning_curve``.

    Raises:
        UserError: the schedule leaves no step to prune in, or a ratio that the network cannot reach.
    """

    def __init__(self, trainee: Trainee, pruner: Pruner, compression: Compression, epochs: int) -> None:
        pool = Pool(prunable(trainee.model))
        share = compression.share(count_parameters(trainee.model), pool.size)
        steps = epochs * -(-len(trainee.data.splits["train"]) // trainee.settings.batch_size)
        settings = pruner.gradual
        schedule = CubicSchedule(
            size=pool.size,
            left=pool.size - round(share * pool.size),
            steps=steps,
            warm_up=in_steps(settings.warm_up, steps),
            cool_down=in_steps(settings.cool_down, steps),
        )
        seed = stream(trainee.seed, "prune", "scores", 1)
        self._pruning = GradualPruning(watcher_for(pruner.declared, settings, pool, seed), schedule)
        self._curve = PruningCurve(
            steps - schedule.cool_down,
            lambda step: 1 - schedule.remaining(step) / schedule.size,
            pool.device,
            lambda: trainee.pruning_curve,
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

    def state(self) -> dict[str, Tensor]:
        return self._pruning.state() | self._curve.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._pruning.load_state(state)
        self._curve.load_state(state)
