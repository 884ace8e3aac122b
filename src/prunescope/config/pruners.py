"""What a pruner is: a composition of a few choices, and the papers' names for some of them.

No torch here: the workflow reads this file to check a study before anything is loaded. Criteria are declared in
``prunescope.criteria``; the code behind the other choices is in ``prunescope.pruning``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from prunescope.config.gradual import Gradual
from prunescope.config.plugins import load_plugin, plugins
from prunescope.config.spec import Spec
from prunescope.criteria import CRITERIA, Criterion
from prunescope.errors import UserError, listed

Structure = Literal["weights", "filters"]
Scope = Literal["layer", "global"]
Schedule = Literal["at-init", "one-shot", "iterative", "levels", "gradual"]
Recovery = Literal["fine-tune", "rewind"]
Objective = Literal["task", "distilled", "self-regularized"]

#: Raised when models trained for an objective under a gradual schedule come out otherwise (``Criterion.version``).
OBJECTIVE_VERSION: dict[Objective, int] = {"self-regularized": 1}

#: The pruner name of models that were not pruned.
NO_PRUNER = "none"

#: How the names of controls begin (``config.controls``).
CONTROL = "control-"


def criterion_names() -> list[str]:
    """Prunescope's criteria and those of installed packages; nothing is loaded."""
    return [*CRITERIA, *plugins("criteria")]


def criterion_named(name: str) -> Criterion:
    """The declaration of a criterion, from prunescope or an installed package.

    Raises:
        UserError: there is none of this name, or the package's cannot be loaded or is of another name.
    """
    if name in CRITERIA:
        return CRITERIA[name]
    if name not in plugins("criteria"):
        raise UserError(f"unknown criterion {name!r}; there are {listed(criterion_names(), 40)}")
    found = load_plugin("criteria", name)
    if not isinstance(found, Criterion) or found.name != name:
        what = f"a criterion named {found.name!r}" if isinstance(found, Criterion) else "no criterion"
        raise UserError(
            f"{name}: the installed package's {plugins('criteria')[name].value} is {what}; decorate a function of this "
            "name with prunescope.criteria.criterion"
        )
    return found


class LayerShares(Spec):
    """From a ratio on, how many channels layers keep beside one another; a factor common to all meets the ratio."""

    from_ratio: float = Field(1.0, ge=1)
    left: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        min_length=1,
        description="share of the channels that are left, by the beginning of the layers' names; other layers: 1",
    )


class Teaching(Spec):
    """How the objective ``self-regularized`` goes; by default as the PINS paper's Algorithm 1."""

    first: Literal["given", "dense"] = Field(
        "given",
        description="the teacher until a checkpoint is better: the model that pruning starts from, or the trained "
        "dense model, which the first evaluation replaces",
    )
    first_evaluation: int | None = Field(
        None, ge=1, description="step of the first evaluation; null: as many steps as lie between two"
    )
    weight: Literal["added", "own-entropy", "teacher-entropy"] = Field(
        "added",
        description="added: the divergence is added to the task's loss; otherwise both are mixed by w and 1 - w, w "
        "being 1 where the model's own (the teacher's) answer is certain and 0 where all classes are as likely; "
        "numbers (regression) then have the task's loss alone",
    )
    temperature: float = Field(1.0, gt=0, description="of both answers, where losses are mixed")
    keep: Literal["last", "best-score"] = Field(
        "last",
        description="gradually: the weights that count, by the training's `keep`, or of the best evaluation at the "
        "final sparsity",
    )


class Pruner(Spec):
    """criterion x structure x scope x schedule x recovery x objective.

    The fields ``gradient*`` and ``decay`` concern only criteria that look at gradients, ``map_*`` only those that
    look at feature maps, ``level_fraction`` only the schedule ``levels``, ``gradual`` only gradual schedules.
    """

    criterion: str = Field(
        description="what a weight is worth; the lowest are pruned",
        json_schema_extra=lambda schema: schema.update(enum=[*criterion_names()]),
    )
    structure: Structure = Field(
        "weights",
        description="prune single weights, or whole filters (and units) with all that hangs on them",
    )
    scope: Scope = Field("layer", description="rank the weights of each layer, or of all layers together")
    schedule: Schedule = Field(
        description="before training, once after training, in rounds, each level from the models of the "
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
    gradient_mode: Literal["train", "eval"] = Field(
        "eval",
        description="train: gradients are taken as in training, with dropout and with the batch's own statistics in "
        "batch normalization, whose running ones stay as they are; eval: as in prediction",
    )
    decay: float | None = Field(
        None,
        ge=0,
        description="weight decay that `undecayed` discounts; null means the training's, or 5e-4 where "
        "models are trained without",
    )

    level_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="of the weights that are left, what each level removes (schedule `levels`)",
    )
    map_batches: int = Field(5, ge=1, description="batches whose feature maps are looked at")
    map_batch_size: int = Field(128, ge=1, description="examples in each of them")
    layer_shares: tuple[LayerShares, ...] = Field(
        (),
        description="structure filters: shares of channels that layers keep beside one another; by default all alike",
    )
    gradual: Gradual = Field(Gradual(), description="how a gradual schedule goes")
    objective: Objective = Field(
        "task",
        description="what pruned models are trained for: the task's loss, also to answer as the dense model "
        "does, or as their own best checkpoint so far does",
    )
    objective_steps: int | None = Field(
        None,
        ge=1,
        description="self-regularized: training steps between evaluations on the validation split; null: an epoch",
    )
    teaching: Teaching = Field(
        Teaching(), description="self-regularized: the teacher and its part in the loss"
    )

    @field_validator("criterion")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in criterion_names():
            # Not by criterion_named: pydantic says where an unknown name stands.
            raise ValueError(f"must be one of {listed(criterion_names(), 40)} (not {name!r})")
        criterion_named(name)
        return name

    @field_validator("schedule", mode="before")
    @classmethod
    def _renamed(cls, value: Any) -> Any:
        """Settings of jobs, here and in results trees, keep the old name of ``levels`` (``_what_concerns_it``)."""
        return "levels" if value == "ladder" else value

    @model_validator(mode="after")
    def _possible(self) -> Pruner:
        if self.schedule != "iterative" and self.rounds != 1:
            raise ValueError(f"rounds: only an iterative schedule has rounds, not {self.schedule}")
        if self.schedule == "at-init" and self.recovery == "rewind":
            raise ValueError("recovery: a pruner at initialization has nothing to rewind; use fine-tune")
        if not self.declared.rewinds and self.recovery == "rewind":
            raise ValueError(
                f"recovery: rewound weights are no longer {self.criterion} (PIE paper, Table 3); use fine-tune"
            )
        if self.in_levels and self.recovery != "rewind":
            raise ValueError("recovery: every level is trained again from the start; use rewind")
        if self.declared.looks_at == "feature-maps" and self.structure != "filters":
            raise ValueError(
                f"structure: {self.criterion} is what a filter is worth, not a weight; use filters"
            )
        if self.structure == "weights" and self.layer_shares:
            raise ValueError(
                "layer_shares: of channels that filters make; use structure: filters, or leave it out"
            )
        if self.structure == "filters" and self.scope != "layer":
            raise ValueError("scope: filters of different layers are not ranked together; use layer")
        if self.structure == "filters" and self.schedule not in ("at-init", "one-shot"):
            raise ValueError(
                f"schedule: filters are removed all at once; use at-init or one-shot, not {self.schedule}"
            )
        self._possible_gradually()
        if self.teaching.keep == "best-score" and not self.is_gradual:
            raise ValueError(
                "teaching: keep: best-score is of gradual schedules; use last, or schedule: gradual"
            )
        if self.objective == "distilled" and self.in_levels:
            raise ValueError(
                "objective: a level starts from the models of the level below, without the dense ones; use task or "
                "self-regularized, or an iterative schedule"
            )
        return self

    def _possible_gradually(self) -> None:
        if self.schedule != "gradual":
            if self.declared.watches:
                once = f"; {self.declared.hint}" if self.declared.hint else ""
                raise ValueError(
                    f"schedule: {self.criterion} watches training; use gradual, not {self.schedule}{once}"
                )
            return
        if not (self.declared.watches or self.declared.gradual):
            fit = [one.name for one in CRITERIA.values() if one.watches or one.gradual]
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
        if self.in_levels:
            # Its old name: jobs are rerun when their settings' text changes, and old results trees have it.
            values["schedule"] = "ladder"
        idle = []
        if self.structure == "weights":
            idle.append("structure")
        if not self.layer_shares:
            idle.append("layer_shares")
        if not self.in_levels:
            idle.append("level_fraction")
        if self.declared.looks_at != "feature-maps":
            idle += ["map_batches", "map_batch_size"]
        if self.objective == "task":
            idle.append("objective")
        if self.objective != "self-regularized":
            idle.append("objective_steps")
        if self.objective != "self-regularized" or self.teaching == Teaching():
            idle.append("teaching")
        if self.schedule == "gradual":
            idle += ["rounds", "recovery", "gradient_batches", "gradient_batch_size", "gradient", "decay"]
            idle.append("gradient_mode")
            asked = {"start", "warm_up", "cool_down", *self.declared.settings}
            values["gradual"] = {name: v for name, v in values["gradual"].items() if name in asked}
        else:
            idle.append("gradual")
        if self.gradient_mode == "eval" or not self.needs_gradient:
            # Later than the others: what was pruned from the text without it stands.
            idle.append("gradient_mode")
        return {name: value for name, value in values.items() if name not in idle}

    @property
    def declared(self) -> Criterion:
        """The criterion's declaration."""
        return criterion_named(self.criterion)

    @property
    def version(self) -> int:
        """Raised when models pruned like this come out otherwise than those of an earlier release."""
        return self.declared.version + (OBJECTIVE_VERSION.get(self.objective, 0) if self.is_gradual else 0)

    @property
    def needs_trained(self) -> bool:
        """Whether pruning starts from the trained dense model."""
        if self.is_gradual:
            return self.gradual.start == "trained"
        return self.schedule != "at-init"

    @property
    def has_dense_teacher(self) -> bool:
        """Whether a trained dense model teaches, at least at first."""
        of_first = self.objective == "self-regularized" and self.teaching.first == "dense"
        return of_first or self.objective == "distilled"

    @property
    def needs_dense(self) -> bool:
        """Whether the trained dense model is needed: to start from, or as a teacher."""
        return self.needs_trained or self.has_dense_teacher

    @property
    def is_gradual(self) -> bool:
        """Whether weights are pruned at every step of the model's only phase of training."""
        return self.schedule == "gradual"

    @property
    def fine_tunes(self) -> bool:
        """Whether training goes on after pruning, instead of starting again or only then."""
        return self.needs_trained and self.recovery == "fine-tune"

    @property
    def in_levels(self) -> bool:
        """Whether compression is by levels, each pruned from the models of the level below."""
        return self.schedule == "levels"

    @property
    def step(self) -> Fraction:
        """``level_fraction`` as it is written: 0.2 is a fifth."""
        return Fraction(str(self.level_fraction))

    def shares_at(self, ratio: float) -> dict[str, float]:
        """``left`` of those of ``layer_shares`` that count at a ratio; empty: all layers alike."""
        counting = [one for one in self.layer_shares if one.from_ratio <= ratio]
        return max(counting, key=lambda one: one.from_ratio).left if counting else {}

    @property
    def needs_gradient(self) -> bool:
        return self.declared.looks_at == "gradient"

    def decay_for(self, weight_decay: float) -> float:
        """The weight decay epsilon of the criterion, for models trained with ``weight_decay``.

        Without any, the criterion's own (``Criterion.decay``) unless the pruner's ``decay`` says otherwise (0
        included).
        """
        if self.decay is not None:
            return self.decay
        if self.declared.decay is not None and weight_decay == 0:
            return self.declared.decay
        return weight_decay


def _pie(criterion: str, schedule: Schedule, recovery: Recovery = "fine-tune") -> Pruner:
    rounds = 3 if schedule == "iterative" else 1
    return Pruner(criterion=criterion, schedule=schedule, rounds=rounds, recovery=recovery)


def _recall(criterion: str, scope: Scope, gradient: Literal["data", "total"] = "data") -> Pruner:
    """As ShrinkBench: the gradient of one training batch, whose forward pass runs in training mode."""
    return Pruner(
        criterion=criterion,
        scope=scope,
        schedule="one-shot",
        gradient=gradient,
        gradient_batches=1,
        gradient_batch_size=None,
        gradient_mode="train" if CRITERIA[criterion].looks_at == "gradient" else "eval",
    )


def _gradual(criterion: str, objective: Objective = "task", **settings: Any) -> Pruner:
    return Pruner(
        criterion=criterion,
        scope="global",
        schedule="gradual",
        objective=objective,
        gradual=Gradual(**settings),
    )


def _pins_by_script() -> Pruner:
    """The released run_glue.py (github.com/DRSY/PINS at 0ce9d00): evaluations after steps 1, 51, 101, ..."""
    teaching = Teaching(
        first="dense", first_evaluation=1, weight="own-entropy", temperature=2.0, keep="best-score"
    )
    pins = _gradual("pins", "self-regularized", beta2=0.99)
    return pins.model_copy(update={"objective_steps": 50, "teaching": teaching})


#: CHIP's repository has two settings for ResNet-56: all inner channels of blocks alike (.6 left, ratio 1.75), and .5,
#: .4 and .3 of the stages' (ratio 3.33), whose proportions the recall paper keeps at higher ratios (appendix H).
_CHIP_SHARES = (LayerShares(from_ratio=3.0, left={"stage1": 0.5, "stage2": 0.4, "stage3": 0.3}),)

#: The papers' pruners. PIE paper, Table 3 (iterative: three rounds); recall paper, section 3 (UP as released, and
#: UP-derived with the gradient of the derivation, which holds the decay term: docs/fidelity.md), and appendix H
#: for the lottery ticket hypothesis (Frankle and Carbin 2019) and CHIP (Sui et al. 2021).
#: PINS paper and its rivals, gradual: PINS by Algorithm 1 with the score and schedule of the authors' script (RTE: 200
#: and 1,200 of 2,820 steps), by that script altogether (docs/fidelity.md), and with the score as printed in Eq. 11;
#: gradual magnitude (Zhu and Gupta 2017; the paper's IMP) and sensitivity (Eq. 5) under the same schedule; PLATON
#: (Zhang et al. 2022), soft movement pruning and l0 regularization as in Sanh et al. 2020 (scores' rates and final
#: penalties there), PST (Li et al. 2022).
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
    "UP-derived": _recall("undecayed", "global", "total"),
    "RP": _recall("random", "layer"),
    "LTH": Pruner(criterion="magnitude", scope="global", schedule="levels", recovery="rewind"),
    "CHIP": Pruner(
        criterion="channel-independence", structure="filters", schedule="one-shot", layer_shares=_CHIP_SHARES
    ),
    "PINS": _gradual("pins", "self-regularized", beta2=0.99),
    "PINS-authors": _pins_by_script(),
    "PINS-plain": _gradual("pins-plain", "self-regularized"),
    "GMP": _gradual("magnitude"),
    "sensitivity": _gradual("sensitivity"),
    "PLATON": _gradual("platon"),
    "SMvP": _gradual("movement", warm_up=0.1, cool_down=0.2, score_lr=1e-2, penalty=400.0),
    "PST": _gradual("pst", warm_up=0.1, cool_down=0.3, rank=8),
    "L0": _gradual("l0", warm_up=0.1, cool_down=0.2, score_lr=1e-1, penalty=125.0),
}

_ORDER = {name: position for position, name in enumerate((NO_PRUNER, *PRUNERS))}


def paper_order(pruner: str) -> tuple[int, str]:
    """Sort key: dense models first, then the papers' pruners in their order, then others by name."""
    return (_ORDER.get(pruner, len(_ORDER)), pruner)
