"""The cubic schedule: how many weights are left after each step of training."""

from __future__ import annotations

from dataclasses import dataclass


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
