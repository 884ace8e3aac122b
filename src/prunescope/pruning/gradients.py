"""The gradient of the loss on a few training examples, for the criteria that look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

B = TypeVar("B")


def accumulated_gradients(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    backward: Callable[[B], object],
    batches: Iterable[B],
    decay: float = 0.0,
) -> dict[str, Tensor]:
    """Mean over batches of the gradient of the mean loss, per weight tensor and of its shape.

    Dropout is off and batch normalization uses its running statistics, which do not change. The
    mean rather than the sum: the criterion of undecayed pruning compares the gradient with the
    weight-decay term, so its scale counts. With ``decay`` the gradient is that of the loss with
    its weight-decay term, g + decay * w (the recall paper's derivation). Gradients of the model
    are left cleared, every module in the mode it was in.

    Args:
        backward: leaves the gradient of a batch's mean loss in the model's parameters, whose gradients are cleared.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            # cuDNN computes gradients of recurrent layers in training mode only; dropout
            # between their layers is a setting we do not use.
            module.train()
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    count = 0
    for batch in batches:
        model.zero_grad(set_to_none=True)
        backward(batch)
        for name, weight in weights.items():
            if weight.grad is not None:
                sums[name] += weight.grad
        count += 1
    model.zero_grad(set_to_none=True)
    for module, training in modes:
        module.training = training
    return {name: total / count + decay * weights[name].detach() for name, total in sums.items()}
