"""The optimizers of ``loop.make_optimizer`` on a matrix with a row for each replica.

Elementwise, so that no row sees another. Adam's step count is each replica's own: replicas whose best epochs
differ go on from different ones. Everything is on the device and in place, for CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunescope.config.architectures import Training
from prunescope.training.loop import Trainee
from prunescope.training.stack import Layout

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class StackedOptimizer:
    """``state``: key of torch's optimizer -> (R, width), or (R, 1) for ``step``; updated in place."""

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

    def load(self, trainees: Sequence[Trainee]) -> None:
        """Go on from the state of the replicas' own optimizers."""
        states = [
            {name: trainee.optimizer.state.get(p, {}) for name, p in trainee.model.named_parameters()}
            for trainee in trainees
        ]
        for key in self._moments():
            rows = [
                {name: value[key] for name, value in state.items() if value.get(key) is not None}
                for state in states
            ]
            self.state[key].copy_(self.layout.gather(rows, self.weights))
        if "step" in self.state:
            for replica, state in enumerate(states):
                # All parameters of a network are stepped together.
                self.state["step"][replica] = float(next(iter(state.values())).get("step", 0))

    def store(self, trainee: Trainee, replica: int) -> None:
        """Give the replica's own optimizer copies of its state, on the parameters' device."""
        parameters = dict(trainee.model.named_parameters())
        rows = {key: self.layout.row(self.state[key], replica) for key in self._moments()}
        for name, parameter in parameters.items():
            new = {key: row[name].clone() for key, row in rows.items()}
            if "step" in self.state:
                new["step"] = self.state["step"][replica, 0].clone()
            if new:
                trainee.optimizer.state[parameter] = new

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
