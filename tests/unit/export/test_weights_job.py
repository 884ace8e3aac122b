"""From a block's models and metrics to the rows of the study's tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import TABLES
from prunescope.analysis.tables.results import StudyResults
from prunescope.analysis.weights import tables as weight_tables
from prunescope.analysis.weights.stored import LISTS, Weights, join
from prunescope.cli import main
from prunescope.errors import UserError
from prunescope.export.weights_job import measure

NAMES = ("enc.layer.0.a.weight", "enc.layer.0.b.weight", "enc.layer.1.a.weight")
SHAPES = ((4, 4), (2, 4), (4, 4))


def model(seed: int) -> dict[str, np.ndarray]:
    """Of seed 0 the layers have ranks 2, 1, 0; every further seed has full ranks."""
    if seed:
        random = np.random.default_rng(seed)
        return {
            name: random.standard_normal(shape).astype(np.float32)
            for name, shape in zip(NAMES, SHAPES, strict=True)
        }
    first = np.array([[1, 0, 2, 3], [2, 0, 4, 6], [0, 0, 0, 0], [0, 5, 1, 0]], np.float32)
    second = np.array([[0, 0, 0, 0], [0, 0, -1, 0]], np.float32)
    return dict(zip(NAMES, (first, second, np.zeros((4, 4), np.float32)), strict=True))


def block(folder: Path, seeds: tuple[int, ...], diverged: tuple[int, ...] = ()) -> tuple[Path, Path]:
    """A block's models.safetensors and metrics.json."""
    tensors: dict[str, np.ndarray] = {}
    models: list[dict[str, Any]] = [
        {"seed": seed, "diverged": True, "reason": "loss is NaN"} for seed in diverged
    ]
    for seed in seeds:
        weights = model(seed)
        tensors |= {f"{seed}/model/{name}": weight for name, weight in weights.items()}
        tensors[f"{seed}/model/classifier.weight"] = np.ones((2, 4), np.float32)
        layers = {
            name: {"size": weight.size, "zeros": int((weight == 0).sum())} for name, weight in weights.items()
        }
        models.append({"seed": seed, "diverged": False, "layers": layers})
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "models.safetensors", metadata={"seeds": " ".join(map(str, seeds))})
    record = {"settings": {"architecture": {"family": "encoder"}}, "models": models}
    (folder / "metrics.json").write_text(json.dumps(record))
    return folder / "models.safetensors", folder / "metrics.json"


def measured(folder: Path, seeds: tuple[int, ...], diverged: tuple[int, ...] = ()) -> Path:
    measure(*block(folder, seeds, diverged), folder / "weights.json")
    return folder / "weights.json"


def test_measures_by_hand(tmp_path: Path) -> None:
    found = Weights.read(measured(tmp_path, (0, 1)))
    assert [(m.layer, m.layer_name, m.matrix, m.rows, m.columns) for m in found.matrices] == [
        (1, "enc.layer.0", "a", 4, 4),
        (1, "enc.layer.0", "b", 2, 4),
        (2, "enc.layer.1", "a", 4, 4),
    ]
    first, second = found.models
    assert (first.seed, first.left, first.rank) == (0, (8, 1, 0), (2, 1, 0))
    assert (first.empty_rows, first.empty_columns) == ((0.25, 0.5, 1.0), (0.0, 0.75, 1.0))
    # A byte per weight and two of bits for 16 (one for 8), or a byte of gap per weight; 4 (rows + 1) where rows start,
    # 4 a row for its scale.
    assert first.bytes_exported == (8 + 2 + 20 + 16, 1 + 1 + 12 + 8, 0 + 0 + 20 + 16)
    assert first.row_gini == (20 / 64, 0.5, None)
    assert first.column_gini == (12 / 64, 0.75, None)
    # One weight is always in one row alone.
    assert first.row_gini_random[1:] == (pytest.approx(0.5), None)
    assert sum(first.magnitudes) == 9
    assert (second.left, second.rank, second.row_gini) == ((16, 8, 16), (4, 2, 4), (0, 0, 0))
    assert found.shown is not None
    assert (found.shown.seed, found.shown.name) == (0, NAMES[1])
    assert found.shown.pattern.image().tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]


def test_rows_by_hand(tmp_path: Path) -> None:
    cell = tmp_path / "cells" / "d" / "net" / "MP" / "sparsity-900permille"
    cell.mkdir(parents=True)
    join([measured(tmp_path / "block", (0, 1))], cell / "weights.json", (0, 1))
    study = StudyResults([CellResults(cell, [], {})], {})
    found = [vars(row) for row in weight_tables.weights(study)]
    assert [(row["layer"], row["matrix"]) for row in found] == [
        (None, None), (1, None), (1, "a"), (1, "b"), (2, None), (2, "a"),
    ]  # fmt: skip
    whole, layer, first = found[:3]
    # Seed 0 has 9 of 40 weights and ranks 2, 1, 0; seed 1 all and 4, 2, 4.
    assert whole["left_share"] == pytest.approx((9 / 40 + 1) / 2)
    assert (whole["n_matrices"], whole["n_seeds"]) == (3, 2)
    assert whole["rank"] == pytest.approx((1 + 10 / 3) / 2)
    assert whole["rank_std"] == pytest.approx(abs(1 - 10 / 3) / 2**0.5)
    assert whole["rank_share"] == pytest.approx(((2 / 4 + 1 / 2 + 0) / 3 + 1) / 2)
    assert layer["left_share"] == pytest.approx((9 / 24 + 1) / 2)
    assert layer["rank"] == pytest.approx((1.5 + 3) / 2)
    # Room adds up; the second model has all of its 16, 8 and 16 weights.
    assert whole["megabytes"] == pytest.approx(((46 + 22 + 36) + (54 + 29 + 54)) / 2 / 1e6)
    assert whole["megabytes_float32"] == pytest.approx(4 * 40 / 1e6)
    # Plain CSR: 3 bytes a weight left, 4 for the start of each row and one more, 4 a row for its scale.
    assert whole["megabytes_csr"] == pytest.approx((3 * (9 + 40) / 2 + 4 * (9 + 5 + 9)) / 1e6)
    assert whole["exported_score"] is None
    assert (layer["megabytes_float32"], first["megabytes_float32"]) == (4 * 24 / 1e6, 4 * 16 / 1e6)
    assert layer["row_gini"] == pytest.approx(((20 / 64 + 0.5) / 2 + 0) / 2)
    assert (first["rows"], first["columns"], first["rank"]) == (4, 4, 3)
    # The second layer of seed 0 has no weight and so no concentration: the mean is seed 1's.
    assert found[-1]["row_gini"] == 0
    assert found[-1]["row_gini_std"] is None
    assert found[-1]["empty_rows"] == 0.5
    # Magnitudes: shares of each model's weights add up to 1, and so do their means.
    values = list(weight_tables.weight_values(study))
    assert sum(row.share or 0.0 for row in values) == pytest.approx(1)
    assert all(row.high is None or row.low < row.high for row in values)


def test_blocks_are_joined_for_the_seeds_of_a_cell(tmp_path: Path) -> None:
    blocks = [measured(tmp_path / "b", (2, 3), diverged=(4,)), measured(tmp_path / "a", (0, 1))]
    join(blocks, tmp_path / "all.json", (1, 2, 3, 4))
    found = Weights.read(tmp_path / "all.json")
    assert [model.seed for model in found.models] == [1, 2, 3]
    # The first block shows seed 0, which the cell does not have.
    assert found.shown is not None
    assert found.shown.seed == 2
    # As if one block had had them all.
    whole = Weights.read(measured(tmp_path / "whole", (1, 2, 3)))
    assert whole.models == found.models
    assert whole.matrices == found.matrices


def test_models_that_all_diverged_leave_no_rows(tmp_path: Path) -> None:
    cell = tmp_path / "cells" / "d" / "net" / "MP" / "sparsity-900permille"
    cell.mkdir(parents=True)
    join([measured(tmp_path / "block", (), diverged=(0, 1))], cell / "weights.json", (0, 1))
    for folder in (cell, cell.with_name("sparsity-500permille")):
        study = StudyResults([CellResults(folder, [], {})], {})
        assert [*weight_tables.weights(study), *weight_tables.weight_values(study)] == []


def test_same_bytes_twice(tmp_path: Path) -> None:
    assert measured(tmp_path / "a", (0, 1)).read_bytes() == measured(tmp_path / "b", (0, 1)).read_bytes()


def test_zeros_that_the_metrics_do_not_know_are_refused(tmp_path: Path) -> None:
    models, metrics = block(tmp_path, (0, 1))
    record = json.loads(metrics.read_text())
    record["models"][1]["layers"][NAMES[2]]["zeros"] = 3
    metrics.write_text(json.dumps(record))
    with pytest.raises(
        UserError, match=r"seed 1: enc\.layer\.1\.a\.weight has 0 zeros of 16 weights, but metrics"
    ):
        measure(models, metrics, tmp_path / "weights.json")
    assert not (tmp_path / "weights.json").exists()


def test_a_model_without_a_weight_is_refused(tmp_path: Path) -> None:
    models, metrics = block(tmp_path, (0,))
    record = json.loads(metrics.read_text())
    record["models"][0]["layers"]["enc.layer.9.a.weight"] = {"size": 1, "zeros": 0}
    metrics.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"seed 0: no enc\.layer\.9\.a\.weight, which metrics\.json lists"):
        measure(models, metrics, tmp_path / "weights.json")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    models, metrics = block(tmp_path, (1,))
    tensors = {f"1/model/{name}": weight for name, weight in model(1).items()}
    tensors[f"1/model/{NAMES[0]}"][0, 0] = np.nan
    save_file(tensors, models)
    with pytest.raises(UserError, match="not finite"):
        measure(models, metrics, tmp_path / "weights.json")


@pytest.mark.parametrize("damage", ["cut", "gone", "metrics"])
def test_missing_and_damaged_files_are_reported_in_one_line(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    models, metrics = block(tmp_path, (0, 1))
    bad = metrics if damage == "metrics" else models
    if damage == "cut":
        models.write_bytes(models.read_bytes()[:100])
    elif damage == "gone":
        models.unlink()
    else:
        metrics.write_text('{"models": 3}')
    out = tmp_path / "weights.json"
    code = main(["weights", "--models", str(models), "--metrics", str(metrics), "--out", str(out)])
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"prunescope: error: {bad}: ")
    assert not out.exists()


def test_measures_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    path = measured(tmp_path, (0, 1))
    value = json.loads(path.read_text())
    for change in (
        {"matrices": value["matrices"][:2]},
        {"models": [{"seed": 0}]},
        {"shown": {**value["shown"], "pattern": {**value["shown"]["pattern"], "shares": "eA=="}}},
    ):
        path.write_text(json.dumps({**value, **change}))
        with pytest.raises(UserError, match="not measures of weights; run again to rebuild it"):
            Weights.read(path)


def test_blocks_of_different_architectures_are_refused(tmp_path: Path) -> None:
    first, second = measured(tmp_path / "a", (0,)), measured(tmp_path / "b", (1,))
    value = json.loads(second.read_text())
    value["matrices"][0]["rows"] = 5
    second.write_text(json.dumps(value))
    with pytest.raises(UserError, match="of another architecture"):
        join([first, second], tmp_path / "all.json", (0, 1))


def test_every_list_has_a_column() -> None:
    columns = set(TABLES["weights"].columns)
    assert set(LISTS) - {"left", "bytes_exported"} <= columns


def test_tables_of_a_study_have_the_rows(tmp_path: Path) -> None:
    """``collect`` writes both, empty where nothing was measured."""

    from tests.support.fake_study import results_tree, study

    from prunescope.analysis.tables.collect import collect

    small = study(
        grid=[{"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["MP"], "sparsities": [0.9]}]
    )
    cells = results_tree(tmp_path / "results", small, n=40)["cells"]
    collect(cells, tmp_path / "empty")
    pruned = next(cell for cell in cells if cell.parts[-2] == "MP")
    join([measured(tmp_path / "block", (0, 1))], pruned / "weights.json", (0, 1))
    collect(cells, tmp_path / "tables")
    for name, count in (("weights", 6), ("weight_values", None)):
        with open(tmp_path / "empty" / f"{name}.csv", newline="") as stream:
            assert list(csv.DictReader(stream)) == []
        with open(tmp_path / "tables" / f"{name}.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert {(row["dataset"], row["pruner"], row["sparsity"]) for row in rows} == {
            ("docstrings", "MP", "0.9")
        }
        assert count is None or len(rows) == count
