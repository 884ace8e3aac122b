"""The data sets ``cifar10`` and ``cifar100``, from their binary version or from Parquet files.

Never from the Python version, which torchvision uses: its files are pickles, and reading a pickle runs
what stands in it.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.config.datasets import Cifar10, Cifar100
from prunescope.data import local
from prunescope.data.downloads import fetched, torchvision_version
from prunescope.data.facts import PICTURES
from prunescope.data.images import Labelled, assemble, from_parquet, parquet_versions
from prunescope.data.tables import DataSet
from prunescope.errors import UserError


@dataclass(frozen=True)
class _Form:
    """``files``: by split. ``labels``: bytes before a picture, the last of which is its class."""

    archive: str
    md5: str
    folder: str
    files: dict[str, tuple[str, ...]]
    labels: int
    pickles: tuple[str, str]
    columns: tuple[str, ...]


_FORMS = {
    "cifar10": _Form(
        archive="cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        files={
            "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
            "test": ("test_batch.bin",),
        },
        labels=1,
        pickles=("cifar-10-batches-py", "cifar-10-python.tar.gz"),
        columns=("label", "labels"),
    ),
    "cifar100": _Form(
        archive="cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        files={"train": ("train.bin",), "test": ("test.bin",)},
        labels=2,
        pickles=("cifar-100-python", "cifar-100-python.tar.gz"),
        columns=("fine_label", "label"),
    ),
}

_URL = "https://www.cs.toronto.edu/~kriz/"


def build(name: str, spec: Cifar10 | Cifar100) -> DataSet:
    """The binary version (its archive, its folder or its files) or Parquet files in ``path``, or a download.

    Archives are read as they are; nothing is unpacked or written in ``path``.

    Raises:
        UserError: a file is missing or unusable, or cannot be downloaded.
    """
    form = _FORMS[spec.source]
    if spec.path is None:
        archive = fetched(spec.source, form.archive, [f"{_URL}{form.archive}"], form.md5)
        return assemble(
            name, spec, _split(_packed(archive, form), form, spec.source), torchvision_version(), ()
        )
    folder = local.expanded(spec.path)
    pictures = from_parquet(folder, spec, form.columns)
    if pictures is not None:
        return assemble(name, spec, pictures, parquet_versions(), ())
    for root in (folder / form.folder, folder):
        if (root / form.files["test"][0]).is_file():
            return assemble(name, spec, _split(_unpacked(root, form), form, spec.source), {}, ())
    archive = folder if folder.is_file() else folder / form.archive
    if archive.is_file():
        return assemble(name, spec, _split(_packed(archive, form), form, spec.source), {}, ())
    if any((folder / part).exists() for part in form.pickles):
        raise UserError(
            f"{folder}: the Python version of the data set, pickles, which are not read; "
            f"put the binary version there ({form.archive})"
        )
    raise UserError(
        f"{folder}: neither {form.archive} nor {form.folder}, nor train.parquet and test.parquet there; "
        "fetch one of them"
    )


def _unpacked(folder: Path, form: _Form) -> Iterator[tuple[str, str, bytes]]:
    for split, files in form.files.items():
        for file in files:
            path = folder / file
            try:
                yield split, str(path), path.read_bytes()
            except FileNotFoundError:
                raise UserError(f"{path}: no such file; unpack {form.archive} again") from None
            except OSError as error:
                raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _packed(archive: Path, form: _Form) -> Iterator[tuple[str, str, bytes]]:
    """The files of an archive, without unpacking it: (split, name in messages, content)."""
    splits = {f"{form.folder}/{file}": split for split, files in form.files.items() for file in files}
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                content = tar.extractfile(member) if name in splits and member.isfile() else None
                if content is not None:
                    contents[name] = content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{archive}: damaged or not a packed archive ({error}); fetch it again") from None
    for name, split in splits.items():
        if name not in contents:
            raise UserError(f"{archive}: holds no {name}; fetch {form.archive} again")
        yield split, f"{archive}: {name}", contents[name]


def _split(files: Iterator[tuple[str, str, bytes]], form: _Form, source: str) -> dict[str, Labelled]:
    """Records of ``labels`` bytes and a picture's red, green and blue planes, each row by row."""
    published = PICTURES[source]
    size = form.labels + int(np.prod(published.image))
    parts: dict[str, list[Labelled]] = {}
    for split, where, raw in files:
        if not raw or len(raw) % size:
            raise UserError(f"{where}: {len(raw):,} bytes are no records of {size:,}; fetch it again")
        records = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size)
        labels = records[:, form.labels - 1].astype(np.int32)
        if labels.max() >= len(published.classes):
            raise UserError(
                f"{where}: label {labels.max()} is outside the {len(published.classes)} classes; fetch it again"
            )
        images = records[:, form.labels :].reshape(-1, *published.image)
        parts.setdefault(split, []).append(Labelled(images, labels))
    return {
        split: Labelled(
            np.concatenate([part.images for part in several]),
            np.concatenate([part.labels for part in several]),
        )
        for split, several in parts.items()
    }
