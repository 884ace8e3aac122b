"""From the images and labels of a published data set to its tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.data import local
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.settings import Images
from prunescope.data.splits import SPLITS, sample, stratified
from prunescope.errors import Problems, UserError, listed
from prunescope.files import instead

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


#: A side of images of different or larger sizes, where the study gives none.
_SIDE = 64

#: Up to so many bytes of images are decoded to see whether they can be.
_LOOKED_AT = 200_000_000


def encoded(cell: Any, folder: Path, where: str) -> bytes:
    """The bytes of an image file: as they are, a hub's {bytes, path}, or those of a path below ``folder``.

    Raises:
        UserError: there is no such file, or the cell is no image.
    """
    held = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(held, bytes):
        return held
    path = cell.get("path") if isinstance(cell, dict) else cell
    if not isinstance(path, str | Path) or not str(path):
        raise UserError(
            f"{where}: {cell!r} is neither a path nor the bytes of an image; name another column in `image`"
        )
    try:
        return (folder / Path(path).expanduser()).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        near = instead(folder / path) if isinstance(error, FileNotFoundError) else "; correct the path"
        raise UserError(f"{where}: image {folder / path}: cannot be read ({reason}){near}") from None


def common_size(
    images: Sequence[bytes], names: Sequence[str], side: int | None
) -> tuple[tuple[int, int, int], list[str]]:
    """The (channels, height, width) that images become, and what to say of it.

    Grey if all of them are. Their own size where they are alike and small; else squares of ``side`` pixels.

    Raises:
        Problems: some cannot be read; a line names each, up to a dozen.
    """
    damaged: list[str] = []
    sizes: set[tuple[int, int]] = set()
    modes: set[str] = set()
    whole = sum(map(len, images)) <= _LOOKED_AT
    for raw, name in zip(images, names, strict=True):
        try:
            with _opened(raw, name) as image:
                if whole:
                    image.load()
                turned = image.getexif().get(_ORIENTATION, 1) >= 5
                sizes.add((image.width, image.height) if turned else (image.height, image.width))
                modes.add(image.mode)
        except UserError as error:
            damaged.append(str(error))
    if damaged:
        more = [f"{len(damaged) - _NAMED:,} more images cannot be read"] if len(damaged) > _NAMED else []
        raise Problems([*damaged[:_NAMED], *more])
    channels = 1 if modes <= _GREY else 3
    height, width = min(sizes)
    if side is None and len(sizes) == 1 and max(height, width) <= _SIDE:
        return (channels, height, width), []
    wanted = (side or _SIDE, side or _SIDE)
    if sizes == {wanted}:
        return (channels, *wanted), []
    found = f"{height} x {width} pixels" if len(sizes) == 1 else f"{len(sizes):,} different sizes"
    said = f"Images of {found} were scaled and cut to their middle {wanted[0]} x {wanted[1]} pixels (size)."
    return (channels, *wanted), [said]


#: Damaged images that are named.
_NAMED = 12

_ORIENTATION = 0x0112
_GREY = {"1", "L", "LA", "I", "I;16", "F"}


def decoded(raw: bytes, size: tuple[int, int, int], where: str) -> np.ndarray:
    """An image as (channels, height, width) uint8, upright as its EXIF data say, scaled and cut to its middle.

    Raises:
        UserError: it is damaged.
    """
    from PIL import Image, ImageOps

    channels, height, width = size
    with _opened(raw, where) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I") or upright.mode == "F":
            values = np.asarray(upright, dtype=np.float64)
            upright = Image.fromarray((values / max(255.0, values.max()) * 255).astype(np.uint8))
        if upright.mode == "P" or "A" in upright.mode:
            # What is transparent is white, not whatever colour lies below.
            over = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
        upright = upright.convert("L" if channels == 1 else "RGB")
        if upright.size != (width, height):
            upright = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
        return np.asarray(upright).reshape(height, width, channels).transpose(2, 0, 1)


@contextmanager
def _opened(raw: bytes, where: str) -> Iterator[Any]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw)) as image:
            yield image
    # Which errors come from damaged files depends on the form and on Pillow's decoders.
    except Exception as error:
        reason = " ".join(str(error).split())
        if "BytesIO" in reason:
            reason = "no image in a known form" if raw else "an empty file"
        raise UserError(f"{where}: the image cannot be read ({reason}); replace or remove it") from None


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
        reason = "no image in a known form" if "BytesIO" in str(error) else " ".join(str(error).split())
        raise UserError(f"{where}: the image cannot be read ({reason}); fetch the file again") from None
    raise UserError(
        f"{where}: an image of {size[0]} x {size[1]} pixels, not {width} x {height}; is it the right data set?"
    )
