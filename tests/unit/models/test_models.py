"""Models: their sizes as published, what of them is prunable, what they compute."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.config.architectures import BiLSTM, Encoder, LeNet5
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.errors import UserError
from prunescope.models.registry import build, count_parameters, prunable
from prunescope.models.shape import Shape
from prunescope.pruning.schedules import zeros_by_round

#: PIE paper, Table 5 (IMDB, SNLI, Reuters, AAPD).
CLASSES = (2, 3, 23, 54)
TABLE5 = {
    "bilstm": (647_810, 647_939, 650_519, 654_518),
    "bert": (109_483_778, 109_484_547, 109_499_927, 109_523_766),
}
#: ... and the shares of all parameters that are removed, printed without decimals.
REMOVED = {
    "bilstm": {0.2: 20, 0.5: 50, 0.7: 69, 0.9: 89, 0.99: 98},
    "bert": {0.2: 15, 0.5: 39, 0.7: 55, 0.9: 70, 0.99: 77},
}


def published(arch: str, classes: int) -> nn.Module:
    with torch.device("meta"):
        if arch == "bilstm":
            shape = Shape(classes=classes, vectors=torch.empty(9, 300))
            return build(BiLSTM(family="bilstm"), shape, 0)
        shape = Shape(classes=classes, vocabulary=30522, length=512)
        return build(Encoder(family="encoder"), shape, 0)


@pytest.mark.parametrize("arch", TABLE5)
def test_parameter_counts_of_the_pie_paper(arch):
    counts = tuple(count_parameters(published(arch, classes)) for classes in CLASSES)
    assert counts == TABLE5[arch]


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("arch", TABLE5)
def test_shares_removed_of_the_pie_paper(arch, classes):
    model = published(arch, classes)
    total = count_parameters(model)
    sizes = {name: weight.numel() for name, weight in prunable(model).items()}
    for sparsity, printed in REMOVED[arch].items():
        compression = Compression.of_sparsity(sparsity)
        zeros = zeros_by_round(PRUNERS["IMP-WR"], compression, sizes, total)[-1]
        removed = sum(zeros.values()) / total
        assert abs(100 * removed - printed) < 1, (sparsity, removed)
    twenty = zeros_by_round(PRUNERS["IMP-WR"], Compression.of_sparsity(0.2), sizes, total)[-1]
    if arch == "bert":
        assert f"{sum(twenty.values()) / total:.1%}" == "15.6%"


def test_prunable_weights_of_bert():
    model = published("bert", 3)
    names = list(prunable(model))
    matrices = [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ]
    expected = [f"bert.encoder.layer.{n}.{m}.weight" for n in range(12) for m in matrices]
    assert names == [*expected, "bert.pooler.dense.weight"]
    assert sum(w.numel() for w in prunable(model).values()) == 12 * (4 * 768**2 + 2 * 768 * 3072) + 768**2


def test_prunable_weights_of_the_bilstm_are_a_layer_each():
    names = {name: tuple(w.shape) for name, w in prunable(published("bilstm", 2)).items()}
    lstm = {
        f"lstm.weight_{kind}_l{layer}{direction}": (400, {"ih": (300, 200)[layer], "hh": 100}[kind])
        for layer in (0, 1)
        for kind in ("ih", "hh")
        for direction in ("", "_reverse")
    }
    assert names == {**lstm, "head.0.weight": (256, 200), "head.1.weight": (128, 256)}


def test_lenet5_of_28_pixels():
    model = build(LeNet5(family="lenet5"), Shape(classes=10, image=(1, 28, 28)), 0)
    assert count_parameters(model) == 61_706
    sizes = {name: weight.numel() for name, weight in prunable(model).items()}
    assert sizes == {"conv1.weight": 150, "conv2.weight": 2400, "fc1.weight": 48_000, "fc2.weight": 10_080}


@pytest.mark.parametrize("side", [4, 5, 8, 16, 27, 28, 32])
def test_lenet5_takes_images_of_any_size_from_4_pixels(side):
    model = build(LeNet5(family="lenet5"), Shape(classes=7, image=(3, side, side)), 0)
    assert model(torch.rand(2, 3, side, side)).shape == (2, 7)


def test_lenet5_refuses_smaller_images():
    with pytest.raises(UserError, match="4 x 4 is the least"):
        build(LeNet5(family="lenet5"), Shape(classes=7, image=(1, 3, 9)), 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(x: np.ndarray, weights: dict[str, np.ndarray], suffix: str) -> list[np.ndarray]:
    """One direction over one text (L, D), a step at a time; gates in the order i, f, g, o."""
    w_ih, w_hh = weights[f"weight_ih_{suffix}"], weights[f"weight_hh_{suffix}"]
    bias = weights[f"bias_ih_{suffix}"] + weights[f"bias_hh_{suffix}"]
    h = c = np.zeros(w_hh.shape[1])
    states = []
    for step in x:
        i, f, g, o = np.split(w_ih @ step + w_hh @ h + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return states


def test_bilstm_is_the_loop_one_would_write():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(11, 6, generator=generator)
    arch = BiLSTM(family="bilstm", hidden=5, layers=2, head=(8, 7), vectors=6)
    model = build(arch, Shape(classes=3, vectors=vectors), 1)
    words = torch.randint(0, 11, (4, 9), generator=generator)
    got = model(words).detach().numpy()

    lstm = {name: value.double().numpy() for name, value in model.lstm.state_dict().items()}
    for row, text in enumerate(words):
        x = vectors[text].double().numpy()
        for layer in range(2):
            forward = lstm_by_hand(x, lstm, f"l{layer}")
            backward = lstm_by_hand(x[::-1], lstm, f"l{layer}_reverse")
            x = np.array([np.concatenate(pair) for pair in zip(forward, backward[::-1], strict=True)])
        # The last forward state and the first backward one (that of the text's first word).
        out = np.concatenate([x[-1][:5], x[0][5:]])
        for linear in (*model.head, model.out):
            w, b = (p.detach().double().numpy() for p in (linear.weight, linear.bias))
            out = w @ out + b
            if linear is not model.out:
                out = np.maximum(out, 0)
        np.testing.assert_allclose(got[row], out, rtol=1e-4, atol=1e-6)


def test_word_vectors_are_data_not_weights():
    model = build(BiLSTM(family="bilstm", hidden=4), Shape(classes=2, vectors=torch.randn(9, 300)), 0)
    assert not any("vectors" in name for name, _ in model.named_parameters())
    assert not any("vectors" in name for name in model.state_dict())


def tiny_encoder(seed: int = 0, **changes: float) -> nn.Module:
    arch = Encoder(family="encoder", hidden=16, layers=2, heads=2, intermediate=32, positions=24, **changes)
    return build(arch, Shape(classes=3, vocabulary=30, length=12, pad=0), seed)


def test_padding_does_not_change_what_an_encoder_says():
    model = tiny_encoder().eval()
    for weight in prunable(model).values():
        weight.data *= 12  # at its small initial weights it says nearly the same of every text
    pieces = torch.randint(1, 30, (5, 12), generator=torch.Generator().manual_seed(0))
    pieces[0, 7:] = 0
    longer = nn.functional.pad(pieces, (0, 12))
    with torch.no_grad():
        torch.testing.assert_close(model(pieces), model(longer), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(pieces[:1, :7]), model(pieces)[:1], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(model(pieces[1:2, :7]), model(pieces)[1:2], atol=1e-3)  # that was text


def test_dropout_of_an_encoder_is_on_in_training_only():
    model, pieces = tiny_encoder(dropout=0.3), torch.arange(1, 13).view(1, 12)
    model.train()
    assert not torch.equal(model(pieces), model(pieces))
    model.eval()
    assert torch.equal(model(pieces), model(pieces))


def test_encoder_too_short_for_its_texts():
    arch = Encoder(family="encoder", hidden=16, layers=1, heads=2, intermediate=32, positions=24)
    with pytest.raises(UserError, match="512 tokens do not fit into 24 positions"):
        build(arch, Shape(classes=3, vocabulary=30, length=512), 0)


@pytest.mark.parametrize("family", ["lenet5", "bilstm", "encoder"])
def test_a_seed_is_a_model(family, make_state):
    from prunescope.config.architectures import Training

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = make_state(family, Training(), seed=3).model.state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again = make_state(family, Training(), seed=3).model.state_dict()
    other = make_state(family, Training(), seed=4).model.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = [name for name in first if first[name].dim() > 1]
    assert weights
    assert not any(torch.equal(first[name], other[name]) for name in weights)
