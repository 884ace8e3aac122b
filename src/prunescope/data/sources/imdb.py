"""The data set ``imdb``: movie reviews (Maas et al. 2011), positive or negative."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from prunescope.data import local
from prunescope.data.corpus import FILES, Examples, Preset, assemble, class_labels
from prunescope.data.dataset import DataSet
from prunescope.data.settings import CUT, LOCAL_OR_HUB, REVISION, Lengths, PieCorpus, Published
from prunescope.errors import UserError

CLASSES = ("negative", "positive")

PRESET = Preset(
    (("text",), ("label",)),
    files={split: FILES[split] for split in ("train", "test")},
    originals={"train": ("train",), "test": ("test",)},
    folder="aclImdb",
    hub=("stanfordnlp/imdb", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"),
    part="the split",
)

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
        """Reviews from ``path`` (original folders, or tables) or the hub.

        Raises:
            UserError: a file is missing or unusable, or the hub cannot be reached.
        """
        found = PRESET.read(self.path, self.revision, _examples, _original)
        found.splits |= (train := found.splits["train"]).parted(VALIDATION, train.labels)
        return assemble(name, "single-label", CLASSES, found, self.max_examples, published=self.published)


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


def _examples(rows: local.Rows) -> Examples:
    return Examples({"text": local.text_column(rows, "text")}, class_labels(rows, CLASSES))
