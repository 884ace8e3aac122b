"""The data set ``imdb``: movie reviews (Maas et al. 2011), positive or negative."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from prunescope.config.datasets import Imdb
from prunescope.data import local
from prunescope.data.corpus import Examples, assemble, from_hub
from prunescope.data.splits import stratified
from prunescope.data.tables import DataSet
from prunescope.errors import UserError

CLASSES = ("negative", "positive")

HUB = "stanfordnlp/imdb"

#: The commit of the hub's Parquet files that is read unless ``revision`` names another.
REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"

#: Share of the training reviews that becomes validation: 5,000 of 25,000 (PIE paper, appendix A.2).
VALIDATION = 0.2

#: Folders of the original form, by class number.
_FOLDERS = ("neg", "pos")


def build(name: str, spec: Imdb) -> DataSet:
    """Reviews from ``path`` (original folders, Parquet, CSV, JSON lines) or the hub.

    Raises:
        UserError: a file is missing or unusable, or the hub cannot be reached.
    """
    versions: dict[str, str] = {}
    reasons: list[str] = []
    if spec.path is None:
        found, versions = from_hub(
            HUB, spec.revision or REVISION, _examples, ("train", "test"), ("text", "label")
        )
    else:
        folder = local.expanded(spec.path)
        found = {split: _read(folder, split, reasons) for split in ("train", "test")}
    train = found["train"]
    numbers = stratified(train.contents(), train.labels, (1 - VALIDATION, VALIDATION))
    splits = {
        "train": train.rows(np.flatnonzero(numbers == 0).tolist()),
        "validation": train.rows(np.flatnonzero(numbers == 1).tolist()),
        "test": found["test"],
    }
    return assemble(name, "imdb", "single-label", CLASSES, splits, spec.max_examples, versions, reasons)


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
        files = sorted((root / part).glob("*.txt"), key=_place)
        if not files:
            raise UserError(f"{root / part}: no reviews (*.txt) there; unpack the data set's archive again")
        for path in files:
            text = "".join(local.text_lines(path))
            if not text.strip():
                raise UserError(f"{path}: an empty text; remove the file")
            texts.append(text)
            labels.append((number,))
    return Examples({"text": texts}, labels)


def _place(path: Path) -> tuple[int, str]:
    digits = re.match(r"\d+", path.name)
    return (int(digits[0]) if digits else -1, path.name)


def _examples(split: str, rows: local.Rows) -> Examples:
    texts = local.text_column(rows, "text")
    labels: list[tuple[int, ...]] = [
        (local.class_number(value, CLASSES, f"{rows.path}: row {number}"),)
        for number, value in enumerate(rows.columns["label"], 1)
    ]
    return Examples({"text": texts}, labels)
