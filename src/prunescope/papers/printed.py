"""Numbers that papers print: one a row of ``<paper>/printed.csv``, whatever the paper (README.md beside this file)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter

from prunescope.analysis.csv_text import read_csv
from prunescope.analysis.tables.declared import R, Row
from prunescope.analysis.tables.declared import read_rows as read_declared

#: The ``paper`` column of published.csv, and the papers' titles. The folder of a paper is its name in lower case.
PAPERS: dict[str, str] = {
    "PIE": "As easy as PIE: understanding when pruning causes language models to disagree",
    "PINS": "Pruning Pre-trained Language Models with Principled Importance and Self-regularization",
    "recall": "Recall Distortion in Neural Network Pruning and the Undecayed Pruning Algorithm",
}

#: Printed quantities that are measured in another way here: METEOR 1.5 has synonyms, paraphrases and weights of its
#: own, the E2E scorer's ROUGE-L weighs recall by beta 1.2 and takes precision and recall from different references.
UNLIKE = frozenset({"meteor", "rouge_l"})

T = TypeVar("T")

#: Two spellings of one sparsity differ by less.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PrintedNumber(Row):
    """One number of a paper's table about one cell of its grid, in the paper's names.

    sparsity: fraction of the prunable weights, 0 for dense models; None where the paper has ``ratio`` instead, all
        parameters over those left.
    tolerance: how far a cell may be from it and still be this one, as a part of the ratio or of the weights left.
    only_with: a pruner that the study must have tried on the model too; set for dense models that were trained for
        the experiments with this pruner alone.
    value: a fraction, or alpha.
    metric: what scores on the data set measure.
    doubtful: filled where it is inferred instead of read (``pie/doubtful.csv`` says how).
    """

    table: str
    dataset: str
    arch: str
    pruner: str
    sparsity: float | None
    quantity: str
    value: float
    metric: str
    doubtful: str | None
    ratio: float | None
    tolerance: float | None
    only_with: str | None

    def distance(self, sparsity: float, ratio: float | None) -> float | None:
        """How far a cell is from this one, as ``tolerance`` counts; None beyond it."""
        if self.sparsity is not None:
            apart = abs((1 - sparsity) / (1 - self.sparsity) - 1)
        elif self.ratio is not None and ratio is not None:
            apart = abs(ratio / self.ratio - 1)
        else:
            return None
        return apart if apart <= (self.tolerance or _ROUNDING) else None


@cache
def numbers(paper: str) -> tuple[PrintedNumber, ...]:
    """Every legible number of the paper, in the order of its tables."""
    return tuple(read_as(paper, "printed.csv", PrintedNumber))


def read_as(paper: str, file: str, row: type[R]) -> list[R]:
    """Rows of a CSV file in the paper's folder."""
    return read_declared(_path(paper, file), row)


def read_rows(paper: str, file: str) -> list[dict[str, str]]:
    """Rows of a CSV file in the paper's folder, as strings."""
    return read_csv(_path(paper, file))


@cache
def read_yaml(paper: str, file: str, kind: type[T]) -> T:
    """A YAML file in the paper's folder.

    Raises:
        pydantic.ValidationError: it is not a ``kind``.
    """
    return TypeAdapter(kind).validate_python(yaml.safe_load(_path(paper, file).read_text(encoding="utf-8")))


def _path(paper: str, file: str) -> Path:
    return Path(__file__).parent / paper.lower() / file


class Names(BaseModel, extra="forbid"):
    """A paper's ``names.yaml``: data sets by their sources here, models with how else they may be spelled."""

    datasets: dict[str, str]
    archs: dict[str, list[str]]

    def dataset(self, name: str, source: str | None) -> str | None:
        """The paper's name of a study's data set: by its source; by its own name where the source is not known."""
        if source is not None:
            return self.datasets.get(source)
        spelt = plain(name)
        return next((own for of, own in self.datasets.items() if spelt in (plain(own), plain(of))), None)

    def arch(self, name: str) -> str | None:
        """The paper's name of a model that is called so."""
        spelt = plain(name)
        return next((own for own, others in self.archs.items() if spelt in map(plain, (own, *others))), None)


def plain(name: str) -> str:
    """Letters and digits of a name in one case: what two spellings of it share."""
    return "".join(filter(str.isalnum, name.casefold()))
