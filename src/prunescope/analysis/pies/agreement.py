"""How far a pruned model keeps single predictions: loyalty, and which way correctness flips."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from prunescope.analysis.stats import mean, std
from prunescope.predictions.scores import normalized
from prunescope.predictions.store import Predictions


@dataclass(frozen=True)
class Loyalty:
    """Share of examples on which two models predict the same (label loyalty, Xu et al. 2021).

    mean, std: pruned and dense model of one seed, over seeds; std is null with one seed.
    between_seeds: two dense models, over all pairs of seeds; null with one seed. Loyalty below
        it is more change than another seed would have brought.
    """

    mean: float
    std: float | None
    between_seeds: float | None


@dataclass(frozen=True)
class Flips:
    """Examples whose correctness flips (Dutta et al. 2024), mean over seeds, and their share of all."""

    to_wrong: float
    to_right: float
    share: float


def loyalty(dense: Predictions, pruned: Predictions) -> Loyalty | None:
    """Of paired sides; None for regression, whose predictions are hardly ever equal.

    Equal are: single-label, the classes · multi-label, the whole sets · tokens, the classes of all
    tokens · text, span: the normalized strings.
    """
    if dense.task == "regression":
        return None
    codes = _codes(dense.task, np.concatenate([dense.prediction, pruned.prediction]))
    first, second = codes[: len(dense.seeds)], codes[len(dense.seeds) :]
    kept = [float(np.mean(a == b)) for a, b in zip(first, second, strict=True)]
    pairs = [float(np.mean(a == b)) for a, b in combinations(first, 2)]
    center = mean(kept)
    assert center is not None
    return Loyalty(center, std(kept), mean(pairs))


def flips_by_direction(dense_right: np.ndarray, pruned_right: np.ndarray) -> Flips:
    """Both arguments (S, n) from ``scores.correct``; the two directions add up to all flips."""
    seeds, n = dense_right.shape
    to_wrong = np.count_nonzero(dense_right & ~pruned_right)
    to_right = np.count_nonzero(~dense_right & pruned_right)
    return Flips(to_wrong / seeds, to_right / seeds, (to_wrong + to_right) / (seeds * n))


def _codes(task: str, prediction: np.ndarray) -> np.ndarray:
    """(S, n) numbers that are equal where the predictions are."""
    if task == "single-label" or (task == "multi-label" and prediction.dtype == object):
        return prediction
    if task == "multi-label":
        seeds, n, _ = prediction.shape
        packed = np.packbits(prediction.reshape(seeds * n, -1), axis=1)
        rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
        return np.unique(rows, return_inverse=True)[1].reshape(seeds, n)
    number: dict[object, int] = {}
    codes = np.empty(prediction.shape, dtype=np.int64)
    for index, value in np.ndenumerate(prediction):
        key = normalized(value) if isinstance(value, str) else tuple(np.asarray(value).tolist())
        codes[index] = number.setdefault(key, len(number))
    return codes
