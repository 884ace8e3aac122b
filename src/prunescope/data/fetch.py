"""Downloads that are checked, resumed and shared: a file is in the cache whole and right, or not at all."""

from __future__ import annotations

import email.utils
import fcntl
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prunescope import __version__
from prunescope.errors import UserError
from prunescope.files.meter import Meter

#: Attempts at one address in a row that bring no further byte.
ATTEMPTS = 4

#: Seconds before the next attempt, doubled each time; and the longest wait a server may ask for.
BACK_OFF, LONGEST_WAIT = 1.0, 120.0

#: Seconds without a byte after which a connection counts as dead.
TIMEOUT = 30.0

_BLOCK = 1 << 18

#: Answers after which it is worth asking again.
_PASSING = {408, 425, 429, 500, 502, 503, 504}

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _Interrupted(Exception):
    """The connection broke off or the server is busy; ``wait``: seconds the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _Refused(Exception):
    """This address will not give the file, however often it is asked."""


def cache_folder() -> Path:
    """``$PRUNESCOPE_CACHE``, or ``~/.cache/prunescope``."""
    return Path(os.environ.get("PRUNESCOPE_CACHE") or "~/.cache/prunescope").expanduser()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside ``path``, so that of two jobs that want a file one makes it and the other waits.

    The lock goes with the process, so none is left behind by a kill (flock, POSIX systems).

    Raises:
        UserError: the folder cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("wb")
    except OSError as error:
        raise _unwritable(lock.parent, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path.name}: another job is fetching it; waiting", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fetch(
    name: str,
    urls: Sequence[str],
    sha256: str,
    most_bytes: int = 1 << 31,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """The file ``name`` in the cache, downloaded from the first of ``urls`` that gives it.

    What an earlier, broken-off download left (``.part``) is gone on with by an HTTP range request.
    The caller holds ``locked(path)`` of whatever it makes from the file, where jobs may race.

    Args:
        sha256: hexadecimal digest of the content; a file with another one is removed.
        most_bytes: a longer file is not what was asked for.

    Raises:
        UserError: no address gives the file, what they give is another file, or the disk is full.
    """
    target = cache_folder() / "downloads" / f"{sha256[:12]}-{name}"
    with locked(target):
        if target.is_file():
            if _digest(target) == sha256:
                return target
            target.unlink()
        part = target.with_name(f"{target.name}.part")
        problems = []
        try:
            for url in urls:
                try:
                    _download(url, part, name, sha256, most_bytes, sleep)
                except (_Interrupted, _Refused) as problem:
                    problems.append(f"{url}: {problem}")
                    continue
                part.replace(target)
                return target
        except OSError as error:
            raise _unwritable(target, error) from None
        raise UserError(
            f"{name}: cannot be fetched ({'; '.join(problems)}); check the network, or fetch it elsewhere and set "
            "`path`"
        )


def _download(
    url: str, part: Path, name: str, sha256: str, most_bytes: int, sleep: Callable[[float], None]
) -> None:
    """Make ``part`` whole and right, going on with what is there.

    Raises:
        _Interrupted: it broke off too often; what came so far stays.
        _Refused: the address gives another file, which is removed, or none.
    """
    failures, restarted = 0, False
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, part, before, name, most_bytes)
        except _Interrupted as problem:
            grown = part.exists() and part.stat().st_size > before
            failures = 1 if grown else failures + 1
            if failures >= ATTEMPTS:
                raise
            wait = min(max(BACK_OFF * 2 ** (failures - 1), problem.wait), LONGEST_WAIT)
            print(f"{name}: {problem}; again in {wait:.0f} s", file=sys.stderr, flush=True)
            sleep(wait)
            continue
        found = _digest(part)
        if found == sha256:
            return
        with part.open("rb") as file:
            page = file.read(64).lstrip()[:1] == b"<"
        part.unlink()
        # A rest of something else at its start: once more, from the start.
        if before and not restarted:
            restarted = True
            continue
        what = "a web page, not the file" if page else f"SHA-256 {found}, not {sha256}"
        raise _Refused(f"wrong checksum ({what}); the file was removed")


def _transfer(url: str, part: Path, start: int, name: str, most_bytes: int) -> None:
    """Append the rest of the file to ``part``, which has ``start`` bytes; or all of it where ranges are unknown."""
    request = urllib.request.Request(url, headers={"User-Agent": f"prunescope/{__version__}"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            _save(answer, part, start, name, most_bytes)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                # Nothing beyond what is there: whole, which the checksum says, or of another file.
                total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
                if not total or int(total[1]) != start:
                    part.unlink()
                    raise _Interrupted("what was left of an earlier download does not fit") from None
                return
            said = f"HTTP {error.code} {error.reason}"
            if error.code in _PASSING:
                raise _Interrupted(said, _seconds(error.headers.get("Retry-After"))) from None
            raise _Refused(said) from None
    except urllib.error.URLError as error:
        raise _Interrupted(f"no connection ({_plain(error.reason)})") from None


def _save(answer: http.client.HTTPResponse, part: Path, start: int, name: str, most_bytes: int) -> None:
    given = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    resumed = answer.status == 206 and given is not None and int(given[1]) == start
    if answer.status == 206 and not resumed:
        raise _Refused(f"answered with another part than asked for ({answer.headers.get('Content-Range')})")
    done = start if resumed else 0
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length and length.isdigit() else None
    if total is not None and total > most_bytes:
        raise _Refused(f"has {total:,} bytes, more than the {most_bytes:,} expected")
    with part.open("ab" if resumed else "wb") as file, Meter(name, total, done) as meter:
        while total is None or done < total:
            try:
                # What is there, without waiting for a whole block: all of it is kept if the rest never comes.
                block = answer.read1(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _Interrupted(f"broke off after {done:,} bytes ({_plain(error)})") from None
            if not block:
                break
            done += len(block)
            if done > most_bytes:
                file.close()
                part.unlink()
                raise _Refused(f"has more than the {most_bytes:,} bytes expected")
            file.write(block)
            file.flush()
            meter.add(len(block))
    if total is not None and done < total:
        raise _Interrupted(f"broke off after {done:,} of {total:,} bytes")


def _seconds(value: str | None) -> float:
    """Seconds of a Retry-After header: a number, or a date."""
    if value is None:
        return 0.0
    if value.strip().isdigit():
        return float(value)
    with suppress(TypeError, ValueError):
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    return 0.0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(error: object) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: could not be written ({_plain(error)}); free space, or set PRUNESCOPE_CACHE to another folder"
    )
