"""Packed texts and bfloat16 on a GPU: the fused attention there, results like the CPU's, no waiting for the device."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from prunescope.config.architectures import Encoder, Training
from prunescope.models.packed import attention_by_length, fused_attention, fused_works, packed
from prunescope.models.precision import outputs
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.pruning.mask import full_masks, prune
from prunescope.training.batches import Split, TrainingData
from prunescope.training.loop import train
from prunescope.training.state import Phase, TrainingState

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible"),
]

GPU = torch.device("cuda")
ARCH = Encoder(
    family="encoder", hidden=64, layers=2, heads=2, intermediate=128, vocabulary=64, positions=64,
    initializer_range=0.1, dropout=0.0,
)  # fmt: skip


def made_data(place: torch.device, *, pack: bool) -> TrainingData:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(256) % 4
    ids = torch.randint(8, 64, (256, 64), generator=generator)
    ids[:, 1] = 4 + labels
    lengths = torch.randint(3, 65, (256,), generator=generator)
    ids[torch.arange(64)[None] >= lengths[:, None]] = 0
    split = Split(ids.to(place), labels.to(place), lengths, trim=True, pack=pack)
    shape = Shape(classes=4, vocabulary=64, length=64)
    return TrainingData("single-label", ("a", "b", "c", "d"), shape, {"train": split})


def state_of(place: torch.device, *, arch: Encoder = ARCH, **settings: Any) -> TrainingState:
    training = Training(lr=1e-3, epochs=2, batch_size=32, clip_norm=1.0, **settings)
    data = made_data(place, pack=training.padding == "none")
    return TrainingState(build(arch, data.shape, 0).to(place), data, training, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fused_attention(dtype: torch.dtype) -> None:
    assert fused_works(GPU, dtype, 12, 64)
    lengths = torch.tensor([5, 512, 5, 77])
    texts = packed(torch.ones(4, 512, dtype=torch.int64, device=GPU), torch.arange(4), lengths)
    generator = torch.Generator(GPU).manual_seed(0)
    heads = tuple(
        torch.randn(int(lengths.sum()), 12, 64, device=GPU, generator=generator, dtype=dtype)
        for _ in range(3)
    )
    slack = 1e-4 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(
        fused_attention(heads, texts), attention_by_length(heads, texts), rtol=slack, atol=slack
    )


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_packed_outputs_are_the_cpus(precision: str) -> None:
    cpu, gpu = state_of(torch.device("cpu")), state_of(GPU, padding="none")
    index = torch.arange(48)
    with torch.no_grad():
        wanted = cpu.model.eval()(cpu.data.splits["train"].batch(index)[0])
        found = outputs(gpu.model.eval(), gpu.data.splits["train"].batch(index)[0], precision)
    assert found.dtype == torch.float32
    slack = 1e-3 if precision == "float32" else 0.1
    torch.testing.assert_close(found.cpu(), wanted, rtol=slack, atol=slack)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_training_without_padding_in_bfloat16(dropout: float) -> None:
    arch = ARCH.model_copy(update={"dropout": dropout})
    one = state_of(GPU, arch=arch, padding="none", precision="bf16", order="by-length")
    weights = {name: w.detach() for name, w in prunable(one.model).items()}
    scores = {name: w.abs() for name, w in weights.items()}
    one.set_masks(prune(scores, full_masks(weights), {n: w.numel() // 2 for n, w in weights.items()}))
    train(one, Phase("train", 4))
    assert {p.dtype for p in one.model.parameters()} == {torch.float32}
    assert one.masks is not None
    for name, mask in one.masks.items():
        assert not prunable(one.model)[name].detach()[~mask].any()
    assert one.curve[-1].loss < one.curve[0].loss


def test_no_step_waits_for_the_device() -> None:
    """Of padded batches transformers asks once a step whether any of them is padded at all."""
    one = state_of(GPU, padding="none", precision="bf16")
    train(one, Phase("warm-up", 1))
    split = one.data.splits["train"]
    torch.cuda.set_sync_debug_mode("error")
    try:
        inputs, labels = split.batch(torch.arange(32))
        one.optimizer.zero_grad(set_to_none=True)
        one.loss(outputs(one.model, inputs, "bf16"), labels).backward()
        one.optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
