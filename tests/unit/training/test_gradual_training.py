"""Whole runs of gradual pruning against slow ones, written here from the papers' equations.

The reference takes from the package the model, its gradients (autograd's) and the order of the examples; scores,
schedule, masks, objectives, clipping, learning rates and AdamW are its own, weight by weight or in numpy.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.recipes import prune_and_train
from torch import nn

from prunescope.config.architectures import Encoder, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.errors import UserError
from prunescope.models.registry import build, prunable
from prunescope.training.batches import order_of
from prunescope.training.gradual import PrunedGradually
from prunescope.training.loop import train
from prunescope.training.recipes import train_dense
from prunescope.training.state import DivergedError, Phase, TrainingState, copied_state

EPOCHS, BATCH, LR, CLIP, DECAY = 3, 8, 4e-3, 0.5, 0.1
SETTINGS = Training(
    optimizer="adamw",
    lr=LR,
    epochs=EPOCHS,
    batch_size=BATCH,
    weight_decay=DECAY,
    clip_norm=CLIP,
    lr_warm_up=0.2,
    lr_decay="linear",
)
MOST = Compression.of_sparsity(0.8)
STEPS = 15  # 40 examples, 5 batches an epoch
WINDOW, BETA1, BETA2 = 2, 0.85, 0.95
NAMED = ["PINS", "PINS-plain", "GMP", "sensitivity", "PLATON", "SMvP", "PST", "L0"]


def encoder(make_state: Callable[..., TrainingState], settings: Training = SETTINGS) -> TrainingState:
    """A tiny BERT without dropout in double precision, so that the two orders of summing differ in no mask."""
    data = make_state("encoder", settings).data
    arch = Encoder(family="encoder", hidden=8, layers=1, heads=2, intermediate=16, positions=16, dropout=0.0)
    return TrainingState(build(arch, data.shape, 3).double(), data, settings, 3)


def short(name: str, **more: Any) -> Pruner:
    """A named pruner under the settings of the reference."""
    pruner = PRUNERS[name]
    settings = {"warm_up": 3, "cool_down": 4, "window": WINDOW, "beta1": BETA1, "beta2": BETA2, **more}
    return pruner.model_copy(update={"gradual": pruner.gradual.model_copy(update=settings)})


def left_after(t: int, size: int, left: int) -> int:
    """Eq. 14 in counts, t_i = 3, t_f = 4."""
    if t < 3:
        return size
    if t >= STEPS - 4:
        return left
    return left + round((size - left) * ((STEPS - 4 - t) / (STEPS - 4 - 3)) ** 3)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def accuracy_on_validation(model: nn.Module, state: TrainingState) -> float:
    validation = state.data.splits["validation"]
    right = model.eval()(validation.inputs).argmax(1) == validation.labels
    return float(right.double().mean())


def reference(
    state: TrainingState, criterion: str, self_regularized: bool, t_eval: int = 5
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a copy of the state's model as Algorithm 1 and the rivals' papers say."""
    model = copy.deepcopy(state.model)
    teacher = copy.deepcopy(state.model).eval()
    split = state.data.splits["train"]
    best = accuracy_on_validation(teacher, state)  # Algorithm 1, lines 8 and 9 at t = 0
    names = list(prunable(model))
    parameters = dict(model.named_parameters())
    sizes = {name: parameters[name].numel() for name in names}
    size = sum(sizes.values())
    left = size - round(0.8 * size)
    moments = {name: [np.zeros(p.shape), np.zeros(p.shape)] for name, p in parameters.items()}
    mean, uncertainty, window = np.zeros(size), np.zeros(size), []
    mask, t = np.ones(size, dtype=bool), 0
    for epoch in range(1, EPOCHS + 1):
        order = order_of(len(split), state.seed, "gradual", epoch).tolist()
        for start in range(0, len(split), BATCH):
            rate = LR * ((t + 1) / 3 if t < 3 else (STEPS - t) / (STEPS - 3))
            t += 1
            inputs, labels = split.batch(torch.tensor(order[start : start + BATCH]))
            model.train()
            model.zero_grad()
            logits = model(inputs)
            picked = torch.log_softmax(logits, 1)[torch.arange(len(labels)), labels]
            loss = -picked.sum() / len(labels)
            if self_regularized:
                target = torch.from_numpy(softmax(teacher(inputs).detach().numpy()))
                loss = loss + (target * (target.log() - torch.log_softmax(logits, 1))).sum() / len(labels)
            loss.backward()
            grads = {
                name: np.zeros(p.shape) if p.grad is None else p.grad.numpy().copy()
                for name, p in parameters.items()
            }
            norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
            if norm > CLIP:
                grads = {name: g * CLIP / (norm + 1e-6) for name, g in grads.items()}
            theta = np.concatenate([parameters[name].detach().numpy().ravel() for name in names])
            g = np.concatenate([grads[name].ravel() for name in names])
            for name, p in parameters.items():  # Loshchilov and Hutter 2017, Algorithm 2
                if p.grad is None:
                    continue
                m, v = moments[name]
                m[:] = 0.9 * m + 0.1 * grads[name]
                v[:] = 0.999 * v + 0.001 * grads[name] ** 2
                value = p.detach().numpy() * (1 - rate * DECAY)
                value = value - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
                p.data = torch.from_numpy(value)
            updated = np.concatenate([parameters[name].detach().numpy().ravel() for name in names])
            score = {
                "pins": np.abs(-g * (-rate * g) - g * theta),
                "platon": np.abs(g * theta),
                "magnitude": np.abs(updated),
            }[criterion]
            if criterion != "magnitude":
                window.append(score)
                if len(window) == WINDOW:
                    average = sum(window) / WINDOW
                    mean = BETA1 * mean + (1 - BETA1) * average
                    uncertainty = BETA2 * uncertainty + (1 - BETA2) * np.abs(average - mean)
                    window = []
                score = mean * uncertainty if t >= WINDOW else score
            if left_after(t, size, left) < size and t <= STEPS - 4:
                mask = np.zeros(size, dtype=bool)
                mask[np.argsort(score, kind="stable")[size - left_after(t, size, left) :]] = True
            place = 0
            for name in names:
                kept = torch.from_numpy(mask[place : place + sizes[name]]).view(parameters[name].shape)
                parameters[name].data = torch.where(kept, parameters[name].data, 0.0)
                place += sizes[name]
            if t % t_eval == 0:
                accuracy = accuracy_on_validation(model, state)
                if accuracy > best:
                    best = accuracy
                    teacher.load_state_dict(model.state_dict())
    assert t == STEPS
    parts = np.split(mask, np.cumsum([sizes[name] for name in names])[:-1])
    masks = {
        name: torch.from_numpy(part).view(parameters[name].shape)
        for name, part in zip(names, parts, strict=True)
    }
    return model, masks


@pytest.mark.parametrize(
    ("name", "criterion", "self_regularized", "t_eval"),
    [
        ("PINS", "pins", True, None),
        ("PINS", "pins", True, 1),
        ("PLATON", "platon", False, None),
        ("GMP", "magnitude", False, None),
    ],
)
def test_a_whole_run_is_what_the_equations_say(make_state, name, criterion, self_regularized, t_eval):
    state = encoder(make_state)
    expected, masks = reference(state, criterion, self_regularized, t_eval or 5)  # an epoch has 5 steps
    pruner = short(name).model_copy(update={"objective_steps": t_eval})
    prune_and_train(state, pruner, MOST, copied_state(state.model))
    assert state.masks is not None
    for layer, mask in masks.items():
        assert torch.equal(state.masks[layer], mask), layer
    for key, value in expected.state_dict().items():
        torch.testing.assert_close(state.model.state_dict()[key], value, rtol=1e-7, atol=1e-9, msg=key)
    # The comparison can fail: plain importance and another objective end elsewhere.
    other = encoder(make_state)
    objective = "task" if self_regularized else "self-regularized"
    prune_and_train(other, pruner.model_copy(update={"objective": objective}), MOST, {})
    assert any(not torch.allclose(other.model.state_dict()[k], v) for k, v in expected.state_dict().items())


@pytest.mark.parametrize("family", ["encoder", "lenet5"])
@pytest.mark.parametrize("name", NAMED)
def test_every_named_pruner_ends_exactly_and_leaves_the_same_bytes(make_state, name, family):
    settings = SETTINGS.model_copy(update={"optimizer": "adam"})

    def one() -> TrainingState:
        state = make_state(family, settings, seed=5)
        torch.rand(3)  # what else draws numbers must not matter
        prune_and_train(state, PRUNERS[name], MOST, copied_state(state.model))
        return state

    state, again = one(), one()
    assert state.masks is not None
    weights = prunable(state.model)
    assert list(state.masks) == list(weights)
    total = sum(weight.numel() for weight in weights.values())
    assert sum(int((~mask).sum()) for mask in state.masks.values()) == round(0.8 * total)
    for layer, weight in weights.items():
        assert int((weight == 0).sum()) == int((~state.masks[layer]).sum())
    assert state.hooks == []
    for key, value in state.model.state_dict().items():
        assert value.numpy().tobytes() == again.model.state_dict()[key].numpy().tobytes(), key
        assert bool(torch.isfinite(value).all())


@pytest.mark.parametrize("name", ["PINS", "SMvP", "L0"])
def test_a_model_that_diverges_says_so(make_state, name):
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "lr": 1e30, "clip_norm": None})
    state = make_state("lenet5", settings)
    with pytest.raises(DivergedError):
        prune_and_train(state, PRUNERS[name], MOST, {})


def test_a_model_behind_masks_is_looked_at_as_it_answers(make_state):
    state = make_state("encoder", SETTINGS)
    state.hooks.append(PrunedGradually(state, short("SMvP", warm_up=0.1, cool_down=0.1), MOST, 4))
    zeros: list[tuple[int, int]] = []

    def count() -> int:
        return sum(int((w == 0).sum()) for w in prunable(state.model).values())

    def look(epoch: int) -> None:
        behind = copied_state(state.model)
        with state.evaluating():
            inside = count()
        assert all(torch.equal(value, behind[key]) for key, value in state.model.state_dict().items())
        zeros.append((count(), inside))

    train(state, Phase("gradual", 4, after_epoch=look))
    # Before the end, weights are pruned in the model's answers but not behind its masks.
    assert zeros[1][0] == 0 < zeros[1][1]
    assert zeros[3] == (461, 461)  # 0.8 * 576


@pytest.mark.parametrize("name", ["IMP-FT", "MP-AI", "PLATON"])
def test_any_pruner_may_have_a_dense_teacher(make_state, name):
    settings = Training(optimizer="adam", lr=5e-3, epochs=2, batch_size=8, finetune_epochs=1)
    plain, taught = (make_state("encoder", settings) for _ in range(2))
    distilled = PRUNERS[name].model_copy(update={"objective": "distilled"})
    for state, pruner in ((plain, PRUNERS[name]), (taught, distilled)):
        start = copied_state(state.model)
        if pruner.needs_trained:
            train_dense(state)
        prune_and_train(state, pruner, MOST, start)
        assert state.hooks == []
    a, b = plain.model.state_dict(), taught.model.state_dict()
    assert any(not torch.equal(a[key], b[key]) for key in a)
    zeros = [sum(int((w == 0).sum()) for w in prunable(t.model).values()) for t in (plain, taught)]
    assert zeros[0] == zeros[1] > 0


def test_from_a_trained_model_it_goes_on_with_fine_tuning(make_state):
    settings = Training(lr=5e-3, epochs=2, batch_size=8, finetune_epochs=3, finetune_lr_factor=0.5)
    state = make_state("lenet5", settings)
    pruner = short("GMP", start="trained")
    assert pruner.needs_trained
    train_dense(state)
    prune_and_train(state, pruner, MOST, {})
    assert [(epoch.phase, epoch.epoch) for epoch in state.curve] == [
        ("train", 1),
        ("train", 2),
        ("gradual", 1),
        ("gradual", 2),
        ("gradual", 3),
    ]


def test_the_best_weights_are_looked_for_once_the_sparsity_is_reached(make_state):
    settings = SETTINGS.model_copy(update={"keep": "best-validation", "epochs": 4})
    state = make_state("lenet5", settings)
    prune_and_train(state, short("GMP"), MOST, {})
    assert sum(int((w == 0).sum()) for w in prunable(state.model).values()) == round(0.8 * 20_310)


def test_a_schedule_longer_than_the_training_is_refused(make_state):
    state = make_state("lenet5", SETTINGS)
    with pytest.raises(UserError, match=r"warm_up \(10\) and cool_down \(5\) leave none of the 15"):
        prune_and_train(state, short("GMP", warm_up=10, cool_down=5), MOST, {})
