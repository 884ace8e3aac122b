"""Measures on plain arrays against definitions written out, and against the audit of the same predictions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import prunescope as ps


def votes(seed=0, n=60, seeds=5, classes=4):
    draw = np.random.default_rng(seed)
    y = draw.integers(0, classes, n)
    wrong = draw.integers(0, classes, (2, seeds, n))
    right = draw.random((2, seeds, n)) < np.array([0.9, 0.6])[:, None, None]
    dense, pruned = np.where(right, y, wrong)
    return y, dense, pruned


def majority(column):
    count = Counter(column.tolist())
    return min(count, key=lambda label: (-count[label], label))


def test_pies_by_counting():
    _, dense, pruned = votes()
    expected = [majority(a) != majority(b) for a, b in zip(dense.T, pruned.T, strict=True)]
    assert ps.pies(dense, pruned).tolist() == expected
    assert any(expected)
    names = np.array(["None", "a", "b", "é"])
    assert ps.pies(names[dense], names[pruned]).tolist() == expected


def test_pies_of_several_labels_and_of_numbers():
    dense = np.array([[[1, 0], [1, 1]], [[1, 0], [0, 1]], [[0, 0], [0, 1]]])
    pruned = dense.copy()
    pruned[:2, 1, 1] = 0
    assert ps.pies(dense, pruned).tolist() == [False, True]
    assert ps.pies([0.0, 1.0], [0.05, 1.3], tolerance=0.1).tolist() == [False, True]


def test_el2n_by_hand():
    logits = np.log([[[0.5, 0.3, 0.2]], [[0.1, 0.1, 0.8]]])
    expected = (np.linalg.norm([-0.5, 0.3, 0.2]) + np.linalg.norm([-0.9, 0.1, 0.8])) / 2
    assert ps.el2n([0], logits) == pytest.approx([expected])
    assert ps.el2n(["x"], logits, classes=["x", "y", "z"]) == pytest.approx([expected])
    assert ps.el2n([[1, 0]], [[0.0, 0.0]]) == pytest.approx([np.sqrt(0.5)])


def test_alpha_is_one_of_equal_models_and_that_of_the_audit():
    y, dense, pruned = votes(seeds=6, n=300)
    same = ps.alpha(y, dense, dense)
    assert same.per_model == pytest.approx(np.ones(6))
    found, result = ps.alpha(y, dense, pruned), ps.audit(dense, pruned, labels=y)
    assert found.mean == pytest.approx(result.summary["alpha"]["mean"])
    assert (found.ci_low, found.verdict) == (
        result.summary["alpha"]["ci_low"],
        result.summary["alpha"]["verdict"],
    )
    assert found.corrected == pytest.approx(result.summary["alpha_corrected"]["mean"])
    assert found.per_model == pytest.approx(result.alpha["alpha"].to_numpy())
    assert float(found) == found.mean


def test_effect_on_classes_is_the_audits_table():
    y, dense, pruned = votes(n=200)
    effect, result = ps.effect_on_classes(y, dense, pruned), ps.audit(dense, pruned, labels=y)
    assert effect.equals(result.classes)
    assert effect["recall_dense"].tolist() == pytest.approx(
        [np.mean([(row[y == c] == c).mean() for row in dense]) for c in range(4)]
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ps.pies([1, 2], [1, 2, 3]), "same models"),
        (lambda: ps.pies(["a"], [1]), "names of classes and others numbers"),
        (lambda: ps.el2n([0, 5], np.zeros((2, 3))), "none of the 3 classes"),
        (lambda: ps.el2n([0], np.zeros((2, 3))), "do not fit 1 labels"),
        (lambda: ps.alpha([0, 1], [0, 1], [0, 1], confidence=99), "between 0 and 1"),
        (lambda: ps.alpha([0, 1, 1], [0, 1], [0, 1]), "shape"),
        (lambda: ps.effect_on_classes([0, 1], [0, 1], [0, 2], classes=[0, 1]), "none of the 2 classes"),
    ],
)
def test_what_does_not_fit_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
