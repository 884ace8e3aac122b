"""Compiled functions against torch's own operations."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from prunescope.config.architectures import LeNet5, Training
from prunescope.models import compiled
from prunescope.models.registry import build, kernels
from prunescope.models.shape import Shape
from prunescope.training.batches import Split, TrainingData, epoch_batches
from prunescope.training.loop import train
from prunescope.training.state import Phase, TrainingState

CPU = torch.device("cpu")
LENET = LeNet5(family="lenet5")

needs_compiler = pytest.mark.skipif(compiled.kernels() != "compiled", reason=compiled.kernels())


def plain(layer: nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
    return torch.max_pool2d(torch.relu(layer(images)), 2)


def outcome(function, layer: nn.Conv2d, images: torch.Tensor, weights: torch.Tensor) -> list[torch.Tensor]:
    """The output, and the gradients of its weighted sum."""
    layer.zero_grad()
    images = images.detach().clone().requires_grad_(images.requires_grad)
    found = function(layer, images)
    (found * weights).sum().backward()
    gradients = [layer.weight.grad, layer.bias.grad, images.grad]
    return [found.detach(), *(gradient.clone() for gradient in gradients if gradient is not None)]


@needs_compiler
@pytest.mark.parametrize("further", [False, True], ids=["images", "maps"])
@pytest.mark.parametrize(
    ("channels", "filters", "size", "padding"),
    [
        (1, 6, (28, 28), 2),
        (6, 16, (14, 14), 0),
        (3, 6, (32, 32), 2),
        (2, 8, (9, 12), 1),
        (4, 17, (11, 6), 2),
        (8, 1, (7, 7), 0),
        (5, 9, (6, 6), 0),
    ],
)
def test_agrees_with_torch(channels, filters, size, padding, further) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, filters, 5, padding=padding)
    images = torch.randn(7, channels, *size, requires_grad=further)
    weights = torch.randn_like(plain(layer, images))
    assert compiled._compiles(layer, images)
    found = outcome(compiled.pooled, layer, images, weights)
    expected = outcome(plain, layer, images, weights)
    assert len(found) == len(expected) == 3 + further
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-4)


@needs_compiler
def test_the_first_of_equal_corners_gets_the_gradient_as_in_torch() -> None:
    layer = nn.Conv2d(1, 2, 5)
    images = torch.zeros(1, 1, 8, 8)
    images[0, 0, 1, 1] = 1.0
    with torch.no_grad():
        layer.weight.fill_(0.0)
        layer.bias.copy_(torch.tensor([1.0, -1.0]))
    weights = torch.arange(8.0).view(1, 2, 2, 2)
    found = outcome(compiled.pooled, layer, images, weights)
    expected = outcome(plain, layer, images, weights)
    assert [one.tolist() for one in found] == [one.tolist() for one in expected]
    assert found[2].tolist() == [6.0, 0.0]  # the second filter is off everywhere


@needs_compiler
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_stays_so(value) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 3, 5)
    images = torch.rand(2, 1, 10, 10)
    images[1, 0, 4, 4] = value
    torch.testing.assert_close(
        compiled.pooled(layer, images), plain(layer, images), equal_nan=True, rtol=1e-4, atol=1e-4
    )


@needs_compiler
def test_the_same_bytes_each_time() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 16, 5)
    images = torch.randn(9, 6, 14, 14, requires_grad=True)
    weights = torch.randn(9, 16, 5, 5)
    first, second = (outcome(compiled.pooled, layer, images, weights) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_other_layers_are_torchs() -> None:
    images = torch.rand(2, 3, 12, 12)
    layers = [
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(3, 4, 5, stride=2),
        nn.Conv2d(3, 4, 5, bias=False),
        nn.Conv2d(3, 3, 5, groups=3),
        nn.Conv2d(3, 4, 5, padding=2, padding_mode="circular"),
        nn.Conv2d(3, 4, 5, padding="same"),
    ]
    for layer in layers:
        assert not compiled._compiles(layer, images)
        assert torch.equal(compiled.pooled(layer, images).contiguous(), plain(layer, images).contiguous())
    double = nn.Conv2d(3, 4, 5).double()
    assert not compiled._compiles(double, images.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not compiled._compiles(nn.Conv2d(3, 4, 5), images)


def test_hooks_of_the_layer_are_called() -> None:
    layer = nn.Conv2d(1, 2, 5)
    seen = []
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    compiled.pooled(layer, torch.rand(3, 1, 8, 8))
    assert seen == [(3, 2, 4, 4)]


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Nothing is compiled yet, and the cache is empty."""
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    compiled._library.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    compiled._library.cache_clear()


def test_without_a_compiler_torch_does_it(fresh) -> None:
    model = build(LENET, Shape(classes=4, image=(1, 28, 28)), 0)
    images = torch.rand(5, 1, 28, 28)
    before = model(images)
    compiled._library.cache_clear()
    fresh.setenv("CXX", "/nowhere/c++")
    assert kernels(LENET, CPU) == "torch: /nowhere/c++ does not compile (FileNotFoundError)"
    torch.testing.assert_close(model(images), before)


def test_a_compiler_that_fails_is_not_an_error(fresh) -> None:
    fresh.setenv("CXX", "false")
    assert kernels(LENET, CPU) == "torch: false does not compile (CalledProcessError)"


def test_compiled_functions_can_be_turned_off(fresh) -> None:
    fresh.setenv(compiled.SETTING, "torch")
    assert kernels(LENET, CPU) == "torch: PRUNESCOPE_KERNELS is torch"


@needs_compiler
def test_compiles_once(fresh, tmp_path) -> None:
    assert compiled.kernels() == "compiled"
    (library,) = (tmp_path / "cache/kernels").glob("*.so")
    written = library.stat().st_mtime_ns
    compiled._library.cache_clear()
    assert compiled.kernels() == "compiled"
    assert library.stat().st_mtime_ns == written


@needs_compiler
def test_a_cache_that_cannot_be_written_is_done_without(fresh, tmp_path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    assert compiled.kernels() == "compiled"


def test_trains_as_a_plain_loop_does() -> None:
    """60 steps of LeNet-5 under masks, biases among them, against torch's operations one by one."""
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(20 * 32, 1, 28, 28, generator=draws)
    labels = torch.randint(0, 4, (len(images),), generator=draws)
    images += labels.view(-1, 1, 1, 1) * images.flip(2) / 4
    shape = Shape(classes=4, image=(1, 28, 28))
    data = TrainingData(
        "single-label", tuple("abcd"), shape, {"train": Split(images, labels, None, trim=False)}
    )
    settings = Training(optimizer="sgd", lr=0.01, momentum=0.9, batch_size=32, epochs=3)
    model = build(LENET, shape, 0)
    other = copy.deepcopy(model)
    masks = {name: torch.rand(w.shape, generator=draws) > 0.5 for name, w in model.named_parameters()}
    state = TrainingState(model, data, settings, 0)
    state.set_masks(masks)
    train(state, Phase("train", 3))

    def forward(images: torch.Tensor) -> torch.Tensor:
        x = plain(other.conv2, plain(other.conv1, images)).flatten(1)
        return other.fc3(torch.relu(other.fc2(torch.relu(other.fc1(x)))))

    optimizer = torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9)
    weights = dict(other.named_parameters())

    @torch.no_grad()
    def masked() -> None:
        for name, mask in masks.items():
            weights[name].mul_(mask)

    masked()
    losses = []
    for epoch in (1, 2, 3):
        total = 0.0
        for index in epoch_batches(data.splits["train"], settings, 0, "train", epoch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(forward(images[index]), labels[index])
            loss.backward()
            optimizer.step()
            masked()
            total += float(loss.detach()) * len(index)
        losses.append(total / len(images))
    assert [one.loss for one in state.curve] == pytest.approx(losses, rel=1e-4)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight, weights[name], rtol=1e-3, atol=1e-4)
        assert not weight[~masks[name]].any()


def norm_outcome(
    function, layer: nn.BatchNorm2d, maps: torch.Tensor, other: torch.Tensor | None, weights: torch.Tensor
) -> list[torch.Tensor]:
    """Output, gradients of its weighted sum, running statistics."""
    layer = copy.deepcopy(layer)
    maps = maps.detach().clone().requires_grad_()
    other = None if other is None else other.detach().clone().requires_grad_()
    found = function(layer, maps, other)
    (found.float() * weights).sum().backward()
    gradients = [maps.grad, layer.weight.grad, layer.bias.grad, *([] if other is None else [other.grad])]
    return [found.detach(), *gradients, layer.running_mean, layer.running_var]


def in_float32(layer: nn.BatchNorm2d, maps: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
    y = layer(maps.float())
    return torch.relu(y if other is None else y + other.float())


@pytest.mark.skipif(compiled.kernels("normalized") != "compiled", reason=compiled.kernels("normalized"))
@pytest.mark.parametrize("adds", [False, True], ids=["alone", "with shortcut"])
@pytest.mark.parametrize("channels", [16, 32, 64])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_normalization_agrees_with_float32_up_to_rounding(channels, adds, momentum) -> None:
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(channels, momentum=momentum)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    maps = (torch.randn(5, channels, 7, 6) * 2 + 30).bfloat16().contiguous(memory_format=torch.channels_last)
    other = torch.randn_like(maps) if adds else None
    weights = torch.randn(maps.shape).bfloat16().float()  # as gradients of bfloat16 maps are
    assert compiled._normalizes(layer, maps, other)
    found = norm_outcome(compiled.normalized, layer, maps, other, weights)
    assert found[0].dtype == torch.bfloat16
    # Against the same numbers in float32: what is stored in bfloat16 is rounded to 8 bits, its sums are not. Where
    # rounding puts an output on the other side of zero, its gradient is another: none here.
    for ours, theirs in zip(found, norm_outcome(in_float32, layer, maps, other, weights), strict=True):
        precise = ours.dtype == torch.float32
        torch.testing.assert_close(
            ours.float(), theirs.float(), rtol=2e-4 if precise else 1e-2, atol=3e-3 if precise else 2e-2
        )
    again = norm_outcome(compiled.normalized, layer, maps, other, weights)
    assert all(torch.equal(one, two) for one, two in zip(found, again, strict=True))


def test_what_is_not_compiled_is_normalized_by_torch() -> None:
    layer, maps = nn.BatchNorm2d(16), torch.randn(3, 16, 4, 4)
    assert not compiled._normalizes(layer, maps, None)
    assert torch.equal(compiled.normalized(layer, maps), torch.relu(layer(maps)))
    rounded = maps.bfloat16()
    assert not compiled._normalizes(layer.eval(), rounded, None)
    assert not compiled._normalizes(layer.train(), rounded, maps)
    assert not compiled._normalizes(nn.BatchNorm2d(8), rounded[:, :8], None)
    assert not compiled._normalizes(layer, rounded[:1, :, :1, :1], None)
    layer.register_forward_hook(lambda *_: None)
    assert not compiled._normalizes(layer, rounded, None)


def test_normalization_keeps_nan() -> None:
    layer, maps = nn.BatchNorm2d(16), torch.randn(3, 16, 4, 4).bfloat16()
    maps[0, 3, 0, 0] = torch.nan
    found = compiled.normalized(layer, maps)
    assert found[:, 3].isnan().all()
    assert not found[:, 4].isnan().any()
