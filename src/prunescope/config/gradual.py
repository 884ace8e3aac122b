"""Settings of gradual pruning: when weights go, and what its criteria remember of training.

No torch here, as in ``prunescope.config.pruners``; the code is in ``prunescope.pruning.gradual``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prunescope.config.spec import Spec
from prunescope.errors import UserError

#: A duration of training: below 1 a fraction of all steps, else a number of them.
Duration = Annotated[float, Field(ge=0)]


class Gradual(Spec):
    """Pruning at every step of training, by the cubic schedule (PINS paper, Eq. 14).

    ``window`` and what follows concern the criteria whose declaration names them (``prunescope.criteria``).
    """

    start: Literal["initial", "trained"] = Field(
        "initial",
        description="begin from the initial (for a pretrained model: the pretrained) weights, or from the "
        "trained dense model",
    )
    warm_up: Duration = Field(
        0.07, description="before the first weight goes: steps, or below 1 a fraction of all steps"
    )
    cool_down: Duration = Field(
        0.43, description="with the final count at the end: steps, or below 1 a fraction of all steps"
    )
    window: int = Field(10, ge=1, description="steps whose importance is averaged before it is smoothed")
    # At 0 the average is the importance itself, which then never strays from it: every score would be 0.
    beta1: float = Field(0.85, gt=0, lt=1, description="smoothing of the importance")
    beta2: float = Field(0.95, ge=0, lt=1, description="smoothing of its uncertainty")
    score_lr: float | None = Field(
        None, gt=0, description="learning rate of learned scores; null: that of the weights"
    )
    penalty: float = Field(
        0.0, ge=0, description="weight of the mean of open gates (`l0`) or of sigmoid scores (`movement`)"
    )
    rank: int = Field(8, ge=1, description="of the learned part of `pst`")

    @model_validator(mode="after")
    def _leaves_time(self) -> Gradual:
        for name in ("warm_up", "cool_down"):
            value = getattr(self, name)
            if value >= 1 and value != int(value):
                raise ValueError(
                    f"{name}: {value:g} is neither a fraction below 1 nor a whole number of steps"
                )
        if max(self.warm_up, self.cool_down) < 1 <= self.warm_up + self.cool_down:
            raise ValueError(
                f"warm_up: with cool_down it takes {self.warm_up + self.cool_down:g} of all steps and leaves none to "
                "prune in; lower one of them"
            )
        return self

    def waits(self, steps: int) -> tuple[int, int]:
        """Warm-up and cool-down in steps, in a training of ``steps``.

        Raises:
            UserError: they leave no step to prune in.
        """
        warm_up, cool_down = (in_steps(duration, steps) for duration in (self.warm_up, self.cool_down))
        if warm_up + cool_down >= steps:
            raise UserError(
                f"gradual: warm_up ({warm_up}) and cool_down ({cool_down}) leave none of the "
                f"{steps} training steps to prune in; lower them or train longer"
            )
        return warm_up, cool_down


def in_steps(duration: float, steps: int) -> int:
    """A duration as steps: fractions below 1 are of all ``steps``, other numbers are steps."""
    return round(duration * steps) if duration < 1 else int(duration)
