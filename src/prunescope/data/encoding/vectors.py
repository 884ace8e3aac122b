"""Word vectors from a GloVe or word2vec text file; only those of the wanted words are kept."""

from __future__ import annotations

import gzip
import mmap
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from prunescope.config.architectures.bilstm import PUBLISHED_VECTORS
from prunescope.data.encoding import words
from prunescope.data.fetch import fetch
from prunescope.errors import UserError
from prunescope.files import bounded, check_unpacked
from prunescope.files.meter import Meter
from prunescope.seeds import stream

#: Lines of the files that the GloVe project publishes: fewer mean that the file was cut at a line's end.
_PUBLISHED_LINES = {
    "glove.840B.300d.txt": 2_196_017,
    "glove.42B.300d.txt": 1_917_494,
    **{f"glove.6B.{size}d.txt": 400_000 for size in (50, 100, 200, 300)},
    **{f"glove.twitter.27B.{size}d.txt": 1_193_514 for size in (25, 50, 100, 200)},
}

#: Bytes looked at together: thousands of lines, little beside the vectors that are kept.
_BLOCK = 1 << 22


def _published_lines(path: Path) -> int | None:
    """By the file's name; the cache has a part of the digest in front of it."""
    if path.suffix == ".zip":
        return next(
            (n for name, n in _PUBLISHED_LINES.items() if path.stem.endswith(name.removesuffix(".txt"))), None
        )
    return _PUBLISHED_LINES.get(path.name.removesuffix(".gz"))


def read_vectors(path: Path, vocabulary: Sequence[str], dimensions: int) -> tuple[list[str], np.ndarray]:
    """The words of ``vocabulary`` that the file has, and their vectors.

    ``vocabulary`` comes from ``words.vocabulary``: special words first, no word with a space in it. The result
    has the special words and the known ones in the same order, with vectors (V, ``dimensions``) float32;
    unknown words are the mean vector; padding and a separator are random ones with the vectors' mean and
    standard deviation, drawn once per study from a stream of their own that no model's seed enters.

    A line is a word, then its numbers, after the single spaces that separate them. A word may hold spaces
    itself, as some of GloVe 840B do (``. . .``): numbers are counted from the right. A first line of two
    numbers is word2vec's header. Of words that are listed twice, the first counts. Every line is checked for
    the count of its numbers; the numbers themselves are read of wanted words alone.

    The file is mapped into memory and gone through in blocks of 4 MB whose pages are given back at once, so
    that memory holds the wanted vectors and no more; ``.gz``, and ``.zip`` of one file, are unpacked as they are read.

    Raises:
        UserError: the file cannot be read, has a line with too few or unreadable numbers or vectors of
            another length, fewer lines than its header or its well-known name says, a last line that does
            not end, or none of the words.
    """
    # Only texts of pairs have a separator, and no text's own word is spelled so.
    special = 3 if len(vocabulary) > words.SEPARATOR and vocabulary[words.SEPARATOR] == "<sep>" else 2
    # Word -> its row, as long as the file has not had it.
    wanted = {word.encode(): row for row, word in enumerate(vocabulary[special:], special)}
    vectors = np.empty((len(vocabulary), dimensions), dtype=np.float32)
    number, announced = 0, _published_lines(path)
    for block in _blocks(path):
        for line in block.split(b"\n")[:-1]:
            number += 1
            spaces = line.count(b" ")
            if number <= 2:
                # What is wrong with all lines is said of the first.
                if number == 1 and (header := _header(path, line, dimensions)) is not None:
                    announced = header + 1
                    continue
                _check_length(path, number, line.rstrip(), dimensions)
            if spaces != dimensions or line.endswith((b" ", b"\r")):
                line = line.rstrip()
                spaces = line.count(b" ")
            if spaces < dimensions:
                raise UserError(
                    f"{path}: line {number}: torn, or its vector has fewer than {dimensions} numbers; fetch the "
                    "file again or set `vectors` to its length"
                )
            if spaces > dimensions:
                # A word with spaces in it, which no word of a text has.
                continue
            word = line[: line.index(b" ")]
            if (row := wanted.pop(word, None)) is not None:
                vectors[row] = _vector(path, number, line[len(word) + 1 :])
    if announced is not None and number < announced:
        raise UserError(
            f"{path}: ends after {number:,} lines of {announced:,}: cut off; fetch the file again, or rename it if "
            "it is a part on purpose"
        )
    if len(wanted) == len(vocabulary) - special:
        raise UserError(
            f"{path}: has none of the words of the texts; check that it is a file of word vectors"
        )
    missing = set(wanted.values())
    rows = [row for row in range(len(vocabulary)) if row not in missing]
    vectors = vectors[rows]
    known = vectors[special:]
    words.set_special(vectors, known.astype(np.float64))
    if special > words.SEPARATOR:
        rng = np.random.default_rng(stream(0, "data", "separator"))
        vectors[words.SEPARATOR] = known.mean(axis=0) + known.std(axis=0) * rng.standard_normal(dimensions)
    return [vocabulary[row] for row in rows], vectors


def published_vectors(name: str) -> Path:
    """The archive of published vectors (``PUBLISHED_VECTORS``) in the cache, downloaded if it is not there.

    Raises:
        UserError: it cannot be fetched.
    """
    known = PUBLISHED_VECTORS[name]
    try:
        return fetch(known.archive, known.urls, known.sha256, known.bytes)
    except UserError as error:
        raise UserError(
            f"{error}".replace("set `path`", "set `vectors_path` in place of `published_vectors`")
        ) from None


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in blocks of whole lines.

    Raises:
        UserError: it cannot be read, or its last line does not end.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file, Meter(path.name, size) as meter:
            rest = b""
            blocks = {".gz": _unpacked, ".zip": _unzipped}.get(path.suffix)
            for block in _mapped(file, size, meter) if blocks is None else blocks(file, meter):
                cut = block.rfind(b"\n") + 1
                if cut:
                    yield rest + block[:cut]
                    rest = block[cut:]
                else:
                    rest += block
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: truncated or cannot be read ({error}); fetch the file again") from None
    if rest:
        raise UserError(
            f"{path}: its last line is torn, it has no end; fetch the file again, or end the line if it is whole"
        )


def _mapped(file: BinaryIO, size: int, meter: Meter) -> Iterator[bytes]:
    """Blocks of a file mapped into memory. An empty file, which cannot be mapped, has none."""
    if not size:
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        # Pages that were read count as ours until the system needs them, or is advised; not every system can be.
        give_back = getattr(mmap, "MADV_DONTNEED", None)
        for start in range(0, size, _BLOCK):
            block = mapped[start : start + _BLOCK]
            if give_back is not None:
                mapped.madvise(give_back, start, len(block))
            meter.add(len(block))
            yield block


def _unpacked(file: BinaryIO, meter: Meter) -> Iterator[bytes]:
    with bounded(gzip.open(file), file.name) as archive:
        position = 0
        while block := archive.read(_BLOCK):
            meter.add(file.tell() - position)
            position = file.tell()
            yield block


def _unzipped(file: BinaryIO, meter: Meter) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise zipfile.BadZipFile(f"holds {len(names)} files, not one")
        (entry,) = archive.infolist()
        check_unpacked(file.name, entry.file_size)
        with archive.open(entry) as text:
            while block := text.read(_BLOCK):
                meter.add(len(block) * entry.compress_size // max(entry.file_size, 1))
                yield block


def _vector(path: Path, number: int, numbers: bytes) -> np.ndarray:
    try:
        vector = np.array([float(value) for value in numbers.split(b" ")], dtype=np.float32)
    except ValueError:
        raise UserError(f"{path}: line {number}: not a word and its numbers; fetch the file again") from None
    if not np.isfinite(vector).all():
        raise UserError(f"{path}: line {number}: has a number that is not finite; correct the line")
    return vector


def _header(path: Path, line: bytes, dimensions: int) -> int | None:
    """The number of words that word2vec's header announces; None if the line is none."""
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or dimensions == 1:
        return None
    if int(parts[1]) != dimensions:
        raise UserError(
            f"{path}: has vectors of {int(parts[1])} numbers, not {dimensions}; set `vectors` to that"
        )
    return int(parts[0])


def _check_length(path: Path, number: int, line: bytes, dimensions: int) -> None:
    """Raises: UserError: the line has more numbers than there are dimensions."""
    word = line.rsplit(b" ", dimensions)[0]
    if b" " in word and _is_number(word.rpartition(b" ")[2]):
        raise UserError(
            f"{path}: line {number}: its vector has more than {dimensions} numbers; set `vectors` to its length"
        )


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
