"""PIEs by rank correlation: worked by hand, against scipy, with ties and without variation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ConstantInputWarning, rankdata, spearmanr

from prunescope.analysis.pies.spearman import (
    double_ranks,
    find_spearman_pies,
    mean_probabilities,
    rank_correlation,
    spearman_pies,
)
from prunescope.predictions.store import Predictions, SeedBlock, TableMeta, read_sides, write_predictions


def test_ranks_by_hand() -> None:
    rows = np.array([[0.3, 0.1, 0.2], [0.5, 0.5, 0.1], [0.7, 0.7, 0.7]])
    # Twice the ranks 3, 1, 2; 2.5, 2.5, 1; 2, 2, 2.
    assert double_ranks(rows).tolist() == [[6, 2, 4], [5, 5, 2], [4, 4, 4]]


def test_correlations_by_hand() -> None:
    first = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 1, 2, 2]])
    second = np.array([[10.0, 20, 30, 40], [4, 3, 2, 1], [2, 1, 4, 3], [1, 2, 1, 2]])
    # Without ties 1 - 6 sum(d^2) / (n (n^2 - 1)): d^2 of the third are 1, 1, 1, 1: 1 - 24 / 60.
    assert rank_correlation(first, second) == pytest.approx([1, -1, 0.6, 0])


@pytest.mark.parametrize("values", [3, 1000])
def test_correlations_are_those_of_scipy(values: int) -> None:
    """With few values most rows have ties; with many none has."""
    rng = np.random.default_rng(values)
    first, second = rng.integers(0, values, (2, 200, 7)).astype(np.float64)
    for row in first:
        assert double_ranks(row[None])[0].tolist() == (2 * rankdata(row)).tolist()
    varied = (np.ptp(first, axis=1) > 0) & (np.ptp(second, axis=1) > 0)
    wanted = [spearmanr(x, y).statistic for x, y in zip(first[varied], second[varied], strict=True)]
    assert rank_correlation(first, second)[varied] == pytest.approx(wanted)


def test_a_row_that_does_not_vary_has_no_correlation() -> None:
    flat, varied = np.full((1, 4), 0.25), np.array([[0.1, 0.2, 0.3, 0.4]])
    with pytest.warns(ConstantInputWarning):
        assert np.isnan(spearmanr(flat[0], varied[0]).statistic)
    for first, second in ((flat, varied), (varied, flat), (flat, flat)):
        assert np.isnan(rank_correlation(first, second)).all()


def test_the_lowest_twentieth_of_those_with_a_correlation() -> None:
    # 21 known: ceil(1.05) = 2. The lowest is -1; of the two with 0 the first counts.
    correlation = np.array([0.5] * 18 + [0.0, np.nan, 0.0, -1.0])
    assert np.flatnonzero(spearman_pies(correlation).is_pie).tolist() == [18, 21]
    assert not spearman_pies(np.array([np.nan, np.nan])).is_pie.any()
    assert not spearman_pies(np.array([])).is_pie.any()


LABEL = np.array([[True, False, False], [False, True, True]])


def predictions(path: Path, logits: list[np.ndarray]) -> Path:
    blocks = (SeedBlock(seed, LABEL, one.astype(np.float32)) for seed, one in enumerate(logits))
    write_predictions(path, TableMeta("multi-label", ("a", "b", "c"), split="test"), blocks)
    return path


def side(path: Path) -> Predictions:
    return read_sides({"one": [path]})["one"]


def test_ranked_by_probabilities_averaged_over_seeds(tmp_path: Path) -> None:
    log3 = np.log(3)
    seeds = [np.array([[log3, 0, -log3], [0, 0, 0]]), np.array([[log3, log3, -log3], [log3, 0, -log3]])]
    dense = predictions(tmp_path / "dense.parquet", seeds)
    # Sigmoids 3/4, 1/2 and 1/4.
    wanted = np.array([[0.75, 0.625, 0.25], [0.625, 0.5, 0.375]])
    assert mean_probabilities([dense], side(dense)) == pytest.approx(wanted)
    pruned = predictions(tmp_path / "pruned.parquet", [-seeds[0], -seeds[1]])
    same = find_spearman_pies([dense], side(dense), [dense], side(dense))
    turned = find_spearman_pies([dense], side(dense), [pruned], side(pruned))
    assert same is not None
    assert turned is not None
    assert same.correlation.tolist() == [1, 1]
    assert turned.correlation.tolist() == [-1, -1]
    # ceil(2 / 20): the first of equals.
    assert turned.is_pie.tolist() == [True, False]


def test_one_label_per_example_has_none(tmp_path: Path) -> None:
    label = np.array([0, 1], dtype=np.int32)
    path = tmp_path / "one.parquet"
    meta = TableMeta("single-label", ("a", "b"), split="test")
    write_predictions(path, meta, [SeedBlock(0, label, np.eye(2, dtype=np.float32))])
    assert find_spearman_pies([path], side(path), [path], side(path)) is None
