"""Data maps: by hand, and through the audit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from prunescope.analysis.audit_tables import DataMapRow
from prunescope.analysis.data_map import by_epoch, measure
from prunescope.analysis.tables.declared import read_table
from prunescope.cli import main
from prunescope.predictions.store import SeedBlock, TableMeta, read_predictions, write_predictions


def table(path: Path, probabilities: list[list[float]], epoch: str | None, labels: list[int]) -> Path:
    """Predictions of models, a list of probabilities of class 1 each."""
    blocks = []
    for seed, of_one in enumerate(probabilities):
        p = np.array(of_one)
        logits = np.log(np.stack([1 - p, p], axis=1)).astype(np.float32)
        blocks.append(SeedBlock(seed, np.array(labels, dtype=np.int32), logits))
    write_predictions(path, TableMeta("single-label", ("no", "yes"), epoch=epoch), blocks)
    return path


def test_the_map_by_hand(tmp_path: Path) -> None:
    """Two models at three epochs. Example 0 is "yes": .2 .5 .8 and .8 .8 .8. Example 1 is "no": .1 of "yes", always."""
    epochs = [
        [table(tmp_path / "1.parquet", [[0.2, 0.1], [0.8, 0.1]], "1", [1, 0])],
        [table(tmp_path / "2.parquet", [[0.4, 0.1], [0.8, 0.1]], "2", [1, 0])],
        [table(tmp_path / "3.parquet", [[0.9, 0.1], [0.8, 0.1]], "3", [1, 0])],
    ]
    found = measure(epochs, read_predictions(epochs[0]))
    assert found is not None
    assert found.n_epochs == 3
    # Model 0: mean .5, deviations -.3 -.1 .4; model 1: mean .8, no deviation.
    assert found.confidence == pytest.approx([(0.5 + 0.8) / 2, 0.9], abs=1e-6)
    assert found.variability == pytest.approx([np.sqrt((0.09 + 0.01 + 0.16) / 3) / 2, 0.0], abs=1e-3)
    assert found.correctness == pytest.approx([(1 / 3 + 1) / 2, 1.0])


def test_epochs_are_in_order_of_their_number(tmp_path: Path) -> None:
    names = ["final", "10", "2", "early"]
    paths = [table(tmp_path / f"{name}.parquet", [[0.5]], name, [1]) for name in names]
    assert [[path.stem for path in part] for part in by_epoch(paths)] == [["early"], ["2"], ["10"], ["final"]]
    assert by_epoch([]) == []


def test_a_seed_that_is_missing_at_an_epoch_is_left_out(tmp_path: Path) -> None:
    first = table(tmp_path / "1.parquet", [[0.5], [0.9]], "1", [1])
    second = table(tmp_path / "2.parquet", [[0.7]], "2", [1])
    found = measure([[first], [second]], read_predictions([first]))
    assert found is not None
    assert found.confidence == pytest.approx([0.6], abs=1e-6)


def test_audit_of_several_epochs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 200
    labels = rng.integers(0, 2, n)
    hard = np.arange(n) < 50

    def said(sure: float, of_hard: float) -> list[float]:
        right = np.where(hard, of_hard, sure)
        return list(np.where(labels == 1, right, 1 - right))

    def made(name: str, sure: float, of_hard: float, epoch: str | None) -> str:
        return str(table(tmp_path / name, [said(sure, of_hard)], epoch, labels.tolist()))

    early = [made("e2.parquet", 0.8, 0.55, "2"), made("e1.parquet", 0.7, 0.45, "1")]
    dense, pruned = made("d.parquet", 0.95, 0.6, None), made("p.parquet", 0.9, 0.4, None)
    out = tmp_path / "out"
    assert main(["audit", "--dense", dense, "--pruned", pruned, "--early", *early, "--out", str(out)]) == 0
    rows = read_table(out, DataMapRow)
    assert {row.n_epochs for row in rows} == {3}
    assert sum(row.n_examples for row in rows) == n
    assert {(row.n_pies, row.n_examples) for row in rows} == {(0, 150), (50, 50)}
    held = pq.read_table(out / "data_map.parquet").to_pydict()
    assert held["confidence"][0] == pytest.approx((0.45 + 0.55 + 0.6) / 3, abs=1e-4)
    assert held["correctness"][0] == pytest.approx(2 / 3, abs=1e-6)
    # EL2N is of the first epoch: both probabilities are off by .55.
    scores = pq.read_table(out / "el2n_scores.parquet").to_pydict()
    assert scores["el2n"][0] == pytest.approx(np.hypot(0.55, 0.55), abs=1e-4)
    assert "Where are the PIEs on the data map?" in (out / "report.html").read_text()
    assert json.loads((out / "summary.json").read_text())["el2n_seeds"] == [0]
