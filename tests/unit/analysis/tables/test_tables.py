"""Cells and records of models collected into the study's tables."""

from __future__ import annotations

import csv
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.support.spans import beyond

from prunescope.analysis.audit import audit
from prunescope.analysis.audit_tables import AUDIT_TABLES
from prunescope.analysis.studies.rows import COMPARED
from prunescope.analysis.tables.collect import collect
from prunescope.analysis.tables.declared import columns
from prunescope.analysis.tables.registry import TABLES
from prunescope.cli import main
from prunescope.errors import UserError
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions

N = 40
LABEL = np.random.default_rng(0).integers(0, 3, N).astype(np.int32)


def predictions(path: Path, seeds: tuple[int, ...], noise: float, split: str = "test", **extra: Any) -> Path:
    shared = np.random.default_rng(1).normal(size=(N, 3))
    shared[np.arange(N), LABEL] += 1.5
    meta = TableMeta("single-label", ("a", "b", "c"), split=split, extra=extra)
    blocks = (
        SeedBlock(
            s, LABEL, (shared + noise * np.random.default_rng(s).normal(size=(N, 3))).astype(np.float32)
        )
        for s in seeds
    )
    write_predictions(path, meta, blocks)
    return path


def record(path: Path, cell: tuple[str, str, str, str], models: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = dict(zip(("dataset", "arch", "pruner", "amount"), cell, strict=True))
    path.write_text(json.dumps({**keys, "models": models}))
    return path


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Path]:
    """Three dense seeds; MP at sparsity 0.9 with all of them, at ratio 4 with two, one of these diverged."""
    dense = predictions(tmp_path / "dense.parquet", (0, 1, 2), 0.2)
    cells = {}
    for pruner, compression, seeds, noise in (
        ("none", "sparsity-0permille", (0, 1, 2), 0.2),
        ("MP", "sparsity-900permille", (0, 1, 2), 1.0),
        ("MP", "ratio-400percent", (0,), 1.5),
    ):
        folder = tmp_path / "cells" / "zoo" / "net" / pruner / compression
        pruned = predictions(tmp_path / f"{compression}.parquet", seeds, noise)
        audit([dense], [pruned], folder / "test")
        audit([dense], [pruned], folder / "train", early=[dense], bins=4)
        cells[compression] = folder
    models = [
        {"seed": 0, "diverged": False, "sparsity": 0.78, "ratio": 3.9},
        {"seed": 1, "diverged": True, "sparsity": 0.1, "ratio": 1.1},
    ]
    record(cells["ratio-400percent"] / "models.json", ("zoo", "net", "MP", "ratio-400percent"), models)
    record(
        cells["sparsity-900permille"] / "models.json",
        ("zoo", "net", "MP", "sparsity-900permille"),
        [{"seed": s, "diverged": False, "sparsity": 0.9001, "ratio": 5 + s} for s in (0, 1, 2)],
    )
    return cells


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_columns_are_as_documented(tmp_path: Path, study: dict[str, Path]) -> None:
    collect(list(study.values()), tmp_path / "tables")
    for name, table in TABLES.items():
        with open(tmp_path / "tables" / f"{name}.csv", encoding="utf-8") as stream:
            assert stream.readline() == ",".join(table.columns) + "\n"


def test_every_interval_stays_where_its_value_can_be(tmp_path: Path, study: dict[str, Path]) -> None:
    collect(list(study.values()), tmp_path / "tables")
    folders = [(folder / "test", AUDIT_TABLES) for folder in study.values()]
    for folder, tables in [(tmp_path / "tables", TABLES), *folders]:
        assert list(beyond(folder, tables)) == []
    for table in (*TABLES.values(), *AUDIT_TABLES.values(), *COMPARED.values()):
        ends = [(a, b) for a, b in pairwise(columns(table.row)) if a.name.endswith("low")]
        for lower, upper in ends:
            assert lower.within is not None, f"{table.name}.csv: nothing is declared of {lower.name}"
            assert upper.name.endswith("high")


def test_effectiveness(tmp_path: Path, study: dict[str, Path]) -> None:
    collect(list(study.values()), tmp_path / "tables")
    rows = table(tmp_path / "tables", "effectiveness")
    assert [(r["pruner"], r["sparsity"], r["n_seeds"]) for r in rows] == [
        ("none", "0.0", "3"),
        ("MP", "0.78", "1"),
        ("MP", "0.9", "3"),
    ]
    scores = pd.read_csv(study["sparsity-900permille"] / "test" / "scores.csv")
    assert float(rows[0]["mean"]) == pytest.approx(scores["score_dense"].mean())
    assert float(rows[0]["std"]) == pytest.approx(scores["score_dense"].std())
    assert float(rows[2]["mean"]) == pytest.approx(scores["score_pruned"].mean())
    assert float(rows[2]["std"]) == pytest.approx(scores["score_pruned"].std())
    # One seed has no standard deviation.
    assert rows[1]["std"] == ""
    assert {r["metric"] for r in rows} == {"accuracy"}


def test_dense_rows_do_not_need_the_dense_cell(tmp_path: Path, study: dict[str, Path]) -> None:
    collect(list(study.values()), tmp_path / "with")
    collect([path for path in study.values() if "none" not in path.parts], tmp_path / "without")
    for name in TABLES:
        assert (tmp_path / "with" / f"{name}.csv").read_text() == (
            tmp_path / "without" / f"{name}.csv"
        ).read_text()


def test_dense_models_known_from_records_only(tmp_path: Path) -> None:
    models = [
        {"seed": 0, "diverged": False, "sparsity": 0, "ratio": 1, "scores": {"test": {"accuracy": 0.5}}},
        {"seed": 1, "diverged": False, "sparsity": 0, "ratio": 1, "scores": {"test": {"accuracy": 0.75}}},
        {"seed": 2, "diverged": True, "sparsity": 0, "ratio": 1, "scores": {}},
    ]
    path = record(tmp_path / "metrics.json", ("zoo", "net", "none", "sparsity-0permille"), models)
    collect([], tmp_path / "tables", [path])
    (row,) = table(tmp_path / "tables", "effectiveness")
    assert (row["pruner"], row["metric"], row["mean"], row["n_seeds"]) == ("none", "accuracy", "0.625", "2")
    # (0.125^2 + 0.125^2) / 1
    assert float(row["std"]) == pytest.approx(0.03125**0.5)


def test_pies_alpha_and_variance(tmp_path: Path, study: dict[str, Path]) -> None:
    collect(list(study.values()), tmp_path / "tables")
    folder = study["sparsity-900permille"] / "test"
    summary = json.loads((folder / "summary.json").read_text())
    shares = table(tmp_path / "tables", "pie_share")
    assert [r["pruner"] for r in shares] == ["MP", "MP"]
    assert float(shares[1]["pie_share"]) == summary["pie_share"]
    on_pies = table(tmp_path / "tables", "effectiveness_on_pies")[1]
    assert float(on_pies["pruned"]) == summary["pruned_score_on_pies"]
    ratio, sparsity = table(tmp_path / "tables", "alpha")
    # Reached: the mean over models, diverged ones left out
    assert (ratio["sparsity"], ratio["ratio"], ratio["ci_low"], ratio["verdict"]) == ("0.78", "3.9", "", "?")
    assert (sparsity["sparsity"], sparsity["ratio"]) == ("0.9", "6.0")
    assert float(sparsity["alpha"]) == summary["alpha"]["mean"]
    assert float(sparsity["accuracy"]) == summary["pruned_score"]
    recalls = pd.read_csv(folder / "recall.csv").groupby("seed")
    rows = table(tmp_path / "tables", "recall_variance")
    assert [(r["pruner"], r["ratio"]) for r in rows] == [("none", "1.0"), ("MP", "3.9"), ("MP", "6.0")]
    assert float(rows[0]["mean_recall_variance"]) == pytest.approx(recalls["recall_dense"].var().mean())
    assert float(rows[2]["mean_recall_variance"]) == pytest.approx(recalls["recall_pruned"].var().mean())


def test_the_leading_metric_stands_in_both_tables_of_scores(tmp_path: Path) -> None:
    dense, pruned = (
        predictions(tmp_path / f"{name}.parquet", (0, 1), noise, metrics=["matthews", "accuracy"])
        for name, noise in (("dense", 0.2), ("pruned", 1.5))
    )
    folder = tmp_path / "cells" / "zoo" / "net" / "MP" / "sparsity-900permille"
    summary = audit([dense], [pruned], folder / "test")
    collect([folder], tmp_path / "tables")
    (on_pies,) = table(tmp_path / "tables", "effectiveness_on_pies")
    own = summary["task_metrics"]["matthews"]
    assert own["pruned_on_pies"] != summary["pruned_score_on_pies"]
    assert (on_pies["metric"], float(on_pies["dense"]), float(on_pies["pruned"])) == (
        "matthews",
        own["dense_on_pies"],
        own["pruned_on_pies"],
    )
    assert {row["metric"] for row in table(tmp_path / "tables", "effectiveness")} == {"matthews"}


def test_el2n_comes_from_the_training_split(tmp_path: Path, study: dict[str, Path]) -> None:
    collect(list(study.values()), tmp_path / "tables")
    rows = table(tmp_path / "tables", "el2n_bins")
    assert [(r["sparsity"], r["bin"], r["n_examples"]) for r in rows] == [
        (s, str(b), "10") for s in ("0.78", "0.9") for b in (1, 2, 3, 4)
    ]
    assert table(tmp_path / "tables", "readability") == []


def test_order_of_cells_changes_nothing(tmp_path: Path, study: dict[str, Path]) -> None:
    cells = list(study.values())
    collect(cells, tmp_path / "a")
    collect(cells[::-1], tmp_path / "b")
    for name in TABLES:
        assert (tmp_path / "a" / f"{name}.csv").read_bytes() == (tmp_path / "b" / f"{name}.csv").read_bytes()


def test_what_is_no_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must end in <dataset>/<arch>/<pruner>/<amount>"):
        collect([Path("cells/MP")], tmp_path)
    with pytest.raises(UserError, match="not a compression level"):
        collect([tmp_path / "zoo" / "net" / "MP" / "ninety"], tmp_path)
    with pytest.raises(UserError, match=r"summary\.json: no such file"):
        collect([tmp_path / "zoo" / "net" / "MP" / "sparsity-900permille"], tmp_path)


def test_seeds_and_agreement(tmp_path: Path, study: dict[str, Path]) -> None:
    collect(list(study.values()), tmp_path / "tables")
    folder = study["sparsity-900permille"] / "test"
    summary = json.loads((folder / "summary.json").read_text())
    one, three = table(tmp_path / "tables", "pie_intervals")
    assert (one["n_seeds"], one["ci_low"], one["noise_floor"], one["verdict"]) == ("1", "", "", "")
    assert (three["n_seeds"], three["confidence"]) == ("3", "0.95")
    assert float(three["pie_share"]) == summary["pie_share"]
    assert float(three["noise_floor"]) == summary["noise_floor"]["mean"]
    assert float(three["excess"]) == pytest.approx(
        float(three["pie_share_half"]) - float(three["noise_floor"])
    )
    assert three["verdict"] == summary["noise_floor"]["verdict"]
    by_seeds = table(tmp_path / "tables", "pie_share_by_seeds")
    assert [(r["sparsity"], r["n_models"]) for r in by_seeds] == [
        ("0.78", "1"), ("0.9", "1"), ("0.9", "2"), ("0.9", "3")
    ]  # fmt: skip
    assert float(by_seeds[-1]["pie_share"]) == summary["pie_share"]
    agreement = table(tmp_path / "tables", "agreement")[1]
    assert float(agreement["loyalty_mean"]) == summary["loyalty"]["mean"]
    assert float(agreement["flips_to_wrong"]) + float(agreement["flips_to_right"]) == pytest.approx(
        summary["n_flips_mean"]
    )
    assert table(tmp_path / "tables", "spearman_pies") == []


def test_an_audit_of_before_has_empty_fields(tmp_path: Path, study: dict[str, Path]) -> None:
    folder = study["sparsity-900permille"] / "test"
    summary = json.loads((folder / "summary.json").read_text())
    for key in ("pie_interval", "noise_floor", "loyalty", "flips"):
        del summary[key]
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "pie_share_by_seeds.csv").unlink()
    collect(list(study.values()), tmp_path / "tables")
    row = table(tmp_path / "tables", "pie_intervals")[1]
    assert float(row["pie_share"]) == summary["pie_share"]
    assert {row[name] for name in ("ci_low", "noise_floor", "excess", "verdict")} == {""}
    assert [r["sparsity"] for r in table(tmp_path / "tables", "pie_share_by_seeds")] == ["0.78"]
    assert table(tmp_path / "tables", "agreement")[1]["loyalty_mean"] == ""


def test_training_split_leaves_the_seeds_alone(tmp_path: Path) -> None:
    dense = predictions(tmp_path / "dense.parquet", (0, 1), 0.2)
    summary = audit([dense], [dense], tmp_path / "train", seed_statistics=False)
    assert "noise_floor" not in summary
    assert not (tmp_path / "train" / "pie_share_by_seeds.csv").exists()


def test_tests_between_cells_through_the_command(
    tmp_path: Path, study: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    cells = tmp_path / "cells.txt"
    dense = predictions(tmp_path / "again.parquet", (0, 1, 2), 0.2)
    other = predictions(tmp_path / "half.parquet", (0, 1, 2), 0.6)
    half = study["sparsity-900permille"].parent / "sparsity-500permille"
    audit([dense], [other], half / "test")
    audit([dense], [other], half / "train")
    cells.write_text("".join(f"{path}\n" for path in (*study.values(), half)))
    out = tmp_path / "tables"
    command = ["tables", "--cells", str(cells), "--out", str(out), "--analysis"]
    assert main([*command, '{"correction": "holm"}']) == 0
    (row,) = table(out, "alpha_tests")
    assert (row["family"], row["a"], row["b"]) == ("sparsity: zoo, net, MP", "0.5", "0.9")
    alphas = [
        pd.read_csv(folder / "test" / "alpha.csv")["alpha"]
        for folder in (half, study["sparsity-900permille"])
    ]
    difference = alphas[0] - alphas[1]
    assert float(row["statistic"]) == pytest.approx(difference.mean() / difference.sem())
    assert (row["n_a"], row["n_dropped"], row["correction"]) == ("3", "0", "holm")
    assert main([*command, '{"tested_amounts": [0.9]}']) == 0
    assert table(out, "alpha_tests") == []
    assert main([*command, '{"correction": "sidak"}']) == 2
    assert "--analysis: correction: must be 'bonferroni' or 'holm'" in capsys.readouterr().err


def test_every_statistic_is_explained() -> None:
    """Each column of numbers that are no counts stands in docs/statistics.md."""
    text = (Path(__file__).parents[4] / "docs" / "statistics.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", text))))
    missing = {
        f"{table.name}.{column.name}"
        for table in (*TABLES.values(), *AUDIT_TABLES.values())
        for column in columns(table.row)
        if column.kind is float and not column.name.endswith("_std") and column.name not in words
    }
    assert missing == set()
