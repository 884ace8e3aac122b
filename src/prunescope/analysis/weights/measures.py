"""Measures of one pruned matrix: rank, concentration of what is left on rows and columns, magnitudes.

A weight is left if it is not exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: Bins of magnitudes, the same for all models so that any two lie on one grid: powers of ten from the first
#: exponent to the last, so many bins to a power. Magnitudes below and above have a bin each.
FIRST_EXPONENT, LAST_EXPONENT, BINS_PER_POWER = -8, 2, 20


def rank(matrix: np.ndarray) -> int:
    """Numerical rank of a (rows, columns) float32 matrix.

    Singular values, computed in float32, above the largest one times the longer side times 2^-23: the default of
    torch.linalg.matrix_rank.
    """
    values = np.linalg.svd(matrix.astype(np.float32, copy=False), compute_uv=False)
    tolerance = values.max(initial=0.0) * max(matrix.shape) * np.finfo(np.float32).eps
    return int((values > tolerance).sum())


def gini(counts: np.ndarray) -> float | None:
    """Gini coefficient of non-negative counts (n,): half their mean absolute difference over their mean.

    0 where all are equal, 1 - 1/n where one has everything; None where there is nothing.
    """
    n, total = len(counts), int(counts.sum())
    if not total:
        return None
    ordered = np.sort(counts).astype(np.int64)
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total))


def random_gini(rows: int, columns: int, left: int) -> float | None:
    """The expected ``gini`` of the rows if ``left`` weights of the matrix were drawn at random positions.

    Exact. The rows' counts are exchangeable and their mean is fixed, so it is (1 - 1/rows) E|X - Y| / (2 mean) for
    the counts X, Y of any two rows. Their sum S is hypergeometric, and so is X given S, about S / 2; its mean
    absolute deviation is 2 x (S's ``columns`` - S + x) / (2 columns) P(X = x) at x = floor(S / 2) + 1
    (Diaconis and Zabell 1991, "Closed form summation for classical distributions").
    """
    if not left:
        return None
    if rows == 1:
        return 0.0
    from scipy.special import gammaln

    def log_choose(n: Any, k: Any) -> Any:
        return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)

    both = 2 * columns
    size = rows * columns
    s = np.arange(max(0, left - (size - both)), min(both, left) + 1)
    of_sum = np.exp(log_choose(both, s) + log_choose(size - both, left - s) - log_choose(size, left))
    x = s // 2 + 1
    # Beyond the possible counts (S is 0 or everything) there is no deviation.
    inside = (x <= columns) & (x <= s)
    at = np.zeros(len(s))
    si, xi = s[inside], x[inside]
    at[inside] = np.exp(log_choose(columns, xi) + log_choose(columns, si - xi) - log_choose(both, si))
    deviation = 2 * x * np.maximum(columns - s + x, 0) / both * at
    difference = float((of_sum * 2 * deviation).sum())
    return (1 - 1 / rows) * difference / (2 * left / rows)


@dataclass(frozen=True)
class Concentration:
    """How what is left spreads over rows, or over columns.

    ``empty``: share of them without any weight. ``gini``: of their counts; ``random``: what it would be in the mean
    if as many weights were left at random positions. None where nothing is left.
    """

    empty: float
    gini: float | None
    random: float | None


def concentration(left: np.ndarray) -> Concentration:
    """Over the rows of a (rows, columns) pattern, True where a weight is left."""
    counts = left.sum(axis=1)
    rows, columns = left.shape
    return Concentration(
        empty=float((counts == 0).mean()),
        gini=gini(counts),
        random=random_gini(rows, columns, int(counts.sum())),
    )


def n_bins() -> int:
    """Bins of ``magnitudes``, those at both ends included."""
    return (LAST_EXPONENT - FIRST_EXPONENT) * BINS_PER_POWER + 2


def edges() -> np.ndarray:
    """The (n_bins - 1,) inner edges of the bins, ascending; a bin holds its lower edge."""
    powers = np.arange(FIRST_EXPONENT * BINS_PER_POWER, LAST_EXPONENT * BINS_PER_POWER + 1)
    return np.asarray(10.0 ** (powers / BINS_PER_POWER))


def magnitudes(weights: np.ndarray) -> np.ndarray:
    """How many of the weights that are left are in each bin: (n_bins,) int64, together as many as are not zero."""
    found = np.abs(weights[weights != 0]).astype(np.float64)
    return np.bincount(np.searchsorted(edges(), found, side="right"), minlength=n_bins())
