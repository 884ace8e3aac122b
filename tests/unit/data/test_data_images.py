"""MNIST, Fashion-MNIST and CIFAR: every form of their files, and every way they can be wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from prunescope.data import downloads
from prunescope.data.build import build
from prunescope.data.dataset import DataSet
from prunescope.data.encoding.encode import encode, load_inputs
from prunescope.data.images import channel_statistics
from prunescope.data.sources import cifar
from prunescope.data.sources.cifar import Cifar10, Cifar100
from prunescope.data.sources.digits import Digits
from prunescope.data.sources.mnist import FashionMnist, Mnist
from prunescope.data.tables import read_table
from prunescope.errors import UserError

SHARED = Path(os.environ.get("PRUNESCOPE_DATA") or Path(__file__).parents[3].parent / "shared/data")


def pixels(n: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype(np.uint8)


GREY = {
    "train": (pixels(40, (1, 28, 28)), np.arange(40) % 10),
    "test": (pixels(10, (1, 28, 28), 1), np.arange(10)),
}
COLOUR = {
    "train": (pixels(40, (3, 32, 32)), np.arange(40) % 10),
    "test": (pixels(10, (3, 32, 32), 1), np.arange(10)),
}
HUNDRED = {
    "train": (pixels(200, (3, 32, 32)), np.arange(200) % 100),
    "test": (pixels(100, (3, 32, 32), 1), np.arange(100)),
}


def idx(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def write_idx(folder: Path, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, stem in (("train", "train"), ("test", "t10k")):
        images, labels = GREY[split]
        for name, raw in (
            (f"{stem}-images-idx3-ubyte", idx(images[:, 0])),
            (f"{stem}-labels-idx1-ubyte", idx(labels)),
        ):
            (folder / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(raw) if packed else raw)


def records(source: str) -> dict[str, bytes]:
    """The binary version's files: CIFAR-10 in five batches, CIFAR-100 with a coarse label before the fine one."""
    if source == "cifar100":
        return {
            f"cifar-100-binary/{split}.bin": b"".join(
                bytes([7, label]) + image.tobytes() for image, label in zip(*HUNDRED[split], strict=True)
            )
            for split in ("train", "test")
        }
    images, labels = COLOUR["train"]
    files = {
        f"cifar-10-batches-bin/data_batch_{n + 1}.bin": b"".join(
            bytes([labels[i]]) + images[i].tobytes() for i in range(8 * n, 8 * n + 8)
        )
        for n in range(5)
    }
    files["cifar-10-batches-bin/test_batch.bin"] = b"".join(
        bytes([label]) + image.tobytes() for image, label in zip(*COLOUR["test"], strict=True)
    )
    return files


def write_archive(path: Path, source: str) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, raw in records(source).items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(folder: Path, examples: dict[str, Any], column: str = "label", hub: bool = False) -> None:
    for split, (images, labels) in examples.items():
        cells: list[Any] = [png(image) for image in images]
        if hub:
            cells = [{"bytes": cell, "path": None} for cell in cells]
        pq.write_table(pa.table({"image": cells, column: labels.tolist()}), folder / f"{split}.parquet")


def read_only(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def bag(data: DataSet, *splits: str) -> Counter[tuple[bytes, int]]:
    """What is in some splits, whatever its order."""
    found: Counter[tuple[bytes, int]] = Counter()
    for split in splits:
        table = data.tables[split]
        assert table.images is not None
        found.update((i.tobytes(), int(c)) for i, c in zip(table.images, table.labels, strict=True))
    return found


def whole(examples: dict[str, Any], split: str) -> Counter[tuple[bytes, int]]:
    return Counter((i.tobytes(), int(c)) for i, c in zip(*examples[split], strict=True))


@pytest.mark.parametrize("form", ["packed", "unpacked", "plain", "parquet", "hub"])
@pytest.mark.parametrize("source", ["mnist", "fashion_mnist"])
def test_mnist_is_the_same_from_every_form(tmp_path: Path, source: str, form: str) -> None:
    title = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[source]
    if form in ("parquet", "hub"):
        write_parquet(tmp_path, GREY, hub=form == "hub")
    else:
        write_idx(tmp_path if form == "plain" else tmp_path / title / "raw", packed=form != "unpacked")
    before = sorted(tmp_path.rglob("*"))
    kind = Mnist if source == "mnist" else FashionMnist
    data = kind(source=source, path=str(tmp_path)).build("d")
    assert sorted(tmp_path.rglob("*")) == before
    assert bag(data, "train", "validation") == whole(GREY, "train")
    assert bag(data, "test") == whole(GREY, "test")
    assert data.tables["train"].info.image_shape == (1, 28, 28)
    assert any("published are 60,000 and 10,000" in note for note in data.notes)
    if form == "packed":
        assert any("Not the published files by their MD5: train-images" in note for note in data.notes)


@pytest.mark.parametrize("form", ["archive", "folder", "files", "the archive itself", "parquet", "hub"])
@pytest.mark.parametrize("source", ["cifar10", "cifar100"])
def test_cifar_is_the_same_from_every_form(tmp_path: Path, source: str, form: str) -> None:
    examples = COLOUR if source == "cifar10" else HUNDRED
    archive = tmp_path / {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}[source]
    if form in ("parquet", "hub"):
        write_parquet(tmp_path, examples, "label" if source == "cifar10" else "fine_label", hub=form == "hub")
    elif "archive" in form:
        write_archive(archive, source)
    else:
        for name, raw in records(source).items():
            path = tmp_path / (name if form == "folder" else Path(name).name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(raw)
    read_only(tmp_path)
    path = archive if form == "the archive itself" else tmp_path
    kind = Cifar10 if source == "cifar10" else Cifar100
    data = kind(source=source, path=str(path)).build("d")
    tmp_path.chmod(0o755)
    assert bag(data, "train", "validation") == whole(examples, "train")
    assert bag(data, "test") == whole(examples, "test")


def test_a_tenth_of_every_class_is_validation_and_parts_keep_the_proportions(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], [60, 40])
    labels = np.concatenate([labels, np.arange(2, 10).repeat(10)])
    images = pixels(len(labels), (1, 28, 28))
    examples = {"train": (images, labels), "test": (images[::-1], labels[::-1])}
    write_parquet(tmp_path, examples)
    data = Mnist(source="mnist", path=str(tmp_path)).build("d")
    assert np.bincount(data.tables["validation"].labels).tolist() == [6, 4, *[1] * 8]
    assert np.bincount(data.tables["train"].labels).tolist() == [54, 36, *[9] * 8]
    few = Mnist(source="mnist", path=str(tmp_path), max_examples=18).build("d")
    assert {split: len(table) for split, table in few.tables.items()} == {
        "train": 18,
        "validation": 18,
        "test": 18,
    }
    counts = np.bincount(few.tables["test"].labels, minlength=10)
    assert counts.min() >= 1
    assert counts[0] in (5, 6, 7)
    assert any("cut to at most 18" in note for note in few.notes)


def test_channel_statistics_are_those_of_all_pixels() -> None:
    images = pixels(50, (3, 9, 7))
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, images.astype(np.float64).std(axis=(0, 2, 3)), rtol=1e-12)
    assert channel_statistics(np.full((2, 1, 3, 3), 9, np.uint8)) == ([9.0], [1.0])


def test_encoded_images_carry_the_training_split_s_statistics(tmp_path: Path) -> None:
    import torch

    from prunescope.config.architectures import LeNet5
    from prunescope.training.batches import training_data

    write_parquet(tmp_path, COLOUR)
    spec = Cifar10(source="cifar10", path=str(tmp_path))
    build("d", spec, tmp_path / "data")
    encode(tmp_path / "data", "d", "lenet5", spec, LeNet5(family="lenet5"), tmp_path / "x.safetensors")
    inputs = load_inputs(tmp_path / "x.safetensors")
    table = read_table(tmp_path / "data/train.parquet")
    assert table.images is not None
    scaled = table.images / 255
    assert inputs.augment == "crop-flip"
    np.testing.assert_allclose(inputs.image_mean, scaled.mean(axis=(0, 2, 3)), rtol=1e-12)
    split = training_data(inputs, trim=False, device=torch.device("cpu")).splits["train"]
    seen, labels = split.batch(torch.arange(len(split)))
    assert labels.tolist() == table.labels.tolist()
    expected = (scaled - scaled.mean(axis=(0, 2, 3), keepdims=True)) / scaled.std(
        axis=(0, 2, 3), keepdims=True
    )
    np.testing.assert_allclose(seen.numpy(), expected, atol=1e-5)


def test_digits_are_scaled_and_nothing_else(tmp_path: Path) -> None:
    import torch

    from prunescope.config.architectures import LeNet5
    from prunescope.training.batches import augmenting, training_data

    spec = Digits(source="digits")
    build("d", spec, tmp_path)
    encode(tmp_path, "d", "lenet5", spec, LeNet5(family="lenet5"), tmp_path / "x.safetensors")
    inputs = load_inputs(tmp_path / "x.safetensors")
    assert (inputs.image_mean, inputs.image_std, inputs.augment) == (None, None, "none")
    split = training_data(inputs, trim=False, device=torch.device("cpu")).splits["train"]
    raw = torch.from_numpy(np.array(inputs.splits["train"].inputs))
    index = torch.tensor([5, 0, 9])
    assert torch.equal(split.batch(index, augmenting(0, "train", 1))[0], raw[index].to(torch.float32) / 16)


def spoiled_mnist(folder: Path, case: str) -> None:
    write_idx(folder, packed=True)
    images, labels = folder / "train-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz"
    raw = gzip.decompress(images.read_bytes())
    match case:
        case "missing":
            labels.unlink()
        case "none":
            for path in folder.iterdir():
                path.unlink()
        case "cut":
            images.write_bytes(images.read_bytes()[:-200])
        case "no gzip":
            images.write_bytes(b"<html>")
        case "short":
            images.write_bytes(gzip.compress(raw[:-1]))
        case "form":
            images.write_bytes(gzip.compress(b"\1" + raw[1:]))
        case "size":
            images.write_bytes(gzip.compress(idx(pixels(40, (20, 20)))))
        case "count":
            labels.write_bytes(gzip.compress(idx(np.arange(9))))
        case "label":
            labels.write_bytes(gzip.compress(idx(np.arange(10) + 5)))


@pytest.mark.parametrize(
    ("case", "line"),
    [
        ("missing", r"t10k-labels-idx1-ubyte\.gz: no such file; fetch it again"),
        ("none", r"no MNIST files there; put its four files below MNIST/raw"),
        ("cut", r"train-images-idx3-ubyte\.gz: damaged or not a gzip file"),
        ("no gzip", r"train-images-idx3-ubyte\.gz: damaged or not a gzip file"),
        ("short", r"31,375 bytes where its header asks for 31,376"),
        ("form", r"not a file of unsigned bytes in the idx form"),
        ("size", r"images of 20 x 20 pixels, not 28 x 28"),
        ("count", r"t10k-labels-idx1-ubyte\.gz: labels of shape \(9,\) for 10 images"),
        ("label", r"t10k-labels-idx1-ubyte\.gz: label 14 is outside the 10 classes"),
    ],
)
def test_bad_idx_files_are_refused_in_one_line(tmp_path: Path, case: str, line: str) -> None:
    spoiled_mnist(tmp_path, case)
    with pytest.raises(UserError, match=line) as error:
        Mnist(source="mnist", path=str(tmp_path)).build("d")
    assert "\n" not in str(error.value)


def test_bad_cifar_files_are_refused_in_one_line(tmp_path: Path) -> None:
    spec = Cifar10(source="cifar10", path=str(tmp_path))

    def refused(line: str) -> None:
        with pytest.raises(UserError, match=line) as error:
            spec.build("d")
        assert "\n" not in str(error.value)

    refused(r"neither cifar-10-binary\.tar\.gz nor cifar-10-batches-bin, nor train\.parquet")
    (tmp_path / "cifar-10-batches-py").mkdir()
    refused(r"the Python version of the data set, pickles, which are not read")
    archive = tmp_path / "cifar-10-binary.tar.gz"
    write_archive(archive, "cifar10")
    sound = archive.read_bytes()
    archive.write_bytes(sound[: len(sound) // 2])
    refused(r"cifar-10-binary\.tar\.gz: damaged or not a packed archive")
    write_archive(archive, "cifar100")
    refused(r"holds no cifar-10-batches-bin/data_batch_1\.bin")
    files = tmp_path / "cifar-10-batches-bin"
    files.mkdir()
    for name, raw in records("cifar10").items():
        (tmp_path / name).write_bytes(raw)
    (files / "data_batch_3.bin").write_bytes(b"\0" * 3072)
    refused(r"data_batch_3\.bin: 3,072 bytes are no records of 3,073")
    (files / "data_batch_3.bin").write_bytes(b"\12" * 3073)
    refused(r"data_batch_3\.bin: label 10 is outside the 10 classes")
    (files / "data_batch_3.bin").unlink()
    refused(r"data_batch_3\.bin: no such file")


@pytest.mark.parametrize(
    ("cell", "label", "line"),
    [
        (b"\x89PNG\r\n\x1a\n broken", 1, r"train\.parquet: row 3: the image cannot be read"),
        (png(pixels(1, (3, 32, 32))[0])[:-2000], 1, r"row 3: the image cannot be read"),
        (png(pixels(1, (3, 30, 31))[0]), 1, r"row 3: an image of 31 x 30 pixels, not 32 x 32"),
        (None, 1, r"row 3: column 'image' holds no bytes"),
        (png(pixels(1, (3, 32, 32))[0]), 10, r"row 3: label 10 is not a class number from 0 to 9"),
        (png(pixels(1, (3, 32, 32))[0]), None, r"row 3: label None is not a class number"),
    ],
)
def test_bad_rows_are_refused_in_one_line(tmp_path: Path, cell: bytes | None, label: Any, line: str) -> None:
    write_parquet(tmp_path, COLOUR)
    cells = [png(image) for image in COLOUR["train"][0]]
    labels: list[Any] = COLOUR["train"][1].tolist()
    table = pa.table({"image": [*cells[:2], cell, *cells[3:]], "label": [*labels[:2], label, *labels[3:]]})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(UserError, match=line) as error:
        Cifar10(source="cifar10", path=str(tmp_path)).build("d")
    assert "\n" not in str(error.value)


def test_a_missing_split_and_a_class_without_examples(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"train": COLOUR["train"]})
    spec = Cifar10(source="cifar10", path=str(tmp_path))
    with pytest.raises(UserError, match=r"no test split; put it there as test\.parquet"):
        spec.build("d")
    images, labels = COLOUR["train"]
    write_parquet(tmp_path, {"train": (images, labels % 9), "test": COLOUR["test"]})
    with pytest.raises(UserError, match="d: class without training examples: truck; check the files"):
        spec.build("d")


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder behind an address that stands for those of the published files; the cache is beside it."""
    folder = tmp_path / "published"
    write_idx(folder, packed=True)
    write_archive(folder / "cifar-10-binary.tar.gz", "cifar10")
    sums = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(downloads, "mirrors_of", lambda name: [f"{address}nothing/", address])
    monkeypatch.setattr(Mnist, "md5", sums)
    monkeypatch.setattr(cifar, "_URL", address)
    form = replace(Cifar10.form, md5=sums["cifar-10-binary.tar.gz"])
    monkeypatch.setattr(Cifar10, "form", form)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_downloads_come_from_a_mirror_once(published: Path) -> None:
    data = Mnist(source="mnist").build("d")
    assert bag(data, "train", "validation") == whole(GREY, "train")
    assert "All four files are the published ones by their MD5." in data.notes
    assert "torchvision" in data.versions
    assert bag(Cifar10(source="cifar10").build("d"), "test") == whole(COLOUR, "test")
    for path in published.iterdir():
        path.unlink()
    again = Mnist(source="mnist").build("d")
    assert bag(again, "test") == whole(GREY, "test")


def test_another_file_than_the_published_one_is_refused_and_not_kept(published: Path) -> None:
    archive = published / "cifar-10-binary.tar.gz"
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(
        UserError, match=r"cifar10: cannot be downloaded .*its MD5 differs.*set `path`"
    ) as error:
        Cifar10(source="cifar10").build("d")
    assert "\n" not in str(error.value)
    assert not list(downloads.download_folder("cifar10").iterdir())


def test_without_a_network(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "mirrors_of", lambda name: ["http://127.0.0.1:9/"])
    with pytest.raises(
        UserError, match=r"mnist: cannot be downloaded \(http://127\.0\.0\.1:9/train-images"
    ) as error:
        Mnist(source="mnist").build("d")
    assert "\n" not in str(error.value)


def test_the_sums_are_torchvision_s() -> None:
    torchvision = downloads._torchvision()
    assert dict(torchvision.MNIST.resources) == Mnist.md5
    assert dict(torchvision.FashionMNIST.resources) == FashionMnist.md5
    assert downloads.mirrors_of("MNIST")


@pytest.mark.parametrize(("source", "means"), [("mnist", (33.3184,)), ("fashion_mnist", (72.9404,))])
def test_the_real_files(source: str, means: tuple[float, ...]) -> None:
    folder = SHARED / source
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    kind = Mnist if source == "mnist" else FashionMnist
    data = kind(source=source, path=str(folder)).build("d")
    assert "All four files are the published ones by their MD5." in data.notes
    parts = [data.tables[split].images for split in ("train", "validation")]
    together = np.concatenate([part for part in parts if part is not None])
    assert len(together) == 60_000
    # Published mean of all training pixels: 0.1307 and 0.2860 of 255.
    np.testing.assert_allclose(channel_statistics(together)[0], means, atol=1e-3)
