"""What one GPU job does, as data: the settings it depends on and no others."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from prunescope.config.architectures import Arch, Training
from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.config.pruners import Pruner
from prunescope.config.spec import Spec
from prunescope.config.study import Study


class ModelJob(Spec):
    """One block of seeds of one cell. Snakemake reruns a job when this changes.

    ``composition`` is None for dense models.
    """

    dataset: str
    arch: str
    pruner: str
    amount: str
    seeds: tuple[int, ...]
    architecture: Arch
    training: Training
    composition: Pruner | None = None
    logits: Literal["float32", "float16"] = "float32"

    @model_serializer(mode="wrap")
    def _without_default(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Left out at its default, so that jobs that do without it are the same text, and stand.
        settings: dict[str, Any] = whole(self)
        if self.logits == "float32":
            settings.pop("logits", None)
        return settings

    @property
    def target(self) -> Compression:
        return Compression.parse(self.amount)


def model_job(study: Study, cell: Cell, seeds: tuple[int, ...]) -> ModelJob:
    """The job that trains ``seeds`` of ``cell``."""
    architecture = study.archs[cell.arch]
    # A block's size and the arch's own training settings (merged with the data set's) are not
    # part of what a model is: changing the first must not retrain anything. How replicas are trained
    # stays: it changes the last bits of results.
    plain = architecture.model_copy(update={"training": Training(), "block": 1})
    training = study.training(cell.dataset, cell.arch)
    composition = None if cell.dense else study.all_pruners[cell.pruner]
    return ModelJob(
        dataset=cell.dataset,
        arch=cell.arch,
        pruner=cell.pruner,
        amount=cell.compression.token,
        seeds=seeds,
        architecture=plain,
        training=training.model_copy(update=_without_effect(composition)),
        composition=composition,
        logits=study.logits,
    )


def _without_effect(composition: Pruner | None) -> dict[str, Any]:
    """Training settings that do not change what the job leaves, at their defaults."""
    names = []
    if composition is not None:
        names += ["early_fraction", "early_epochs_from"]
    if composition is None or not composition.fine_tunes:
        names += ["finetune_epochs", "finetune_lr_factor"]
    if composition is None or composition.recovery != "rewind":
        names.append("rewind_epochs")
    return {name: Training.model_fields[name].default for name in names}


def alone_because(composition: Pruner | None, training: Training) -> str | None:
    """Why a job's replicas cannot be trained together whatever the settings say; None where they can."""
    if composition is not None and composition.is_gradual:
        return "gradual pruning acts in every step: replicas are trained one after the other"
    if composition is not None and composition.objective != "task":
        return f"objective {composition.objective}: replicas are trained one after the other"
    if not training.steady:
        return "the learning rate changes within epochs: replicas are trained one after the other"
    if training.precision != "float32":
        return f"precision {training.precision}: replicas are trained one after the other"
    return None
