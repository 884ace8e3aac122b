"""What a pruner is: a composition of a few choices, and the papers' names for some of them.

No torch here: the workflow reads this file to check a study before anything is loaded. The code
behind each choice is in ``prunescope.pruning``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from prunescope.config.gradual import WATCHING, Gradual
from prunescope.config.spec import Spec

Criterion = Literal[
    "magnitude",
    "impact",
    "undecayed",
    "random",
    "channel-independence",
    "sensitivity",
    "platon",
    "pins",
    "pins-plain",
    "movement",
    "pst",
    "l0",
]
Structure = Literal["weights", "filters"]
Scope = Literal["layer", "global"]
Schedule = Literal["at-init", "one-shot", "iterative", "ladder", "gradual"]
Recovery = Literal["fine-tune", "rewind"]
Objective = Literal["task", "distilled", "self-regularized"]

#: Epsilon of undecayed pruning where networks are trained without weight decay: the recall paper's
#: weight decay of its other networks.
UNDECAYED_DECAY = 5e-4

#: The pruner name of models that were not pruned.
NO_PRUNER = "none"


class Pruner(Spec):
    """criterion x structure x scope x schedule x recovery x objective.

    The fields ``gradient*`` and ``decay`` concern only the criteria that look at gradients, ``map_*`` only
    the one that looks at feature maps, ``level_fraction`` only ladders, ``gradual`` only gradual schedules.
    """

    criterion: Criterion = Field(description="what a weight is worth; the lowest are pruned")
    structure: Structure = Field(
        "weights",
        description="prune single weights, or whole filters (and units) with all that hangs on them",
    )
    scope: Scope = Field("layer", description="rank the weights of each layer, or of all layers together")
    schedule: Schedule = Field(
        description="before training, once after training, in rounds, each level from the networks of the "
        "level below, or gradually at every step of training"
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
    gradual: Gradual = Field(Gradual(), description="how a gradual schedule goes")
    objective: Objective = Field(
        "task",
        description="what pruned networks are trained for: the task's loss, also to answer as the unpruned "
        "network does, or as their own best checkpoint so far does",
    )
    objective_steps: int | None = Field(
        None,
        ge=1,
        description="self-regularized: training steps between evaluations on the validation split; null: an epoch",
    )

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
        self._possible_gradually()
        if self.objective == "distilled" and self.is_ladder:
            raise ValueError(
                "objective: levels of a ladder are given the networks of the level below, not the unpruned ones; use "
                "task or self-regularized, or an iterative schedule"
            )
        return self

    def _possible_gradually(self) -> None:
        if self.schedule != "gradual":
            if self.criterion in WATCHING:
                once = "; impact is sensitivity at one time" if self.criterion == "sensitivity" else ""
                raise ValueError(
                    f"schedule: {self.criterion} watches training; use gradual, not {self.schedule}{once}"
                )
            return
        fit = ("magnitude", *WATCHING)
        if self.criterion not in fit:
            raise ValueError(
                f"criterion: {self.criterion} does not watch training, as a gradual schedule asks for; use one of "
                f"{', '.join(fit)}"
            )
        if self.scope != "global":
            raise ValueError("scope: a gradual schedule ranks the weights of all layers together; use global")
        if self.recovery != "fine-tune":
            raise ValueError("recovery: gradual pruning recovers while it prunes; use fine-tune")

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
        if self.objective == "task":
            idle.append("objective")
        if self.objective != "self-regularized":
            idle.append("objective_steps")
        if self.schedule == "gradual":
            idle += ["rounds", "recovery", "gradient_batches", "gradient_batch_size", "gradient", "decay"]
            asked = self.gradual.of_interest(self.criterion)
            values["gradual"] = {name: v for name, v in values["gradual"].items() if name in asked}
        else:
            idle.append("gradual")
        return {name: value for name, value in values.items() if name not in idle}

    @property
    def needs_trained(self) -> bool:
        """Whether pruning starts from the trained unpruned model."""
        if self.is_gradual:
            return self.gradual.start == "trained"
        return self.schedule != "at-init"

    @property
    def needs_dense(self) -> bool:
        """Whether the trained unpruned model is asked for: to start from, or as a teacher."""
        return self.needs_trained or self.objective == "distilled"

    @property
    def is_gradual(self) -> bool:
        """Whether weights go at every step of training, under the network's only stretch of it."""
        return self.schedule == "gradual"

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


def _gradual(criterion: Criterion, objective: Objective = "task", **settings: Any) -> Pruner:
    return Pruner(
        criterion=criterion,
        scope="global",
        schedule="gradual",
        objective=objective,
        gradual=Gradual(**settings),
    )


#: The papers' pruners. PIE paper, Table 3 (iterative: three rounds); recall paper, section 3, and appendix H
#: for the lottery ticket hypothesis (Frankle and Carbin 2019) and CHIP (Sui et al. 2021).
#: PINS paper and its rivals, gradual: PINS by the authors' script (RTE: 200 and 1,200 of 2,820 steps), its score
#: smoothed, and as printed in Eq. 11; gradual magnitude (Zhu and Gupta 2017; the paper's IMP) and sensitivity
#: (Eq. 5) under the same schedule; PLATON (Zhang et al. 2022), soft movement pruning and l0 regularization as in
#: Sanh et al. 2020 (scores' rates and final penalties there), PST (Li et al. 2022).
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
    "PINS": _gradual("pins", "self-regularized", beta2=0.99),
    "PINS-plain": _gradual("pins-plain", "self-regularized"),
    "GMP": _gradual("magnitude"),
    "sensitivity": _gradual("sensitivity"),
    "PLATON": _gradual("platon"),
    "SMvP": _gradual("movement", warm_up=0.1, cool_down=0.2, score_lr=1e-2, penalty=400.0),
    "PST": _gradual("pst", warm_up=0.1, cool_down=0.3, rank=8),
    "L0": _gradual("l0", warm_up=0.1, cool_down=0.2, score_lr=1e-1, penalty=125.0),
}
