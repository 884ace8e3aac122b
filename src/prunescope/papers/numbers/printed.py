"""A printed number and a claim, whatever the paper; and the files that hold them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

#: Whose tables and claims these are; the ``paper`` column of published.csv.
PAPERS: dict[str, str] = {
    "PIE": "As easy as PIE: understanding when pruning causes language models to disagree",
    "PINS": "Pruning Pre-trained Language Models with Principled Importance and Self-regularization",
    "recall": "Recall Distortion in Neural Network Pruning and the Undecayed Pruning Algorithm",
}


#: Two spellings of one sparsity differ by less.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PrintedNumber:
    """One number of a paper's table about one cell of its grid.

    ``sparsity``: fraction of the prunable weights; 0 with pruner ``none`` for unpruned models; None where
    the paper says ``ratio`` instead, all parameters over those left. ``tolerance``: how far, as a part of
    the ratio or of the weights left, a cell may be from it and still be this one.
    ``only_with``: the pruner that a study must have tried on the network too, for unpruned models that were
    trained for its experiments alone. ``value``: a fraction, or alpha. ``metric``: what scores on the data set measure.
    ``doubtful``: not read directly but inferred (``pie_doubtful.csv`` says how).
    """

    paper: str
    table: str
    dataset: str
    arch: str
    pruner: str
    sparsity: float | None
    quantity: str
    value: float
    metric: str
    doubtful: bool = False
    ratio: float | None = None
    tolerance: float = _ROUNDING
    only_with: str | None = None

    def distance(self, sparsity: float, ratio: float | None) -> float | None:
        """How far a cell is, as ``tolerance`` is meant; None where it is another one."""
        if self.sparsity is not None:
            apart = abs((1 - sparsity) / (1 - self.sparsity) - 1)
        elif self.ratio is not None and ratio is not None:
            apart = abs(ratio / self.ratio - 1)
        else:
            return None
        return apart if apart <= self.tolerance else None


@dataclass(frozen=True)
class Claim:
    """A statement of a paper. ``basis``: what of the paper it rests on, such as ``tables``.

    ``check``: how far the paper's own printed numbers bear it out.
    """

    paper: str
    id: str
    statement: str
    concerns: str
    check: str
    basis: str


def read_rows(file: str) -> list[dict[str, str]]:
    """Rows of one of this folder's CSV files, as strings."""
    text = resources.files("prunescope.papers.numbers").joinpath(file).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, by paper, in the papers' order."""
    return tuple(
        Claim(
            paper=row["paper"],
            id=row["id"],
            statement=row["statement"],
            concerns=row["concerns"],
            check=row["check_on_printed_numbers"],
            basis=row["basis"],
        )
        for row in read_rows("claims.csv")
    )
