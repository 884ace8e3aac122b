"""Exporting trained models: sizes, the way back, and damaged files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from prunescope.analysis.weights.stored import Weights
from prunescope.cli import main
from prunescope.config.architectures import Prunable, Training
from prunescope.config.jobs import ModelJob
from prunescope.config.pruners import PRUNERS
from prunescope.data.encoding.encode import load_inputs
from prunescope.errors import UserError
from prunescope.export import files, job
from prunescope.export.weights_job import measure
from prunescope.training.batches import training_data
from prunescope.training.checkpoint import Checkpoint
from prunescope.training.job import run_block
from prunescope.training.predict import logits_of
from prunescope.training.write import BlockOutputs

KINDS = {"lenet5": "image", "bilstm": "words", "encoder": "pieces"}


@pytest.fixture(autouse=True)
def _denormals():
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def trained(tmp_path: Path, tiny: SimpleNamespace):
    """A block of one pruned model: (folder with models.safetensors and metrics.json, encoded inputs)."""

    def train(family: str, **settings: Any) -> tuple[Path, Path]:
        about = {"dataset": "d", "arch": family, "task": "single-label", "classes": ["a", "b", "c"]}
        about["kind"] = KINDS[family]
        about |= (
            {"image_scale": 16} if family == "lenet5" else {"pad": 0, "vocabulary_size": 14, "max_tokens": 8}
        )
        inputs = tmp_path / f"{family}.safetensors"
        save_file(tiny.arrays(family, "single-label"), inputs, metadata={"prunescope": json.dumps(about)})
        spec = ModelJob(
            dataset="d",
            arch=family,
            pruner="MP-AI",
            amount="sparsity-900permille",
            seeds=(3,),
            architecture=tiny.arch(family).model_copy(update=settings),
            training=Training(lr=5e-3, epochs=2, batch_size=8),
            composition=PRUNERS["MP-AI"],
        )
        folder = tmp_path / family
        names = ("test.parquet", "train.parquet", "metrics.json", "models.safetensors")
        test, train_, metrics, models = (folder / name for name in names)
        outputs = BlockOutputs(test=test, train=train_, metrics=metrics, models=models)
        run_block(spec, inputs, outputs, device="cpu")
        return folder, inputs

    return train


@pytest.mark.parametrize("family", KINDS)
def test_the_way_back(trained, tmp_path, family):
    folder, inputs = trained(family)
    out = tmp_path / "small.safetensors"
    outcome = job.export(folder / "models.safetensors", folder / "metrics.json", inputs, 3, out)
    original = {
        name: value.numpy() for name, value in Checkpoint(folder / "models.safetensors").weights(3).items()
    }
    exported = files.read(out)
    weights = exported.weights()
    assert set(weights) == set(original)
    assert exported.matrices
    for name, value in original.items():
        if name not in exported.matrices:
            np.testing.assert_array_equal(weights[name], value)
            continue
        flat, back = value.reshape(len(value), -1), weights[name].reshape(len(value), -1)
        assert (np.abs(flat - back) <= np.abs(flat).max(axis=1, keepdims=True) / 127 * 0.501).all()
        assert (back[flat == 0] == 0).all()
    assert outcome.sparsity == pytest.approx(0.9, abs=0.01)
    assert outcome.file_bytes == out.stat().st_size
    assert outcome.matrix_bytes_dense == sum(4 * original[name].size for name in exported.matrices)
    data = training_data(load_inputs(inputs), trim=family == "encoder", device=torch.device("cpu"))
    from_file = logits_of(job.load(out, data.shape), data, "test")
    assert float(from_file.std()) > 0
    assert outcome.largest_difference < 0.05
    assert outcome.agreement > 0.9


def test_gains_and_biases_that_are_prunable_stay_float32_and_zero(trained, tmp_path):
    folder, inputs = trained("encoder", prunable=Prunable(biases=True, normalization=True))
    out = tmp_path / "small.safetensors"
    outcome = job.export(folder / "models.safetensors", folder / "metrics.json", inputs, 3, out)
    exported, state = files.read(out), Checkpoint(folder / "models.safetensors").weights(3)
    assert all(state[name].dim() > 1 for name in exported.matrices)
    gain = "bert.encoder.layer.0.output.LayerNorm.weight"
    assert int((state[gain] == 0).sum()) == 7  # round(0.9 * 8)
    np.testing.assert_array_equal(exported.weights()[gain], state[gain].numpy())
    assert outcome.agreement > 0.9
    weights_file = tmp_path / "weights.json"
    measure(folder / "models.safetensors", folder / "metrics.json", weights_file)
    assert {one.name for one in Weights.read(weights_file).matrices} == set(exported.matrices)


def test_sparsity_is_the_models_not_that_after_rounding(trained, tmp_path):
    folder, inputs = trained("lenet5")
    path = folder / "models.safetensors"
    with safe_open(path, framework="numpy") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    weight = tensors["3/model/fc1.weight"]
    row = weight[int(np.argmax((weight != 0).sum(axis=1)))]
    # All but the largest of a row become so small that 8 bits do not tell them from zero.
    row[(row != 0) & (np.abs(row) < np.abs(row).max())] = 1e-12
    save_file(tensors, path, metadata=about)
    outcome = job.export(path, folder / "metrics.json", inputs, 3, tmp_path / "small.safetensors")
    exported = files.read(tmp_path / "small.safetensors")
    state = Checkpoint(path).weights(3)
    zeros = sum(int((state[name] == 0).sum()) for name in exported.matrices)
    assert outcome.sparsity == zeros / sum(state[name].numel() for name in exported.matrices)
    assert sum(int((exported.weights()[name] == 0).sum()) for name in exported.matrices) > zeros


def test_command(trained, tmp_path, capsys):
    folder, inputs = trained("lenet5")
    models, out = folder / "models.safetensors", tmp_path / "small.safetensors"
    assert main(["export", str(models), "--seed", "3", "--inputs", str(inputs), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "times smaller" in said
    assert "of the predictions are the same" in said
    assert main(["export", str(models), "--seed", "4", "--inputs", str(inputs), "--out", str(out)]) == 2
    assert "no model of seed 4; there are 3" in capsys.readouterr().err


def test_wrong_files_are_named_with_those_to_give_and_none_is_to_be_deleted(trained, tmp_path, capsys):
    folder, inputs = trained("lenet5")
    models, junk = folder / "models.safetensors", tmp_path / "junk"
    lonely = tmp_path / "lonely" / models.name
    junk.write_bytes(b"no safetensors")
    lonely.parent.mkdir()
    lonely.write_bytes(models.read_bytes())
    other = tmp_path / "other.safetensors"
    capsys.readouterr()  # the training's
    with safe_open(inputs, framework="numpy") as file:
        about = json.loads(file.metadata()["prunescope"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, other, metadata={"prunescope": json.dumps({**about, "dataset": "e"})})
    give_models, give_inputs = "give the models.safetensors or", "give RESULTS/data/DATASET/inputs/"
    for first, second, what in (
        (junk, inputs, f"{junk}: damaged checkpoint ({{}}); {give_models}"),
        (tmp_path, inputs, f"{tmp_path}: damaged checkpoint ({{}}); {give_models}"),
        (tmp_path / "none", inputs, f"{tmp_path / 'none'}: no such checkpoint; {give_models}"),
        (lonely, inputs, f"{lonely.with_name('metrics.json')}: no such file; {give_models}"),
        (models, junk, f"{junk}: truncated or not a safetensors file ({{}}); {give_inputs}"),
        (models, models, f"{models}: not an encoded data set: has no 'prunescope' metadata; {give_inputs}"),
        (models, other, f"{other}: e for lenet5, but the models are lenet5 on d; {give_inputs}"),
    ):
        out = tmp_path / "small"
        assert main(["export", str(first), "--seed", "3", "--inputs", str(second), "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert all(part in said for part in what.split("{}")), said
        assert "delete" not in said
        assert said.count("\n") == 1
        assert not out.exists()


def test_size_at_the_papers_shape():
    """80 % of a matrix of BERT-base's: at least 8.9 times smaller than float32 (PINS paper, Table 7)."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((768, 768)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.8] = 0
    exported = files.compress({"w": matrix}, {"w"}, {})
    assert exported.matrix_bytes_dense / exported.matrix_bytes > 8.9


def test_size_where_layers_are_pruned_unevenly():
    """The same of a layer pruned over all its matrices at once, counted as the paper counts: together."""
    rng = np.random.default_rng(0)
    shapes = {"query": (768, 768), "value": (768, 768), "up": (3072, 768), "down": (768, 3072)}
    # Weights of other spread in each matrix: some keep half of theirs, others a few of a hundred.
    spread = {"query": 0.5, "value": 2.0, "up": 1.0, "down": 0.8}
    drawn = {
        name: (spread[name] * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()
    }
    limit = np.quantile(np.concatenate([np.abs(matrix).ravel() for matrix in drawn.values()]), 0.8)
    pruned = {name: np.where(np.abs(matrix) < limit, np.float32(0), matrix) for name, matrix in drawn.items()}
    kept = {name: np.count_nonzero(matrix) / matrix.size for name, matrix in pruned.items()}
    assert kept["value"] > 0.4
    assert kept["query"] < 0.02
    exported = files.compress(pruned, set(pruned), {})
    assert exported.matrix_bytes_dense / exported.matrix_bytes > 8.9


class TestDamage:
    @pytest.fixture
    def small(self, tmp_path):
        path = tmp_path / "small.safetensors"
        files.write(path, files.compress({"w": np.eye(4, dtype=np.float32)}, {"w"}, {"a": 1}))
        return path

    def test_whole(self, small):
        np.testing.assert_array_equal(files.read(small).weights()["w"], np.eye(4))

    def test_cut_off(self, small):
        small.write_bytes(small.read_bytes()[:-3])
        with pytest.raises(UserError, match="damaged export"):
            files.read(small)

    def test_missing(self, tmp_path):
        with pytest.raises(UserError, match="no such file"):
            files.read(tmp_path / "none.safetensors")

    def test_foreign(self, tmp_path):
        save_file({"w": np.eye(2)}, tmp_path / "other.safetensors")
        with pytest.raises(UserError, match="not an exported model"):
            files.read(tmp_path / "other.safetensors")

    def test_a_part_is_missing(self, small):
        from safetensors import safe_open

        with safe_open(small, framework="numpy") as file:
            metadata = file.metadata()
        tensors = load_file(small)
        del tensors["w.scale"]
        save_file(tensors, small, metadata=metadata)
        with pytest.raises(UserError, match=r"damaged export.*w\.scale"):
            files.read(small)

    def test_does_not_say_what_it_is(self, small):
        with pytest.raises(UserError, match="does not say which model"):
            job.load(small, None)


@pytest.mark.parametrize("family", KINDS)
def test_the_score_as_exported_is_that_of_the_file(trained, tmp_path, family):
    folder, inputs = trained(family)
    models, metrics, out = folder / "models.safetensors", folder / "metrics.json", tmp_path / "x.safetensors"
    job.export(models, metrics, inputs, 3, out)
    data = training_data(load_inputs(inputs), trim=family == "encoder", device=torch.device("cpu"))
    answers = logits_of(job.load(out, data.shape), data, "test").argmax(dim=1)
    expected = float((answers == data.splits["test"].labels).double().mean())
    assert job.scores_as_exported(models, metrics, inputs) == {3: pytest.approx(expected)}
    for more, score in (([], None), (["--inputs", str(inputs)], pytest.approx(expected))):
        command = ["weights", "--models", str(models), "--metrics", str(metrics), *more]
        assert main([*command, "--out", str(tmp_path / "weights.json")]) == 0
        (model,) = Weights.read(tmp_path / "weights.json").models
        assert model.exported_score == score
        assert ("exported_score" in (tmp_path / "weights.json").read_text()) is bool(more)
