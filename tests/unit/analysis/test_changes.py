"""The claims that one cell decides."""

from __future__ import annotations

from prunescope.analysis.tables.declared import Key
from prunescope.papers.against_papers import rows_by_cell
from prunescope.papers.measured import Measured


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
