"""Batches that do not fit into a GPU's memory: made up here by models that refuse more than so many examples."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.support.recipes import prune_and_train
from torch import nn

from prunescope.config.architectures import Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.training.loop import train
from prunescope.training.memory import backward, in_batches, reported_memory
from prunescope.training.predict import logits_of, mean_loss
from prunescope.training.recipes import train_dense
from prunescope.training.state import Phase, copied_state

SETTINGS = Training(optimizer="sgd", lr=0.05, epochs=2, batch_size=16, clip_norm=1.0, finetune_epochs=1)


def limited(model: nn.Module, most: int, seen: list[int] | None = None) -> nn.Module:
    """``model``, whose forward pass runs out of memory above ``most`` examples; ``seen``: those of each pass."""
    whole = model.forward

    def forward(inputs: Any, *more: Any) -> Any:
        if len(inputs) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        if seen is not None:
            seen.append(len(inputs))
        return whole(inputs, *more)

    model.forward = forward  # type: ignore[method-assign]
    return model


def task_loss(state: Any) -> Any:
    """``memory.Losses`` of a model that is trained for its task alone."""

    def losses(index: torch.Tensor, inputs: Any, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss = state.loss(state.model(inputs), labels)
        return loss, loss

    return losses


@pytest.mark.parametrize(
    ("family", "task"), [("lenet5", "single-label"), ("bilstm", "multi-label"), ("encoder", "single-label")]
)
@pytest.mark.parametrize("most", [9, 4, 1])
def test_training_in_parts_is_training_whole(make_state, capfd, family, task, most):
    sides = []
    for limit in (10**6, most):
        state = make_state(family, SETTINGS, task=task)
        for module in state.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # its draws depend on the size of a batch
        limited(state.model, limit)
        train_dense(state)
        sides.append(state)
    whole, parts = sides
    assert (whole.parts, parts.parts) == (1, {9: 2, 4: 4, 1: 16}[most])
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(parts.model.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(parts.curve, whole.curve, strict=True):
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert mine.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-4)
    assert parts.examples_seen == whole.examples_seen
    line = f"seed 0: batches of 16 do not fit into the GPU's memory: in {parts.parts} parts from now on"
    assert line in capfd.readouterr().err


def test_parts_weigh_by_what_is_scored(make_state):
    """Tokens without a label have no say: the mean is over those of the whole batch."""
    state = make_state("encoder", SETTINGS)
    state.data = type(state.data)(**{**vars(state.data), "task": "tokens"})
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, 5, 7, generator=generator)
    labels = torch.randint(0, 3, (6, 5), generator=generator)
    labels[0] = -100
    labels[1, 1:] = -100
    state.model = nn.Linear(7, 3)
    state.restart_optimizer()
    gradients, losses = [], []
    for parts in (1, 2, 3, 6):
        state.parts = parts
        losses.append(backward(state, torch.arange(6), (inputs, labels), task_loss(state)))
        gradients.append(state.model.weight.grad.clone())
    for loss, gradient in zip(losses[1:], gradients[1:], strict=True):
        torch.testing.assert_close(loss, losses[0])
        torch.testing.assert_close(gradient, gradients[0])


def test_one_part_is_the_loss_s_own_backward(make_state):
    state = make_state("lenet5", SETTINGS)
    split = state.data.splits["train"]
    index = torch.arange(8)
    loss = state.loss(state.model(split.inputs[:8]), split.labels[:8])
    loss.backward()
    wanted = [p.grad.clone() for p in state.model.parameters()]
    told = backward(state, index, split.batch(index), task_loss(state))
    assert torch.equal(told, loss.detach())
    assert all(torch.equal(p.grad, g) for p, g in zip(state.model.parameters(), wanted, strict=True))


def test_texts_without_padding_are_cut_too(make_state):
    state = make_state("encoder", SETTINGS)
    split = state.data.splits["train"]
    packs = type(split)(**{**vars(split), "pack": True})
    state.data.splits["train"] = packs
    state.model.eval()
    index = torch.arange(12)
    seen: list[tuple[int, bool]] = []

    def loss(numbers: torch.Tensor, inputs: Any, labels: Any) -> Any:
        seen.append((len(inputs), isinstance(inputs, PackedTexts)))
        return task_loss(state)(numbers, inputs, labels)

    found = []
    for parts in (1, 4):
        state.parts = parts
        told = backward(state, index, packs.batch(index), loss)
        found.append([told, *(p.grad.clone() for p in state.model.parameters() if p.grad is not None)])
    assert seen == [(12, True), *[(3, True)] * 4]
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_scores_by_gradient_are_of_the_same_batch(make_state):
    sides = []
    for most in (10**6, 5):
        state = make_state("bilstm", SETTINGS)
        start = copied_state(state.model)
        train_dense(state)
        limited(state.model, most)
        prune_and_train(state, PRUNERS["GP"], Compression.of_sparsity(0.5), start)
        sides.append(state)
    agree = sum(int((sides[0].masks[n] == sides[1].masks[n]).sum()) for n in sides[0].masks)
    assert agree == sum(mask.numel() for mask in sides[0].masks.values())


def test_a_model_with_batch_normalization_is_not_cut(make_state):
    from prunescope.config.architectures import ResNet
    from prunescope.models.registry import build
    from prunescope.training.state import TrainingState

    data = make_state("lenet5", SETTINGS).data
    state = TrainingState(build(ResNet(family="resnet", depth=8), data.shape, 0), data, SETTINGS, 0)
    limited(state.model, 8)
    with pytest.raises(
        UserError, match="out of GPU memory with batches of 16, which batch normalization looks"
    ):
        train(state, Phase("train", 1))
    # Looked at, it is: running statistics do not depend on the batch.
    logits = logits_of(state.model, data, "test")
    assert logits.shape == (12, 3)


def test_one_example_too_many_is_one_line(make_state):
    state = make_state("lenet5", SETTINGS)
    limited(state.model, 0)
    with pytest.raises(UserError, match="out of GPU memory with one example at a time"):
        train(state, Phase("train", 1))
    with pytest.raises(UserError, match="out of GPU memory with one example at a time"):
        logits_of(state.model, state.data, "test")
    with pytest.raises(UserError, match=r"^CUDA out of memory; give the job"), reported_memory():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")


def test_predictions_come_in_order_whatever_fits(make_state, capfd):
    state = make_state("lenet5", SETTINGS)
    whole = logits_of(state.model, state.data, "train")
    loss = mean_loss(state, "validation")
    seen: list[int] = []
    limited(state.model, 7, seen)
    torch.testing.assert_close(logits_of(state.model, state.data, "train"), whole)
    assert seen == [5] * 8
    assert mean_loss(state, "validation") == pytest.approx(loss)
    assert "batches do not fit into the GPU's memory: 5 examples at once" in capfd.readouterr().err
    found = list(in_batches(torch.tensor([3, 1, 2]), 2, torch.Tensor.tolist))
    assert [(index.tolist(), values) for index, values in found] == [([3, 1], [3, 1]), ([2], [2])]
