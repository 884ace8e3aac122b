"""All prunable weights in one row, so that they can be ranked together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunescope.pruning.mask import Masks


class Pool:
    """The prunable weights of a model, in the order of their layers, and rows of numbers about them.

    A row has one number per weight, of the weights' type, and is kept flat; ``views`` are its parts in the
    layers' shapes.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter]) -> None:
        self.weights = dict(weights)
        self.sizes = [weight.numel() for weight in self.weights.values()]
        self.size = sum(self.sizes)
        first = next(iter(self.weights.values()))
        self.device, self.dtype = first.device, first.dtype

    def row(self, value: float = 0.0) -> Tensor:
        return torch.full((self.size,), value, device=self.device, dtype=self.dtype)

    def views(self, row: Tensor) -> list[Tensor]:
        """The parts of ``row`` (size,), sharing its memory, in the weights' shapes."""
        parts = row.split(self.sizes)
        return [part.view(weight.shape) for part, weight in zip(parts, self.weights.values(), strict=True)]

    def values(self) -> list[Tensor]:
        """The weights themselves, detached, sharing their memory."""
        return [weight.detach() for weight in self.weights.values()]

    def gradients(self) -> list[Tensor]:
        """The gradients that the weights hold now; zeros where a weight took no part in the loss."""
        return [torch.zeros_like(w) if w.grad is None else w.grad for w in self.weights.values()]

    def masks(self, kept: Tensor) -> Masks:
        """A row of booleans (size,) as masks by name."""
        return dict(zip(self.weights, self.views(kept), strict=True))
