"""The data sets ``mnist`` and ``fashion_mnist``: four files in the idx form."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from prunescope.data.dataset import DataSet
from prunescope.data.settings import Images, PublishedImages
from prunescope.errors import UserError
from prunescope.files import bounded, expanded

if TYPE_CHECKING:
    import numpy as np

    from prunescope.data.images import Labelled

_STEMS = {"train": "train", "test": "t10k"}

#: Of the idx form: unsigned bytes.
_UBYTE = 8


class Idx(Images):
    """``folder``: torchvision's name of the data set, and its folder. ``md5``: of the published files, packed."""

    folder: ClassVar[str]
    md5: ClassVar[dict[str, str]]

    def build(self, name: str) -> DataSet:
        """The idx files or Parquet files in ``path``, or torchvision's download of the idx files.

        In ``path`` the files may be packed (``.gz``) or not, in torchvision's folders (``MNIST/raw``) or
        directly; nothing is unpacked or written there.

        Raises:
            UserError: a file is missing or unusable, or cannot be downloaded.
        """
        from prunescope.data.downloads import torchvision_version
        from prunescope.data.images import assemble, from_parquet, parquet_versions

        if self.path is None:
            files = _downloaded(self)
            return assemble(name, self, _read(files, self), torchvision_version(), _identity(files, self))
        folder = expanded(self.path)
        images = from_parquet(folder, self, ("label", "labels"))
        if images is not None:
            return assemble(name, self, images, parquet_versions(), ())
        files = _found(folder, self.folder)
        return assemble(name, self, _read(files, self), {}, _identity(files, self))


class Mnist(Idx):
    """MNIST (LeCun et al. 1998), handwritten digits of 28 x 28 pixels, 10 classes."""

    source: Literal["mnist"]

    published = PublishedImages(
        "MNIST", tuple("0123456789"), (1, 28, 28), (60_000, 10_000), (53_999, 6_001, 10_000)
    )
    folder = "MNIST"
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }


class FashionMnist(Idx):
    """Fashion-MNIST (Xiao et al. 2017), clothing in grey, 28 x 28 pixels, 10 classes."""

    source: Literal["fashion_mnist"]

    published = PublishedImages(
        "Fashion-MNIST",
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        (1, 28, 28),
        (60_000, 10_000),
        (54_000, 6_000, 10_000),
    )
    folder = "FashionMNIST"
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }


def _files() -> dict[tuple[str, str], str]:
    """(split, what) -> file name without ``.gz``."""
    return {
        (split, what): f"{stem}-{what}-idx{dimensions}-ubyte"
        for split, stem in _STEMS.items()
        for what, dimensions in (("images", 3), ("labels", 1))
    }


def _downloaded(spec: Idx) -> dict[tuple[str, str], Path]:
    from prunescope.data.downloads import fetched, mirrors_of

    mirrors = mirrors_of(spec.folder)
    result = {}
    for key, file in _files().items():
        packed = f"{file}.gz"
        result[key] = fetched(
            spec.source, packed, [f"{mirror}{packed}" for mirror in mirrors], spec.md5[packed]
        )
    return result


def _found(folder: Path, title: str) -> dict[tuple[str, str], Path]:
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


def _identity(files: dict[tuple[str, str], Path], spec: Idx) -> list[str]:
    """What the data card says about whether these are the published files."""
    packed = [path for path in files.values() if path.suffix == ".gz"]
    if len(packed) < len(files):
        return []
    other = [
        p.name
        for p in packed
        if hashlib.md5(p.read_bytes(), usedforsecurity=False).hexdigest() != spec.md5[p.name]
    ]
    if other:
        return [f"Not the published files by their MD5: {', '.join(other)}."]
    return ["All four files are the published ones by their MD5."]


def _read(files: dict[tuple[str, str], Path], spec: Idx) -> dict[str, Labelled]:
    import numpy as np

    from prunescope.data.images import Labelled

    published = spec.published
    result = {}
    for split in _STEMS:
        path, labels_path = files[split, "images"], files[split, "labels"]
        images = read_idx(path)
        labels = read_idx(labels_path)
        if images.ndim != 3 or images.shape[1:] != published.image[1:]:
            size = " x ".join(map(str, images.shape[1:]))
            raise UserError(f"{path}: images of {size} pixels, not 28 x 28; is it the right data set?")
        if labels.shape != (len(images),):
            raise UserError(
                f"{labels_path}: labels of shape {labels.shape} for {len(images)} images; fetch both files again"
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
    import numpy as np

    try:
        if path.suffix == ".gz":
            with bounded(gzip.open(path), path) as file:
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
