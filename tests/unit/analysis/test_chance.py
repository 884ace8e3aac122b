"""Accuracy against the most frequent class."""

from __future__ import annotations

import doctest

import pytest
from scipy.stats import binom

from prunescope.analysis import chance


@pytest.mark.parametrize("share", [0.02, 0.5, 0.93])
@pytest.mark.parametrize("total", [1, 40, 5000])
def test_the_tail_is_scipys(total: int, share: float) -> None:
    for right in {0, 1, int(share * total), int(share * total) + 3, total}:
        if right <= total:
            assert chance.no_better(right, total, share) == pytest.approx(
                binom.sf(right - 1, total, share), rel=1e-6, abs=1e-11
            )


def test_where_the_constant_answer_is_always_right_or_wrong() -> None:
    assert chance.no_better(5, 5, 1.0) == 1.0
    assert chance.no_better(1, 5, 0.0) == 0.0
    assert doctest.testmod(chance).failed == 0
