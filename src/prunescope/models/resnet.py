"""Residual networks for small pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunescope.errors import UserError

#: Filters of the three stages.
WIDTHS = (16, 32, 64)

#: Two stages halve the picture; fewer than two pixels a side would be left to normalize over.
SMALLEST = 8


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
                f"resnet: pictures of {height} x {width} pixels are too small; "
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

    def forward(self, pictures: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(pictures)))
        x = self.stage3(self.stage2(self.stage1(x)))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


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
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


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
