"""Whole filters: which parameters go with them, and what their maps say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from prunescope.criteria import Criterion
from prunescope.models.channels import Channels
from prunescope.models.removal import Counts
from prunescope.pruning.mask import Masks, ScoreError


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
