"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prunescope.errors import DamagedFileError, UserError, listed
from prunescope.files import atomic_directory, atomic_path, read_json, write_json, write_text


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_takes_its_name_at_the_end(tmp_path):
    target = tmp_path / "deep" / "er" / "table.parquet"
    with atomic_path(target) as temporary:
        assert temporary.is_relative_to(target.parent)  # renamed, not copied
        assert temporary.suffix == ".parquet"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert everything(tmp_path) == ["deep", "deep/er", "deep/er/table.parquet"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(type(error)), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert everything(tmp_path) == ["a.txt"]


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_leaves_no_half_file_and_is_said_in_one_line(tmp_path, monkeypatch, where):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    monkeypatch.setattr(os, where, full_disk)
    if where == "replace":
        monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(UserError) as caught:
        write_text(target, "new")
    assert str(caught.value) == (
        f"{target}: could not be written (No space left on device); free space or choose another folder, "
        "then run again"
    )
    assert target.read_text() == "old"
    assert everything(tmp_path) == ["a.txt"]


def test_a_disk_that_fills_up_while_writing(tmp_path):
    with pytest.raises(UserError, match="No space left"), atomic_path(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        full_disk()
    assert everything(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_really_full_device(tmp_path):
    with pytest.raises(UserError, match=r"a\.txt: could not be written"), atomic_path(tmp_path / "a.txt"):
        Path("/dev/full").write_text("x")
    assert everything(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written"):
        write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(UserError, match="could not be written"), atomic_directory(tmp_path / "file" / "a"):
        pass


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.touch(0o600)  # as safetensors does
        with atomic_directory(tmp_path / "d"):
            pass
        assert os.umask(umask) == umask  # asked for, not changed
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o777 & ~umask


def test_a_directory_replaces_the_old_one_as_a_whole(tmp_path):
    target = tmp_path / "x" / "audit"
    for content in ("first", "second"):
        with atomic_directory(target) as temporary:
            (temporary / content).write_text(content)
            assert not (target / content).exists()
    assert everything(tmp_path) == ["x", "x/audit", "x/audit/second"]


def test_an_error_leaves_the_old_directory(tmp_path):
    target = tmp_path / "audit"
    with atomic_directory(target) as temporary:
        (temporary / "a").write_text("old")
    with pytest.raises(ValueError, match="stop"), atomic_directory(target) as temporary:  # noqa: PT012
        (temporary / "a").write_text("new")
        raise ValueError("stop")
    assert (target / "a").read_text() == "old"
    assert everything(tmp_path) == ["audit", "audit/a"]


def test_a_directory_that_cannot_take_its_name_gives_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "audit"
    with atomic_directory(target) as temporary:
        (temporary / "a").write_text("old")
    rename = Path.replace

    def replace(self: Path, other: Path) -> Path:
        if self.parent.suffix == ".part" and self.name == "audit":
            full_disk()
        return rename(self, other)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(UserError, match="audit: could not be written"), atomic_directory(target) as temporary:
        (temporary / "a").write_text("new")
    assert (target / "a").read_text() == "old"
    assert everything(tmp_path) == ["audit", "audit/a"]


WRITER = """
import pathlib, sys
from prunescope.files import {how}
with {how}(sys.argv[1]) as temporary:
    (temporary / "a" if temporary.is_dir() else temporary).write_text("half")
    print("written", flush=True)
    sys.stdin.read()
"""


def writer_in_the_middle(how: str, target: Path) -> subprocess.Popen[str]:
    """A process that has written its temporary file and not renamed it."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(how=how), str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def write(how: str, target: Path, text: str) -> None:
    with {"atomic_path": atomic_path, "atomic_directory": atomic_directory}[how](target) as temporary:
        assert not list(temporary.glob("*"))
        (temporary / "a" if temporary.is_dir() else temporary).write_text(text)


@pytest.mark.parametrize("how", ["atomic_path", "atomic_directory"])
def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path, how):
    target = tmp_path / "table.parquet"
    for _ in range(2):
        process = writer_in_the_middle(how, target)
        process.kill()
        process.communicate()
        assert not target.exists()
        assert everything(tmp_path)
    write(how, target, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


@pytest.mark.parametrize("how", ["atomic_path", "atomic_directory"])
def test_writers_of_the_same_file_do_not_meet(tmp_path, how):
    target = tmp_path / "table.parquet"
    other = writer_in_the_middle(how, target)
    write(how, target, "new")
    content = target if target.is_file() else target / "a"
    assert content.read_text() == "new"
    other.communicate("")
    assert content.read_text() == "half"  # the last one to end, whole
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    target = tmp_path / "a.txt"
    with atomic_path(target) as first, atomic_path(target) as second:
        assert first != second
        first.write_text("one")
        second.write_text("two")
    assert target.read_text() == "one"
    assert everything(tmp_path) == ["a.txt"]


def test_json_round_trip(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": [1, 2.5, None], "a": "é"})
    assert (
        path.read_text(encoding="utf-8") == '{\n  "b": [\n    1,\n    2.5,\n    null\n  ],\n  "a": "é"\n}\n'
    )
    assert read_json(path) == {"b": [1, 2.5, None], "a": "é"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    assert read_json(path)["b"] == [1, 2.5, None]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": 1} x'])
def test_json_that_is_none_is_refused_by_name(tmp_path, content):
    path = tmp_path / "a.json"
    with pytest.raises(UserError, match=r"a\.json: no such file"):
        read_json(path)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json: not a JSON file") as caught:
        read_json(path)
    assert "\n" not in str(caught.value)


def test_lists_in_messages_stay_short():
    assert listed([1, "b"]) == "1, b"
    assert listed(range(15)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more"
    assert listed(range(4), limit=4) == "0, 1, 2, 3"
    assert DamagedFileError(Path("x"), "x: cut off").path == Path("x")


def test_a_folder_is_no_json_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path)
