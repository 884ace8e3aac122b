"""Recall distortion: whether pruning widens the gap between well and badly recalled classes.

Recall paper, section 4: normalized recall balance (definition 1), intensification ratio
(definition 3), and the slope alpha of a regression through the origin (equation 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunescope.analysis.alpha.corrected import Corrected, Moments, corrected_slope, moments
from prunescope.analysis.stats import Interval, mean, t_interval
from prunescope.predictions.store import Predictions

#: With at most so many classes, counting members of each takes less time than numbering them.
_FEW = 32


@dataclass(frozen=True)
class Distortion:
    """Per seed (S rows) and class (C columns); NaN stands for null.

    support: (C,) int · recalls and balances: (S, C), NaN for classes without support, balances
    also where the accuracy is 0 · accuracies, alpha: (S,) · moments: what ``corrected`` needs.
    """

    support: np.ndarray
    recall_dense: np.ndarray
    recall_pruned: np.ndarray
    balance_dense: np.ndarray
    balance_pruned: np.ndarray
    accuracy_dense: np.ndarray
    accuracy_pruned: np.ndarray
    alpha: np.ndarray
    moments: Moments

    @property
    def intensification(self) -> np.ndarray:
        """(S, C): pruned over dense balance; NaN where the dense balance is 0."""
        safe = np.where(self.balance_dense == 0, np.nan, self.balance_dense)
        return np.asarray(self.balance_pruned / safe)

    def interval(self, confidence: float) -> Interval:
        """Mean alpha over seeds with its t interval; seeds without alpha are left out."""
        return t_interval(self.alpha[~np.isnan(self.alpha)], confidence)

    def corrected(self, confidence: float) -> Corrected:
        """Alpha of all seeds together, without the pull of noise towards 0."""
        return corrected_slope(self.moments, confidence)

    def null(self) -> tuple[float | None, int]:
        """What alpha is where nothing was pruned: its mean over ordered pairs of two dense models, and their number.

        Of every dense model on every other one; pairs without a slope are left out.
        """
        known = self.balance_dense[:, self.support > 0]
        known = known[~np.isnan(known).any(axis=1)]
        products = known @ known.T
        squares = np.diag(products).copy()
        slopes = products[squares > 0] / squares[squares > 0, None]
        own = np.eye(len(known), dtype=bool)[squares > 0]
        return mean(slopes[~own]), int(np.count_nonzero(~own))


def recalls(side: Predictions, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, C) recalls, NaN without support, and (S,) accuracies of single-label predictions."""
    n_classes = len(side.classes)
    support = np.bincount(side.label, minlength=n_classes)
    hits = hits_by_class(side, right)
    recall = np.where(support > 0, hits / np.maximum(support, 1), np.nan)
    return recall, hits.sum(axis=1) / len(side.label)


def hits_by_class(side: Predictions, right: np.ndarray) -> np.ndarray:
    """(S, C) int: examples of each class that a model gets right.

    Args:
        right: (S, n) from ``scores.correct``.
    """
    n_classes = len(side.classes)
    if n_classes > _FEW:
        return np.stack([np.bincount(side.label[row], minlength=n_classes) for row in right])
    hits = np.empty((len(right), n_classes), dtype=np.int64)
    for c in range(n_classes):
        members = side.label == c
        hits[:, c] = [np.count_nonzero(row & members) for row in right]
    return hits


def balance(recall: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Normalized recall balance (recall - accuracy) / accuracy; NaN where the accuracy is 0."""
    safe = np.where(accuracy > 0, accuracy, np.nan)[:, None]
    return np.asarray((recall - safe) / safe)


def slope(dense: np.ndarray, pruned: np.ndarray) -> float:
    """Least-squares slope through the origin, sum(dense * pruned) / sum(dense^2), over classes.

    NaN where a balance is not defined or all dense balances are 0.
    """
    kept = ~np.isnan(dense)
    x, y = dense[kept], pruned[kept]
    squares = float(np.dot(x, x))
    return float(np.dot(x, y)) / squares if squares > 0 and not np.isnan(y).any() else float("nan")


def distortion(
    dense: Predictions, pruned: Predictions, dense_right: np.ndarray, pruned_right: np.ndarray
) -> Distortion:
    """Everything about recall for paired single-label predictions.

    Args:
        dense_right, pruned_right: (S, n) from ``scores.correct``.
    """
    recall_dense, accuracy_dense = recalls(dense, dense_right)
    recall_pruned, accuracy_pruned = recalls(pruned, pruned_right)
    balance_dense, balance_pruned = (
        balance(recall_dense, accuracy_dense),
        balance(recall_pruned, accuracy_pruned),
    )
    alpha = [slope(x, y) for x, y in zip(balance_dense, balance_pruned, strict=True)]
    support = np.bincount(dense.label, minlength=len(dense.classes))
    hits = np.rint(np.nan_to_num(np.stack([recall_dense, recall_pruned], axis=-1)) * support[:, None])
    return Distortion(
        support=support,
        recall_dense=recall_dense,
        recall_pruned=recall_pruned,
        balance_dense=balance_dense,
        balance_pruned=balance_pruned,
        accuracy_dense=accuracy_dense,
        accuracy_pruned=accuracy_pruned,
        alpha=np.array(alpha),
        moments=moments(dense.label, support, dense_right, pruned_right, hits),
    )


def mean_recall_variance(recall: np.ndarray) -> float | None:
    """Variance over classes (ddof = 1) of one model's recalls, mean over models (recall paper, appendix F).

    Args:
        recall: (S, C); NaN for classes without support.
    """
    rows = [row[~np.isnan(row)] for row in recall]
    variances = [float(np.var(row, ddof=1)) for row in rows if len(row) > 1]
    return mean(variances)
