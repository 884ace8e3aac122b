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


@dataclass(frozen=True)
class PrintedNumber:
    """One number of a paper's table about one cell of its grid.

    ``sparsity``: fraction of the prunable weights; 0 with pruner ``none`` for unpruned models.
    ``value``: a fraction. ``metric``: what scores on the data set measure.
    ``doubtful``: not read directly but inferred (``pie_doubtful.csv`` says how).
    """

    paper: str
    table: str
    dataset: str
    arch: str
    pruner: str
    sparsity: float
    quantity: str
    value: float
    metric: str
    doubtful: bool = False


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
    text = resources.files("prunescope.published").joinpath(file).read_text(encoding="utf-8")
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
