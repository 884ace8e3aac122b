"""Masks against a sort written from the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.pruning.mask import ScoreError, apply_masks, full_masks, prune


def count_zeros(masks: dict[str, torch.Tensor]) -> int:
    return sum(int((~mask).sum()) for mask in masks.values())


def reference(scores: list[float], left: list[bool], zeros: int) -> list[bool]:
    """Prune one weight after another: the lowest score that is left, the first of equal ones."""
    left = list(left)
    while left.count(False) < zeros:
        candidates = [i for i, kept in enumerate(left) if kept]
        left[min(candidates, key=lambda i: (scores[i], i))] = False
    return left


#: Few distinct values, so that ties are the rule; -0.0 and 0.0 are one of them.
VALUES = st.sampled_from([-1.5, -0.0, 0.0, 1e-30, 0.5, 1.0, 3.0, 1e30])


@st.composite
def layers(draw: st.DrawFn) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    scores, masks = {}, {}
    for name in draw(st.permutations(["a", "b", "c"]))[: draw(st.integers(1, 3))]:
        shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
        size = shape[0] * shape[1]
        values = draw(st.lists(VALUES, min_size=size, max_size=size))
        left = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        scores[name] = torch.tensor(values).view(shape)
        masks[name] = torch.tensor(left).view(shape)
    return scores, masks


@settings(max_examples=150, deadline=None)
@given(layers(), st.data())
def test_each_layer_loses_exactly_its_lowest_scores(problem, data):
    scores, masks = problem
    zeros = {
        name: data.draw(st.integers(int((~mask).sum()), mask.numel()), label=name)
        for name, mask in masks.items()
    }
    before = {name: mask.clone() for name, mask in masks.items()}
    pruned = prune(scores, masks, zeros)
    for name, mask in pruned.items():
        expected = reference(scores[name].flatten().tolist(), masks[name].flatten().tolist(), zeros[name])
        assert mask.flatten().tolist() == expected
        assert mask.shape == scores[name].shape
        assert torch.equal(masks[name], before[name])  # what was given is left as it was
    assert count_zeros(pruned) == sum(zeros.values())


@settings(max_examples=150, deadline=None)
@given(layers(), st.data())
def test_global_scope_ranks_all_layers_together_ties_by_layer_then_index(problem, data):
    scores, masks = problem
    zeros = data.draw(st.integers(count_zeros(masks), sum(mask.numel() for mask in masks.values())))
    pruned = prune(scores, masks, zeros)
    flat = [value for score in scores.values() for value in score.flatten().tolist()]
    left = [value for name in scores for value in masks[name].flatten().tolist()]
    expected = reference(flat, left, zeros)
    assert [value for mask in pruned.values() for value in mask.flatten().tolist()] == expected
    assert {name: mask.shape for name, mask in pruned.items()} == {n: s.shape for n, s in scores.items()}


def test_large_layers_agree_with_numpys_stable_sort():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 200, 20_000).astype(np.float32)
    for zeros in (0, 1, 9_999, 18_000, 20_000):
        mask = prune(
            {"w": torch.from_numpy(values)}, full_masks({"w": torch.from_numpy(values)}), {"w": zeros}
        )
        expected = np.ones(len(values), dtype=bool)
        expected[np.argsort(values, kind="stable")[:zeros]] = False
        assert np.array_equal(mask["w"].numpy(), expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.randoms(use_true_random=False), st.data())
def test_permuted_weights_give_the_permuted_mask(size, random, data):
    values = list(range(size))
    random.shuffle(values)
    zeros = data.draw(st.integers(0, size))
    order = list(range(size))
    random.shuffle(order)
    score = torch.tensor(values, dtype=torch.float32)
    mask = prune({"w": score}, full_masks({"w": score}), zeros)["w"]
    permuted = prune({"w": score[order]}, full_masks({"w": score}), zeros)["w"]
    assert torch.equal(permuted, mask[order])


def test_masks_only_grow_over_rounds_whatever_the_scores():
    generator = torch.Generator().manual_seed(0)
    masks = full_masks({"a": torch.empty(7, 9), "b": torch.empty(31)})
    for zeros in (10, 10, 40, 77, 94):
        scores = {name: torch.randn(mask.shape, generator=generator) for name, mask in masks.items()}
        grown = prune(scores, masks, zeros)
        assert count_zeros(grown) == zeros
        assert all(bool((grown[name] <= masks[name]).all()) for name in masks)
        masks = grown


def test_layers_of_one_pool_do_not_share_memory():
    score = {"a": torch.arange(4.0), "b": torch.arange(4.0)}
    masks = prune(score, full_masks(score), 2)
    masks["a"].fill_(False)
    assert masks["b"].tolist() == [False, True, True, True]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("zeros", [1, {"w": 1}])
def test_scores_that_are_not_finite_are_refused_where_weights_are_left(bad, zeros):
    score = {"w": torch.tensor([1.0, bad, 2.0])}
    with pytest.raises(ScoreError, match="w: scores are not finite"):
        prune(score, full_masks(score), zeros)
    already = {"w": torch.tensor([True, False, True])}
    more = {"w": 2} if isinstance(zeros, dict) else 2
    assert prune(score, already, more)["w"].tolist() == [False, False, True]


def test_double_precision_scores_keep_their_order():
    score = {"w": torch.tensor([1 + 1e-12, 1.0, 1 + 2e-12], dtype=torch.float64)}
    assert prune(score, full_masks(score), 1)["w"].tolist() == [True, False, True]


@pytest.mark.parametrize("zeros", [-1, 0, 4])
def test_impossible_counts_are_errors(zeros):
    score = {"w": torch.arange(3.0)}
    with pytest.raises(ValueError, match="zeros asked for"):
        prune(score, {"w": torch.tensor([True, False, True])}, zeros)


def test_pruned_weights_become_plain_zero_in_place_even_from_nan_and_negative_ones():
    weight = torch.nn.Parameter(torch.tensor([float("nan"), -2.0, float("inf"), -3.0, 4.0]))
    address = weight.data_ptr()
    apply_masks({"w": weight}, {"w": torch.tensor([False, False, False, True, True])})
    assert weight.tolist() == [0.0, 0.0, 0.0, -3.0, 4.0]
    assert not torch.signbit(weight[:3]).any()
    assert weight.data_ptr() == address
    assert weight.requires_grad
