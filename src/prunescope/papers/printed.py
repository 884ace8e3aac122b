"""Numbers that papers print: one a row of ``<paper>/printed.csv``, whatever the paper (README.md beside this file)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

#: The ``paper`` column of published.csv, and the papers' titles. The folder of a paper is its name in lower case.
PAPERS: dict[str, str] = {
    "PIE": "As easy as PIE: understanding when pruning causes language models to disagree",
    "PINS": "Pruning Pre-trained Language Models with Principled Importance and Self-regularization",
    "recall": "Recall Distortion in Neural Network Pruning and the Undecayed Pruning Algorithm",
}

#: Two spellings of one sparsity differ by less.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PrintedNumber:
    """One number of a paper's table about one cell of its grid, in the paper's names.

    sparsity: fraction of the prunable weights, 0 for dense models; None where the paper has ``ratio`` instead, all
        parameters over those left.
    tolerance: how far a cell may be from it and still be this one, as a part of the ratio or of the weights left.
    only_with: a pruner that the study must have tried on the model too; set for dense models that were trained for
        the experiments with this pruner alone.
    value: a fraction, or alpha.
    metric: what scores on the data set measure.
    doubtful: inferred instead of read (``pie/doubtful.csv`` says how).
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
        """How far a cell is from this one, as ``tolerance`` counts; None beyond it."""
        if self.sparsity is not None:
            apart = abs((1 - sparsity) / (1 - self.sparsity) - 1)
        elif self.ratio is not None and ratio is not None:
            apart = abs(ratio / self.ratio - 1)
        else:
            return None
        return apart if apart <= self.tolerance else None


@cache
def numbers(paper: str) -> tuple[PrintedNumber, ...]:
    """Every legible number of the paper, in the order of its tables."""
    return tuple(
        PrintedNumber(
            paper,
            row["table"],
            row["dataset"],
            row["arch"],
            row["pruner"],
            sparsity=float(row["sparsity"]) if row["sparsity"] else None,
            quantity=row["quantity"],
            value=float(row["value"]),
            metric=row["metric"],
            doubtful=bool(row.get("doubtful")),
            ratio=float(row["ratio"]) if row.get("ratio") else None,
            tolerance=float(row.get("tolerance") or _ROUNDING),
            only_with=row.get("only_with") or None,
        )
        for row in read_rows(paper, "printed.csv")
    )


def read_rows(paper: str, file: str) -> list[dict[str, str]]:
    """Rows of a CSV file in the paper's folder, as strings."""
    path = resources.files("prunescope.papers").joinpath(paper.lower(), file)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def plain(name: str) -> str:
    """Letters and digits of a name in one case: what two spellings of it share."""
    return "".join(filter(str.isalnum, name.casefold()))
