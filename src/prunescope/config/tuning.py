"""What is searched, as settings: the ``tune`` section of a study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from prunescope.config.spec import Spec, distinct


class EpochRange(Spec):
    """Whole numbers from ``min`` to ``max``, both drawn."""

    min: int = Field(ge=1)
    max: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> EpochRange:
        _in_order(self.min, self.max)
        return self


class RateRange(Spec):
    """Learning rates from ``min`` to ``max``.

    The PIE paper gives the bounds (Table 8), not the scale between them; the logarithmic one, even over
    orders of magnitude, is our choice.
    """

    min: float = Field(gt=0)
    max: float = Field(gt=0)
    log: bool = Field(True, description="drawn evenly on a logarithmic scale; false: on a linear one")

    @model_validator(mode="after")
    def _ordered(self) -> RateRange:
        _in_order(self.min, self.max)
        return self


class Space(Spec):
    """What is searched for one arch on one data set."""

    epochs: EpochRange
    lr: RateRange
    batch_size: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="sizes to choose from; empty: the one of the arch's training settings"
    )

    @field_validator("batch_size")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        distinct("", value)
        return value


class Tune(Spec):
    """The search of ``snakemake tune``: dense models, scored on the validation split."""

    evaluations: int = Field(100, ge=1, description="models trained per arch and data set")
    sampler: Literal["random", "tpe"] = Field(
        "random", description="random search, as in the PIE paper, or tree-structured Parzen estimators"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of the draws, and of every model trained")
    spaces: dict[str, dict[str, Space]] = Field(
        min_length=1, description="per data set and arch: the ranges of epochs and learning rate"
    )


def _in_order(lowest: float, highest: float) -> None:
    if lowest > highest:
        raise ValueError(f"min: {lowest:g} is above max ({highest:g}); exchange them")
