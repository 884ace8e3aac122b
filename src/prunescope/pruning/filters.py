"""Whole filters: how many of each layer go, which parameters go with them, and what their maps say."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

import torch
from torch import Tensor, nn

from prunescope.config.compression import Compression
from prunescope.criteria import Criterion
from prunescope.errors import UserError
from prunescope.models.channels import Channels
from prunescope.pruning.mask import Masks, ScoreError

#: Channels by the name of the layer that makes them.
Counts = dict[str, int]


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


def filter_masks(
    parameters: Mapping[str, Tensor], channels: Sequence[Channels], kept: Mapping[str, Tensor]
) -> Masks:
    """Masks of every parameter that belongs to a channel; False where it belongs to one that is gone.

    Under them the model computes what it would with these channels taken out: their maps are zero, with
    their normalization and bias gone too, and nothing is made of them.

    Args:
        kept: by layer, (channels,) bool.
    """
    masks: Masks = {}
    for one in channels:
        for part in one.slices:
            weight = parameters[part.parameter]
            mask = masks.setdefault(part.parameter, torch.ones_like(weight, dtype=torch.bool))
            along = [1] * weight.dim()
            along[part.dim] = -1
            mask &= kept[one.layer].to(mask.device).repeat_interleave(part.width).view(along)
    return masks


def channels_kept(masks: Masks, channels: Sequence[Channels]) -> Counts:
    """Channels that ``filter_masks`` leaves, by layer."""
    return {one.layer: int(masks[f"{one.layer}.weight"].flatten(1).any(dim=1).sum()) for one in channels}


def scores_of_maps(
    model: nn.Module, channels: Sequence[Channels], batches: Iterable[Tensor], criterion: Criterion
) -> dict[str, Tensor]:
    """Mean score of each channel over all examples by its feature maps: by layer, (channels,) float64 on the CPU.

    Feature maps are taken as in CHIP's own code, after normalization and ReLU, the model in evaluation mode; it
    is left in the mode it was in.

    Raises:
        ScoreError: a map is not finite: the model has diverged.
    """
    sums = {one.layer: torch.zeros(one.size, dtype=torch.float64) for one in channels}

    def look(one: Channels, output: Tensor) -> None:
        if not torch.isfinite(output).all():
            raise ScoreError(f"{one.layer}: feature maps are not finite")
        # A unit of a linear layer has a map of one number.
        maps = torch.relu(output).flatten(1).view(len(output), one.size, -1)
        sums[one.layer] += criterion(maps).sum(dim=0)

    def hook(one: Channels) -> torch.utils.hooks.RemovableHandle:
        return model.get_submodule(one.source).register_forward_hook(
            lambda module, inputs, output: look(one, output)
        )

    training = model.training
    model.eval()
    handles = [hook(one) for one in channels]
    examples = 0
    try:
        with torch.no_grad():
            for inputs in batches:
                model(inputs)
                examples += len(inputs)
    finally:
        for handle in handles:
            handle.remove()
        model.train(training)
    return {layer: total / examples for layer, total in sums.items()}
