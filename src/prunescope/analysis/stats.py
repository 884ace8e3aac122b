"""Means, intervals and their verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

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


def t_interval(
    values: Sequence[float] | np.ndarray, confidence: float, low: float = -math.inf, high: float = math.inf
) -> Interval:
    """Student's t interval of the mean: mean ± t((1 + confidence) / 2, n - 1) · s / √n; within ``low``, ``high``."""
    center, spread = mean(values), std(values)
    if center is None or spread is None:
        return Interval(center, None, None)
    from scipy.special import stdtrit

    n = len(values)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * spread / math.sqrt(n)
    return Interval(center, max(low, center - half), min(high, center + half))
