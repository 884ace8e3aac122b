"""The data set ``squad``: SQuAD v1.1 (Rajpurkar et al. 2016), questions answered by a span of a paragraph.

Its test set is kept by its authors. Its development set is the test set here, a part of its training set validation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prunescope.config.datasets import Squad
from prunescope.data import local
from prunescope.data.answers import Answered, assemble_answers, part_for_validation
from prunescope.data.corpus import from_hub
from prunescope.data.tables import DataSet
from prunescope.errors import UserError

HUB = "rajpurkar/squad"

#: The commit of the hub's Parquet files that is read unless ``revision`` names another.
REVISION = "7b6d24c440a36b6815f21b70d25016731768db1f"

METRICS = ("f1", "exact_match")

_COLUMNS = (("question",), ("context",), ("answers",))

#: What the original files are called.
_FILES = {
    "train": ("train-v1.1.json", "train.json"),
    "test": ("dev-v1.1.json", "dev.json", "validation.json"),
}


def build(name: str, spec: Squad) -> DataSet:
    """Questions from ``path`` (the original JSON, or columns) or the hub.

    Raises:
        UserError: a file is missing or unusable, a question has no answer, or the hub cannot be reached.
    """
    versions: dict[str, str] = {}
    dropped: list[int] = []

    def read(_: str, rows: local.Rows) -> Answered:
        return _answered(_from_columns(rows), rows.path, dropped)

    if spec.path is None:
        revision = spec.revision or REVISION
        names = {"train": "train", "validation": "test"}
        found, versions = from_hub(HUB, revision, read, list(names), [names[0] for names in _COLUMNS])
        splits = {names[split]: examples for split, examples in found.items()}
    else:
        folder = local.expanded(spec.path)
        splits = {split: _from_folder(folder, split, dropped) for split in _FILES}
    splits["train"], splits["validation"] = part_for_validation(splits["train"], spec.validation, "context")
    reasons = [
        f"{spec.validation:.0%} of the training set is the validation set; the development set is the test set."
    ]
    if sum(dropped):
        reasons.append(f"{sum(dropped):,} answers that do not stand where they should were left out.")
    return assemble_answers(name, "span", (), splits, spec.max_examples, METRICS, versions, reasons)


def _from_folder(folder: Path, split: str, dropped: list[int]) -> Answered:
    for file in _FILES[split]:
        if (folder / file).is_file():
            return _answered(_from_json(folder / file), str(folder / file), dropped)
    wanted = "train" if split == "train" else "validation"
    path = local.split_file(folder, wanted)
    if path is None:
        raise UserError(
            f"{folder}: no {' or '.join(_FILES[split])}, nor columns of the {wanted} split; put SQuAD's files there"
        )
    return _answered(_from_columns(local.read_rows(path, _COLUMNS)), str(path), dropped)


#: question, context, answers, their places
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
    columns = (rows.columns[names[0]] for names in _COLUMNS)
    for number, (question, context, answers) in enumerate(zip(*columns, strict=True), 1):
        try:
            yield question, context, list(answers["text"]), list(answers["answer_start"])
        except (TypeError, KeyError):
            raise UserError(
                f"{rows.path}: row {number}: answers are {answers!r}, not {{text, answer_start}}; correct the row"
            ) from None


def _answered(rows: Iterator[_Row], where: str, dropped: list[int]) -> Answered:
    questions, contexts, labels, starts = [], [], [], []
    for number, (question, context, texts, places) in enumerate(rows, 1):
        if not isinstance(question, str) or not isinstance(context, str):
            raise UserError(f"{where}: question {number}: question and context must be texts; correct it")
        if not _fit(texts, places):
            raise UserError(
                f"{where}: question {number}: its answers are no texts with a place each; correct it"
            )
        pairs = [
            (text, place)
            for text, place in zip(texts, places, strict=True)
            if place >= 0 and context[place : place + len(text)] == text and text
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
            starts.append([place for _, place in pairs])
    return Answered({"question": questions, "context": contexts}, labels, starts)


def _fit(texts: Sequence[Any], places: Sequence[Any]) -> bool:
    """Whether there is a whole number for every text."""
    return (
        len(texts) == len(places)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(place, int) for place in places)
    )
