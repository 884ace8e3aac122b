"""Loyalty, flips by direction, and PIEs by rank correlation."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from prunescope.analysis.audit import audit
from prunescope.analysis.pies.agreement import flips_by_direction, loyalty
from prunescope.analysis.pies.spearman import rank_correlation, spearman_pies
from prunescope.analysis.pies.votes import class_votes
from prunescope.predictions.arrays import Predictions
from prunescope.predictions.arrow import objects
from prunescope.predictions.scores import flips
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions


def side(task: str, prediction: np.ndarray) -> Predictions:
    seeds, n = prediction.shape[:2]
    return Predictions(
        task, ("a", "b"), np.arange(seeds), np.arange(n), prediction[0], prediction, (), None, ()
    )


def test_loyalty_by_hand() -> None:
    dense = np.array([[0, 1, 2, 2], [0, 1, 2, 0]])
    pruned = np.array([[0, 1, 2, 1], [1, 1, 1, 0]])
    found = loyalty(side("single-label", dense), side("single-label", pruned))
    assert found is not None
    # 3 of 4 and 2 of 4 kept; the dense two agree on 3 of 4.
    assert (found.mean, found.between_seeds) == (0.625, 0.75)
    assert found.std == pytest.approx(0.125 * 2**0.5)
    alone = loyalty(side("single-label", dense[:1]), side("single-label", pruned[:1]))
    assert alone is not None
    assert (alone.mean, alone.std, alone.between_seeds) == (0.75, None, None)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 4), st.integers(1, 9), st.integers(1, 20))
def test_loyalty_of_sets_is_that_of_whole_sets(seed: int, seeds: int, n: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    dense, pruned = (rng.random((seeds, n, classes)) < 0.1 for _ in range(2))
    found = loyalty(side("multi-label", dense), side("multi-label", pruned))
    assert found is not None
    assert found.mean == pytest.approx(
        np.mean([np.all(a == b, axis=1) for a, b in zip(dense, pruned, strict=True)])
    )
    pairs = [np.all(a == b, axis=1) for a, b in combinations(dense, 2)]
    assert found.between_seeds == pytest.approx(np.mean(pairs))


def test_loyalty_of_other_tasks() -> None:
    words = np.array([["The cat.", "a dog"]], dtype=object)
    other = np.array([["cat", "dogs"]], dtype=object)
    found = loyalty(side("text", words), side("text", other))
    assert found is not None
    assert found.mean == 0.5
    rows = [np.stack([objects([np.array(part) for part in made])]) for made in ([[0, 1], [1]], [[0, 1], [0]])]
    found = loyalty(side("tokens", rows[0]), side("tokens", rows[1]))
    assert found is not None
    assert found.mean == 0.5
    numbers = np.zeros((1, 2), dtype=np.float32)
    assert loyalty(side("regression", numbers), side("regression", numbers)) is None


def test_flips_in_both_directions_add_up() -> None:
    dense, pruned = (np.random.default_rng(i).random((3, 20)) < 0.6 for i in range(2))
    found = flips_by_direction(dense, pruned)
    assert found.to_wrong == np.mean([(a & ~b).sum() for a, b in zip(dense, pruned, strict=True)])
    assert found.to_wrong + found.to_right == pytest.approx(flips(dense, pruned).mean())
    assert found.share == pytest.approx(np.mean(dense != pruned))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(2, 7), st.booleans())
def test_rank_correlation_is_scipy_s(seed: int, n: int, classes: int, ties: bool) -> None:
    first, second = np.random.default_rng(seed).random((2, n, classes))
    if ties:
        first, second = np.floor(3 * first), np.floor(2 * second)
    found = rank_correlation(first, second)
    for value, x, y in zip(found, first, second, strict=True):
        if len(set(x)) == 1 or len(set(y)) == 1:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(spearmanr(x, y).statistic)


@pytest.mark.parametrize(("n", "chosen"), [(1, 1), (19, 1), (20, 1), (21, 2), (140, 7)])
def test_a_twentieth_rounded_up_are_spearman_pies(n: int, chosen: int) -> None:
    assert spearman_pies(np.linspace(-1, 1, n)).is_pie.tolist() == [True] * chosen + [False] * (n - chosen)


def test_equal_correlations_go_by_example_and_gaps_are_left_out() -> None:
    found = spearman_pies(np.array([np.nan, 0.5, 0.2, 0.2, np.nan, *[0.9] * 18]))
    # 21 correlations: two PIEs.
    assert np.flatnonzero(found.is_pie).tolist() == [2, 3]
    found = spearman_pies(np.full(10, 0.3))
    assert np.flatnonzero(found.is_pie).tolist() == [0]


N, CLASSES = 45, ("a", "b", "c", "d", "e")
LABEL = np.random.default_rng(0).random((N, 5)) < 0.3


def table(path: Path, seeds: range, noise: float, diverged: tuple[int, ...] = ()) -> Path:
    shared = np.random.default_rng(1).normal(size=(N, 5)) + 2 * LABEL - 1
    meta = TableMeta("multi-label", CLASSES, diverged=diverged)
    blocks = (
        SeedBlock(
            s, LABEL, (shared + noise * np.random.default_rng(s).normal(size=(N, 5))).astype(np.float32)
        )
        for s in seeds
    )
    write_predictions(path, meta, blocks)
    return path


def mean_ranks(path: Path, seeds: list[int]) -> np.ndarray:
    frame = pd.read_parquet(path)
    frame = frame[frame["seed"].isin(seeds)]
    chance = 1 / (1 + np.exp(-np.stack(frame["logits"].to_numpy()).astype(float)))
    return chance.reshape(len(seeds), N, 5).mean(axis=0)


def test_spearman_pies_of_an_audit_against_pandas_and_scipy(tmp_path: Path) -> None:
    dense, pruned = (
        table(tmp_path / "d.parquet", range(4), 0.3),
        table(tmp_path / "p.parquet", range(1, 4), 1.5),
    )
    summary = audit([dense], [pruned], tmp_path / "out")
    first, second = (mean_ranks(path, [1, 2, 3]) for path in (dense, pruned))
    wanted = [spearmanr(x, y).statistic for x, y in zip(first, second, strict=True)]
    rows = pd.read_parquet(tmp_path / "out" / "spearman.parquet")
    assert rows["spearman"].tolist() == pytest.approx(wanted)
    assert rows["is_spearman_pie"].sum() == summary["spearman"]["n_spearman_pies"] == 3
    assert rows.loc[rows["is_spearman_pie"], "spearman"].max() <= np.sort(wanted)[2] + 1e-12
    assert rows["is_pie"].sum() == summary["n_pies"]
    assert summary["spearman"]["n_both"] == (rows["is_pie"] & rows["is_spearman_pie"]).sum()
    assert summary["spearman"]["mean"] == pytest.approx(np.mean(wanted))
    same = audit([dense], [dense], tmp_path / "same")
    assert (same["spearman"]["mean"], same["loyalty"]["mean"]) == (1, 1)


def test_order_of_files_does_not_change_spearman(tmp_path: Path) -> None:
    dense = table(tmp_path / "d.parquet", range(6), 0.3)
    parts = [table(tmp_path / f"p{i}.parquet", range(2 * i, 2 * i + 2), 1.5) for i in range(3)]
    for name, files in (("a", parts), ("b", parts[::-1])):
        audit([dense], files, tmp_path / name)
    a, b = ((tmp_path / name / "spearman.parquet").read_bytes() for name in "ab")
    assert a == b


def test_no_logits_no_spearman(tmp_path: Path) -> None:
    frame = pd.DataFrame({"example": range(3), "label": ["a|b", "c", ""], "prediction": ["a|b", "c", ""]})
    frame.to_csv(tmp_path / "d.csv", index=False)
    summary = audit([tmp_path / "d.csv"], [tmp_path / "d.csv"], tmp_path / "out")
    assert "spearman" not in summary
    assert not (tmp_path / "out" / "spearman.parquet").exists()
    assert (summary["noise_floor"], summary["pie_interval"]["low"]) == (None, None)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_votes_of_many_classes_are_counted_one_by_one(seeds: int) -> None:
    """Ties go to the lowest class, also where there are too many classes to go through."""
    rng = np.random.default_rng(seeds)
    prediction = rng.integers(0, 3, (seeds, 500)).astype(np.int16) * 4000
    prediction[:, 0] = 9000 - np.arange(seeds)
    found = class_votes(prediction)
    for i, column in enumerate(prediction.T.tolist()):
        most = max(column.count(c) for c in column)
        assert found.vote[i] == min(c for c in column if column.count(c) == most)
        assert found.agreement[i] == most / seeds
