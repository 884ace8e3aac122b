"""Architectures as settings, with what follows from them, and how they are trained. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import Field

from prunescope.config.architectures.base import Architecture, Facts, Stackable
from prunescope.config.architectures.bilstm import BiLSTM
from prunescope.config.architectures.causal_lm import CausalLM
from prunescope.config.architectures.encoder import Encoder
from prunescope.config.architectures.lenet5 import LeNet5
from prunescope.config.architectures.module import Module
from prunescope.config.architectures.prunable import PRESETS, Prunable
from prunescope.config.architectures.resnet import ResNet
from prunescope.config.architectures.torchvision import Torchvision
from prunescope.config.architectures.training import (
    Training,
    fine_tuning_epochs,
    merged_training,
    rewinding_epochs,
)
from prunescope.config.architectures.transformers import Transformers
from prunescope.config.plugins import Installed, load_settings, plugins

__all__ = [
    "FAMILIES",
    "PRESETS",
    "RUNNING",
    "Arch",
    "Architecture",
    "BiLSTM",
    "CausalLM",
    "Encoder",
    "Facts",
    "LeNet5",
    "Module",
    "Prunable",
    "ResNet",
    "Stackable",
    "Torchvision",
    "Training",
    "Transformers",
    "families_that",
    "family_named",
    "family_names",
    "fine_tuning_epochs",
    "merged_training",
    "rewinding_epochs",
    "training_problem",
    "with_checkpoint_sizes",
    "without_running",
]

#: Prunescope's own architectures, by family.
FAMILIES: dict[str, type[Architecture]] = {
    "lenet5": LeNet5,
    "resnet": ResNet,
    "bilstm": BiLSTM,
    "encoder": Encoder,
    "causal-lm": CausalLM,
    "torchvision": Torchvision,
    "transformers": Transformers,
    "module": Module,
}

#: An architecture's settings, which ``family`` tells apart: one of ``FAMILIES`` or of an installed package.
if TYPE_CHECKING:
    Arch: TypeAlias = Architecture
else:
    Arch = Annotated[
        Annotated[reduce(or_, FAMILIES.values()), Field(discriminator="family")],
        Installed("architectures", "family", Architecture),
    ]

#: How an arch's jobs are cut and run: no part of what a model is.
RUNNING = ("block", "replicas", "together")


def family_names() -> list[str]:
    """Prunescope's families and those of installed packages; nothing is loaded."""
    return [*FAMILIES, *plugins("architectures")]


def family_named(name: str) -> type[Architecture]:
    """The settings class of a family, from prunescope or an installed package.

    Raises:
        UserError: the package's cannot be loaded, or is no architecture.
    """
    return FAMILIES[name] if name in FAMILIES else load_settings("architectures", name, Architecture)


def families_that(ability: str) -> list[str]:
    """Prunescope's families with ``ability``, a flag of ``Architecture``."""
    return [name for name, family in FAMILIES.items() if getattr(family, ability)]


def without_running(arch: Arch) -> Arch:
    """``arch`` with what concerns only the running of jobs, and its own training settings, at defaults."""
    fields = type(arch).model_fields
    names = [name for name in RUNNING if name in fields]
    return arch.model_copy(update={"training": Training(), **{n: fields[n].default for n in names}})


def training_problem(arch: Arch, training: Training, answers: str) -> str | None:
    """What of the settings the model cannot do, and what to do, in a line; None if it can do all.

    Args:
        answers: what the data set asks for (``datasets.Answers``).
    """
    reads = "reads images" if arch.input == "image" else "reads padding like words"
    if training.precision == "bf16" and not arch.bf16:
        fit = ", ".join(families_that("bf16"))
        return f"precision: bf16 is for the families {fit}, not {arch.family}; use float32"
    if training.order == "by-length" and not arch.masks_padding:
        fit = " and ".join(families_that("masks_padding"))
        return f"order: by-length is for the families {fit}; {arch.family} {reads}; use shuffled"
    if training.padding == "none" and not arch.packs:
        what = reads if arch.input == "text" and not arch.masks_padding else "is none"
        fit = " and ".join(families_that("packs"))
        return f"padding: none is for the family {fit}; {arch.family} {what}; use longest"
    if training.padding == "none" and answers not in ("classes", "number"):
        return f"padding: none is for classes and scores, not for {answers}, which are scored by batch; use longest"
    return None


def with_checkpoint_sizes(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A study as parsed, with the settings of its archs that are known from elsewhere (``Architecture.completed``)."""
    archs = raw.get("archs")
    if not isinstance(archs, Mapping):
        return dict(raw)
    return {**raw, "archs": {name: _completed(arch) for name, arch in archs.items()}}


def _completed(arch: Any) -> Any:
    family = arch.get("family") if isinstance(arch, Mapping) else None
    return FAMILIES[family].completed(arch) if isinstance(family, str) and family in FAMILIES else arch
