"""Real runs: what they leave, and what happens when they are disturbed."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from prunescope.cli import main

from .conftest import Workspace, changed

pytestmark = pytest.mark.workflow

MODELS = "models/digits/lenet5"


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def tables_of(results: Path) -> dict[str, str]:
    """SHA-256 of every prediction table and cross-study table."""
    files = [
        *results.glob("models/**/*.parquet"),
        *results.glob("tables/*.csv"),
        *results.glob("cells/**/*.csv"),
    ]
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
    }


def test_tables_have_one_row_per_cell(finished: Workspace) -> None:
    tables = finished.results / "tables"
    cells = {
        ("digits", "lenet5", pruner, sparsity)
        for pruner in ("IMP-FT", "RP-AI")
        for sparsity in ("0.5", "0.9")
    }
    share = {
        tuple(row[k] for k in ("dataset", "arch", "pruner", "sparsity"))
        for row in rows(tables / "pie_share.csv")
    }
    assert cells <= share
    assert len(share) == 5
    effectiveness = rows(tables / "effectiveness.csv")
    assert len(effectiveness) == 7
    assert [row["n_seeds"] for row in effectiveness] == ["2"] * 7
    assert {row["dataset"] for row in effectiveness if row["pruner"] == "none"} == {"digits", "prose"}
    assert all(float(row["sparsity"]) == 0 for row in effectiveness if row["pruner"] == "none")


def test_pruned_weights_are_exactly_zero_in_what_is_kept(finished: Workspace) -> None:
    tensors = load_file(
        finished.results / MODELS / "IMP-FT/sparsity-900permille/seeds-0-1/models.safetensors"
    )
    for seed in (0, 1):
        for name, size in {"conv1": 150, "conv2": 2400, "fc1": 7680, "fc2": 10080}.items():
            weight = tensors[f"{seed}/model/{name}.weight"]
            assert weight.size == size
            assert np.count_nonzero(weight == 0) == round(0.9 * size)


def test_metrics_say_what_was_reached(finished: Workspace) -> None:
    metrics = json.loads(
        (finished.results / MODELS / "RP-AI/sparsity-500permille/seeds-0-1/metrics.json").read_text()
    )
    model = metrics["models"][1]
    assert model["seed"] == 1
    assert model["sparsity_asked"] == model["sparsity"] == 0.5
    assert model["layers"]["conv1.weight"] == {"size": 150, "zeros": 75, "sparsity": 0.5}
    assert set(model["scores"]) == {"train", "validation", "test"}


def test_ratio_counts_all_parameters(finished: Workspace) -> None:
    (row,) = (r for r in rows(finished.results / "tables/alpha.csv") if r["dataset"] == "prose")
    assert float(row["ratio"]) == pytest.approx(2, abs=0.01)


def test_tables_of_one_paper_have_the_data_sets_of_the_other(finished: Workspace) -> None:
    def datasets(name: str) -> set[str]:
        return {row["dataset"] for row in rows(finished.results / "tables" / f"{name}.csv")}

    # Texts have recall distortion, images have PIEs; readability is of texts alone
    for name in ("alpha", "alpha_variants", "alpha_intensification", "recall_variance"):
        assert datasets(name) == {"digits", "prose"}, name
    for name in ("pie_share", "effectiveness_on_pies", "el2n_bins", "pie_intervals", "agreement"):
        assert datasets(name) == {"digits", "prose"}, name
    assert datasets("readability") == {"prose"}
    tests = rows(finished.results / "tables" / "alpha_tests.csv")
    assert {row["varied"] for row in tests} == {"sparsity", "pruner"}
    recalls = rows(finished.results / "cells/prose/bilstm/MP/ratio-200percent/test/recall.csv")
    assert {row["class"] for row in recalls} == {"snakemake", "jinja2"}


def test_pictures_of_pies_are_in_the_pages(finished: Workspace) -> None:
    results = finished.results
    for cell in ("IMP-FT--sparsity-900permille", "RP-AI--sparsity-500permille"):
        page = (results / f"report/cells/digits--lenet5--{cell}.html").read_text()
        pruner, compression = cell.split("--")
        summary = json.loads(
            (results / f"cells/digits/lenet5/{pruner}/{compression}/test/summary.json").read_text()
        )
        assert page.count('<img src="data:image/png;base64,') == min(summary["n_pies"], 96)
    assert (
        "data:image/png"
        not in (results / "report/cells/prose--bilstm--MP--ratio-200percent.html").read_text()
    )
    assert (results / "report/often/digits.html").exists()
    assert (results / "paper/pie/pictures-digits.png").exists()


def test_audit_of_the_study_s_own_tables(finished: Workspace, tmp_path: Path) -> None:
    models = finished.results / MODELS
    code = main(
        ["audit", "--dense", str(models / "none/sparsity-0permille/seeds-0-1/test.parquet"),
         "--pruned", str(models / "RP-AI/sparsity-900permille/seeds-0-1/test.parquet"), "--out", str(tmp_path / "a")]
    )  # fmt: skip
    assert code == 0
    ours = json.loads((tmp_path / "a/summary.json").read_text())
    cell = finished.results / "cells/digits/lenet5/RP-AI/sparsity-900permille/test/summary.json"
    theirs = json.loads(cell.read_text())
    assert {k: v for k, v in ours.items() if k != "sources"} == {
        k: v for k, v in theirs.items() if k != "sources"
    }


def test_bad_study_is_refused_before_any_job(tmp_path: Path) -> None:
    change: dict[str, object] = {"grid__1__ratios": [1000]}
    expected = "bilstm on prose: ratio 1000: asks for"
    workspace = Workspace(tmp_path / "bad", changed(**change))
    done = workspace.snakemake()
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("prunescope: error:")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert "Traceback" not in done.stderr
    assert not workspace.results.exists()


def test_results_folder_may_be_named_on_the_command_line(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "named")
    assert workspace.jobs("--config", "seeds=[0]")["train"] == 2
