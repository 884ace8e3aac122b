"""Packed files that are far larger than they look: one line, before they are in memory, for every reader."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope import files
from prunescope.cli import main
from prunescope.data import local
from prunescope.data.archives import unpack
from prunescope.data.encoding.vectors import read_vectors
from prunescope.data.sources.mnist import read_idx
from prunescope.errors import UserError
from prunescope.predictions.arrow import Source

#: Unpacked; a thousandth packed.
SIZE = 8 << 20
TABLE = b"example,label,prediction\n" + b"1,0,0\n" * (SIZE // 6)
LINES = b'{"example": 1, "label": 0, "prediction": 0}\n' * (SIZE // 43)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_UNPACKED", 1 << 20)
    # Each byte that is repeated packs to a thousandth; what is looked for is the other end.
    monkeypatch.setattr(files, "_RATIO", 50)


def runs(path: Path) -> None:
    """A Parquet file of equal values, which takes some bytes a million."""
    zeros = np.zeros(SIZE, dtype=np.int64)
    pq.write_table(pa.table(dict.fromkeys(("example", "label", "prediction"), zeros)), path)


def arrays(path: Path) -> None:
    np.savez_compressed(path, predictions=np.zeros((SIZE // 8, 2), np.float32))


def log(path: Path) -> None:
    """A log of inspect_ai."""
    sample = {"id": 1, "scores": {"match": {"value": "C"}}, "input": "x" * SIZE}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
        held.writestr("header.json", json.dumps({"version": 2, "status": "success", "eval": {"task": "t"}}))
        held.writestr("samples/1.json", json.dumps(sample))


def packed(pack: Callable[[bytes], bytes], content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(pack(content))


TABLES: dict[str, Callable[[Path], object]] = {
    "a.csv.gz": packed(gzip.compress, TABLE),
    "a.csv.bz2": packed(bz2.compress, TABLE),
    "a.jsonl.gz": packed(gzip.compress, LINES),
    "a.json.gz": packed(gzip.compress, b"[" + b" " * SIZE + b"]"),
    "a.parquet": runs,
    "a.npz": arrays,
    "a.eval": log,
}


@pytest.mark.parametrize("name", TABLES)
def test_audit(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, good = tmp_path / name, tmp_path / "good.csv"
    TABLES[name](path)
    good.write_text("example,label,prediction\n0,0,0\n1,0,1\n")
    before, after = (path, path) if name.endswith("eval") else (good, path)
    code = main(["audit", "--dense", str(before), "--pruned", str(after), "--out", str(tmp_path / "out")])
    (line,) = capsys.readouterr().err.splitlines()
    assert (code, line.startswith(f"prunescope: error: {path}: unpacks to over 50 times")) == (2, True), line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.csv.gz", packed(gzip.compress, TABLE)),
        ("a.csv.xz", packed(lzma.compress, TABLE)),
        ("a.tsv.bz2", packed(bz2.compress, b"label\n" + b"x" * SIZE)),
        ("a.parquet", runs),
    ],
)
def test_tables_of_data_sets(name: str, make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match="unpacks to over"):
        local.read_rows(tmp_path / name, (("label",),))


def test_word_vectors(tmp_path: Path) -> None:
    text = b"word 1 2\n" + b"0" * SIZE
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text)
    for name in ("a.gz", "a.zip"):
        with pytest.raises(UserError, match=f"{name}: unpacks to over"):
            read_vectors(tmp_path / name, ["word"], 2)


def test_images(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\1" + bytes(SIZE)))
    with pytest.raises(UserError, match="unpacks to over"):
        read_idx(tmp_path / "a.gz")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_tar_headers(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A comment of any length stands before a file, and tarfile holds it in memory."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tape:
        info = tarfile.TarInfo("train.csv")
        info.pax_headers = {"comment": "x" * SIZE}
        tape.addfile(info, io.BytesIO())
    (tmp_path / "a.tar").write_bytes(pack(raw.getvalue()))
    with pytest.raises(UserError, match="unpacks to over"):
        unpack(tmp_path / "a.tar", ["train.csv"], tmp_path / "out", 1 << 40)
    assert not (tmp_path / "out").exists()


def test_a_zip_entry_is_read_as_far_as_it_says(tmp_path: Path) -> None:
    """Its size is set to less than it holds: what is more is not read, and the file is refused."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", bytes(SIZE))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(SIZE.to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(UserError, match="damaged"):
        unpack(path, ["train.csv"], tmp_path / "out", 1 << 20)


@pytest.mark.parametrize(("name", "content"), [("a.csv.gz", TABLE), ("a.jsonl.gz", LINES)])
def test_no_row_of_a_bomb_is_read(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading rows takes a hundred times as long as unpacking them."""
    (tmp_path / name).write_bytes(gzip.compress(content))
    monkeypatch.setattr("prunescope.predictions.json_lines.bounded", None)
    monkeypatch.setattr("prunescope.data.local.bounded", None)
    with pytest.raises(UserError, match="unpacks to over"):
        Source(tmp_path / name)
    with pytest.raises(UserError, match="unpacks to over"):
        local.read_rows(tmp_path / name, (("label",),))


def test_what_has_no_end_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.csv")
    Path("good.csv").write_text("example,label,prediction\n0,0,0\n1,0,1\n")
    for path, kind in (("pipe.csv", "pipe"), ("socket.csv", "socket"), ("/dev/zero", "device")):
        for command in (
            ["audit", "--dense", path, "--pruned", "good.csv", "--out", "out"],
            ["audit", "--dense", "good.csv", "--pruned", "good.csv", "--texts", path, "--out", "out"],
            ["plan", "--configfile", path],
            ["run", "--configfile", path],
            ["compare", path, "good.csv"],
        ):
            assert main(command) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith(f"prunescope: error: {path}: a {kind}, not a file; "), command
        with pytest.raises(UserError, match=f"a {kind}, not a file"):
            files.expanded(path)
    # In a folder that is given.
    with pytest.raises(UserError, match="a pipe, not a file"):
        local.read_rows(tmp_path / "pipe.csv", (("label",),))


def test_what_packs_well_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files whatever their ratio, and large ones of an ordinary one."""
    monkeypatch.setattr(files, "MOST_UNPACKED", 2 * SIZE)
    for name in ("a.csv.gz", "a.csv.bz2", "a.jsonl.gz"):
        TABLES[name](tmp_path / name)
        source = Source(tmp_path / name)
        assert sum(batch.num_rows for batch in source.batches(["label"])) > 100_000
    monkeypatch.setattr(files, "MOST_UNPACKED", 0)
    (tmp_path / "b.csv.gz").write_bytes(
        gzip.compress(b"label\n" + np.random.default_rng(0).bytes(9000).hex().encode())
    )
    assert len(local.read_rows(tmp_path / "b.csv.gz", (("label",),))) == 1
