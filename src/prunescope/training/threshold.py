"""The probability above which a label is given, one per model (several labels)."""

from __future__ import annotations

import numpy as np

#: PIE paper's code: 0.00, 0.01, ..., 0.99.
GRID = np.arange(100) / 100


def best_threshold(logits: np.ndarray, labels: np.ndarray) -> float:
    """The grid's threshold of the best macro F1; the lowest one on ties.

    Args:
        logits: (n, C) float.
        labels: (n, C) bool or 0/1.

    A label is given where its probability is above the threshold. All thresholds at once: each
    probability falls into the one grid interval from which on it is no longer given.
    """
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    truth = labels.astype(bool)
    # Given at thresholds GRID[0 .. given - 1]: those that are strictly below the probability.
    given = np.searchsorted(GRID, probabilities, side="left")
    f1 = np.zeros((len(GRID), logits.shape[1]))
    for c in range(logits.shape[1]):
        predicted = _counts_from(given[:, c])
        hits = _counts_from(given[truth[:, c], c])
        denominator = predicted + truth[:, c].sum()
        f1[:, c] = np.divide(2 * hits, denominator, out=np.zeros(len(GRID)), where=denominator > 0)
    # Rounded: sums of the same scores in another order differ in their last bits, and are ties.
    return float(GRID[int(f1.mean(axis=1).round(12).argmax())])


def _counts_from(given: np.ndarray) -> np.ndarray:
    """For each grid index i, how many entries are given there: given > i."""
    histogram = np.bincount(given, minlength=len(GRID) + 1)
    return histogram[::-1].cumsum()[::-1][1:]
