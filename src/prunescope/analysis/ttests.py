"""t-tests of two samples with their effect sizes, and a stated outcome where there is no test.

Recall paper, section 6.2: paired samples where two prunings start from the same dense models,
independent samples otherwise. The p-values are scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from prunescope.analysis.stats import ROUNDING, Interval, mean, std, t_interval

Alternative = Literal["less", "greater", "two-sided"]
Effect = Literal["d_z", "hedges_g"]

#: Beyond it, the noncentral t distribution is no longer computed reliably.
_LARGEST_T = 5000.0


@dataclass(frozen=True)
class TTest:
    """One comparison of a with b; what has no value is None, and ``note`` says why.

    difference: mean of a - b with its two-sided t interval. size: the effect size with its interval
    (``d_z``: Cohen's d of the differences; ``hedges_g``: bias-corrected difference over the pooled
    standard deviation). n_a, n_b: values that entered.
    """

    statistic: float | None
    df: float | None
    p_value: float | None
    difference: Interval
    effect: Effect
    size: Interval
    n_a: int
    n_b: int
    note: str


_NOTHING = Interval(None, None, None)


def paired(
    a: Mapping[int, float], b: Mapping[int, float], alternative: Alternative, confidence: float
) -> TTest:
    """Paired t-test over the seeds that both sides have.

    The interval of Cohen's d_z = mean / standard deviation of the differences is exact under normal
    differences: t = d_z * sqrt(n) is noncentral t with n - 1 degrees of freedom, and the ends are the
    noncentralities that put the observed t at its outer quantiles, over sqrt(n).

    Args:
        a, b: finite values by seed.
        alternative: of the mean of a - b against 0.
        confidence: of both intervals, between 0 and 1.
    """
    seeds = sorted(a.keys() & b.keys())
    first, second = np.array([a[s] for s in seeds]), np.array([b[s] for s in seeds])
    differences = first - second
    n = len(seeds)
    center = mean(differences)
    if n < 2:
        return _untested("d_z", center, (n, n), "fewer than 2 pairs of seeds")
    if _constant(differences, _scale(first, second)):
        return _untested("d_z", center, (n, n), "the differences do not vary")
    from scipy.stats import ttest_rel

    result = ttest_rel(first, second, alternative=alternative)
    size, note = _effect_size(float(result.statistic), n - 1, math.sqrt(n), 1.0, confidence)
    return _tested(result, t_interval(differences, confidence), "d_z", size, (n, n), note)


def independent(
    a: Sequence[float],
    b: Sequence[float],
    alternative: Alternative,
    confidence: float,
    *,
    equal_variances: bool = False,
) -> TTest:
    """Independent-samples t-test: Welch's, or Student's with ``equal_variances``.

    The interval of Hedges' g is that of Cohen's d by inversion of the noncentral t distribution (the
    pooled standard deviation, n_a + n_b - 2 degrees of freedom; exact where variances are equal),
    times the bias correction.

    Args:
        a, b: finite values, in any order.
        alternative: of mean(a) - mean(b) against 0.
        confidence: of both intervals, between 0 and 1.
    """
    first, second = np.sort(np.asarray(a, dtype=float)), np.sort(np.asarray(b, dtype=float))
    counts = (len(first), len(second))
    means = (mean(first), mean(second))
    center = None if means[0] is None or means[1] is None else means[0] - means[1]
    if min(counts) < 2:
        return _untested("hedges_g", center, counts, "fewer than 2 seeds on a side")
    scale = _scale(first, second)
    still = [_constant(values, scale) for values in (first, second)]
    if all(still):
        return _untested("hedges_g", center, counts, "neither side varies")
    from scipy.stats import ttest_ind

    # The test does not change when both sides are moved; around 0, variances of a side that does not
    # vary are exactly 0.
    moved = [np.zeros_like(values) if s else values for values, s in zip((first, second), still, strict=True)]
    if still[0]:
        moved[1] = second - first[0]
    if still[1]:
        moved[0] = first - second[0]
    result = ttest_ind(*moved, alternative=alternative, equal_var=equal_variances)
    both = ttest_ind(*moved, equal_var=equal_variances).confidence_interval(confidence)
    difference = Interval(center, float(both.low), float(both.high))
    degrees = sum(counts) - 2
    spreads = [std(values) or 0.0 for values in moved]
    pooled = math.sqrt(sum((n - 1) * s**2 for n, s in zip(counts, spreads, strict=True)) / degrees)
    root = math.sqrt(counts[0] * counts[1] / sum(counts))
    d = (mean(moved[0]) or 0.0) - (mean(moved[1]) or 0.0)
    size, note = _effect_size(d / pooled * root, degrees, root, _bias_correction(degrees), confidence)
    return _tested(result, difference, "hedges_g", size, counts, note)


def _scale(first: np.ndarray, second: np.ndarray) -> float:
    return float(max(np.abs(first).max(), np.abs(second).max()))


def _constant(values: np.ndarray, scale: float) -> bool:
    # A t statistic of what rounding leaves over would be noise.
    return bool(np.ptp(values) <= ROUNDING * scale)


def _bias_correction(degrees: int) -> float:
    """Hedges' J, exact: Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2))."""
    return math.exp(math.lgamma(degrees / 2) - math.lgamma((degrees - 1) / 2)) / math.sqrt(degrees / 2)


def _effect_size(
    t: float, degrees: int, root: float, correction: float, confidence: float
) -> tuple[Interval, str]:
    """t over ``root``, times ``correction``, with the ends by inversion of the noncentral t distribution."""
    center = t / root * correction
    if abs(t) > _LARGEST_T:
        return Interval(center, None, None), "the effect is too large for an interval"
    tail = (1 - confidence) / 2
    # For a t of at least 0 and mirrored: equal and opposite samples have exactly opposite intervals.
    ends = [noncentrality(abs(t), degrees, p) / root * correction for p in (1 - tail, tail)]
    low, high = ends if t >= 0 else (-ends[1], -ends[0])
    return Interval(center, low, high), ""


def noncentrality(t: float, degrees: float, p: float) -> float:
    """The noncentrality at which P(T <= t) is ``p``, of noncentral t with ``degrees`` degrees of freedom.

    scipy's own inverse, ``nctdtrinc``, answers with that of t = 0 for small t, and its error grows with t: of 3,000 and
    2 degrees of freedom the end of a 95 % interval is off by 5.

    Args:
        t: at least 0, at most 5,000.
    """
    from scipy.optimize import brentq
    from scipy.special import nctdtr, ndtri

    # P(T <= t) falls as the noncentrality grows and is at least P(T <= 0) = Phi(-noncentrality), which is p
    # at -ndtri(p). Far below that, nctdtr has no value.
    low = -float(ndtri(p)) - 0.5
    high, step = low + t + 1.0, 1.0
    while nctdtr(degrees, high, t) > p:
        high, step = high + step, 2 * step
    return float(brentq(lambda center: nctdtr(degrees, center, t) - p, low, high, xtol=1e-12, rtol=1e-14))


def _tested(
    result: Any, difference: Interval, effect: Effect, size: Interval, counts: tuple[int, int], note: str
) -> TTest:
    values = (float(result.statistic), float(result.df), float(result.pvalue))
    return TTest(*values, difference, effect, size, *counts, note)


def _untested(effect: Effect, difference: float | None, counts: tuple[int, int], note: str) -> TTest:
    return TTest(None, None, None, Interval(difference, None, None), effect, _NOTHING, *counts, note)


def bonferroni(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p-value times the number of tests planned, at most 1.

    The recall paper multiplies by the number of rows of a table's column (section 6.2). Tests without
    a p-value (None) count among those planned, so that the correction does not depend on outcomes.
    """
    return [None if p is None else min(1.0, p * len(p_values)) for p in p_values]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979), at most 1.

    The k-th smallest of m p-values is multiplied by m - k + 1 and is not less than the corrected one
    before it. Tests without a p-value (None) count as planned and come last.
    """
    corrected: list[float | None] = [None] * len(p_values)
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    least = 0.0
    for rank, (p, index) in enumerate(known):
        least = max(least, min(1.0, p * (len(p_values) - rank)))
        corrected[index] = least
    return corrected


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Corrected so that of what is below q, a share of at most q is false (Benjamini and Hochberg 1995), at most 1.

    The k-th smallest of m p-values is multiplied by m / k and is not more than the corrected one after it.
    """
    ordered = sorted(range(len(p_values)), key=lambda index: -p_values[index])
    corrected, most = [1.0] * len(p_values), 1.0
    for left, index in enumerate(ordered):
        most = min(most, p_values[index] * len(p_values) / (len(p_values) - left))
        corrected[index] = most
    return corrected
