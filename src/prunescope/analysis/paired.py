"""Tests and intervals of paired models: the same examples answered before and after pruning.

The examples are a sample, and so are the seeds where there are several. An interval that looks at one of the two alone
is too narrow; here both count (docs/statistics.md).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from prunescope.analysis.spans import ANY, Span, span_of
from prunescope.analysis.stats import Interval, change_span, mean
from prunescope.predictions.scores import macro_f1_influence, score_name, scores
from prunescope.predictions.store import Predictions
from prunescope.predictions.task_metrics import task_scores
from prunescope.seeds import stream

#: Parts of the examples whose scores tell how far a score that is no mean over examples would vary.
_GROUPS = 20

#: Tasks whose metrics take too long to be computed again without each part: they are computed on each part.
_SLOW = ("tokens", "span", "text")

#: Examples from which a change gets an interval, also with one model a side.
FEWEST = 20


def mcnemar(to_wrong: np.ndarray | int, to_right: np.ndarray | int) -> np.ndarray:
    """Exact two-sided p-values that as many answers become wrong as right (McNemar 1947; the binomial test at 1/2).

    1 where nothing changes.

    >>> f"{mcnemar(33, 2):.1e}"  # 2 * (1 + 35 + 35 * 34 / 2) / 2**35
    '3.7e-08'
    """
    from scipy.special import bdtr

    wrong, right = np.asarray(to_wrong), np.asarray(to_right)
    return np.minimum(1.0, 2 * bdtr(np.minimum(wrong, right), wrong + right, 0.5))


#: Answers that change up to which the test by cluster is exact; of more its normal limit is.
_EXACT = 20_000


def cluster_test(balance: np.ndarray) -> float:
    """Exact two-sided p-value that every cluster's balance, answers to wrong less to right, has either sign alike.

    The distribution of the sum over all ways to flip whole clusters. With one example a cluster it is McNemar's.

    Args:
        balance: (K,) whole numbers.

    >>> cluster_test(np.array([2, 2, 1]))  # 5 of at most 5: 2 of 8 ways
    0.25
    """
    from scipy.special import gammaln, ndtr

    sizes, counts = np.unique(np.abs(balance[balance != 0]), return_counts=True)
    observed, total = abs(int(balance.sum())), int(sizes @ counts)
    if not observed:
        return 1.0
    if total > _EXACT:
        return float(2 * ndtr(-observed / math.sqrt(float(sizes**2 @ counts))))
    chance = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        k = np.arange(count + 1)
        heads = np.zeros(size * count + 1)
        heads[::size] = np.exp(
            gammaln(count + 1) - gammaln(k + 1) - gammaln(count - k + 1) - count * math.log(2)
        )
        chance = np.convolve(chance, heads)
    return min(1.0, float(chance[np.abs(2 * np.arange(total + 1) - total) >= observed].sum()))


def clusters_of(values: np.ndarray) -> np.ndarray:
    """(n,) numbers of clusters, from 0, of any values."""
    return np.asarray(np.unique(values, return_inverse=True)[1])


def harm_tests(
    to_wrong: np.ndarray,
    to_right: np.ndarray,
    of: np.ndarray,
    n_groups: int,
    clusters: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """By group of examples: (G,) how many answers become wrong, and right, and p-values that neither is more frequent.

    Args:
        to_wrong, to_right: (n,) bool. of: (n,) groups. clusters: (n,) what examples are drawn together, if any.
    """
    wrong, right = (np.bincount(of[side], minlength=n_groups) for side in (to_wrong, to_right))
    if clusters is None:
        return wrong, right, [float(p) for p in mcnemar(wrong, right)]
    p_values = []
    balance = to_wrong.astype(np.int64) - to_right
    changed = np.flatnonzero(balance)
    changed = changed[np.argsort(of[changed], kind="stable")]
    for members in np.split(changed, np.cumsum(np.bincount(of[changed], minlength=n_groups))[:-1]):
        sums = np.bincount(clusters_of(clusters[members]), weights=balance[members])
        p_values.append(cluster_test(np.rint(sums).astype(np.int64)))
    return wrong, right, p_values


def majority(right: np.ndarray) -> np.ndarray:
    """(n,) bool: right in more than half of the seeds, of (S, n)."""
    return np.asarray(2 * np.count_nonzero(right, axis=0) > len(right))


@dataclass(frozen=True)
class Crossed:
    """The mean of (S, n) values of seeds and examples, its variance, and the degrees of freedom of that."""

    mean: float
    variance: float
    freedom: float

    def interval(self, confidence: float, span: Span = ANY) -> Interval:
        """Student's t interval, cut off at what a value can be."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.freedom, (1 + confidence) / 2)) * math.sqrt(self.variance)
        return Interval(self.mean, self.mean - half, self.mean + half).within(span)

    @property
    def detectable(self) -> float | None:
        """The mean that a two-sided test at 5 % would find in about 80 % of samples with this variance."""
        from scipy.special import stdtrit

        if not self.variance > 0:
            return None
        quantiles = stdtrit(self.freedom, 0.975) + stdtrit(self.freedom, 0.8)
        return float(quantiles) * math.sqrt(self.variance)

    @property
    def p_value(self) -> float:
        """Two-sided, that the mean is 0; 1 where nothing varies around 0."""
        from scipy.special import stdtr

        if self.variance > 0:
            return float(2 * stdtr(self.freedom, -abs(self.mean) / math.sqrt(self.variance)))
        return 1.0 if self.mean == 0 else 0.0


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


def by_cluster(values: np.ndarray, clusters: np.ndarray, spare: int = 0) -> Crossed:
    """``crossed`` of (S, n) values where examples are drawn in clusters: these count as the examples do there.

    A cluster stands for the sum of its values less what the mean expects of its size (the linearized ratio estimator).

    Args:
        clusters: (n,) from 0. spare: further examples that are 0 in the sum of all.
    """
    n, sizes = values.shape[1] + spare, np.bincount(clusters)
    sums = np.stack([np.bincount(clusters, weights=row, minlength=len(sizes)) for row in values])
    change = float(sums.sum()) / (len(values) * n)
    return of_pseudo_values(change, change + len(sizes) / n * (sums - change * sizes))


def of_outcomes(dense: np.ndarray, pruned: np.ndarray, clusters: np.ndarray | None = None) -> Crossed:
    """Of the change of the share of right answers, (S, n) bool each; ``clusters`` as in ``by_cluster``.

    One example that every pair of models gets wrong and one that every pair gets right by pruning are added, so that no
    interval is empty and small samples keep their level (Bonett and Price 2012; with one seed it is theirs).
    """
    seeds, n = dense.shape
    if clusters is not None:
        found = by_cluster(pruned.astype(np.float32) - dense, clusters, spare=2)
        return replace(found, variance=found.variance + 2 / (n + 2) ** 2)
    kind = np.int8 if seeds < 128 else np.int16
    difference = pruned.sum(axis=0, dtype=kind) - dense.sum(axis=0, dtype=kind)
    by_example = np.append(difference / seeds, [1.0, -1.0])
    by_seed = (np.count_nonzero(pruned, axis=1) - np.count_nonzero(dense, axis=1)) / (n + 2)
    return crossed(by_example, by_seed, float(np.count_nonzero(dense != pruned)) + 2 * seeds)


def difference_by_cluster(values: np.ndarray, inside: np.ndarray, clusters: np.ndarray) -> Crossed:
    """Mean of the (n,) values inside a group less that outside, its variance that between clusters (CR1).

    Each cluster's sum of deviations from the mean of its side, over the side's size, squared (Liang and Zeger,
    Longitudinal data analysis using generalized linear models, Biometrika 73, 1986).
    """
    means = [float(values[side].mean()) for side in (inside, ~inside)]
    share = np.where(inside, 1 / np.count_nonzero(inside), -1 / np.count_nonzero(~inside))
    sums = np.bincount(clusters, weights=share * (values - np.where(inside, *means)))
    count = len(sums)
    variance = float(sums @ sums) * count / (count - 1) if count > 1 else 0.0
    return Crossed(means[0] - means[1], variance, max(1, count - 1))


def of_pseudo_values(change: float, values: np.ndarray) -> Crossed:
    """Of the change of any score, from (S, G) pseudo-values of G parts of the examples."""
    found = crossed(values.mean(axis=0), values.mean(axis=1), float((values * values).sum()))
    return Crossed(change, found.variance, found.freedom)


@dataclass(frozen=True)
class Changes:
    """Changes of scores from paired sides, with intervals over seeds and examples.

    right: (S, n) bool of dense and pruned models, from ``scores.correct``. tolerance: as it was given there. clusters:
    (n,) what examples are drawn together, if any. tested: give the p-value that belongs to the interval, too.
    """

    dense: Predictions
    pruned: Predictions
    right: tuple[np.ndarray, np.ndarray]
    confidence: float
    tolerance: float = 0.0
    clusters: np.ndarray | None = None
    tested: bool = False

    def of_score(
        self, before: np.ndarray, after: np.ndarray, where: np.ndarray | None = None
    ) -> dict[str, Any] | None:
        """The change of the task's score, (S,) dense and pruned, on the examples ``where`` holds; None without one."""
        name = score_name(self.dense.task)
        if self.dense.task in ("single-label", "span", "text"):
            # The share of right answers.
            if where is not None and not where.any():
                return None
            chosen = slice(None) if where is None else where
            dense, pruned = (side[:, chosen] for side in self.right)
            clusters = None if self.clusters is None else clusters_of(self.clusters[chosen])
            if clusters is not None and not clusters.any():
                # One cluster says nothing of others.
                return self._entry(name, before, after, where, lambda: None)
            return self._entry(name, before, after, where, lambda: of_outcomes(dense, pruned, clusters))

        if name == "macro_f1":
            return self._entry(name, before, after, where, lambda: self._of_macro_f1(before, after, where))

        def measure(side: Predictions, chosen: np.ndarray) -> np.ndarray:
            return scores(side, self._right(side), chosen)

        return self._by_parts(name, before, after, measure, where)

    def of_metric(
        self, name: str, parts: Any, before: np.ndarray, after: np.ndarray, where: np.ndarray | None = None
    ) -> dict[str, Any] | None:
        """The same of one of the data set's own metrics."""
        if name in ("accuracy", "exact_match", "macro_f1") and self.dense.task != "tokens":
            return self.of_score(before, after, where)

        def measure(side: Predictions, chosen: np.ndarray) -> np.ndarray:
            return task_scores(side, [name], parts, chosen)[name]

        return self._by_parts(name, before, after, measure, where)

    def _right(self, side: Predictions) -> np.ndarray:
        return self.right[0] if side is self.dense else self.right[1]

    def _of_macro_f1(self, before: np.ndarray, after: np.ndarray, where: np.ndarray | None) -> Crossed | None:
        """By the influence of every example, as ``of_outcomes`` by the outcomes themselves."""
        chosen = slice(None) if where is None else where
        label, n_classes = self.dense.label[chosen], len(self.dense.classes)
        sides = [
            [macro_f1_influence(label, row[chosen], n_classes) for row in side.prediction]
            for side in (self.dense, self.pruned)
        ]
        n = len(label)
        clusters = None if self.clusters is None else clusters_of(self.clusters[chosen])
        if n < 2 or (clusters is not None and not clusters.any()):
            return None
        # Influences have mean 0: the models' own scores say how seeds differ.
        values = np.stack([b - a for (a, _), (b, _) in zip(*sides, strict=True)])
        values += (after - before)[:, None]
        spare = float(np.mean([square for side in sides for _, square in side]))
        change = float(np.mean(after - before))
        found = of_pseudo_values(change, values) if clusters is None else by_cluster(values, clusters)
        return replace(found, variance=found.variance + 2 * spare / n**2)

    def _by_parts(
        self,
        name: str,
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
            drawn = np.arange(len(members)) if self.clusters is None else clusters_of(self.clusters[members])
            n_drawn = int(drawn.max()) + 1
            count = min(_GROUPS, n_drawn)
            if count < 2:
                return None
            rng = np.random.default_rng(stream(0, "resample", "parts", n_drawn))
            group = (rng.permutation(n_drawn) % count)[drawn]
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
            if not np.isfinite(pseudo).all():
                return None
            spread = of_pseudo_values(change, pseudo)
            # As `of_outcomes`: one answer won and one lost, so that no interval is empty.
            spare = 2 / (len(members) + 2) ** 2 if self.dense.task == "single-label" else 0.0
            return replace(spread, variance=spread.variance + spare)

        return self._entry(name, before, after, where, found)

    def _entry(
        self,
        name: str,
        before: np.ndarray,
        after: np.ndarray,
        where: np.ndarray | None,
        found: Callable[[], Crossed | None],
    ) -> dict[str, Any] | None:
        differences = after - before
        both = np.isfinite(differences)
        known = differences[both]
        if not len(known):
            return None
        result, interval = found(), Interval(None, None, None)
        if result:
            # Examples that were chosen by their answers are no sample: what they scored is what they can lose.
            n = math.inf
            if where is None:
                drawn = self.dense.examples if self.clusters is None else np.unique(self.clusters)
                n = len(drawn)
            span = change_span(before[both], after[both], span_of(name), self.confidence, n)
            interval = result.interval(self.confidence, span)
        return {
            "mean": mean(known),
            "ci_low": interval.low,
            "ci_high": interval.high,
            "confidence": self.confidence,
            "n_seeds": len(known),
            "detectable": result.detectable if result else None,
            **({"p_value": result.p_value if result else None} if self.tested else {}),
        }
