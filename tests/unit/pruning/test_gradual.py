"""Gradual pruning against a slow computation of its own, written from the papers' equations in numpy.

The toy model is x -> W2 tanh(W1 x) with a squared error, trained by plain gradient descent; its
gradients are written out by hand. Nothing of the reference comes from the package.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.config.gradual import Gradual, in_steps
from prunescope.criteria import CRITERIA
from prunescope.errors import UserError
from prunescope.pruning.gradual.cubic import CubicSchedule
from prunescope.pruning.gradual.engine import GradualPruning
from prunescope.pruning.gradual.pool import Pool
from prunescope.pruning.gradual.registry import watcher_for
from prunescope.pruning.gradual.watchers import Watcher

STEPS, WARM_UP, COOL_DOWN, LEFT, LR = 24, 4, 5, 9, 0.3
RNG = np.random.default_rng(6)
X = RNG.standard_normal((16, 5))
Y = RNG.standard_normal((16, 3))
START = [RNG.standard_normal((4, 5)) * 0.5, RNG.standard_normal((3, 4)) * 0.5]
SIZE = 32
WINDOW, BETA1, BETA2 = 3, 0.85, 0.95
SCORE_LR, PENALTY, RANK = 0.05, 20.0, 2


def remaining(t):
    """Eq. 14 on counts."""
    if t < WARM_UP:
        return SIZE
    if t >= STEPS - COOL_DOWN:
        return LEFT
    return LEFT + round((SIZE - LEFT) * (1 - (t - WARM_UP) / (STEPS - WARM_UP - COOL_DOWN)) ** 3)


def gradients(w):
    hidden = np.tanh(X @ w[0].T)
    error = 2 * (hidden @ w[1].T - Y) / Y.size
    return [((error @ w[1]) * (1 - hidden**2)).T @ X, error.T @ hidden]


def top(scores, left):
    """Sort all scores, highest last; of equal ones the later is kept. Returns masks of 0 and 1."""
    flat = np.concatenate([s.ravel() for s in scores])
    kept = np.zeros(SIZE)
    kept[np.argsort(flat, kind="stable")[SIZE - left :]] = 1
    return [kept[:20].reshape(4, 5), kept[20:].reshape(3, 4)]


class Adam:
    """Kingma and Ba 2015, Algorithm 1."""

    def __init__(self, shapes, lr):
        self.m, self.v = ([np.zeros(s) for s in shapes] for _ in range(2))
        self.lr, self.t = lr, 0

    def step(self, values, grads):
        self.t += 1
        for i, g in enumerate(grads):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g**2
            m, v = self.m[i] / (1 - 0.9**self.t), self.v[i] / (1 - 0.999**self.t)
            values[i] -= self.lr * m / (np.sqrt(v) + 1e-8)


def in_place(raw, smoothed):
    """Reference for criteria that prune the weights themselves; ``raw(w, g, updated)`` is the importance."""
    w = [a.copy() for a in START]
    masks, seen = None, []
    mean, uncertainty = ([np.zeros_like(a) for a in w] for _ in range(2))
    for t in range(1, STEPS + 1):
        g = gradients(w)
        updated = [a - LR * b for a, b in zip(w, g, strict=True)]
        scores = [raw(a, b, u) for a, b, u in zip(w, g, updated, strict=True)]
        if smoothed:
            seen.append(scores)
            if len(seen) == WINDOW:
                for i in range(2):
                    average = sum(s[i] for s in seen) / WINDOW
                    mean[i] = BETA1 * mean[i] + (1 - BETA1) * average
                    uncertainty[i] = BETA2 * uncertainty[i] + (1 - BETA2) * np.abs(average - mean[i])
                seen = []
            if t >= WINDOW:
                scores = [m * u for m, u in zip(mean, uncertainty, strict=True)]
        if remaining(t) < SIZE and t <= STEPS - COOL_DOWN:
            masks = top(scores, remaining(t))
        w = updated if masks is None else [u * m for u, m in zip(updated, masks, strict=True)]
    return w, masks


def learned(scores_of, start, grads_of, factors_of, fold=None):
    """Reference for criteria with learned scores behind a straight-through mask."""
    w = [a.copy() for a in START]
    parameters = start()
    adam = Adam([p.shape for p in parameters], SCORE_LR)
    masks, settled = None, False
    for t in range(1, STEPS + 1):
        if settled:
            w = [(a - LR * g) * m for a, g, m in zip(w, gradients(w), masks, strict=True)]
            continue
        factors, slopes = factors_of(parameters, masks)
        g = gradients([a * f for a, f in zip(w, factors, strict=True)])
        grads = grads_of(parameters, w, g, slopes)
        adam.step(parameters, grads)
        w = [a - LR * b * f for a, b, f in zip(w, g, factors, strict=True)]
        if remaining(t) < SIZE:
            masks = top(scores_of(parameters, w), remaining(t))
        if t >= STEPS - COOL_DOWN:
            settled = True
            w = [
                a * m * (1 if fold is None else f)
                for a, m, f in zip(w, masks, fold(parameters) if fold else w, strict=True)
            ]
    return w, masks


def masks_or_ones(masks):
    return [np.ones_like(a) for a in START] if masks is None else masks


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def movement():
    def grads_of(scores, w, g, _):
        return [
            b * a + PENALTY / SIZE * sigmoid(s) * (1 - sigmoid(s))
            for s, a, b in zip(scores, w, g, strict=True)
        ]

    return learned(
        lambda scores, w: scores,
        lambda: [np.zeros_like(a) for a in START],
        grads_of,
        lambda scores, masks: (masks_or_ones(masks), None),
    )


def pst():
    def start():
        generator, parameters = torch.Generator().manual_seed(7), []
        for rows, columns in ((4, 5), (3, 4)):
            a = torch.randn(rows, RANK, generator=generator).numpy().astype(float)
            parameters += [a, np.zeros((RANK, columns)), np.zeros((rows, 1)), np.zeros((1, columns))]
        return parameters

    def grads_of(p, w, g, _):
        grads = []
        for i in range(2):
            moved, a, b = w[i] * g[i], p[4 * i], p[4 * i + 1]
            grads += [moved @ b.T, a.T @ moved, moved.sum(1, keepdims=True), moved.sum(0, keepdims=True)]
        return grads

    def scores_of(p, w):
        return [np.abs(w[i]) + p[4 * i] @ p[4 * i + 1] + p[4 * i + 2] + p[4 * i + 3] for i in range(2)]

    return learned(scores_of, start, grads_of, lambda p, masks: (masks_or_ones(masks), None))


def hard_concrete():
    generator = torch.Generator().manual_seed(7)
    beta, gamma, zeta = 2 / 3, -0.1, 1.1

    def factors_of(alphas, masks):
        gates, slopes = [], []
        for alpha, mask in zip(alphas, masks_or_ones(masks), strict=True):
            u = np.clip(torch.rand(alpha.shape, generator=generator).numpy().astype(float), 1e-6, 1 - 1e-6)
            s = sigmoid((np.log(u / (1 - u)) + alpha) / beta)
            stretched = s * (zeta - gamma) + gamma
            gates.append(np.clip(stretched, 0, 1) * mask)
            slopes.append((zeta - gamma) / beta * s * (1 - s) * ((stretched > 0) & (stretched < 1)) * mask)
        return gates, slopes

    def grads_of(alphas, w, g, slopes):
        chance = [sigmoid(alpha - beta * math.log(-gamma / zeta)) for alpha in alphas]
        return [
            b * a * s + PENALTY / SIZE * c * (1 - c) for a, b, s, c in zip(w, g, slopes, chance, strict=True)
        ]

    return learned(
        lambda alphas, w: alphas,
        lambda: [np.full_like(a, math.log(9)) for a in START],
        grads_of,
        factors_of,
        lambda alphas: [np.clip(sigmoid(a) * (zeta - gamma) + gamma, 0, 1) for a in alphas],
    )


REFERENCES = {
    "magnitude": lambda: in_place(lambda w, g, updated: np.abs(updated), False),
    "sensitivity": lambda: in_place(lambda w, g, updated: np.abs(w * g), False),
    "platon": lambda: in_place(lambda w, g, updated: np.abs(w * g), True),
    # Eq. 11: -g dtheta_hat - g theta, dtheta_hat = -lr g.
    "pins-plain": lambda: in_place(lambda w, g, updated: -g * (-LR * g) - g * w, False),
    "pins": lambda: in_place(lambda w, g, updated: np.abs(-g * (-LR * g) - g * w), True),
    "movement": movement,
    "pst": pst,
    "l0": hard_concrete,
}
SETTINGS = Gradual(window=WINDOW, beta1=BETA1, beta2=BETA2, score_lr=SCORE_LR, penalty=PENALTY, rank=RANK)
FITTING = [name for name, one in CRITERIA.items() if one.watches or one.gradual]


def watcher(criterion, pool):
    return watcher_for(CRITERIA[criterion], SETTINGS, pool, seed=7)


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w2 = (nn.Parameter(torch.from_numpy(a.copy())) for a in START)

    def forward(self, x):
        return torch.tanh(x @ self.w1.T) @ self.w2.T


def trained(criterion, after=lambda engine, toy: None):
    toy = Toy()
    pool = Pool({"w1": toy.w1, "w2": toy.w2})
    engine = GradualPruning(watcher(criterion, pool), CubicSchedule(SIZE, LEFT, STEPS, WARM_UP, COOL_DOWN))
    optimizer = torch.optim.SGD(toy.parameters(), lr=LR)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    for _ in range(STEPS):
        engine.before_forward()
        optimizer.zero_grad(set_to_none=True)
        nn.functional.mse_loss(toy(x), y).backward()
        engine.before_step(LR)
        optimizer.step()
        engine.after_step()
        after(engine, toy)
    return toy, engine


@pytest.mark.parametrize("criterion", FITTING)
def test_as_the_equations_say(criterion):
    weights, masks = REFERENCES[criterion]()
    toy, engine = trained(criterion)
    for name, weight, mask in zip(("w1", "w2"), weights, masks, strict=True):
        np.testing.assert_array_equal(engine.masks()[name].numpy(), mask.astype(bool))
        np.testing.assert_allclose(getattr(toy, name).detach().numpy(), weight, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("criterion", FITTING)
def test_where_nothing_is_to_go_everything_stays(criterion):
    """So little of so few weights that it rounds to none."""
    toy = Toy()
    pool = Pool({"w1": toy.w1, "w2": toy.w2})
    engine = GradualPruning(watcher(criterion, pool), CubicSchedule(SIZE, SIZE, 6, 1, 2))
    for _ in range(6):
        engine.before_forward()
        toy.zero_grad()
        toy(torch.from_numpy(X)).sum().backward()
        engine.before_step(LR)
        engine.after_step()
    assert all(bool(mask.all()) for mask in engine.masks().values())
    assert all(bool((weight != 0).all()) for weight in toy.parameters())


@pytest.mark.parametrize("criterion", FITTING)
def test_exact_sparsity_at_the_end(criterion):
    toy, engine = trained(criterion)
    masks = engine.masks()
    assert sum(int(mask.sum()) for mask in masks.values()) == LEFT
    for name, mask in masks.items():
        assert bool((getattr(toy, name).detach()[~mask] == 0).all())


def test_criteria_differ():
    """Otherwise the comparison with the equations would not tell them apart."""
    found = {
        name: np.concatenate([m.ravel() for m in reference()[1]]) for name, reference in REFERENCES.items()
    }
    names = sorted(found)
    assert all(not np.array_equal(found[a], found[b]) for i, a in enumerate(names) for b in names[i + 1 :]), (
        names
    )


class Scripted(Watcher):
    """Scores given beforehand, one row a step."""

    def __init__(self, pool, rows):
        super().__init__(pool)
        self.rows = iter(rows)

    def scores(self):
        return torch.tensor(next(self.rows))


def test_pruned_weights_can_come_back_until_the_count_is_final():
    weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    # 4 weights to 2 in steps 0 to 3 of 5: 4, 2 + round(2 * (2/3)^3) = 3, 2, 2, 2 are left.
    rows = [[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 3.0, 2.0]]
    engine = GradualPruning(Scripted(Pool({"w": weight}), rows), CubicSchedule(4, 2, 5, 0, 2))
    kept, values = [], []
    for _ in range(5):
        engine.after_step()
        kept.append(engine.kept.tolist())
        values.append(weight.detach().tolist())
        with torch.no_grad():
            weight += 1.0  # the optimizer moves pruned weights too
    assert kept[0] == [True, True, True, False]
    assert kept[1] == [False, False, True, True]
    assert kept[2] == kept[3] == kept[4] == [False, True, True, False]
    assert values[0] == [1.0, 2.0, 3.0, 0.0]
    assert values[1] == [0.0, 0.0, 4.0, 1.0]
    assert values[4] == [0.0, 3.0, 7.0, 0.0]
    assert engine.masks()["w"].tolist() == kept[4]


def test_one_step_of_pins_solves_the_integer_program():
    """Eq. 10 by trying every choice of r weights: Eq. 11's top r has the least change of the loss."""
    from itertools import combinations

    rng = np.random.default_rng(5)
    theta, g, lr, r = rng.standard_normal(9), rng.standard_normal(9), 0.4, 4
    change = {
        kept: sum(g[i] * (-lr * g[i] if i in kept else -theta[i]) for i in range(9))
        for kept in combinations(range(9), r)
    }
    weight = nn.Parameter(torch.from_numpy(theta))
    weight.grad = torch.from_numpy(g)
    criterion = watcher("pins-plain", Pool({"w": weight}))
    criterion.observe(lr)
    ours = tuple(sorted(criterion.scores().argsort(descending=True)[:r].tolist()))
    assert ours == min(change, key=change.get)


class TestCubicSchedule:
    def test_by_hand(self):
        schedule = CubicSchedule(size=1000, left=200, steps=20, warm_up=4, cool_down=6)
        # Half of the way from step 4 to step 14 is step 9: 200 + 800 / 8.
        assert [schedule.remaining(t) for t in (0, 3, 4, 9, 14, 20)] == [1000, 1000, 1000, 300, 200, 200]

    def test_never_grows(self):
        schedule = CubicSchedule(size=977, left=98, steps=311, warm_up=20, cool_down=45)
        counts = [schedule.remaining(t) for t in range(312)]
        assert counts == sorted(counts, reverse=True)

    def test_no_step_left_to_prune_in(self):
        with pytest.raises(UserError, match=r"warm_up \(200\).*cool_down \(1200\).*1400 training steps"):
            Gradual(warm_up=200, cool_down=1200).waits(1400)

    def test_durations(self):
        assert in_steps(0.25, 400) == 100
        assert in_steps(200, 400) == 200
        assert in_steps(0, 400) == 0


def test_scores_that_are_not_finite_are_divergence():
    from prunescope.pruning.mask import ScoreError

    weight = nn.Parameter(torch.ones(4))
    engine = GradualPruning(watcher("sensitivity", Pool({"w": weight})), CubicSchedule(4, 1, 3, 0, 1))
    for value in (1.0, math.nan):
        weight.grad = torch.full((4,), value)
        engine.before_step(0.1)
    with pytest.raises(ScoreError):
        engine.after_step()


@pytest.mark.parametrize("stop", [2, 7, 11, 22])
@pytest.mark.parametrize("criterion", FITTING)
def test_what_is_kept_at_any_step_is_all_that_pruning_goes_on_from(criterion, stop):
    def begin(weights):
        model = nn.Sequential(nn.Linear(5, 4, bias=False), nn.Tanh(), nn.Linear(4, 3, bias=False)).double()
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), weights, strict=True):
                parameter.copy_(value)
        settings = Gradual(window=WINDOW, score_lr=SCORE_LR, penalty=PENALTY, rank=RANK)
        watcher = watcher_for(CRITERIA[criterion], settings, Pool(dict(model.named_parameters())), seed=4)
        return model, GradualPruning(watcher, CubicSchedule(SIZE, LEFT, STEPS, WARM_UP, COOL_DOWN))

    def go(model, pruning, steps):
        optimizer = torch.optim.SGD(model.parameters(), lr=LR)
        for _ in range(steps):
            pruning.before_forward()
            optimizer.zero_grad()
            ((model(torch.from_numpy(X)) - torch.from_numpy(Y)) ** 2).mean().backward()
            pruning.before_step(LR)
            optimizer.step()
            pruning.after_step()

    start = [torch.from_numpy(value) for value in START]
    whole, pruning = begin(start)
    go(whole, pruning, STEPS)
    first, stopped = begin(start)
    go(first, stopped, stop)
    kept = {name: value.clone() for name, value in stopped.state().items()}
    second, resumed = begin([parameter.detach() for parameter in first.parameters()])
    resumed.load_state(kept)
    go(second, resumed, STEPS - stop)
    for expected, found in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(expected, found)
    assert all(torch.equal(mask, resumed.masks()[name]) for name, mask in pruning.masks().items())
