"""Forward passes of many replicas of one model at once.

A stacked forward pass takes every weight and buffer of the model by its name, with a leading
dimension R, and gives the logits (R, B, C) that R models would give. Nothing crosses replicas: one whose
weights are NaN leaves the others as they are.
"""

from __future__ import annotations

from torch import nn

from prunescope.models.stacked.layers import Forward, Tensors

__all__ = ["Forward", "Tensors", "stacked_forward"]


def stacked_forward(model: nn.Module, *, unfolded: bool | None = None) -> Forward | None:
    """The forward pass of replicas of ``model``, whose own weights do not matter; None where there is none.

    ``unfolded``: how LeNet-5 convolves; None: as is faster on the model's device.
    """
    own = getattr(model, "stacked", None)
    if own is None:
        return None
    forward: Forward = own() if unfolded is None else own(unfolded)
    return forward
