"""Criteria that look at every training step, under a gradual schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope.criteria.declaration import SMOOTHING, Criterion, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion("sensitivity pruning", looks_at="training", hint="impact is sensitivity at one time")
def sensitivity(weight: Tensor, gradient: Tensor, lr: float) -> Tensor:
    """|g theta|, the first-order change of the loss when a weight goes (PINS paper, Eq. 5)."""
    return (weight * gradient).abs_()


@criterion("sensitivity pruning with upper confidence bounds", looks_at="training", settings=SMOOTHING)
def platon(weight: Tensor, gradient: Tensor, lr: float) -> Tensor:
    """|g theta|, averaged and weighed by its uncertainty (Zhang et al. 2022)."""
    return (weight * gradient).abs_()


@criterion("pruning by smoothed principled importance", looks_at="training", settings=SMOOTHING)
def pins(weight: Tensor, gradient: Tensor, lr: float) -> Tensor:
    """|Eq. 11| of the PINS paper, averaged and weighed by its uncertainty: what the paper's results are from.

    PINS paper, section 4.1.3; the absolute value is the authors' code's.
    """
    return (gradient * lr).sub_(weight).mul_(gradient).abs_()


@criterion("pruning by principled importance", looks_at="training")
def pins_plain(weight: Tensor, gradient: Tensor, lr: float) -> Tensor:
    """-g dtheta_hat - g theta with dtheta_hat = -lr g: how much a weight lowers the loss if it stays.

    PINS paper, Eq. 11: keeping the weights of the largest lr g^2 - g theta solves the integer program of
    Eq. 10.
    """
    return (gradient * lr).sub_(weight).mul_(gradient)


# Scores or gates that are learned: classes of pruning.gradual.relaxed, where their papers are.
movement = Criterion(
    "movement",
    "soft movement pruning",
    looks_at="training",
    settings=("score_lr", "penalty"),
    watcher="prunescope.pruning.gradual.relaxed:Movement",
)
pst = Criterion(
    "pst",
    "pruning by magnitude and low-rank scores",
    looks_at="training",
    settings=("score_lr", "rank"),
    watcher="prunescope.pruning.gradual.relaxed:Pst",
    version=1,
)
l0 = Criterion(
    "l0",
    "pruning by l0 gates",
    looks_at="training",
    settings=("score_lr", "penalty"),
    watcher="prunescope.pruning.gradual.relaxed:HardConcrete",
)
