"""How models are trained, as settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from prunescope.config.spec import Spec


class Training(Spec):
    """How a model is trained, and trained again after pruning."""

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(1e-3, gt=0, description="learning rate")
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(32, ge=1)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    clip_norm: float | None = Field(None, gt=0, description="gradient norm is clipped to this")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="fractions of the epochs after which the learning rate falls to a tenth"
    )
    lr_warm_up: float = Field(
        0.0,
        ge=0,
        description="the learning rate rises over the first steps of each phase of training: so many, or below 1 a "
        "fraction of all",
    )
    lr_decay: Literal["none", "linear"] = Field(
        "none",
        description="linear: after its rise the learning rate falls to zero until the end of the phase",
    )
    finetune_epochs: int | None = Field(
        None, ge=0, description="epochs of fine-tuning after each pruning; null means as many as `epochs`"
    )
    finetune_lr_factor: float = Field(
        1.0, gt=0, description="learning rate of fine-tuning over that of training"
    )
    rewind_epochs: int | None = Field(
        None, ge=1, description="epochs of training after each rewinding; null means as many as `epochs`"
    )
    keep: Literal["last", "best-validation"] = Field(
        "last", description="the weights that count: of the last epoch, or of the lowest validation loss"
    )
    threshold_split: Literal["train", "validation"] = Field(
        "train", description="several labels: where the probability threshold is chosen, by macro F1"
    )
    early_fraction: float = Field(
        0.3, ge=0, lt=1, description="EL2N uses the first epoch e >= 1 with e / epochs above this"
    )
    early_epochs_from: Literal[0, 1] = Field(
        1,
        description="the number of the first epoch for EL2N; 0, as in the PIE paper's code: epoch number "
        "round(early_fraction x epochs), often one later",
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32",
        description="all but lenet5, bilstm, module: bf16 multiplies matrices in bfloat16; weights, sums and optimizer "
        "are float32",
    )
    padding: Literal["longest", "none"] = Field(
        "longest",
        description="encoder: texts of a batch are padded to the longest, or concatenated without "
        "padding; the same function",
    )
    order: Literal["shuffled", "by-length"] = Field(
        "shuffled",
        description="encoder, causal-lm: batches in training, of any texts or of texts of like length, shuffled",
    )

    @model_serializer(mode="wrap")
    def _with_what_is_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without later settings that are not set: no job is rerun for a setting that changes nothing."""
        values: dict[str, Any] = dump(self)
        return {
            name: value
            for name, value in values.items()
            if name not in _LATER or value != Training.model_fields[name].default
        }

    @property
    def steady(self) -> bool:
        """Whether the learning rate is the same at all steps of an epoch."""
        return self.lr_warm_up == 0 and self.lr_decay == "none"

    @property
    def early_epoch(self) -> int:
        """The 1-based epoch after which EL2N scores are taken (PIE paper, section 4.2, note 5)."""
        if self.early_epochs_from == 0:
            return min(round(self.early_fraction * self.epochs) + 1, self.epochs)
        return next(e for e in range(1, self.epochs + 1) if e / self.epochs > self.early_fraction)


#: Settings of training that came after models had been trained from the text of the others.
_LATER = ("rewind_epochs", "lr_warm_up", "lr_decay", "precision", "padding", "order", "early_epochs_from")


def merged_training(base: Training, changes: Mapping[str, Any]) -> Training:
    """``base`` with ``changes`` to it, checked."""
    return Training.model_validate({**base.model_dump(), **changes})


def fine_tuning_epochs(training: Training) -> int:
    """Epochs after each pruning of a model that is fine-tuned."""
    return training.epochs if training.finetune_epochs is None else training.finetune_epochs


def rewinding_epochs(training: Training) -> int:
    """Epochs after each pruning of a model that is rewound."""
    return training.epochs if training.rewind_epochs is None else training.rewind_epochs
