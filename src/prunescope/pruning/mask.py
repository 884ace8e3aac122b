"""Masks: which weights are left. Exact counts, ties by index, pruned weights stay pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

#: One boolean tensor per prunable weight tensor, by parameter name; True: the weight is left.
Masks: TypeAlias = dict[str, Tensor]


class ScoreError(ArithmeticError):
    """A score is not finite: the model that it was computed from has diverged."""


def full_masks(weights: Mapping[str, Tensor]) -> Masks:
    """Masks that leave every weight."""
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}


def prune(scores: Mapping[str, Tensor], masks: Masks, zeros: Mapping[str, int] | int) -> Masks:
    """The masks after pruning the lowest scores until ``zeros`` weights are zero.

    Args:
        scores: one tensor per layer, of the layer's shape; higher is worth more.
        masks: what is left so far; weights that are pruned stay so, whatever their score.
        zeros: pruned weights afterwards, earlier ones included: per layer, or as one number over
            all layers together (global scope).

    Equal scores go in the order of their index (in global scope: of layer, then index), so the
    count is met to the weight.

    Raises:
        ScoreError: a score of a weight that is left is NaN or infinite.
        ValueError: fewer zeros are asked for than there are, or more than there are weights.
    """
    for name, score in scores.items():
        # Both ends rather than a choice of the finite ones: one pass, and nothing of a size the host must ask for.
        if score.numel() and not torch.stack(score.where(masks[name], 0).aminmax()).isfinite().all():
            raise ScoreError(f"{name}: scores are not finite")
    if isinstance(zeros, int):
        flat_scores = torch.cat([scores[name].flatten() for name in scores])
        flat_mask = torch.cat([masks[name].flatten() for name in scores])
        kept = _prune_flat(flat_scores, flat_mask, zeros)
        parts: Sequence[Tensor] = kept.split([masks[name].numel() for name in scores])
        return {name: part.view_as(masks[name]).clone() for name, part in zip(scores, parts, strict=True)}
    return {
        name: _prune_flat(score.flatten(), masks[name].flatten(), zeros[name]).view_as(masks[name])
        for name, score in scores.items()
    }


def _prune_flat(scores: Tensor, mask: Tensor, zeros: int) -> Tensor:
    """One pool of weights: 1-D scores and mask -> 1-D mask with exactly ``zeros`` False."""
    already = mask.numel() - int(mask.sum())
    if not already <= zeros <= mask.numel():
        raise ValueError(f"{zeros} zeros asked for; {already} of {mask.numel()} weights are pruned already")
    if zeros == already:
        return mask.clone()
    # -inf ranks weights that are already pruned before every finite score.
    precise = torch.float64 if scores.dtype == torch.float64 else torch.float32
    ranked = scores.to(precise)
    if already:
        ranked = ranked.masked_fill(~mask, -torch.inf)
    threshold = _kth_smallest(ranked, zeros)
    pruned = ranked < threshold
    ties = (ranked == threshold).nonzero().flatten()
    pruned[ties[: zeros - int(pruned.sum())]] = True
    return ~pruned


def _kth_smallest(values: Tensor, k: int) -> Tensor:
    """The k-th smallest value, 1-based. A selection on the CPU; a sort where that is faster."""
    if values.is_cuda:
        return values.sort().values[k - 1]
    # numpy's selection takes half the time of torch.kthvalue.
    return torch.from_numpy(np.partition(values.detach().numpy(), k - 1)[k - 1 : k])[0]


def apply_masks(weights: Mapping[str, Tensor], masks: Masks) -> None:
    """Set pruned weights to exactly zero, in place."""
    set_to_zero(weights, erasers(weights, masks))


def erasers(weights: Mapping[str, Tensor], masks: Masks) -> dict[str, Tensor]:
    """What ``set_to_zero`` takes: by name, bool, True where a weight is pruned.

    On a CPU, for float32, int32 with all bits set where a weight is left: to clear bits takes a tenth of the time of
    ``masked_fill_`` there, for the same bytes.
    """
    return {
        name: -mask.int() if mask.device.type == "cpu" and weights[name].dtype == torch.float32 else ~mask
        for name, mask in masks.items()
    }


def set_to_zero(tensors: Mapping[str, Tensor | None], gone: Mapping[str, Tensor]) -> None:
    """Set weights, or their gradients, to exactly zero where they are pruned, in place. ``gone``: of ``erasers``.

    In place: cuDNN's LSTMs keep pointers into flattened weights, which a re-parametrization would
    break. No product with a mask: NaN * 0 is NaN, and -1 * 0 is -0.
    """
    with torch.no_grad():
        for name, pruned in gone.items():
            tensor = tensors[name]
            if tensor is None:
                continue
            if pruned.dtype == torch.bool:
                tensor.masked_fill_(pruned, 0.0)
            else:
                tensor.view(torch.int32).bitwise_and_(pruned)


def highest(scores: Tensor, left: int) -> Tensor:
    """Which of the scores (n,) are among the ``left`` highest: (n,) bool with exactly ``left`` True.

    Equal scores go in the order of their index, as in ``prune``; there, what is pruned stays so.
    """
    everything = torch.ones_like(scores, dtype=torch.bool)
    return _prune_flat(scores, everything, scores.numel() - left)
