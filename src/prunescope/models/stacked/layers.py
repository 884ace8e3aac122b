"""What stacked forward passes are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

Tensors: TypeAlias = Mapping[str, Tensor]

#: weights, buffers, inputs (R, B, ...), whether it is training -> logits (R, B, C). Training moves batch
#: normalization's running statistics among the buffers, in place.
Forward: TypeAlias = Callable[[Tensors, Tensors, Tensor, bool], Tensor]


def linear(weights: Tensors, name: str, x: Tensor) -> Tensor:
    """(R, B, inputs) -> (R, B, outputs)."""
    return torch.baddbmm(weights[f"{name}.bias"][:, None], x, weights[f"{name}.weight"].transpose(1, 2))


def grouped_convolution(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    """(R, B, C, height, width), (R, O, C, k, k), (R, O) -> (R, B, O, ...), a group for each replica."""
    replicas = len(weight)
    joined = x.transpose(0, 1).flatten(1, 2)
    y = nn.functional.conv2d(joined, weight.flatten(0, 1), bias.flatten(), padding=padding, groups=replicas)
    return y.unflatten(1, (replicas, -1)).transpose(0, 1)


def unfolded_convolution(x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    """What ``grouped_convolution`` gives, as one batched product with every window of the images."""
    size = weight.shape[-1]
    padded = nn.functional.pad(x, (padding,) * 4)
    # Not nn.functional.unfold, which launches a kernel for each image on a GPU.
    windows = padded.unfold(3, size, 1).unfold(4, size, 1)  # (R, B, C, height, width, k, k)
    height, width = windows.shape[3:5]
    columns = windows.permute(0, 1, 2, 5, 6, 3, 4).reshape(*x.shape[:2], -1, height * width)
    # A product for each image: the weights' gradient is then many short sums, not a few long ones.
    y = weight.flatten(2)[:, None] @ columns + bias[:, None, :, None]
    return y.unflatten(3, (height, width))
