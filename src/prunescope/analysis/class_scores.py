"""Precision and F1 of each class: the recall paper's variants of recall (section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunescope.analysis.alpha.distortion import hits_by_class
from prunescope.predictions.store import Predictions


@dataclass(frozen=True)
class ClassScores:
    """(S, C) each; NaN for classes without support.

    Precision is also NaN for a class that the model never predicts. F1 is not: of the counts,
    2 hits / (support + predicted), it is 0 then, and else the harmonic mean of recall and precision.
    """

    precision_dense: np.ndarray
    precision_pruned: np.ndarray
    f1_dense: np.ndarray
    f1_pruned: np.ndarray


def class_scores(
    dense: Predictions, pruned: Predictions, dense_right: np.ndarray, pruned_right: np.ndarray
) -> ClassScores:
    """Both sides' scores from paired single-label predictions.

    Args:
        dense_right, pruned_right: (S, n) from ``scores.correct``.
    """
    (p_dense, f_dense), (p_pruned, f_pruned) = (_scores(dense, dense_right), _scores(pruned, pruned_right))
    return ClassScores(p_dense, p_pruned, f_dense, f_pruned)


def _scores(side: Predictions, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n_classes = len(side.classes)
    support = np.bincount(side.label, minlength=n_classes)
    hits = hits_by_class(side, right)
    predicted = np.stack([np.bincount(row, minlength=n_classes) for row in side.prediction])
    precision = np.where((support > 0) & (predicted > 0), hits / np.maximum(predicted, 1), np.nan)
    f1 = np.where(support > 0, 2 * hits / np.maximum(support + predicted, 1), np.nan)
    return precision, f1
