"""EL2N: how influential an example is early in training (Paul et al. 2021; PIE paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prunescope.analysis.audit_tables import El2nBin
from prunescope.errors import UserError
from prunescope.predictions.sets import yes_no
from prunescope.predictions.store import Predictions, iter_logits

#: Tasks whose outputs are probabilities of classes of a whole example.
TASKS = ("single-label", "multi-label")


def errors(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """L2 norm of (probabilities - label) of each example, (n,) float64.

    Args:
        logits: (n, C). With (n,) int labels, probabilities are a softmax over classes; with (n, C)
            bool labels, sigmoids.
    """
    x = logits.astype(np.float64)
    if label.ndim == 2:
        with np.errstate(over="ignore"):
            x = 1.0 / (1.0 + np.exp(-x))
        x -= label
    else:
        x -= x.max(axis=1, keepdims=True)
        np.exp(x, out=x)
        x /= x.sum(axis=1, keepdims=True)
        x[np.arange(len(x)), label] -= 1.0
    # Summed as numpy.linalg.norm does: ties between examples are then ties for anyone who recomputes them.
    np.square(x, out=x)
    return np.asarray(np.sqrt(x.sum(axis=1)))


def el2n(paths: Sequence[Path], early: Predictions) -> np.ndarray:
    """Mean over seeds of ``errors``, (n,) float64 in the order of ``early.examples``.

    Args:
        paths: prediction tables early in training.
        early: the same tables as read and checked by ``artifacts.read_sides``.

    Raises:
        UserError: a table has no logits, the task has no EL2N, or every seed diverged.
    """
    if early.task not in TASKS:
        raise UserError(f"{paths[0]}: EL2N needs class probabilities, a {early.task} table has none")
    if not len(early.seeds):
        raise UserError(f"{paths[0]}: every seed diverged; EL2N needs one that did not")
    row = {int(seed): i for i, seed in enumerate(early.seeds)}
    scores = np.zeros((len(row), len(early.examples)))
    for seed, examples, logits in iter_logits(paths):
        if seed in row:
            at = np.searchsorted(early.examples, examples)
            scores[row[seed], at] = errors(logits, yes_no(early.label[at], len(early.classes)))
    return np.asarray(scores.mean(axis=0))


def bin_of(scores: np.ndarray, bins: int) -> np.ndarray:
    """Bin of each example, 1 = least influential.

    The example of 0-based rank r of n, by (score, example), is in bin floor(r * bins / n) + 1.
    """
    n = len(scores)
    bin_number = np.empty(n, dtype=np.int64)
    bin_number[np.argsort(scores, kind="stable")] = np.arange(n) * bins // max(1, n) + 1
    return bin_number


def bin_rows(scores: np.ndarray, is_pie: np.ndarray, bins: int) -> list[El2nBin]:
    """Rows of el2n.csv; a bin without examples (more bins than examples) has nulls."""
    number = bin_of(scores, bins)
    rows = []
    for i in range(1, bins + 1):
        inside = number == i
        n, pies = int(inside.sum()), int((inside & is_pie).sum())
        if n:
            held = scores[inside]
            rows.append(El2nBin(i, n, pies, pies / n, float(held.min()), float(held.max())))
        else:
            rows.append(El2nBin(i, 0, 0, None, None, None))
    return rows
