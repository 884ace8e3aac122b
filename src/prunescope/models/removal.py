"""What a compression level comes to in a given model, before anything is pruned."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import torch
from torch import nn

from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner
from prunescope.errors import UserError
from prunescope.models.channels import Channels, channels_of
from prunescope.models.registry import count_parameters, prunable

#: Channels by the name of the layer that makes them.
Counts = dict[str, int]


@dataclass(frozen=True)
class Removal:
    """share: of the prunable weights, exact. parameters: of the whole model that become zero."""

    share: Fraction
    parameters: int


def removal(pruner: Pruner, compression: Compression, model: nn.Module) -> Removal:
    """What ``pruner`` takes from ``model`` at ``compression``; only shapes count, so a model without memory will do.

    Weights are counted as if all layers were one pool. Filters: of the ratio closest to the one asked for, with
    everything that goes with them.

    Raises:
        UserError: a ratio that the model cannot reach.
    """
    total, weights = count_parameters(model), prunable(model)
    size = sum(weight.numel() for weight in weights.values())
    if pruner.structure == "weights":
        share = compression.share(total, size, pruner.step)
        return Removal(share, round(share * size))
    channels = channels_of(model)
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    counts = filters_to_remove(shapes, channels, compression, pruner.shares_at(compression.value))
    left = parameters_left({name: shapes[name] for name in weights}, channels, counts)
    return Removal(Fraction(size - left, size), total - parameters_left(shapes, channels, counts))


def parameters_left(
    shapes: Mapping[str, torch.Size], channels: Sequence[Channels], removed: Mapping[str, int]
) -> int:
    """Parameters that are left when ``removed`` channels of each layer are taken out of the model.

    ``shapes``: of the parameters that are counted, by name.
    """
    sides = {name: list(shape) for name, shape in shapes.items()}
    for one in channels:
        for part in one.slices:
            if part.parameter in sides:
                sides[part.parameter][part.dim] -= part.width * removed[one.layer]
    return sum(torch.Size(side).numel() for side in sides.values())


def filters_to_remove(
    shapes: Mapping[str, torch.Size],
    channels: Sequence[Channels],
    compression: Compression,
    shares: Mapping[str, float] = MappingProxyType({}),
) -> Counts:
    """How many channels each layer loses, so that parameters before over parameters left come closest to a ratio.

    A layer keeps a factor times its share of its channels, at most all and at least one; what it loses is rounded half
    up. The factor is common to all layers. Layers whose counts would change at the same factor change one after the
    other, in the model's order; every such step is tried. At least one channel goes.

    Args:
        shares: by the beginning of layers' names (``Pruner.layer_shares``); 1 for all others.

    Raises:
        UserError: the ratio is beyond what is left of the model with one channel in each layer.
        ValueError: the compression level is no ratio, or there are no channels.
    """
    if compression.kind != "ratio" or not channels:
        raise ValueError(f"{compression.text} of {len(channels)} layers with filters")
    total = sum(shape.numel() for shape in shapes.values())
    target = Fraction(compression.units, 100)
    # The k-th channel of a layer of n goes once (1 - factor * share) * n >= k - 1/2.
    steps = sorted(
        (-(1 - Fraction(2 * k - 1, 2 * one.size)) / _share(one.layer, shares), index)
        for index, one in enumerate(channels)
        for k in range(1, one.size)
    )

    def counts(number: int) -> Counts:
        found = Counter(index for _, index in steps[:number])
        return {one.layer: found[index] for index, one in enumerate(channels)}

    def ratio(number: int) -> Fraction:
        return Fraction(total, parameters_left(shapes, channels, counts(number)))

    most = ratio(len(steps))
    if target > most:
        raise UserError(
            f"{compression.text}: with one filter left in each layer, {int(total / most)} of {total} parameters stay; "
            f"choose a ratio of at most {int(most * 100) / 100:g}"
        )
    # More removed is a higher ratio: the closest one is the first that reaches the target or the one before.
    reached = max(bisect_left(range(len(steps) + 1), target, key=ratio), 1)
    near = [number for number in (reached - 1, reached) if number >= 1]
    return counts(min(near, key=lambda number: abs(ratio(number) - target)))


def _share(layer: str, shares: Mapping[str, float]) -> Fraction:
    """The share of the longest name that the layer's begins with, as it is written: 0.3 is three tenths."""
    own = [name for name in shares if layer == name or layer.startswith(f"{name}.")]
    return Fraction(str(shares[max(own, key=len)])) if own else Fraction(1)
