"""Intervals, noise floor and number of seeds, against votes counted the long way round."""

from __future__ import annotations

import itertools
from collections import Counter
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.analysis.pies.choices import bootstrap, splits, subsets
from prunescope.analysis.pies.seed_stats import excess_of_pairs, noise_floor, seed_stats, share_interval
from prunescope.analysis.pies.votes import find_pies
from prunescope.analysis.pies.weighted_votes import WeightedVotes
from prunescope.predictions.arrays import Predictions


def side(prediction: np.ndarray) -> Predictions:
    """(S, n) classes or (S, n, C) sets."""
    multi = prediction.ndim == 3
    classes = prediction.shape[2] if multi else 9
    return Predictions(
        task="multi-label" if multi else "single-label",
        classes=tuple(map(str, range(classes))),
        seeds=np.arange(len(prediction)),
        examples=np.arange(prediction.shape[1]),
        label=prediction[0],
        prediction=prediction,
        diverged=(),
        meta=None,
        sources=(),
    )


def drawn(seed: int, seeds: int, n: int, classes: int, multi: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, seeds, n, classes])
    if multi:
        chance = rng.choice([0.0, 0.3, 0.5, 1.0], size=(n, classes))
        return tuple(rng.random((seeds, n, classes)) < chance for _ in range(2))  # type: ignore[return-value]
    usual = rng.integers(0, classes, n)
    stray = rng.random((2, seeds, n)) < rng.choice([0.0, 0.4, 0.9], size=n)
    made = np.where(stray, rng.integers(0, classes, (2, seeds, n)), usual).astype(np.int8)
    # Both sides of one mind, each its own: differs whoever votes.
    made[1, :, 0] = made[0, 0, 0] = (usual[0] + 1) % classes
    made[0, :, 0] = usual[0]
    return made[0], made[1]


def naive_vote(column: np.ndarray, weights: np.ndarray) -> object:
    if column.ndim == 2:
        return tuple(2 * (weights @ column) > weights.sum())
    votes: Counter[int] = Counter()
    for answer, weight in zip(column.tolist(), weights.tolist(), strict=True):
        votes[answer] += weight
    return min(votes, key=lambda answer: (-votes[answer], answer))


def naive_pies(first: np.ndarray, second: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[int]:
    n = first.shape[1]
    return [
        sum(naive_vote(first[:, i], v) != naive_vote(second[:, i], w) for i in range(n))
        for v, w in zip(a, b, strict=True)
    ]


any_sides = st.tuples(
    st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 12), st.integers(2, 6), st.booleans()
)


@settings(max_examples=80, deadline=None)
@given(any_sides)
def test_votes_by_weight_are_votes_counted_one_by_one(shape: tuple[int, int, int, int, bool]) -> None:
    first, second = drawn(*shape)
    rng = np.random.default_rng(shape[0])
    a, b = rng.integers(0, 4, (2, 9, shape[1]))
    a[:, 0] += 1
    b[:, 0] += 1
    assert WeightedVotes.of(side(first), side(second)).pies(a, b).tolist() == naive_pies(first, second, a, b)


def test_small_parts_give_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for multi in (False, True):
        first, second = drawn(3, 5, 40, 5, multi)
        weights = bootstrap(5, 30)
        votes = WeightedVotes.of(side(first), side(second))
        whole = votes.pies(weights, weights).tolist()
        monkeypatch.setattr("prunescope.analysis.pies.weighted_votes._CELLS", 97)
        assert votes.pies(weights, weights).tolist() == whole
        monkeypatch.undo()


@settings(max_examples=40, deadline=None)
@given(any_sides)
def test_all_seeds_give_the_pie_share(shape: tuple[int, int, int, int, bool]) -> None:
    dense, pruned = map(side, drawn(*shape))
    stats = seed_stats(dense, pruned, resamples=20)
    assert stats is not None
    share = int(find_pies(dense, pruned).is_pie.sum()) / shape[2]
    last = stats.by_seeds[-1]
    assert (last.n_models, last.pie_share, last.low, last.high) == (shape[1], share, share, share)
    assert [row.n_models for row in stats.by_seeds] == list(range(1, shape[1] + 1))
    # With one model a side, a PIE is an example on which the two differ.
    differing = dense.prediction != pruned.prediction
    single = np.mean(differing.any(axis=2) if differing.ndim == 3 else differing)
    assert stats.by_seeds[0].pie_share == pytest.approx(single)


@settings(max_examples=40, deadline=None)
@given(any_sides)
def test_interval_is_that_of_naive_resampling(shape: tuple[int, int, int, int, bool]) -> None:
    seeds, n = shape[1], shape[2]
    first, second = drawn(*shape)
    interval = share_interval(WeightedVotes.of(side(first), side(second)), seeds, 0.8, 50)
    if seeds == 1:
        assert interval.low is interval.high is interval.bootstrap_mean is interval.centered_low is None
        return
    weights = bootstrap(seeds, 50)
    shares = np.array(naive_pies(first, second, weights, weights)) / n
    assert interval.bootstrap_mean == pytest.approx(shares.mean())
    assert (interval.low, interval.high) == pytest.approx(tuple(np.percentile(shares, [10, 90])))
    everyone = np.ones((1, seeds), dtype=int)
    share = naive_pies(first, second, everyone, everyone)[0] / n
    reach = 1.2815515655 * shares.std()
    assert (interval.centered_low, interval.centered_high) == pytest.approx(
        (max(0.0, share - reach), min(1.0, share + reach))
    )


@pytest.mark.parametrize("seeds", [3, 10])
def test_the_interval_around_a_share_covers_and_is_no_wider_than_it_must_be(seeds: int) -> None:
    """Examples stay, seeds are drawn: against the share's own spread over 200 draws of as many seeds."""
    rng = np.random.default_rng(seeds)
    ease = 1.2 + 1.2 * rng.standard_normal(200)
    found = []
    for _ in range(200):
        own = rng.standard_normal((seeds, 200))
        models = [
            ((level + 0.7 * own + 0.7 * rng.standard_normal((seeds, 200))) > 0).astype(np.int8)
            for level in (ease, ease - 0.3)
        ]
        votes = WeightedVotes.of(*map(side, models))
        everyone = np.ones((1, seeds), dtype=np.int64)
        share = votes.pies(everyone, everyone)[0] / 200
        found.append((share, share_interval(votes, seeds, 0.95, 100)))
    shares = np.array([share for share, _ in found])
    ends = np.array([(one.centered_low, one.centered_high) for _, one in found], dtype=float)
    covered = (ends[:, 0] <= shares.mean()) & (shares.mean() <= ends[:, 1])
    assert covered.mean() >= 0.88
    assert np.diff(ends, axis=1).mean() < 1.3 * 2 * 1.96 * shares.std()


@settings(max_examples=40, deadline=None)
@given(any_sides)
def test_floor_is_that_of_all_splits(shape: tuple[int, int, int, int, bool]) -> None:
    seeds, n = shape[1], shape[2]
    first, second = drawn(*shape)
    across, within = WeightedVotes.of(side(first), side(second)), WeightedVotes.of(side(first), side(first))
    floor = noise_floor(across, within, seeds, 200)
    if seeds == 1:
        assert floor is None
        return
    assert floor is not None
    half = seeds // 2
    alone, crossed = [], []
    for group in itertools.combinations(range(seeds), half):
        for other in itertools.combinations(sorted(set(range(seeds)) - set(group)), half):
            a, b = (np.bincount(who, minlength=seeds)[None] for who in (group, other))
            alone.append(naive_pies(first, first, a, b)[0] / n)
            crossed.append(
                (naive_pies(first, second, a, b)[0] + naive_pies(first, second, b, a)[0]) / (2 * n)
            )
    # Each split is there twice, once in each order.
    assert floor.n_splits == len(alone) // 2
    assert floor.n_models == half
    assert floor.mean == pytest.approx(np.mean(alone))
    assert floor.pie_share_half == pytest.approx(np.mean(crossed))
    assert floor.excess == pytest.approx(np.mean(crossed) - np.mean(alone))


def test_worked_by_hand() -> None:
    """Two seeds that agree on example 0 and not on 1; pruned, seed 1 changes its mind on 0."""
    dense, pruned = np.array([[0, 0], [0, 1]]), np.array([[0, 0], [1, 1]])
    stats = seed_stats(side(dense), side(pruned))
    assert stats is not None
    assert stats.floor is not None
    # A = {0}, B = {1}. Dense A against B: example 1. Dense A against pruned B: both; B against pruned A: 1.
    assert (stats.floor.mean, stats.floor.pie_share_half, stats.floor.excess) == (0.5, 0.75, 0.25)
    # One split has no spread.
    assert (stats.floor.low, stats.floor.excess_high, stats.floor.verdict) == (None, None, "?")
    # m = 1: seed 0 keeps all, seed 1 changes example 0; m = 2: the tie on 0 goes to class 0.
    assert [row.pie_share for row in stats.by_seeds] == [0.25, 0.0]
    assert [row.noise_floor for row in stats.by_seeds] == [0.5, None]
    # Seed 1 drawn twice (a quarter of all resamples) changes example 0.
    share = float(np.mean(bootstrap(2, 1000)[:, 1] == 2)) / 2
    assert stats.interval.bootstrap_mean == pytest.approx(share)
    assert (stats.interval.low, stats.interval.high) == (0.0, 0.5)


@pytest.mark.parametrize("multi", [False, True])
def test_identical_sides(multi: bool) -> None:
    dense, _ = drawn(1, 6, 50, 4, multi)
    stats = seed_stats(side(dense), side(dense))
    assert stats is not None
    assert stats.floor is not None
    assert (stats.interval.low, stats.interval.high, stats.interval.bootstrap_mean) == (0, 0, 0)
    assert stats.floor.mean > 0
    assert stats.floor.pie_share_half == stats.floor.mean
    assert (stats.floor.excess, stats.floor.excess_low, stats.floor.verdict) == (0, 0, "?")
    assert [row.pie_share for row in stats.by_seeds] == [0] * 6


@pytest.mark.parametrize("multi", [False, True])
def test_unanimous_models_leave_nothing_to_chance(multi: bool) -> None:
    one, other = (np.repeat(part[:1], 5, axis=0) for part in drawn(2, 1, 30, 3, multi))
    stats = seed_stats(side(one), side(other))
    share = int(find_pies(side(one), side(other)).is_pie.sum()) / 30
    assert stats is not None
    assert stats.floor is not None
    assert share > 0
    assert (stats.interval.low, stats.interval.high, stats.interval.centered_low) == (share, share, share)
    assert (stats.floor.mean, stats.floor.excess_low, stats.floor.verdict) == (0, share, ">")


def test_pruning_to_one_mind_lies_below_the_floor() -> None:
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 2, (9, 400)).astype(np.int8)
    stats = seed_stats(
        side(dense), side(np.repeat((dense.mean(axis=0) > 0.5)[None], 9, axis=0).astype(np.int8))
    )
    assert stats is not None
    assert stats.floor is not None
    assert stats.floor.excess < 0
    assert stats.floor.verdict == "<"


@pytest.mark.parametrize("multi", [False, True])
def test_order_of_examples_and_names_of_seeds_change_nothing(multi: bool) -> None:
    dense, pruned = drawn(4, 6, 60, 4, multi)
    plain = seed_stats(side(dense), side(pruned))
    order = np.random.default_rng(0).permutation(60)
    assert seed_stats(side(dense[:, order]), side(pruned[:, order])) == plain
    renamed = side(dense)
    renamed.seeds = np.arange(6) * 10 + 3
    assert seed_stats(renamed, side(pruned)) == plain
    # All splits and subsets of six seeds are looked at: which seed comes first does not matter either.
    mixed = np.array([3, 0, 5, 1, 4, 2])
    other = seed_stats(side(dense[mixed]), side(pruned[mixed]))
    assert plain is not None
    assert other is not None
    assert (other.floor, other.by_seeds) == (plain.floor, plain.by_seeds)


def test_regression_has_no_votes_by_weight() -> None:
    values = side(np.zeros((2, 3), dtype=np.float32))
    values.task = "regression"
    assert seed_stats(values, values) is None
    with pytest.raises(ValueError, match="no vote by weight"):
        WeightedVotes.of(values, values)


@settings(deadline=None)
@given(st.integers(1, 9), st.data())
def test_choices_are_distinct_and_of_the_size_asked_for(n: int, data: st.DataObject) -> None:
    size, most = data.draw(st.integers(1, n)), data.draw(st.integers(1, 60))
    chosen = subsets(n, size, most)
    assert len(np.unique(chosen, axis=0)) == len(chosen) == min(most, comb(n, size))
    assert set(chosen.sum(axis=1)) == {size}
    assert chosen.max() == 1
    drawn_weights = bootstrap(n, most)
    assert drawn_weights.shape == (most, n)
    assert set(drawn_weights.sum(axis=1)) == {n}
    if 2 * size <= n:
        a, b = splits(n, size, most)
        assert (a * b).sum() == 0
        assert set(a.sum(axis=1)) == set(b.sum(axis=1)) == {size}
        pairs = {frozenset((tuple(x), tuple(y))) for x, y in zip(a.tolist(), b.tolist(), strict=True)}
        assert len(pairs) == len(a) == min(most, comb(n, size) * comb(n - size, size) // 2)


def test_many_choices_are_drawn_evenly() -> None:
    a, b = splits(30, 15, 200)
    assert len(a) == 200
    assert abs((a.mean(axis=0) + b.mean(axis=0)) - 1).max() == 0
    assert (bootstrap(30, 1000) == bootstrap(30, 1000)).all()
    # Each seed is drawn once a resample on average; the standard error over 1,000 is 0.03.
    assert bootstrap(30, 1000).mean(axis=0) == pytest.approx(np.ones(30), abs=0.15)


def models(rng: np.random.Generator, easy: np.ndarray, seeds: int) -> np.ndarray:
    """(S, n) answers of models that differ in quality."""
    noise = np.exp(0.3 * rng.normal(size=(seeds, 1, 1))) * rng.normal(size=(seeds, *easy.shape))
    return (easy + noise).argmax(axis=2)


def test_interval_of_the_excess_of_pairs_by_hand() -> None:
    """Three seeds: dense models differ on example 0 for seed 2; pruned ones on example 1 too, for seed 0."""
    dense = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
    pruned = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    across, within = WeightedVotes.of(side(dense), side(pruned)), WeightedVotes.of(side(dense), side(dense))
    # Excess of a pair: half of both ways round less the dense pair, in quarters: (0,1): 1/2 - 0; (0,2): (0 + 2)/2 - 1;
    # (1,2): (0 + 1)/2 - 1. Without seed 0, 1, 2 the mean is that of the pair that is left.
    pairs = np.array([0.5, 0.0, -0.5]) / 4
    error = np.sqrt(2 / 3 * np.sum((pairs - pairs.mean()) ** 2))
    low, high = excess_of_pairs(across, within, 3)
    assert (low, high) == pytest.approx((pairs.mean() - 4.302653 * error, pairs.mean() + 4.302653 * error))


@pytest.mark.parametrize("seeds", [3, 4, 6])
def test_equal_sides_are_seldom_called_different_and_others_are(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    errors = found = 0
    for _ in range(150):
        easy = 1.5 * rng.normal(size=(300, 5))
        other = easy + 3 * rng.normal(size=easy.shape)
        dense, same, pruned = (models(rng, one, seeds) for one in (easy, easy, other))
        for second in (same, pruned):
            across = WeightedVotes.of(side(dense), side(second))
            floor = noise_floor(across, WeightedVotes.of(side(dense), side(dense)), seeds, 200)
            assert floor is not None
            errors += floor.verdict != "?" and second is same
            found += floor.verdict == ">" and second is pruned
    # 5 % nominal, in both directions together; 15 of 150 would come up once in a thousand at that.
    assert errors < 15
    assert found > (50 if seeds == 3 else 100)
