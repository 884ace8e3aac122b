"""Gradual pruning as the training loop meets it: four calls a step, masks at the end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from prunescope.pruning.gradual.cubic import CubicSchedule
from prunescope.pruning.gradual.watchers import Watcher
from prunescope.pruning.mask import Masks, ScoreError, highest


class GradualPruning:
    """A criterion under a schedule, global in scope.

    In step t (from 1): ``before_forward``; the loss's gradients, clipped; ``before_step``; the optimizer's
    step; ``after_step``. Masks are chosen again in every step in which the schedule prunes, from the scores of
    that step (PINS paper, Eq. 2 and 3), so pruned weights can come back; once the count is final they stay.
    """

    def __init__(self, watcher: Watcher, schedule: CubicSchedule) -> None:
        self.watcher, self.schedule = watcher, schedule
        self.kept: Tensor | None = None
        self._step = 0
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether the masks are final."""
        return self._settled

    def evaluating(self) -> AbstractContextManager[None]:
        """Between steps: the model answers as what it is, not as what is behind its masks."""
        return self.watcher.effective(self.kept)

    def before_forward(self) -> None:
        self.watcher.enter(self.kept)

    def before_step(self, lr: float) -> None:
        """``lr``: the learning rate of this step."""
        if not self._settled:
            self.watcher.observe(lr)

    def after_step(self) -> None:
        """Prune to what the schedule leaves after this step.

        Raises:
            ScoreError: a score is not finite: the model has diverged.
        """
        self._step += 1
        left = self.schedule.remaining(self._step)
        ends = self.schedule.settled(self._step)
        if self._settled or (left == self.schedule.size and not ends):
            self.watcher.leave(self.kept)
            return
        scores = self.watcher.scores()
        # One number for all: a sum with an infinity or NaN in it is one.
        if not bool(torch.isfinite(scores.sum(dtype=torch.float64))):
            raise ScoreError("scores of gradual pruning are not finite")
        self.kept = highest(scores, left)
        if ends:
            self._settled = True
            self.watcher.settle(self.kept)
        else:
            self.watcher.leave(self.kept)

    def masks(self) -> Masks:
        """The final masks.

        Raises:
            ValueError: training has ended before the schedule did.
        """
        if not self._settled or self.kept is None:
            raise ValueError(f"only {self._step} of the schedule's {self.schedule.steps} steps were done")
        return self.watcher.pool.masks(self.kept.clone())

    def state(self) -> dict[str, Tensor]:
        """All that pruning goes on from, by name, sharing memory."""
        own = {"step": torch.tensor(self._step), "settled": torch.tensor(self._settled)}
        kept = {} if self.kept is None else {"kept": self.kept}
        return own | kept | self.watcher.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` gave for a model that is now as it was then."""
        self._step, self._settled = int(state["step"]), bool(state["settled"])
        self.kept = state["kept"].to(self.watcher.pool.device).clone() if "kept" in state else None
        self.watcher.load_state(state)
