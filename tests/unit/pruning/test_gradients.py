"""Accumulated gradients against torch.autograd on all batches at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prunescope.pruning.gradients import accumulated_gradients


def toy() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))
    model(torch.randn(32, 6))  # running statistics that are not the initial ones
    return model


def batches(count: int = 4, size: int = 5) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(size, 6, generator=generator), torch.randint(0, 3, (size,), generator=generator))
        for _ in range(count)
    ]


def cross_entropy(model):
    def backward(batch):
        nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()

    return backward


@pytest.mark.parametrize("training", [True, False])
def test_mean_gradient_without_dropout_and_with_running_statistics(training):
    model, parts = toy(), batches()
    model.train(training)
    weights = {name: p for name, p in model.named_parameters() if p.dim() > 1}
    assert len(weights) == 2
    state = {name: value.clone() for name, value in model.state_dict().items()}
    got = accumulated_gradients(model, weights, cross_entropy(model), parts)

    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert all(module.training is training for module in model.modules())

    reference = toy().eval()
    inputs, labels = (torch.cat(column) for column in zip(*parts, strict=True))
    loss = nn.functional.cross_entropy(reference(inputs), labels)
    named = dict(reference.named_parameters())
    expected = torch.autograd.grad(loss, [named[name] for name in weights])
    for (name, gradient), wanted in zip(got.items(), expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-5, atol=1e-7)
        assert gradient.shape == weights[name].shape
        assert not gradient.requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_gradient_in_training_mode_by_the_batch_s_own_statistics(training):
    """Against batch normalization and dropout written out: each batch by its own mean and variance."""
    model, parts = toy(), batches()
    model.train(training)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    weights = {"0.weight": model[0].weight, "1.weight": model[1].weight, "4.bias": model[4].bias}
    torch.manual_seed(7)
    got = accumulated_gradients(model, weights, cross_entropy(model), parts, training=True)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(module.training is training for module in model.modules())

    torch.manual_seed(7)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for inputs, labels in parts:
        x = inputs @ model[0].weight.T + model[0].bias
        x = (x - x.mean(0)) / (x.var(0, unbiased=False) + model[1].eps).sqrt() * model[1].weight + model[
            1
        ].bias
        x = nn.functional.dropout(x, 0.5, training=True)
        logits = torch.relu(x) @ model[4].weight.T + model[4].bias
        loss = -torch.log_softmax(logits, 1)[torch.arange(len(labels)), labels].mean()
        for name, gradient in zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True):
            sums[name] += gradient
    for name, total in sums.items():
        torch.testing.assert_close(got[name], total / len(parts), rtol=1e-4, atol=1e-6)
    as_predicting = accumulated_gradients(model, weights, cross_entropy(model), parts)
    assert not torch.allclose(got["0.weight"], as_predicting["0.weight"], rtol=0.1)


def test_every_module_returns_to_its_own_mode():
    model = toy().train()
    model[1].eval()
    accumulated_gradients(model, {"0.weight": model[0].weight}, cross_entropy(model), batches(1))
    assert [module.training for module in model] == [True, False, True, True, True]


def test_decay_adds_the_gradient_of_the_penalty():
    model, parts = toy(), batches(2)
    weights = {"0.weight": model[0].weight}
    plain = accumulated_gradients(model, weights, cross_entropy(model), parts)
    total = accumulated_gradients(model, weights, cross_entropy(model), parts, decay=0.1)
    # d/dw of eps / 2 * |w|^2 is eps * w.
    w = model[0].weight.detach().clone().requires_grad_()
    (penalty,) = torch.autograd.grad(0.1 / 2 * w.square().sum(), w)
    torch.testing.assert_close(total["0.weight"], plain["0.weight"] + penalty)


def test_weights_without_a_say_have_zero_gradients():
    model = toy()
    unused = nn.Parameter(torch.ones(2, 2))
    got = accumulated_gradients(model, {"unused": unused}, cross_entropy(model), batches(1))
    assert torch.equal(got["unused"], torch.zeros(2, 2))


def test_recurrent_models_have_the_same_gradients(make_state):
    from prunescope.config.architectures import Training
    from prunescope.models.registry import prunable

    state = make_state("bilstm", Training())
    split = state.data.splits["train"]
    got = accumulated_gradients(
        state.model,
        prunable(state.model),
        lambda batch: state.loss(state.model(batch[0]), batch[1]).backward(),
        [(split.inputs, split.labels)],
    )
    state.model.eval()
    loss = state.loss(state.model(split.inputs), split.labels)
    expected = torch.autograd.grad(loss, list(prunable(state.model).values()))
    for gradient, wanted in zip(got.values(), expected, strict=True):
        torch.testing.assert_close(gradient, wanted)
