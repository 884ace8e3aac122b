"""The data set ``imdb``: movie reviews (Maas et al. 2011), positive or negative."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from prunescope.data import local
from prunescope.data.corpus import Examples, assemble, from_hub
from prunescope.data.dataset import DataSet
from prunescope.data.settings import CUT, LOCAL_OR_HUB, REVISION, Lengths, PieCorpus, Published
from prunescope.data.splits import stratified
from prunescope.errors import UserError
from prunescope.files import expanded

CLASSES = ("negative", "positive")

HUB = "stanfordnlp/imdb"

#: The commit of the hub's Parquet files that is read unless ``revision`` names another.
COMMIT = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"

#: Share of the training reviews that becomes validation: 5,000 of 25,000 (PIE paper, appendix A.2).
VALIDATION = 0.2

#: Folders of the original form, by class number.
_FOLDERS = ("neg", "pos")


class Imdb(PieCorpus):
    """IMDB movie reviews (Maas et al. 2011), 2 classes; a fifth of the training texts is validation."""

    source: Literal["imdb"]
    path: str | None = Field(None, min_length=1, description=LOCAL_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=REVISION)
    max_tokens: int | None = Field(512, ge=4, description=CUT)

    published = Published("IMDB", (20_000, 5_000, 25_000), 2, Lengths(268, 201, 8, 2753, 197, 430), 512)
    mean_tokens = (512, 275.3)

    def build(self, name: str) -> DataSet:
        """Reviews from ``path`` (original folders, Parquet, CSV, JSON lines) or the hub.

        Raises:
            UserError: a file is missing or unusable, or the hub cannot be reached.
        """
        import numpy as np

        versions: dict[str, str] = {}
        reasons: list[str] = []
        if self.path is None:
            found, versions = from_hub(
                HUB, self.revision or COMMIT, _examples, ("train", "test"), ("text", "label")
            )
        else:
            folder = expanded(self.path)
            found = {split: _read(folder, split, reasons) for split in ("train", "test")}
        train = found["train"]
        numbers = stratified(train.contents(), train.labels, (1 - VALIDATION, VALIDATION))
        splits = {
            "train": train.rows(np.flatnonzero(numbers == 0).tolist()),
            "validation": train.rows(np.flatnonzero(numbers == 1).tolist()),
            "test": found["test"],
        }
        return assemble(
            name, self.published, "single-label", CLASSES, splits, self.max_examples, versions, reasons
        )


def _read(folder: Path, split: str, reasons: list[str]) -> Examples:
    for root in (folder / "aclImdb" / split, folder / split):
        if root.is_dir():
            return _original(root)
    path = local.split_file(folder, split)
    if path is None:
        raise local.missing_split(folder, split)
    if local.is_subset(path):
        reasons.append(f"{path.name} is a part of the split only.")
    return _examples(split, local.read_rows(path, (("text",), ("label",))))


def _original(root: Path) -> Examples:
    texts: list[str] = []
    labels: list[tuple[int, ...]] = []
    for number, part in enumerate(_FOLDERS):
        files = sorted((root / part).glob("*.txt"), key=_number)
        if not files:
            raise UserError(f"{root / part}: no reviews (*.txt) there; unpack the data set's archive again")
        for path in files:
            text = "".join(local.text_lines(path))
            if not text.strip():
                raise UserError(f"{path}: an empty text; remove the file")
            texts.append(text)
            labels.append((number,))
    return Examples({"text": texts}, labels)


def _number(path: Path) -> tuple[int, str]:
    digits = re.match(r"\d+", path.name)
    return (int(digits[0]) if digits else -1, path.name)


def _examples(split: str, rows: local.Rows) -> Examples:
    texts = local.text_column(rows, "text")
    labels: list[tuple[int, ...]] = [
        (local.class_number(value, CLASSES, f"{rows.path}: row {number}"),)
        for number, value in enumerate(rows.columns["label"], 1)
    ]
    return Examples({"text": texts}, labels)
