"""The same code on a GPU: exact masks there, results like the CPU's, the same bytes twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from prunescope.config.architectures import Arch, BiLSTM, Encoder, LeNet5, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.pruning.mask import full_masks, prune
from prunescope.training.batches import Split, TrainingData
from prunescope.training.predict import logits_of
from prunescope.training.recipes import train_dense
from prunescope.training.state import TrainingState, copied_state
from tests.support.recipes import prune_and_train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible"),
]

ARCHS: dict[str, Arch] = {
    "lenet5": LeNet5(family="lenet5"),
    "bilstm": BiLSTM(family="bilstm", hidden=16, layers=2, head=(16,), vectors=8),
    "bert": Encoder(
        family="encoder", hidden=32, layers=2, heads=2, intermediate=64, vocabulary=64, positions=16,
        initializer_range=0.1,
    ),
}  # fmt: skip


def made_data(arch: str, place: torch.device) -> TrainingData:
    """256 examples of 4 classes that can be distinguished, the same on every device."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(256) % 4
    if arch == "lenet5":
        inputs = torch.rand(256, 1, 8, 8, generator=generator)
        inputs[torch.arange(256), 0, labels * 2, :] += 1
        shape = Shape(classes=4, image=(1, 8, 8))
        lengths = None
    else:
        inputs = torch.randint(8, 64, (256, 12), generator=generator)
        inputs[:, 3] = labels + 4
        lengths = torch.full((256,), 12)
        vectors = torch.randn(64, 8, generator=generator)
        shape = Shape(classes=4, vectors=vectors, vocabulary=64, length=12)
    split = Split(inputs.to(place), labels.to(place), lengths, trim=arch == "bert")
    return TrainingData("single-label", ("a", "b", "c", "d"), shape, {"train": split, "test": split})


def pruned(arch: str, place: str, pruner: str) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
    where = torch.device(place)
    data = made_data(arch, where)
    model = build(ARCHS[arch], data.shape, 3).to(where)
    state = TrainingState(model, data, Training(lr=5e-3, epochs=4, batch_size=32, clip_norm=1.0), 3)
    start = copied_state(model)
    if PRUNERS[pruner].needs_trained:
        train_dense(state)
    prune_and_train(state, PRUNERS[pruner], Compression.of_sparsity(0.7), start)
    weights = {name: weight.detach().cpu() for name, weight in prunable(model).items()}
    return logits_of(model, data, "test").numpy(), weights


@pytest.mark.parametrize("pruner", ["IIBP-WR", "IMP-FT", "RP-AI", "UP"])
@pytest.mark.parametrize("arch", ARCHS)
def test_exact_zeros_and_a_model_like_the_cpu_s(arch: str, pruner: str) -> None:
    on_gpu, weights = pruned(arch, "cuda", pruner)
    on_cpu, _ = pruned(arch, "cpu", pruner)
    sizes = {name: weight.numel() for name, weight in weights.items()}
    zeros = {name: int((weight == 0).sum()) for name, weight in weights.items()}
    if PRUNERS[pruner].scope == "layer":
        assert zeros == {name: round(0.7 * size) for name, size in sizes.items()}
    else:
        assert sum(zeros.values()) == round(0.7 * sum(sizes.values()))
    labels = np.arange(256) % 4
    accuracy = [(logits.argmax(axis=1) == labels).mean() for logits in (on_gpu, on_cpu)]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.15)


@pytest.mark.parametrize("arch", ARCHS)
def test_same_bytes_twice(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        first, _ = pruned(arch, "cuda", "IMP-FT")
        second, _ = pruned(arch, "cuda", "IMP-FT")
    finally:
        torch.use_deterministic_algorithms(False)
    assert first.tobytes() == second.tobytes()


def test_selection_equals_the_cpu_s() -> None:
    generator = torch.Generator().manual_seed(1)
    # Rounded, so that there are many ties.
    scores = {name: torch.rand(1000, 300, generator=generator).mul(50).round() for name in ("a", "b")}
    for zeros in (123_457, {"a": 1, "b": 299_999}):
        ours = prune(scores, full_masks(scores), zeros)
        moved = {name: score.cuda() for name, score in scores.items()}
        theirs = prune(moved, full_masks(moved), zeros)
        assert all(torch.equal(ours[name], theirs[name].cpu()) for name in scores)


def test_block_job_on_a_gpu(tmp_path: Path) -> None:
    """The stage itself, from an encoded data set to tables, on the GPU."""
    from prunescope.config.jobs import ModelJob
    from prunescope.data.build import build as build_dataset
    from prunescope.data.encoding.encode import encode
    from prunescope.data.sources.digits import Digits
    from prunescope.predictions.store import read_predictions
    from prunescope.training.job import run_block
    from prunescope.training.write import BlockOutputs

    digits = Digits(source="digits")
    build_dataset("digits", digits, tmp_path / "digits")
    encode(tmp_path / "digits", "digits", "lenet5", digits, ARCHS["lenet5"], tmp_path / "inputs.safetensors")
    job = ModelJob(
        dataset="digits",
        arch="lenet5",
        pruner="none",
        amount="sparsity-0permille",
        seeds=(0, 1),
        architecture=ARCHS["lenet5"],
        training=Training(optimizer="sgd", lr=0.05, epochs=5, batch_size=64),
    )
    outputs = BlockOutputs(
        test=tmp_path / "test.parquet", train=tmp_path / "train.parquet", metrics=tmp_path / "metrics.json"
    )
    run_block(job, tmp_path / "inputs.safetensors", outputs, device="cuda")
    predictions = read_predictions([tmp_path / "test.parquet"])
    assert (predictions.prediction == predictions.label).mean() > 0.8
