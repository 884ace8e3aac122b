"""Definitions worked by hand: each expected number is derived in a comment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from prunescope.analysis.alpha.distortion import distortion, mean_recall_variance
from prunescope.analysis.audit_tables import El2nBin
from prunescope.analysis.el2n import bin_of, bin_rows, errors
from prunescope.analysis.pies.classes import class_counts
from prunescope.analysis.pies.votes import (
    class_votes,
    default_tolerance,
    find_pies,
    median_votes,
    set_votes,
    text_votes,
    token_votes,
)
from prunescope.analysis.readability import MEASURES, compare
from prunescope.analysis.stats import t_interval
from prunescope.predictions.scores import correct, flips, macro_f1, scores
from prunescope.predictions.store import Predictions
from prunescope.predictions.texts import count_tokens


def side(task: str, label: Any, prediction: Any, classes: tuple[str, ...] = ("a", "b", "c")) -> Predictions:
    prediction = np.asarray(prediction)
    return Predictions(
        task=task,
        classes=classes,
        seeds=np.arange(len(prediction)),
        examples=np.arange(len(label)),
        label=np.asarray(label),
        prediction=prediction,
        diverged=(),
        meta=None,
        sources=("by hand",),
    )


def objects(*values: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_recall_papers_example_intensifies_by_four_thirds() -> None:
    # 10 examples a class. Dense: 9 and 7 right, recalls 0.9 and 0.7, accuracy 0.8;
    # pruned: 7 and 5 right, recalls 0.7 and 0.5, accuracy 0.6.
    label = [0] * 10 + [1] * 10
    dense = side("single-label", label, [[0] * 9 + [1] + [1] * 7 + [0] * 3], ("a", "b"))
    pruned = side("single-label", label, [[0] * 7 + [1] * 3 + [1] * 5 + [0] * 5], ("a", "b"))
    found = distortion(dense, pruned, correct(dense), correct(pruned))
    assert found.recall_dense[0] == pytest.approx([0.9, 0.7])
    assert found.recall_pruned[0] == pytest.approx([0.7, 0.5])
    # (0.9 - 0.8) / 0.8 = 1/8 and -1/8; (0.7 - 0.6) / 0.6 = 1/6 and -1/6
    assert found.balance_dense[0] == pytest.approx([1 / 8, -1 / 8])
    assert found.balance_pruned[0] == pytest.approx([1 / 6, -1 / 6])
    # (1/6) / (1/8) = 8/6
    assert found.intensification[0] == pytest.approx([4 / 3, 4 / 3])
    # (1/48 + 1/48) / (1/64 + 1/64) = (2/48) * (64/2) = 64/48
    assert found.alpha[0] == pytest.approx(4 / 3)


def test_alpha_weighs_intensifications_by_squared_dense_balance() -> None:
    # 4 examples a class. Dense right: 4, 2, 3 -> recalls 1, 1/2, 3/4, accuracy 9/12 = 3/4,
    # balances 1/3, -1/3, 0. Pruned right: 2, 2, 2 -> recalls and accuracy 1/2, balances 0.
    label = [0] * 4 + [1] * 4 + [2] * 4
    dense = side("single-label", label, [[0, 0, 0, 0, 1, 1, 0, 0, 2, 2, 2, 0]])
    pruned = side("single-label", label, [[0, 0, 1, 1, 1, 1, 0, 0, 2, 2, 0, 0]])
    found = distortion(dense, pruned, correct(dense), correct(pruned))
    assert found.balance_dense[0] == pytest.approx([1 / 3, -1 / 3, 0])
    assert found.balance_dense[0, 2] == 0
    # 0 over +-1/3, and null where the dense balance is exactly 0
    assert found.intensification[0, :2] == pytest.approx([0, 0])
    assert math.isnan(found.intensification[0, 2])
    assert found.alpha[0] == 0


def test_alpha_is_null_without_dense_imbalance_or_accuracy() -> None:
    label = [0, 0, 1, 1]
    level = side("single-label", label, [[0, 1, 1, 0]], ("a", "b"))  # both recalls 1/2
    skewed = side("single-label", label, [[0, 0, 1, 0]], ("a", "b"))  # recalls 1 and 1/2
    wrong = side("single-label", label, [[1, 1, 0, 0]], ("a", "b"))  # accuracy 0

    def alpha(dense: Predictions, pruned: Predictions) -> float:
        return float(distortion(dense, pruned, correct(dense), correct(pruned)).alpha[0])

    assert math.isnan(alpha(level, skewed))
    # Not infinite: null
    level_first = distortion(level, skewed, correct(level), correct(skewed))
    assert np.isnan(level_first.intensification).all()
    assert math.isnan(alpha(skewed, wrong))
    assert math.isnan(alpha(wrong, skewed))
    assert alpha(skewed, skewed) == 1.0
    # Dense: accuracy 3/4, balances 1/3 and -1/3; level: 0 and 0
    assert alpha(skewed, level) == 0.0


def test_classes_without_support_take_no_part() -> None:
    # Class c never occurs; predicted once by the pruned model, it still has no recall.
    label = [0] * 10 + [1] * 10
    dense = side("single-label", label, [[0] * 9 + [1] + [1] * 7 + [0] * 3])
    pruned = side("single-label", label, [[0] * 7 + [2] * 3 + [1] * 5 + [0] * 5])
    found = distortion(dense, pruned, correct(dense), correct(pruned))
    assert math.isnan(found.recall_dense[0, 2])
    assert math.isnan(found.balance_pruned[0, 2])
    assert found.alpha[0] == pytest.approx(4 / 3)


def test_votes_go_to_the_most_frequent_class_and_ties_to_the_lowest() -> None:
    #            most 2   tie 0-2  tie 1-2  all 1
    prediction = [[2, 2, 2, 1], [2, 2, 1, 1], [1, 0, 2, 1], [0, 0, 1, 1]]
    vote = class_votes(np.array(prediction, dtype=np.int8))
    assert vote.vote.tolist() == [2, 0, 1, 1]
    assert vote.agreement.tolist() == [0.5, 0.5, 0.5, 1.0]


def test_sets_need_strictly_more_than_half() -> None:
    # 4 seeds, 1 example, 3 classes: 3, 2 and 0 votes. Only the first is above 2.
    prediction = np.array([[[1, 1, 0]], [[1, 1, 0]], [[1, 0, 0]], [[0, 0, 0]]], dtype=bool)
    vote = set_votes(prediction, prediction.shape[2])
    assert vote.vote.tolist() == [[True, False, False]]
    # Agreeing with yes, no, no: 3/4, 2/4, 4/4; their mean is 9/12
    assert vote.agreement.tolist() == [0.75]


def test_pies_are_where_votes_differ() -> None:
    dense = side("single-label", [0, 1, 2], [[0, 1, 1], [0, 1, 2], [1, 1, 2]])  # votes 0 1 2
    pruned = side("single-label", [0, 1, 2], [[0, 2, 2], [1, 2, 2], [1, 1, 0]])  # votes 1 2 2
    pies = find_pies(dense, pruned)
    assert pies.is_pie.tolist() == [True, True, False]
    # A tie of dense (0, 1) goes to 0, and so does that of pruned (1, 0): no PIE
    tie = find_pies(side("single-label", [1], [[0], [1]]), side("single-label", [1], [[1], [0]]))
    assert tie.is_pie.tolist() == [False]


def test_multi_label_pies_compare_whole_sets() -> None:
    label = np.array([[1, 0], [1, 1]], dtype=bool)
    dense = side("multi-label", label, np.array([[[1, 0], [1, 1]]], dtype=bool), ("a", "b"))
    pruned = side("multi-label", label, np.array([[[1, 0], [1, 0]]], dtype=bool), ("a", "b"))
    assert find_pies(dense, pruned).is_pie.tolist() == [False, True]
    # Exact sets: dense right on both; pruned wrong on the second
    assert correct(pruned).tolist() == [[True, False]]
    assert flips(correct(dense), correct(pruned)).tolist() == [1]


def test_regression_pies_need_medians_further_apart_than_the_tolerance() -> None:
    label = np.array([0.0, 2.0, 4.0])  # standard deviation (ddof 1) is 2, its tenth 0.2
    assert default_tolerance(label) == pytest.approx(0.2)
    dense = side("regression", label, np.array([[0.0, 2.0, 4.0], [0.0, 2.0, 5.0]], dtype=np.float32), ())
    pruned = side("regression", label, np.array([[0.125, 2.5, 4.5], [0.125, 2.5, 4.5]], dtype=np.float32), ())
    # Medians 0, 2, 4.5 and 0.125, 2.5, 4.5
    pies = find_pies(dense, pruned, tolerance=0.2)
    assert pies.dense.vote.tolist() == [0.0, 2.0, 4.5]
    assert pies.is_pie.tolist() == [False, True, False]
    # 4 and 5 are 0.5 from their median 4.5: neither is within 0.2 of it
    assert median_votes(dense.prediction, 0.2).agreement.tolist() == [1.0, 1.0, 0.0]


def test_tokens_vote_one_by_one() -> None:
    label = objects(np.array([0, 1]), np.array([2]))
    dense = side("tokens", label, np.stack([objects(np.array([0, 1]), np.array([2]))] * 2))
    changed = np.stack([objects(np.array([0, 2]), np.array([2])), objects(np.array([1, 2]), np.array([2]))])
    pruned = side("tokens", label, changed)
    pies = find_pies(dense, pruned)
    # First example: votes 0 (tie of 0 and 1) and 2, so one of two tokens differs
    assert pies.differing is not None
    assert pies.differing.tolist() == [1, 0]
    assert pies.is_pie.tolist() == [True, False]
    # (1/2 + 1) / 2 on the first example
    assert token_votes(changed).agreement.tolist() == [0.75, 1.0]
    # Tokens right: 2 of 3 (0, 2), then 1 of 3
    assert scores(pruned, correct(pruned)) == pytest.approx([2 / 3, 1 / 3])
    counts = class_counts(dense, pies)
    assert [(c.n_examples, c.n_pies) for c in counts] == [(1, 0), (1, 1), (1, 0)]


def test_texts_vote_normalized_and_ties_go_to_the_first_seed() -> None:
    prediction = np.stack([objects("The cat!", "x"), objects("cat", "y"), objects("dog", "y")])
    vote = text_votes(prediction)
    assert vote.vote.tolist() == ["cat", "y"]
    assert vote.agreement == pytest.approx([2 / 3, 2 / 3])
    tie = text_votes(np.stack([objects("b"), objects("a")]))
    assert tie.vote.tolist() == ["b"]
    answers = objects(["Cat", "feline"], ["z"])
    assert correct(side("text", answers, prediction, ())).tolist() == [
        [True, False],
        [True, False],
        [False, False],
    ]


def test_alike_texts_are_no_pie_where_similarity_counts() -> None:
    dense = side("text", objects(["x"]), np.stack([objects("one two three")]), ())
    pruned = side("text", objects(["x"]), np.stack([objects("one two trees")]), ())
    assert find_pies(dense, pruned).is_pie.tolist() == [True]
    assert find_pies(dense, pruned, similarity=0.8).is_pie.tolist() == [False]


def test_macro_f1_counts_absent_classes_as_zero() -> None:
    label = np.array([[1, 0, 0], [1, 1, 0]], dtype=bool)
    made = np.array([[1, 1, 0], [0, 1, 0]], dtype=bool)
    # a: 1 hit, 0 false, 1 missed: 2/3; b: 1 hit, 1 false: 2/3; c: neither support nor prediction: 0
    assert macro_f1(label, made) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_el2n_of_certain_and_uncertain_models() -> None:
    # Softmax of (0, 0) is (1/2, 1/2): error (-1/2, 1/2), norm sqrt(1/2).
    # Softmax of (0, log 3) is (1/4, 3/4): for label 1 (1/4, -1/4), norm sqrt(2)/4.
    logits = np.array([[0, 0], [0, math.log(3)]], dtype=np.float64)
    assert errors(logits, np.array([0, 1])) == pytest.approx([math.sqrt(0.5), math.sqrt(2) / 4])
    # Sigmoids of 0 are 1/2: against (1, 0) the error is (-1/2, 1/2)
    both = errors(np.zeros((1, 2)), np.array([[True, False]]))
    assert both == pytest.approx([math.sqrt(0.5)])
    # Logits far beyond exp's range: all or nothing, error 0 or sqrt(2)
    far = errors(np.array([[5000.0, -5000.0]] * 2), np.array([0, 1]))
    assert far == pytest.approx([0, math.sqrt(2)])


def test_el2n_bins_by_rank_with_ties_by_example() -> None:
    # Ranks by (score, example): 0.1 -> 0, 0.2 (example 0) -> 1, 0.2 (example 3) -> 2, 0.5 -> 3, 0.9 -> 4.
    # floor(r * 2 / 5) + 1: 1, 1, 1, 2, 2
    scores_by_hand = np.array([0.2, 0.9, 0.1, 0.2, 0.5])
    assert bin_of(scores_by_hand, 2).tolist() == [1, 2, 1, 1, 2]
    rows = bin_rows(scores_by_hand, np.array([True, True, False, False, False]), 2)
    assert rows == [El2nBin(1, 3, 1, 1 / 3, 0.1, 0.2), El2nBin(2, 2, 1, 1 / 2, 0.5, 0.9)]
    # More bins than examples: ranks 0, 1 of 2 into floor(0), floor(1.5) + 1 = bins 1 and 2 of 3
    assert [row.n_examples for row in bin_rows(np.array([0.3, 0.4]), np.zeros(2, bool), 3)] == [1, 1, 0]


def test_t_interval() -> None:
    # 1, 2, 3, 4: mean 2.5, variance (2.25 + 0.25 + 0.25 + 2.25) / 3 = 5/3, s / sqrt(4) = 0.6455;
    # the 97.5 % quantile of t with 3 degrees of freedom is 3.182446 (any table)
    interval = t_interval([1, 2, 3, 4], 0.95)
    assert interval.mean == 2.5
    assert interval.low == pytest.approx(2.5 - 3.182446 * math.sqrt(5 / 12), abs=1e-6)
    assert interval.high == pytest.approx(2.5 + 3.182446 * math.sqrt(5 / 12), abs=1e-6)
    assert interval.verdict == "?"
    assert t_interval([2.0, 2.1, 2.2], 0.99).verdict == ">"
    assert t_interval([0.2, 0.21, 0.22], 0.99).verdict == "<"


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    one = t_interval([3.0], 0.99)
    assert (one.mean, one.low, one.high, one.verdict) == (3.0, None, None, "?")
    none = t_interval([], 0.99)
    assert (none.mean, none.low, none.high, none.verdict) == (None, None, None, "?")


def test_identical_models_have_no_pies_and_alpha_one() -> None:
    same = side("single-label", [0, 0, 1, 1], [[0, 0, 1, 0], [0, 0, 1, 0]], ("a", "b"))
    assert not find_pies(same, same).is_pie.any()
    interval = distortion(same, same, correct(same), correct(same)).interval(0.99)
    # No spread at all: the interval is the point 1, which is neither below nor above 1
    assert (interval.low, interval.mean, interval.high, interval.verdict) == (1, 1, 1, "?")


def test_class_counts_by_label_occurrence() -> None:
    # Occurrences: a 2, b 1, c 0 of 3 in all; the PIE is the second example with a and b
    label = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)
    dense = side("multi-label", label, label[None])
    made = label.copy()
    made[1, 1] = False
    counts = class_counts(dense, find_pies(dense, side("multi-label", label, made[None])))
    assert [(c.class_, c.n_examples, c.n_pies) for c in counts] == [("a", 2, 1), ("b", 1, 1), ("c", 0, 0)]
    assert [c.share_of_examples for c in counts] == [2 / 3, 1 / 3, 0]
    assert [c.share_of_pies for c in counts] == [0.5, 0.5, 0]
    assert {c.share_of_pies for c in class_counts(dense, find_pies(dense, dense))} == {None}


def test_scores_on_no_examples_are_null() -> None:
    some = side("single-label", [0, 1], [[0, 1]], ("a", "b"))
    assert np.isnan(scores(some, correct(some), np.zeros(2, bool))).all()


def test_recall_variance() -> None:
    # Recalls 1 and 0.5: variance (0.0625 + 0.0625) / 1 = 0.125; 0.5 and 0.5: 0. Their mean is 0.0625
    assert mean_recall_variance(np.array([[1, 0.5, np.nan], [0.5, 0.5, np.nan]])) == 0.0625


def test_readability_ratio_is_mean_over_mean() -> None:
    measured = np.zeros((3, len(MEASURES)))
    measured[:, 0] = [1, 2, 6]
    measured[:, -1] = 1  # none is empty
    rows = compare(measured, np.array([False, True, True]), 0.99)
    # PIEs (2 + 6) / 2 = 4 over all (1 + 2 + 6) / 3 = 3; 3 more than the other.
    assert (rows[0].measure, rows[0].all, rows[0].pies) == ("automated_readability_index", 3.0, 4.0)
    assert (rows[0].ratio, rows[0].difference, rows[0].ci_low) == (4 / 3, 3.0, None)
    assert (rows[1].all, rows[1].pies, rows[1].ratio) == (0.0, 0.0, None)
    (first, *_) = compare(measured, np.zeros(3, bool), 0.99)
    assert (first.all, first.pies, first.ratio) == (3.0, None, None)


def test_tokens_are_words_and_marks() -> None:
    assert count_tokens("Don't panic, 42!") == 7  # Don ' t panic , 42 !
    assert count_tokens("  \n") == 0
    assert count_tokens('He said: "no".', "Yes; no.") == 8  # he said no . | yes no .
