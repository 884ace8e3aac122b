"""Rank, concentration and magnitudes against values worked by hand and slow computations."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch

from prunescope.analysis.weights.measures import (
    concentration,
    edges,
    gini,
    magnitudes,
    n_bins,
    random_gini,
    rank,
)
from prunescope.analysis.weights.names import as_matrix, layer_and_matrix, middle, short_names
from prunescope.analysis.weights.patterns import Packed

#: Row 2 is twice row 1, row 3 is empty: rank 2. Left: 3, 3, 0, 2 by row and 2, 1, 3, 2 by column.
BY_HAND = np.array(
    [[1, 0, 2, 3], [2, 0, 4, 6], [0, 0, 0, 0], [0, 5, 1, 0]],
    dtype=np.float32,
)


def random_matrix(rows: int, columns: int, share: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, columns)).astype(np.float32)
    return values * (random.random((rows, columns)) < share).astype(np.float32)


def test_rank_by_hand() -> None:
    assert rank(BY_HAND) == 2
    assert rank(np.zeros((3, 5), np.float32)) == 0
    assert rank(np.eye(4, 7, dtype=np.float32)) == 4


def test_a_singular_value_below_the_tolerance_does_not_count() -> None:
    # The tolerance is 1 * 3 * 2^-23, about 3.6e-7.
    assert rank(np.diag([1.0, 4e-7, 0.0]).astype(np.float32)) == 2
    assert rank(np.diag([1.0, 3e-7, 0.0]).astype(np.float32)) == 1


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 1.0])
def test_rank_is_that_of_torch_and_of_exact_elimination(share: float) -> None:
    from fractions import Fraction

    matrix = np.rint(random_matrix(12, 17, share, seed=int(100 * share)) * 4).astype(np.float32)
    assert rank(matrix) == int(torch.linalg.matrix_rank(torch.from_numpy(matrix)))
    rows = [[Fraction(int(value)) for value in row] for row in matrix]
    found = 0
    for column in range(matrix.shape[1]):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / rows[found][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[found], strict=True)]
        found += 1
    assert rank(matrix) == found


def test_gini_by_hand() -> None:
    # Rows have 3, 3, 0, 2: the differences of all 16 pairs sum to 2 * (0 + 3 + 1 + 3 + 1 + 2) = 20; 20 / (2 * 4 * 8).
    assert gini(np.array([3, 3, 0, 2])) == pytest.approx(20 / 64)
    assert gini(np.array([5, 5, 5])) == 0
    assert gini(np.array([0, 0, 0, 9])) == 3 / 4
    assert gini(np.array([0, 0])) is None


def test_concentration_by_hand() -> None:
    rows, columns = concentration(BY_HAND != 0), concentration((BY_HAND != 0).T)
    assert (rows.empty, rows.gini) == (0.25, 20 / 64)
    # Columns have 2, 1, 3, 2: differences sum to 2 * (1 + 1 + 0 + 2 + 1 + 1) = 12.
    assert (columns.empty, columns.gini) == (0.0, 12 / 64)


def test_gini_is_half_the_mean_difference_over_the_mean() -> None:
    counts = np.random.default_rng(3).integers(0, 30, 41)
    slow = np.mean([abs(int(a) - int(b)) for a in counts for b in counts]) / (2 * counts.mean())
    assert gini(counts) == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 3), (4, 2), (2, 5), (3, 4), (1, 6), (5, 1)])
def test_expected_gini_of_random_positions_is_the_mean_over_all_of_them(rows: int, columns: int) -> None:
    places = range(rows * columns)
    for left in range(1, rows * columns + 1):
        found = []
        for chosen in combinations(places, left):
            counts = np.bincount([place // columns for place in chosen], minlength=rows)
            found.append(gini(counts))
        assert random_gini(rows, columns, left) == pytest.approx(np.mean(found), abs=1e-12), left
    assert random_gini(rows, columns, 0) is None


def test_random_positions_have_the_expected_concentration() -> None:
    found = [concentration(random_matrix(400, 300, 0.2, seed) != 0) for seed in range(20)]
    assert {one.empty for one in found} == {0}
    assert np.mean([one.gini for one in found]) == pytest.approx(
        np.mean([one.random for one in found]), rel=0.03
    )


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_order_of_rows_and_columns_changes_nothing(share: float) -> None:
    matrix = random_matrix(30, 20, share)
    random = np.random.default_rng(5)
    moved = matrix[random.permutation(30)][:, random.permutation(20)]
    assert rank(moved) == rank(matrix)
    assert concentration(moved != 0) == concentration(matrix != 0)
    assert concentration(moved.T != 0) == concentration(matrix.T != 0)
    assert np.array_equal(magnitudes(moved), magnitudes(matrix))


def test_a_dense_matrix_is_not_concentrated() -> None:
    for pattern in (np.ones((7, 5), bool), np.ones((5, 7), bool)):
        found = concentration(pattern)
        assert (found.empty, found.gini) == (0, 0)
        assert found.random == pytest.approx(0, abs=1e-12)


def test_magnitudes_by_hand() -> None:
    bounds = edges()
    assert (bounds[0], bounds[-1], len(bounds)) == (1e-8, 100, n_bins() - 1)
    found = magnitudes(np.array([[0.0, -0.0, 1.0, -1.0], [1.13, 1e-9, -500.0, 100.0]], np.float32))
    one = int(np.searchsorted(bounds, 1.0, side="right"))
    wanted = np.zeros(n_bins(), int)
    wanted[0] = 1  # below 1e-8
    wanted[one] = 2  # from 1 to below 10^(1/20) = 1.122
    wanted[one + 1] = 1
    wanted[-1] = 2  # 100 and above
    assert np.array_equal(found, wanted)


def test_every_weight_that_is_left_is_in_one_bin() -> None:
    matrix = random_matrix(40, 30, 0.4) * np.float32(1e-3)
    found = magnitudes(matrix)
    assert found.sum() == np.count_nonzero(matrix)
    bounds = [0.0, *edges(), np.inf]
    slow = [
        sum(low <= abs(float(value)) < high for value in matrix.ravel() if value)
        for low, high in pairwise(bounds)
    ]
    assert found.tolist() == slow


def test_pattern_of_a_small_matrix_is_its_own() -> None:
    pattern = random_matrix(31, 17, 0.3) != 0
    packed = Packed.of(pattern)
    assert (packed.rows, packed.columns, packed.shape) == (31, 17, (31, 17))
    assert np.array_equal(packed.image(), pattern)
    assert Packed.model_validate_json(packed.model_dump_json()) == packed


def test_pattern_of_a_large_matrix_is_shares_of_blocks() -> None:
    pattern = random_matrix(1537, 800, 0.3) != 0
    image = Packed.of(pattern).image()
    # Blocks of 3 by 2; 1537 = 3 * 512 + 1.
    assert image.shape == (513, 400)
    assert image[0, 0] == pytest.approx(pattern[:3, :2].mean(), abs=1 / 500)
    assert image[512, 399] == pytest.approx(pattern[1536:, 798:].mean(), abs=1 / 500)
    assert image[200, 100] == pytest.approx(pattern[600:603, 200:202].mean(), abs=1 / 500)


@pytest.mark.parametrize(
    "change", [{"shape": (3, 5)}, {"shape": (0, 0)}, {"shares": "?"}, {"shares": "AAAA"}]
)
def test_damaged_pattern_is_refused(change: dict[str, object]) -> None:
    packed = Packed.of(np.ones((4, 4), bool))
    with pytest.raises(ValueError, match=r"."):
        Packed.model_validate({**packed.model_dump(), **change})


def test_layers_by_name() -> None:
    assert layer_and_matrix("bert.encoder.layer.11.output.dense.weight") == (
        "bert.encoder.layer.11",
        "output.dense",
    )
    assert layer_and_matrix("stage2.1.conv1.weight") == ("stage2.1", "conv1")
    assert layer_and_matrix("lstm.weight_hh_l1_reverse") == ("lstm.l1", "weight_hh_reverse")
    assert layer_and_matrix("head.0.weight") == ("head.0", "head.0")
    assert short_names(["lstm.l0", "lstm.l1", "head.0"]) == ["l0", "l1", "head.0"]
    assert short_names(["lm.transformer.h.0", "lm.transformer.h.1"]) == ["1", "2"]


def test_the_matrix_that_is_shown() -> None:
    # BERT-base: twelve layers of six matrices and the pooler, by number of weights in 768^2.
    sizes = [1, 1, 1, 1, 4, 4] * 12 + [1]
    layers = [place // 6 + 1 for place in range(73)]
    assert middle(layers, sizes) == 6 * 6 + 3
    # LeNet-5: the 10,155th of 20,310 weights is in the third.
    assert middle([1, 2, 3, 4], [150, 2400, 7680, 10080]) == 2
    assert middle([1, 1, 2], [30, 30, 10]) == 1
    assert middle([1], [5]) == 0


def test_matrices_have_a_row_per_output() -> None:
    kernel = np.arange(24.0).reshape(2, 3, 2, 2)
    assert np.array_equal(as_matrix("conv1.weight", kernel, "resnet"), kernel.reshape(2, 12))
    linear = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(as_matrix("h.0.attn.c_attn.weight", linear, "causal-lm"), linear.T)
    assert np.array_equal(as_matrix("fc1.weight", linear, "lenet5"), linear)
