"""Splits: disjoint, exhaustive, stratified, stable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.data.splits import SPLITS, content_hash, split_multi, split_single, stratified

texts = st.lists(st.text(max_size=8), min_size=1, max_size=80, unique=True)


def _moved(before: np.ndarray, after: np.ndarray) -> int:
    return int((before != after).sum())


@settings(max_examples=60, deadline=None)
@given(texts, st.integers(1, 4))
def test_every_example_is_in_one_split_and_each_class_keeps_its_shares(
    contents: list[str], classes: int
) -> None:
    labels = [len(text) % classes for text in contents]
    numbers = split_single(contents, labels)
    assert numbers.shape == (len(contents),)
    assert set(numbers.tolist()) <= {0, 1, 2}
    for label in set(labels):
        mine = numbers[np.array(labels) == label]
        counts = np.bincount(mine, minlength=3)
        assert np.all(np.abs(counts - np.array([0.7, 0.1, 0.2]) * len(mine)) < 1 + 1e-6)


@settings(max_examples=60, deadline=None)
@given(texts, st.randoms(use_true_random=False))
def test_order_does_not_matter(contents: list[str], random: object) -> None:
    labels = [len(text) % 3 for text in contents]
    order = list(range(len(contents)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = split_single([contents[i] for i in order], [labels[i] for i in order])
    assert shuffled.tolist() == split_single(contents, labels)[order].tolist()


@settings(max_examples=60, deadline=None)
@given(texts, st.text(min_size=9, max_size=12))
def test_one_more_text_moves_at_most_one_across_each_cut_and_none_of_another_class(
    contents: list[str], new: str
) -> None:
    labels = [len(text) % 2 for text in contents]
    before = split_single(contents, labels)
    after = split_single([*contents, new], [*labels, 0])[:-1]
    other = np.array(labels) == 1
    assert before[other].tolist() == after[other].tolist()
    assert _moved(before, after) <= 2


def test_a_new_class_changes_nothing_for_the_others() -> None:
    contents = [f"text {i}" for i in range(300)]
    labels = [i % 3 for i in range(300)]
    more = [f"other {i}" for i in range(100)]
    before = split_single(contents, labels)
    after = split_single([*contents, *more], [*labels, *[3] * 100])
    assert before.tolist() == after[:300].tolist()


def test_whole_shares_are_exact() -> None:
    numbers = split_single([f"text {i}" for i in range(100)], [0] * 100)
    assert np.bincount(numbers).tolist() == [70, 10, 20]


@pytest.mark.parametrize("n", range(10, 40))
def test_classes_of_ten_or_more_are_in_every_split(n: int) -> None:
    numbers = split_single([f"text {n} {i}" for i in range(n)], [n] * n)
    assert set(numbers.tolist()) == {0, 1, 2}


def test_many_small_strata_keep_the_shares_together() -> None:
    # Rounding each of them to the nearest count would put all into training.
    numbers = stratified([f"t{i}" for i in range(3000)], [f"stratum {i}" for i in range(3000)])
    shares = np.bincount(numbers, minlength=3) / 3000
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(30, 150))
def test_several_labels_every_class_of_ten_is_in_every_split(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels = [tuple(np.flatnonzero(row).tolist()) for row in rng.random((n, 6)) < 0.25]
    numbers = split_multi([f"text {seed} {i}" for i in range(n)], labels)
    assert len(numbers) == n
    for c in range(6):
        where = numbers[[c in label for label in labels]]
        if len(where) >= 10:
            assert set(where.tolist()) == set(range(len(SPLITS)))


def test_several_labels_repair_moves_one_example_to_each_split_that_lacks_the_class() -> None:
    # Every label set occurs once: by chance alone, stratum 15 puts all of its examples into training.
    labels = [(15, 1000 + i) for i in range(10)]
    contents = [str(i) for i in range(10)]
    raw = stratified(contents, labels)
    repaired = split_multi(contents, labels)
    assert set(raw.tolist()) == {0}
    assert sorted(repaired.tolist()) == [0] * 8 + [1, 2]
    assert split_multi(contents[::-1], labels[::-1]).tolist() == repaired[::-1].tolist()


def test_hash_is_pinned() -> None:
    # A change would silently reshuffle every data set.
    assert content_hash("abc") == content_hash(b"abc") == 3481202365336398530
    assert content_hash("abc", "split") == 783149028116388111
