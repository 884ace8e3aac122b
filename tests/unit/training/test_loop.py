"""The training loop against a loop written out, and what masks, keeping and divergence mean in it."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from torch import nn

from prunescope.config.architectures import Training
from prunescope.models.registry import prunable
from prunescope.pruning.mask import full_masks, prune
from prunescope.seeds import stream
from prunescope.training.loop import train
from prunescope.training.predict import logits_of
from prunescope.training.state import DivergedError, Phase, copied_state, make_optimizer

OPTIMIZERS = {
    "adam": Training(optimizer="adam", lr=5e-3, epochs=2, batch_size=8),
    "adam-l2": Training(optimizer="adam", lr=5e-3, epochs=2, batch_size=8, weight_decay=0.1),
    "adamw": Training(optimizer="adamw", lr=5e-3, epochs=2, batch_size=8, weight_decay=0.1),
    "sgd": Training(optimizer="sgd", lr=0.05, epochs=2, batch_size=8, momentum=0.9, weight_decay=1e-2),
}


def halve(state) -> None:
    weights = {name: w.detach() for name, w in prunable(state.model).items()}
    scores = {name: w.abs() for name, w in weights.items()}
    zeros = {name: w.numel() // 2 for name, w in weights.items()}
    state.set_masks(prune(scores, full_masks(weights), zeros))


def order_of(n: int, batch: int, seed: int, phase: str, epoch: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(stream(seed, "order", phase, epoch))
    return list(torch.randperm(n, generator=generator).split(batch))


@pytest.mark.parametrize("masked", [False, True])
def test_sgd_by_hand(make_state, masked):
    settings = Training(
        optimizer="sgd", lr=0.05, epochs=3, batch_size=16, momentum=0.9, weight_decay=0.02,
        clip_norm=0.5, milestones=(0.5,),
    )  # fmt: skip
    state = make_state("lenet5", settings, seed=5)
    if masked:
        halve(state)
    split = state.data.splits["train"]
    by_hand = make_state("lenet5", settings, seed=5).model
    weights = dict(by_hand.named_parameters())
    masks = state.masks or {}
    velocity: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name] *= mask
    clipped = 0
    for epoch in (1, 2, 3):
        lr = 0.05 if epoch <= 1 else 0.005  # half of three epochs are over in the second one
        for index in order_of(len(split), 16, 5, "train", epoch):
            loss = nn.functional.cross_entropy(by_hand(split.inputs[index]), split.labels[index])
            grads = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
            for name, mask in masks.items():
                grads[name] = grads[name] * mask
            norm = math.sqrt(sum(float(g.double().square().sum()) for g in grads.values()))
            clipped += norm > 0.5
            with torch.no_grad():
                for name, weight in weights.items():
                    step = grads[name] * min(1.0, 0.5 / (norm + 1e-6)) + 0.02 * weight
                    velocity[name] = 0.9 * velocity[name] + step if name in velocity else step
                    weight -= lr * velocity[name]
                    if name in masks:
                        weight *= masks[name]
    train(state, Phase("train", 3))
    assert clipped > 0
    for name, weight in state.model.named_parameters():
        torch.testing.assert_close(weight, weights[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_torchs_own(name: str) -> None:
    settings = OPTIMIZERS[name]
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    more = {"momentum": settings.momentum} if settings.optimizer == "sgd" else {}
    models = [nn.Linear(3, 2) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    theirs = kind(
        models[1].parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True, **more
    )
    ours = make_optimizer(models[0], settings)
    for step in range(3):
        if step == 2:
            ours.load_state_dict(ours.state_dict())
        for model, optimizer in zip(models, (ours, theirs), strict=True):
            optimizer.zero_grad()
            (model(torch.eye(3)) ** 3).sum().backward()
            optimizer.step()
    for mine, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(mine, other)
    assert repr(ours.state_dict()) == repr(theirs.state_dict())


def test_training_imports_no_compiler() -> None:
    code = (
        "import sys, torch; from prunescope.training.state import make_optimizer; "
        "from prunescope.config.architectures import Training; "
        "optimizer = make_optimizer(torch.nn.Linear(2, 2), Training()); optimizer.zero_grad(); optimizer.step(); "
        "optimizer.load_state_dict(optimizer.state_dict()); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("family", ["lenet5", "bilstm"])
def test_pruned_weights_are_zero_at_every_step(make_state, kind, family):
    state = make_state(family, OPTIMIZERS[kind])
    # Momentum first: the optimizer then pushes pruned weights, too.
    train(state, Phase("train", 1))
    halve(state)
    weights = prunable(state.model)
    steps = 0

    def all_zero(*_: object) -> None:
        nonlocal steps
        for name, mask in state.masks.items():
            gone = weights[name].detach()[~mask]
            assert not gone.any()
            assert not torch.signbit(gone).any()
        steps += 1

    def no_gradient(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for name, mask in state.masks.items():
            assert not weights[name].grad[~mask].any()

    hook = state.model.register_forward_pre_hook(all_zero)
    state.optimizer.register_step_pre_hook(no_gradient)
    before = copied_state(state.model)
    train(state, Phase("round-1", 2))
    hook.remove()
    assert steps == 2 * (5 + 1)  # five batches and the validation set, each epoch
    all_zero()
    after = state.model.state_dict()
    for name, mask in state.masks.items():
        assert int((after[name] == 0).sum()) == int((~mask).sum())
        assert not torch.equal(after[name], before[name])


@pytest.mark.parametrize("family", ["lenet5", "bilstm", "encoder"])
def test_same_seed_same_bytes(make_state, family):
    results = []
    for seed, noise in ((1, 0), (1, 7), (2, 0)):
        state = make_state(family, OPTIMIZERS["adam"], seed=seed)
        torch.rand(noise)  # whatever else draws in this process
        before = torch.get_rng_state()
        train(state, Phase("train", 2))
        assert torch.equal(torch.get_rng_state(), before)
        results.append((state.model.state_dict(), logits_of(state.model, state.data, "test")))
    (first, logits), (again, logits_again), (_, other) = results
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert torch.equal(logits, logits_again)
    assert not torch.equal(logits, other)


def test_epochs_and_phases_have_orders_of_their_own():
    orders = [
        torch.cat(order_of(30, 8, seed, phase, epoch)).tolist()
        for seed in (0, 1)
        for phase in ("train", "round-1")
        for epoch in (1, 2)
    ]
    assert len({tuple(order) for order in orders}) == 8
    assert all(sorted(order) == list(range(30)) for order in orders)


def test_curve_has_the_mean_losses(make_state):
    state = make_state("lenet5", OPTIMIZERS["sgd"].model_copy(update={"lr": 1e-9, "batch_size": 16}))
    train(state, Phase("train", 1))
    (epoch,) = state.curve
    state.model.eval()
    for split, got in (("train", epoch.loss), ("validation", epoch.validation_loss)):
        data = state.data.splits[split]
        expected = nn.functional.cross_entropy(state.model(data.inputs), data.labels)
        assert got == pytest.approx(expected.item(), rel=1e-5)
    assert (epoch.phase, epoch.epoch) == ("train", 1)
    assert state.examples_seen == 40
    assert state.seconds > 0


def test_multi_label_loss_is_the_mean_over_examples_and_classes(make_state):
    state = make_state("bilstm", OPTIMIZERS["sgd"], task="multi-label")
    split = state.data.splits["train"]
    logits = state.model(split.inputs).detach().double()
    p, y = torch.sigmoid(logits), split.labels.double()
    expected = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    assert float(state.loss(logits, split.labels)) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("epochs", "milestones", "factor", "expected"),
    [
        (4, (0.5, 0.75), 1.0, [1, 1, 0.1, 0.01]),
        (10, (0.7,), 1.0, [1] * 7 + [0.1] * 3),
        (3, (0.5,), 0.1, [0.1, 0.01, 0.01]),
        (2, (), 0.5, [0.5, 0.5]),
    ],
)
def test_learning_rate(make_state, epochs, milestones, factor, expected):
    settings = Training(lr=1e-3, batch_size=40, milestones=milestones)
    state = make_state("lenet5", settings)
    rates: list[float] = []
    state.optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
    train(state, Phase("train", epochs, lr_factor=factor))
    assert rates == pytest.approx([1e-3 * share for share in expected])


def test_gradient_norm_is_clipped_over_what_is_left(make_state):
    state = make_state("lenet5", Training(lr=1e-3, batch_size=8, clip_norm=1e-3))
    halve(state)
    norms: list[float] = []

    def note(*_: object) -> None:
        grads = [p.grad for p in state.model.parameters()]
        norms.append(math.sqrt(sum(float(g.double().square().sum()) for g in grads)))

    state.optimizer.register_step_pre_hook(note)
    train(state, Phase("train", 1))
    assert len(norms) == 5
    assert norms == pytest.approx([1e-3] * 5, rel=1e-2)


@pytest.mark.parametrize("keep", ["last", "best-validation"])
def test_which_epoch_counts(make_state, keep):
    # A learning rate at which the loss goes up and down.
    settings = Training(optimizer="sgd", lr=0.3, batch_size=8, keep=keep)
    state = make_state("lenet5", settings, seed=3)
    weights = []
    train(state, Phase("train", 6, after_epoch=lambda _: weights.append(copied_state(state.model))))
    losses = [epoch.validation_loss for epoch in state.curve]
    best = losses.index(min(losses))
    assert best != 5, losses
    wanted = weights[best if keep == "best-validation" else 5]
    assert all(torch.equal(value, wanted[name]) for name, value in state.model.state_dict().items())


def test_the_optimizer_goes_back_with_the_weights(make_state):
    settings = Training(optimizer="sgd", lr=0.3, batch_size=8, keep="best-validation")
    state = make_state("lenet5", settings, seed=3)
    train(state, Phase("train", 6))
    losses = [epoch.validation_loss for epoch in state.curve]
    best = losses.index(min(losses)) + 1
    shorter = make_state("lenet5", settings.model_copy(update={"keep": "last"}), seed=3)
    train(shorter, Phase("train", best))
    for a, b in zip(state.model.parameters(), shorter.model.parameters(), strict=True):
        assert torch.equal(
            state.optimizer.state[a]["momentum_buffer"], shorter.optimizer.state[b]["momentum_buffer"]
        )


def test_a_loss_that_is_not_finite_stops_the_training(make_state):
    state = make_state("lenet5", Training(optimizer="sgd", lr=1e18, batch_size=8))
    with pytest.raises(DivergedError, match=r"loss is (nan|inf) in epoch 1 of train"):
        train(state, Phase("train", 3))
    assert all(math.isfinite(epoch.loss) for epoch in state.curve)


def test_a_validation_loss_that_is_not_finite_stops_it_too(make_state):
    # One step an epoch: its loss is measured before the step that blows the weights up.
    state = make_state("lenet5", Training(optimizer="sgd", lr=1e30, batch_size=40))
    with pytest.raises(DivergedError, match=r"validation loss is (nan|inf) after epoch 1 of train"):
        train(state, Phase("train", 1))
    assert state.curve == []


def test_early_epoch_is_the_first_beyond_three_tenths():
    for n in range(1, 121):
        expected = min(e for e in range(1, n + 1) if Fraction(e, n) > Fraction(3, 10))
        assert Training(epochs=n).early_epoch == expected
    # Table 8's epochs: BERT 3, 2, 14, 13; BiLSTM 26, 39, 72, 50.
    epochs = (3, 2, 14, 13, 26, 39, 72, 50)
    assert [Training(epochs=n).early_epoch for n in epochs] == [1, 1, 5, 4, 8, 12, 22, 16]
    assert Training(epochs=5, early_fraction=0.0).early_epoch == 1


def test_early_epoch_as_the_authors_code_counts_is_one_later_in_six_of_eight_settings():
    epochs = (3, 2, 14, 13, 26, 39, 72, 50)
    code = [Training(epochs=n, early_epochs_from=0).early_epoch for n in epochs]
    assert code == [2, 2, 5, 5, 9, 13, 23, 16]
    assert Training(epochs=1, early_epochs_from=0).early_epoch == 1
    assert "early_epochs_from" not in Training(epochs=3).model_dump()


def test_batches_are_cut_to_their_longest_text_only_where_padding_is_masked(make_state):
    index = torch.tensor([0, 1, 2])
    for family, trimmed in (("encoder", True), ("bilstm", False)):
        split = make_state(family, Training()).data.splits["train"]
        longest = int(split.lengths[index].max())
        inputs, labels = split.batch(index)
        assert inputs.shape[1] == (longest if trimmed else 8)
        assert torch.equal(inputs, split.inputs[:3, : inputs.shape[1]])
        assert not split.inputs[:3, longest:].any()
        assert torch.equal(labels, split.labels[:3])


def test_dropout_has_a_stream_for_each_seed_phase_and_epoch(make_state):
    def dropped(seed: int, phase: str) -> list[str]:
        """Which units the last dropout cuts in the first batch of each of two epochs."""
        state = make_state("encoder", Training(lr=1e-3, batch_size=40), seed=seed)
        cuts: list[str] = []
        hook = state.model.dropout.register_forward_hook(
            lambda module, _, output: cuts.append(str((output == 0).tolist())) if module.training else None
        )
        train(state, Phase(phase, 2))
        hook.remove()
        assert len(cuts) == 2
        return cuts

    first = dropped(0, "train")
    assert first == dropped(0, "train")
    assert len({*first, *dropped(0, "round-1"), *dropped(1, "train")}) == 6
