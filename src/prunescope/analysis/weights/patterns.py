"""Where weights are left in a matrix, as an image that is small on disk."""

from __future__ import annotations

import base64
import binascii
import zlib
from math import ceil

import numpy as np
from pydantic import model_validator

from prunescope.config.spec import Spec

#: Sides of an image, at most.
LARGEST_SIDE = 768


class Packed(Spec):
    """Shares of weights that are left, in blocks of a (rows, columns) matrix.

    A matrix with no more than ``LARGEST_SIDE`` rows has a block per row, and so for columns; in others, blocks are
    so large that at most so many are along a side.

    ``shape``: blocks along each side. ``shares``: in steps of 1/255, as bytes, row by row, compressed by zlib, in
    base64.
    """

    rows: int
    columns: int
    shape: tuple[int, int]
    shares: str

    @model_validator(mode="after")
    def _whole(self) -> Packed:
        self.image()
        return self

    @classmethod
    def of(cls, left: np.ndarray) -> Packed:
        """``left``: (rows, columns) bool."""
        rows, columns = left.shape
        shares = _block_sums(left) / _block_sums(np.ones_like(left))
        data = zlib.compress(np.rint(shares * 255).astype(np.uint8).tobytes(), 9)
        height, width = shares.shape
        return cls(
            rows=rows, columns=columns, shape=(height, width), shares=base64.b64encode(data).decode("ascii")
        )

    def image(self) -> np.ndarray:
        """(blocks, blocks) float64 shares.

        Raises:
            ValueError: the bytes are damaged.
        """
        height, width = self.shape
        if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
            raise ValueError(f"an image of {height} by {width}")
        try:
            # No more than belongs there, whatever the bytes unpack to.
            data = zlib.decompressobj().decompress(base64.b64decode(self.shares), height * width + 1)
        except (zlib.error, binascii.Error) as error:
            raise ValueError(str(error)) from None
        return np.frombuffer(data, np.uint8).reshape(height, width) / 255.0


def _block_sums(values: np.ndarray) -> np.ndarray:
    found = values.astype(np.int64)
    for axis in (0, 1):
        step = ceil(found.shape[axis] / LARGEST_SIDE)
        found = np.add.reduceat(found, np.arange(0, found.shape[axis], step), axis=axis)
    return found
