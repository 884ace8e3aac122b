"""LeNet-5 for small images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.errors import UserError
from prunescope.models.channels import Channels, Slices
from prunescope.models.compiled import kernels as compiled_kernels
from prunescope.models.compiled import pooled
from prunescope.models.shape import Shape
from prunescope.models.stacked.layers import (
    Forward,
    Tensors,
    grouped_convolution,
    linear,
    unfolded_convolution,
)


def build(arch: architectures.LeNet5, shape: Shape) -> LeNet5:
    if shape.image is None:
        raise ValueError("lenet5 needs the shape of its images")
    return LeNet5(shape.image, shape.classes)


def kernels(precision: str) -> str:
    return compiled_kernels("pooled")


class LeNet5(nn.Module):
    """Two 5 x 5 convolutions (6 and 16 filters), each with ReLU and 2 x 2 max pooling, then 120-84-C.

    The first convolution is padded to keep the size, the second only where the image is smaller
    than 28 pixels, so that 8 x 8 images leave something to classify.

    Input (B, channels, height, width) float; output logits (B, classes).
    """

    final_layer = "fc3"

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        padding = 0 if min(height, width) >= 28 else 2
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5, padding=padding)
        sizes = [((side // 2) + 2 * padding - 4) // 2 for side in (height, width)]
        if min(sizes) < 1:
            raise UserError(f"lenet5: images of {height} x {width} pixels are too small; 4 x 4 is the least")
        self.fc1 = nn.Linear(16 * sizes[0] * sizes[1], 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = pooled(self.conv2, pooled(self.conv1, images))
        x = torch.relu(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc3(torch.relu(self.fc2(x)))
        return logits

    def channels(self) -> tuple[Channels, ...]:
        """Filters and units that can be removed (``models.channels``)."""
        # Each map of the second convolution is a run of the inputs of the first linear layer.
        area = self.fc1.in_features // self.conv2.out_channels
        return tuple(
            Channels(
                layer,
                self.get_parameter(f"{layer}.weight").shape[0],
                layer,
                (
                    Slices(f"{layer}.weight", 0),
                    Slices(f"{layer}.bias", 0),
                    Slices(f"{after}.weight", 1, area if layer == "conv2" else 1),
                ),
            )
            for layer, after in pairwise(("conv1", "conv2", "fc1", "fc2", "fc3"))
        )

    def stacked(self, unfolded: bool | None = None) -> Forward:
        """The forward pass of replicas; ``unfolded``: how it convolves, None: as is faster on this device."""
        return _Stacked(self, self.fc1.weight.is_cuda if unfolded is None else unfolded)


@dataclass(frozen=True)
class _Stacked:
    """``unfolded``: convolutions as products with unfolded images, else grouped ones.

    With so few channels a group, grouped kernels leave most of a GPU idle, and products are bound by memory alone;
    on a CPU, grouped ones are faster.
    """

    model: LeNet5
    unfolded: bool

    def __call__(self, weights: Tensors, buffers: Tensors, images: Tensor, training: bool) -> Tensor:
        x = images
        for name, layer in (("conv1", self.model.conv1), ("conv2", self.model.conv2)):
            replicas, batch = x.shape[:2]
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            assert isinstance(layer.padding, tuple)  # of the same number on all sides
            convolve = unfolded_convolution if self.unfolded else grouped_convolution
            x = torch.relu(convolve(x, weight, bias, layer.padding[0]))
            x = torch.max_pool2d(x.flatten(0, 1), 2).unflatten(0, (replicas, batch))
        x = torch.relu(linear(weights, "fc1", x.flatten(2)))
        return linear(weights, "fc3", torch.relu(linear(weights, "fc2", x)))
