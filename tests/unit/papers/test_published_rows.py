"""A study's numbers beside the printed ones, and both tables as files."""

from __future__ import annotations

import csv
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from prunescope.analysis.tables.declared import Key
from prunescope.analysis.tables.papers import TABLES
from prunescope.papers.against_papers import collect_all
from prunescope.papers.comparison import published_rows
from prunescope.papers.measured import Measured

CELL = Key("reuters", "bilstm", "IMP-FT", 0.9)
DENSE = Key("reuters", "bilstm", "none", 0.0)
#: Printed in Table 4 for the cell
SHARE = 0.06


def study(metric: str = "macro_f1", cell: Key = CELL) -> Measured:
    return Measured(
        {DENSE: metric, cell: metric},
        {
            "score_mean": {DENSE: 0.741, cell: 0.7},
            "score_std": {DENSE: 0.02},
            "pie_share": {cell: 0.25},
            "dense_score_on_pies": {cell: 0.5},
        },
    )


def test_golden_rows() -> None:
    """Reuters, BiLSTM of Tables 4, 9 and 10: dense .731 and .017; IMP-FT at 90 %."""
    rows = {(row.table, row.pruner, row.quantity): row for row in published_rows(study())}
    assert list(rows) == [
        ("4", "IMP-FT", "pie_share"),
        ("9", "none", "score_mean"),
        ("9", "none", "score_std"),
        ("9", "IMP-FT", "score_mean"),
        ("9", "IMP-FT", "score_std"),
        ("10", "IMP-FT", "dense_score_on_pies"),
        ("10", "IMP-FT", "pruned_score_on_pies"),
    ]
    dense = rows["9", "none", "score_mean"]
    assert astuple(dense)[:9] == ("PIE", "9", "reuters", "bilstm", "none", 0.0, "score_mean", 0.731, 0.741)
    assert dense.difference == pytest.approx(0.01)
    share = rows["4", "IMP-FT", "pie_share"]
    assert share.published == SHARE
    assert (share.ours, share.difference) == (0.25, pytest.approx(0.25 - SHARE))
    # Nothing of ours to compare with: the printed number stands alone.
    for quantity in (("9", "IMP-FT", "score_std"), ("10", "IMP-FT", "pruned_score_on_pies")):
        assert astuple(rows[quantity])[8:] == (None, None)


@pytest.mark.parametrize(
    "other",
    [
        study("accuracy"),
        study(cell=CELL._replace(sparsity=0.8)),
        study(cell=CELL._replace(pruner="UP")),
        study(cell=CELL._replace(dataset="topics")),
        study(cell=CELL._replace(arch="minilm")),
    ],
    ids=("metric", "sparsity", "pruner", "dataset", "arch"),
)
def test_other_cells_are_not_compared(other: Measured) -> None:
    assert {row.pruner for row in published_rows(other)} <= {"none"}


def test_illegible_numbers_have_no_row() -> None:
    cell = Key("AAPD", "BiLSTM", "RP-AI", 0.9)
    aapd = Measured(
        {cell: "macro_f1"},
        {
            "score_mean": {cell: 0.5},
            "score_std": {cell: 0.1},
            "pie_share": {cell: 0.5},
            "dense_score_on_pies": {cell: 0.4},
            "pruned_score_on_pies": {cell: 0.3},
        },
    )
    rows = published_rows(aapd)
    assert [(row.table, row.quantity) for row in rows] == [("4", "pie_share"), ("10", "pruned_score_on_pies")]


def cell(root: Path, name: tuple[str, str, str, str], scores: dict[str, list[float]], **summary: Any) -> Path:
    folder = root.joinpath("cells", *name)
    (folder / "test").mkdir(parents=True)
    about = {"task": "multi-label", "n_examples": 10, "n_pies": 2, "pie_share": 0.2, "metric": "macro_f1"}
    about |= {"dense_score_on_pies": 0.5, "pruned_score_on_pies": 0.25, **summary}
    (folder / "test" / "summary.json").write_text(json.dumps(about))
    lines = [f"{i},{d},{p},0" for i, (d, p) in enumerate(zip(scores["dense"], scores["pruned"], strict=True))]
    (folder / "test" / "scores.csv").write_text(
        "\n".join(["seed,score_dense,score_pruned,flips", *lines]) + "\n"
    )
    (folder / "test" / "classes.csv").write_text(
        "class,n_examples,share_of_examples,n_pies,share_of_pies\na,8,0.8,1,0.5\nb,2,0.2,1,0.5\n"
    )
    models = [{"seed": 0, "diverged": False, "sparsity": 0.9, "ratio": 9.0}]
    keys = dict(zip(("dataset", "arch", "pruner", "amount"), name, strict=True))
    family = {"architecture": {"family": "encoder" if name[1] == "tiny" else "bilstm"}}
    (folder / "models.json").write_text(json.dumps({**keys, "models": models, "settings": family}))
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_from_cells_to_files(tmp_path: Path) -> None:
    dense = [0.6, 0.8]
    cells = [
        cell(
            tmp_path, ("Reuters", arch, "IMP-FT", "sparsity-900permille"), {"dense": dense, "pruned": pruned}
        )
        for arch, pruned in (("BiLSTM", [0.5, 0.7]), ("tiny", [0.1, 0.1]))
    ]
    collect_all(cells, tmp_path / "tables")
    published = rows_of(tmp_path / "tables" / "published.csv")
    assert tuple(published[0]) == TABLES["published"].columns
    assert {row["arch"] for row in published} == {"BiLSTM"}
    mean = next(r for r in published if r["quantity"] == "score_mean" and r["pruner"] == "IMP-FT")
    assert float(mean["ours"]) == pytest.approx(0.6)
    assert float(mean["difference"]) == pytest.approx(0.6 - float(mean["published"]))
    claims = {row["id"]: row for row in rows_of(tmp_path / "tables" / "claims.csv")}
    assert len(claims) == 40
    # The encoder by its record plays BERT; one share each, which are equal.
    assert claims["PIE-03"]["verdict"] == "fails"
    assert claims["PIE-03"]["evidence"].startswith("larger for BERT (here tiny) than for BiLSTM in 0 of 1")
    # 1/2 of the PIEs' labels, 8/10 of all, and a PIE in both classes
    assert claims["PIE-14"]["verdict"] == "holds"
    assert claims["REC-01"]["verdict"] == claims["PIE-18"]["verdict"] == "not measured"


def test_a_study_that_has_nothing_of_the_papers(tmp_path: Path) -> None:
    collect_all([], tmp_path)
    assert rows_of(tmp_path / "published.csv") == []
    assert (tmp_path / "published.csv").read_text() == ",".join(TABLES["published"].columns) + "\n"
    assert {row["verdict"] for row in rows_of(tmp_path / "claims.csv")} == {"not measured"}


def test_cells_without_models_left(tmp_path: Path) -> None:
    """All diverged: an audit of nothing, with nulls."""
    nulls = dict.fromkeys(
        ("n_examples", "n_pies", "pie_share", "dense_score_on_pies", "pruned_score_on_pies")
    )
    name = ("Reuters", "BiLSTM", "IMP-FT", "sparsity-900permille")
    folder = cell(tmp_path, name, {"dense": [], "pruned": []}, **nulls)
    (folder / "test" / "classes.csv").unlink()
    collect_all([folder], tmp_path / "tables")
    published = rows_of(tmp_path / "tables" / "published.csv")
    assert published
    assert {row["ours"] for row in published} == {""}
    assert {row["verdict"] for row in rows_of(tmp_path / "tables" / "claims.csv")} == {"not measured"}


def test_a_metric_of_the_same_name_that_is_another_one_has_no_difference() -> None:
    """E2E in Table 4, PINS at 80 %: BLEU, ROUGE-L .718, METEOR .466."""
    key = Key("e2e", "gpt2", "PINS", 0.8)
    names = ("rouge_l", "meteor")
    values = {"score_mean": {key: 0.6}} | {f"task_metrics.{name}": {key: 0.4} for name in names}
    rows = {row.quantity: row for row in published_rows(Measured({key: "bleu"}, values)) if row.ours}
    assert {name: (rows[name].published, rows[name].ours, rows[name].difference) for name in names} == {
        "rouge_l": (0.718, 0.4, None),
        "meteor": (0.466, 0.4, None),
    }
    assert rows["score_mean"].difference is not None
