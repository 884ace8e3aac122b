"""The loss while a model is pruned: points worked by hand, and whole runs against what the model said."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.support.recipes import prune_and_train
from torch import Tensor

from prunescope.config.architectures import Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.models.registry import prunable
from prunescope.training import gradual
from prunescope.training.gradual import PrunedGradually, PruningCurve
from prunescope.training.state import PruningPoint, StepHook, TrainingState, Watch, copied_state

SETTINGS = Training(optimizer="adamw", lr=4e-3, epochs=3, batch_size=12, clip_norm=0.5)
MOST = Compression.of_sparsity(0.8)
#: 40 examples in batches of 12, the last of 4: 4 batches an epoch; a cool-down of .43 of 12 steps.
STEPS, FINAL = 12, 7


def curve_of(steps: int, points: list[PruningPoint]) -> PruningCurve:
    return PruningCurve(steps, lambda step: step / 10, torch.device("cpu"), lambda: points)


def test_points_are_means_over_examples(monkeypatch):
    monkeypatch.setattr(gradual, "MOST", 3)
    points: list[PruningPoint] = []
    curve = curve_of(7, points)
    for loss, examples in [(4.0, 2), (2.0, 2), (1.0, 4), (1.0, 1), (2.0, 1), (3.0, 2), (0.5, 3), (9.0, 3)]:
        curve.add(torch.tensor(loss), examples)
    assert points == [
        PruningPoint(3, 0.3, (8 + 4 + 4) / 8),
        PruningPoint(6, 0.6, (1 + 2 + 6) / 4),
        PruningPoint(7, 0.7, 0.5),
    ]


@pytest.mark.parametrize("steps", [1, 99, 100, 101, 250, 1620, 99_999])
def test_few_points_end_with_the_last_step(steps):
    points: list[PruningPoint] = []
    curve = curve_of(steps, points)
    loss = torch.tensor(1.5)
    for _ in range(min(steps, 2000)):
        curve.add(loss, 4)
    width = math.ceil(steps / 100)
    if steps <= 2000:
        assert [point.step for point in points] == [*range(width, steps, width), steps]
        assert len(points) <= 100
    else:
        assert [point.step for point in points] == [1000, 2000]
    assert {point.loss for point in points} == {1.5}


def test_a_loss_that_is_not_finite_is_no_point(monkeypatch):
    monkeypatch.setattr(gradual, "MOST", 2)
    points: list[PruningPoint] = []
    curve = curve_of(4, points)
    for loss in (1.0, 2.0, math.nan, 1.0):
        curve.add(torch.tensor(loss), 1)
    assert points == [PruningPoint(2, 0.2, 1.5)]


class Listening(StepHook):
    """Cross-entropies of the logits of every step, summed over examples, in numpy."""

    def __init__(self) -> None:
        self.sums: list[tuple[float, int]] = []

    def further_loss(self, index: Tensor, inputs: object, logits: Tensor, labels: Tensor) -> None:
        x, y = logits.detach().double().numpy(), labels.numpy()
        of_class = x[np.arange(len(y)), y] - np.log(np.exp(x).sum(axis=1))
        self.sums.append((float(-of_class.sum()), len(y)))


class Counting(Watch):
    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self.sparsities: list[float] = []

    def step(self) -> None:
        weights = list(prunable(self.state.model).values())
        zeros = sum(int((weight == 0).sum()) for weight in weights)
        self.sparsities.append(zeros / sum(weight.numel() for weight in weights))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("name", ["GMP", "PINS", "PINS-plain", "sensitivity", "PLATON"])
def test_a_whole_run_has_the_losses_of_what_the_model_said(
    make_state: Callable[..., TrainingState], monkeypatch, name, width
):
    monkeypatch.setattr(gradual, "MOST", math.ceil(FINAL / width))
    state = make_state("encoder", SETTINGS)
    listening, counting = Listening(), Counting(state)
    state.hooks.append(listening)
    state.watch = counting
    prune_and_train(state, PRUNERS[name], MOST, copied_state(state.model))
    assert len(listening.sums) == len(counting.sparsities) == STEPS
    # The objective of PINS has a further term; the curve is the task's loss for every pruner.
    expected = []
    for start in range(0, FINAL, width):
        part = listening.sums[start : min(start + width, FINAL)]
        last = start + len(part)
        loss = sum(loss for loss, _ in part) / sum(examples for _, examples in part)
        expected.append((last, counting.sparsities[last - 1], loss))
    points = state.pruning_curve
    assert [point.step for point in points] == [step for step, _, _ in expected]
    assert [point.sparsity for point in points] == pytest.approx([s for _, s, _ in expected], abs=1e-12)
    assert [point.loss for point in points] == pytest.approx([loss for _, _, loss in expected], rel=1e-5)
    assert points[-1].sparsity == pytest.approx(0.8, abs=1e-2)


@pytest.mark.parametrize("name", ["PINS", "L0"])
def test_noting_the_loss_changes_no_byte(make_state: Callable[..., TrainingState], monkeypatch, name):
    sides = []
    for noted in (True, False):
        if not noted:
            monkeypatch.setattr(PrunedGradually, "after_backward", StepHook.after_backward)
        state = make_state("encoder", SETTINGS)
        prune_and_train(state, PRUNERS[name], MOST, copied_state(state.model))
        assert bool(state.pruning_curve) == noted
        sides.append((state.model.state_dict(), state.curve, torch.get_rng_state()))
    assert sides[0][1] == sides[1][1]
    assert torch.equal(sides[0][2], sides[1][2])
    for key, value in sides[0][0].items():
        assert value.numpy().tobytes() == sides[1][0][key].numpy().tobytes(), key


def test_other_pruners_have_no_such_curve(make_state: Callable[..., TrainingState]):
    state = make_state("lenet5", SETTINGS)
    prune_and_train(state, PRUNERS["MP-AI"], MOST, copied_state(state.model))
    assert state.pruning_curve == []
