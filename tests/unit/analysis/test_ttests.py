"""t-tests, effect sizes and corrections, against formulas written out here and cases worked by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from prunescope.analysis.alpha.slopes import pooled_slope
from prunescope.analysis.ttests import Alternative, bonferroni, holm, independent, noncentrality, paired

pytestmark = pytest.mark.filterwarnings("error")


def t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t by Simpson's rule over its density, after x = tan(u)."""
    u = np.linspace(math.atan(t), math.pi / 2, 200_001)
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    x = np.tan(u[:-1])
    y = np.append(np.exp(log_scale - (df + 1) / 2 * np.log1p(x * x / df)) * (1 + x * x), 0.0)
    if df == 1:
        y[-1] = 1 / math.pi
    h = u[1] - u[0]
    return float(h / 3 * (y[0] + y[-1] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum()))


def p_value(t: float, df: float, alternative: Alternative) -> float:
    if alternative == "two-sided":
        return 2 * t_tail(abs(t), df)
    return t_tail(t if alternative == "greater" else -t, df)


def by_seed(values: np.ndarray) -> dict[int, float]:
    return dict(enumerate(values.tolist()))


@pytest.mark.parametrize("alternative", ["less", "greater", "two-sided"])
@pytest.mark.parametrize("n", [2, 3, 30])
def test_paired_against_the_formula(n: int, alternative: Alternative) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(1.0, 0.1, n), rng.normal(1.05, 0.2, n)
    found = paired(by_seed(a), by_seed(b), alternative, 0.99)
    d = a - b
    t = d.sum() / n / math.sqrt(((d - d.sum() / n) ** 2).sum() / (n - 1) / n)
    assert found.statistic == pytest.approx(t)
    assert found.df == n - 1
    assert found.p_value == pytest.approx(p_value(t, n - 1, alternative), rel=1e-6)
    assert found.difference.mean == pytest.approx(d.mean())
    assert found.size.mean == pytest.approx(d.mean() / d.std(ddof=1))
    assert (found.n_a, found.n_b, found.note) == (n, n, "")


@pytest.mark.parametrize("alternative", ["less", "greater", "two-sided"])
@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("counts", [(2, 2), (5, 3), (30, 28)])
def test_independent_against_the_formula(
    counts: tuple[int, int], equal: bool, alternative: Alternative
) -> None:
    rng = np.random.default_rng(sum(counts))
    a, b = rng.normal(1.2, 0.3, counts[0]), rng.normal(1.0, 0.1, counts[1])
    found = independent(a.tolist(), b.tolist(), alternative, 0.95, equal_variances=equal)
    (n, m), (v, w) = counts, (a.var(ddof=1), b.var(ddof=1))
    pooled = ((n - 1) * v + (m - 1) * w) / (n + m - 2)
    if equal:
        error, df = math.sqrt(pooled * (1 / n + 1 / m)), n + m - 2
    else:
        error = math.sqrt(v / n + w / m)
        df = (v / n + w / m) ** 2 / ((v / n) ** 2 / (n - 1) + (w / m) ** 2 / (m - 1))
    t = (a.mean() - b.mean()) / error
    assert found.statistic == pytest.approx(t)
    assert found.df == pytest.approx(df)
    assert found.p_value == pytest.approx(p_value(t, df, alternative), rel=1e-6)
    # The interval is where a two-sided test at 5 % would turn.
    assert found.difference.high is not None
    half = found.difference.high - (a.mean() - b.mean())
    assert p_value(half / error, df, "two-sided") == pytest.approx(0.05, rel=1e-6)
    k = n + m - 2
    gamma = math.gamma(k / 2) / math.gamma((k - 1) / 2) / math.sqrt(k / 2)
    assert found.size.mean == pytest.approx(gamma * (a.mean() - b.mean()) / math.sqrt(pooled))
    assert (found.n_a, found.n_b) == counts


def test_by_hand() -> None:
    # Differences -1, -2, -3: mean -2, s = 1, t = -2 / (1 / sqrt 3) = -3.4641, 2 degrees of freedom, whose
    # distribution function is 1/2 + t / (2 sqrt(2 + t^2)): p = 1/2 - 3.4641 / (2 sqrt 14) = 0.03709.
    found = paired({0: 1.0, 1: 1.0, 2: 1.0}, {0: 2.0, 1: 3.0, 2: 4.0}, "less", 0.99)
    assert found.statistic == pytest.approx(-math.sqrt(12))
    assert found.p_value == pytest.approx(0.5 - math.sqrt(12) / (2 * math.sqrt(14)))
    assert found.size.mean == pytest.approx(-2)
    # t of 99 % and 2 degrees of freedom is 9.9248.
    assert found.difference.low == pytest.approx(-2 - 9.924843 / math.sqrt(3), rel=1e-6)
    # Means 2 and 5, both variances 1, n = 3: t = -3 / sqrt(2 / 3), 4 degrees of freedom; g is -3 times
    # J(4) = 0.7979.
    other = independent([1, 2, 3], [4, 5, 6], "two-sided", 0.99)
    assert other.statistic == pytest.approx(-3 / math.sqrt(2 / 3))
    assert other.df == pytest.approx(4)
    assert other.p_value == pytest.approx(0.0213, abs=5e-5)
    assert other.size.mean == pytest.approx(-3 * 0.797885, rel=1e-5)


def test_effect_size_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    inside = {"d_z": 0, "hedges_g": 0}
    rounds = 1500
    for _ in range(rounds):
        a, b = rng.normal(0.8, 1, 8), rng.normal(0, 1, 8)
        # True standardized differences: 0.8 / sqrt 2 of paired, 0.8 of independent samples.
        one = paired(by_seed(a), by_seed(b), "two-sided", 0.9).size
        two = independent(a.tolist(), b.tolist(), "two-sided", 0.9).size
        assert one.low is not None
        assert one.high is not None
        assert two.low is not None
        assert two.high is not None
        inside["d_z"] += one.low <= 0.8 / math.sqrt(2) <= one.high
        correction = math.exp(math.lgamma(7) - math.lgamma(6.5)) / math.sqrt(7)
        inside["hedges_g"] += two.low / correction <= 0.8 <= two.high / correction
    # Standard deviation of the share: 0.008.
    assert {name: hits / rounds for name, hits in inside.items()} == pytest.approx(
        {"d_z": 0.9, "hedges_g": 0.9}, abs=0.03
    )


def noncentral_t(t: float, df: float, center: float) -> float:
    """P(T <= t) as the mean of Phi(t s - center) over s = sqrt(chi^2 / df), by Simpson's rule piece by piece."""
    width = 1 / math.sqrt(2 * df)
    marks = {1 + k * width for k in (-12, -6, -3, 0, 3, 6, 12)}
    marks |= {(center + k) / t for k in (-9, -4, 0, 4, 9)} if t else set()
    last = 1 + 20 * width
    inner = sorted(mark for mark in marks if 0 < mark < last)
    scale = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    total = 0.0
    for a, b in zip([0.0, *inner], [*inner, last], strict=True):
        s = np.linspace(a, b, 2001)
        z = t * s - center
        phi = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
        with np.errstate(divide="ignore"):
            logs = scale + (df - 1) * np.log(s) - df * s * s / 2 if df > 1 else scale - df * s * s / 2
        y = phi * np.exp(logs)
        total += float((b - a) / 6000 * (y[0] + y[-1] + 4 * y[1:-1:2].sum() + 2 * y[2:-1:2].sum()))
    return total


@pytest.mark.parametrize("df", [1, 2, 9, 58, 2000])
@pytest.mark.parametrize("t", [0.0, 1e-3, 0.02, 1.0, 30.0, 300.0, 3000.0])
@pytest.mark.parametrize("p", [0.995, 0.5, 0.025])
def test_noncentrality_against_quadrature(df: int, t: float, p: float) -> None:
    center = noncentrality(t, df, p)
    assert noncentral_t(t, df, center) == pytest.approx(p, abs=1e-7)


def test_a_small_t_moves_the_interval() -> None:
    # With many degrees of freedom t is normal around its noncentrality: the ends are t -+ 2.5758.
    for t in (0.001, 0.01):
        for p, sign in ((0.995, -1), (0.005, 1)):
            assert noncentrality(t, 1e7, p) == pytest.approx(t + sign * 2.5758293, abs=1e-5)


def test_sides_exchanged_give_opposite_numbers() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 0.2, 9), rng.normal(1.3, 0.2, 9)
    for one, other in (
        (paired(by_seed(a), by_seed(b), "less", 0.99), paired(by_seed(b), by_seed(a), "greater", 0.99)),
        (independent(a, b, "less", 0.99), independent(b, a, "greater", 0.99)),
    ):
        assert one.p_value == pytest.approx(other.p_value)
        assert one.statistic == pytest.approx(-(other.statistic or 0))
        assert one.size.low == pytest.approx(-(other.size.high or 0))
        assert one.difference.high == pytest.approx(-(other.difference.low or 0))


def test_order_of_seeds_changes_no_digit() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(1, 0.2, 11), rng.normal(1.3, 0.2, 11)
    order = rng.permutation(11)
    shuffled = {int(s): float(a[s]) for s in order}
    assert paired(shuffled, by_seed(b), "less", 0.99) == paired(by_seed(a), by_seed(b), "less", 0.99)
    assert independent(a[order], b, "less", 0.99) == independent(a, b[order], "less", 0.99)


def test_only_seeds_of_both_sides_pair() -> None:
    full = paired({1: 1.0, 2: 1.5, 3: 1.2}, {1: 1.1, 2: 1.2, 3: 1.9}, "less", 0.99)
    gaps = paired({1: 1.0, 2: 1.5, 3: 1.2, 7: 9.0}, {0: -9.0, 1: 1.1, 2: 1.2, 3: 1.9}, "less", 0.99)
    assert gaps == full
    assert gaps.n_a == 3


@pytest.mark.parametrize(
    ("a", "b", "note", "difference"),
    [
        ({}, {0: 1.0}, "fewer than 2 pairs of seeds", None),
        ({0: 1.0}, {0: 1.5}, "fewer than 2 pairs of seeds", -0.5),
        ({0: 1.0, 1: 2.0}, {1: 2.5, 2: 3.0}, "fewer than 2 pairs of seeds", -0.5),
        ({0: 0.5, 1: 0.7, 2: 3.0}, {0: 0.5, 1: 0.7, 2: 3.0}, "the differences do not vary", 0.0),
        # Differences that are alike but for their last digit
        ({0: 1.1, 1: 1.2, 2: 1.3}, {0: 1.0, 1: 1.1, 2: 1.2}, "the differences do not vary", 0.1),
        ({0: 0.0, 1: 0.0}, {0: 0.0, 1: 0.0}, "the differences do not vary", 0.0),
    ],
)
def test_paired_without_a_test(
    a: dict[int, float], b: dict[int, float], note: str, difference: float | None
) -> None:
    found = paired(a, b, "less", 0.99)
    assert (found.statistic, found.df, found.p_value, found.note) == (None, None, None, note)
    assert (found.size.mean, found.difference.low) == (None, None)
    assert found.difference.mean == pytest.approx(difference)


@pytest.mark.parametrize(
    ("a", "b", "note"),
    [
        ([], [], "fewer than 2 seeds on a side"),
        ([1.0], [1.0, 2.0, 3.0], "fewer than 2 seeds on a side"),
        ([0.1 + 0.2, 0.3], [1.0, 1.0, 1.0], "neither side varies"),
    ],
)
def test_independent_without_a_test(a: list[float], b: list[float], note: str) -> None:
    found = independent(a, b, "less", 0.99)
    assert (found.statistic, found.df, found.p_value, found.note) == (None, None, None, note)


def test_one_side_may_stand_still() -> None:
    # Only b varies: t = (1 - 2) / (1 / sqrt 3), n_b - 1 degrees of freedom.
    found = independent([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "less", 0.99)
    assert found.statistic == pytest.approx(-math.sqrt(3))
    assert found.df == pytest.approx(2)
    assert found.p_value == pytest.approx(0.5 - math.sqrt(3) / (2 * math.sqrt(5)))
    mirrored = independent([1.0, 2.0, 3.0], [0.1 + 0.2 + 0.7, 1.0, 1.0, 1.0], "greater", 0.99)
    assert mirrored.p_value == pytest.approx(found.p_value)


def test_an_effect_beyond_bounds_has_no_interval_and_says_so() -> None:
    far = paired({0: 0.0, 1: 1e-9, 2: -1e-9}, {0: 5.0, 1: 5.0, 2: 5.0}, "less", 0.99)
    assert far.p_value is not None
    assert (far.size.low, far.size.high) == (None, None)
    assert "too large" in far.note


def test_corrections_by_hand() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    assert bonferroni(p) == pytest.approx([0.04, 0.16, 0.12, 0.02])
    # Sorted 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1 -> 0.02, 0.03, 0.06, and 0.04 raised to 0.06.
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert bonferroni([0.5, 0.9]) == [1.0, 1.0]
    # A test without outcome counts among those planned.
    assert bonferroni([0.01, None]) == [0.02, None]
    assert holm([None, 0.01, 0.02]) == [None, pytest.approx(0.03), pytest.approx(0.04)]
    assert holm([]) == bonferroni([]) == []


def test_pooled_slope_by_hand() -> None:
    # x y = 2 + 8 = 10 of x x = 5; y y = 4 + 16 = 20: a line, r2 1.
    line = pooled_slope(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0]]))
    assert (line.alpha, line.r2, line.n) == (2, 1, 2)
    # x y = 2 - 1 = 1 of x x = 2: slope 1/2; residuals 3/2 and -3/2, r2 = 1 - 4.5 / 5.
    bent = pooled_slope(np.array([[1.0, np.nan], [-1.0, 3.0]]), np.array([[2.0, 1.0], [1.0, np.nan]]))
    assert (bent.alpha, bent.n) == (0.5, 2)
    assert bent.r2 == pytest.approx(0.1)
    still = pooled_slope(np.zeros(3), np.ones(3))
    assert (still.alpha, still.r2, still.n) == (None, None, 3)
    level = pooled_slope(np.ones(3), np.zeros(3))
    assert (level.alpha, level.r2) == (0, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pooled_slope(np.empty(0), np.empty(0)).alpha is None
