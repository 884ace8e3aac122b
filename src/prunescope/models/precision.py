"""In which number format a model computes. Its weights, gradients and optimizer state are float32 in either."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunescope.models.packed import PackedTexts


def outputs(model: nn.Module, inputs: Tensor | PackedTexts, precision: str) -> Tensor:
    """``model(inputs)``, float32 where matrices are multiplied in bfloat16.

    ``bf16``: torch.autocast, which casts weights as they are used and leaves sums, normalization and softmax in
    float32. Only the forward pass is in it: what it has cast would not see the weights change.

    Args:
        precision: ``float32`` or ``bf16``.
    """
    if precision == "float32":
        plain: Tensor = model(inputs)
        return plain
    device = next(model.parameters()).device
    with torch.autocast(device.type, dtype=torch.bfloat16):
        rounded: Tensor = model(inputs)
    return rounded.float()
