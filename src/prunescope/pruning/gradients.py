"""The gradient of the loss on a few training examples, for the criteria that look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

B = TypeVar("B")


def accumulated_gradients(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    backward: Callable[[B], object],
    batches: Iterable[B],
    decay: float = 0.0,
    training: bool = False,
) -> dict[str, Tensor]:
    """Mean over batches of the gradient of the mean loss, per weight tensor and of its shape.

    Dropout is off and batch normalization uses its running statistics. With ``training``, dropout draws from torch's
    global generator and batch normalization uses the batch's statistics, as in ShrinkBench, which takes gradients
    after ``model.train()``. Running statistics do not change either way. The
    mean rather than the sum: the criterion of undecayed pruning compares the gradient with the
    weight-decay term, so its scale counts. With ``decay`` the gradient is that of the loss with
    its weight-decay term, g + decay * w (the recall paper's derivation). Gradients of the model
    are left cleared, every module in the mode it was in.

    Args:
        backward: leaves the gradient of a batch's mean loss in the model's parameters, whose gradients are cleared.
    """
    modes = [(module, module.training) for module in model.modules()]
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    statistics = [{name: value.clone() for name, value in norm.named_buffers()} for norm in norms]
    model.train(training)
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
    for norm, kept in zip(norms, statistics, strict=True):
        for name, value in kept.items():
            norm.get_buffer(name).copy_(value)
    for module, was_training in modes:
        module.training = was_training
    return {name: total / count + decay * weights[name].detach() for name, total in sums.items()}
