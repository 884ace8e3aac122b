"""Chosen files out of a tar or zip archive that nobody vouches for."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from prunescope.errors import UserError
from prunescope.files import atomic_directory, bounded


def unpack(archive: Path, names: Collection[str], folder: Path, most_bytes: int, hint: str = "") -> None:
    """Make ``folder`` of the archive's files called ``names``, whatever folder of the archive they are in.

    Only these are read, and each is written under its bare name, so no path in the archive leads anywhere;
    an archive with a path that would is refused all the same. ``folder`` appears whole or not at all.

    Args:
        most_bytes: of all files together, unpacked.
        hint: where several folders of the archive have such files, the one whose path holds this.

    Raises:
        UserError: not a whole archive, a file is missing or no plain file, there are several of one name,
            or they are too large.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                infos = [info for info in packed.infolist() if not info.is_dir()]
                found = _chosen(archive, [info.filename for info in infos], names, hint)
                sizes = {info.filename: info.file_size for info in infos}
                _check_size(archive, [sizes[member] for member in found.values()], most_bytes)
                with atomic_directory(folder) as temporary:
                    for name, member in found.items():
                        with packed.open(member) as source:
                            _copy(archive, source, temporary / name, sizes[member])
            return
        _check_stream(archive)
        with tarfile.open(archive) as tape:
            members = {member.name: member for member in tape.getmembers() if not member.isdir()}
            found = _chosen(archive, list(members), names, hint)
            for member in found.values():
                if not members[member].isreg():
                    raise UserError(f"{archive}: {member} is a link or device, not a file; do not use it")
            _check_size(archive, [members[member].size for member in found.values()], most_bytes)
            with atomic_directory(folder) as temporary:
                for name, member in found.items():
                    stream = tape.extractfile(members[member])
                    assert stream is not None
                    with stream:
                        _copy(archive, stream, temporary / name, members[member].size)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
    ) as error:
        raise UserError(f"{archive}: damaged, or no tar or zip archive ({error}); fetch it again") from None


#: How a tar archive is packed, by its first bytes.
_PACKED: Mapping[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}


def _check_stream(archive: Path) -> None:
    """Unpack a tar archive once for its size: its own headers can ask for any memory."""
    with archive.open("rb") as file:
        unpack = _PACKED.get(file.read(2))
    if unpack is not None:
        with bounded(unpack(archive), archive) as stream:
            while stream.read(1 << 20):
                pass


def _chosen(archive: Path, members: Sequence[str], names: Collection[str], hint: str) -> Mapping[str, str]:
    """Name -> its path in the archive, all of them in one folder there."""
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for member in members:
        path = PurePosixPath(member)
        # What macOS adds beside every file is called the same, with a prefix; it is in no list of names.
        if path.name in names:
            if path.is_absolute() or ".." in path.parts:
                raise UserError(f"{archive}: unsafe, {member} leads out of its folder; do not use it")
            inside = folders.setdefault(path.parent, {})
            if path.name in inside:
                raise UserError(f"{archive}: holds {member} twice; do not use it")
            inside[path.name] = member
    if len(folders) > 1 and hint:
        folders = {parent: held for parent, held in folders.items() if hint in str(parent).lower()}
    if len(folders) > 1:
        raise UserError(
            f"{archive}: several folders hold such files ({', '.join(sorted(map(str, folders)))}); "
            "unpack it and set `path` to one"
        )
    held = next(iter(folders.values()), {})
    if missing := sorted(set(names) - set(held)):
        raise UserError(
            f"{archive}: holds no file {missing[0]!r}; check that it is the data set's original archive"
        )
    return {name: held[name] for name in sorted(held)}


def _check_size(archive: Path, sizes: Sequence[int], most_bytes: int) -> None:
    if sum(sizes) > most_bytes:
        raise UserError(
            f"{archive}: would unpack to {sum(sizes):,} bytes, more than the {most_bytes:,} expected; do not use it"
        )


def _copy(archive: Path, source: IO[bytes], target: Path, size: int) -> None:
    """Copy at most ``size`` bytes, the size the archive declares, which ``_check_size`` has seen."""
    with target.open("wb") as file:
        shutil.copyfileobj(_Bounded(source, size), file)
    if target.stat().st_size != size:
        raise UserError(f"{archive}: damaged, {target.name} is cut off; fetch it again")


class _Bounded:
    """A stream that ends after ``left`` bytes, whatever follows."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self._stream, self._left = stream, left

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(block)
        return block
