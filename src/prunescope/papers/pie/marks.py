"""The marks of the PIE paper's tables: who is best and worst, and where scores on PIEs are higher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Mark = Literal["best", "worst", ""]


def extremes(scores: Mapping[str, float]) -> dict[str, Mark]:
    """The best and the worst pruner of one data set, architecture and amount (Tables 4 and 9).

    Several share a mark where their scores are equal; nobody has one where all scores are, since
    there is nothing to choose.

    Args:
        scores: mean accuracy or F1 by pruner.
    """
    if not scores or min(scores.values()) == max(scores.values()):
        return dict.fromkeys(scores, "")
    marks: dict[float, Mark] = {max(scores.values()): "best", min(scores.values()): "worst"}
    return {pruner: marks.get(score, "") for pruner, score in scores.items()}


@dataclass(frozen=True)
class OnPies:
    """One cell of Table 10: mean scores on the PIEs and on all examples; None where not known."""

    pruned: float | None
    dense: float | None
    pruned_on_all: float | None
    dense_on_all: float | None

    @property
    def pruned_better(self) -> bool:
        """Printed in blue: on the PIEs, the pruned models beat the unpruned ones."""
        return _above(self.pruned, self.dense)

    @property
    def pruned_bold(self) -> bool:
        """Printed in bold: the pruned models score higher on the PIEs than on the whole data set."""
        return _above(self.pruned, self.pruned_on_all)

    @property
    def dense_bold(self) -> bool:
        """The same of the unpruned models."""
        return _above(self.dense, self.dense_on_all)


def _above(value: float | None, other: float | None) -> bool:
    return value is not None and other is not None and value > other
