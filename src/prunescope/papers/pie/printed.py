"""Names of the PIE paper ("As easy as PIE: understanding when pruning causes language models to disagree")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from prunescope.analysis.tables.declared import Row
from prunescope.papers.printed import read_as

PAPER = "PIE"

#: The eight pruners of the paper's Table 3.
PRUNERS = ("IIBP-WR", "IIBP-FT", "IBP-AI", "IMP-WR", "IMP-FT", "MP-AI", "IRP-FT", "RP-AI")


@dataclass(frozen=True)
class Search(Row):
    """A row of Table 8: what a search for training settings tried, and what it chose."""

    dataset: str
    arch: str
    batch_size: int
    min_epochs: int
    max_epochs: int
    best_epoch: int
    min_lr: float
    max_lr: float
    best_lr: float

    @property
    def chosen(self) -> dict[str, float]:
        """By the names of training settings."""
        return {"epochs": self.best_epoch, "lr": self.best_lr, "batch_size": self.batch_size}


@cache
def searches() -> dict[tuple[str, str], Search]:
    """Table 8, by data set and architecture in lower case."""
    rows = read_as(PAPER, "hyperparameters.csv", Search)
    return {(row.dataset.lower(), row.arch.lower()): row for row in rows}
