"""Paired tests and intervals: golden values, other implementations, simulations."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from prunescope.analysis.paired import (
    Changes,
    Crossed,
    by_cluster,
    cluster_test,
    clusters_of,
    crossed,
    difference_by_cluster,
    harm_tests,
    mcnemar,
    of_outcomes,
)
from prunescope.analysis.pies.classes import fisher
from prunescope.analysis.spans import SHARE
from prunescope.analysis.stats import change_span
from prunescope.analysis.ttests import benjamini_hochberg
from prunescope.predictions.scores import correct, macro_f1, macro_f1_influence, one_model, scores
from prunescope.predictions.sets import packed
from prunescope.predictions.store import Predictions


def test_the_issues_case() -> None:
    """500 examples, 33 to wrong, 2 to right: 2 * (1 + 35 + 595) / 2^35."""
    assert float(mcnemar(33, 2)) == pytest.approx(2 * 631 / 2**35, rel=1e-12)
    assert f"{float(mcnemar(33, 2)):.0e}" == "4e-08"


def test_mcnemar_is_the_binomial_test() -> None:
    cases = [(0, 0), (1, 0), (5, 5), (31, 31), (7, 2), (100, 140)]
    found = mcnemar(*np.array(cases).T)
    for p, (wrong, right) in zip(found, cases, strict=True):
        expected = stats.binomtest(wrong, wrong + right).pvalue if wrong + right else 1.0
        assert p == pytest.approx(expected)


@pytest.mark.parametrize(
    "case", [(3, 4, 4, 8), (0, 5, 7, 40), (31, 428, 62, 872), (6, 6, 6, 12), (2, 30, 3, 40)]
)
def test_fisher_is_scipys(case: tuple[int, int, int, int]) -> None:
    both, first, second, of = case
    table = [[both, first - both], [second - both, of - first - second + both]]
    assert fisher(*case) == pytest.approx(stats.fisher_exact(table).pvalue)


def test_benjamini_hochberg_is_scipys() -> None:
    p_values = np.random.default_rng(0).uniform(size=17) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p_values.tolist()), stats.false_discovery_control(p_values))


def test_one_pair_has_bonetts_and_prices_interval() -> None:
    """40 examples, 6 to wrong, 1 to right: p = 7 / 42, q = 2 / 42, var = (p + q - (p - q)^2) / 41 (t for z)."""
    dense, pruned = np.ones((1, 40), bool), np.ones((1, 40), bool)
    pruned[0, :6] = False
    dense[0, 6] = False
    found = of_outcomes(dense, pruned)
    assert found.mean == pytest.approx(-5 / 42)
    assert found.variance == pytest.approx((9 / 42 - (5 / 42) ** 2) / 41)
    assert found.freedom == 41


def test_two_ways_are_those_of_analysis_of_variance() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 30)) + rng.normal(size=(4, 1)) + rng.normal(size=30)
    found = crossed(values.mean(axis=0), values.mean(axis=1), float((values**2).sum()))
    rows, columns = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    rest = ((values - rows - columns + values.mean()) ** 2).sum() / (3 * 29)
    examples, seeds = columns.var(ddof=1) / 30, rows.var(ddof=1) / 4
    assert found.variance == pytest.approx(examples + max(0, seeds - rest / 120))


def test_interval_covers_what_seeds_and_examples_vary() -> None:
    """Half of the difficulty is shared by ten seeds: an interval over seeds alone is too narrow."""
    rng = np.random.default_rng(2)
    covered = alone = 0
    for _ in range(400):
        ease = np.sqrt(0.5) * rng.standard_normal(200) + np.sqrt(0.5) * rng.standard_normal((10, 200))
        dense, pruned = np.abs(ease) < 1.6, np.abs(ease - 0.3) < 1.6
        true = np.diff(stats.norm.cdf([-1.3, 1.9]))[0] - np.diff(stats.norm.cdf([-1.6, 1.6]))[0]
        interval = of_outcomes(dense, pruned).interval(0.95)
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= true <= interval.high
        over_seeds = stats.ttest_1samp(pruned.mean(axis=1) - dense.mean(axis=1), true).pvalue
        alone += over_seeds > 0.05
    assert covered >= 370
    assert alone < 365


@pytest.mark.parametrize(
    ("dense", "pruned", "n"),
    [(0.95, 0.0, 36), (0.97, 0.01, 36), (0.9, 0.1, 100), (0.5, 1.0, 20), (0.97, 0.99, 60), (0.97, 1.0, 60)],
)
@pytest.mark.parametrize("seeds", [1, 4])
def test_what_a_change_can_be_holds_the_true_change(dense: float, pruned: float, n: int, seeds: int) -> None:
    """Also where a class is lost altogether: the measured dense score may be below the true one."""
    rng = np.random.default_rng(6)
    before, after = (rng.binomial(n, share, (seeds, 4000)) / n for share in (dense, pruned))
    span = change_span(before, after, SHARE, 0.99, n)
    beyond = (span.low > pruned - dense + 1e-12) | (span.high < pruned - dense - 1e-12)
    assert beyond.mean() < 0.01
    change = (after - before).mean(axis=0)
    assert (span.low <= change + 1e-12).all()
    assert (change <= span.high + 1e-12).all()
    # Away from the ends of the span the measured score is the limit.
    assert change_span([0.945, 0.945], [0.2, 0.9], SHARE, 0.99, 361) == pytest.approx((-0.945, 0.055))


def sides(task: str, seeds: int, n: int) -> tuple[Predictions, Predictions]:
    rng = np.random.default_rng(3)
    if task == "multi-label":
        label = rng.random((n, 5)) < 0.4
        made = [label ^ (rng.random((seeds, n, 5)) < noise) for noise in (0.1, 0.2)]
    elif task == "regression":
        label = rng.normal(size=n).astype(np.float32)
        made = [(label + noise * rng.normal(size=(seeds, n))).astype(np.float32) for noise in (0.3, 0.8)]
    else:
        label = rng.integers(0, 5, n).astype(np.int32)
        made = [np.where(rng.random((seeds, n)) < noise, (label + 1) % 5, label) for noise in (0.1, 0.2)]
    base = one_model(task, label, made[0][0], tuple("abcde"))
    dense, pruned = (replace(base, seeds=np.arange(seeds), prediction=one) for one in made)
    return dense, pruned


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("task", ["single-label", "multi-label", "regression"])
def test_a_change_has_a_bounded_interval_from_twenty_examples_on(task: str, seeds: int) -> None:
    dense, pruned = sides(task, seeds, 20)
    right = correct(dense, 0.1), correct(pruned, 0.1)
    before, after = scores(dense, right[0]), scores(pruned, right[1])
    found = Changes(dense, pruned, right, 0.99).of_score(before, after)
    assert found is not None
    assert found["mean"] == pytest.approx(float(np.mean(after - before)))
    reach = 2 if task == "regression" else 1
    assert -reach <= found["ci_low"] <= found["mean"] <= found["ci_high"] <= reach
    # Of chosen examples, of which one side is right or both, what one model scored is what it can lose.
    if task == "single-label" and seeds == 1:
        chosen = right[0][0] != right[1][0]
        ends = [float(side[:, chosen].mean()) for side in right]
        on_them = Changes(dense, pruned, right, 0.99).of_score(*map(np.atleast_1d, ends), chosen)
        assert on_them is not None
        assert -ends[0] - 1e-9 <= on_them["ci_low"] <= on_them["ci_high"] <= 1 - ends[0] + 1e-9


def test_macro_f1_varies_as_its_resamples_do() -> None:
    dense, pruned = sides("multi-label", 1, 400)
    right = correct(dense), correct(pruned)
    before, after = scores(dense, right[0]), scores(pruned, right[1])
    found = Changes(dense, pruned, right, 0.95).of_score(before, after)
    assert found is not None
    rng = np.random.default_rng(4)
    drawn = []
    for _ in range(300):
        at = rng.integers(0, 400, 400)
        parts = [
            replace(side, label=side.label[at], prediction=side.prediction[:, at]) for side in (dense, pruned)
        ]
        drawn.append(float(np.diff([scores(part, correct(part))[0] for part in parts])[0]))
    assert found["detectable"] / 2.8 == pytest.approx(np.std(drawn), rel=0.1)
    # One example a cluster is no cluster, and models that never differ might.
    alone = Changes(dense, pruned, right, 0.95, clusters=np.arange(400)).of_score(before, after)
    assert alone is not None
    assert alone["ci_low"] == pytest.approx(found["ci_low"], rel=1e-6)
    same = Changes(dense, dense, (right[0], right[0]), 0.95).of_score(before, before)
    assert same is not None
    assert 0 < same["ci_high"] < found["ci_high"] - found["ci_low"]


def test_pseudo_values_of_macro_f1_leave_out_each_example() -> None:
    rng = np.random.default_rng(0)
    label = rng.random((30, 6)) < 0.2
    made = label ^ (rng.random((30, 6)) < 0.2)
    whole = macro_f1(label, made)
    left = [29 * (whole - macro_f1(np.delete(label, i, 0), np.delete(made, i, 0))) for i in range(30)]
    found, spare = macro_f1_influence(label, made, 6)
    assert found == pytest.approx(left - np.mean(left))
    sets = [packed(rows, classes, 30) for rows, classes in map(np.nonzero, (label, made))]
    of_sets, the_same = macro_f1_influence(sets[0], sets[1], 6)
    assert of_sets == pytest.approx(found)
    assert the_same == pytest.approx(spare)


def test_the_test_by_cluster_counts_every_way_to_flip_clusters() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        balance = rng.integers(-4, 5, 9)
        signs = np.array(list(itertools.product((-1, 1), repeat=9)))
        expected = np.mean(np.abs(signs @ np.abs(balance)) >= abs(balance.sum()))
        assert cluster_test(balance) == pytest.approx(expected, rel=1e-9)
    assert cluster_test(np.zeros(3, int)) == 1


def test_clusters_of_one_example_are_mcnemars() -> None:
    for wrong, right in ((33, 2), (0, 0), (31, 31), (700, 600)):
        balance = np.repeat([1, -1, 0], [wrong, right, 5])
        assert cluster_test(balance) == pytest.approx(float(mcnemar(wrong, right)), rel=1e-9)
    # Beyond the exact test: the normal limit.
    many = np.repeat([1, -1], [10_300, 10_000])
    assert cluster_test(many) == pytest.approx(float(mcnemar(10_300, 10_000)), rel=0.05)


def test_tests_by_group_and_cluster() -> None:
    to_wrong = np.array([1, 1, 0, 1, 0, 0], bool)
    to_right = np.array([0, 0, 1, 0, 0, 0], bool)
    wrong, right, p = harm_tests(
        to_wrong, to_right, np.array([0, 0, 0, 1, 1, 2]), 3, np.array([7, 7, 5, 7, 5, 5])
    )
    assert (wrong.tolist(), right.tolist()) == ([2, 1, 0], [1, 0, 0])
    # Clusters of +2 and -1: |sum| is 1 or 3, always at least 1.
    assert p == [1.0, 1.0, 1.0]


def test_clusters_of_one_example_leave_intervals_as_they_are() -> None:
    rng = np.random.default_rng(3)
    dense, pruned = rng.random((2, 3, 400)) < 0.7
    alone, clustered = of_outcomes(dense, pruned), of_outcomes(dense, pruned, np.arange(400))
    assert clustered.mean == pytest.approx(alone.mean)
    assert clustered.variance == pytest.approx(alone.variance, rel=0.01)
    values = rng.normal(size=(2, 50))
    plain = crossed(values.mean(axis=0), values.mean(axis=1), float((values**2).sum()))
    assert vars(by_cluster(values, np.arange(50))) == pytest.approx(vars(plain))


def clustered_flips(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """80 clusters of 1 to 12 examples whose answers turn together, to wrong as often as to right: no harm is there."""
    clusters = np.repeat(np.arange(80), rng.integers(1, 13, 80))
    way = rng.choice([0, 1, -1], 80, p=[0.7, 0.15, 0.15])[clusters]
    way[rng.random(len(way)) < 0.1] = 0
    dense = np.where(way == 0, rng.random(len(way)) < 0.8, way > 0)
    return clusters, dense, np.where(way == 0, dense, way < 0)


def test_clusters_that_turn_together_mislead_only_who_counts_examples() -> None:
    """Without harm McNemar's test at 1 % errs far more often, the test by cluster does not; so do the intervals."""
    rng = np.random.default_rng(4)
    refused, missed = np.zeros(2), np.zeros(2)
    runs = 1_000
    for _ in range(runs):
        clusters, dense, pruned = clustered_flips(rng)
        for k, known in enumerate((None, clusters)):
            everything = np.zeros(len(dense), int)
            (p,) = harm_tests(dense & ~pruned, ~dense & pruned, everything, 1, known)[2]
            refused[k] += p < 0.01
            interval = of_outcomes(dense[None], pruned[None], known).interval(0.99)
            assert interval.low is not None
            assert interval.high is not None
            missed[k] += not interval.low <= 0 <= interval.high
    assert refused[0] / runs > 0.1
    assert missed[0] / runs > 0.1
    # 1 % due; 1.9 % is three standard errors more.
    assert refused[1] / runs <= 0.019
    assert missed[1] / runs <= 0.02


def test_seeds_and_clusters_both_count() -> None:
    """Coverage of the 99 % interval where clusters share what pruning does, and seeds differ too."""
    rng = np.random.default_rng(5)
    missed, runs = 0, 400
    for _ in range(runs):
        clusters = np.repeat(np.arange(60), rng.integers(1, 9, 60))
        chance = 0.7 + 0.2 * rng.choice([-1, 1], 60)[clusters] + rng.normal(0, 0.02, (6, 1))
        dense = rng.random((6, len(clusters))) < 0.7
        pruned = rng.random((6, len(clusters))) < chance
        interval = of_outcomes(dense, pruned, clusters).interval(0.99)
        assert interval.low is not None
        assert interval.high is not None
        missed += not interval.low <= 0 <= interval.high
    assert missed / runs <= 0.03


def test_differences_between_groups_count_clusters() -> None:
    """PIEs and the texts of others: where both come in clusters, a difference by chance is not called one."""
    rng = np.random.default_rng(6)
    runs, refused = 500, np.zeros(2)
    for _ in range(runs):
        clusters = np.repeat(np.arange(60), 10)
        values = rng.normal(size=60)[clusters] + rng.normal(size=600) / 2
        inside = (rng.random(60) < 0.4)[clusters] ^ (rng.random(600) < 0.05)
        for k, known in enumerate((np.arange(600), clusters)):
            refused[k] += difference_by_cluster(values, inside, known).p_value < 0.01
    assert refused[0] / runs > 0.2
    assert refused[1] / runs <= 0.025
    # With single examples it is Welch's but for n / (n - 1).
    found = difference_by_cluster(values, inside, np.arange(600))
    welch = stats.ttest_ind(values[inside], values[~inside], equal_var=False)
    assert found.mean / found.variance**0.5 == pytest.approx(welch.statistic, rel=0.01)
    assert clusters_of(np.array(["b", "a", "b"])).tolist() == [1, 0, 1]


def test_the_detectable_change_is_found_in_four_of_five_samples_also_with_few_seeds() -> None:
    """Means of four normal values around the detectable one: Student's test finds about 80 % of them."""
    freedom = 3
    size = Crossed(0.0, 1.0, freedom).detectable
    assert size is not None
    rng = np.random.default_rng(0)
    drawn = size + 2 * rng.normal(size=(20_000, 4))
    found = [Crossed(row.mean(), row.var(ddof=1) / 4, freedom).p_value < 0.05 for row in drawn[:4000]]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)
    assert Crossed(0.0, 1.0, 1e6).detectable == pytest.approx(1.959964 + 0.841621, rel=1e-4)
    assert Crossed(0.0, 0.0, 3).detectable is None


def test_changes_within_one_cluster_have_no_interval() -> None:
    dense, pruned = sides("single-label", 1, 40)
    right = correct(dense), correct(pruned)
    clusters = np.repeat([0, 1], 20)
    before, after = scores(dense, right[0]), scores(pruned, right[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Changes(dense, pruned, right, 0.99, clusters=clusters).of_score(before, after, clusters == 0)
    assert found is not None
    assert found["ci_low"] is None
