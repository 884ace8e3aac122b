"""What one model leaves on disk: prediction tables and weights.

Bytes that a table takes a row, compressed, were measured on tables of real models (LeNet-5 on digits, a BiLSTM and
a small BERT on texts): logits hardly compress, whatever made them, and the rest is small. Tables of a few hundred rows
take somewhat more. Tags, spans and texts take what such answers of other English texts took, by token and character;
how long a data set's are is what its paper says, about. Weights do not compress.
"""

from __future__ import annotations

from math import log2
from typing import Literal

from prunescope.config.datasets import Answers
from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.paths import keeps_models

Stored = Literal["float32", "float16"]

#: Bytes of one logit.
LOGIT: dict[Stored, float] = {"float32": 3.7, "float16": 1.85}

#: Bytes a row of the numbers of example and model.
NUMBERS: dict[Stored, float] = {"float32": 1.5, "float16": 0.2}

#: Bytes of a set of one to three classes.
SET = 3.0

#: Bytes of a number that examples share, and of one of a model.
SHARED_NUMBER, NUMBER = 0.8, 5.2

#: Bytes of a row's number where there are no logits.
ROW = 1.1

#: Bytes of a token's tag; of a character of a span, the first of an example or the model's; of another accepted one,
#: often the same; of a character of a text.
TAG, SPAN, FURTHER_SPAN, TEXT = 0.38, 0.67, 0.3, 0.26


def bytes_per_row(classes: int, several: bool, stored: Stored) -> float:
    """Of a prediction table of a classification; ``several``: labels an example."""
    decision = SET if several else log2(max(2, classes)) / 8 + 0.1
    # Predictions are stored beside logits that are rounded.
    return NUMBERS[stored] + LOGIT[stored] * classes + decision * (2 if stored == "float16" else 1)


def bytes_per_number(stored: Stored) -> float:
    """A row of a prediction table of a regression."""
    return NUMBERS[stored] + SHARED_NUMBER + LOGIT[stored] + (NUMBER if stored == "float16" else 0.0)


def bytes_per_answer(answers: Answers, length: float, accepted: float = 1.0) -> float:
    """A row of a prediction table of tags (``tokens``), spans or texts: the accepted answers, and the model's.

    ``length``: tokens (tags) or characters of an answer.
    """
    first, further = {
        "tokens": (TAG, TAG),
        "span": (SPAN, FURTHER_SPAN),
        "text": (TEXT, TEXT),
    }[answers]
    return ROW + length * (2 * first + (accepted - 1) * further)


def table_bytes(study: Study, cell: Cell, classes: int, train: int, test: int) -> float:
    """One model's share of its prediction tables; EL2N's of dense models have float32 always."""
    dataset = study.datasets[cell.dataset]
    facts = dataset.declared()
    if dataset.answers == "number":
        size = (train + test) * bytes_per_number(study.logits)
        return size + (train * bytes_per_number("float32") if cell.dense else 0)
    if dataset.answers != "classes":
        # Texts are written for the test split alone; a training example has one answer.
        size = test * bytes_per_answer(dataset.answers, facts.answer_length, facts.accepted_answers)
        once = bytes_per_answer(dataset.answers, facts.answer_length)
        return size + (train * once if dataset.answers != "text" else 0.0)
    size = (train + test) * bytes_per_row(classes, facts.several_labels, study.logits)
    early = cell.dense and study.has_el2n(cell.dataset, cell.arch)
    return size + (train * bytes_per_row(classes, facts.several_labels, "float32") if early else 0)


def model_bytes(study: Study, cell: Cell, parameters: int) -> int:
    """One model's weights, with optimizer state where it is dense, as far as they are kept."""
    copies = 0
    if cell.dense and study.keep_dense_checkpoints:
        copies = 2 if study.training(cell.dataset, cell.arch).optimizer == "sgd" else 3
    elif not cell.dense and keeps_models(study, cell.pruner):
        copies = 1
    return copies * 4 * parameters
