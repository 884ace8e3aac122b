"""Data sets that libraries carry or fetch: ``sklearn`` and ``torchvision``, by name."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from prunescope.data import local
from prunescope.data.sources.table import Own
from prunescope.errors import UserError

if TYPE_CHECKING:
    from prunescope.data.tabular import Read

#: Loader, and the column of what a model takes in.
_SKLEARN: Mapping[str, tuple[str, Literal["text", "image"]]] = {
    "digits": ("load_digits", "image"),
    "olivetti_faces": ("fetch_olivetti_faces", "image"),
    "lfw_people": ("fetch_lfw_people", "image"),
    "20newsgroups": ("fetch_20newsgroups", "text"),
}

#: How torchvision's classes are asked for a split, and what they call it.
_TRAIN = ("train", {"train": True, "test": False})
_SPLIT = ("split", {"train": "train", "test": "test"})
_THREE = ("split", {"train": "train", "validation": "val", "test": "test"})
_TORCHVISION: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **dict.fromkeys(("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "QMNIST", "USPS"), _TRAIN),
    **dict.fromkeys(("Food101", "GTSRB", "RenderedSST2", "STL10", "SVHN", "StanfordCars"), _SPLIT),
    **dict.fromkeys(("DTD", "FGVCAircraft", "Flowers102", "PCAM"), _THREE),
    "OxfordIIITPet": ("split", {"train": "trainval", "test": "test"}),
}


class _OfLibrary(Own):
    """Read by a library; its version stands for the data."""

    label: Literal["label"] = "label"

    @property
    def origin(self) -> str:
        return f"name: {self.name}"  # type: ignore[attr-defined]

    def stamp(self) -> Any:
        return [self.origin, version(self._package)]

    def digest(self) -> str | None:
        return None

    @property
    def _package(self) -> str:
        return "torchvision"

    def _failed(self, error: Exception) -> UserError:
        reason = " ".join(str(error).split())[:200]
        return UserError(
            f"{self.origin}: {self._package} cannot give it ({type(error).__name__}: {reason}); check the network, or "
            "use `source: table` with a copy"
        )


class Sklearn(_OfLibrary):
    """Images or texts that scikit-learn carries (`digits`) or fetches."""

    source: Literal["sklearn"]
    name: Literal["digits", "olivetti_faces", "lfw_people", "20newsgroups"]

    @property
    def text_columns(self) -> tuple[str, ...]:
        return ("text",) if self.input == "text" else ()

    @property
    def input(self) -> Literal["image", "text"]:  # type: ignore[override]
        return _SKLEARN[self.name][1]

    @property
    def _package(self) -> str:
        return "scikit-learn"

    def read(self) -> Read:
        import numpy as np
        import sklearn.datasets

        from prunescope.data.tabular import Read

        load = getattr(sklearn.datasets, _SKLEARN[self.name][0])
        try:
            if self.input == "text":
                parts = {split: load(subset=split) for split in ("train", "test")}
                rows = {
                    split: [_rows(self.name, part.target, list(part.target_names), text=part.data)]
                    for split, part in parts.items()
                }
            else:
                bunch = load()
                # Pixels from 0 to 16 (digits) or to 1 (faces).
                pixels = np.rint(bunch.images * (255.0 / bunch.images.max())).astype(np.uint8)
                names = [str(name) for name in getattr(bunch, "target_names", np.unique(bunch.target))]
                rows = {"": [_rows(self.name, bunch.target, names, image=[_png(one) for one in pixels])]}
        except Exception as error:
            raise self._failed(error) from None
        return Read(rows, {self._package: version(self._package)})


class Torchvision(_OfLibrary):
    """A classification data set that torchvision fetches, by the name of its class."""

    source: Literal["torchvision"]
    name: Literal[
        "CIFAR10", "CIFAR100", "DTD", "FGVCAircraft", "FashionMNIST", "Flowers102", "Food101", "GTSRB", "KMNIST",
        "MNIST", "OxfordIIITPet", "PCAM", "QMNIST", "RenderedSST2", "STL10", "SVHN", "StanfordCars", "USPS",
    ]  # fmt: skip

    def read(self) -> Read:
        from prunescope.data.downloads import download_folder
        from prunescope.data.tabular import Read
        from prunescope.data.vision import prepare_torchvision

        prepare_torchvision()
        from torchvision import datasets

        keyword, called = _TORCHVISION[self.name]
        folder = download_folder("torchvision")
        rows = {}
        try:
            for split, value in called.items():
                part = getattr(datasets, self.name)(str(folder), download=True, **{keyword: value})
                images, labels = zip(*((_png(image), int(label)) for image, label in part), strict=True)
                names = [str(name) for name in getattr(part, "classes", ())]
                rows[split] = [_rows(self.name, labels, names, image=images)]
        except Exception as error:
            raise self._failed(error) from None
        return Read(rows, {self._package: version(self._package)})


def _rows(name: str, labels: Iterable[Any], names: Sequence[str], **inputs: Sequence[Any]) -> local.Rows:
    columns = {**{column: list(cells) for column, cells in inputs.items()}, "label": [int(n) for n in labels]}
    return local.Rows(name, columns, {"label": names} if names else {})


def _png(image: Any) -> bytes:
    """An array of pixels or an image of Pillow's as the bytes of a file."""
    from PIL import Image

    held = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(held, "PNG")
    return held.getvalue()
