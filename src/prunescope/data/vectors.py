"""Word vectors from a GloVe or word2vec text file; only those of the wanted words are kept."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from prunescope.data import words
from prunescope.errors import UserError
from prunescope.seeds import stream


def read_vectors(path: Path, vocabulary: Sequence[str], dimensions: int) -> tuple[list[str], np.ndarray]:
    """The words of ``vocabulary`` that the file has, and their vectors.

    ``vocabulary`` comes from ``words.vocabulary``: special words first. The result has the special words
    and the known ones in the same order, with vectors (V, ``dimensions``) float32; unknown words are the
    mean vector; padding and a separator are random ones with the vectors' mean and standard deviation.

    The file is read line by line: a word, then its numbers, after the single spaces that separate them. A
    word may hold spaces itself, as some of GloVe 840B do. A first line of two numbers is word2vec's header.
    Of words that stand there twice, the first counts.

    Raises:
        UserError: the file cannot be read, has a line with too few or unreadable numbers or vectors of
            another length, or none of the words.
    """
    # Only texts of pairs have a separator, and no text's own word is spelled so.
    special = 3 if len(vocabulary) > words.SEPARATOR and vocabulary[words.SEPARATOR] == "<sep>" else 2
    wanted = {word.encode() for word in vocabulary[special:]}
    found: dict[bytes, np.ndarray] = {}
    for number, line in _lines(path):
        line = line.rstrip()
        if number == 1 and _is_header(path, line, dimensions):
            continue
        if line.count(b" ") < dimensions:
            raise UserError(
                f"{path}: line {number}: torn, or its vector has fewer than {dimensions} numbers; fetch the file "
                "again or set `vectors` to its length"
            )
        word, *numbers = line.rsplit(b" ", dimensions)
        if number <= 2 and _is_number(word.rpartition(b" ")[2]) and b" " in word:
            raise UserError(
                f"{path}: line {number}: its vector has more than {dimensions} numbers; set `vectors` to its length"
            )
        if word in wanted and word not in found:
            try:
                vector = np.array([float(value) for value in numbers], dtype=np.float32)
            except ValueError:
                raise UserError(
                    f"{path}: line {number}: not a word and its numbers; fetch the file again"
                ) from None
            if not np.isfinite(vector).all():
                raise UserError(f"{path}: line {number}: has a number that is not finite; correct the line")
            found[word] = vector
    if not found:
        raise UserError(
            f"{path}: has none of the words of the texts; check that it is a file of word vectors"
        )
    kept = [word for word in vocabulary[special:] if word.encode() in found]
    known = np.stack([found[word.encode()] for word in kept])
    vectors = np.zeros((special + len(kept), dimensions))
    vectors[special:] = known
    words.set_special(vectors, known.astype(np.float64))
    if special > words.SEPARATOR:
        rng = np.random.default_rng(stream(0, "data", "separator"))
        vectors[words.SEPARATOR] = known.mean(axis=0) + known.std(axis=0) * rng.standard_normal(dimensions)
    return [*vocabulary[:special], *kept], vectors.astype(np.float32)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from enumerate(file, 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: truncated or cannot be read ({error}); fetch the file again") from None


def _is_header(path: Path, line: bytes, dimensions: int) -> bool:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or dimensions == 1:
        return False
    if int(parts[1]) != dimensions:
        raise UserError(
            f"{path}: has vectors of {int(parts[1])} numbers, not {dimensions}; set `vectors` to that"
        )
    return True


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
