"""The networks of ``prunescope.models`` for R replicas at once.

A stacked forward pass takes every weight and buffer of the network by its name, with a leading
dimension R, and gives the logits (R, B, C) that R networks would give. Nothing crosses replicas: a
network of NaN leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from prunescope.models.bilstm import BiLSTM
from prunescope.models.lenet import LeNet5
from prunescope.models.resnet import Block, Pad, ResNet
from prunescope.models.stacked.lstm import lstm_layer

Tensors: TypeAlias = Mapping[str, Tensor]

#: weights, buffers, inputs (R, B, ...), whether it is training -> logits (R, B, C). Training moves batch
#: normalization's running statistics among the buffers, in place.
Forward: TypeAlias = Callable[[Tensors, Tensors, Tensor, bool], Tensor]


def stacked_forward(model: nn.Module, *, unfolded: bool | None = None) -> Forward | None:
    """The forward pass of replicas of ``model``, whose own weights do not matter; None where there is none.

    ``unfolded``: how LeNet-5 convolves; None: as is faster on the model's device.
    """
    if isinstance(model, LeNet5):
        on_gpu = model.fc1.weight.is_cuda
        return _LeNet5(model, on_gpu if unfolded is None else unfolded)
    if isinstance(model, ResNet):
        return _ResNet(model)
    if isinstance(model, BiLSTM):
        return _BiLSTM(model)
    return None


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
    """What ``grouped_convolution`` gives, as one batched product with every window of the pictures."""
    size = weight.shape[-1]
    padded = nn.functional.pad(x, (padding,) * 4)
    # Not nn.functional.unfold, which launches a kernel for each picture on a GPU.
    windows = padded.unfold(3, size, 1).unfold(4, size, 1)  # (R, B, C, height, width, k, k)
    height, width = windows.shape[3:5]
    columns = windows.permute(0, 1, 2, 5, 6, 3, 4).reshape(*x.shape[:2], -1, height * width)
    # A product for each picture: the weights' gradient is then many short sums, not a few long ones.
    y = weight.flatten(2)[:, None] @ columns + bias[:, None, :, None]
    return y.unflatten(3, (height, width))


@dataclass(frozen=True)
class _LeNet5:
    """``unfolded``: convolutions as products with unfolded pictures, else grouped ones.

    With so few channels a group, grouped kernels leave most of a GPU idle, and products are bound by memory alone;
    on a CPU, grouped ones are faster.
    """

    model: LeNet5
    unfolded: bool

    def __call__(self, weights: Tensors, buffers: Tensors, pictures: Tensor, training: bool) -> Tensor:
        x = pictures
        for name, layer in (("conv1", self.model.conv1), ("conv2", self.model.conv2)):
            replicas, batch = x.shape[:2]
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            assert isinstance(layer.padding, tuple)  # of the same number on all sides
            convolve = unfolded_convolution if self.unfolded else grouped_convolution
            x = torch.relu(convolve(x, weight, bias, layer.padding[0]))
            x = torch.max_pool2d(x.flatten(0, 1), 2).unflatten(0, (replicas, batch))
        x = torch.relu(linear(weights, "fc1", x.flatten(2)))
        return linear(weights, "fc3", torch.relu(linear(weights, "fc2", x)))


@dataclass(frozen=True)
class _ResNet:
    """Grouped convolutions: a picture's channels are those of all replicas, (B, R * channels, height, width).

    Batch normalization is by channel, and so by replica.
    """

    model: ResNet

    def __call__(self, weights: Tensors, buffers: Tensors, pictures: Tensor, training: bool) -> Tensor:
        replicas = pictures.shape[0]
        run = _Grouped(weights, buffers, training, replicas)
        model = self.model
        x = pictures.transpose(0, 1).flatten(1, 2)
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


@dataclass(frozen=True)
class _BiLSTM:
    """Both directions of all replicas are one batch; the backward direction reads its input reversed."""

    model: BiLSTM

    def __call__(self, weights: Tensors, buffers: Tensors, words: Tensor, training: bool) -> Tensor:
        replicas = words.shape[0]
        by_step = torch.stack([words, words.flip(2)], dim=1).transpose(2, 3)
        x = nn.functional.embedding(by_step, self.model.vectors)  # (R, 2, L, B, dimensions)
        layers = self.model.lstm.num_layers
        for layer in range(layers):
            w_ih, w_hh, b_ih, b_hh = (
                self._directions(weights, f"{kind}_l{layer}")
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            states = lstm_layer(x.flatten(0, 1), w_ih, w_hh, b_ih + b_hh)
            forward, backward = states.unflatten(1, (replicas, 2)).unbind(2)  # (L, R, B, units) each
            if layer + 1 < layers:
                read = torch.cat([forward, backward.flip(0)], dim=3)
                reversed_ = torch.cat([forward.flip(0), backward], dim=3)
                x = torch.stack([read, reversed_]).permute(2, 0, 1, 3, 4)
        # Each direction after its last step: the end of the text forward, its beginning backward.
        y = torch.cat([forward[-1], backward[-1]], dim=2)
        for number in range(len(self.model.head)):
            y = torch.relu(linear(weights, f"head.{number}", y))
        return linear(weights, "out", y)

    @staticmethod
    def _directions(weights: Tensors, name: str) -> Tensor:
        """(2 R, ...): the two directions of each replica side by side."""
        pair = [weights[f"lstm.{name}"], weights[f"lstm.{name}_reverse"]]
        return torch.stack(pair, dim=1).flatten(0, 1)
