"""What a compression level comes to in a given model, before anything is pruned."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from torch import nn

from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner
from prunescope.models.channels import channels_of
from prunescope.models.registry import count_parameters, prunable
from prunescope.pruning.filters import filters_to_remove, parameters_left


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
