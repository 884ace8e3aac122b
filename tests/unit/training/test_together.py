"""Replicas trained together against each of them trained alone.

In double precision the two agree almost exactly, which shows that they are the same algorithm. In single
precision they differ by rounding, which training amplifies: on these models by less than 1e-3 of the logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from prunescope.config.architectures import Arch, BiLSTM, LeNet5, Prunable, ResNet, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.errors import UserError
from prunescope.models.registry import build, prunable
from prunescope.pruning.mask import ScoreError, full_masks, prune
from prunescope.training.batches import Pixels, Split, TrainingData, augmenting, shuffled
from prunescope.training.graphs import WARM_UP
from prunescope.training.lockstep import follow, train_each
from prunescope.training.predict import logits_of
from prunescope.training.recipes import dense, pruned, rewind
from prunescope.training.state import DivergedError, Phase, TrainingState, copied_state
from prunescope.training.together import Stack, Together

ARCHS: dict[str, Arch] = {
    "lenet5": LeNet5(family="lenet5"),
    "resnet": ResNet(family="resnet", depth=8, shortcut="B"),
    "bilstm": BiLSTM(family="bilstm", hidden=4, layers=2, head=(6, 5), vectors=5),
}

OPTIMIZERS = {
    # 40 examples: five batches, the last one smaller.
    "sgd": Training(
        optimizer="sgd", lr=0.05, epochs=3, batch_size=9, momentum=0.9, weight_decay=0.01, clip_norm=1.0,
        milestones=(0.5,), finetune_epochs=2, finetune_lr_factor=0.3,
    ),
    "sgd-plain": Training(optimizer="sgd", lr=0.05, epochs=2, batch_size=8, momentum=0.0),
    "adam": Training(optimizer="adam", lr=5e-3, epochs=3, batch_size=9, weight_decay=0.01, finetune_epochs=1),
    "adamw": Training(
        optimizer="adamw", lr=5e-3, epochs=4, batch_size=9, weight_decay=0.1, clip_norm=0.3,
        keep="best-validation", finetune_epochs=2,
    ),
}  # fmt: skip

#: One of each kind: rewound, fine-tuned, at the start, in one shot over all layers, by gradients, by chance.
KINDS = ("IMP-WR", "IIBP-FT", "RP-AI", "MP", "UP")
HALF = Compression.of_sparsity(0.5)
SEEDS = (4, 0, 7)


@pytest.fixture
def data(make_state) -> Callable[..., TrainingData]:
    """``data("lenet5", double=True, task="single-label")``."""

    def make(arch: str, *, double: bool, task: str = "single-label") -> TrainingData:
        found: TrainingData = make_state(
            "bilstm" if arch == "bilstm" else "lenet5", Training(), task=task
        ).data
        if double:
            for name, split in found.splits.items():
                inputs = split.inputs.double() if split.inputs.is_floating_point() else split.inputs
                found.splits[name] = replace(split, inputs=inputs)
        return found

    return make


def replicas(
    arch: str, facts: TrainingData, settings: Training, seeds: tuple[int, ...] = SEEDS, double: bool = True
) -> list[TrainingState]:
    models = [build(ARCHS[arch], facts.shape, seed) for seed in seeds]
    if double:
        models = [model.double() for model in models]
    return [TrainingState(model, facts, settings, seed) for model, seed in zip(models, seeds, strict=True)]


def whole(state: TrainingState, pruner: Pruner | None, compression: Compression = HALF) -> Any:
    start = copied_state(state.model)
    if pruner is None or pruner.needs_trained:
        yield from dense(state)
    if pruner is not None:
        yield from pruned(state, pruner, compression, start)


def both(
    arch: str,
    facts: TrainingData,
    settings: Training,
    pruner: Pruner | None,
    compression: Compression = HALF,
    **more: Any,
) -> tuple[list[TrainingState], list[TrainingState]]:
    """The same models through a whole recipe, each alone and all together."""
    alone, stacked = (replicas(arch, facts, settings, **more) for _ in range(2))
    for states, trainer in ((alone, train_each), (stacked, Together(32))):
        ends = follow([(t, whole(t, pruner, compression)) for t in states], trainer)
        assert ends == [None] * len(states)
    return alone, stacked


def assert_alike(a: TrainingState, b: TrainingState, rtol: float, atol: float) -> None:
    """Weights, statistics, masks, optimizer state, curve; masks to the bit."""
    assert (a.seed, a.examples_seen) == (b.seed, b.examples_seen)
    for name, value in a.model.state_dict().items():
        torch.testing.assert_close(b.model.state_dict()[name], value, rtol=rtol, atol=atol, msg=name)
    assert (a.masks is None) == (b.masks is None)
    for name, mask in (a.masks or {}).items():
        assert b.masks is not None
        assert torch.equal(mask, b.masks[name]), name
        gone = b.model.get_parameter(name).detach()[~mask]
        assert not gone.any()
        assert not gone.signbit().any()
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        left, right = (
            {k: v for k, v in t.optimizer.state[x].items() if v is not None} for t, x in ((a, p), (b, q))
        )
        assert left.keys() == right.keys()
        for key, value in left.items():
            torch.testing.assert_close(right[key], value, rtol=rtol, atol=atol, msg=key)
    assert [(e.phase, e.epoch) for e in a.curve] == [(e.phase, e.epoch) for e in b.curve]
    for mine, theirs in zip(a.curve, b.curve, strict=True):
        assert theirs.loss == pytest.approx(mine.loss, rel=max(rtol, 1e-12))
        assert theirs.validation_loss == pytest.approx(mine.validation_loss, rel=max(rtol, 1e-7))


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("arch", ARCHS)
def test_training_together_is_training_alone(data, arch, kind):
    alone, stacked = both(arch, data(arch, double=True), OPTIMIZERS[kind], None)
    for a, b in zip(alone, stacked, strict=True):
        assert_alike(a, b, 1e-7, 1e-9)
    assert not torch.equal(*(next(t.model.parameters()) for t in stacked[:2]))


@pytest.mark.parametrize("pruner", KINDS)
@pytest.mark.parametrize("arch", ARCHS)
def test_pruning_and_training_together_is_doing_it_alone(data, arch, pruner):
    kind = "adamw" if pruner in ("IIBP-FT", "MP") else "sgd"
    alone, stacked = both(arch, data(arch, double=True), OPTIMIZERS[kind], PRUNERS[pruner])
    for a, b in zip(alone, stacked, strict=True):
        assert b.masks is not None
        assert_alike(a, b, 1e-6, 1e-8)


@pytest.mark.parametrize("pruner", ["IMP-WR", "UP"])
@pytest.mark.parametrize("arch", ARCHS)
def test_pruning_gains_and_biases_together_is_doing_it_alone(data, arch, pruner, monkeypatch):
    everything = Prunable(biases=True, normalization=True, classifier=True)
    monkeypatch.setitem(ARCHS, arch, ARCHS[arch].model_copy(update={"prunable": everything}))
    alone, stacked = both(arch, data(arch, double=True), OPTIMIZERS["sgd"], PRUNERS[pruner])
    for a, b in zip(alone, stacked, strict=True):
        assert len(b.masks) == len(list(b.model.parameters()))
        assert_alike(a, b, 1e-6, 1e-8)


@pytest.mark.parametrize("arch", ["lenet5", "resnet"])
def test_pruning_filters_together_is_doing_it_alone(data, arch):
    # Biases and batch normalization of filters that are gone are masked, too.
    alone, stacked = both(
        arch, data(arch, double=True), OPTIMIZERS["sgd"], PRUNERS["CHIP"], compression=Compression.of_ratio(2)
    )
    for a, b in zip(alone, stacked, strict=True):
        assert b.masks.keys() - prunable(b.model).keys()
        assert_alike(a, b, 1e-6, 1e-8)


@pytest.mark.parametrize("arch", ARCHS)
def test_several_labels_together(data, arch):
    facts = data(arch, double=True, task="multi-label")
    for a, b in zip(*both(arch, facts, OPTIMIZERS["sgd"], None), strict=True):
        assert_alike(a, b, 1e-7, 1e-9)


@pytest.mark.parametrize("arch", ARCHS)
def test_single_precision_differs_by_rounding(data, arch):
    facts = data(arch, double=False)
    pairs = zip(*both(arch, facts, OPTIMIZERS["sgd"], PRUNERS["IMP-FT"], double=False), strict=True)
    for a, b in pairs:
        assert next(b.model.parameters()).dtype == torch.float32
        assert all(torch.equal(mask, b.masks[name]) for name, mask in a.masks.items())
        own = logits_of(a.model, facts, "test")
        torch.testing.assert_close(logits_of(b.model, facts, "test"), own, rtol=1e-3, atol=1e-3)


def test_replicas_keep_their_own_step_counts_where_their_best_epochs_differ(data):
    facts = data("lenet5", double=True)
    settings = OPTIMIZERS["adamw"].model_copy(update={"lr": 0.05, "epochs": 6})
    alone, stacked = both("lenet5", facts, settings, PRUNERS["IMP-FT"], seeds=(0, 1, 2, 3))
    steps = {float(next(iter(t.optimizer.state.values()))["step"]) for t in stacked}
    assert len(steps) > 1
    for a, b in zip(alone, stacked, strict=True):
        assert_alike(a, b, 1e-6, 1e-8)


@pytest.mark.parametrize("arch", ARCHS)
def test_neither_order_nor_company_changes_a_replica(data, arch):
    facts = data(arch, double=True)
    found = {}
    for seeds in ((0, 1, 2), (2, 0, 1), (1, 5)):
        states = replicas(arch, facts, OPTIMIZERS["sgd"], seeds)
        assert Together(32)([(t, Phase("train", 2)) for t in states]) == [None] * len(seeds)
        found[seeds] = {t.seed: t for t in states}
    for seeds in ((2, 0, 1), (1, 5)):
        for seed in set(seeds) & {0, 1, 2}:
            assert_alike(found[(0, 1, 2)][seed], found[seeds][seed], 1e-9, 1e-11)


@pytest.mark.parametrize("arch", ARCHS)
def test_a_replica_that_diverges_leaves_the_others_to_the_bit(data, arch):
    facts = data(arch, double=False)
    settings = OPTIMIZERS["adamw"]
    results = []
    for broken in (False, True):
        states = replicas(arch, facts, settings, double=False)
        if broken:
            with torch.no_grad():
                next(states[1].model.parameters()).fill_(math.nan)
        results.append((states, Together(32)([(t, Phase("train", 3)) for t in states])))
    (whole_ones, fine), (others, ends) = results
    assert fine == [None] * 3
    assert (ends[0], ends[2]) == (None, None)
    assert str(ends[1]) == "loss is nan in epoch 1 of train"
    assert others[1].curve == []
    assert others[1].examples_seen == 40
    for n in (0, 2):
        for name, value in whole_ones[n].model.state_dict().items():
            assert torch.equal(others[n].model.state_dict()[name], value), name
        assert others[n].curve == whole_ones[n].curve


@pytest.mark.parametrize(("batch_size", "lr"), [(8, 1e18), (40, 1e30)])
def test_divergence_has_the_reason_it_has_alone(data, batch_size, lr):
    settings = Training(optimizer="sgd", lr=lr, epochs=3, batch_size=batch_size)
    facts = data("lenet5", double=False)
    phase = Phase("train", 3)
    ends = []
    for trainer in (train_each, Together(32)):
        states = replicas("lenet5", facts, settings, double=False)
        ends.append([str(end) for end in trainer([(t, phase) for t in states])])
        assert all(t.curve == [] for t in states)
    # Infinite or not a number is a question of rounding; when it is noticed is not.
    assert [e.replace("inf", "nan") for e in ends[0]] == [e.replace("inf", "nan") for e in ends[1]]
    assert ("validation loss" in ends[1][0]) == (batch_size == 40)


def test_a_diverged_replica_s_recipe_ends_and_the_others_go_on(data, monkeypatch):
    facts = data("lenet5", double=True)
    states = replicas("lenet5", facts, OPTIMIZERS["sgd"])
    sizes: list[int] = []
    trainer = Together(32)

    def counted(asked: Any) -> Any:
        sizes.append(len(asked))
        ends = trainer(asked)
        return [DivergedError("gone") if len(sizes) == 2 and n == 1 else end for n, end in enumerate(ends)]

    ends = follow([(t, whole(t, PRUNERS["IMP-WR"])) for t in states], counted)
    assert sizes == [3, 3, 2, 2]
    assert [str(end) for end in ends] == ["None", "gone", "None"]
    assert [t.curve[-1].phase for t in states] == ["round-3", "round-1", "round-3"]


def test_only_what_is_asked_for_alike_is_trained_together():
    asked: list[list[str]] = []

    def recipe(phases: list[Phase], end: Exception | None = None) -> Any:
        yield from phases
        if end is not None:
            raise end

    def trainer(pairs: Any) -> list[None]:
        asked.append([f"{state} {phase.name} {phase.epochs}" for state, phase in pairs])
        return [None] * len(pairs)

    one, two, more = Phase("train", 1), Phase("round-1", 1), Phase("round-1", 2)
    error = ScoreError("fc1.weight: scores are not finite")
    runs = [
        ("a", recipe([one, two])),
        ("b", recipe([one], error)),
        ("c", recipe([], DivergedError("at the start"))),
        ("d", recipe([one, more])),
    ]
    ends = follow(runs, trainer)  # type: ignore[arg-type]
    assert asked == [["a train 1", "b train 1", "d train 1"], ["a round-1 1"], ["d round-1 2"]]
    assert [ends[0], ends[1], str(ends[2]), ends[3]] == [None, error, "at the start", None]


def test_batches_and_changed_images_are_each_replica_s_own(data):
    facts = data("lenet5", double=False)
    for name, split in facts.splits.items():
        pixels = Pixels(16.0, torch.full((1, 1, 1), 0.3), torch.full((1, 1, 1), 0.2), "crop-flip")
        facts.splits[name] = Split((split.inputs * 16).to(torch.uint8), split.labels, None, False, pixels)
    settings = OPTIMIZERS["sgd"]
    states = replicas("lenet5", facts, settings, double=False)
    stack = Stack(states)
    seen: list[Tensor] = []
    forward = stack.forward
    stack.forward = lambda w, b, x, training: (training and seen.append(x), forward(w, b, x, training))[1]
    stack.train([Phase("round-2", 2)] * 3)
    assert len(seen) == 10
    split = facts.splits["train"]
    for r, state in enumerate(states):
        number = 0
        for epoch in (1, 2):
            draws = augmenting(state.seed, "round-2", epoch)
            for index in shuffled(40, 9, state.seed, "round-2", epoch):
                assert torch.equal(seen[number][r], split.batch(index, draws)[0])
                number += 1
    # Never for predictions.
    torch.testing.assert_close(
        stack.logits("test")[1], logits_of(states[1].model, facts, "test"), rtol=1e-4, atol=1e-5
    )


def test_a_rewound_replica_is_where_it_began_and_goes_on_from_a_fresh_optimizer(data):
    facts = data("bilstm", double=True)
    states = replicas("bilstm", facts, OPTIMIZERS["adam"])
    starts = [copied_state(t.model) for t in states]
    trainer = Together(32)
    trainer([(t, Phase("train", 2)) for t in states])
    for state, start in zip(states, starts, strict=True):
        rewind(state, start)
        assert not state.optimizer.state
        assert all(torch.equal(v, start[n]) for n, v in state.model.state_dict().items())
    first = [copied_state(t.model) for t in replicas("bilstm", facts, OPTIMIZERS["adam"])]
    assert all(torch.equal(a[n], b[n]) for a, b in zip(first, starts, strict=True) for n in a)


def test_no_epochs_change_nothing(data):
    states = replicas("lenet5", data("lenet5", double=True), OPTIMIZERS["adam"])
    before = [copied_state(t.model) for t in states]
    assert Together(32)([(t, Phase("round-1", 0)) for t in states]) == [None] * 3
    for state, weights in zip(states, before, strict=True):
        assert all(torch.equal(v, weights[n]) for n, v in state.model.state_dict().items())
        assert not state.optimizer.state


def test_pruned_weights_are_zero_at_every_step_together(data, monkeypatch):
    facts = data("lenet5", double=True)
    states = replicas("lenet5", facts, OPTIMIZERS["sgd"])
    trainer = Together(32)
    trainer([(t, Phase("train", 1)) for t in states])  # momentum that pushes pruned weights, too
    for state in states[:2]:  # the third has no masks
        weights = {name: w.detach() for name, w in prunable(state.model).items()}
        scores = {name: w.abs() for name, w in weights.items()}
        state.set_masks(prune(scores, full_masks(weights), {n: w.numel() // 3 for n, w in weights.items()}))
    stack = Stack(states)
    steps = 0
    take = stack.optimizer.step
    zeros = [[int((~m).sum()) for m in t.masks.values()] if t.masks else [0] * 4 for t in states]

    def checked(gradient: Tensor) -> None:
        nonlocal steps
        steps += 1
        norms = gradient.norm(dim=1)
        assert bool((norms <= OPTIMIZERS["sgd"].clip_norm * (1 + 1e-6)).all())
        views = stack.layout.views(stack.weights)
        names = list(prunable(states[0].model))
        assert [[int((views[n][r] == 0).sum()) for n in names] for r in range(3)] == zeros
        slopes = stack.layout.views(gradient)
        for r, state in enumerate(states):
            for name, mask in (state.masks or {}).items():
                assert not slopes[name][r][~mask].any()
        take(gradient)

    monkeypatch.setattr(stack.optimizer, "step", checked)
    stack.train([Phase("round-1", 2)] * 3)
    assert steps == 10
    for state, count in zip(states, zeros, strict=True):
        assert [int((w == 0).sum()) for w in prunable(state.model).values()] == count


class Recorder:
    """In place of CUDA graphs: counts, and looks whether steps use the same memory."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure, self.recorded, self.replayed = failure, 0, 0

    def __call__(self, device: torch.device) -> Callable[[Callable[[], None]], Callable[[], None]]:
        return self.record

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        if self.failure is not None:
            raise self.failure
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            step()

        return replay


def test_recorded_steps_are_the_same_steps(data):
    facts = data("lenet5", double=True)
    plain, graphed = (replicas("lenet5", facts, OPTIMIZERS["adamw"]) for _ in range(2))
    Together(32)([(t, Phase("train", 4)) for t in plain])
    recorder = Recorder()
    trainer = Together(32, recorder)
    trainer([(t, Phase("train", 4)) for t in graphed])
    # Four batches of 9 and one of 4, in each of four epochs: a graph for each size, after the first steps.
    assert (recorder.recorded, recorder.replayed) == (2, (16 - WARM_UP) + (4 - WARM_UP))
    assert trainer.graphs == "used"
    for a, b in zip(plain, graphed, strict=True):
        assert all(torch.equal(v, b.model.state_dict()[n]) for n, v in a.model.state_dict().items())


def test_a_step_works_in_the_same_memory_each_time(data):
    states = replicas("resnet", data("resnet", double=False), OPTIMIZERS["adam"], double=False)
    stack = Stack(states, Recorder())

    def places() -> list[int]:
        tensors = [stack.weights, stack._gradient, stack._total, stack.optimizer.lr]
        tensors += [*stack.buffers.values(), *stack.optimizer.state.values()]
        tensors += [batch.index for batch in stack._batches.values()]
        return [tensor.data_ptr() for tensor in tensors]

    found = []
    phase = Phase("train", 3, after_epoch=lambda epoch: found.append(places()))
    stack.train([phase, Phase("train", 3), Phase("train", 3)])
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


def test_steps_that_cannot_be_recorded_run_as_they_are(data, capsys):
    facts = data("lenet5", double=True)
    plain, refused = (replicas("lenet5", facts, OPTIMIZERS["sgd"]) for _ in range(2))
    Together(32)([(t, Phase("train", 2)) for t in plain])
    trainer = Together(32, Recorder(RuntimeError("operation not permitted\nwhen stream is capturing")))
    trainer([(t, Phase("train", 2)) for t in refused])
    assert trainer.graphs == "operation not permitted when stream is capturing"
    assert "not recorded" in capsys.readouterr().err
    for a, b in zip(plain, refused, strict=True):
        assert all(torch.equal(v, b.model.state_dict()[n]) for n, v in a.model.state_dict().items())


def test_replicas_that_do_not_fit_are_trained_in_smaller_parts(data, monkeypatch, capsys):
    facts = data("lenet5", double=True)
    seeds = (0, 1, 2, 3, 4)
    whole_ones, parted = (replicas("lenet5", facts, OPTIMIZERS["sgd"], seeds) for _ in range(2))
    Together(32)([(t, Phase("train", 1)) for t in whole_ones])
    step = Stack._step
    sizes: list[int] = []

    def short(stack: Stack, batch: Any) -> None:
        if len(stack.states) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(stack, batch)

    monkeypatch.setattr(Stack, "_step", short)
    keep = Stack.train
    monkeypatch.setattr(Stack, "train", lambda s, st: (sizes.append(len(s.states)), keep(s, st))[1])
    trainer = Together(32)
    assert trainer([(t, Phase("train", 1)) for t in parted]) == [None] * 5
    assert sizes == [5, 3, 2, 2, 1]
    assert trainer.at_once == 2
    assert "5 replicas do not fit: 3 at once" in capsys.readouterr().err
    for a, b in zip(whole_ones, parted, strict=True):
        assert_alike(a, b, 1e-9, 1e-11)

    def none(stack: Stack, batch: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Stack, "_step", none)
    with pytest.raises(UserError, match="out of GPU memory with one replica; lower the arch's `batch_size`"):
        Together(32)([(t, Phase("train", 1)) for t in parted])


def test_memory_that_runs_out_later_is_said_plainly(data, monkeypatch):
    states = replicas("lenet5", data("lenet5", double=True), OPTIMIZERS["sgd"])

    def late(epoch: int) -> None:
        if epoch == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match="with 3 replicas at once; lower the arch's `together`"):
        Together(32)([(t, Phase("train", 3, after_epoch=late)) for t in states])


def test_at_most_as_many_as_are_asked_for(data, monkeypatch):
    sizes: list[int] = []
    init = Stack.__init__
    monkeypatch.setattr(Stack, "__init__", lambda s, t, r: (sizes.append(len(t)), init(s, t, r))[1])
    states = replicas("lenet5", data("lenet5", double=True), OPTIMIZERS["sgd"], (0, 1, 2, 3, 4))
    Together(2)([(t, Phase("train", 1)) for t in states])
    assert sizes == [2, 2, 1]


def test_models_without_a_stacked_form_are_refused(make_state):
    with pytest.raises(ValueError, match="Encoder: replicas cannot be trained together"):
        Stack([make_state("encoder", Training())])


def test_after_an_epoch_a_model_is_as_far_as_the_stack(data):
    facts = data("resnet", double=True)
    alone, stacked = (replicas("resnet", facts, OPTIMIZERS["adamw"]) for _ in range(2))
    seen: dict[tuple[str, int], list[dict[str, Tensor]]] = {}

    def note(kind: str, state: TrainingState) -> Phase:
        after = lambda e: seen.setdefault((kind, e), []).append(copied_state(state.model))  # noqa: E731
        return Phase("train", 3, after_epoch=after)

    train_each([(t, note("alone", t)) for t in alone])
    Together(32)([(t, note("together", t)) for t in stacked])
    for epoch in (1, 2, 3):
        for a, b in zip(seen["alone", epoch], seen["together", epoch], strict=True):
            for name in a:
                torch.testing.assert_close(b[name], a[name], rtol=1e-8, atol=1e-9)
