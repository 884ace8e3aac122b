"""Means, intervals and their verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from prunescope.analysis.spans import Span

Verdict = Literal["<", ">", "?"]

#: alphas that are equal in exact arithmetic differ by less than this, relative to the largest of them. They
#: are slopes over differences of two shares, whose rounding error grows as the shares approach each other:
#: to about 1e-12 with 10,000 examples. Closer together than this, values are one value, not evidence.
ROUNDING = 1e-10


@dataclass(frozen=True)
class Interval:
    """A mean with its t interval; the ends are null with fewer than two values."""

    mean: float | None
    low: float | None
    high: float | None

    def within(self, span: Span) -> Interval:
        """Cut off at what a value can be."""
        if self.low is None or self.high is None:
            return self
        return Interval(self.mean, float(max(self.low, span.low)), float(min(self.high, span.high)))

    @property
    def verdict(self) -> Verdict:
        """``<`` if the whole interval is below 1, ``>`` if above, else ``?`` (recall paper, section 5).

        An end that is 1 but for rounding is not beyond it; neither has an interval without ends a verdict.
        """
        if self.low is None or self.high is None:
            return "?"
        return "<" if self.high < 1 - ROUNDING else ">" if self.low > 1 + ROUNDING else "?"


def mean(values: Sequence[float] | np.ndarray) -> float | None:
    """Mean, exact in the order of the values; null of none."""
    return math.fsum(values) / len(values) if len(values) else None


def std(values: Sequence[float] | np.ndarray) -> float | None:
    """Standard deviation with n - 1 in the denominator; null with fewer than two values."""
    center = mean(values)
    if center is None or len(values) < 2:
        return None
    return math.sqrt(math.fsum((x - center) ** 2 for x in map(float, values)) / (len(values) - 1))


def standard_error(values: Sequence[float] | np.ndarray) -> float | None:
    """Of the mean: standard deviation / √n; null with fewer than two values."""
    spread = std(values)
    return None if spread is None else spread / math.sqrt(len(values))


def t_interval(values: Sequence[float] | np.ndarray, confidence: float) -> Interval:
    """Student's t interval of the mean: mean ± t((1 + confidence) / 2, n - 1) · s / √n."""
    center, spread = mean(values), std(values)
    if center is None or spread is None:
        return Interval(center, None, None)
    from scipy.special import stdtrit

    n = len(values)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * spread / math.sqrt(n)
    return Interval(center, center - half, center + half)


def change_span(
    dense: Sequence[float] | np.ndarray,
    pruned: Sequence[float] | np.ndarray,
    span: Span,
    confidence: float,
    n: float | np.ndarray = math.inf,
) -> Span:
    """What the change from ``dense`` to ``pruned`` can be: no score leaves its span.

    A change to the very end of the span is as large as the true dense score allows, which may lie beyond the measured
    one. So the dense score's own error counts, less what the pruned score surely is away from that end.

    Args:
        dense, pruned: (S,) scores of the models; (S, G) for as many changes, then the ends are (G,).
        n: examples behind them, whose draw counts in the error of the dense score; infinite: the draw does not.
    """
    from scipy.special import ndtri, stdtrit

    before, after = np.asarray(dense, dtype=np.float64), np.asarray(pruned, dtype=np.float64)
    (seeds, *_), start, end = before.shape, before.mean(axis=0), after.mean(axis=0)
    tail = (1 + confidence) / 2
    over_seeds = (
        float(stdtrit(seeds - 1, tail)) ** 2 * before.var(axis=0, ddof=1) / seeds if seeds > 1 else 0.0
    )

    def true(value: np.ndarray, seeds_too: Any = 0.0) -> tuple[Any, Any]:
        """How small and how large the true mean may be: Wilson's interval, which no mean in the span needs wider."""
        reach = span.high - span.low
        if not math.isfinite(reach):
            return value - np.sqrt(seeds_too), value + np.sqrt(seeds_too)
        share, square = (value - span.low) / reach, float(ndtri(tail)) ** 2 / n
        spread = (share * (1 - share) + square / 4) * square / (1 + square) ** 2
        center, half = (share + square / 2) / (1 + square), np.sqrt(spread + seeds_too / reach**2)
        ends = np.minimum(center - half, share), np.maximum(center + half, share)
        return tuple(span.low + reach * np.clip(one, 0.0, 1.0) for one in ends)

    (least, most), (lost, won) = true(start, over_seeds), true(end)
    low = span.low - start - np.maximum(0.0, most - start - (lost - span.low))
    high = span.high - start + np.maximum(0.0, start - least - (span.high - won))
    return Span(low, high)


def t_interval_of_change(
    dense: Sequence[float] | np.ndarray, pruned: Sequence[float] | np.ndarray, confidence: float, span: Span
) -> Interval:
    """``t_interval`` of pruned less dense scores, (S,) paired by seed, within what the change can be."""
    changes = t_interval([b - a for a, b in zip(dense, pruned, strict=True)], confidence)
    return changes.within(change_span(dense, pruned, span, confidence)) if len(dense) > 1 else changes
