"""Criteria: what a weight is worth. A new one is one function and one line in ``CRITERIA``.

Each takes all prunable weights and what it may need besides, and returns one score per weight;
the lowest scores are pruned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from prunescope.config.pruners import Criterion

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Evidence:
    """What criteria look at beside the weights.

    ``gradients``: of the mean loss, one tensor per weight tensor and of its shape; empty for
    criteria that need none. ``decay``: the weight decay epsilon of training. ``generator``: on the
    CPU, so that random draws do not depend on the device.
    """

    gradients: Tensors
    decay: float
    generator: torch.Generator


ScoringFunction: TypeAlias = Callable[[Tensors, Evidence], dict[str, Tensor]]


def magnitude(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """|w|."""
    return {name: w.abs() for name, w in weights.items()}


def impact(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """|w * g|: the first-order change of the loss when w is set to zero.

    PIE paper, section 3 ("Impact", after Lee et al. 2019); recall paper, section 3 (GP).
    """
    return {name: (w * evidence.gradients[name]).abs() for name, w in weights.items()}


def undecayed(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """|-w * g + eps * w^2|: the change of the loss without its weight-decay term.

    Recall paper, section 3 (UP). As MP where g = 0 and as GP where eps = 0.
    """
    return {
        name: (-w * evidence.gradients[name] + evidence.decay * w.square()).abs()
        for name, w in weights.items()
    }


def random(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """A uniform draw from [0, 1)."""
    return {
        name: torch.rand(w.shape, generator=evidence.generator).to(w.device) for name, w in weights.items()
    }


CRITERIA: dict[Criterion, ScoringFunction] = {
    "magnitude": magnitude,
    "impact": impact,
    "undecayed": undecayed,
    "random": random,
}
