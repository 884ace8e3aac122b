"""Replicas of one model as one: weights and optimizer state in matrices with a row for each replica.

Optimizer, clipping and masks are then a few operations on whole matrices, whatever the number of layers, and no row
depends on another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from prunescope.config.architectures import Training
from prunescope.pruning.mask import Masks
from prunescope.training.state import TrainingState

#: Weight tensors start at multiples of this many numbers, so that kernels can read them in vectors.
ALIGNMENT = 4

#: Adam's, as in torch.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Layout:
    """Where in a row each of a model's parameters lies."""

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
        parts = []
        ends = [*self.starts[1:], self.width]
        for gradient, start, end in zip(gradients, self.starts, ends, strict=True):
            flat = gradient.reshape(len(gradient), -1)
            parts.append(flat)
            if end - start > flat.shape[1]:
                parts.append(spare[:, : end - start - flat.shape[1]])
        torch.cat(parts, dim=1, out=out)


def gone(layout: Layout, masks: Sequence[Masks | None], like: Tensor) -> Tensor | None:
    """(R, width) bool, True where a weight is pruned; None where no replica is."""
    if not any(masks):
        return None
    rows = [{name: ~mask for name, mask in (replica or {}).items()} for replica in masks]
    return layout.gather(rows, like.new_empty(0, dtype=torch.bool))


def stacked_buffers(models: Sequence[nn.Module]) -> dict[str, Tensor]:
    """The buffers that a model's state dict holds: name -> (R, *shape)."""
    kept = models[0].state_dict().keys() - dict(models[0].named_parameters()).keys()
    states = [model.state_dict() for model in models]
    return {name: torch.stack([state[name] for state in states]) for name in states[0] if name in kept}


class StackedOptimizer:
    """The optimizers of ``state.make_optimizer`` on a matrix with a row for each replica.

    Adam's step count is each replica's own: replicas whose best epochs differ continue from different ones. Everything
    is on the device and updated in place, for CUDA graphs.

    Attributes:
        state: key of torch's optimizer -> (R, width), or (R, 1) for ``step``.
    """

    def __init__(self, settings: Training, layout: Layout, weights: Tensor) -> None:
        self.settings, self.layout = settings, layout
        self.weights = weights
        self.lr = weights.new_zeros(())
        self.state: dict[str, Tensor] = {}
        if settings.optimizer != "sgd":
            self.state["step"] = weights.new_zeros(len(weights), 1, dtype=torch.float32)
        for key in self._moments():
            self.state[key] = torch.zeros_like(weights)

    def _moments(self) -> tuple[str, ...]:
        if self.settings.optimizer == "sgd":
            return ("momentum_buffer",) if self.settings.momentum else ()
        return ("exp_avg", "exp_avg_sq")

    def load(self, states: Sequence[TrainingState]) -> None:
        """Continue from the state of the replicas' own optimizers."""
        moments = [
            {name: state.optimizer.state.get(p, {}) for name, p in state.model.named_parameters()}
            for state in states
        ]
        for key in self._moments():
            rows = [
                {name: value[key] for name, value in replica.items() if value.get(key) is not None}
                for replica in moments
            ]
            self.state[key].copy_(self.layout.gather(rows, self.weights))
        if "step" in self.state:
            for number, replica in enumerate(moments):
                # All parameters of a model are stepped together.
                self.state["step"][number] = float(next(iter(replica.values())).get("step", 0))

    def store(self, state: TrainingState, replica: int) -> None:
        """Give the replica's own optimizer copies of its state, on the parameters' device."""
        parameters = dict(state.model.named_parameters())
        rows = {key: self.layout.row(self.state[key], replica) for key in self._moments()}
        for name, parameter in parameters.items():
            new = {key: row[name].clone() for key, row in rows.items()}
            if "step" in self.state:
                new["step"] = self.state["step"][replica, 0].clone()
            if new:
                state.optimizer.state[parameter] = new

    def step(self, gradient: Tensor) -> None:
        """One step of every replica along ``gradient`` (R, width), which is overwritten.

        The updates of ``torch.optim.SGD``, ``Adam`` and ``AdamW``.
        """
        settings, weights = self.settings, self.weights
        if settings.weight_decay:
            if settings.optimizer == "adamw":
                weights.mul_(1 - self.lr * settings.weight_decay)
            else:
                gradient.add_(weights, alpha=settings.weight_decay)
        if settings.optimizer == "sgd":
            if settings.momentum:
                gradient = self.state["momentum_buffer"].mul_(settings.momentum).add_(gradient)
            weights.sub_(gradient * self.lr)
            return
        step, mean, square = (self.state[key] for key in ("step", "exp_avg", "exp_avg_sq"))
        step.add_(1)
        mean.lerp_(gradient, 1 - BETA1)
        square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        # In double: 1 - 0.999^t loses digits in single precision, and (R, 1) numbers cost nothing.
        exact = step.double()
        size = (self.lr.double() / (1 - BETA1**exact)).to(weights.dtype)
        root = (1 - BETA2**exact).sqrt().to(weights.dtype)
        weights.sub_(mean.mul(size).div_(square.sqrt().div_(root).add_(EPSILON)))
