"""The data set ``squad``: SQuAD v1.1 (Rajpurkar et al. 2016), questions answered by a span of a paragraph.

Its test set is kept by its authors. Its development set is the test set here, a part of its training set validation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from prunescope.config.datasets import Declared
from prunescope.data import local
from prunescope.data.corpus import FILES, Examples, Preset, assemble
from prunescope.data.dataset import DataSet
from prunescope.data.settings import LOCAL_OR_HUB, REVISION, VALIDATION, Spans
from prunescope.errors import UserError

PRESET = Preset(
    (("question",), ("context",), ("answers",)),
    files={"train": FILES["train"], "test": FILES["validation"]},
    originals={
        "train": ("train-v1.1.json", "train.json"),
        "test": ("dev-v1.1.json", "dev.json", "validation.json"),
    },
    hub=("rajpurkar/squad", "7b6d24c440a36b6815f21b70d25016731768db1f"),
    on_hub={"test": "validation"},
)

METRICS = ("f1", "exact_match")


class Squad(Spans):
    """SQuAD v1.1 (Rajpurkar et al. 2016): questions answered by a span of a paragraph.

    Its development set is the test set here, a part of its training set is validation.
    """

    paper = "pins"
    source: Literal["squad"]
    path: str | None = Field(None, min_length=1, description=LOCAL_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=REVISION)
    validation: float = Field(0.1, gt=0, lt=1, description=VALIDATION)

    def declared(self) -> Declared:
        train, test = 87_599, 10_570
        validation = round(train * self.validation)
        return self.at_most(
            train - validation, validation, test, classes=2, answer_length=19, accepted_answers=3.3
        )

    def build(self, name: str) -> DataSet:
        """Questions from ``path`` (the original JSON, or columns) or the hub.

        Raises:
            UserError: a file is missing or unusable, a question has no answer, or the hub cannot be reached.
        """
        dropped: list[int] = []
        found = PRESET.read(
            self.path,
            self.revision,
            lambda rows: _answered(_from_columns(rows), rows.path, dropped),
            lambda path: _answered(_from_json(path), str(path), dropped),
        )
        found.splits |= found.splits["train"].parted(self.validation, by="context")
        found.reasons = [
            f"{self.validation:.0%} of the training set is the validation set; the development set is the test set."
        ]
        if sum(dropped):
            found.reasons.append(f"{sum(dropped):,} answers that are not at their offset were left out.")
        return assemble(name, "span", (), found, self.max_examples, METRICS)


#: question, context, answers, their offsets in the context
_Row = tuple[str, str, list[str], list[int]]


def _from_json(path: Path) -> Iterator[_Row]:
    """SQuAD's own form: articles of paragraphs with questions.

    Raises:
        UserError: the file is not of that form.
    """
    try:
        articles = json.loads("".join(local.text_lines(path)))["data"]
        for article in articles:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    answers = question["answers"]
                    yield (
                        question["question"],
                        paragraph["context"],
                        [answer["text"] for answer in answers],
                        [answer["answer_start"] for answer in answers],
                    )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not of SQuAD's form ({type(error).__name__}: {error}); fetch it again"
        ) from None


def _from_columns(rows: local.Rows) -> Iterator[_Row]:
    columns = (rows.columns[names[0]] for names in PRESET.columns)
    for number, (question, context, answers) in enumerate(zip(*columns, strict=True), 1):
        try:
            yield question, context, list(answers["text"]), list(answers["answer_start"])
        except (TypeError, KeyError):
            raise UserError(
                f"{rows.path}: row {number}: answers are {answers!r}, not {{text, answer_start}}; correct the row"
            ) from None


def _answered(rows: Iterator[_Row], where: str, dropped: list[int]) -> Examples:
    questions, contexts, labels, starts = [], [], [], []
    for number, (question, context, texts, offsets) in enumerate(rows, 1):
        if not isinstance(question, str) or not isinstance(context, str):
            raise UserError(f"{where}: question {number}: question and context must be texts; correct it")
        if not _fit(texts, offsets):
            raise UserError(
                f"{where}: question {number}: its answers are not texts with an offset each; correct it"
            )
        pairs = [
            (text, offset)
            for text, offset in zip(texts, offsets, strict=True)
            if offset >= 0 and context[offset : offset + len(text)] == text and text
        ]
        if not texts:
            raise UserError(
                f"{where}: question {number} has no answer; SQuAD v1.1 has one for each (v2.0 is another task)"
            )
        dropped.append(len(texts) - len(pairs))
        if pairs:
            # Many questions start with a blank that is of no use.
            questions.append(question.strip())
            contexts.append(context)
            labels.append([text for text, _ in pairs])
            starts.append([offset for _, offset in pairs])
    return Examples({"question": questions, "context": contexts}, labels, starts)


def _fit(texts: Sequence[Any], offsets: Sequence[Any]) -> bool:
    """Whether there is a whole number for every text."""
    return (
        len(texts) == len(offsets)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(offset, int) for offset in offsets)
    )
