"""Our numbers against independent implementations: scikit-learn, scipy, pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, f1_score, recall_score

from prunescope.analysis.alpha.distortion import distortion
from prunescope.analysis.el2n import bin_of, errors
from prunescope.analysis.pies.votes import class_votes, find_pies, set_votes
from prunescope.analysis.stats import t_interval
from prunescope.predictions.scores import correct, flips, macro_f1, pearson, score, score_name, scores
from prunescope.predictions.store import Predictions


def single(label: np.ndarray, prediction: np.ndarray, n_classes: int) -> Predictions:
    return Predictions(
        task="single-label",
        classes=tuple(map(str, range(n_classes))),
        seeds=np.arange(len(prediction)),
        examples=np.arange(len(label)),
        label=label,
        prediction=prediction,
        diverged=(),
        meta=None,
        sources=(),
    )


def noisy(n: int, seeds: int, n_classes: int, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = np.random.default_rng(0).integers(0, n_classes, n).astype(np.int32)
    made = np.where(
        rng.random((seeds, n)) < wrong, rng.integers(0, n_classes, (seeds, n)), np.tile(label, (seeds, 1))
    )
    return label, made.astype(np.int8)


shapes = st.tuples(st.integers(1, 7), st.integers(1, 40))
class_predictions = shapes.flatmap(lambda shape: hnp.arrays(np.int8, shape, elements=st.integers(0, 4)))


@settings(deadline=None, max_examples=60)
@given(class_predictions)
def test_class_votes_are_the_lowest_mode(prediction: np.ndarray) -> None:
    vote = class_votes(prediction)
    mode, count = scipy.stats.mode(prediction, axis=0)
    assert vote.vote.tolist() == mode.tolist()
    assert vote.agreement == pytest.approx(count / len(prediction))


def test_class_votes_over_several_blocks_and_many_classes() -> None:
    prediction = np.random.default_rng(1).integers(0, 300, (5, 70_000)).astype(np.int16)
    prediction[1] = prediction[0]
    assert np.array_equal(class_votes(prediction).vote, scipy.stats.mode(prediction, axis=0)[0])


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5))))
def test_set_votes_are_means_above_half(prediction: np.ndarray) -> None:
    share = pd.DataFrame({i: one.ravel() for i, one in enumerate(prediction)}).mean(axis=1).to_numpy()
    vote = set_votes(prediction, prediction.shape[2])
    shape = prediction.shape[1:]
    assert np.array_equal(vote.vote, (share > 0.5).reshape(shape))
    agreement = np.where(share > 0.5, share, 1 - share).reshape(shape).mean(axis=1)
    assert vote.agreement == pytest.approx(agreement)


@settings(deadline=None, max_examples=30)
@given(class_predictions, st.randoms(use_true_random=False))
def test_order_of_seeds_and_examples_changes_nothing(prediction: np.ndarray, random: Any) -> None:
    label = np.zeros(prediction.shape[1], dtype=np.int32)
    pruned = np.roll(prediction, 1, axis=1)
    rows, places = list(range(len(prediction))), list(range(prediction.shape[1]))
    random.shuffle(rows)
    random.shuffle(places)
    straight = find_pies(single(label, prediction, 5), single(label, pruned, 5))
    mixed = find_pies(
        single(label, prediction[rows][:, places], 5), single(label, pruned[rows][:, places], 5)
    )
    assert np.array_equal(straight.is_pie[places], mixed.is_pie)
    assert np.array_equal(straight.dense.agreement[places], mixed.dense.agreement)
    assert not find_pies(single(label, prediction, 5), single(label, prediction, 5)).is_pie.any()


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
        lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
    )
)
def test_macro_f1_is_scikit_learns(pair: tuple[np.ndarray, np.ndarray]) -> None:
    label, made = pair
    n_classes = label.shape[1]
    if n_classes == 1:
        expected = f1_score(label[:, 0], made[:, 0], zero_division=0)
    else:
        expected = f1_score(label, made, average="macro", zero_division=0)
    assert macro_f1(label, made) == pytest.approx(expected)
    assert score("multi-label", label, made, n_classes) == pytest.approx(expected)


def test_accuracy_and_flips() -> None:
    label, a = noisy(200, 4, 3, 0.3, 1)
    _, b = noisy(200, 4, 3, 0.5, 2)
    dense, pruned = single(label, a, 3), single(label, b, 3)
    right = correct(dense)
    where = np.arange(200) % 7 == 0
    assert scores(dense, right) == pytest.approx([accuracy_score(label, row) for row in a])
    assert scores(dense, right, where) == pytest.approx([accuracy_score(label[where], r[where]) for r in a])
    assert score_name("single-label") == "accuracy"
    assert score("single-label", label, a[0], 3) == accuracy_score(label, a[0])
    expected = [int(((x == label) ^ (y == label)).sum()) for x, y in zip(a, b, strict=True)]
    assert flips(right, correct(pruned)).tolist() == expected


def test_pearson_is_scipys() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=50).astype(np.float32)
    y = (x + rng.normal(size=50)).astype(np.float32)
    assert pearson(x, y) == pytest.approx(scipy.stats.pearsonr(x.astype(float), y.astype(float)).statistic)
    assert np.isnan(pearson(x, np.ones_like(x)))


def test_recalls_and_alpha() -> None:
    label, a = noisy(400, 5, 4, 0.4, 3)
    _, b = noisy(400, 5, 4, 0.7, 4)
    dense, pruned = single(label, a, 4), single(label, b, 4)
    found = distortion(dense, pruned, correct(dense), correct(pruned))
    for s in range(5):
        recall = recall_score(label, a[s], average=None)
        assert found.recall_dense[s] == pytest.approx(recall)
        x, y = (recall_score(label, m[s], average=None) / accuracy_score(label, m[s]) - 1 for m in (a, b))
        fit = LinearRegression(fit_intercept=False).fit(x[:, None], y)
        assert found.alpha[s] == pytest.approx(fit.coef_[0])
        assert found.intensification[s] == pytest.approx(y / x)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_t_interval_is_scipys(confidence: float) -> None:
    values = np.random.default_rng(0).normal(1, 0.2, 30)
    interval = t_interval(values, confidence)
    expected = scipy.stats.t.interval(confidence, 29, loc=values.mean(), scale=scipy.stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_el2n_is_scipys() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=5, size=(40, 6)).astype(np.float32)
    label = rng.integers(0, 6, 40)
    hot = np.eye(6)[label]
    expected = np.linalg.norm(scipy.special.softmax(logits.astype(np.float64), axis=1) - hot, axis=1)
    assert errors(logits, label) == pytest.approx(expected, rel=1e-12)
    many = rng.random((40, 6)) < 0.3
    expected = np.linalg.norm(scipy.special.expit(logits.astype(np.float64)) - many, axis=1)
    assert errors(logits, many) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    st.integers(1, 25),
)
def test_bins_follow_pandas_order(values: np.ndarray, bins: int) -> None:
    frame = pd.DataFrame({"score": values, "example": range(len(values))})
    order = frame.sort_values(["score", "example"])["example"].tolist()
    expected = {example: rank * bins // len(values) + 1 for rank, example in enumerate(order)}
    assert bin_of(values, bins).tolist() == [expected[i] for i in range(len(values))]
