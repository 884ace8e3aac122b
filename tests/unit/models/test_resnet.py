"""Residual networks: published sizes, what they compute, and batch normalization through pruning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.numpy import save_file
from safetensors.torch import load_file
from tests.support.recipes import prune_and_train
from torch import nn

from prunescope.config.architectures import ResNet, Training
from prunescope.config.compression import Compression
from prunescope.config.datasets import Declared
from prunescope.config.jobs import ModelJob
from prunescope.config.pruners import NO_PRUNER, PRUNERS, Pruner
from prunescope.errors import UserError
from prunescope.models.registry import build, count_parameters, prunable
from prunescope.models.shape import Shape
from prunescope.training.job import run_block
from prunescope.training.recipes import rewind, train_dense
from prunescope.training.state import TrainingState, copied_state
from prunescope.training.write import BlockOutputs

#: He et al. 2016, Table 6 (millions), and the exact counts of option A.
PUBLISHED = {
    20: (0.27, 269_722),
    32: (0.46, 464_154),
    44: (0.66, 658_586),
    56: (0.85, 853_018),
    110: (1.7, 1_727_962),
}


def model_of(
    depth: int = 8, shortcut: str = "A", classes: int = 10, side: int = 32, seed: int = 0
) -> nn.Module:
    arch = ResNet(family="resnet", depth=depth, shortcut=shortcut)  # type: ignore[arg-type]
    return build(arch, Shape(classes=classes, image=(3, side, side)), seed)


@pytest.mark.parametrize("depth", PUBLISHED)
def test_parameter_counts_of_he_et_al(depth: int) -> None:
    with torch.device("meta"):
        model = model_of(depth)
    printed, exact = PUBLISHED[depth]
    assert count_parameters(model) == exact
    assert round(exact / 1e6, 1 if printed == 1.7 else 2) == printed
    n = (depth - 2) // 6
    convolutions = 27 * 16 + 9 * (
        2 * n * 16**2 + 16 * 32 + (2 * n - 1) * 32**2 + 32 * 64 + (2 * n - 1) * 64**2
    )
    normalization = 2 * (16 + 2 * n * (16 + 32 + 64))
    assert exact == convolutions + normalization + 64 * 10 + 10
    weights = prunable(model)
    assert sum(weight.numel() for weight in weights.values()) == convolutions
    assert len(weights) == depth - 1  # every layer with weights but the last


def test_ratio_50_of_resnet_20_is_nearly_everything() -> None:
    with torch.device("meta"):
        model = model_of(20)
    size = sum(weight.numel() for weight in prunable(model).values())
    assert float(Compression.of_ratio(50).share(count_parameters(model), size)) == pytest.approx(
        0.9874, abs=5e-5
    )


def test_option_b_projects_and_its_projections_are_prunable() -> None:
    with torch.device("meta"):
        a, b = model_of(20), model_of(20, "B")
    assert count_parameters(b) - count_parameters(a) == 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert set(prunable(b)) - set(prunable(a)) == {"stage2.0.shortcut.0.weight", "stage3.0.shortcut.0.weight"}


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_resnet_is_what_one_would_write(shortcut: str) -> None:
    model = model_of(14, shortcut, side=11).eval()
    state = model.state_dict()
    for name, value in state.items():
        if "running" in name:  # as after some training
            value.copy_(torch.rand(value.shape) + 0.5)
    x = torch.randn(4, 3, 11, 11)

    def normal(values: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, w, b = (
            state[f"{name}.{part}"].view(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (values - mean) / (var + 1e-5).sqrt() * w + b

    def conv(values: torch.Tensor, name: str, stride: int = 1, padding: int = 1) -> torch.Tensor:
        return nn.functional.conv2d(values, state[f"{name}.weight"], stride=stride, padding=padding)

    y = normal(conv(x, "conv1"), "bn1").clamp(min=0)
    for stage in (1, 2, 3):
        for block in (0, 1):
            name = f"stage{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            z = normal(conv(y, f"{name}.conv1", stride), f"{name}.bn1").clamp(min=0)
            z = normal(conv(z, f"{name}.conv2"), f"{name}.bn2")
            if stride == 2 and shortcut == "A":
                kept = torch.zeros_like(z)
                quarter = z.shape[1] // 4
                kept[:, quarter:-quarter] = y[:, :, ::2, ::2]
                y = kept
            elif stride == 2:
                y = normal(conv(y, f"{name}.shortcut.0", 2, 0), f"{name}.shortcut.1")
            y = (y + z).clamp(min=0)
    expected = y.mean(dim=(2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    with torch.no_grad():
        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-4)


def test_weights_start_as_he_et_al_say() -> None:
    model = model_of(20)
    for name in ("stage1.1.conv1", "stage2.2.conv2", "stage3.1.conv2"):
        weight = model.get_submodule(name).weight
        assert float(weight.detach().std()) == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.06)
    assert all(m.bias is None for m in model.modules() if isinstance(m, nn.Conv2d))


def test_operations_of_a_forward_pass() -> None:
    with torch.device("meta"):
        sizes = {name: weight.numel() for name, weight in prunable(model_of(8)).items()}
    facts = Declared(classes=10, train=1, validation=1, test=1, image=(3, 32, 32))
    by_hand = 9 * (3 * 16 + 2 * 16 * 16) * 32**2
    by_hand += 9 * (16 * 32 + 32 * 32) * 16**2 + 9 * (32 * 64 + 64 * 64) * 8**2
    assert ResNet(family="resnet", depth=8).forward_flops(facts, sizes) == 2 * by_hand


def test_impossible_architectures() -> None:
    with pytest.raises(ValidationError, match=r"21 is not 6n \+ 2"):
        ResNet(family="resnet", depth=21)
    with pytest.raises(UserError, match="7 x 7 pixels are too small; 8 x 8 is the least"):
        model_of(side=7)


@pytest.fixture
def state(make_state) -> TrainingState:
    """ResNet-8 on the tiny images of 8 x 8."""
    settings = Training(
        optimizer="sgd", lr=0.05, epochs=2, batch_size=8, finetune_epochs=1, keep="best-validation"
    )
    data = make_state("lenet5", settings).data
    return TrainingState(build(ResNet(family="resnet", depth=8), data.shape, 0), data, settings, 0)


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: value.clone()
        for name, value in model.state_dict().items()
        if name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }


def test_pruning_alone_leaves_the_statistics_as_trained(state: TrainingState) -> None:
    start = copied_state(state.model)
    train_dense(state)
    trained = statistics(state.model)
    nothing = Pruner(criterion="magnitude", scope="global", schedule="one-shot")
    object.__setattr__(state, "settings", state.settings.model_copy(update={"finetune_epochs": 0}))
    prune_and_train(state, nothing, Compression.of_sparsity(0.9), start)
    after = statistics(state.model)
    assert all(torch.equal(trained[name], after[name]) for name in trained)
    for name, value in state.model.named_parameters():
        if name not in prunable(state.model):
            assert bool((value != 0).any()), name


def test_rewinding_takes_the_statistics_back_too(state: TrainingState) -> None:
    start = copied_state(state.model)
    train_dense(state)
    assert int(state.model.get_buffer("bn1.num_batches_tracked")) > 0
    rewind(state, start)
    assert int(state.model.get_buffer("bn1.num_batches_tracked")) == 0
    assert bool((state.model.get_buffer("bn1.running_mean") == 0).all())


def test_the_kept_checkpoint_has_the_statistics_of_its_epoch(state: TrainingState) -> None:
    states = []
    train_dense(state, after_epoch=lambda _: states.append(statistics(state.model)))
    losses = [epoch.validation_loss for epoch in state.curve]
    best = states[int(np.argmin(losses))]
    kept = statistics(state.model)
    assert all(torch.equal(kept[name], best[name]) for name in best)
    assert not torch.equal(states[0]["bn1.running_mean"], states[1]["bn1.running_mean"])


@pytest.mark.parametrize("pruner", ["MP", "UP", "RP", "IMP-WR", "IIBP-FT"])
def test_a_whole_job_on_eight_random_images(tmp_path: Path, pruner: str) -> None:
    rng = np.random.default_rng(0)
    tensors = {}
    for split in ("train", "validation", "test"):
        tensors[f"{split}.inputs"] = rng.integers(0, 256, (8, 3, 16, 16)).astype(np.uint8)
        tensors[f"{split}.labels"] = np.arange(8, dtype=np.int64) % 4
    about = {
        "dataset": "d", "arch": "resnet", "task": "single-label", "classes": list("abcd"), "kind": "image",
        "image_scale": 255, "image_mean": [0.5] * 3, "image_std": [0.3] * 3, "augment": "crop-flip",
    }  # fmt: skip
    inputs = tmp_path / "x.safetensors"
    save_file(tensors, inputs, metadata={"prunescope": json.dumps(about)})
    settings = Training(
        optimizer="sgd", lr=0.05, weight_decay=5e-4, epochs=2, batch_size=4, finetune_epochs=1,
        keep="best-validation",
    )  # fmt: skip

    def run(name: str, pruned: bool, dense: list[Path]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        job = ModelJob(
            dataset="d", arch="resnet", pruner=pruner if pruned else NO_PRUNER,
            amount="ratio-1000percent" if pruned else "sparsity-0permille", seeds=(0, 1),
            architecture=ResNet(family="resnet", depth=8), training=settings,
            composition=PRUNERS[pruner] if pruned else None,
        )  # fmt: skip
        outputs = BlockOutputs(
            test=folder / "test.parquet",
            train=folder / "train.parquet",
            metrics=folder / "metrics.json",
            early=None if pruned else folder / "early.parquet",
            checkpoint=None if pruned else folder / "checkpoint.safetensors",
            models=folder / "models.safetensors",
        )
        run_block(job, inputs, outputs, dense=dense, device="cpu")
        torch.set_flush_denormal(False)
        return folder

    dense = run("dense", False, [])
    restored = run("restored", True, [dense / "checkpoint.safetensors"])
    inline = run("inline", True, [])
    for file in ("test.parquet", "train.parquet", "models.safetensors"):
        assert (restored / file).read_bytes() == (inline / file).read_bytes()
    assert json.loads((dense / "metrics.json").read_text())["models"][0]["ratio"] == 1
    for model in json.loads((restored / "metrics.json").read_text())["models"]:
        assert not model["diverged"]
        assert model["ratio"] == pytest.approx(10, rel=1e-3)
    tensors = load_file(restored / "models.safetensors")
    assert "0/model/stage3.0.bn2.running_var" in tensors
    assert int((tensors["0/model/stage2.0.conv1.weight"] == 0).sum()) > 0
