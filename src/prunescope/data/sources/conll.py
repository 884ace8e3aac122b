"""The data set ``conll2003``: sentences with a tag for every word (Tjong Kim Sang and De Meulder 2003)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from prunescope.config.datasets import Answers, Declared
from prunescope.data import local
from prunescope.data.corpus import Examples, Preset, assemble
from prunescope.data.dataset import DataSet
from prunescope.data.settings import CUT, LOCAL_OR_HUB, REVISION, Corpus
from prunescope.errors import UserError, listed

#: In the order of the hub's numbers.
CLASSES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")

PRESET = Preset(
    (("tokens", "words"), ("ner_tags", "ner", "tags")),
    originals={
        "train": ("eng.train", "train.txt", "train.conll"),
        "validation": ("eng.testa", "valid.txt", "dev.txt", "valid.conll", "dev.conll"),
        "test": ("eng.testb", "test.txt", "test.conll"),
    },
    # The hub's own conversion to Parquet: the repository itself holds a script, which is not run.
    hub=("eriktks/conll2003", "refs/convert/parquet"),
)

METRICS = ("f1", "precision", "recall", "accuracy")

#: Between documents.
_DOCUMENT = "-DOCSTART-"


class Conll2003(Corpus):
    """CoNLL-2003 (Tjong Kim Sang and De Meulder 2003): a tag of named entities for every word."""

    paper = "pins"
    source: Literal["conll2003"]
    path: str | None = Field(None, min_length=1, description=LOCAL_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=REVISION)
    max_tokens: int | None = Field(128, ge=4, description=CUT)

    @property
    def answers(self) -> Answers:
        return "tokens"

    def declared(self) -> Declared:
        return self.at_most(14_041, 3_250, 3_453, classes=len(CLASSES), answer_length=14.4)

    def build(self, name: str) -> DataSet:
        """Sentences from ``path`` (column form, Parquet or JSON lines) or the hub.

        Raises:
            UserError: a file is missing or unusable, or the hub cannot be reached.
        """
        found = PRESET.read(self.path, self.revision, _from_rows, _original)
        found.reasons = []
        return assemble(name, "tokens", CLASSES, found, self.max_examples, METRICS)


def _original(path: Path) -> Examples:
    return _answered(_sentences(path), str(path))


def _from_rows(rows: local.Rows) -> Examples:
    pairs = zip(rows.columns["tokens"], rows.columns["ner_tags"], strict=True)
    return _answered(pairs, rows.path)


def _sentences(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Words and tags of each sentence: a word a line, its tag in the last column, a blank line in between."""
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate(local.text_lines(path), 1):
        cells = line.split()
        if not cells or cells[0] == _DOCUMENT:
            if words:
                yield words, tags
            words, tags = [], []
            continue
        if len(cells) < 2:
            raise UserError(f"{path}: line {number}: has a word but no tag; correct the line")
        if cells[-1] not in CLASSES:
            raise UserError(
                f"{path}: line {number}: unknown tag {cells[-1]!r}; give one of {listed(CLASSES)}"
            )
        words.append(cells[0])
        tags.append(cells[-1])
    if words:
        yield words, tags


def _answered(sentences: Iterable[tuple[Sequence[str], Sequence[str | int]]], where: str) -> Examples:
    import numpy as np

    texts: list[str] = []
    labels: list[np.ndarray] = []
    for number, (words, tags) in enumerate(sentences, 1):
        if not isinstance(words, list) or not isinstance(tags, list) or None in words:
            raise UserError(
                f"{where}: sentence {number}: must be a list of words and a list of their tags; correct it"
            )
        if len(words) != len(tags):
            raise UserError(
                f"{where}: sentence {number}: {len(tags)} tags for {len(words)} words; give each one a tag"
            )
        if not words:
            continue
        # In the table, a blank would make two words of one.
        parts = ["_".join(str(word).split()) or "_" for word in words]
        numbers = [_number(tag, f"{where}: sentence {number}") for tag in tags]
        texts.append(" ".join(parts))
        labels.append(np.array(_begun(numbers), dtype=np.int32))
    return Examples({"text": texts}, labels)


def _number(tag: str | int, where: str) -> int:
    if isinstance(tag, int) and 0 <= tag < len(CLASSES):
        return tag
    if tag in CLASSES:
        return CLASSES.index(str(tag))
    raise UserError(f"{where}: unknown tag {tag!r}; give one of {listed(CLASSES)}, or its number")


def _begun(tags: Sequence[int]) -> list[int]:
    """With a B where an entity begins: the original files have one only between two entities of a kind.

    >>> _begun([2, 2, 0, 6, 5, 6])  # I-PER I-PER O I-LOC B-LOC I-LOC
    [1, 2, 0, 5, 5, 6]
    """
    result, before = [], 0
    for tag in tags:
        inside = tag > 0 and tag % 2 == 0
        begins = inside and before not in (tag, tag - 1)
        result.append(tag - 1 if begins else tag)
        before = tag
    return result
