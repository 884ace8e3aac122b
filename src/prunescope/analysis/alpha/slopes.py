"""One slope for all models and classes of a cell (the recall paper's scatter panels, figures 5-8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PooledSlope:
    """``alpha``: slope through the origin · ``r2``: its coefficient of determination · ``n``: points.

    Both are None where all x are 0; ``r2`` also where all y are.
    """

    alpha: float | None
    r2: float | None
    n: int


def pooled_slope(dense: np.ndarray, pruned: np.ndarray) -> PooledSlope:
    """Least squares through the origin of pruned on dense balances (recall paper, section 6.2).

    alpha = sum(x y) / sum(x^2). Without an intercept the coefficient of determination is about 0, not
    about the mean: r2 = 1 - sum((y - alpha x)^2) / sum(y^2) = sum(x y)^2 / (sum(x^2) sum(y^2)). On
    balanced data, where balances sum to 0, both are the same.

    Args:
        dense, pruned: normalized balances of the same shape; points with a NaN on either side are
            left out.
    """
    x, y = np.asarray(dense, dtype=float).ravel(), np.asarray(pruned, dtype=float).ravel()
    kept = ~(np.isnan(x) | np.isnan(y))
    x, y = x[kept], y[kept]
    xx, xy, yy = float(np.dot(x, x)), float(np.dot(x, y)), float(np.dot(y, y))
    if xx == 0:
        return PooledSlope(None, None, len(x))
    return PooledSlope(xy / xx, xy * xy / xx / yy if yy > 0 else None, len(x))
