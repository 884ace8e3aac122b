"""The probability threshold against a search over the whole grid."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import f1_score

from prunescope.training.predict import best_threshold


def exact_macro_f1(labels: np.ndarray, given: np.ndarray) -> Fraction:
    total = Fraction(0)
    for truth, said in zip(labels.T.astype(bool), given.T, strict=True):
        size = int(truth.sum()) + int(said.sum())
        total += Fraction(2 * int((truth & said).sum()), size) if size else 0
    return total / labels.shape[1]


@pytest.mark.parametrize("seed", range(12))
def test_best_macro_f1_of_the_grid_and_the_lowest_of_ties(seed):
    rng = np.random.default_rng(seed)
    n, classes = int(rng.integers(1, 30)), int(rng.integers(1, 5))
    labels = rng.random((n, classes)) < rng.random(classes)
    labels[:, 0] &= seed % 3 != 0  # a class that never occurs
    logits = (rng.standard_normal((n, classes)) * 3 + 2 * labels).astype(np.float32)
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    grid = [i / 100 for i in range(100)]
    scores = [exact_macro_f1(labels, probabilities > threshold) for threshold in grid]
    got = best_threshold(logits, labels)
    assert got == grid[scores.index(max(scores))]
    expected = f1_score(labels, probabilities > got, average="macro", zero_division=0)
    if classes > 1:
        assert float(max(scores)) == pytest.approx(expected)


def test_a_probability_on_the_grid_is_not_above_it():
    # sigmoid(0) is 0.5 exactly: given at 0.49, not at 0.50. The second example must not be given.
    logits, labels = np.array([[3.0], [0.0]]), np.array([[1], [0]])
    assert best_threshold(logits, labels) == 0.5


def test_extreme_logits_are_quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert best_threshold(np.array([[1e4], [-1e4]], dtype=np.float32), np.array([[1], [0]])) == 0.0
