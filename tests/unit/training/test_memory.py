"""Batches that do not fit into a GPU's memory: made up here by networks that refuse more than so many examples."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from prunescope.config.architectures import Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.training.loop import copied_state, logits_of, mean_loss, train
from prunescope.training.memory import backward, in_batches, memory_told
from prunescope.training.recipes import prune_and_train, train_dense

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


def task_loss(trainee: Any) -> Any:
    """``memory.Losses`` of a network that is trained for its task alone."""

    def losses(index: torch.Tensor, inputs: Any, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss = trainee.loss(trainee.model(inputs), labels)
        return loss, loss

    return losses


@pytest.mark.parametrize(
    ("family", "task"), [("lenet5", "single-label"), ("bilstm", "multi-label"), ("encoder", "single-label")]
)
@pytest.mark.parametrize("most", [9, 4, 1])
def test_training_in_parts_is_training_whole(make_trainee, capfd, family, task, most):
    sides = []
    for limit in (10**6, most):
        trainee = make_trainee(family, SETTINGS, task=task)
        for module in trainee.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # its draws depend on the size of a batch
        limited(trainee.model, limit)
        train_dense(trainee)
        sides.append(trainee)
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


def test_parts_weigh_by_what_is_judged(make_trainee):
    """Tokens without a label have no say: the mean is over those of the whole batch."""
    trainee = make_trainee("encoder", SETTINGS)
    trainee.data = type(trainee.data)(**{**vars(trainee.data), "task": "tokens"})
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, 5, 7, generator=generator)
    labels = torch.randint(0, 3, (6, 5), generator=generator)
    labels[0] = -100
    labels[1, 1:] = -100
    trainee.model = nn.Linear(7, 3)
    trainee.restart_optimizer()
    gradients, losses = [], []
    for parts in (1, 2, 3, 6):
        trainee.parts = parts
        losses.append(backward(trainee, torch.arange(6), (inputs, labels), task_loss(trainee)))
        gradients.append(trainee.model.weight.grad.clone())
    for loss, gradient in zip(losses[1:], gradients[1:], strict=True):
        torch.testing.assert_close(loss, losses[0])
        torch.testing.assert_close(gradient, gradients[0])


def test_one_part_is_the_loss_s_own_backward(make_trainee):
    trainee = make_trainee("lenet5", SETTINGS)
    split = trainee.data.splits["train"]
    index = torch.arange(8)
    loss = trainee.loss(trainee.model(split.inputs[:8]), split.labels[:8])
    loss.backward()
    wanted = [p.grad.clone() for p in trainee.model.parameters()]
    told = backward(trainee, index, split.batch(index), task_loss(trainee))
    assert torch.equal(told, loss.detach())
    assert all(torch.equal(p.grad, g) for p, g in zip(trainee.model.parameters(), wanted, strict=True))


def test_texts_without_padding_are_cut_too(make_trainee):
    trainee = make_trainee("encoder", SETTINGS)
    split = trainee.data.splits["train"]
    packs = type(split)(**{**vars(split), "pack": True})
    trainee.data.splits["train"] = packs
    trainee.model.eval()
    index = torch.arange(12)
    seen: list[tuple[int, bool]] = []

    def loss(numbers: torch.Tensor, inputs: Any, labels: Any) -> Any:
        seen.append((len(inputs), isinstance(inputs, PackedTexts)))
        return task_loss(trainee)(numbers, inputs, labels)

    found = []
    for parts in (1, 4):
        trainee.parts = parts
        told = backward(trainee, index, packs.batch(index), loss)
        found.append([told, *(p.grad.clone() for p in trainee.model.parameters() if p.grad is not None)])
    assert seen == [(12, True), *[(3, True)] * 4]
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_scores_by_gradient_are_of_the_same_batch(make_trainee):
    sides = []
    for most in (10**6, 5):
        trainee = make_trainee("bilstm", SETTINGS)
        start = copied_state(trainee.model)
        train_dense(trainee)
        limited(trainee.model, most)
        prune_and_train(trainee, PRUNERS["GP"], Compression.of_sparsity(0.5), start)
        sides.append(trainee)
    agree = sum(int((sides[0].masks[n] == sides[1].masks[n]).sum()) for n in sides[0].masks)
    assert agree == sum(mask.numel() for mask in sides[0].masks.values())


def test_a_network_with_batch_normalization_is_not_cut(make_trainee):
    from prunescope.config.architectures import ResNet
    from prunescope.models.registry import build
    from prunescope.training.loop import Trainee

    data = make_trainee("lenet5", SETTINGS).data
    trainee = Trainee(build(ResNet(family="resnet", depth=8), data.shape, 0), data, SETTINGS, 0)
    limited(trainee.model, 8)
    with pytest.raises(
        UserError, match="out of GPU memory with batches of 16, which batch normalization looks"
    ):
        train(trainee, "train", 1)
    # Looked at, it is: running statistics do not depend on the batch.
    logits = logits_of(trainee.model, data, "test")
    assert logits.shape == (12, 3)


def test_one_example_too_many_is_one_line(make_trainee):
    trainee = make_trainee("lenet5", SETTINGS)
    limited(trainee.model, 0)
    with pytest.raises(UserError, match="out of GPU memory with one example at a time"):
        train(trainee, "train", 1)
    with pytest.raises(UserError, match="out of GPU memory with one example at a time"):
        logits_of(trainee.model, trainee.data, "test")
    with pytest.raises(UserError, match=r"^CUDA out of memory; give the job"), memory_told():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")


def test_predictions_come_in_order_whatever_fits(make_trainee, capfd):
    trainee = make_trainee("lenet5", SETTINGS)
    whole = logits_of(trainee.model, trainee.data, "train")
    loss = mean_loss(trainee, "validation")
    seen: list[int] = []
    limited(trainee.model, 7, seen)
    torch.testing.assert_close(logits_of(trainee.model, trainee.data, "train"), whole)
    assert seen == [5] * 8
    assert mean_loss(trainee, "validation") == pytest.approx(loss)
    assert "batches do not fit into the GPU's memory: 5 examples at once" in capfd.readouterr().err
    found = list(in_batches(torch.tensor([3, 1, 2]), 2, torch.Tensor.tolist))
    assert [(index.tolist(), values) for index, values in found] == [([3, 1], [3, 1]), ([2], [2])]
