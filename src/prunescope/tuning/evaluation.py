"""What an evaluation is, and which one is best."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluation:
    """What was drawn, and what came of it; ``score`` is None where the network diverged."""

    number: int
    epochs: int
    lr: float
    batch_size: int
    score: float | None
    seconds: float

    @property
    def state(self) -> str:
        return "diverged" if self.score is None else "complete"


def ranked(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Best first: by score, then fewer epochs, then the earlier one. Diverged ones come last."""
    return sorted(evaluations, key=lambda e: (e.score is None, -(e.score or 0.0), e.epochs, e.number))
