"""Residual networks for small images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.errors import UserError
from prunescope.models.channels import Channels, Slices
from prunescope.models.compiled import kernels as compiled_kernels
from prunescope.models.compiled import normalized
from prunescope.models.shape import Shape
from prunescope.models.stacked.layers import Forward, Tensors, linear

#: Filters of the three stages.
WIDTHS = (16, 32, 64)

#: Two stages halve the image; fewer than two pixels a side would be left to normalize over.
SMALLEST = 8


def build(arch: architectures.ResNet, shape: Shape) -> ResNet:
    if shape.image is None:
        raise ValueError("resnet needs the shape of its images")
    return ResNet(shape.image, shape.classes, depth=arch.depth, shortcut=arch.shortcut)


def kernels(precision: str) -> str:
    """In bfloat16 normalization, sum and ReLU may be one compiled function; torch's in float32."""
    return compiled_kernels("normalized") if precision == "bf16" else "torch"


class ResNet(nn.Module):
    """He et al. 2016, section 4.2: 3 x 3 convolutions, three stages of n blocks, global mean, one linear layer.

    6n + 2 layers with weights. Convolutions have no bias; each is followed by batch normalization.
    Weights start as in He et al. 2015 (normal, by fan-in), the linear layer's too.

    Input (B, channels, height, width) float; output logits (B, classes).
    """

    final_layer = "fc"

    def __init__(self, shape: tuple[int, int, int], classes: int, *, depth: int, shortcut: str) -> None:
        super().__init__()
        channels, height, width = shape
        if min(height, width) < SMALLEST:
            raise UserError(
                f"resnet: images of {height} x {width} pixels are too small; "
                f"{SMALLEST} x {SMALLEST} is the least"
            )
        blocks = (depth - 2) // 6
        self.conv1 = _conv(channels, WIDTHS[0])
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.stage1 = _stage(blocks, WIDTHS[0], WIDTHS[0], 1, shortcut)
        self.stage2 = _stage(blocks, WIDTHS[0], WIDTHS[1], 2, shortcut)
        self.stage3 = _stage(blocks, WIDTHS[1], WIDTHS[2], 2, shortcut)
        self.fc = nn.Linear(WIDTHS[2], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        if not images.is_cuda:
            images = images.contiguous(
                memory_format=torch.channels_last
            )  # oneDNN's faster layout; all keep it
        x = normalized(self.bn1, self.conv1(images))
        x = self.stage3(self.stage2(self.stage1(x)))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits

    def channels(self) -> tuple[Channels, ...]:
        """Those inside of the blocks, between their two convolutions: the sum with the shortcut keeps its width."""
        blocks = [name for name, module in self.named_modules() if isinstance(module, Block)]
        return tuple(self._in_block(name) for name in blocks)

    def _in_block(self, name: str) -> Channels:
        return Channels(
            f"{name}.conv1",
            self.get_parameter(f"{name}.conv1.weight").shape[0],
            f"{name}.bn1",
            (
                Slices(f"{name}.conv1.weight", 0),
                Slices(f"{name}.bn1.weight", 0),
                Slices(f"{name}.bn1.bias", 0),
                Slices(f"{name}.conv2.weight", 1),
            ),
        )

    def stacked(self) -> Forward:
        """The forward pass of replicas."""
        return _Stacked(self)


class Block(nn.Module):
    """Two convolutions around which the input is added, ReLU after the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = Pad(outputs - inputs) if shortcut == "A" else _projection(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = normalized(self.bn1, self.conv1(x))
        return normalized(self.bn2, self.conv2(y), self.shortcut(x))


class Pad(nn.Module):
    """Option A: every second pixel, and channels of zeros, half of them before and half after."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.before = channels // 2
        self.after = channels - self.before

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    """Option B."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


def _stage(blocks: int, inputs: int, outputs: int, stride: int, shortcut: str) -> nn.Sequential:
    first = Block(inputs, outputs, stride, shortcut)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, shortcut) for _ in range(blocks - 1)))


@dataclass(frozen=True)
class _Stacked:
    """Grouped convolutions: a image's channels are those of all replicas, (B, R * channels, height, width).

    Batch normalization is by channel, and so by replica.
    """

    model: ResNet

    def __call__(self, weights: Tensors, buffers: Tensors, images: Tensor, training: bool) -> Tensor:
        replicas = images.shape[0]
        run = _Grouped(weights, buffers, training, replicas)
        model = self.model
        x = images.transpose(0, 1).flatten(1, 2)
        x = torch.relu(run.norm("bn1", model.bn1, run.conv("conv1", model.conv1, x)))
        for name in ("stage1", "stage2", "stage3"):
            for number, block in enumerate(model.get_submodule(name).children()):
                assert isinstance(block, Block)
                x = run.block(f"{name}.{number}", block, x)
        means = x.mean(dim=(2, 3)).view(len(x), replicas, -1).transpose(0, 1)
        return linear(weights, "fc", means)


@dataclass(frozen=True)
class _Grouped:
    weights: Tensors
    buffers: Tensors
    training: bool
    replicas: int

    def conv(self, name: str, layer: nn.Conv2d, x: Tensor) -> Tensor:
        weight = self.weights[f"{name}.weight"].flatten(0, 1)
        return nn.functional.conv2d(
            x, weight, None, layer.stride, layer.padding, layer.dilation, self.replicas
        )

    def norm(self, name: str, layer: nn.BatchNorm2d, x: Tensor) -> Tensor:
        if self.training:
            self.buffers[f"{name}.num_batches_tracked"].add_(1)
        return nn.functional.batch_norm(
            x,
            self.buffers[f"{name}.running_mean"].view(-1),
            self.buffers[f"{name}.running_var"].view(-1),
            self.weights[f"{name}.weight"].reshape(-1),
            self.weights[f"{name}.bias"].reshape(-1),
            self.training,
            0.1 if layer.momentum is None else layer.momentum,
            layer.eps,
        )

    def block(self, name: str, block: Block, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(f"{name}.bn1", block.bn1, self.conv(f"{name}.conv1", block.conv1, x)))
        y = self.norm(f"{name}.bn2", block.bn2, self.conv(f"{name}.conv2", block.conv2, y))
        return torch.relu(y + self.shortcut(f"{name}.shortcut", block.shortcut, x))

    def shortcut(self, name: str, layer: nn.Module, x: Tensor) -> Tensor:
        if isinstance(layer, nn.Sequential):
            projection, norm = layer
            assert isinstance(projection, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            return self.norm(f"{name}.1", norm, self.conv(f"{name}.0", projection, x))
        if isinstance(layer, Pad):
            apart = x.unflatten(1, (self.replicas, -1))[..., ::2, ::2]
            return nn.functional.pad(apart, (0, 0, 0, 0, layer.before, layer.after)).flatten(1, 2)
        return x
