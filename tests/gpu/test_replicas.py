"""Replicas trained together on a GPU: its kernels, CUDA graphs, and training alone there."""

from __future__ import annotations

import pytest
import torch

from prunescope.config.architectures import Arch, BiLSTM, LeNet5, ResNet, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.models.registry import build
from prunescope.models.shape import Shape
from prunescope.models.stacked.layers import grouped_convolution, unfolded_convolution
from prunescope.models.stacked.lstm import FusedCell, PlainCell, cell_for
from prunescope.training.batches import Pixels, Split, TrainingData
from prunescope.training.lockstep import follow, train_each
from prunescope.training.predict import logits_of
from prunescope.training.recipes import Recipe, dense, pruned
from prunescope.training.state import Phase, TrainingState, copied_state
from prunescope.training.together import Together

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible"),
]

ARCHS: dict[str, Arch] = {
    "lenet5": LeNet5(family="lenet5"),
    "resnet": ResNet(family="resnet", depth=8),
    "bilstm": BiLSTM(family="bilstm", hidden=16, layers=2, head=(16,), vectors=8),
}
SETTINGS = {
    "sgd": Training(
        optimizer="sgd", lr=0.02, epochs=4, batch_size=30, clip_norm=1.0, weight_decay=1e-3, finetune_epochs=2
    ),
    "adam": Training(optimizer="adam", lr=2e-3, epochs=4, batch_size=30, keep="best-validation"),
}


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch):
    """float32 throughout, so that both ways differ by the order of sums alone; and deterministic kernels."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.allow_tf32 = allowed


def made_data(arch: str) -> TrainingData:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(256) % 4).cuda()
    if arch == "bilstm":
        words = torch.randint(8, 64, (256, 12), generator=generator)
        words[:, 3] = torch.arange(256) % 4 + 4
        shape = Shape(classes=4, vectors=torch.randn(64, 8, generator=generator))
        split = Split(words.cuda(), labels, None, trim=False)
    else:
        pictures = torch.randint(0, 100, (256, 2, 8, 8), generator=generator, dtype=torch.uint8)
        pictures[torch.arange(256), :, (torch.arange(256) % 4) * 2] += 100
        shape = Shape(classes=4, image=(2, 8, 8))
        split = Split(pictures.cuda(), labels, None, trim=False, pixels=Pixels(255.0, augment="crop-flip"))
    splits = {"train": split, "validation": split, "test": split}
    return TrainingData("single-label", ("a", "b", "c", "d"), shape, splits)


def replicas(arch: str, data: TrainingData, settings: Training, count: int = 5) -> list[TrainingState]:
    models = [build(ARCHS[arch], data.shape, seed).cuda() for seed in range(count)]
    return [TrainingState(model, data, settings, seed) for seed, model in enumerate(models)]


def recipe(state: TrainingState, pruner: str) -> Recipe:
    start = copied_state(state.model)
    yield from dense(state)
    yield from pruned(state, PRUNERS[pruner], Compression.of_sparsity(0.5), start)


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("arch", ARCHS)
def test_together_is_alone_up_to_rounding_and_runs_as_graphs(arch: str, kind: str) -> None:
    data = made_data(arch)
    alone, stacked = replicas(arch, data, SETTINGS[kind]), replicas(arch, data, SETTINGS[kind])
    phase = Phase("train", 2)
    assert train_each([(t, phase) for t in alone]) == [None] * 5
    trainer = Together(32)
    assert trainer([(t, phase) for t in stacked]) == [None] * 5
    assert trainer.graphs == "used"
    for a, b in zip(alone, stacked, strict=True):
        expected = logits_of(a.model, data, "test")
        got = logits_of(b.model, data, "test")
        torch.testing.assert_close(got, expected, rtol=2e-2, atol=2e-2)
        assert [e.loss for e in b.curve] == pytest.approx([e.loss for e in a.curve], rel=1e-2)


@pytest.mark.parametrize("arch", ARCHS)
def test_graphs_change_no_bit_and_the_same_bytes_come_twice(arch: str) -> None:
    data = made_data(arch)
    found = []
    for trainer in (Together(32), Together(32), Together(32, lambda device: None)):
        states = replicas(arch, data, SETTINGS["sgd"])
        assert follow([(t, recipe(t, "IMP-FT")) for t in states], trainer) == [None] * 5
        found.append(torch.stack([logits_of(t.model, data, "test") for t in states]))
        for state in states:
            assert state.masks is not None
            for name, mask in state.masks.items():
                assert not state.model.get_parameter(name).detach()[~mask].any()
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_diverging_replica_hurts_no_other() -> None:
    data = made_data("bilstm")
    found = []
    for broken in (False, True):
        states = replicas("bilstm", data, SETTINGS["adam"])
        if broken:
            with torch.no_grad():
                next(states[2].model.parameters()).fill_(torch.nan)
        ends = Together(32)([(t, Phase("train", 3)) for t in states])
        assert [end is not None for end in ends] == [broken and n == 2 for n in range(5)]
        found.append([logits_of(t.model, data, "test") for t in states])
    for n in (0, 1, 3, 4):
        assert torch.equal(found[0][n], found[1][n])


def test_the_fused_cell_is_the_plain_one() -> None:
    assert isinstance(cell_for(torch.device("cuda")), FusedCell)
    generator = torch.Generator().manual_seed(0)
    draw = [torch.randn(70, width, generator=generator).cuda() for width in (400, 400, 100, 100, 100)]
    inputs, hidden, c, grad_h, grad_c = draw
    found = []
    for cell in (PlainCell(), FusedCell()):
        h, new_c, gates = cell.forward(inputs, hidden, c)
        found.append((h, new_c, gates, *cell.backward(grad_h, grad_c, c, new_c, gates)))
    for plain, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5)


def test_both_convolutions_agree() -> None:
    x = torch.randn(3, 8, 6, 14, 14, device="cuda", requires_grad=True)
    weight = torch.randn(3, 16, 6, 5, 5, device="cuda", requires_grad=True)
    bias = torch.randn(3, 16, device="cuda")
    outputs = [convolve(x, weight, bias, 2) for convolve in (grouped_convolution, unfolded_convolution)]
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(out.square().sum(), [x, weight]) for out in outputs]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-2)
