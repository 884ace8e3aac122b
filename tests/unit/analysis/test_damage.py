"""Cases of damage that a mean or a null would hide: constant answers, labels that do not vary, empty texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunescope.analysis.audit import audit
from prunescope.analysis.readability import MEASURES, compare
from prunescope.commands.audit_lines import headlines
from prunescope.predictions.metadata import TableMeta
from prunescope.predictions.store import SeedBlock, write_predictions


def write(path: Path, task: str, label: np.ndarray, made: list[np.ndarray]) -> Path:
    meta = TableMeta(task=task, classes=("a", "b", "c") if task != "regression" else ())
    write_predictions(path, meta, [SeedBlock(s, label, prediction=one) for s, one in enumerate(made)])
    return path


def scores(
    tmp_path: Path, label: np.ndarray, dense: list[np.ndarray], pruned: list[np.ndarray], task: str
) -> dict:
    paths = [
        write(tmp_path / f"{name}.parquet", task, label, made) for name, made in (("a", dense), ("b", pruned))
    ]
    return audit([paths[0]], [paths[1]], tmp_path / "out")


def test_a_model_of_one_answer_is_named_and_left_out_of_both_means(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = rng.normal(size=40).astype(np.float32)
    dense = [(label + noise).astype(np.float32) for noise in rng.normal(size=(2, 40)) / 10]
    pruned = [np.full(40, 0.5, np.float32), (label + rng.normal(size=40)).astype(np.float32)]
    found = scores(tmp_path, label, dense, pruned, "regression")
    assert found["constant"] == {"dense": [], "pruned": [0]}
    assert found["n_scored"] == found["change"]["n_seeds"] == 1
    assert found["pruned_score"] - found["dense_score"] == pytest.approx(found["change"]["mean"])
    on_pies = found["pruned_score_on_pies"] - found["dense_score_on_pies"]
    assert found["n_scored_on_pies"] == 1
    assert on_pies == pytest.approx(found["change_on_pies"]["mean"])
    assert "(1 of 2 pairs of models have a score)" in headlines(found)


def test_labels_that_do_not_vary_leave_the_tolerance_to_the_answers(tmp_path: Path) -> None:
    answers = np.linspace(0, 1, 50, dtype=np.float32)
    found = scores(tmp_path, np.ones(50, np.float32), [answers], [answers + 0.01], "regression")
    assert found["tolerance"] == pytest.approx(np.std(answers, ddof=1) / 10)
    assert found["n_pies"] == 0


def test_two_seeds_do_not_leave_what_a_share_can_be(tmp_path: Path) -> None:
    """Student's t over two seeds that differ by 5 points reaches from below -80 points; the examples say more."""
    label = np.zeros(100, dtype=int)
    dense = [label, label]
    pruned = [np.where(np.arange(100) < wrong, 1, 0) for wrong in (47, 52)]
    change = scores(tmp_path, label, dense, pruned, "single-label")["change"]
    assert change["mean"] == pytest.approx(-0.495)
    assert -1 <= change["ci_low"] < -0.495 < change["ci_high"] < 0


def test_readability_compares_by_differences_where_a_mean_is_not_positive() -> None:
    values = np.full((30, len(MEASURES)), 5.0)
    values[:, 0] = np.arange(30) % 3 - 2.0  # mean -1
    values[:10, 0] -= 8
    values[28:] = 0  # empty texts
    is_pie = np.arange(30) < 10
    first, *_, length = compare(values, is_pie, 0.99)
    assert first.ratio is None
    assert first.difference == pytest.approx(np.mean(values[:10, 0]) - np.mean(values[10:28, 0]))
    assert first.p_value == pytest.approx(1 / 5000)
    assert first.p_corrected == pytest.approx(8 / 5000)
    assert (first.n_texts, first.n_empty) == (28, 2)
    assert (length.ratio, length.difference, length.p_value) == (1.0, 0.0, 1.0)


def test_permutations_of_few_texts_have_their_exact_distribution() -> None:
    """2 PIEs of 6: the sum 11 of 15 pairs is reached by one; |deviation| as large by the pair (1, 2) too."""
    values = np.tile(np.arange(1.0, 7.0)[:, None], (1, len(MEASURES)))
    first, *_ = compare(values, np.arange(6) >= 4, 0.95)
    assert first.p_value == pytest.approx(2 / 15, abs=0.02)


def test_large_groups_take_the_normal_limit() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(5, 1, size=(3000, len(MEASURES))).clip(0.1)
    is_pie = np.arange(3000) < 700
    values[:700, 0] += 0.2
    rows = compare(values, is_pie, 0.99)
    difference = values[:700, 0].mean() - values[700:, 0].mean()
    assert rows[0].difference == pytest.approx(difference)
    assert rows[0].p_value is not None
    assert rows[0].p_value < 1e-4
    assert all(row.p_value is not None and row.p_value > 0.001 for row in rows[1:])
