"""Criteria that score all weights at one time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope.criteria.declaration import Evidence, criterion

if TYPE_CHECKING:
    from torch import Tensor

    from prunescope.criteria.declaration import Tensors


@criterion("magnitude pruning", gradual=True)
def magnitude(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """|w|; under a gradual schedule gradual magnitude pruning (Zhu and Gupta 2017), the PINS paper's IMP."""
    return {name: w.abs() for name, w in weights.items()}


@criterion("impact-based pruning", looks_at="gradient")
def impact(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """|w * g|: the first-order change of the loss when w is set to zero.

    PIE paper, section 3 ("Impact", after Lee et al. 2019); recall paper, section 3 (GP).
    """
    return {name: (w * evidence.gradients[name]).abs() for name, w in weights.items()}


# Without any decay this would be impact pruning under another name: 5e-4 is the recall paper's of its other models.
@criterion("undecayed pruning", looks_at="gradient", decay=5e-4)
def undecayed(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """|-w * g + eps * w^2|: the change of the loss without its weight-decay term.

    Recall paper, section 3 (UP). As MP where g = 0 and as GP where eps = 0.
    """
    return {
        name: (-w * evidence.gradients[name] + evidence.decay * w.square()).abs()
        for name, w in weights.items()
    }


@criterion("random pruning", rewinds=False)
def random(weights: Tensors, evidence: Evidence) -> dict[str, Tensor]:
    """A uniform draw from [0, 1)."""
    import torch

    return {
        name: torch.rand(w.shape, generator=evidence.generator).to(w.device) for name, w in weights.items()
    }
