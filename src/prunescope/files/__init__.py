"""Files that appear whole or not at all, and packed ones that are not made to fill memory."""

from __future__ import annotations

import fcntl
import io
import json
import lzma
import os
import re
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

from prunescope.errors import BadFileError, UserError, listed, nearest, visible
from prunescope.files import ledger

_LOCK = ".lock"

#: Bytes that a packed file may always have unpacked, and how many times its size it may have beyond.
MOST_UNPACKED, _RATIO = 1 << 26, 200

#: Seconds after which the scratch of a writer is nobody's, where the file system has no locks to tell.
_FORGOTTEN = 86_400.0


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path that is renamed to ``path`` when the block ends without error.

    The temporary file is synced to disk before the rename, so that a power cut leaves the old file or the new one.
    On any error, a full disk included, it is removed. After a kill, the next write of ``path`` removes it.

    Raises:
        UserError: the disk is full or the folder cannot be written, naming ``path``.
    """
    target = Path(path)
    with _reporting(target), _scratch(target) as scratch:
        temporary = scratch / target.name
        yield temporary
        _finish(temporary, scratch)
        temporary.replace(target)
    ledger.note(target)


@contextmanager
def atomic_files(folder: Path | str) -> Iterator[Path]:
    """A temporary folder whose files all move to ``folder`` when the block ends without error, replacing older ones.

    Raises:
        UserError: as ``atomic_directory``.
    """
    target = Path(folder)
    made = []
    with _reporting(target), _if_new(target), _scratch(target / "files") as scratch:
        temporary = scratch / "files"
        temporary.mkdir()
        yield temporary
        for path in temporary.iterdir():
            _finish(path, scratch)
            made.append(target / path.name)
        for path in made:
            (temporary / path.name).replace(path)
    for path in made:
        ledger.note(path)


@contextmanager
def _if_new(folder: Path) -> Iterator[None]:
    """On an error, no folder is left that was not there before."""
    was_there = folder.exists()
    try:
        yield
    except BaseException:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()
        raise


def _finish(path: Path, scratch: Path) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
    # Some libraries make files private. Results are for browsing: the user's umask applies, as to the lock's file.
    path.chmod((scratch / _LOCK).stat().st_mode & 0o777)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """A temporary folder that replaces ``path`` as a whole when the block ends without error.

    Raises:
        UserError: the disk is full or the parent folder cannot be written, naming ``path``.
    """
    target = Path(path)
    with _reporting(target), _scratch(target) as scratch:
        temporary = scratch / target.name
        temporary.mkdir()
        yield temporary
        old = scratch / "old"
        replaces = target.exists()
        if replaces:
            target.replace(old)
        try:
            temporary.replace(target)
        except OSError:
            if replaces:
                old.replace(target)
            raise
    ledger.note(target)


def remove(path: Path | str) -> None:
    """Remove an output that is no more one, a file or a folder, if it is there; links are not followed."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    found = ledger.ledger_of(path)
    if found is not None and (name := found.name(path)) is not None:
        found.forget(name)


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target`` that no other writer uses, removed at the end.

    It is called ``.<name>.<number>.part``, and its writer holds a lock on a file in it. The kernel releases the lock
    when the writer dies, on whatever machine, so that the next writer of ``target`` takes the folder over. Writers
    that live at the same time get different numbers.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder, lock = _claim(target)
    try:
        _empty(folder)
        yield folder
    finally:
        with suppress(OSError):
            _empty(folder)
        _release(folder, lock)


def _claim(target: Path) -> tuple[Path, IO[bytes]]:
    """A folder beside ``target`` whose lock this process holds, and the locked file."""
    for number in count():
        folder = target.with_name(f".{target.name}.{number}.part")
        folder.mkdir(exist_ok=True)
        lock = None
        try:
            lock = open(folder / _LOCK, "ab")  # noqa: SIM115 (returned open)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), (folder / _LOCK).stat()):
                return folder, lock
        except (BlockingIOError, FileNotFoundError):
            pass  # in use, or removed just now
        except OSError:
            if lock is None:
                raise
            # A file system without locks: a name of one's own, which nobody takes over.
            _release(folder, lock)
            folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
            return folder, open(folder / _LOCK, "ab")
        if lock is not None:
            lock.close()
    raise AssertionError


def sweep(folder: Path | str) -> None:
    """Remove what writers that are no more have left below ``folder``: their scratch folders, and what was set aside.

    The scratch of a writer that lives stays: it holds its lock. Links are not followed.
    """
    for place, folders, files in os.walk(folder):
        for name in [name for name in folders if name.startswith(".") and name.endswith(".part")]:
            folders.remove(name)
            with suppress(OSError):
                _sweep(Path(place, name))
        for name in files:
            # As older versions called them.
            if name.endswith(".damaged") or (name.startswith(".") and ".part" in name):
                with suppress(OSError):
                    Path(place, name).unlink()


def _sweep(scratch: Path) -> None:
    if scratch.is_symlink():
        return
    with open(scratch / _LOCK, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError:  # no locks here: what a writer would have touched a day ago is no writer's
            if time.time() - scratch.stat().st_mtime < _FORGOTTEN:
                return
        _empty(scratch)
        (scratch / _LOCK).unlink(missing_ok=True)
    scratch.rmdir()


def _release(folder: Path, lock: IO[bytes]) -> None:
    # Unlinked while it is locked: who opened it too then sees that it is no longer the folder's. Closed before the
    # folder is removed: network file systems keep an open file's folder.
    with suppress(OSError):
        (folder / _LOCK).unlink()
    lock.close()
    with suppress(OSError):
        folder.rmdir()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != _LOCK:
            path.unlink(missing_ok=True)


@contextmanager
def _reporting(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{target}: could not be written ({reason}); free space or choose another folder, then run again"
        ) from error


#: What has no end or cannot be read twice, by its kind.
_NO_FILES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_file(path: Path | str) -> None:
    """Refuse what is neither a file nor a folder, before anything waits for it.

    Raises:
        UserError: a pipe, a socket or a device; what is not there passes.
    """
    with suppress(OSError, ValueError):
        kind = _NO_FILES.get(stat.S_IFMT(Path(path).stat().st_mode))
        if kind is not None:
            raise UserError(f"{path}: {kind}, not a file; write what it gives to a file, and give that")


def check_unpacked(path: Path | str, size: int) -> None:
    """Refuse a packed file that is larger unpacked than any data are.

    Args:
        size: bytes unpacked, as far as they are known.

    Raises:
        UserError: it is; texts and tables pack to a hundredth at most.
    """
    if size > max(MOST_UNPACKED, _RATIO * Path(path).stat().st_size):
        raise UserError(
            f"{path}: unpacks to over {_RATIO} times its size, {size >> 20:,} MB or more: a decompression bomb; do not "
            "use it"
        )


def check_parquet(path: Path | str, metadata: Any) -> None:
    """``check_unpacked`` of a Parquet file by its metadata: a run of a billion equal values takes some bytes.

    Raises:
        UserError: the columns are larger than any data are.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = [max((g.column(c).num_values for c in range(g.num_columns)), default=0) for g in groups]
    check_unpacked(path, max(sum(g.total_byte_size for g in groups), sum(values)))


class _Unpacked(io.RawIOBase):
    def __init__(self, stream: Any, path: Path | str) -> None:
        self._stream, self._path, self._read = stream, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        self._read += len(block)
        check_unpacked(self._path, self._read)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


def measure(unpack: Callable[[Path], Any], path: Path) -> None:
    """Unpack a file to nowhere before its rows are read, which takes a hundred times as long; once for each file.

    Raises:
        UserError: ``check_unpacked``'s. What is damaged is said where it is read.
    """
    found = path.stat()
    key = (path, found.st_size, found.st_mtime_ns, found.st_ino)
    if key in _measured:
        return
    with suppress(OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile):
        with bounded(unpack(path), path) as stream:
            while stream.read(1 << 20):
                pass
        _measured.add(key)


_measured: set[tuple[Path, int, int, int]] = set()


def bounded(stream: Any, path: Path | str) -> IO[bytes]:
    """An unpacked stream that ends in ``check_unpacked``'s error where it holds too much."""
    return io.BufferedReader(_Unpacked(stream, path), 1 << 18)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically: keys in the order given, no NaN (JSON has none), a final newline."""
    # The spelling of control characters is JSON's own.
    write_text(path, visible(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing, cannot be read or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadFileError(path, "no such file", "") from None
    except OSError as error:
        raise BadFileError(path, f"cannot be read ({error.strerror})", "") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise BadFileError(path, f"not a JSON file ({error})") from None


_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def expanded(path: str, key: str = "path") -> Path:
    """The path with its environment variables and ``~`` filled in; ``key``: the setting that names it.

    Raises:
        UserError: a variable is not set, or nothing is there.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        found = os.environ.get(name)
        if not found:
            raise UserError(
                f"{key}: {path}: the environment variable {name} is not set; set it to the folder it stands for"
            )
        return found

    result = Path(_VARIABLE.sub(value, path)).expanduser()
    check_file(result)
    try:
        there = result.exists()
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        there = False
    if not there:
        raise UserError(f"{key}: {result}: no such file or folder{instead(result)}")
    return result


def instead(path: Path) -> str:
    """What is there instead of a path that is not: the nearest name, or all of a folder."""
    try:
        while not path.parent.exists():
            path = path.parent
        names = sorted(entry.name for entry in path.parent.iterdir() if not entry.name.startswith("."))
    except (OSError, ValueError):
        return ""
    found = nearest(path.name, names)
    if found:
        return found
    folder = "this folder" if path.parent == Path() else str(path.parent)
    return f"; {folder} has {listed(names, 5)}" if names else f"; {folder} is empty"
