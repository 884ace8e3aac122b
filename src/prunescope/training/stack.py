"""Replicas of one network as one: all weights in a matrix with a row for each replica.

Optimizer, clipping and masks are then a few operations on whole matrices, whatever the number of layers,
and each replica is a row that no other touches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from prunescope.pruning.mask import Masks

#: Weight tensors start at multiples of this many numbers, so that kernels can read them in vectors.
ALIGNMENT = 4


@dataclass(frozen=True)
class Layout:
    """Where in a row each of a network's parameters lies."""

    names: tuple[str, ...]
    starts: tuple[int, ...]
    shapes: tuple[torch.Size, ...]
    width: int

    @classmethod
    def of(cls, model: nn.Module) -> Layout:
        names, starts, shapes, end = [], [], [], 0
        for name, parameter in model.named_parameters():
            names.append(name)
            starts.append(end)
            shapes.append(parameter.shape)
            end += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
        return cls(tuple(names), tuple(starts), tuple(shapes), end)

    def views(self, matrix: Tensor) -> dict[str, Tensor]:
        """The parameters' parts of a matrix (R, width): name -> (R, *shape), sharing its memory."""
        return {
            name: matrix[:, start : start + prod(shape)].unflatten(1, shape or (1,))
            for name, start, shape in zip(self.names, self.starts, self.shapes, strict=True)
        }

    def row(self, matrix: Tensor, replica: int) -> dict[str, Tensor]:
        """One replica's parts of a matrix: name -> shape, sharing its memory."""
        return {
            name: matrix[replica, start : start + prod(shape)].view(shape)
            for name, start, shape in zip(self.names, self.starts, self.shapes, strict=True)
        }

    def gather(self, rows: Sequence[Mapping[str, Tensor]], like: Tensor) -> Tensor:
        """(R, width) of the type and on the device of ``like``, from a mapping a replica; 0 where it has none."""
        matrix = like.new_zeros(len(rows), self.width)
        for replica, row in enumerate(rows):
            for name, part in self.row(matrix, replica).items():
                if name in row:
                    part.copy_(row[name].detach())
        return matrix

    def concatenated(self, gradients: Sequence[Tensor], spare: Tensor, out: Tensor) -> None:
        """Gradients (R, *shape) in the order of the names, into ``out`` (R, width); ``spare``: zeros (R, ALIGNMENT)."""
        pieces = []
        ends = [*self.starts[1:], self.width]
        for gradient, start, end in zip(gradients, self.starts, ends, strict=True):
            flat = gradient.reshape(len(gradient), -1)
            pieces.append(flat)
            if end - start > flat.shape[1]:
                pieces.append(spare[:, : end - start - flat.shape[1]])
        torch.cat(pieces, dim=1, out=out)


def gone(layout: Layout, masks: Sequence[Masks | None], like: Tensor) -> Tensor | None:
    """(R, width) bool, True where a weight is pruned; None where no replica is."""
    if not any(masks):
        return None
    rows = [{name: ~mask for name, mask in (replica or {}).items()} for replica in masks]
    return layout.gather(rows, like.new_empty(0, dtype=torch.bool))


def stacked_buffers(models: Sequence[nn.Module]) -> dict[str, Tensor]:
    """What a network holds beside its parameters and keeps in its state: name -> (R, *shape)."""
    kept = models[0].state_dict().keys() - dict(models[0].named_parameters()).keys()
    states = [model.state_dict() for model in models]
    return {name: torch.stack([state[name] for state in states]) for name in states[0] if name in kept}
