"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunescope.errors import UserError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its name when the block ends without error.

    The temporary file is synced to disk before the rename, so that a power cut leaves the old
    file or the new one; on any error, a full disk included, it is removed.

    Raises:
        UserError: the disk is full or the folder cannot be written, naming ``path``.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=f".part{target.suffix}"
        )
        os.close(handle)
    except OSError as error:
        raise _not_written(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        # mkstemp makes files private; results are for browsing, so the user's umask applies.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """A temporary folder that replaces ``path`` as a whole when the block ends without error.

    Raises:
        UserError: the disk is full or the parent folder cannot be written, naming ``path``.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    except OSError as error:
        raise _not_written(target, error) from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if target.exists():
            old = target.with_name(f".{target.name}.{os.getpid()}.old")
            target.replace(old)
            try:
                temporary.replace(target)
            except OSError:
                old.replace(target)
                raise
            shutil.rmtree(old)
        else:
            temporary.replace(target)
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically: keys in the order given, no NaN (JSON has none), a final newline."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing, cannot be read or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a JSON file ({error}); delete it and run again") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _not_written(target: Path, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(
        f"{target}: could not be written ({reason}); free space or choose another folder, then run again"
    )


_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def expanded(path: str) -> Path:
    """The path with its environment variables and ``~`` filled in.

    Raises:
        UserError: a variable is not set, or nothing is there.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        found = os.environ.get(name)
        if not found:
            raise UserError(
                f"path: {path}: the environment variable {name} is not set; set it to the folder it stands for"
            )
        return found

    result = Path(_VARIABLE.sub(value, path)).expanduser()
    if not result.exists():
        raise UserError(f"path: {result}: no such file or folder; see `path` in docs/configuration.md")
    return result
