"""Stacked forward passes and their gradients against the models themselves, one at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prunescope.config.architectures import Arch, BiLSTM, LeNet5, ResNet
from prunescope.models.registry import build
from prunescope.models.shape import Shape
from prunescope.models.stacked import stacked_forward
from prunescope.models.stacked.layers import grouped_convolution, unfolded_convolution
from prunescope.models.stacked.lstm import FusedCell, PlainCell, cell_for, fused_agrees, lstm_layer
from prunescope.training.stacked import Layout, stacked_buffers

ARCHS: dict[str, tuple[Arch, bool | None]] = {
    "lenet5": (LeNet5(family="lenet5"), False),
    "lenet5 unfolded": (LeNet5(family="lenet5"), True),
    "resnet A": (ResNet(family="resnet", depth=8, shortcut="A"), None),
    "resnet B": (ResNet(family="resnet", depth=14, shortcut="B"), None),
    "bilstm": (BiLSTM(family="bilstm", hidden=4, layers=1, head=(6,), vectors=5), None),
    "deep bilstm": (BiLSTM(family="bilstm", hidden=3, layers=3, head=(), vectors=5), None),
}
REPLICAS, BATCH, CLASSES = 3, 5, 4


def replicas(arch: Arch, side: int = 10) -> list[nn.Module]:
    vectors = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    shape = Shape(classes=CLASSES, image=(2, side, side), vectors=vectors)
    models = [build(arch, shape, seed).double() for seed in range(REPLICAS)]
    if isinstance(arch, ResNet):
        for model in models:  # statistics and affine terms that are not the initial ones
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    for tensor in (module.weight.data, module.bias.data, module.running_mean):
                        tensor.add_(torch.randn(tensor.shape, dtype=torch.float64) * 0.1)
    return models


def inputs(arch: Arch, side: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if isinstance(arch, BiLSTM):
        return torch.randint(0, 9, (REPLICAS, BATCH, 7), generator=generator)
    return torch.rand(REPLICAS, BATCH, 2, side, side, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ARCHS)
def test_logits_gradients_and_statistics_are_those_of_each_model(name: str, training: bool) -> None:
    arch, unfolded = ARCHS[name]
    models, examples = replicas(arch), inputs(arch)
    layout = Layout.of(models[0])
    matrix = layout.gather([dict(m.named_parameters()) for m in models], next(models[0].parameters()))
    leaves = {key: view.detach().requires_grad_() for key, view in layout.views(matrix).items()}
    buffers = stacked_buffers(models)
    forward = stacked_forward(models[0], unfolded=unfolded)
    assert forward is not None
    logits = forward(leaves, buffers, examples, training)
    # Weighted, so that a replica's gradient cannot come from another's logits.
    weights = torch.randn(logits.shape, dtype=torch.float64)
    gradients = torch.autograd.grad((logits * weights).sum(), list(leaves.values()))
    for r, model in enumerate(models):
        model.train(training)
        own = model(examples[r])
        torch.testing.assert_close(logits[r], own, rtol=1e-11, atol=1e-11)
        expected = torch.autograd.grad((own * weights[r]).sum(), list(model.parameters()))
        for key, got, wanted in zip(layout.names, gradients, expected, strict=True):
            torch.testing.assert_close(got[r], wanted, rtol=1e-9, atol=1e-11, msg=key)
        for key, buffer in buffers.items():
            torch.testing.assert_close(buffer[r], model.get_buffer(key), rtol=1e-11, atol=1e-12, msg=key)


def test_a_model_of_nan_leaves_the_others_to_the_bit() -> None:
    for arch, unfolded in ARCHS.values():
        models, examples = replicas(arch), inputs(arch)
        layout = Layout.of(models[0])
        rows = [dict(m.named_parameters()) for m in models]
        whole = layout.gather(rows, next(models[0].parameters()))
        broken = whole.clone()
        broken[1] = torch.nan
        found = []
        for matrix in (whole, broken):
            leaves = {key: view.detach().requires_grad_() for key, view in layout.views(matrix).items()}
            forward = stacked_forward(models[0], unfolded=unfolded)
            logits = forward(leaves, stacked_buffers(models), examples, True)
            gradients = torch.autograd.grad(logits.square().sum(), list(leaves.values()))
            found.append((logits, *gradients))
        for a, b in zip(*found, strict=True):
            assert torch.equal(a[[0, 2]], b[[0, 2]])
        assert bool(found[1][0][1].isnan().all())


@pytest.mark.parametrize("padding", [0, 2])
def test_both_convolutions_are_torchs(padding: int) -> None:
    x = torch.randn(2, 3, 4, 9, 7, dtype=torch.float64)
    weight, bias = torch.randn(2, 6, 4, 5, 5, dtype=torch.float64), torch.randn(2, 6, dtype=torch.float64)
    for convolution in (grouped_convolution, unfolded_convolution):
        got = convolution(x, weight, bias, padding)
        for r in range(2):
            torch.testing.assert_close(
                got[r], nn.functional.conv2d(x[r], weight[r], bias[r], padding=padding)
            )


def test_an_lstm_layer_is_torchs() -> None:
    torch.manual_seed(0)
    layers = [nn.LSTM(5, 4, batch_first=True).double() for _ in range(3)]
    x = torch.randn(3, 6, 2, 5, dtype=torch.float64, requires_grad=True)
    w_ih, w_hh, b_ih, b_hh = (
        torch.stack([getattr(layer, name).detach() for layer in layers]).requires_grad_()
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    out = lstm_layer(x, w_ih, w_hh, b_ih + b_hh)
    assert out.shape == (6, 3, 2, 4)
    weights = torch.randn_like(out)
    gradients = torch.autograd.grad((out * weights).sum(), [x, w_ih, w_hh, b_ih])
    for n, layer in enumerate(layers):
        own = x[n].detach().transpose(0, 1).requires_grad_()
        expected, _ = layer(own)
        torch.testing.assert_close(out[:, n].transpose(0, 1), expected, rtol=1e-12, atol=1e-12)
        wanted = torch.autograd.grad(
            (expected * weights[:, n].transpose(0, 1)).sum(),
            [own, layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0],
        )
        for got, right in zip(gradients, [wanted[0].transpose(0, 1), *wanted[1:]], strict=True):
            torch.testing.assert_close(got[n], right, rtol=1e-10, atol=1e-12)


def test_an_lstm_s_gradients_are_differences() -> None:
    torch.manual_seed(0)
    shapes = ((2, 3, 2, 2), (2, 12, 2), (2, 12, 3), (2, 12))
    arguments = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(lstm_layer, arguments)


def test_without_the_fused_kernels_the_plain_cell_is_used() -> None:
    # There are none for the CPU: the check finds out by trying.
    with pytest.raises((RuntimeError, NotImplementedError)):
        FusedCell().forward(torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(1, 1))
    assert not fused_agrees("cpu")
    assert isinstance(cell_for(torch.device("cpu")), PlainCell)


def test_products_of_lstms_have_the_precision_of_cudnn_and_others_keep_theirs(monkeypatch) -> None:
    seen: list[bool] = []
    matmul = torch.backends.cuda.matmul
    forward, backward = PlainCell.forward, PlainCell.backward

    def noted(function):
        return lambda *arguments: (seen.append(matmul.allow_tf32), function(*arguments))[1]

    monkeypatch.setattr(PlainCell, "forward", noted(forward))
    monkeypatch.setattr(PlainCell, "backward", noted(backward))
    assert torch.backends.cudnn.allow_tf32
    assert not matmul.allow_tf32
    x, w_ih, w_hh, bias = (torch.randn(1, *s, requires_grad=True) for s in ((1, 1, 2), (4, 2), (4, 1), (4,)))
    lstm_layer(x, w_ih, w_hh, bias).sum().backward()
    assert seen == [True, True]
    assert not matmul.allow_tf32


def test_what_cannot_be_stacked() -> None:
    assert stacked_forward(nn.Linear(2, 2)) is None
