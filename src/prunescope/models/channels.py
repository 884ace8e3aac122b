"""The channels of a network that can be removed: filters of convolutions, units of hidden linear layers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from prunescope.models.lenet import LeNet5
from prunescope.models.resnet import Block, ResNet


@dataclass(frozen=True)
class Slices:
    """Where a channel stands in a parameter: entries i * width to (i + 1) * width - 1 of dimension ``dim``."""

    parameter: str
    dim: int
    width: int = 1


@dataclass(frozen=True)
class Channels:
    """The channels that one layer makes, and everything that goes when one of them does.

    layer: the convolution or linear layer; dimension 0 of its ``weight`` counts them. size: how many.
    source: the module whose output, after ReLU, is their feature maps. slices: of all parameters that belong to a
    channel: its filter, its bias and normalization, and what the next layer makes of it.
    """

    layer: str
    size: int
    source: str
    slices: tuple[Slices, ...]


def channels_of(model: nn.Module) -> tuple[Channels, ...]:
    """The removable channels of a network, in its order; none where it has no filters.

    In residual networks these are the channels inside of the blocks, between their two convolutions: what is
    added to the shortcut keeps its width. The classifier's outputs and the pictures' channels are no
    channels of these.
    """
    if isinstance(model, ResNet):
        blocks = [name for name, module in model.named_modules() if isinstance(module, Block)]
        return tuple(_in_block(model, name) for name in blocks)
    if isinstance(model, LeNet5):
        # Each of the second convolution's maps is a stretch of what the first linear layer takes in.
        area = model.fc1.in_features // model.conv2.out_channels
        chain = ("conv1", "conv2", "fc1", "fc2", "fc3")
        return tuple(
            Channels(
                layer,
                model.get_parameter(f"{layer}.weight").shape[0],
                layer,
                (
                    Slices(f"{layer}.weight", 0),
                    Slices(f"{layer}.bias", 0),
                    Slices(f"{after}.weight", 1, area if layer == "conv2" else 1),
                ),
            )
            for layer, after in pairwise(chain)
        )
    return ()


def _in_block(model: nn.Module, name: str) -> Channels:
    return Channels(
        f"{name}.conv1",
        model.get_parameter(f"{name}.conv1.weight").shape[0],
        f"{name}.bn1",
        (
            Slices(f"{name}.conv1.weight", 0),
            Slices(f"{name}.bn1.weight", 0),
            Slices(f"{name}.bn1.bias", 0),
            Slices(f"{name}.conv2.weight", 1),
        ),
    )
