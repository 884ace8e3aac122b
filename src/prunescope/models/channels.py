"""The channels of a model that can be removed: filters of convolutions, units of hidden linear layers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Slices:
    """Where a channel is in a parameter: entries i * width to (i + 1) * width - 1 of dimension ``dim``."""

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
    """The removable channels of a model, in its order; none where it has no filters.

    The classifier's outputs and the images' channels are not among them.
    """
    own = getattr(model, "channels", None)
    return () if own is None else tuple(own())
