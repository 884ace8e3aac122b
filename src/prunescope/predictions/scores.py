"""How good each model is, on all examples or on some; and where correctness flips."""

from __future__ import annotations

import re
import string

import numpy as np

from prunescope.predictions.sets import class_sizes, keys
from prunescope.predictions.store import Predictions

#: The score of each task.
METRICS = {
    "single-label": "accuracy",
    "multi-label": "macro_f1",
    "regression": "pearson",
    "tokens": "accuracy",
    "span": "exact_match",
    "text": "exact_match",
}


def macro_f1(label: np.ndarray, prediction: np.ndarray, support: np.ndarray | None = None) -> float:
    """Mean over classes of F1 for sets of either form; a class with neither support nor prediction counts as 0.

    ``support``: (C,) examples of each class; (n, C) sets tell by themselves.
    """
    if support is None:
        support = np.count_nonzero(label, axis=0)
    n_classes = len(support)
    if label.dtype == object:
        common = np.intersect1d(keys(label, n_classes), keys(prediction, n_classes), assume_unique=True)
        hits = np.bincount(common % n_classes, minlength=n_classes)
    else:
        hits = np.count_nonzero(label & prediction, axis=0)
    sizes = support + class_sizes(prediction, n_classes)
    return float(np.mean(2 * hits / np.maximum(sizes, 1))) if len(sizes) else float("nan")


def macro_f1_influence(label: np.ndarray, prediction: np.ndarray, n_classes: int) -> tuple[np.ndarray, float]:
    """(n,) pseudo-values of ``macro_f1``, less their mean: how the score changes without each example (the jackknife).

    With it the squared influence of a single answer that is won or lost, on average over the classes: how far the score
    might move where no answer differs.
    """
    n = len(label)
    sizes = class_sizes(label, n_classes) + class_sizes(prediction, n_classes)
    if label.dtype == object:
        sets = [keys(side, n_classes) for side in (label, prediction)]
        common = np.intersect1d(sets[0], sets[1], assume_unique=True)
        hits = np.bincount(common % n_classes, minlength=n_classes)
    else:
        hits = np.count_nonzero(label & prediction, axis=0)
    score = 2 * hits / np.maximum(sizes, 1)
    # Without an example the class has one label or prediction less, or, where it is a hit, both.
    alone = (score - 2 * hits / np.maximum(sizes - 1, 1)) * (n - 1) / n_classes
    hit = (score - 2 * (hits - 1) / np.maximum(sizes - 2, 1)) * (n - 1) / n_classes - 2 * alone
    found = np.zeros(n)
    if label.dtype == object:
        for weight, pairs in ((hit, common), *((alone, pairs) for pairs in sets)):
            found += np.bincount(pairs // n_classes, weights=weight[pairs % n_classes], minlength=n)
    else:
        for rows in np.array_split(np.arange(n), max(1, label.size >> 22)):
            a, b = label[rows], prediction[rows]
            found[rows] = (a & b) @ hit + a @ alone + b @ alone
    one = (2 - score) * n / (n_classes * np.maximum(sizes, 1))
    return found - found.mean(), float(np.mean(one**2))


def pearson(label: np.ndarray, prediction: np.ndarray) -> float:
    """Pearson's correlation, in float64; NaN where either side does not vary."""
    x, y = (v.astype(np.float64) - np.mean(v, dtype=np.float64) for v in (label, prediction))
    norm = float(np.sqrt(np.dot(x, x) * np.dot(y, y)))
    return float(np.clip(np.dot(x, y) / norm, -1, 1)) if norm > 0 else float("nan")


def score_name(task: str) -> str:
    """What ``scores`` measures: accuracy, macro_f1, pearson or exact_match."""
    return METRICS[task]


def score(task: str, label: np.ndarray, prediction: np.ndarray, n_classes: int) -> float:
    """One model's score on (n,) or (n, C) labels and predictions."""
    side = one_model(task, label, prediction, tuple(map(str, range(n_classes))))
    return float(scores(side, correct(side))[0])


def one_model(task: str, label: np.ndarray, prediction: np.ndarray, classes: tuple[str, ...]) -> Predictions:
    """A single model's (n, ...) labels and predictions as a side of its own."""
    return Predictions(
        task=task,
        classes=classes,
        seeds=np.zeros(1, dtype=np.int64),
        examples=np.arange(len(label)),
        label=label,
        prediction=prediction[None],
        diverged=(),
        meta=None,
        sources=(),
    )


def correct(side: Predictions, tolerance: float = 0.0) -> np.ndarray:
    """(S, n) bool: whether a model gets an example right.

    single-label: the class · multi-label: the exact set · regression: within ``tolerance`` ·
    tokens: every token · text, span: one of the accepted answers, normalized. A harness's own judgement comes first.
    """
    if side.right is not None:
        return side.right
    if side.task == "single-label":
        # Numbers of one size compare ten times as fast, and of the smallest size fastest.
        kind = side.prediction.dtype
        fits = side.label.max(initial=0) <= np.iinfo(kind).max
        return np.asarray(side.prediction == (side.label.astype(kind) if fits else side.label))
    if side.task == "multi-label" and side.label.dtype == object:
        return np.asarray(side.prediction == side.label)
    if side.task == "multi-label":
        label = np.packbits(side.label, axis=1)
        return np.stack([np.all(np.packbits(one, axis=1) == label, axis=1) for one in side.prediction])
    if side.task == "regression":
        return np.abs(side.prediction.astype(np.float64) - side.label.astype(np.float64)) <= tolerance
    if side.task == "tokens":
        return np.array(
            [[np.array_equal(p, t) for p, t in zip(row, side.label, strict=True)] for row in side.prediction],
            dtype=bool,
        )
    answers = [{normalized(answer) for answer in accepted} for accepted in side.label]
    return np.array(
        [
            [normalized(p) in accepted for p, accepted in zip(row, answers, strict=True)]
            for row in side.prediction
        ],
        dtype=bool,
    )


def scores(side: Predictions, right: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """(S,) float64: each model's score on the examples ``where`` holds (all of them by default).

    Accuracy (single-label; of tokens for tokens), macro F1 (multi-label), Pearson's correlation
    (regression), exact match (text, span). NaN where there is nothing to score.

    Args:
        right: (S, n) from ``correct``.
    """
    if where is None:
        where = np.ones(len(side.examples), dtype=bool)
    seeds = len(side.seeds)
    if not where.any():
        return np.full(seeds, np.nan)
    whole = bool(where.all())
    if side.task in ("multi-label", "regression"):
        label = side.label if whole else side.label[where]
        rows = (one if whole else one[where] for one in side.prediction)
        if side.task == "regression":
            return np.array([pearson(label, row) for row in rows])
        support = class_sizes(label, len(side.classes))
        return np.array([macro_f1(label, row, support) for row in rows])
    if side.task == "tokens":
        true = np.concatenate(list(side.label[where]))
        tokens = (np.concatenate(list(one[where])) for one in side.prediction)
        return np.array([np.mean(row == true) if len(true) else np.nan for row in tokens])
    chosen = right if whole else right[:, where]
    return np.count_nonzero(chosen, axis=1) / chosen.shape[1]


def flips(dense_right: np.ndarray, pruned_right: np.ndarray) -> np.ndarray:
    """(S,) int: examples whose correctness changes by pruning, either way."""
    return np.count_nonzero(dense_right != pruned_right, axis=1)


def normalized(text: str) -> str:
    """Lower case, without punctuation, articles and surplus spaces (Rajpurkar et al. 2016)."""
    bare = "".join(mark for mark in text.lower() if mark not in _PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


_PUNCTUATION = frozenset(string.punctuation)
