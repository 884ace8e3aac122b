"""The data sets ``cifar10`` and ``cifar100``, from their binary version or from Parquet files.

Never from the Python version, which torchvision uses: its files are pickles, and reading a pickle runs
the code in it.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from prunescope.data.dataset import DataSet
from prunescope.data.settings import AUGMENT, Augment, Images, PublishedImages
from prunescope.errors import UserError
from prunescope.files import expanded

if TYPE_CHECKING:
    from prunescope.data.images import Labelled

_URL = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Form:
    """``files``: by split. ``labels``: bytes before an image, the last of which is its class."""

    archive: str
    md5: str
    folder: str
    files: dict[str, tuple[str, ...]]
    labels: int
    pickles: tuple[str, str]
    columns: tuple[str, ...]


class Cifar(Images):
    """``form``: the binary version of the data set."""

    form: ClassVar[Form]
    augment: Augment = Field("crop-flip", description=AUGMENT)

    def build(self, name: str) -> DataSet:
        """The binary version (its archive, its folder or its files) or Parquet files in ``path``, or a download.

        Archives are read as they are; nothing is unpacked or written in ``path``.

        Raises:
            UserError: a file is missing or unusable, or cannot be downloaded.
        """
        from prunescope.data.downloads import fetched, torchvision_version
        from prunescope.data.images import assemble, from_parquet, parquet_versions

        form = self.form
        if self.path is None:
            archive = fetched(self.source, form.archive, [f"{_URL}{form.archive}"], form.md5)
            return assemble(name, self, _split(_packed(archive, form), self), torchvision_version(), ())
        folder = expanded(self.path)
        images = from_parquet(folder, self, form.columns)
        if images is not None:
            return assemble(name, self, images, parquet_versions(), ())
        for root in (folder / form.folder, folder):
            if (root / form.files["test"][0]).is_file():
                return assemble(name, self, _split(_unpacked(root, form), self), {}, ())
        archive = folder if folder.is_file() else folder / form.archive
        if archive.is_file():
            return assemble(name, self, _split(_packed(archive, form), self), {}, ())
        if any((folder / part).exists() for part in form.pickles):
            raise UserError(
                f"{folder}: the Python version of the data set, pickles, which are not read; "
                f"put the binary version there ({form.archive})"
            )
        raise UserError(
            f"{folder}: neither {form.archive} nor {form.folder}, nor train.parquet and test.parquet there; "
            "fetch one of them"
        )


class Cifar10(Cifar):
    """CIFAR-10 (Krizhevsky 2009), 32 x 32 pixels in colour, 10 classes."""

    source: Literal["cifar10"]

    published = PublishedImages(
        "CIFAR-10",
        tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),  # noqa: SIM905
        (3, 32, 32),
        (50_000, 10_000),
        (45_000, 5_000, 10_000),
    )
    form = Form(
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
    )


_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""


class Cifar100(Cifar):
    """CIFAR-100 (Krizhevsky 2009), 32 x 32 pixels in colour, 100 classes."""

    source: Literal["cifar100"]

    published = PublishedImages(
        "CIFAR-100", tuple(_CIFAR100.split()), (3, 32, 32), (50_000, 10_000), (45_000, 5_000, 10_000)
    )
    form = Form(
        archive="cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        files={"train": ("train.bin",), "test": ("test.bin",)},
        labels=2,
        pickles=("cifar-100-python", "cifar-100-python.tar.gz"),
        columns=("fine_label", "label"),
    )


def _unpacked(folder: Path, form: Form) -> Iterator[tuple[str, str, bytes]]:
    for split, files in form.files.items():
        for file in files:
            path = folder / file
            try:
                yield split, str(path), path.read_bytes()
            except FileNotFoundError:
                raise UserError(f"{path}: no such file; unpack {form.archive} again") from None
            except OSError as error:
                raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _packed(archive: Path, form: Form) -> Iterator[tuple[str, str, bytes]]:
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


def _split(files: Iterator[tuple[str, str, bytes]], spec: Cifar) -> dict[str, Labelled]:
    """Records of ``labels`` bytes and an image's red, green and blue planes, each row by row."""
    import numpy as np

    from prunescope.data.images import Labelled

    published, form = spec.published, spec.form
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
