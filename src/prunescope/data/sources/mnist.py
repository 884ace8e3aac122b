"""The data sets ``mnist`` and ``fashion_mnist``: four files in the idx form."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from prunescope.config.datasets import FashionMnist, Mnist
from prunescope.data import local
from prunescope.data.downloads import fetched, mirrors_of, torchvision_version
from prunescope.data.facts import PICTURES
from prunescope.data.images import Labelled, assemble, from_parquet, parquet_versions
from prunescope.data.tables import DataSet
from prunescope.errors import UserError

#: How torchvision calls the data set, and its folder.
_NAMES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}

#: Of the published files, packed.
MD5 = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
}

_STEMS = {"train": "train", "test": "t10k"}

#: Of the idx form: unsigned bytes.
_UBYTE = 8


def build(name: str, spec: Mnist | FashionMnist) -> DataSet:
    """The idx files or Parquet files in ``path``, or torchvision's download of the idx files.

    In ``path`` the files may lie packed (``.gz``) or not, in torchvision's folders (``MNIST/raw``) or
    directly; nothing is unpacked or written there.

    Raises:
        UserError: a file is missing or unusable, or cannot be downloaded.
    """
    if spec.path is None:
        files = _downloaded(spec.source)
        return assemble(
            name, spec, _read(files, spec.source), torchvision_version(), _identity(spec.source, files)
        )
    folder = local.expanded(spec.path)
    pictures = from_parquet(folder, spec, ("label", "labels"))
    if pictures is not None:
        return assemble(name, spec, pictures, parquet_versions(), ())
    files = _found(folder, spec.source)
    return assemble(name, spec, _read(files, spec.source), {}, _identity(spec.source, files))


def _files() -> dict[tuple[str, str], str]:
    """(split, what) -> file name without ``.gz``."""
    return {
        (split, what): f"{stem}-{what}-idx{dimensions}-ubyte"
        for split, stem in _STEMS.items()
        for what, dimensions in (("images", 3), ("labels", 1))
    }


def _downloaded(source: str) -> dict[tuple[str, str], Path]:
    mirrors = mirrors_of(_NAMES[source])
    result = {}
    for key, file in _files().items():
        packed = f"{file}.gz"
        result[key] = fetched(
            source, packed, [f"{mirror}{packed}" for mirror in mirrors], MD5[source][packed]
        )
    return result


def _found(folder: Path, source: str) -> dict[tuple[str, str], Path]:
    title = _NAMES[source]
    folders = [folder / title / "raw", folder / "raw", folder]
    root = next((f for f in folders if any(_either(f, file) for file in _files().values())), None)
    if root is None:
        raise UserError(
            f"{folder}: no {title} files there; put its four files below {title}/raw (.gz or unpacked), "
            "or train.parquet and test.parquet"
        )
    result = {}
    for key, file in _files().items():
        path = _either(root, file)
        if path is None:
            raise UserError(f"{root / file}.gz: no such file; fetch it again")
        result[key] = path
    return result


def _either(folder: Path, file: str) -> Path | None:
    return next((path for path in (folder / f"{file}.gz", folder / file) if path.is_file()), None)


def _identity(source: str, files: dict[tuple[str, str], Path]) -> list[str]:
    """What the data card says about whether these are the published files."""
    packed = [path for path in files.values() if path.suffix == ".gz"]
    if len(packed) < len(files):
        return []
    sums = MD5[source]
    other = [
        p.name
        for p in packed
        if hashlib.md5(p.read_bytes(), usedforsecurity=False).hexdigest() != sums[p.name]
    ]
    if other:
        return [f"Not the published files by their MD5: {', '.join(other)}."]
    return ["All four files are the published ones by their MD5."]


def _read(files: dict[tuple[str, str], Path], source: str) -> dict[str, Labelled]:
    published = PICTURES[source]
    result = {}
    for split in _STEMS:
        path, labels_path = files[split, "images"], files[split, "labels"]
        images = read_idx(path)
        labels = read_idx(labels_path)
        if images.ndim != 3 or images.shape[1:] != published.image[1:]:
            size = " x ".join(map(str, images.shape[1:]))
            raise UserError(f"{path}: pictures of {size} pixels, not 28 x 28; is it the right data set?")
        if labels.shape != (len(images),):
            raise UserError(
                f"{labels_path}: labels of shape {labels.shape} for {len(images)} pictures; fetch both files again"
            )
        if labels.size and labels.max() >= len(published.classes):
            raise UserError(
                f"{labels_path}: label {labels.max()} is outside the {len(published.classes)} classes; "
                "fetch the file again"
            )
        result[split] = Labelled(images[:, None], labels.astype(np.int32))
    return result


def read_idx(path: Path) -> np.ndarray:
    """A file in the idx form (LeCun), packed or not: uint8 of the shape in its header.

    Raises:
        UserError: the file is damaged, cut off, or not in this form.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                raw = file.read()
        else:
            raw = path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged or not a gzip file ({error}); fetch it again") from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != _UBYTE or not 1 <= raw[3] <= 4:
        raise UserError(f"{path}: not a file of unsigned bytes in the idx form; fetch it again")
    start = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4))
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(raw) != expected:
        raise UserError(f"{path}: {len(raw):,} bytes where its header asks for {expected:,}; fetch it again")
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)
