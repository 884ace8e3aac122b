"""What one model leaves on disk: prediction tables and networks.

Bytes that a table takes a row, compressed, were measured on tables of real networks (LeNet-5 on digits, a BiLSTM and
a small BERT on texts): logits hardly compress, whatever made them, and the rest is small. Tables of a few hundred rows
take somewhat more. Networks do not compress.
"""

from __future__ import annotations

from math import log2
from typing import Literal

from prunescope.config import Cell, Study
from prunescope.datasets import Aapd, Dataset, Docstrings, Reuters
from prunescope.layout import keeps_models

Stored = Literal["float32", "float16"]

#: Bytes of one logit.
LOGIT: dict[Stored, float] = {"float32": 3.7, "float16": 1.85}

#: Bytes a row of the numbers of example and model.
NUMBERS: dict[Stored, float] = {"float32": 1.5, "float16": 0.2}

#: Bytes of a set of one to three classes.
SET = 3.0


def bytes_per_row(classes: int, several: bool, stored: Stored) -> float:
    """Of a prediction table of a classification; ``several``: labels an example."""
    decision = SET if several else log2(max(2, classes)) / 8 + 0.1
    # Predictions are stored beside logits that are rounded.
    return NUMBERS[stored] + LOGIT[stored] * classes + decision * (2 if stored == "float16" else 1)


def several_labels(dataset: Dataset) -> bool:
    """Whether an example has any number of labels."""
    topics = isinstance(dataset, Docstrings) and dataset.labels == "topics"
    return topics or isinstance(dataset, Reuters | Aapd)


def table_bytes(study: Study, cell: Cell, classes: int, train: int, test: int) -> float:
    """One model's share of its prediction tables; EL2N's of unpruned models have float32 always."""
    several = several_labels(study.datasets[cell.dataset])
    size = (train + test) * bytes_per_row(classes, several, study.logits)
    return size + (train * bytes_per_row(classes, several, "float32") if cell.dense else 0)


def network_bytes(study: Study, cell: Cell, parameters: int) -> int:
    """One model's weights, with optimizer state where it is unpruned, as far as they are kept."""
    copies = 0
    if cell.dense and study.keep_dense_checkpoints:
        copies = 2 if study.training(cell.dataset, cell.arch).optimizer == "sgd" else 3
    elif not cell.dense and keeps_models(study, cell.pruner):
        copies = 1
    return copies * 4 * parameters
