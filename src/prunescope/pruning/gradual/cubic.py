"""The cubic schedule: how many weights are left after each step of training."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.errors import UserError


@dataclass(frozen=True)
class CubicSchedule:
    """From all weights to ``left`` of ``size`` between two steps, and unchanged before and after.

    PINS paper, Eq. 14 (Sanh et al. 2020; Zhang et al. 2022): with r(0) = 1 and r(T) the fraction that
    is to be left, r(t) is 1 before step t_i, r(T) + (1 - r(T)) (1 - (t - t_i) / (T - t_i - t_f))^3
    until step T - t_f, and r(T) from there on.

    Attributes:
        size: weights in the pool.
        left: weights that are to be left in the end.
        steps: T, of the whole training.
        warm_up: t_i, steps before the first weight goes.
        cool_down: t_f, steps with the final count at the end.
    """

    size: int
    left: int
    steps: int
    warm_up: int
    cool_down: int

    def __post_init__(self) -> None:
        if not 0 <= self.left <= self.size:
            raise ValueError(f"{self.left} of {self.size} weights cannot be left")
        if self.warm_up + self.cool_down >= self.steps:
            raise UserError(
                f"gradual: warm_up ({self.warm_up}) and cool_down ({self.cool_down}) leave none of the "
                f"{self.steps} training steps to prune in; lower them or train longer"
            )

    def remaining(self, step: int) -> int:
        """Weights left after step number ``step``, counted from 1; never more than after the step before."""
        if step < self.warm_up:
            return self.size
        if step >= self.steps - self.cool_down:
            return self.left
        progress = (step - self.warm_up) / (self.steps - self.warm_up - self.cool_down)
        return self.left + round((self.size - self.left) * (1 - progress) ** 3)

    def settled(self, step: int) -> bool:
        """Whether the count is final from this step on."""
        return step >= self.steps - self.cool_down


def in_steps(compression: float, steps: int) -> int:
    """A duration as steps: fractions below 1 are of all ``steps``, other numbers are steps."""
    return round(compression * steps) if compression < 1 else int(compression)
