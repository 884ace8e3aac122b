"""From the images and labels of a published data set to its tables."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.data import local
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.settings import Images
from prunescope.data.splits import SPLITS, sample, stratified
from prunescope.errors import UserError, listed

#: Share of the training split that becomes validation.
VALIDATION = 0.1

#: Pixels are 0 to 255.
_SCALE = 255.0


@dataclass(frozen=True)
class Labelled:
    """Images (n, channels, height, width) uint8 with their class numbers (n,) int32."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, numbers: np.ndarray) -> Labelled:
        return Labelled(self.images[numbers], self.labels[numbers])

    def contents(self) -> list[bytes]:
        return [image.tobytes() for image in self.images]


def assemble(
    name: str,
    spec: Images,
    found: Mapping[str, Labelled],
    versions: Mapping[str, str],
    notes: Sequence[str],
) -> DataSet:
    """The tables: a stratified tenth of ``train`` becomes validation, then each is cut to ``max_examples``.

    The images' contents decide both, not their order.

    Raises:
        UserError: a class has no training examples.
    """
    published = spec.published
    train = found["train"]
    numbers = stratified(train.contents(), train.labels.tolist(), (1 - VALIDATION, VALIDATION))
    splits = {
        "train": train.rows(np.flatnonzero(numbers == 0)),
        "validation": train.rows(np.flatnonzero(numbers == 1)),
        "test": found["test"],
    }
    tables = {}
    cut = False
    for split in SPLITS:
        examples = splits[split]
        if spec.max_examples is not None and len(examples) > spec.max_examples:
            labels = [(label,) for label in examples.labels.tolist()]
            examples = examples.rows(np.array(sample(examples.contents(), labels, spec.max_examples)))
            cut = True
        if not len(examples):
            raise UserError(f"{name}: the {split} split has no examples; check the files of the data set")
        info = TableInfo(name, split, "single-label", published.classes, ("image",), published.image, _SCALE)
        tables[split] = DataTable(info, examples.labels, images=examples.images)
    present = np.bincount(tables["train"].labels, minlength=len(published.classes)) > 0
    if absent := [published.classes[c] for c in np.flatnonzero(~present).tolist()]:
        advice = "raise max_examples" if cut else "check the files of the data set"
        raise UserError(
            f"{name}: class{'es' if len(absent) > 1 else ''} without training examples: {listed(absent)}; {advice}"
        )
    notes = [*_counts(spec, {split: len(examples) for split, examples in found.items()}), *notes]
    if cut:
        notes.append(f"Each split was cut to at most {spec.max_examples:,} examples (max_examples).")
    return DataSet(tables, dict(versions), tuple(notes))


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the pixels of each channel, (n, channels, height, width) uint8.

    From whole sums, so that they are exact up to the last division. A channel of one value has a
    standard deviation of 1: nothing is there to be scaled.
    """
    values = np.arange(256, dtype=np.int64)
    mean, std = [], []
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].reshape(-1), minlength=256).astype(np.int64)
        n, total, squares = (int((counts * values**power).sum()) for power in (0, 1, 2))
        variance = (n * squares - total**2) / n**2
        mean.append(total / n)
        std.append(variance**0.5 if variance else 1.0)
    return mean, std


def _counts(spec: Images, found: Mapping[str, int]) -> list[str]:
    published = spec.published
    train, test = published.published
    here = (found["train"], found["test"])
    verdict = "as published" if here == published.published else f"published are {train:,} and {test:,}"
    return [
        f"{published.title}: {here[0]:,} training and {here[1]:,} test examples were read, {verdict}; "
        "a stratified tenth of the training examples is validation."
    ]


def from_parquet(folder: Path, spec: Images, label: Sequence[str]) -> dict[str, Labelled] | None:
    """``train.parquet`` and ``test.parquet`` in ``folder``, or None where neither is there.

    Columns: ``image``, PNG, JPEG or WebP bytes, also as the hub's {bytes, path}; and the class number,
    under the first of the names in ``label`` that is there.

    Raises:
        UserError: a file is missing or unusable, or an image is damaged or of another size.
    """
    paths = {split: folder / f"{split}.parquet" for split in ("train", "test")}
    if not any(path.is_file() for path in paths.values()):
        return None
    for split, path in paths.items():
        if not path.is_file():
            raise UserError(f"{folder}: no {split} split; put it there as {path.name}")
    return {split: _decoded(path, spec, label) for split, path in paths.items()}


def parquet_versions() -> dict[str, str]:
    """For the data card: what decodes lossy images decides their last digits."""
    return {"pillow": version("pillow")}


def _decoded(path: Path, spec: Images, label: Sequence[str]) -> Labelled:
    published = spec.published
    rows = local.read_rows(path, (("image", "img"), label))
    images = np.empty((len(rows), *published.image), dtype=np.uint8)
    for number, cell in enumerate(rows.columns["image"]):
        images[number] = _image(cell, published.image, f"{path}: row {number + 1}")
    classes = published.classes
    labels = np.empty(len(rows), dtype=np.int32)
    for number, value in enumerate(rows.columns[label[0]]):
        if not isinstance(value, int) or not 0 <= value < len(classes):
            raise UserError(
                f"{path}: row {number + 1}: label {value!r} is not a class number from 0 to {len(classes) - 1}; "
                "correct the row"
            )
        labels[number] = value
    return Labelled(images, labels)


def _image(cell: Any, shape: tuple[int, int, int], where: str) -> np.ndarray:
    """One encoded image as (channels, height, width) uint8."""
    from PIL import Image

    raw = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(raw, bytes):
        raise UserError(f"{where}: column 'image' holds no bytes of an image; write the images into the file")
    channels, height, width = shape
    try:
        with Image.open(io.BytesIO(raw), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.size == (width, height):
                pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
                return pixels.reshape(height, width, channels).transpose(2, 0, 1)
            size = image.size
    # Which errors come from damaged files depends on the form and on Pillow's decoders.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{where}: the image cannot be read ({reason}); fetch the file again") from None
    raise UserError(
        f"{where}: an image of {size[0]} x {size[1]} pixels, not {width} x {height}; is it the right data set?"
    )
