"""Compressed sparse rows whose column numbers take a byte or less per weight.

Plain CSR spends two or four bytes on the column of a one-byte weight. Two ways that spend less:

- ``gaps``: one byte per stored weight, the columns skipped since the one before in its row. A gap of more
  than 255 is bridged by stored zeros.
- ``bitmap``: one bit per weight of the matrix, stored or not.

Gaps are the smaller where less than about one weight in eight is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Encoding = Literal["gaps", "bitmap"]

#: What one byte bridges: 255 skipped columns and the stored zero behind them.
_REACH = 256


@dataclass(frozen=True)
class Rows:
    """A sparse matrix of 8-bit weights.

    ``starts``: (rows + 1,) int32, where each row begins among ``values`` (stored,) int8. ``columns``: uint8,
    as the encoding says: (stored,) gaps, or (ceil(rows * columns / 8),) bits, lowest first, row after row.
    """

    shape: tuple[int, int]
    encoding: Encoding
    starts: np.ndarray
    values: np.ndarray
    columns: np.ndarray

    @property
    def bytes(self) -> int:
        return self.starts.nbytes + self.values.nbytes + self.columns.nbytes


def encode(q: np.ndarray, kept: np.ndarray) -> Rows:
    """The smaller of both encodings.

    Args:
        q: (rows, columns) int8.
        kept: (rows, columns) bool, the weights to store; those that are kept and round to zero are stored.

    Raises:
        ValueError: a weight that is not kept is not zero.
    """
    if bool((q[~kept] != 0).any()):
        raise ValueError("a weight outside the mask is not zero")
    return min((_with_gaps(q, kept), _with_bitmap(q, kept)), key=lambda rows: rows.bytes)


def _with_bitmap(q: np.ndarray, kept: np.ndarray) -> Rows:
    bits = np.packbits(kept.ravel(), bitorder="little")
    return Rows(_shape(q), "bitmap", _starts(kept.sum(axis=1)), q[kept], bits)


def _with_gaps(q: np.ndarray, kept: np.ndarray) -> Rows:
    rows, columns = np.nonzero(kept)
    before = np.empty_like(columns)
    before[1:] = columns[:-1]
    before[np.flatnonzero(np.diff(rows, prepend=-1))] = -1
    skipped = columns - before - 1
    bridges = skipped // _REACH
    # Each weight is preceded by its bridges: zeros at a gap of 255.
    last = np.cumsum(bridges + 1) - 1
    gaps = np.full(int(bridges.sum()) + len(columns), _REACH - 1, dtype=np.uint8)
    values = np.zeros(len(gaps), dtype=np.int8)
    gaps[last] = skipped % _REACH
    values[last] = q[rows, columns]
    counts = np.bincount(rows, weights=bridges + 1, minlength=len(q)).astype(np.int64)
    return Rows(_shape(q), "gaps", _starts(counts), values, gaps)


def positions(rows: Rows) -> np.ndarray:
    """Column numbers of the stored weights, (stored,) int64: with ``starts`` and ``values`` a plain CSR matrix.

    Raises:
        ValueError: the parts do not fit together.
    """
    height, width = rows.shape
    counts = np.diff(rows.starts)
    if len(rows.starts) != height + 1 or rows.starts[0] != 0 or (counts < 0).any():
        raise ValueError("row starts do not ascend from 0")
    if rows.starts[-1] != len(rows.values):
        raise ValueError(f"rows end at {rows.starts[-1]} of {len(rows.values)} stored weights")
    if rows.encoding == "bitmap":
        bits = np.unpackbits(rows.columns, count=height * width, bitorder="little").reshape(height, width)
        if not np.array_equal(bits.sum(axis=1), counts):
            raise ValueError("the bitmap and the row starts disagree")
        return np.nonzero(bits)[1]
    if len(rows.columns) != len(rows.values):
        raise ValueError(f"{len(rows.columns)} gaps for {len(rows.values)} stored weights")
    steps = rows.columns.astype(np.int64) + 1
    total = np.concatenate([[0], np.cumsum(steps)])
    columns = total[1:] - np.repeat(total[rows.starts[:-1]], counts) - 1
    if len(columns) and columns.max() >= width:
        raise ValueError("a gap leads beyond the last column")
    return columns


def decode(rows: Rows) -> np.ndarray:
    """The whole matrix, (rows, columns) int8; inverse of ``encode``.

    Raises:
        ValueError: the parts do not fit together.
    """
    columns = positions(rows)
    q = np.zeros(rows.shape, dtype=np.int8)
    q[np.repeat(np.arange(rows.shape[0]), np.diff(rows.starts)), columns] = rows.values
    return q


def _shape(q: np.ndarray) -> tuple[int, int]:
    return int(q.shape[0]), int(q.shape[1])


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
