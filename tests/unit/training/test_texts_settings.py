"""Precision, padding and order: what they change of training, and what they do not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from prunescope.config.architectures import Training
from prunescope.models.encoder import Encoder
from prunescope.models.packed import PackedTexts
from prunescope.models.precision import outputs
from prunescope.models.registry import prunable
from prunescope.pruning.mask import full_masks, prune
from prunescope.training.batches import POOL, by_length, epoch_batches
from prunescope.training.loop import train
from prunescope.training.predict import logits_of
from prunescope.training.state import Phase, TrainingState

TASKS = ("single-label", "multi-label", "regression")


def settings_of(**changes: Any) -> Training:
    return Training(optimizer="adam", lr=5e-3, epochs=2, batch_size=8, clip_norm=1.0, **changes)


def state_of(make_state: Any, settings: Training, task: str = "single-label") -> TrainingState:
    """An encoder without dropout, whose draws would be of the padding too."""
    one: TrainingState = make_state(
        "encoder", settings, task="multi-label" if task == "multi-label" else "single-label"
    )
    for module in one.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert isinstance(one.model, Encoder)
    if task == "regression":
        one.model.classifier = nn.Linear(8, 1)
        nn.init.constant_(one.model.classifier.weight, 0.1)
        nn.init.zeros_(one.model.classifier.bias)
        one.restart_optimizer()
    pack = settings.padding == "none"
    splits = {
        name: replace(split, pack=pack, labels=split.labels.float() if task == "regression" else split.labels)
        for name, split in one.data.splits.items()
    }
    one.data = replace(one.data, task=task, splits=splits)
    return one


def halve(state: TrainingState) -> None:
    weights = {name: w.detach() for name, w in prunable(state.model).items()}
    scores = {name: w.abs() for name, w in weights.items()}
    state.set_masks(prune(scores, full_masks(weights), {n: w.numel() // 2 for n, w in weights.items()}))


@pytest.mark.parametrize("task", TASKS)
def test_training_without_padding_is_the_same(make_state: Any, task: str) -> None:
    sides = []
    for padding in ("longest", "none"):
        one = state_of(make_state, settings_of(padding=padding), task)
        one.model.double()
        one.restart_optimizer()
        batch, _ = one.data.splits["train"].batch(torch.arange(4))
        assert isinstance(batch, PackedTexts) == (padding == "none")
        train(one, Phase("train", 1))
        halve(one)
        train(one, Phase("round-1", 1))
        sides.append(one)
    padded, packed = sides
    for ours, theirs in zip(packed.model.parameters(), padded.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10)
    assert padded.masks is not None
    assert packed.masks is not None
    assert all(torch.equal(mask, padded.masks[name]) for name, mask in packed.masks.items())
    for one, other in zip(packed.curve, padded.curve, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-9)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-5)
    for split in ("test", "validation"):
        torch.testing.assert_close(
            logits_of(packed.model, packed.data, split, 5), logits_of(padded.model, padded.data, split)
        )


@pytest.mark.parametrize("padding", ["longest", "none"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_bf16_keeps_float32_masters_and_exact_masks(make_state: Any, optimizer: str, padding: str) -> None:
    settings = settings_of(precision="bf16", padding=padding).model_copy(
        update={"optimizer": optimizer, "epochs": 4}
    )
    one = state_of(make_state, settings)
    seen: set[torch.dtype] = set()
    first = next(iter(prunable(one.model)))
    hook = one.model.get_submodule(first.removesuffix(".weight")).register_forward_hook(
        lambda _module, _inputs, output: seen.add(output.dtype)
    )
    heads: set[torch.dtype] = set()
    other = one.model.get_submodule("classifier").register_forward_hook(
        lambda _module, _inputs, output: heads.add(output.dtype)
    )
    halve(one)
    train(one, Phase("train", 4))
    hook.remove()
    other.remove()
    assert seen == {torch.bfloat16}
    assert heads == {torch.float32}
    assert {parameter.dtype for parameter in one.model.parameters()} == {torch.float32}
    moments_ = [
        value
        for moments in one.optimizer.state.values()
        for value in moments.values()
        if torch.is_tensor(value)
    ]
    assert moments_
    assert {value.dtype for value in moments_} == {torch.float32}
    # Weights have more digits than bfloat16 holds.
    weight = prunable(one.model)[first].detach()
    assert not torch.equal(weight, weight.bfloat16().float())
    assert one.masks is not None
    for name, mask in one.masks.items():
        gone = prunable(one.model)[name].detach()[~mask]
        assert not gone.any()
        assert int((~mask).sum()) == mask.numel() // 2
    assert one.curve[-1].loss < one.curve[0].loss


def test_bf16_is_float32_up_to_rounding(make_state: Any) -> None:
    one = state_of(make_state, settings_of())
    batch, _ = one.data.splits["train"].batch(torch.arange(8))
    exact, rounded = (outputs(one.model.eval(), batch, precision) for precision in ("float32", "bf16"))
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.02)


def test_by_length_is_a_permutation_of_each_seed_and_epoch(make_state: Any) -> None:
    lengths = torch.randint(1, 200, (1003,), generator=torch.Generator().manual_seed(0))
    orders = {}
    for where in ((0, "train", 1), (0, "train", 1), (1, "train", 1), (0, "round-1", 1), (0, "train", 2)):
        batches = list(by_length(lengths, 8, *where))
        assert sorted(torch.cat(batches).tolist()) == list(range(1003))
        assert Counter(map(len, batches)) == {8: 125, 3: 1}
        flat = torch.cat(batches).tolist()
        if where in orders:
            assert orders[where] == flat
        orders[where] = flat
        # Little is padded: a pool of 50 batches of 8 spreads 200 lengths.
        padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
        assert padded / int(lengths.sum()) < 1.05
        # Lengths do not come in order.
        longest = [int(lengths[batch].max()) for batch in batches]
        assert longest not in (sorted(longest), sorted(longest, reverse=True))
    assert len({tuple(order) for order in orders.values()}) == 4


def test_by_length_puts_other_texts_together_each_epoch() -> None:
    lengths = torch.randint(1, 50, (8 * POOL * 4,), generator=torch.Generator().manual_seed(0))
    together = [
        {tuple(sorted(batch.tolist())) for batch in by_length(lengths, 8, 0, "train", epoch)}
        for epoch in (1, 2)
    ]
    assert len(together[0] & together[1]) < 5


def test_the_loop_takes_batches_by_length(make_state: Any) -> None:
    one = state_of(make_state, settings_of(order="by-length"))
    split = one.data.splits["train"]
    assert split.lengths is not None
    found = [index.tolist() for index in epoch_batches(split, one.settings, 3, "train", 1)]
    assert found == [index.tolist() for index in by_length(split.lengths, 8, 3, "train", 1)]
    asked: list[list[int]] = []
    whole = type(split).batch

    def batch(self: Any, index: torch.Tensor, augment: Any = None) -> Any:
        if self is split:
            asked.append(index.tolist())
        return whole(self, index, augment)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(split), "batch", batch)
        train(one, Phase("train", 1))
    assert asked == [index.tolist() for index in by_length(split.lengths, 8, one.seed, "train", 1)]
