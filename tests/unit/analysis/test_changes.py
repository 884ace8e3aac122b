"""Changes of scores with their interval, and the claims that one cell decides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from prunescope.analysis.stats import change_interval
from prunescope.analysis.tables.declared import Key
from prunescope.papers.against_papers import rows_by_cell
from prunescope.papers.measured import Measured


def test_interval_is_that_of_paired_differences() -> None:
    dense, pruned = np.array([0.9, 0.8, 0.95, 0.7]), np.array([0.85, 0.78, 0.8, 0.71])
    found = change_interval(dense, pruned, 0.99)
    assert found is not None
    known = ttest_rel(pruned, dense).confidence_interval(0.99)
    assert found["mean"] == pytest.approx(float(np.mean(pruned - dense)))
    assert (found["ci_low"], found["ci_high"]) == (pytest.approx(known.low), pytest.approx(known.high))
    assert found["n_seeds"] == 4


def test_seeds_without_a_score_are_left_out() -> None:
    found = change_interval(np.array([0.5, np.nan, 0.7]), np.array([0.4, 0.2, 0.5]), 0.95)
    assert found is not None
    half = float(t.ppf(0.975, 1)) * np.std([-0.1, -0.2], ddof=1) / np.sqrt(2)
    assert found["ci_low"] == pytest.approx(-0.15 - half)
    assert found["n_seeds"] == 2
    one = change_interval(np.array([0.5]), np.array([0.4]), 0.95)
    assert one is not None
    assert one["ci_low"] is None
    assert change_interval(np.full(3, np.nan), np.zeros(3), 0.95) is None


def test_a_cell_decides_what_is_about_it_alone() -> None:
    dense, light, heavy = (
        Key("imdb", "bert", pruner, s) for pruner, s in (("none", 0.0), ("IMP-WR", 0.5), ("IMP-WR", 0.9))
    )
    study = Measured(
        metrics=dict.fromkeys((dense, light, heavy), "accuracy"),
        values={
            "score_mean": {dense: 0.9, light: 0.89, heavy: 0.7},
            "pie_share": {light: 0.05, heavy: 0.0},
            "dense_score_on_pies": {light: 0.5},
            "pruned_score_on_pies": {light: 0.3},
        },
        families={"bert": "encoder"},
    )
    found = list(rows_by_cell(study, {light: "sparsity-500permille", heavy: "sparsity-900permille"}))
    assert [row.amount for row in found] == ["sparsity-500permille", "sparsity-900permille"]
    holds, fails = ([getattr(row, side).split("|") for row in found] for side in ("holds", "fails"))
    # There is always a subset on which they disagree: so at 50 %, not at 90 %.
    assert "PIE-02" in holds[0]
    assert "PIE-02" in fails[1]
    # That the share rises with the share pruned is about several.
    assert not any("PIE-01" in names for names in (*holds, *fails))
    for row in found:
        assert row.n_decided == len([one for one in f"{row.holds}|{row.fails}".split("|") if one])
        assert row.n_hold == len([one for one in row.holds.split("|") if one])
