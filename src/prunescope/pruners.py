"""What a pruner is: a composition of a few choices, and the papers' names for some of them.

No torch here: the workflow reads this file to check a study before anything is loaded. The code
behind each choice is in ``prunescope.pruning``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from prunescope.spec import Spec

Criterion = Literal["magnitude", "impact", "undecayed", "random", "channel-independence"]
Structure = Literal["weights", "filters"]
Scope = Literal["layer", "global"]
Schedule = Literal["at-init", "one-shot", "iterative", "ladder"]
Recovery = Literal["fine-tune", "rewind"]

#: Epsilon of undecayed pruning where networks are trained without weight decay: the recall paper's
#: weight decay of its other networks.
UNDECAYED_DECAY = 5e-4

#: The pruner name of models that were not pruned.
UNPRUNED = "none"


class Pruner(Spec):
    """criterion x structure x scope x schedule x recovery; the objective of training is the task's loss.

    The fields ``gradient*`` and ``decay`` concern only the criteria that look at gradients, ``map_*`` only
    the one that looks at feature maps, ``level_fraction`` only ladders.
    """

    criterion: Criterion = Field(description="what a weight is worth; the lowest are pruned")
    structure: Structure = Field(
        "weights",
        description="prune single weights, or whole filters (and units) with all that hangs on them",
    )
    scope: Scope = Field("layer", description="rank the weights of each layer, or of all layers together")
    schedule: Schedule = Field(
        description="before training, once after training, in rounds, or each level from the networks of the "
        "level below"
    )
    rounds: int = Field(1, ge=1, le=1000, description="pruning rounds of an iterative schedule")
    recovery: Recovery = Field(
        "fine-tune",
        description="after pruning, train on, or rewind the weights to their start and train again",
    )
    gradient_batches: int = Field(10, ge=1, description="batches whose gradients are accumulated")
    gradient_batch_size: int | None = Field(
        10, ge=1, description="examples in each of them; null means the training batch size"
    )
    gradient: Literal["data", "total"] = Field(
        "data", description="gradient of the data loss alone, or with its weight-decay term"
    )
    decay: float | None = Field(
        None,
        ge=0,
        description="weight decay that `undecayed` discounts; null means the training's, or 5e-4 where "
        "networks are trained without",
    )

    level_fraction: float = Field(
        0.2, gt=0, lt=1, description="of the weights that are left, what each level of a ladder removes"
    )
    map_batches: int = Field(5, ge=1, description="batches whose feature maps are looked at")
    map_batch_size: int = Field(128, ge=1, description="examples in each of them")

    @model_validator(mode="after")
    def _possible(self) -> Pruner:
        if self.schedule != "iterative" and self.rounds != 1:
            raise ValueError(f"rounds: only an iterative schedule has rounds, not {self.schedule}")
        if self.schedule == "at-init" and self.recovery == "rewind":
            raise ValueError("recovery: a pruner at initialization has nothing to rewind; use fine-tune")
        if self.criterion == "random" and self.recovery == "rewind":
            raise ValueError(
                "recovery: rewound weights are no longer random (PIE paper, Table 3); use fine-tune"
            )
        if self.schedule == "ladder" and self.recovery != "rewind":
            raise ValueError("recovery: every level of a ladder is trained anew; use rewind")
        if self.criterion == "channel-independence" and self.structure != "filters":
            raise ValueError(
                "structure: channel-independence is what a filter is worth, not a weight; use filters"
            )
        if self.structure == "filters" and self.scope != "layer":
            raise ValueError("scope: filters of different layers are not ranked together; use layer")
        if self.structure == "filters" and self.schedule not in ("at-init", "one-shot"):
            raise ValueError(
                f"schedule: filters are removed all at once; use at-init or one-shot, not {self.schedule}"
            )
        return self

    @model_serializer(mode="wrap")
    def _what_concerns_it(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what means nothing for this pruner: a job is not rerun for a setting it does not look at."""
        values: dict[str, Any] = dump(self)
        idle = []
        if self.structure == "weights":
            idle.append("structure")
        if self.schedule != "ladder":
            idle.append("level_fraction")
        if self.criterion != "channel-independence":
            idle += ["map_batches", "map_batch_size"]
        return {name: value for name, value in values.items() if name not in idle}

    @property
    def needs_trained(self) -> bool:
        """Whether pruning starts from the trained unpruned model."""
        return self.schedule != "at-init"

    @property
    def fine_tunes(self) -> bool:
        """Whether training goes on after pruning, instead of starting again or only then."""
        return self.needs_trained and self.recovery == "fine-tune"

    @property
    def is_ladder(self) -> bool:
        """Whether amounts are levels, each pruned from the networks of the level below."""
        return self.schedule == "ladder"

    @property
    def step(self) -> Fraction:
        """``level_fraction`` as it is written: 0.2 is a fifth."""
        return Fraction(str(self.level_fraction))

    @property
    def needs_gradient(self) -> bool:
        return self.criterion in ("impact", "undecayed")

    def decay_for(self, weight_decay: float) -> float:
        """The weight decay epsilon of the criterion, for networks trained with ``weight_decay``.

        Undecayed pruning without any would be impact pruning under another name, so it then takes
        ``UNDECAYED_DECAY`` unless its own ``decay`` says otherwise (0 included).
        """
        if self.decay is not None:
            return self.decay
        if self.criterion == "undecayed" and weight_decay == 0:
            return UNDECAYED_DECAY
        return weight_decay


def _pie(criterion: Criterion, schedule: Schedule, recovery: Recovery = "fine-tune") -> Pruner:
    rounds = 3 if schedule == "iterative" else 1
    return Pruner(criterion=criterion, schedule=schedule, rounds=rounds, recovery=recovery)


def _recall(criterion: Criterion, scope: Scope) -> Pruner:
    return Pruner(
        criterion=criterion, scope=scope, schedule="one-shot", gradient_batches=1, gradient_batch_size=None
    )


#: The papers' pruners. PIE paper, Table 3 (iterative: three rounds); recall paper, section 3, and appendix H
#: for the lottery ticket hypothesis (Frankle and Carbin 2019) and CHIP (Sui et al. 2021).
PRUNERS: dict[str, Pruner] = {
    "IIBP-WR": _pie("impact", "iterative", "rewind"),
    "IIBP-FT": _pie("impact", "iterative"),
    "IBP-AI": _pie("impact", "at-init"),
    "IMP-WR": _pie("magnitude", "iterative", "rewind"),
    "IMP-FT": _pie("magnitude", "iterative"),
    "MP-AI": _pie("magnitude", "at-init"),
    "IRP-FT": _pie("random", "iterative"),
    "RP-AI": _pie("random", "at-init"),
    "MP": _recall("magnitude", "global"),
    "GP": _recall("impact", "global"),
    "UP": _recall("undecayed", "global"),
    "RP": _recall("random", "layer"),
    "LTH": Pruner(criterion="magnitude", scope="global", schedule="ladder", recovery="rewind"),
    "CHIP": Pruner(criterion="channel-independence", structure="filters", schedule="one-shot"),
}
