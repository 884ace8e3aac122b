"""Tests and intervals of paired models: the same examples answered before and after pruning.

The examples are a sample, and so are the seeds where there are several. An interval that looks at one of the two alone
is too narrow; here both count (docs/statistics.md).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunescope.analysis.stats import Interval, mean
from prunescope.predictions.scores import scores
from prunescope.predictions.store import Predictions
from prunescope.predictions.task_metrics import task_scores
from prunescope.seeds import stream

#: Parts of the examples whose scores tell how far a score that is no mean over examples would vary.
_GROUPS = 20

#: Tasks whose metrics take too long to be computed again without each part: they are computed on each part.
_SLOW = ("tokens", "span", "text")

#: Examples from which a change gets an interval, also with one model a side.
FEWEST = 20

#: Quantiles of the normal distribution for a test at 5 %, two-sided, that finds a change in 80 % of samples.
_FOUND = 1.959964 + 0.841621


def mcnemar(to_wrong: np.ndarray | int, to_right: np.ndarray | int) -> np.ndarray:
    """Exact two-sided p-values that as many answers become wrong as right (McNemar 1947; the binomial test at 1/2).

    1 where nothing changes.

    >>> f"{mcnemar(33, 2):.1e}"  # 2 * (1 + 35 + 35 * 34 / 2) / 2**35
    '3.7e-08'
    """
    from scipy.special import bdtr

    wrong, right = np.asarray(to_wrong), np.asarray(to_right)
    return np.minimum(1.0, 2 * bdtr(np.minimum(wrong, right), wrong + right, 0.5))


def majority(right: np.ndarray) -> np.ndarray:
    """(n,) bool: right in more than half of the seeds, of (S, n)."""
    return np.asarray(2 * np.count_nonzero(right, axis=0) > len(right))


@dataclass(frozen=True)
class Crossed:
    """The mean of (S, n) values of seeds and examples, its variance, and the degrees of freedom of that."""

    mean: float
    variance: float
    freedom: float

    def interval(self, confidence: float, low: float = -math.inf, high: float = math.inf) -> Interval:
        """Student's t interval, cut off at what a value can be."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.freedom, (1 + confidence) / 2)) * math.sqrt(self.variance)
        return Interval(self.mean, max(low, self.mean - half), min(high, self.mean + half))


def crossed(by_example: np.ndarray, by_seed: np.ndarray, squares: float) -> Crossed:
    """Two-way analysis of variance, seeds by examples, both drawn at random (Owen, The pigeonhole bootstrap, 2007).

    var = var over examples + var over seeds - var of what is neither's alone, which both of them hold; at least that
    over examples. Degrees of freedom after Satterthwaite (1946). One seed says nothing of others: examples alone count.

    Args:
        by_example: (n,) means over seeds. by_seed: (S,) means over examples. squares: the sum of all squared values.
    """
    n, seeds = len(by_example), len(by_seed)
    center = float(np.mean(by_example))
    examples = float(np.var(by_example, ddof=1)) / n
    if seeds == 1:
        return Crossed(center, examples, n - 1)
    models = float(np.var(by_seed, ddof=1)) / seeds
    rest = (
        squares
        - seeds * float(by_example @ by_example)
        - n * float(by_seed @ by_seed)
        + seeds * n * center**2
    )
    both = max(0.0, rest) / ((seeds - 1) * (n - 1) * seeds * n)
    variance = examples + max(0.0, models - both)
    parts = models**2 / (seeds - 1) + examples**2 / (n - 1)
    return Crossed(center, variance, variance**2 / parts if parts > 0 else n - 1)


def of_outcomes(dense: np.ndarray, pruned: np.ndarray) -> Crossed:
    """Of the change of the share of right answers, (S, n) bool each.

    One example that every pair of models gets wrong and one that every pair gets right by pruning are added, so that no
    interval is empty and small samples keep their level (Bonett and Price 2012; with one seed it is theirs).
    """
    seeds, n = dense.shape
    kind = np.int8 if seeds < 128 else np.int16
    difference = pruned.sum(axis=0, dtype=kind) - dense.sum(axis=0, dtype=kind)
    by_example = np.append(difference / seeds, [1.0, -1.0])
    by_seed = (np.count_nonzero(pruned, axis=1) - np.count_nonzero(dense, axis=1)) / (n + 2)
    return crossed(by_example, by_seed, float(np.count_nonzero(dense != pruned)) + 2 * seeds)


def of_pseudo_values(change: float, values: np.ndarray) -> Crossed:
    """Of the change of any score, from (S, G) pseudo-values of G parts of the examples."""
    found = crossed(values.mean(axis=0), values.mean(axis=1), float((values * values).sum()))
    return Crossed(change, found.variance, found.freedom)


@dataclass(frozen=True)
class Changes:
    """Changes of scores from paired sides, with intervals over seeds and examples.

    right: (S, n) bool of dense and pruned models, from ``scores.correct``. tolerance: as it was given there.
    """

    dense: Predictions
    pruned: Predictions
    right: tuple[np.ndarray, np.ndarray]
    confidence: float
    tolerance: float = 0.0

    def of_score(
        self, before: np.ndarray, after: np.ndarray, where: np.ndarray | None = None
    ) -> dict[str, Any] | None:
        """The change of the task's score, (S,) dense and pruned, on the examples ``where`` holds; None without one."""
        if self.dense.task in ("single-label", "span", "text"):
            # The share of right answers.
            if where is not None and not where.any():
                return None
            dense, pruned = self.right if where is None else (side[:, where] for side in self.right)
            return self._entry(before, after, lambda: of_outcomes(dense, pruned))

        def measure(side: Predictions, chosen: np.ndarray) -> np.ndarray:
            return scores(side, self._right(side), chosen)

        return self._by_parts(before, after, measure, where)

    def of_metric(
        self, name: str, parts: Any, before: np.ndarray, after: np.ndarray, where: np.ndarray | None = None
    ) -> dict[str, Any] | None:
        """The same of one of the data set's own metrics."""
        if name in ("accuracy", "exact_match") and self.dense.task != "tokens":
            return self.of_score(before, after, where)

        def measure(side: Predictions, chosen: np.ndarray) -> np.ndarray:
            return task_scores(side, [name], parts, chosen)[name]

        return self._by_parts(before, after, measure, where)

    def _right(self, side: Predictions) -> np.ndarray:
        return self.right[0] if side is self.dense else self.right[1]

    def _by_parts(
        self,
        before: np.ndarray,
        after: np.ndarray,
        measure: Callable[[Predictions, np.ndarray], np.ndarray],
        where: np.ndarray | None,
    ) -> dict[str, Any] | None:
        n = len(self.dense.examples)
        members = np.arange(n) if where is None else np.flatnonzero(where)
        known = np.isfinite(after - before)
        change = float(np.mean((after - before)[known])) if known.any() else math.nan
        if not known.any():
            return None

        def found() -> Crossed | None:
            count = min(_GROUPS, len(members))
            if count < 2:
                return None
            group = (
                np.random.default_rng(stream(0, "resample", "parts", len(members))).permutation(len(members))
                % count
            )
            values = []
            for g in range(count):
                chosen = np.zeros(n, dtype=bool)
                slow = self.dense.task in _SLOW
                chosen[members[(group == g) == slow]] = True
                with warnings.catch_warnings():
                    # A part may hold a single class, which some metrics warn of.
                    warnings.simplefilter("ignore")
                    part = measure(self.pruned, chosen) - measure(self.dense, chosen)
                values.append(part if slow else count * (after - before) - (count - 1) * part)
            pseudo = np.stack(values, axis=1)[known]
            return of_pseudo_values(change, pseudo) if np.isfinite(pseudo).all() else None

        return self._entry(before, after, found)

    def _entry(
        self, before: np.ndarray, after: np.ndarray, found: Callable[[], Crossed | None]
    ) -> dict[str, Any] | None:
        differences = after - before
        known = differences[np.isfinite(differences)]
        if not len(known):
            return None
        result = found()
        reach = 2.0 if self.dense.task == "regression" else 1.0
        interval = result.interval(self.confidence, -reach, reach) if result else Interval(None, None, None)
        return {
            "mean": mean(known),
            "ci_low": interval.low,
            "ci_high": interval.high,
            "confidence": self.confidence,
            "n_seeds": len(known),
            "detectable": _FOUND * math.sqrt(result.variance) if result and result.variance > 0 else None,
        }
