"""What was written below a results folder: a checksum for every file, kept beside the tree and not in its files.

A stage's output has a record ``<results>/.prunescope/made/<folder>/<file>.json`` with the checksum of the file, or of
every file of a folder that appeared as a whole. A file that is read is what was written under its name, or it is
refused: this one rule covers tables, models, encoded data, cards, figures and pages, whatever their format. Trees of
older versions have no records; their files are read as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from prunescope.errors import DamagedFileError

#: Below the results folder: what is neither a result nor a log.
STATE = ".prunescope"

#: Folders in which nothing is an output: a job's progress, Snakemake's logs.
_NO_OUTPUTS = frozenset({"unfinished", "logs"})


@dataclass(frozen=True)
class Entry:
    """One file as it was written. ``mtime``, ``ctime``: ns.

    ``settled``: a run has ended since and found the file as written, so that its times are what they should be;
    Snakemake sets the time of an output once more when its job is done. ``adopted``: of an older version, which left
    no record; it is what it was when it was first seen.
    """

    sha256: str
    size: int
    mtime: int
    ctime: int
    settled: bool = False
    adopted: bool = False

    def untouched(self, found: os.stat_result) -> bool:
        """Whether nothing has written to the file, nor changed its times. The kernel alone sets ``ctime``."""
        return (self.size, self.mtime, self.ctime) == (found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def at(self, found: os.stat_result, *, settled: bool) -> Entry:
        return replace(self, mtime=found.st_mtime_ns, ctime=found.st_ctime_ns, settled=settled)


class Ledger:
    """The records of one results folder."""

    def __init__(self, results: Path) -> None:
        self.results = _absolute(results)
        self.records = self.results / STATE / "made"

    def name(self, path: Path | str) -> str | None:
        """A file's name in the ledger; None for what is no output."""
        name = os.path.relpath(_absolute(path), self.results)
        parts = Path(name).parts
        hidden = any(part.startswith(".") for part in parts)
        return None if hidden or _NO_OUTPUTS.intersection(parts) else name

    def _record(self, name: str) -> Path:
        return self.records / f"{name}.json"

    def write(self, name: str, entries: dict[str, Entry]) -> None:
        """Replace the record of an output: of a file under its own name, of a folder under the names in it."""
        record = self._record(name)
        with suppress(OSError):  # a record that cannot be kept costs a check, not the result
            record.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=record.parent, prefix=".", delete=False) as file:
                json.dump({key: asdict(entry) for key, entry in sorted(entries.items())}, file)
            Path(file.name).replace(record)

    def read(self, name: str) -> dict[str, Entry]:
        """The record of an output; empty where there is none, or none that can be read."""
        try:
            value = json.loads(self._record(name).read_text(encoding="utf-8"))
            return {key: Entry(**entry) for key, entry in value.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def forget(self, name: str) -> None:
        self._record(name).unlink(missing_ok=True)

    def outputs(self, below: str = "") -> Iterator[str]:
        """The names of all outputs with a record, or of those in a folder."""
        for folder, _, files in os.walk(self.records / below):
            for file in sorted(files):
                if file.endswith(".json") and not file.startswith("."):
                    yield str(Path(folder, file).relative_to(self.records)).removesuffix(".json")

    def entries(self, below: str = "") -> Iterator[tuple[str, str, Entry]]:
        """(output, file, entry) of all files with a record, or of those in a folder."""
        for output in self.outputs(below):
            for file, entry in self.read(output).items():
                yield output, str(Path(output, file)), entry

    def entry(self, path: Path | str) -> Entry | None:
        """What a file was when it was written: by its own record, or by that of a folder it appeared with."""
        name = self.name(path)
        if name is None:
            return None
        output, file = name, "."
        while output:
            if (found := self.read(output).get(file)) is not None:
                return found
            output, _, last = output.rpartition("/")
            file = last if file == "." else f"{last}/{file}"
        return None

    @property
    def aside(self) -> Path:
        """Where damaged files go until they are rebuilt, each with a note (``.why``)."""
        return self.results / STATE / "aside"

    def is_aside(self, file: str) -> bool:
        """Whether a file is about to be rebuilt: it may be what the job that reads its folder makes."""
        return any((self.aside / name).exists() for name in (file, f"{file}.why"))

    def note(self, path: Path) -> None:
        """Record an output that was just written."""
        name = self.name(path)
        if name is None:
            return
        if path.is_dir():
            found = {os.path.relpath(file, path): entry_of(file) for file in _files(path)}
            # The folder appeared as a whole: what was in it before is no more.
            shutil.rmtree(self.records / name, ignore_errors=True)
        else:
            found = {".": entry_of(path)}
        self.write(name, found)

    def wrong(self, path: Path, entry: Entry, *, quick: bool = False) -> str | None:
        """What is wrong with a file; None where it is what was written.

        Args:
            quick: a file that nothing has written to since is not read.
        """
        try:
            found = path.stat()
        except FileNotFoundError:
            return "missing"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        if stat.S_ISDIR(found.st_mode):
            return "a folder in its place"
        if quick and entry.untouched(found):
            return None
        if found.st_size == entry.size and (now := checksum(path)) == entry.sha256:
            return None
        if not found.st_size:
            return "empty"
        other = self._whose(checksum(path) if found.st_size != entry.size else now, found.st_size)
        if other is not None:
            return f"the content of {other}, not of {self.name(path)}"
        if found.st_size < entry.size:
            return f"cut off, or another file ({found.st_size} of {entry.size} bytes)"
        return "changed since it was written (another checksum)"

    def _whose(self, found: str, size: int) -> str | None:
        return self._by_content.get((size, found))

    @cached_property
    def _by_content(self) -> dict[tuple[int, str], str]:
        return {(entry.size, entry.sha256): file for _, file, entry in self.entries()}


def _absolute(path: Path | str) -> Path:
    # Links stay: what is read through one has the name that it is asked for.
    return Path(os.path.normpath(Path(path).absolute()))


def checksum(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def entry_of(path: Path) -> Entry:
    """A file as it is now."""
    digest = checksum(path)
    found = path.stat()
    return Entry(digest, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in files if not name.startswith("."))


def ledger_of(path: Path | str) -> Ledger | None:
    """The ledger of the results folder that a path lies in; None where it lies in none."""
    return _ledger_above(_absolute(path).parent)


@cache
def _ledger_above(folder: Path) -> Ledger | None:
    for parent in (folder, *folder.parents):
        if (parent / STATE).is_dir():
            return Ledger(parent)
    return None


def note(path: Path) -> None:
    """Record an output that was just written, where it lies in a results folder."""
    _ledger_above.cache_clear()
    ledger = ledger_of(path)
    if ledger is not None:
        with suppress(OSError):
            ledger.note(path)


def require(files: Iterable[Path], folders: Iterable[Path] = ()) -> None:
    """Check files that a stage is about to read; in ``folders``, those that something has written to.

    Raises:
        DamagedFileError: a file is not what was written under its name.
    """
    for path in files:
        ledger = ledger_of(path)
        entry = ledger.entry(path) if ledger is not None else None
        if ledger is not None and entry is not None and (what := ledger.wrong(Path(path), entry)):
            raise DamagedFileError(Path(path), f"{path}: {what}")
    for folder in folders:
        ledger = ledger_of(folder / ".")
        below = None if ledger is None else ledger.name(folder)
        if ledger is None or below is None:
            continue
        for _, file, entry in ledger.entries(below):
            what = ledger.wrong(ledger.results / file, entry, quick=True)
            if what and not (what == "missing" and ledger.is_aside(file)):
                path = folder / os.path.relpath(file, below)
                raise DamagedFileError(path, f"{path}: {what}")
