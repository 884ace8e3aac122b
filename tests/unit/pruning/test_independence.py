"""Channel independence against its definition, and where it can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunescope.criteria.independence import channel_independence


def as_defined(maps: Tensor) -> Tensor:
    """||A||_* - ||A with row i zeroed||_*, one decomposition a channel."""
    examples = maps.double()
    scores = torch.zeros(examples.shape[:2], dtype=torch.float64)
    for example, matrix in enumerate(examples):
        for row in range(len(matrix)):
            without = matrix.clone()
            without[row] = 0
            scores[example, row] = torch.linalg.matrix_norm(matrix, "nuc")
            scores[example, row] -= torch.linalg.matrix_norm(without, "nuc")
    return scores


def random_maps(*shape: int, seed: int = 0) -> Tensor:
    """After ReLU, with a dead channel and two channels that say the same."""
    maps = torch.relu(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))
    if shape[1] > 3:
        maps[:, 1] = 0
        maps[:, 3] = maps[:, 2]
    return maps


@pytest.mark.parametrize(
    "shape",
    [(3, 16, 1024), (2, 32, 64), (2, 64, 64), (3, 64, 9), (4, 6, 6), (5, 20, 1), (3, 1, 8), (2, 2, 2)],
)
def test_definition(shape):
    maps = random_maps(*shape)
    scores = channel_independence(maps)
    assert scores.dtype == torch.float64
    assert scores.shape == shape[:2]
    expected = as_defined(maps)
    assert float((scores - expected).abs().max()) < 1e-10 * float(expected.max())


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 7),
    pixels=st.integers(1, 7),
    rank=st.integers(0, 7),
    scales=st.lists(st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 1e3]), min_size=7, max_size=7),
    seed=st.integers(0, 10**6),
)
def test_definition_of_matrices_of_any_rank_and_scale(channels, pixels, rank, scales, seed):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(channels, rank, generator=generator, dtype=torch.float64)
    right = torch.randn(rank, pixels, generator=generator, dtype=torch.float64)
    maps = (left @ right * torch.tensor(scales[:channels], dtype=torch.float64)[:, None])[None]
    largest = float(torch.linalg.matrix_norm(maps[0], 2))
    difference = channel_independence(maps) - as_defined(maps)
    assert float(difference.abs().max()) <= 1e-10 * max(largest, 1e-300)


def test_by_hand():
    # Rows at right angles lose their own length; a dead one loses nothing.
    maps = torch.tensor([[[3.0, 4.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]]])
    torch.testing.assert_close(
        channel_independence(maps),
        torch.tensor([[5.0, 2.0, 0.0]], dtype=torch.float64),
        rtol=1e-10,
        atol=1e-12,
    )
    # Twice the same row of length 1: singular values sqrt(2) and 0, without either one 1 and 0.
    twice = torch.tensor([[[0.6, 0.8], [0.6, 0.8]]], dtype=torch.float64)
    torch.testing.assert_close(
        channel_independence(twice),
        torch.full((1, 2), math.sqrt(2) - 1, dtype=torch.float64),
        rtol=1e-10,
        atol=0,
    )
    # (1, 1) and (0, 1): A A^T has trace 3 and determinant 1, so (s1 + s2)^2 = 3 + 2; left are lengths 1, sqrt(2).
    both = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]])
    expected = torch.tensor([[math.sqrt(5) - 1, math.sqrt(5) - math.sqrt(2)]], dtype=torch.float64)
    torch.testing.assert_close(channel_independence(both), expected, rtol=1e-10, atol=0)
    assert channel_independence(torch.zeros(2, 3, 4)).eq(0).all()
