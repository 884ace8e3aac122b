"""Jobs of gradual pruners: what they write, with a teacher from a file, with seeds that diverge."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file, save_file

from prunescope.config.architectures import Training
from prunescope.config.jobs import ModelJob
from prunescope.config.pruners import NO_PRUNER, PRUNERS, Pruner
from prunescope.training.job import run_block
from prunescope.training.write import BlockOutputs

SETTINGS = Training(optimizer="adam", lr=5e-3, epochs=3, batch_size=8)


@pytest.fixture(autouse=True)
def _denormals():
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def run(tmp_path: Path, tiny: SimpleNamespace):
    inputs = tmp_path / "inputs.safetensors"
    about = {"dataset": "d", "arch": "a", "task": "single-label", "classes": ["a", "b", "c"], "kind": "image"}
    save_file(tiny.arrays("lenet5"), inputs, metadata={"prunescope": json.dumps(about | {"image_scale": 16})})
    number = iter(range(100))

    def job(
        composition: Pruner | None,
        seeds: tuple[int, ...] = (0, 1),
        settings: Training = SETTINGS,
        dense: tuple[Path, ...] = (),
        **running: Any,
    ) -> Path:
        folder = tmp_path / str(next(number))
        folder.mkdir()
        spec = ModelJob(
            dataset="d",
            arch="a",
            pruner=NO_PRUNER if composition is None else "P",
            amount="sparsity-0permille" if composition is None else "sparsity-900permille",
            seeds=seeds,
            architecture=tiny.arch("lenet5").model_copy(update=running),
            training=settings,
            composition=composition,
        )
        outputs = BlockOutputs(
            test=folder / "test.parquet",
            train=folder / "train.parquet",
            metrics=folder / "metrics.json",
            checkpoint=folder / "checkpoint.safetensors" if composition is None else None,
            models=folder / "models.safetensors",
        )
        run_block(spec, inputs, outputs, dense=list(dense), device="cpu")
        return folder

    return job


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("name", ["PINS", "PINS-authors", "L0"])
def test_the_same_job_writes_the_same_bytes_and_counts_exactly(run, name):
    first, again = run(PRUNERS[name]), run(PRUNERS[name])
    for file in ("test.parquet", "train.parquet", "models.safetensors"):
        assert (first / file).read_bytes() == (again / file).read_bytes(), file
    models = load_file(first / "models.safetensors")
    for record in metrics(first)["models"]:
        assert sum(layer["zeros"] for layer in record["layers"].values()) == 18_279  # 0.9 * 20,310
        for layer, counts in record["layers"].items():
            assert (models[f"{record['seed']}/model/{layer}"] == 0).sum() == counts["zeros"]
        assert [epoch["phase"] for epoch in record["epochs"]] == ["gradual"] * 3


def test_a_seed_that_diverges_is_named_and_the_other_goes_on(run, monkeypatch):
    from prunescope.pruning.gradual.watchers import Steps

    made, observe = [], Steps.observe

    def poisoned(self: Steps, lr: float) -> None:
        if self not in made:
            made.append(self)
        observe(self, lr)
        if made.index(self) == 0:
            self._row[7] = float("inf")

    monkeypatch.setattr(Steps, "observe", poisoned)
    folder = run(PRUNERS["PINS-plain"])
    first, second = metrics(folder)["models"]
    assert first["diverged"]
    assert "not finite" in first["reason"]
    assert not second["diverged"]
    assert set(pq.read_table(folder / "test.parquet")["seed"].to_pylist()) == {1}


@pytest.mark.parametrize("taught", [PRUNERS["PINS-authors"], PRUNERS["PLATON"]])
def test_a_teacher_is_read_from_the_dense_models_or_trained_to_the_same_bytes(run, taught):
    distilled = taught
    if not taught.has_dense_teacher:
        distilled = taught.model_copy(update={"objective": "distilled"})
    dense = run(None, (0, 1, 2))
    read = run(distilled, dense=(dense / "checkpoint.safetensors",))
    trained = run(distilled)
    assert (read / "models.safetensors").read_bytes() == (trained / "models.safetensors").read_bytes()
    alone = run(PRUNERS["PLATON"])
    assert (alone / "models.safetensors").read_bytes() != (trained / "models.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("pruner", "settings", "reason"),
    [
        (PRUNERS["GMP"], SETTINGS, "gradual pruning"),
        (PRUNERS["MP-AI"].model_copy(update={"objective": "self-regularized"}), SETTINGS, "objective"),
        (PRUNERS["MP-AI"], SETTINGS.model_copy(update={"lr_decay": "linear"}), "learning rate"),
    ],
)
def test_seeds_that_cannot_be_trained_together_are_trained_alone_and_it_is_said(
    run, capsys, pruner, settings, reason
):
    folder = run(pruner, settings=settings, replicas="together")
    said = metrics(folder)["replicas"]
    assert said["trained"] == "alone"
    assert reason in said["because"]
    assert said["because"] in capsys.readouterr().err
