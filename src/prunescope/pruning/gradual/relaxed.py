"""Criteria that learn what a weight is worth: scores or gates with their own optimizer.

The model computes with effective weights (masked, or gated) while the weights behind them stay and go
on learning; gradients pass straight through the mask. ``enter`` puts the effective weights in place,
``observe`` turns their gradients into those of the weights and of the scores, ``leave`` steps the scores.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor

from prunescope.config.gradual import Gradual
from prunescope.pruning.gradual.pool import Pool
from prunescope.pruning.gradual.watchers import Watcher


class Relaxed(Watcher):
    """What criteria with scores of their own share: the exchange of weights, and an Adam over the scores.

    ``lr``: of the scores; None: the learning rate that the weights have in each step.
    """

    def __init__(self, pool: Pool, scores: Sequence[Tensor], lr: float | None) -> None:
        super().__init__(pool)
        self.learned = [score.requires_grad_() for score in scores]
        self._follows = lr is None
        self._optimizer = torch.optim.Adam(self.learned, lr=lr or 0.0)
        self._behind = [value.clone() for value in pool.values()]
        self._settled = False

    @classmethod
    @abstractmethod
    def of(cls, pool: Pool, settings: Gradual, seed: int) -> Self:
        """Over ``pool``; ``seed``: of what it draws."""

    def factors(self, kept: Tensor | None) -> list[Tensor | None]:
        """What weights are multiplied with in this step; None: nothing is."""
        return [None] * len(self.pool.sizes) if kept is None else list(self.pool.views(kept))

    def sure_factors(self, kept: Tensor | None) -> list[Tensor | None]:
        """The same without noise."""
        return self.factors(kept)

    def enter(self, kept: Tensor | None) -> None:
        if self._settled:
            return
        self._factors = self.factors(kept)
        self._multiply(self._factors)

    @contextmanager
    def effective(self, kept: Tensor | None) -> Iterator[None]:
        if self._settled:
            yield
            return
        self._multiply(self.sure_factors(kept))
        try:
            yield
        finally:
            for value, behind in zip(self.pool.values(), self._behind, strict=True):
                value.copy_(behind)

    def _multiply(self, factors: Sequence[Tensor | None]) -> None:
        """Multiply the weights by the factors in place, and keep a copy of the weights."""
        for value, behind, factor in zip(self.pool.values(), self._behind, factors, strict=True):
            behind.copy_(value)
            if factor is not None:
                value.mul_(factor)

    def observe(self, lr: float) -> None:
        """dL/dtheta = g * factor; dL/dscore as the criterion says; the weights behind are put back."""
        if self._settled:
            return
        gradients = self.pool.gradients()
        self.learn(gradients, self._behind)
        for value, behind, g, factor in zip(
            self.pool.values(), self._behind, gradients, self._factors, strict=True
        ):
            value.copy_(behind)
            if factor is not None:
                g.mul_(factor)
        if self._follows:
            self._optimizer.param_groups[0]["lr"] = lr
        self._optimizer.step()

    @abstractmethod
    def learn(self, gradients: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        """Set the gradients of ``learned`` from those of the effective weights."""

    def leave(self, kept: Tensor | None) -> None:
        """The weights behind the mask stay; once the masks are final, pruned ones are zero."""
        if self._settled:
            self._prune(kept)

    def settle(self, kept: Tensor) -> None:
        self._settled = True
        self._prune(kept)

    def state(self) -> dict[str, Tensor]:
        """Scores and Adam's moments."""
        found = {"relaxed/settled": torch.tensor(self._settled)}
        for number, score in enumerate(self.learned):
            found[f"learned/{number}"] = score.detach()
            for name, value in self._optimizer.state.get(score, {}).items():
                found[f"adam/{number}/{name}"] = value
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._settled = bool(state["relaxed/settled"])
        for number, score in enumerate(self.learned):
            score.detach().copy_(state[f"learned/{number}"])
            prefix = f"adam/{number}/"
            moments = {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}
            if moments:
                # Adam counts its steps on the CPU.
                self._optimizer.state[score] = {
                    name: value.clone().to("cpu" if name == "step" else score.device)
                    for name, value in moments.items()
                }


class Movement(Relaxed):
    """Learned scores, moved by -dL/dW' theta: weights that training moves away from zero are kept.

    Sanh et al. 2020, section 4, with their soft variant's penalty lambda * mean(sigmoid(score)) and their
    learning rate. The mask takes the highest scores that the schedule leaves rather than those above a
    threshold, so that the sparsity is exact; scores start at 0.
    """

    def __init__(self, pool: Pool, *, lr: float | None, penalty: float) -> None:
        self._row = pool.row()
        super().__init__(pool, pool.views(self._row), lr)
        self.penalty = penalty

    @classmethod
    def of(cls, pool: Pool, settings: Gradual, seed: int) -> Self:
        return cls(pool, lr=settings.score_lr, penalty=settings.penalty)

    def learn(self, gradients: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        for score, g, weight in zip(self.learned, gradients, weights, strict=True):
            score.grad = g * weight
            if self.penalty:
                slope = torch.sigmoid(score.detach())
                score.grad.add_(slope * (1 - slope), alpha=self.penalty / self.pool.size)

    def scores(self) -> Tensor:
        return self._row.detach()


class Pst(Relaxed):
    """|theta| + alpha1 A B + alpha2 (R + C): magnitude, and a learned part of low rank.

    Li et al. 2022 (PST), Eq. 5 to 8: A is (rows, rank), B (rank, columns), R (rows, 1) and C (1, columns),
    their gradients those of a score behind a straight-through mask, dL/dW' theta. A starts as a standard normal
    draw, as in the authors' code, the others at 0. Weights are trained themselves, not through a low-rank update as
    PST does to spare memory. Tensors of more than two dimensions count as (first, all others).
    """

    def __init__(
        self,
        pool: Pool,
        *,
        lr: float | None,
        rank: int,
        generator: torch.Generator,
        alpha1: float = 1.0,
        alpha2: float = 1.0,
    ) -> None:
        self.alpha1, self.alpha2 = alpha1, alpha2
        self._row = pool.row()
        learned: list[Tensor] = []
        for value in pool.values():
            rows, columns = value.shape[0], value[0].numel()
            a = torch.randn(rows, rank, generator=generator)
            learned += [
                a.to(value),
                *(value.new_zeros(s) for s in ((rank, columns), (rows, 1), (1, columns))),
            ]
        super().__init__(pool, learned, lr)

    @classmethod
    def of(cls, pool: Pool, settings: Gradual, seed: int) -> Self:
        # On the CPU, so that a seed means the same start on every device.
        draws = torch.Generator().manual_seed(seed)
        return cls(pool, lr=settings.score_lr, rank=settings.rank, generator=draws)

    def learn(self, gradients: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        for index, (g, weight) in enumerate(zip(gradients, weights, strict=True)):
            a, b, r, c = self.learned[4 * index : 4 * index + 4]
            moved = (g * weight).reshape(len(weight), -1)
            a.grad = self.alpha1 * (moved @ b.detach().T)
            b.grad = self.alpha1 * (a.detach().T @ moved)
            r.grad = self.alpha2 * moved.sum(1, keepdim=True)
            c.grad = self.alpha2 * moved.sum(0, keepdim=True)

    def scores(self) -> Tensor:
        with torch.no_grad():
            for index, (value, part) in enumerate(
                zip(self.pool.values(), self.pool.views(self._row), strict=True)
            ):
                a, b, r, c = self.learned[4 * index : 4 * index + 4]
                learned = self.alpha1 * (a @ b) + self.alpha2 * (r + c)
                part.copy_(value).abs_().add_(learned.view_as(part))
        return self._row


class HardConcrete(Relaxed):
    """l0 regularization: a random gate per weight, whose chance of being open is learned and penalized.

    Louizos et al. 2018: gate z = min(1, max(0, s (zeta - gamma) + gamma)) with
    s = sigmoid((log u - log(1 - u) + log alpha) / beta), u uniform (Eq. 10, 11); penalty lambda times the
    mean over gates of P(z != 0) = sigmoid(log alpha - beta log(-gamma / zeta)) (Eq. 12). beta = 2/3,
    gamma = -0.1, zeta = 1.1 as there. The mask takes the highest log alpha that the schedule leaves. When
    it is final, the gates are replaced by what they are without noise (Eq. 13) and become part of the
    weights, which then learn on alone.
    """

    beta, gamma, zeta = 2 / 3, -0.1, 1.1

    def __init__(self, pool: Pool, *, lr: float | None, penalty: float, generator: torch.Generator) -> None:
        # Sanh et al. 2020 start their l0 baseline here: P(z != 0) = .98.
        self._row = pool.row(math.log(9))
        super().__init__(pool, pool.views(self._row), lr)
        self.penalty = penalty
        self._noise = generator

    @classmethod
    def of(cls, pool: Pool, settings: Gradual, seed: int) -> Self:
        # On the device: a draw for every weight in every step.
        draws = torch.Generator(pool.device).manual_seed(seed)
        return cls(pool, lr=settings.score_lr, penalty=settings.penalty, generator=draws)

    def factors(self, kept: Tensor | None) -> list[Tensor | None]:
        gates: list[Tensor | None] = []
        self._slopes: list[Tensor] = []
        masks = [None] * len(self.learned) if kept is None else self.pool.views(kept)
        with torch.no_grad():
            for score, mask in zip(self.learned, masks, strict=True):
                u = torch.rand(score.shape, generator=self._noise, device=score.device).to(score)
                u.clamp_(1e-6, 1 - 1e-6)
                s = torch.sigmoid((u.log() - (1 - u).log() + score) / self.beta)
                stretched = s * (self.zeta - self.gamma) + self.gamma
                inside = (stretched > 0) & (stretched < 1)
                slope = (self.zeta - self.gamma) / self.beta * s * (1 - s) * inside
                gate = stretched.clamp_(0, 1)
                gates.append(gate if mask is None else gate.mul_(mask))
                self._slopes.append(slope if mask is None else slope.mul_(mask))
        return gates

    def sure_factors(self, kept: Tensor | None) -> list[Tensor | None]:
        masks = [None] * len(self.learned) if kept is None else self.pool.views(kept)
        gates = [self._sure(score.detach()) for score in self.learned]
        return [gate if mask is None else gate.mul_(mask) for gate, mask in zip(gates, masks, strict=True)]

    def _sure(self, score: Tensor) -> Tensor:
        """The gate without noise (Eq. 13)."""
        return (torch.sigmoid(score) * (self.zeta - self.gamma) + self.gamma).clamp_(0, 1)

    def learn(self, gradients: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        shift = self.beta * math.log(-self.gamma / self.zeta)
        for score, g, weight, slope in zip(self.learned, gradients, weights, self._slopes, strict=True):
            open_ = torch.sigmoid(score.detach() - shift)
            penalty = open_ * (1 - open_) * (self.penalty / self.pool.size)
            score.grad = g * weight * slope + penalty

    def settle(self, kept: Tensor) -> None:
        for value, score in zip(self.pool.values(), self.learned, strict=True):
            value.mul_(self._sure(score.detach()))
        super().settle(kept)

    def state(self) -> dict[str, Tensor]:
        return super().state() | {"noise": self._noise.get_state()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        super().load_state(state)
        self._noise.set_state(state["noise"].cpu())

    def scores(self) -> Tensor:
        return self._row.detach()
