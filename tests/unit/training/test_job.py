"""Whole jobs on files: what a block of seeds writes, whatever is trained beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file, save_file
from sklearn.metrics import f1_score

from prunescope.config.architectures import Training
from prunescope.config.jobs import ModelJob
from prunescope.config.pruners import NO_PRUNER, PRUNERS
from prunescope.errors import UserError
from prunescope.predictions.store import read_predictions
from prunescope.training.job import in_groups, replicas_together, run_block
from prunescope.training.loop import train
from prunescope.training.predict import logits_of
from prunescope.training.state import Phase
from prunescope.training.write import BlockOutputs

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
        pruner: str = NO_PRUNER,
        *,
        dense: list[Path] | None = None,
        task: str = "single-label",
        settings: Training = SETTINGS,
        compression: str = "sparsity-900permille",
        stored: Literal["float32", "float16"] = "float32",
        **running: Any,
    ) -> Path:
        folder = tmp_path / str(next(number))
        folder.mkdir()
        is_dense = pruner == NO_PRUNER
        spec = ModelJob(
            dataset="d",
            arch=family,
            pruner=pruner,
            amount="sparsity-0permille" if is_dense else compression,
            seeds=seeds,
            architecture=tiny.arch(family).model_copy(update=running),
            training=settings,
            composition=None if is_dense else PRUNERS[pruner],
            logits=stored,
        )
        outputs = BlockOutputs(
            test=folder / "test.parquet",
            train=folder / "train.parquet",
            metrics=folder / "metrics.json",
            early=folder / "early.parquet" if is_dense else None,
            checkpoint=folder / "checkpoint.safetensors" if is_dense else None,
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


@pytest.mark.parametrize(("family", "task"), [("lenet5", "single-label"), ("bilstm", "multi-label")])
def test_tables_of_float16_say_the_same(run, family, task):
    whole, half = (run(family, (0, 1), task=task, stored=kind) for kind in ("float32", "float16"))
    for file in ("test.parquet", "train.parquet"):
        sides = [read_predictions([folder / file]) for folder in (whole, half)]
        assert np.array_equal(sides[0].prediction, sides[1].prediction)
        assert np.array_equal(logits(half, file, 1), logits(whole, file, 1).astype(np.float16))
    assert (half / "early.parquet").read_bytes() == (whole / "early.parquet").read_bytes()


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


def test_early_predictions_are_those_after_the_early_epoch(run, make_state):
    folder = run("lenet5", (3,))
    state = make_state("lenet5", SETTINGS, seed=3)
    seen = {}
    look = Phase(
        "train", 4, after_epoch=lambda e: seen.update({e: logits_of(state.model, state.data, "train")})
    )
    train(state, look)
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


def test_saved_models_say_what_the_tables_say_and_are_exactly_sparse(run, make_state):
    from safetensors.torch import load_file

    folder = run("bilstm", (1,), "IMP-WR")
    tensors = load_file(folder / "models.safetensors")
    state = make_state("bilstm", SETTINGS, seed=9)
    state.model.load_state_dict({name.removeprefix("1/model/"): t for name, t in tensors.items()})
    np.testing.assert_array_equal(
        logits_of(state.model, state.data, "test").numpy(), logits(folder, "test.parquet", 1)
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
    assert {m["reason"] for m in metrics(pruned)["models"]} == {
        "the model that this seed starts from diverged"
    }


def test_one_diverged_seed_does_not_stop_the_others(run, monkeypatch):
    from prunescope.training import job

    whole = job.dense

    def broken(state, after_epoch=None):
        yield from whole(state, after_epoch)
        if state.seed == 1:
            next(state.model.parameters()).data.fill_(math.nan)

    monkeypatch.setattr(job, "dense", broken)
    folder = run("lenet5", (0, 1, 2))
    assert meta(folder, "test.parquet")["diverged"] == [1]
    assert sorted(set(pq.read_table(folder / "test.parquet")["seed"].to_pylist())) == [0, 2]
    assert [m["diverged"] for m in metrics(folder)["models"]] == [False, True, False]
    # What EL2N reads has no rows of it either.
    assert sorted(set(pq.read_table(folder / "early.parquet")["seed"].to_pylist())) == [0, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_device_that_is_not_there_is_refused(tmp_path, tiny):
    job = ModelJob(
        dataset="d", arch="lenet5", pruner=NO_PRUNER, amount="sparsity-0permille", seeds=(0,),
        architecture=tiny.arch("lenet5"), training=SETTINGS,
    )  # fmt: skip
    outputs = BlockOutputs(*(tmp_path / name for name in ("test", "train", "metrics")))
    with pytest.raises(UserError, match="--device cuda: no GPU is visible"):
        run_block(job, tmp_path / "x", outputs, device="cuda")


@pytest.mark.parametrize(
    ("family", "pruner", "task"),
    [
        ("lenet5", "UP", "single-label"),
        ("bilstm", "IMP-WR", "multi-label"),
        ("lenet5", "RP-AI", "single-label"),
    ],
)
def test_a_job_s_seeds_together_leave_what_they_leave_alone(run, family, pruner, task):
    """Every file of both kinds of jobs, and checkpoints of one read by the other."""
    seeds = (0, 2, 5)
    folders = {}
    for kind in ("alone", "together"):
        dense = run(family, seeds, task=task, replicas=kind)
        folders[kind] = (dense, run(family, seeds, pruner, task=task, replicas=kind))
    crossed = run(
        family, (5, 2), pruner, task=task, replicas="together", together=1,
        dense=[folders["alone"][0] / "checkpoint.safetensors"],
    )  # fmt: skip
    for (alone, together), file in (
        *((pair, "test.parquet") for pair in zip(*folders.values(), strict=True)),
        *((pair, "train.parquet") for pair in zip(*folders.values(), strict=True)),
        ((folders["alone"][0], folders["together"][0]), "early.parquet"),
    ):
        assert meta(alone, file).keys() == meta(together, file).keys()
        assert meta(alone, file)["diverged"] == meta(together, file)["diverged"] == []
        for seed in seeds:
            np.testing.assert_allclose(
                logits(together, file, seed), logits(alone, file, seed), rtol=2e-3, atol=2e-3
            )
    for seed in (2, 5):
        np.testing.assert_allclose(
            logits(crossed, "test.parquet", seed),
            logits(folders["alone"][1], "test.parquet", seed),
            rtol=2e-3,
            atol=2e-3,
        )
    alone, together = (metrics(folder[1]) for folder in folders.values())
    assert alone["replicas"] == {"trained": "alone"}
    assert together["replicas"] == {
        "trained": "together", "at_once": 3, "cuda_graphs": "no device that has them",
    }  # fmt: skip
    assert metrics(crossed)["replicas"]["at_once"] == 1
    assert together["settings"]["architecture"]["replicas"] == "together"
    for mine, theirs in zip(alone["models"], together["models"], strict=True):
        # As many zeros to the weight; which of two weights falls may turn on the rounding of their scores.
        assert mine["sparsity"] == theirs["sparsity"]
        for name, layer in mine["layers"].items():
            assert abs(layer["zeros"] - theirs["layers"][name]["zeros"]) <= 3
        assert mine["seed"] == theirs["seed"]
        assert [e["phase"] for e in mine["epochs"]] == [e["phase"] for e in theirs["epochs"]]
        assert theirs["samples_per_second"] > 0


def test_on_a_cpu_seeds_are_trained_alone_unless_asked_otherwise(run):
    automatic, alone = run("lenet5", (0, 1)), run("lenet5", (0, 1), replicas="alone")
    assert metrics(automatic)["replicas"] == {"trained": "alone"}
    for file in ("test.parquet", "train.parquet", "checkpoint.safetensors"):
        assert (automatic / file).read_bytes() == (alone / file).read_bytes()


def test_the_same_job_together_writes_the_same_bytes(run):
    first, again = (run("bilstm", (0, 1, 2), replicas="together", together=2) for _ in range(2))
    for file in ("test.parquet", "train.parquet", "early.parquet", "checkpoint.safetensors"):
        assert (first / file).read_bytes() == (again / file).read_bytes(), file
    assert metrics(first)["replicas"]["at_once"] == 2


def test_when_seeds_are_trained_together(tiny):
    def trained(family: str, place: str, seeds: tuple[int, ...], **running: Any) -> str:
        job = ModelJob(
            dataset="d", arch=family, pruner=NO_PRUNER, amount="sparsity-0permille", seeds=seeds,
            architecture=tiny.arch(family).model_copy(update=running), training=SETTINGS,
        )  # fmt: skip
        found = replicas_together(job, torch.device(place))
        return "alone" if found is None else f"{found.most} at once"

    for family in ("lenet5", "bilstm"):
        assert trained(family, "cpu", (0, 1)) == "alone"
        assert trained(family, "cuda", (0, 1)) == "32 at once"
        assert trained(family, "cuda", (0, 1), together=5) == "5 at once"
        assert trained(family, "cuda", (0,)) == "alone"
        assert trained(family, "cuda", (0, 1), replicas="alone") == "alone"
        assert trained(family, "cpu", (0,), replicas="together") == "32 at once"
    assert trained("encoder", "cuda", (0, 1)) == "alone"
    assert in_groups([3, 4, 5, 6, 7], 2) == [[3, 4], [5, 6], [7]]
    assert in_groups([3, 4, 5, 6], 3) == [[3, 4], [5, 6]]
    assert in_groups([3], 32) == [[3]]


def test_seeds_that_diverge_together_are_named_and_have_no_rows(run, monkeypatch):
    from prunescope.training import together

    store = together.Stack._store_weights

    def broken(stack, number):
        store(stack, number)
        if stack.states[number].seed == 1:
            next(stack.states[number].model.parameters()).data.fill_(math.nan)

    whole = run("lenet5", (0, 1, 2), replicas="together")
    monkeypatch.setattr(together.Stack, "_store_weights", broken)
    folder = run("lenet5", (0, 1, 2), replicas="together")
    assert meta(folder, "test.parquet")["diverged"] == [1]
    assert [m["diverged"] for m in metrics(folder)["models"]] == [False, True, False]
    for seed in (0, 2):
        assert np.array_equal(logits(folder, "test.parquet", seed), logits(whole, "test.parquet", seed))
    monkeypatch.undo()
    dense = [folder / "checkpoint.safetensors"]
    later = run("lenet5", (0, 1, 2), "MP", dense=dense, replicas="together")
    assert meta(later, "test.parquet")["diverged"] == [1]
    assert metrics(later)["models"][1]["reason"] == "the model that this seed starts from diverged"
    assert metrics(later)["replicas"]["at_once"] == 2


def models_of(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "models.safetensors")


def test_levels_start_from_files_whatever_the_blocks(run):
    dense = run("lenet5", (0, 1, 2)) / "checkpoint.safetensors"
    one = run("lenet5", (0, 1, 2), "LTH", dense=[dense], compression="level-1")
    whole = [one / "models.safetensors"]
    two = run("lenet5", (0, 1, 2), "LTH", dense=whole, compression="level-2")
    # Another cut of the same seeds, from files that hold others too.
    parts = [run("lenet5", s, "LTH", dense=[dense], compression="level-1") for s in ((0,), (1, 2))]
    again = run(
        "lenet5", (2, 1), "LTH", dense=[part / "models.safetensors" for part in parts], compression="level-2"
    )
    inline = run("lenet5", (1,), "LTH", compression="level-1")
    assert np.array_equal(logits(inline, "test.parquet", 1), logits(one, "test.parquet", 1))
    for seed in (1, 2):
        assert np.array_equal(logits(two, "test.parquet", seed), logits(again, "test.parquet", seed))
        assert not np.array_equal(logits(two, "test.parquet", seed), logits(one, "test.parquet", seed))
    low, high = models_of(one), models_of(two)
    sizes = {"conv1.weight": 150, "conv2.weight": 2400, "fc1.weight": 7680, "fc2.weight": 10_080}
    for seed in (0, 1, 2):
        below, above = ({name: m[f"{seed}/mask/{name}"] for name in sizes} for m in (low, high))
        assert sum(int((~m).sum()) for m in below.values()) == 4062  # a fifth of 20,310
        assert sum(int((~m).sum()) for m in above.values()) == 7312  # 0.36 of them are 7,311.6
        for name in sizes:
            assert below[name].dtype == bool
            assert not (above[name] & ~below[name]).any()
            assert np.array_equal(high[f"{seed}/model/{name}"] == 0, ~above[name])
    record = metrics(two)["models"][0]
    assert record["sparsity_asked"] == pytest.approx(0.36)
    assert record["sparsity"] == 7312 / 20_310
    assert record["ratio"] == record["parameters"] / (record["parameters"] - 7312)
    assert [epoch["phase"] for epoch in record["epochs"]] == ["level-2"] * 4
    assert meta(two, "test.parquet")["sparsity"] == pytest.approx(0.36)


def test_a_level_without_the_one_below_is_refused_before_anything_is_trained(run, tmp_path):
    with pytest.raises(UserError) as caught:
        run("lenet5", (0,), "LTH", compression="level-2")
    assert str(caught.value) == (
        "LTH level-2: starts from the models of level 1; give their models.safetensors with --dense"
    )
    dense = run("lenet5", (0,)) / "checkpoint.safetensors"
    with pytest.raises(UserError, match="level 2, seed 0: starts from the models of level 1, with 4062"):
        run("lenet5", (0,), "LTH", dense=[dense], compression="level-2")
    one = run("lenet5", (0,), "LTH", dense=[dense], compression="level-1") / "models.safetensors"
    with pytest.raises(UserError, match="no model of seed 1"):
        run("lenet5", (0, 1), "LTH", dense=[one], compression="level-2")
    with pytest.raises(UserError, match="level 3, seed 0: starts from the models of level 2"):
        run("lenet5", (0,), "LTH", dense=[one], compression="level-3")
    assert not [path for path in tmp_path.glob("*/metrics.json") if path.parent.name in ("0", "2", "4", "5")]


def test_a_seed_that_diverged_stays_so_on_every_level_above(run):
    settings = Training(optimizer="sgd", lr=1e18, epochs=1, batch_size=8)
    dense = run("lenet5", (0,), settings=settings) / "checkpoint.safetensors"
    for level in (1, 2):
        folder = run("lenet5", (0,), "LTH", settings=settings, dense=[dense], compression=f"level-{level}")
        assert metrics(folder)["models"][0]["reason"] == "the model that this seed starts from diverged"
        dense = folder / "models.safetensors"


def test_a_job_that_removes_filters_says_what_is_left(run):
    folder = run("lenet5", (0, 1), "CHIP", compression="ratio-400percent")
    for seed, record in enumerate(metrics(folder)["models"]):
        tensors = {name[8:]: value for name, value in models_of(folder).items() if name[0] == str(seed)}
        # Of the parameters that are left, none is zero: what is zero has gone.
        zeros = sum(int((value == 0).sum()) for value in tensors.values())
        assert record["ratio"] == record["parameters"] / (record["parameters"] - zeros)
        assert record["ratio"] == pytest.approx(4, rel=0.02)
        assert record["sparsity"] == pytest.approx(record["sparsity_asked"], abs=1e-12)
        assert list(record["filters"]) == ["conv1", "conv2", "fc1", "fc2"]
        for layer, counts in record["filters"].items():
            kernels = tensors[f"{layer}.weight"].reshape(counts["size"], -1)
            assert int((kernels != 0).any(axis=1).sum()) == counts["left"] >= 1
    assert "filters" not in metrics(run("lenet5", (0,), "MP"))["models"][0]


def test_levels_are_pruned_together_as_alone(run):
    folders = {}
    for kind in ("alone", "together"):
        below = run("lenet5", (0, 2), replicas=kind) / "checkpoint.safetensors"
        for level in (1, 2):
            folder = run("lenet5", (0, 2), "LTH", dense=[below], compression=f"level-{level}", replicas=kind)
            below = folder / "models.safetensors"
            folders[kind, level] = folder
    for level in (1, 2):
        alone, together = folders["alone", level], folders["together", level]
        for mine, theirs in zip(metrics(alone)["models"], metrics(together)["models"], strict=True):
            assert mine["sparsity"] == theirs["sparsity"]
        for seed in (0, 2):
            np.testing.assert_allclose(
                logits(together, "test.parquet", seed),
                logits(alone, "test.parquet", seed),
                rtol=2e-3,
                atol=2e-3,
            )


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_a_job_without_padding_in_bfloat16(run, task):
    """From files to files, a dense start among them; tables of the plain form are near, weights are exact zeros."""
    fast = SETTINGS.model_copy(update={"precision": "bf16", "padding": "none", "order": "by-length"})
    packed = SETTINGS.model_copy(update={"padding": "none"})
    folders = {}
    for name, settings in (("plain", SETTINGS), ("packed", packed), ("fast", fast), ("again", fast)):
        start = run("encoder", (0, 1), task=task, settings=settings, dropout=0.0)
        dense = [start / "checkpoint.safetensors"]
        after = run("encoder", (0, 1), "IMP-FT", dense=dense, task=task, settings=settings, dropout=0.0)
        folders[name] = (start, after)
    for one, other in zip(folders["fast"], folders["again"], strict=True):
        for file in ("test.parquet", "train.parquet"):
            assert (one / file).read_bytes() == (other / file).read_bytes()
    for seed in (0, 1):
        plain, without = (logits(folders[name][0], "test.parquet", seed) for name in ("plain", "packed"))
        np.testing.assert_allclose(without, plain, rtol=2e-3, atol=2e-3)
        rounded = logits(folders["fast"][0], "test.parquet", seed)
        assert np.isfinite(rounded).all()
        assert not np.array_equal(rounded, rounded.astype(np.float16).astype(np.float32))
    record = metrics(folders["fast"][1])["models"][0]
    asked = round(0.9 * record["prunable"])
    assert abs(sum(layer["zeros"] for layer in record["layers"].values()) - asked) <= len(record["layers"])
    weights = load_file(folders["fast"][1] / "models.safetensors")
    assert {value.dtype for value in weights.values()} == {np.dtype("float32")}
