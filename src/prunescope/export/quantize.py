"""Weights as 8-bit integers, one scale per row."""

from __future__ import annotations

import numpy as np

#: The largest magnitude that is used; -128 is not, so that the range is symmetric.
LARGEST = 127


def quantize(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric quantization, w ~ scale * q with scale = max |w| / 127 of the row.

    Args:
        matrix: (rows, columns) float32.

    Returns:
        q, (rows, columns) int8, and scale, (rows,) float32; a row of zeros has scale 1. No weight is off by
        more than half its row's scale.
    """
    largest = np.abs(matrix).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest / LARGEST, 1.0).astype(np.float32)
    q = np.clip(np.rint(matrix / scale[:, None]), -LARGEST, LARGEST).astype(np.int8)
    return q, scale
