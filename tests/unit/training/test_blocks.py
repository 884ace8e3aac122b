"""Whole jobs on files: what a block of seeds writes, whatever is trained beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.metrics import f1_score

from prunescope.archs import Training
from prunescope.errors import UserError
from prunescope.jobs import ModelJob
from prunescope.pruners import PRUNERS, UNPRUNED
from prunescope.training.blocks import BlockOutputs, run_block
from prunescope.training.loop import logits_of, train

SETTINGS = Training(optimizer="adam", lr=5e-3, epochs=4, batch_size=8, finetune_epochs=1)


@pytest.fixture(autouse=True)
def _denormals():
    yield
    torch.set_flush_denormal(False)  # jobs set it for their process


def inputs_file(tiny: SimpleNamespace, folder: Path, family: str, task: str = "single-label") -> Path:
    kind = {"lenet5": "image", "bilstm": "words", "encoder": "pieces"}[family]
    about = {"dataset": "d", "arch": family, "task": task, "classes": ["a", "b", "c"], "kind": kind}
    if kind == "image":
        about["image_scale"] = 16
    else:
        about |= {"pad": 0, "vocabulary_size": 14, "max_tokens": 8}
    path = folder / f"{family}-{task}.safetensors"
    save_file(tiny.arrays(family, task), path, metadata={"prunescope": json.dumps(about)})
    return path


@pytest.fixture
def run(tmp_path: Path, tiny: SimpleNamespace) -> Callable[..., Path]:
    """Run a job in a folder of its own, and return the folder."""
    number = iter(range(100))

    def job(
        family: str,
        seeds: tuple[int, ...],
        pruner: str = UNPRUNED,
        *,
        dense: list[Path] | None = None,
        task: str = "single-label",
        settings: Training = SETTINGS,
    ) -> Path:
        folder = tmp_path / str(next(number))
        folder.mkdir()
        unpruned = pruner == UNPRUNED
        spec = ModelJob(
            dataset="d",
            arch=family,
            pruner=pruner,
            amount="sparsity-0permille" if unpruned else "sparsity-900permille",
            seeds=seeds,
            architecture=tiny.arch(family),
            training=settings,
            composition=None if unpruned else PRUNERS[pruner],
        )
        outputs = BlockOutputs(
            test=folder / "test.parquet",
            train=folder / "train.parquet",
            metrics=folder / "metrics.json",
            early=folder / "early.parquet" if unpruned else None,
            checkpoint=folder / "checkpoint.safetensors" if unpruned else None,
            models=folder / "models.safetensors",
        )
        run_block(spec, inputs_file(tiny, tmp_path, family, task), outputs, dense=dense or [], device="cpu")
        return folder

    return job


def logits(folder: Path, file: str, seed: int) -> np.ndarray:
    table = pq.read_table(folder / file)
    rows = table.filter(np.asarray(table["seed"]) == seed)
    assert rows["example"].to_pylist() == list(range(len(rows)))
    return np.array(rows["logits"].to_pylist(), dtype=np.float32)


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def meta(folder: Path, file: str) -> dict[str, Any]:
    return json.loads(pq.read_schema(folder / file).metadata[b"prunescope"])


@pytest.mark.parametrize(
    ("family", "pruner"), [("lenet5", "UP"), ("bilstm", "IMP-WR"), ("encoder", "IIBP-FT")]
)
def test_a_seed_is_the_same_in_any_block_from_a_checkpoint_or_not(run, family, pruner):
    dense = run(family, (0, 1, 2))
    alone, backwards = run(family, (1,)), run(family, (2, 1))
    for file in ("test.parquet", "train.parquet", "early.parquet"):
        assert np.array_equal(logits(dense, file, 1), logits(alone, file, 1))
        assert np.array_equal(logits(dense, file, 1), logits(backwards, file, 1))
        assert np.array_equal(logits(dense, file, 2), logits(backwards, file, 2))
        assert not np.array_equal(logits(dense, file, 1), logits(dense, file, 2))
    checkpoints = [alone / "checkpoint.safetensors", run(family, (2,)) / "checkpoint.safetensors"]
    together = run(family, (0, 1, 2), pruner, dense=[dense / "checkpoint.safetensors"])
    restored = run(family, (2, 1), pruner, dense=checkpoints)
    inline = run(family, (1,), pruner)
    for file in ("test.parquet", "train.parquet"):
        assert np.array_equal(logits(together, file, 1), logits(restored, file, 1))
        assert np.array_equal(logits(together, file, 1), logits(inline, file, 1))
        assert not np.array_equal(logits(together, file, 1), logits(dense, file, 1))


def test_the_same_job_writes_the_same_bytes(run):
    first, again = run("lenet5", (0, 1)), run("lenet5", (0, 1))
    for file in (
        "test.parquet",
        "train.parquet",
        "early.parquet",
        "checkpoint.safetensors",
        "models.safetensors",
    ):
        assert (first / file).read_bytes() == (again / file).read_bytes(), file


def test_early_predictions_are_those_after_the_early_epoch(run, make_trainee):
    folder = run("lenet5", (3,))
    trainee = make_trainee("lenet5", SETTINGS, seed=3)
    seen = {}
    train(
        trainee,
        "train",
        4,
        after_epoch=lambda e: seen.update({e: logits_of(trainee.model, trainee.data, "train")}),
    )
    assert SETTINGS.early_epoch == 2
    np.testing.assert_allclose(logits(folder, "early.parquet", 3), seen[2], atol=1e-6)
    np.testing.assert_allclose(logits(folder, "train.parquet", 3), seen[4], atol=1e-6)
    assert meta(folder, "early.parquet")["epoch"] == "early"
    assert meta(folder, "train.parquet")["epoch"] == "final"


def test_metrics_say_what_was_reached(run, tiny):
    folder = run("lenet5", (0, 1), "IMP-FT")
    record = metrics(folder)
    assert (record["dataset"], record["pruner"], record["amount"]) == ("d", "IMP-FT", "sparsity-900permille")
    assert [model["seed"] for model in record["models"]] == [0, 1]
    labels = tiny.arrays("lenet5")["test.labels"]
    for model in record["models"]:
        layers = {name: (layer["size"], layer["zeros"]) for name, layer in model["layers"].items()}
        assert layers == {
            "conv1.weight": (150, 135),
            "conv2.weight": (2400, 2160),
            "fc1.weight": (7680, 6912),
            "fc2.weight": (10_080, 9072),
        }
        total = 21_386 - 7 * 85  # three classes instead of ten
        assert model["parameters"] == total
        assert model["sparsity_asked"] == model["sparsity"] == 0.9
        assert model["ratio"] == pytest.approx(total / (total - 18_279))
        right = logits(folder, "test.parquet", model["seed"]).argmax(axis=1) == labels
        assert model["scores"]["test"]["accuracy"] == pytest.approx(right.mean())
        assert set(model["scores"]) == set(tiny.sizes)
        assert [(e["phase"], e["epoch"]) for e in model["epochs"]] == [
            *(("train", n) for n in (1, 2, 3, 4)),
            ("round-1", 1),
            ("round-2", 1),
            ("round-3", 1),
        ]
        assert model["seconds"] > 0
        assert model["samples_per_second"] == pytest.approx(7 * 40 / model["seconds"])
        assert model["peak_memory_mb"] > 1
    assert set(record["versions"]) >= {"prunescope", "python", "torch", "numpy"}
    assert {"device", "revision"} <= set(record)


def test_saved_networks_say_what_the_tables_say_and_are_exactly_sparse(run, make_trainee):
    from safetensors.torch import load_file

    folder = run("bilstm", (1,), "IMP-WR")
    tensors = load_file(folder / "models.safetensors")
    trainee = make_trainee("bilstm", SETTINGS, seed=9)
    trainee.model.load_state_dict({name.removeprefix("1/model/"): t for name, t in tensors.items()})
    np.testing.assert_array_equal(
        logits_of(trainee.model, trainee.data, "test").numpy(), logits(folder, "test.parquet", 1)
    )
    for name, layer in metrics(folder)["models"][0]["layers"].items():
        weight = tensors[f"1/model/{name}"]
        assert int((weight == 0).sum()) == layer["zeros"] == round(0.9 * weight.numel())


def test_several_labels_have_a_threshold_of_their_own(run, tiny):
    folder = run("bilstm", (0, 1), task="multi-label")
    arrays = tiny.arrays("bilstm", "multi-label")
    thresholds = meta(folder, "test.parquet")["threshold"]
    assert set(thresholds) == {"0", "1"}
    for model in metrics(folder)["models"]:
        seed = model["seed"]
        assert set(model["scores"]["test"]) == {"macro_f1"}

        def f1(split: str, threshold: float, seed: int = seed) -> float:
            probabilities = 1 / (1 + np.exp(-logits(folder, f"{split}.parquet", seed).astype(np.float64)))
            truth = arrays[f"{split}.labels"].astype(bool)
            return f1_score(truth, probabilities > threshold, average="macro", zero_division=0)

        chosen = thresholds[str(seed)]
        assert model["scores"]["test"]["macro_f1"] == pytest.approx(f1("test", chosen))
        best = max(f1("train", step / 20) for step in range(20))
        assert f1("train", chosen) >= best - 1e-12
    labels = pq.read_table(folder / "test.parquet")["label"].to_pylist()[: tiny.sizes["test"]]
    assert labels == [list(map(int, np.flatnonzero(row))) for row in arrays["test.labels"]]


@pytest.mark.parametrize("lr", [1e30, 1e18])
def test_a_diverged_seed_is_named_and_has_no_rows(run, lr):
    # In one step: the loss is still finite, what comes of it is not. In more: the loss itself is not.
    batch = 40 if lr == 1e30 else 8
    settings = Training(optimizer="sgd", lr=lr, epochs=1, batch_size=batch, finetune_epochs=1)
    dense = run("lenet5", (0, 1), settings=settings)
    assert meta(dense, "test.parquet")["diverged"] == [0, 1]
    assert pq.read_table(dense / "test.parquet").num_rows == 0
    for model in metrics(dense)["models"]:
        assert model["diverged"] is True
        assert "loss is" in model["reason"]
    pruned = run("lenet5", (0, 1), "MP", settings=settings, dense=[dense / "checkpoint.safetensors"])
    assert meta(pruned, "test.parquet")["diverged"] == [0, 1]
    assert {m["reason"] for m in metrics(pruned)["models"]} == {"the unpruned network of this seed diverged"}


def test_one_diverged_seed_does_not_stop_the_others(run, monkeypatch):
    from prunescope.training import blocks

    whole = blocks.train_unpruned

    def broken(trainee, after_epoch=None):
        whole(trainee, after_epoch)
        if trainee.seed == 1:
            next(trainee.model.parameters()).data.fill_(math.nan)

    monkeypatch.setattr(blocks, "train_unpruned", broken)
    folder = run("lenet5", (0, 1, 2))
    assert meta(folder, "test.parquet")["diverged"] == [1]
    assert sorted(set(pq.read_table(folder / "test.parquet")["seed"].to_pylist())) == [0, 2]
    assert [m["diverged"] for m in metrics(folder)["models"]] == [False, True, False]
    # What EL2N reads has no rows of it either.
    assert sorted(set(pq.read_table(folder / "early.parquet")["seed"].to_pylist())) == [0, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_device_that_is_not_there_is_refused(tmp_path, tiny):
    job = ModelJob(
        dataset="d", arch="lenet5", pruner=UNPRUNED, amount="sparsity-0permille", seeds=(0,),
        architecture=tiny.arch("lenet5"), training=SETTINGS,
    )  # fmt: skip
    outputs = BlockOutputs(*(tmp_path / name for name in ("test", "train", "metrics")))
    with pytest.raises(UserError, match="--device cuda: no GPU is visible"):
        run_block(job, tmp_path / "x", outputs, device="cuda")
