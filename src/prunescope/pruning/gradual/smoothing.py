"""Importance averaged over steps, and weighed by how much it varies (PLATON)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Smoothing:
    """Exponential averages of an importance and of its uncertainty.

    Zhang et al. 2022 (PLATON), Eq. 6 to 9: with I the importance of a step, averaged over the last
    ``window`` steps as in the authors' code,
    Im = beta1 Im + (1 - beta1) I and U = beta2 U + (1 - beta2) |I - Im|; the score is Im * U. The averages
    move at the end of each window. Before the first window has ended, the score is the mean so far.

    Attributes:
        mean, uncertainty: the averages, flat rows.
        sum: of the window that is under way, to be added to.
    """

    def __init__(self, like: Tensor, *, window: int, beta1: float, beta2: float) -> None:
        self.window, self.beta1, self.beta2 = window, beta1, beta2
        self.mean, self.uncertainty = torch.zeros_like(like), torch.zeros_like(like)
        self.sum = torch.zeros_like(like)
        self._seen = 0
        self._started = False

    def end_step(self) -> None:
        """The importance of a step, of any sign, was added to ``sum``."""
        self._seen += 1
        if self._seen < self.window:
            return
        averaged = self.sum.div_(self.window)
        self.mean.mul_(self.beta1).add_(averaged, alpha=1 - self.beta1)
        self.uncertainty.mul_(self.beta2).add_(averaged.sub_(self.mean).abs_(), alpha=1 - self.beta2)
        self.sum.zero_()
        self._seen, self._started = 0, True

    def scores(self) -> Tensor:
        if self._started:
            return self.mean * self.uncertainty
        return self.sum / max(self._seen, 1)

    def state(self) -> dict[str, Tensor]:
        """The averages and the window that is under way, by name, sharing memory."""
        counts = {"seen": torch.tensor(self._seen), "started": torch.tensor(self._started)}
        return {"mean": self.mean, "uncertainty": self.uncertainty, "sum": self.sum, **counts}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for row, name in ((self.mean, "mean"), (self.uncertainty, "uncertainty"), (self.sum, "sum")):
            row.copy_(state[name])
        self._seen, self._started = int(state["seen"]), bool(state["started"])
