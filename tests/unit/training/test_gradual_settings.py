"""Whole runs of every gradual criterion in settings drawn at random, against slow ones written from the equations.

Models of odd shapes, with a convolution or a layer that takes no part; inputs that are always 0; no warm-up, no
cool-down, pruning from the first step to the last; any optimizer, task and objective; from the initial or a trained
model. Masks and weights must agree after every step. The reference takes from the package the order of the examples
and the learning rates; of torch autograd, for the gradient at given weights.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.recipes import prune_and_train
from torch import Tensor, nn
from torch.func import functional_call

from prunescope.config.architectures import Training
from prunescope.config.compression import Compression
from prunescope.config.gradual import Gradual
from prunescope.config.pruners import Pruner
from prunescope.models.registry import prunable
from prunescope.models.shape import Shape
from prunescope.pruning.gradual.engine import GradualPruning
from prunescope.seeds import stream
from prunescope.training.batches import Split, TrainingData, epoch_batches
from prunescope.training.loop import learning_rates
from prunescope.training.recipes import train_dense
from prunescope.training.state import TrainingState, copied_state

CRITERIA = ["magnitude", "sensitivity", "platon", "pins", "pins-plain", "movement", "pst", "l0"]
LEARNED = ("movement", "pst", "l0")
BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1  # Louizos et al. 2018, section 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Net(nn.Module):
    final_layer = "out"

    def __init__(self, inputs: int, widths: list[int], outputs: int, conv: bool, idle: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 2, 3, padding=1) if conv else None
        sizes = [2 * inputs if conv else inputs, *widths]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, widths, strict=False))
        self.idle = nn.Linear(3, 2) if idle else None
        self.out = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv is not None:
            x = self.conv(x[:, None]).flatten(1)
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.out(x)


class Optimizer:
    """SGD with momentum .9, Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019); number by number."""

    def __init__(self, kind: str, decay: float = 0.0) -> None:
        self.kind, self.decay = kind, decay
        self.state: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str, w: np.ndarray, g: np.ndarray, lr: float) -> np.ndarray:
        if self.kind == "adamw":
            w = w * (1 - lr * self.decay)
        else:
            g = g + self.decay * w
        if self.kind == "sgd":
            s = self.state.setdefault(name, {"momentum_buffer": 0.0})
            s["momentum_buffer"] = 0.9 * s["momentum_buffer"] + g
            return w - lr * s["momentum_buffer"]
        s = self.state.setdefault(name, {"step": 0, "exp_avg": 0.0, "exp_avg_sq": 0.0})
        s["step"] += 1
        s["exp_avg"] = 0.9 * s["exp_avg"] + 0.1 * g
        s["exp_avg_sq"] = 0.999 * s["exp_avg_sq"] + 0.001 * g**2
        m, v = s["exp_avg"] / (1 - 0.9 ** s["step"]), s["exp_avg_sq"] / (1 - 0.999 ** s["step"])
        return w - lr * m / (np.sqrt(v) + 1e-8)


class Slow:
    """One model under one criterion: its weights as numpy arrays, and what pruning remembers."""

    def __init__(
        self, state: TrainingState, pruner: Pruner, steps: int, waits: tuple[int, int], left: int
    ) -> None:
        model, settings = state.model, state.settings
        self.criterion, self.s, self.clip = pruner.criterion, pruner.gradual, settings.clip_norm
        self.w = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
        self.pool = list(prunable(model))
        self.size = sum(self.w[name].size for name in self.pool)
        self.steps, self.left = steps, left
        self.warm_up, self.cool_down = waits
        self.optimizer = Optimizer(settings.optimizer, settings.weight_decay)
        for name, p in model.named_parameters():
            moments = {
                k: v.double().numpy() for k, v in state.optimizer.state.get(p, {}).items() if v is not None
            }
            if moments:  # the dense model's
                self.optimizer.state[name] = copy.deepcopy(moments)
        self.t, self.kept, self.settled = 0, np.ones(self.size, dtype=bool), False
        self.window: list[np.ndarray] = []
        self.mean = self.uncertainty = np.zeros(self.size)
        self.averaged = False
        self.of_scores = Optimizer("adam")
        self.draws = torch.Generator().manual_seed(stream(state.seed, "prune", "scores", 1))
        self.learned: dict[str, np.ndarray] = {}
        for name in self.pool:
            w = self.w[name]
            rows, columns, rank = len(w), w[0].size, self.s.rank
            if self.criterion == "pst":
                a = torch.randn(rows, rank, generator=self.draws).double().numpy()
                shapes = {"b": (rank, columns), "r": (rows, 1), "c": (1, columns)}
                self.learned |= {f"{name}/a": a, **{f"{name}/{k}": np.zeros(v) for k, v in shapes.items()}}
            else:
                self.learned[name] = np.full(w.shape, math.log(9) if self.criterion == "l0" else 0.0)

    def row(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([values[name].ravel() for name in self.pool])

    def masks(self) -> dict[str, np.ndarray]:
        parts = np.split(self.kept, np.cumsum([self.w[name].size for name in self.pool])[:-1])
        return {name: part.reshape(self.w[name].shape) for name, part in zip(self.pool, parts, strict=True)}

    def count(self) -> int:
        """Eq. 14 in numbers of weights."""
        if self.t < self.warm_up:
            return self.size
        if self.t >= self.steps - self.cool_down:
            return self.left
        rest, whole = (
            self.steps - self.cool_down - self.t,
            self.steps - self.cool_down - self.warm_up,
        )
        return self.left + round((self.size - self.left) * Fraction(rest, whole) ** 3)

    def sure_gate(self, name: str) -> np.ndarray:
        return np.clip(sigmoid(self.learned[name]) * (ZETA - GAMMA) + GAMMA, 0, 1)

    def answering(self) -> dict[str, np.ndarray]:
        """The weights that the model answers with between steps."""
        if self.criterion not in LEARNED or self.settled:
            return dict(self.w)
        masks, gated = self.masks(), self.criterion == "l0"
        shown = {n: self.w[n] * masks[n] * (self.sure_gate(n) if gated else 1) for n in self.pool}
        return self.w | shown

    def step(self, loss_of: Callable[[dict[str, Tensor]], Tensor], lr: float) -> None:
        self.t += 1
        behind = self.criterion in LEARNED and not self.settled
        factors: dict[str, np.ndarray] = {}
        if behind:
            factors = {name: mask.astype(float) for name, mask in self.masks().items()}
        slopes = {name: factor.copy() for name, factor in factors.items()}
        if behind and self.criterion == "l0":
            for name in self.pool:
                u = (
                    torch.rand(self.w[name].shape, generator=self.draws)
                    .double()
                    .clamp(1e-6, 1 - 1e-6)
                    .numpy()
                )
                s = sigmoid((np.log(u) - np.log(1 - u) + self.learned[name]) / BETA)
                stretched = s * (ZETA - GAMMA) + GAMMA
                factors[name] *= np.clip(stretched, 0, 1)
                slopes[name] *= (ZETA - GAMMA) * s * (1 - s) / BETA * ((stretched > 0) & (stretched < 1))
        used = {name: torch.tensor(w * factors.get(name, 1.0)) for name, w in self.w.items()}
        for value in used.values():
            value.requires_grad_()
        found = torch.autograd.grad(loss_of(used), list(used.values()), allow_unused=True)
        g = {n: None if one is None else one.numpy().copy() for n, one in zip(used, found, strict=True)}
        if self.clip is not None:
            norm = math.sqrt(sum((one**2).sum() for one in g.values() if one is not None))
            scale = min(1.0, self.clip / (norm + 1e-6))
            g = {name: None if one is None else one * scale for name, one in g.items()}
        if not self.settled:
            self.look({n: np.zeros(self.w[n].shape) if g[n] is None else g[n] for n in self.pool}, slopes, lr)
        for name, one in g.items():
            if one is not None:  # torch's optimizers pass by what has no gradient
                self.w[name] = self.optimizer(name, self.w[name], one * factors.get(name, 1.0), lr)
        ends = self.t >= self.steps - self.cool_down
        if not self.settled and (ends or self.count() < self.size):
            scores = self.scores()
            order = sorted(range(self.size), key=lambda i: (scores[i], i))
            self.kept = np.ones(self.size, dtype=bool)
            self.kept[order[: self.size - self.count()]] = False
            self.settled = ends
            if self.settled and self.criterion == "l0":
                self.w |= {name: self.w[name] * self.sure_gate(name) for name in self.pool}
        if self.criterion not in LEARNED or self.settled:
            self.w |= {name: np.where(mask, self.w[name], 0.0) for name, mask in self.masks().items()}

    def look(self, g: dict[str, np.ndarray], slopes: dict[str, np.ndarray], lr: float) -> None:
        gradient, theta = self.row(g), self.row(self.w)
        if self.criterion in LEARNED:
            self.learn(g, slopes, lr)
        elif self.criterion in ("pins", "pins-plain"):  # Eq. 11
            update = -lr * gradient
            self.now = -gradient * update - gradient * theta
        else:
            self.now = np.abs(gradient * theta)
        if self.criterion in ("pins", "platon"):  # PLATON, Eq. 6 to 9, over windows
            self.window.append(np.abs(self.now))
            if len(self.window) == self.s.window:
                mean, self.window = sum(self.window) / self.s.window, []
                self.mean = self.s.beta1 * self.mean + (1 - self.s.beta1) * mean
                strays = np.abs(mean - self.mean)
                self.uncertainty = self.s.beta2 * self.uncertainty + (1 - self.s.beta2) * strays
                self.averaged = True

    def learn(self, g: dict[str, np.ndarray], slopes: dict[str, np.ndarray], lr: float) -> None:
        weight, grads = self.s.penalty / self.size, {}
        for name in self.pool:
            moved = g[name] * self.w[name]  # dL/dM = dL/dW' * W
            if self.criterion == "movement":
                p = sigmoid(self.learned[name])
                grads[name] = moved + weight * p * (1 - p)
            elif self.criterion == "l0":
                p = sigmoid(self.learned[name] - BETA * math.log(-GAMMA / ZETA))
                grads[name] = moved * slopes[name] + weight * p * (1 - p)
            else:
                moved = moved.reshape(len(moved), -1)
                a, b = self.learned[f"{name}/a"], self.learned[f"{name}/b"]
                grads |= {f"{name}/a": moved @ b.T, f"{name}/b": a.T @ moved}
                grads |= {f"{name}/r": moved.sum(1, keepdims=True), f"{name}/c": moved.sum(0, keepdims=True)}
        rate = self.s.score_lr or lr
        self.learned |= {k: self.of_scores(k, self.learned[k], one, rate) for k, one in grads.items()}

    def scores(self) -> np.ndarray:
        if self.criterion == "magnitude":
            return np.abs(self.row(self.w))
        if self.criterion in ("movement", "l0"):
            return self.row(self.learned)
        if self.criterion == "pst":
            parts = {name: [self.learned[f"{name}/{k}"] for k in "abrc"] for name in self.pool}
            data = {name: (a @ b + r + c).ravel() for name, (a, b, r, c) in parts.items()}
            return np.abs(self.row(self.w)) + self.row(data)
        if self.criterion in ("sensitivity", "pins-plain"):
            return self.now
        return self.mean * self.uncertainty if self.averaged else sum(self.window) / len(self.window)


def data_of(draw: random.Random, task: str, inputs: int, outputs: int, silent: bool) -> TrainingData:
    rng = np.random.default_rng(draw.randrange(10**6))
    splits = {}
    for name, n in (("train", draw.choice([5, 17, 24])), ("validation", 9), ("test", 3)):
        x = rng.standard_normal((n, inputs))
        if silent:
            x[:, 0] = 0
        labels = {
            "single-label": rng.integers(0, outputs, n),
            "multi-label": (rng.random((n, outputs)) < 0.5).astype(float),
            "regression": rng.standard_normal(n),
        }[task]
        splits[name] = Split(torch.tensor(x), torch.tensor(labels), None, trim=False)
    return TrainingData(task, tuple("abc"[:outputs]), Shape(classes=outputs), splits)


def pruner_of(draw: random.Random, criterion: str, task: str, steps: int) -> Pruner:
    start = draw.choice(["initial", "initial", "trained"])
    # A teacher that is chosen by a score of floats could be another one by a rounding error.
    objectives = [
        "task",
        *["distilled"] * (start == "trained"),
        *["self-regularized"] * 2 * (task == "single-label"),
    ]
    objective = draw.choice(objectives)
    waits = [0, 0.1, 0.3, 1, 2]
    warm_up, cool_down = draw.choice(waits), draw.choice(waits)
    if sum(round(w * steps) if w < 1 else w for w in (warm_up, cool_down)) >= steps:
        warm_up, cool_down = 0, 0
    return Pruner(
        criterion=criterion,  # type: ignore[arg-type]
        scope="global",
        schedule="gradual",
        objective=objective,  # type: ignore[arg-type]
        objective_steps=draw.choice([None, 1, 2, 3]) if objective == "self-regularized" else None,
        gradual=Gradual(
            start=start,  # type: ignore[arg-type]
            warm_up=warm_up,
            cool_down=cool_down,
            window=draw.choice([1, 2, 3, 10]),
            beta1=draw.choice([0.5, 0.85]),
            beta2=draw.choice([0.0, 0.95, 0.99]),
            score_lr=draw.choice([None, 0.01, 0.3]),
            penalty=draw.choice([0.0, 1.0, 125.0]),
            rank=draw.choice([1, 2, 8]),
        ),
    )


def drawn(criterion: str, number: int) -> tuple[TrainingState, Pruner, Compression, int]:
    """A model with its data, a pruner, how far to prune, and the steps that it takes."""
    draw = random.Random(f"{criterion} {number}")
    torch.manual_seed(number)
    task = draw.choice(["single-label", "single-label", "multi-label", "regression"])
    inputs, outputs = draw.choice([1, 3, 5, 7]), 1 if task == "regression" else draw.choice([2, 3])
    # Learned scores of weights without a gradient are alike to rounding only: their order is no one's.
    silent = inputs > 1 and criterion not in LEARNED and draw.random() < 0.5
    data = data_of(draw, task, inputs, outputs, silent)
    widths = [draw.choice([1, 2, 5, 9]) for _ in range(draw.choice([1, 2, 3]))]
    idle = criterion not in LEARNED and draw.random() < 0.3
    model = Net(inputs, widths, outputs, conv=draw.random() < 0.3, idle=idle).double()
    settings = Training(
        optimizer=draw.choice(["adam", "adamw", "sgd"]),
        lr=draw.choice([1e-3, 1e-2, 5e-2]),
        epochs=draw.choice([1, 2, 4]),
        batch_size=draw.choice([2, 4, 30]),
        weight_decay=draw.choice([0.0, 0.01]),
        clip_norm=draw.choice([None, 1.0, 0.1]),
        lr_warm_up=draw.choice([0.0, 0.1]),
        lr_decay=draw.choice(["none", "linear"]),
        finetune_lr_factor=draw.choice([1.0, 0.5]),
    )
    steps = settings.epochs * -(-len(data.splits["train"]) // settings.batch_size)
    pruner = pruner_of(draw, criterion, task, steps)
    state = TrainingState(model, data, settings, draw.randrange(1000))
    return state, pruner, Compression.of_sparsity(draw.choice([0.3, 0.5, 0.8, 0.9, 0.985])), steps


def loss(task: str, logits: Tensor, labels: Tensor) -> Tensor:
    if task == "regression":
        return ((logits[:, 0] - labels) ** 2).mean()
    if task == "multi-label":
        p = torch.sigmoid(logits)
        return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()
    return -torch.softmax(logits, 1)[torch.arange(len(labels)), labels].log().mean()


def divergence(task: str, logits: Tensor, of: Tensor) -> Tensor:
    """KL(teacher || model) of the answers; of numbers the squared error."""
    if task == "regression":
        return ((logits - of) ** 2).mean()
    if task == "multi-label":
        p, q = torch.sigmoid(of), torch.sigmoid(logits)
        return (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    p, q = torch.softmax(of, 1), torch.softmax(logits, 1)
    return (p * (p / q).log()).sum(1).mean()


def minimized(
    task: str,
    says: Callable[[Mapping[str, Any], Tensor], Tensor],
    inputs: Tensor,
    labels: Tensor,
    reference: Tensor | None,
    weights: Mapping[str, Tensor],
) -> Tensor:
    logits = says(weights, inputs)
    more = 0.0 if reference is None else divergence(task, logits, reference)
    return loss(task, logits, labels) + more


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_step_is_what_the_equations_say(monkeypatch, criterion, number):
    state, pruner, compression, steps = drawn(criterion, number)
    model, data, settings = state.model, state.data, state.settings
    if pruner.needs_trained:
        train_dense(state)
    first = copy.deepcopy(model)
    size = sum(weight.numel() for weight in prunable(model).values())
    waits = [
        round(w * steps) if w < 1 else int(w) for w in (pruner.gradual.warm_up, pruner.gradual.cool_down)
    ]
    left = size - round(Fraction(compression.units, 1000) * size)
    slow = Slow(state, pruner, steps, (waits[0], waits[1]), left)
    seen: list[tuple[np.ndarray, dict[str, Tensor]]] = []
    after_step = GradualPruning.after_step

    def noted(self: GradualPruning) -> None:
        after_step(self)
        kept = np.ones(size, dtype=bool) if self.kept is None else self.kept.numpy().copy()
        seen.append((kept, copied_state(model)))

    monkeypatch.setattr(GradualPruning, "after_step", noted)
    prune_and_train(state, pruner, compression, {})
    assert state.masks is not None
    assert len(seen) == steps
    assert sum(int(mask.sum()) for mask in state.masks.values()) == left

    def says(weights: Mapping[str, Any], x: Tensor) -> Tensor:
        return functional_call(first, {name: torch.as_tensor(w) for name, w in weights.items()}, (x,))

    def accuracy(weights: Mapping[str, Any]) -> float:
        split = data.splits["validation"]
        return float((says(weights, split.inputs).argmax(1) == split.labels).double().mean())

    self_taught = pruner.objective == "self-regularized"
    teacher = None if pruner.objective == "task" else dict(slow.w)
    best = accuracy(slow.w) if self_taught else math.inf
    split, steps_of_epoch = data.splits["train"], steps // settings.epochs
    factor = settings.finetune_lr_factor if pruner.needs_trained else 1.0
    for epoch in range(1, settings.epochs + 1):
        rates = learning_rates(settings, epoch, settings.epochs, steps_of_epoch, factor)
        batches = epoch_batches(split, settings, state.seed, "gradual", epoch)
        for index, rate in zip(batches, rates, strict=True):
            inputs, labels = split.inputs[index], split.labels[index]
            reference = None if teacher is None else says(teacher, inputs)
            slow.step(partial(minimized, data.task, says, inputs, labels, reference), rate)
            kept, weights = seen[slow.t - 1]
            np.testing.assert_array_equal(kept, slow.kept, f"step {slow.t} of {steps}")
            for name, weight in weights.items():
                np.testing.assert_allclose(weight.numpy(), slow.w[name], rtol=1e-5, atol=1e-6, err_msg=name)
            if self_taught and slow.t % (pruner.objective_steps or steps_of_epoch) == 0:
                score = accuracy(slow.answering())
                if score > best:
                    best, teacher = score, slow.answering()
