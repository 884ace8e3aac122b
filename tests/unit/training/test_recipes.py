"""Pruning and training again: rounds, rewinding, and going on from a checkpoint to the same bytes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tests.support.recipes import prune_and_train

from prunescope.config.architectures import ResNet, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.criteria import CRITERIA
from prunescope.errors import UserError
from prunescope.models.channels import channels_of
from prunescope.models.registry import build, prunable
from prunescope.pruning.filters import channels_kept, scores_of_maps
from prunescope.training import checkpoint, recipes
from prunescope.training.loop import train
from prunescope.training.recipes import rewind, train_dense
from prunescope.training.state import DivergedError, Phase, TrainingState, copied_state

HALF, MOST = Compression.of_sparsity(0.5), Compression.of_sparsity(0.9)
ADAM = Training(optimizer="adam", lr=5e-3, epochs=2, batch_size=8, clip_norm=1.0, finetune_epochs=1)
SGD = Training(optimizer="sgd", lr=0.05, epochs=2, batch_size=8, weight_decay=5e-4, finetune_epochs=1)


def same(a: TrainingState, b: TrainingState) -> bool:
    """Weights and optimizer state, to the bit."""
    for (name, x), (_, y) in zip(a.model.named_parameters(), b.model.named_parameters(), strict=True):
        if x.detach().numpy().tobytes() != y.detach().numpy().tobytes():
            return False
        left, right = a.optimizer.state[x], b.optimizer.state[y]
        assert left, name
        assert set(left) == set(right)
        if not all(torch.equal(torch.as_tensor(left[key]), torch.as_tensor(right[key])) for key in left):
            return False
    return True


def layer_zeros(state: TrainingState) -> dict[str, int]:
    return {name: int((weight == 0).sum()) for name, weight in prunable(state.model).items()}


@pytest.mark.parametrize("pruner", ["IMP-FT", "IMP-WR", "IIBP-FT", "MP", "UP"])
@pytest.mark.parametrize(
    ("family", "settings"), [("lenet5", SGD), ("lenet5", ADAM), ("bilstm", ADAM), ("encoder", ADAM)]
)
def test_going_on_from_a_checkpoint_is_training_it_all(make_state, tmp_path, family, settings, pruner):
    make = partial(make_state, family, settings)
    composition = PRUNERS[pruner]

    def inline(seed: int) -> TrainingState:
        state = make(seed=seed)
        start = copied_state(state.model)
        train_dense(state)
        prune_and_train(state, composition, MOST, start)
        return state

    tensors: dict[str, torch.Tensor] = {}
    for seed in (4, 1):  # a block of other seeds around it, in any order
        dense = make(seed=seed)
        train_dense(dense)
        tensors |= checkpoint.state_tensors(dense)
        torch.rand(seed)
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, tensors, [1, 4])

    state = make(seed=1)
    start = copied_state(state.model)
    checkpoint.restore([checkpoint.Checkpoint(path)], state)
    prune_and_train(state, composition, MOST, start)
    assert same(state, inline(1))
    assert not same(state, inline(4))


@pytest.mark.parametrize("name", sorted(set(PRUNERS) - {"LTH", "CHIP"}))
def test_every_pruner_reaches_its_sparsity_exactly(make_state, name):
    state = make_state("lenet5", SGD)
    composition = PRUNERS[name]
    start = copied_state(state.model)
    masks: list[dict[str, torch.Tensor]] = []
    keep = state.set_masks
    state.set_masks = lambda m: (masks.append(m), keep(m))
    if composition.needs_trained:
        train_dense(state)
    prune_and_train(state, composition, MOST, start)
    zeros = layer_zeros(state)
    sizes = {"conv1.weight": 150, "conv2.weight": 2400, "fc1.weight": 7680, "fc2.weight": 10_080}
    if composition.scope == "global":
        assert sum(zeros.values()) == 18_279  # 0.9 * 20,310
    else:
        assert zeros == {layer: size * 9 // 10 for layer, size in sizes.items()}
    for earlier, later in pairwise(masks):
        assert all(bool((later[layer] <= earlier[layer]).all()) for layer in sizes)
    distinct = {sum(int((~m).sum()) for m in one.values()) for one in masks}
    assert len(distinct) == composition.rounds
    # Fine-tuning takes 1 epoch a round, training again 2.
    again = 1 if composition.recovery == "fine-tune" else 2
    epochs = {"at-init": 2, "one-shot": 2 + again, "iterative": 2 + 3 * again, "gradual": 2}
    assert len(state.curve) == epochs[composition.schedule]
    others = [p for name, p in state.model.named_parameters() if name not in sizes]
    assert all((p != 0).all() for p in others)


def climb(
    state: TrainingState, pruner: Pruner, level: int, start: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    prune_and_train(state, pruner, Compression.of_level(level), start)
    assert state.masks is not None
    return {name: mask.clone() for name, mask in state.masks.items()}


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_each_level_prunes_trained_weights_and_rewinds(make_state, monkeypatch, scope):
    calls: list[tuple[str, int, dict[str, torch.Tensor], bool]] = []

    def note(state, phase):
        calls.append((phase.name, phase.epochs, copied_state(state.model), bool(state.optimizer.state)))
        train(state, phase)

    monkeypatch.setattr(recipes, "train", note)
    pruner = PRUNERS["LTH"].model_copy(update={"scope": scope})
    state = make_state("lenet5", SGD.model_copy(update={"rewind_epochs": 3}))
    start = copied_state(state.model)
    train_dense(state)
    left = {name: torch.ones_like(w, dtype=torch.bool) for name, w in prunable(state.model).items()}
    for level in (1, 2, 3):
        trained = {name: w.detach().clone() for name, w in prunable(state.model).items()}
        masks = climb(state, pruner, level, start)
        phase, epochs, weights, old_optimizer = calls[-1]
        assert (phase, epochs, old_optimizer) == (f"level-{level}", 3, False)
        # What goes is the smallest of what the level below has trained, and only of what it had left.
        pools = [list(left)] if scope == "global" else [[name] for name in left]
        for names in pools:
            size = sum(left[name].numel() for name in names)
            assert sum(int((~masks[name]).sum()) for name in names) == round(
                size * (1 - Fraction(4, 5) ** level)
            )
            before = torch.cat([left[name].flatten() for name in names])
            after = torch.cat([masks[name].flatten() for name in names])
            worth = torch.cat([trained[name].abs().flatten() for name in names])
            assert not (after & ~before).any()
            assert worth[before & ~after].max() <= worth[after].min()
        # Every weight that is left starts where it started.
        for name, value in weights.items():
            expected = start[name] * masks[name] if name in masks else start[name]
            assert torch.equal(value, expected), name
        left = masks


def test_a_level_needs_only_the_file_of_the_level_below(make_state, tmp_path):
    lth = PRUNERS["LTH"]
    state = make_state("lenet5", SGD, seed=1)
    start = copied_state(state.model)
    train_dense(state)
    for level in (1, 2):
        climb(state, lth, level, start)
    path = tmp_path / "models.safetensors"
    tensors = checkpoint.model_tensors(1, state.model) | checkpoint.mask_tensors(state)
    # A weight that is left and happens to be zero is no pruned one.
    mask = tensors["1/mask/fc1.weight"]
    tensors["1/model/fc1.weight"] = tensors["1/model/fc1.weight"].clone()
    place = tuple(mask.nonzero()[0])
    tensors["1/model/fc1.weight"][place] = 0.0
    checkpoint.save(path, tensors, [1])
    with torch.no_grad():
        state.model.get_parameter("fc1.weight")[place] = 0.0
    again = make_state("lenet5", SGD, seed=1)
    checkpoint.restore([checkpoint.Checkpoint(path)], again)
    climb(state, lth, 3, start)
    climb(again, lth, 3, copied_state(make_state("lenet5", SGD, seed=1).model))
    assert same(state, again)


def test_a_level_starts_from_the_one_below_and_no_other(make_state):
    lth = PRUNERS["LTH"]
    state = make_state("lenet5", SGD)
    start = copied_state(state.model)
    train_dense(state)
    with pytest.raises(UserError) as caught:
        climb(state, lth, 2, start)
    assert str(caught.value) == (
        "level 2, seed 0: starts from the models of level 1, with 4062 pruned weights, but the given model has 0; "
        "give the file of the models of level 1"
    )
    climb(state, lth, 1, start)
    for level in (1, 3):
        with pytest.raises(
            UserError, match=f"level {level}, seed 0: starts from .* but the given model has 4062"
        ):
            climb(state, lth, level, start)


def test_filters_are_pruned_with_all_that_hangs_on_them(make_state):
    state = make_state("lenet5", SGD)
    start = copied_state(state.model)
    train_dense(state)
    prune_and_train(state, PRUNERS["CHIP"], Compression.of_ratio(4), start)
    # 21,195 parameters with 3 classes. A quarter of them stays: half of the channels of each layer but a few.
    kept = channels_kept(state.masks, channels_of(state.model))
    model = state.model
    total = sum(p.numel() for p in model.parameters())
    conv1, conv2, fc1, fc2 = kept.values()
    left = conv1 * 26 + conv2 * (25 * conv1 + 1) + fc1 * (4 * conv2 + 1) + fc2 * (fc1 + 1) + 3 * (fc2 + 1)
    assert total / left == pytest.approx(4, rel=0.02)
    assert total - sum(int((~mask).sum()) for mask in state.masks.values()) == left
    assert set(state.masks) == {name for name, _ in model.named_parameters()} - {"fc3.bias"}
    for name, parameter in model.named_parameters():
        if name in state.masks:
            assert bool((parameter[~state.masks[name]] == 0).all()), name
            assert bool((parameter[state.masks[name]] != 0).any()), name
    assert [epoch.phase for epoch in state.curve] == ["train", "train", "round-1"]


def test_the_least_independent_filters_go(make_state, monkeypatch):
    state = make_state("lenet5", SGD)
    train_dense(state)
    seen = []
    whole = type(state.data.splits["train"]).batch
    monkeypatch.setattr(
        type(state.data.splits["train"]),
        "batch",
        lambda split, index, augment=None: seen.append(index) or whole(split, index, augment),
    )
    pruner = PRUNERS["CHIP"].model_copy(update={"map_batches": 2, "map_batch_size": 12})
    weights = copied_state(state.model)
    recipes.prune_now(state, pruner, {"conv1": 2, "conv2": 9, "fc1": 1, "fc2": 0}, 1)
    assert [len(index) for index in seen] == [12, 12]
    assert len(set(torch.cat(seen).tolist())) == 24
    state.model.load_state_dict(weights)
    scores = scores_of_maps(
        state.model,
        channels_of(state.model),
        [whole(state.data.splits["train"], i)[0] for i in seen],
        pruner.declared,
    )
    for layer, gone in {"conv1": 2, "conv2": 9, "fc1": 1, "fc2": 0}.items():
        lowest = scores[layer].argsort(stable=True)[:gone]
        bias = state.masks[f"{layer}.bias"]
        assert sorted((~bias).nonzero().flatten().tolist()) == sorted(lowest.tolist())


@pytest.mark.parametrize("criterion", ["magnitude", "impact", "random"])
@pytest.mark.parametrize("schedule", ["one-shot", "at-init"])
def test_filters_by_what_their_weights_are_worth(make_state, criterion, schedule):
    pruner = Pruner(criterion=criterion, structure="filters", schedule=schedule)
    state = make_state("lenet5", SGD)
    start = copied_state(state.model)
    if schedule == "one-shot":
        train_dense(state)
    weights = {name: w.detach().clone() for name, w in prunable(state.model).items()}
    prune_and_train(state, pruner, Compression.of_ratio(2), start)
    kept = channels_kept(state.masks, channels_of(state.model))
    assert kept["conv2"] < 16
    if criterion == "magnitude":  # the L1 norm of a filter
        norms = weights["conv2.weight"].abs().sum(dim=(1, 2, 3))
        expected = norms.argsort()[-kept["conv2"] :]
        assert sorted(state.masks["conv2.bias"].nonzero().flatten().tolist()) == sorted(expected.tolist())


def pruned_by(make_state, name: str, decay: float, gradient: str, gradients=None) -> dict[str, torch.Tensor]:
    """Masks of a pruner that takes 10,000 of 20,310 weights of one trained model, by its own gradients.

    ``gradients``: of the data loss instead, made from the weights.
    """
    state = make_state("lenet5", SGD.model_copy(update={"weight_decay": decay}))
    train(state, Phase("train", 1))
    pruner = PRUNERS[name].model_copy(update={"gradient": gradient, "decay": decay})
    if gradients is not None:
        weights = prunable(state.model)

        def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            wanted = gradients(weights)
            return 0.0 * logits.sum() + sum((weights[n] * g.detach()).sum() for n, g in wanted.items())

        kind = type(state)
        state.__class__ = type("WithLoss", (kind,), {"loss": property(lambda self: loss)})
    recipes.prune_now(state, pruner, 10_000, 1)
    return state.masks


@pytest.mark.parametrize("gradient", ["data", "total"])
def test_undecayed_pruning_is_gradient_pruning_without_decay(make_state, gradient):
    up, gp, mp = (pruned_by(make_state, name, 0.0, gradient) for name in ("UP", "GP", "MP"))
    assert all(torch.equal(up[name], gp[name]) for name in up)
    assert not all(torch.equal(up[name], mp[name]) for name in up)


@pytest.mark.parametrize("gradient", ["data", "total"])
def test_undecayed_pruning_is_magnitude_pruning_without_a_gradient(make_state, gradient):
    """At a loss whose gradient, with its weight-decay term where that is counted, is zero everywhere."""
    decay = 0.25  # a power of two: decay * w - decay * w is exactly zero

    def flat(weights):
        return {name: -decay * w if gradient == "total" else 0.0 * w for name, w in weights.items()}

    up, gp, mp = (pruned_by(make_state, name, decay, gradient, flat) for name in ("UP", "GP", "MP"))
    assert all(torch.equal(up[name], mp[name]) for name in up)
    assert not all(torch.equal(up[name], gp[name]) for name in up)


def test_undecayed_pruning_by_the_total_gradient_is_gradient_pruning_by_the_data_alone(make_state):
    total = pruned_by(make_state, "UP", 0.25, "total")
    data = pruned_by(make_state, "GP", 0.25, "data")
    released = pruned_by(make_state, "UP", 0.25, "data")
    # |w * (g + eps * w) - eps * w^2| is |w * g| but for the last digits.
    differing = sum(int((total[name] != data[name]).sum()) for name in total)
    assert differing <= 20
    assert sum(int((released[name] != data[name]).sum()) for name in total) > 2000


def test_the_recall_paper_s_gradients_are_taken_in_training_mode_and_its_statistics_stay(make_state):
    """ResNet-8: masks by the batch's own statistics are others, and nothing of the model but masked weights changes."""
    masks = {}
    for mode in ("train", "eval"):
        images = make_state("lenet5", SGD)
        state = TrainingState(
            build(ResNet(family="resnet", depth=8), images.data.shape, 0), images.data, SGD, 0
        )
        train(state, Phase("train", 1))
        before = copied_state(state.model)
        pruner = PRUNERS["GP"]
        assert pruner.gradient_mode == "train"
        recipes.prune_now(state, pruner.model_copy(update={"gradient_mode": mode}), 30_000, 1)
        masks[mode] = state.masks
        for name, value in state.model.state_dict().items():
            kept = state.masks.get(name, torch.ones_like(value, dtype=torch.bool))
            assert torch.equal(value, before[name] * kept), name
    assert sum(int((masks["train"][n] != masks["eval"][n]).sum()) for n in masks["train"]) > 100


def test_dropout_of_a_gradient_in_training_mode_is_the_seed_s(make_state):
    """The same masks whatever was drawn before, and what is drawn after is left alone."""
    found = []
    for drawn in (1, 2):
        state = make_state("encoder", ADAM)
        torch.manual_seed(drawn)
        recipes.prune_now(state, PRUNERS["UP"], 400, 1)
        found.append(state.masks)
        after = torch.rand(1)
        torch.manual_seed(drawn)
        assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_gradient_mode_is_part_of_a_job_s_text_only_where_it_counts():
    texts = {name: pruner.model_dump() for name, pruner in PRUNERS.items()}
    assert {name for name, text in texts.items() if "gradient_mode" in text} == {"GP", "UP", "UP-derived"}
    assert all(text["gradient_mode"] == "train" for text in texts.values() if "gradient_mode" in text)


def test_scores_come_from_the_model_as_it_is_before_rewinding(make_state, monkeypatch):
    state = make_state("bilstm", SGD)
    start = copied_state(state.model)
    train_dense(state)
    # What pruning and rewinding leave, before training hides it.
    monkeypatch.setattr("prunescope.training.recipes.train", lambda *arguments, **settings: None)
    trained = {name: w.detach().clone() for name, w in prunable(state.model).items()}
    one_round = Pruner(criterion="magnitude", schedule="one-shot", recovery="rewind")
    prune_and_train(state, one_round, HALF, start)
    for name, value in state.model.state_dict().items():
        expected = start[name]
        if name in trained:
            # The smaller half of the trained weights, ties impossible.
            flat = trained[name].abs().flatten()
            gone = flat.argsort()[: round(flat.numel() / 2)]
            expected = expected.flatten().index_fill(0, gone, 0.0).view_as(expected)
        assert torch.equal(value, expected), name


def test_rewinding_does_not_alias_the_beginning(make_state):
    state = make_state("lenet5", SGD)
    start = copied_state(state.model)
    kept = {name: value.clone() for name, value in start.items()}
    live = {value.data_ptr() for value in state.model.state_dict().values()}
    assert not live & {value.data_ptr() for value in start.values()}
    train_dense(state)
    old = state.optimizer
    prune_and_train(state, PRUNERS["IMP-WR"], HALF, start)
    assert all(torch.equal(start[name], kept[name]) for name in start)
    assert state.optimizer is not old
    rewind(state, start)
    assert not state.optimizer.state
    assert layer_zeros(state) == {name: int((~mask).sum()) for name, mask in state.masks.items()}


def test_rewound_models_are_trained_and_tuned_ones_go_on(make_state, monkeypatch):
    calls: list[tuple[str, int, float, bool]] = []

    def note(state, phase):
        calls.append((phase.name, phase.epochs, phase.lr_factor, bool(state.optimizer.state)))
        train(state, phase)

    monkeypatch.setattr(recipes, "train", note)
    settings = SGD.model_copy(update={"finetune_lr_factor": 0.1, "finetune_epochs": None})
    for pruner in ("IMP-WR", "IMP-FT", "MP", "MP-AI"):
        state = make_state("lenet5", settings)
        start = copied_state(state.model)
        if PRUNERS[pruner].needs_trained:
            train_dense(state)
        prune_and_train(state, PRUNERS[pruner], HALF, start)
    rounds = ["round-1", "round-2", "round-3"]
    assert calls == [
        ("train", 2, 1.0, False),
        *((phase, 2, 1.0, False) for phase in rounds),
        ("train", 2, 1.0, False),
        *((phase, 2, 0.1, True) for phase in rounds),
        ("train", 2, 1.0, False),
        ("round-1", 2, 0.1, True),
        ("train", 2, 1.0, False),
    ]


def test_pruning_at_the_beginning_has_the_order_of_training_dense(make_state, monkeypatch):
    """What differs between them is the mask alone."""
    monkeypatch.setattr(recipes, "prune_now", lambda *_: None)
    pruned, dense = make_state("lenet5", SGD), make_state("lenet5", SGD)
    prune_and_train(pruned, PRUNERS["MP-AI"], HALF, copied_state(pruned.model))
    train_dense(dense)
    assert same(pruned, dense)


@pytest.mark.parametrize(
    ("pruner", "batches", "size", "training"), [("IBP-AI", 4, 10, False), ("GP", 1, 8, True)]
)  # 100 examples asked for, 40 there are
def test_gradients_see_different_training_examples_in_their_mode(
    make_state, monkeypatch, pruner, batches, size, training
):
    state = make_state("encoder", ADAM)
    seen: list[int] = []
    whole = type(state.data.splits["train"]).batch

    def batch(split, index, augment=None):
        assert split is state.data.splits["train"]
        assert state.model.training is training
        seen.append(index.tolist())
        return whole(split, index, augment)

    monkeypatch.setattr(type(state.data.splits["train"]), "batch", batch)
    recipes.prune_now(state, PRUNERS[pruner], dict.fromkeys(prunable(state.model), 1), 1)
    assert [len(index) for index in seen] == [size] * batches
    flat = [i for index in seen for i in index]
    assert len(set(flat)) == len(flat)
    first, seen[:] = list(seen), []
    recipes.prune_now(state, PRUNERS[pruner], dict.fromkeys(prunable(state.model), 2), 2)
    assert seen != first  # each round draws its own


@pytest.mark.parametrize("gradient", ["data", "total"])
@pytest.mark.parametrize("criterion", ["impact", "undecayed"])
def test_what_the_criteria_are_given(make_state, monkeypatch, criterion, gradient):
    state = make_state("lenet5", SGD)
    given = {}
    score = CRITERIA[criterion]
    watched = replace(score, function=lambda w, e: given.update(e=e) or score(w, e))
    monkeypatch.setitem(CRITERIA, criterion, watched)
    pruner = Pruner(
        criterion=criterion, schedule="one-shot", scope="global", gradient=gradient,
        gradient_batches=1, gradient_batch_size=40,
    )  # fmt: skip
    start = {name: w.detach().clone() for name, w in prunable(state.model).items()}
    state.model.eval()
    split = state.data.splits["train"]
    loss = torch.nn.functional.cross_entropy(state.model(split.inputs), split.labels)
    expected = torch.autograd.grad(loss, list(prunable(state.model).values()))
    recipes.prune_now(state, pruner, 100, 1)
    assert given["e"].decay == 5e-4
    for (name, w), g in zip(start.items(), expected, strict=True):
        wanted = g + 5e-4 * w if gradient == "total" else g
        torch.testing.assert_close(given["e"].gradients[name], wanted, rtol=1e-4, atol=1e-8)


def test_random_masks_are_the_seeds_and_the_rounds_own(make_state):
    def masks(seed: int, round_: int) -> torch.Tensor:
        state = make_state("lenet5", SGD, seed=seed)
        torch.rand(seed + round_)
        recipes.prune_now(
            state, PRUNERS["RP-AI"], {n: w.numel() // 2 for n, w in prunable(state.model).items()}, round_
        )
        return state.masks["fc1.weight"]

    assert torch.equal(masks(0, 1), masks(0, 1))
    assert not torch.equal(masks(0, 1), masks(1, 1))
    assert not torch.equal(masks(0, 1), masks(0, 2))


def dense_checkpoint(make_state, path: Path, seed: int = 0, block: tuple[int, ...] = (0,)) -> TrainingState:
    state = make_state("lenet5", ADAM, seed=seed)
    train(state, Phase("train", 1))
    checkpoint.save(path, checkpoint.state_tensors(state), block)
    return state


def test_checkpoints_are_copies(make_state, tmp_path):
    path = tmp_path / "c.safetensors"
    dense = dense_checkpoint(make_state, path)
    again = make_state("lenet5", ADAM, seed=0)
    checkpoint.restore([checkpoint.Checkpoint(path)], again)
    assert same(dense, again)
    first = path.read_bytes()
    train(again, Phase("round-1", 1))
    assert path.read_bytes() == first
    assert not same(dense, again)


def test_seeds_that_diverged_and_seeds_that_are_not_there(make_state, tmp_path):
    path = tmp_path / "c.safetensors"
    dense_checkpoint(make_state, path, seed=0, block=(0, 1))
    file = checkpoint.Checkpoint(path)
    assert (file.seeds, file.diverged) == ({0}, {1})
    with pytest.raises(DivergedError, match="the model that this seed starts from diverged"):
        checkpoint.restore([file], make_state("lenet5", ADAM, seed=1))
    with pytest.raises(UserError, match=r"c\.safetensors: no model of seed 2"):
        checkpoint.restore([file], make_state("lenet5", ADAM, seed=2))
    checkpoint.save(path, {}, (3,))
    assert checkpoint.Checkpoint(path).diverged == {3}


def test_damaged_foreign_and_missing_checkpoints_are_refused_by_name(make_state, tmp_path):
    path = tmp_path / "c.safetensors"
    dense_checkpoint(make_state, path)
    whole = path.read_bytes()
    for content in (whole[:-10], whole[:100], b"", b"\x00" * 64):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"c\.safetensors: (damaged|not a) checkpoint") as caught:
            checkpoint.Checkpoint(path)
        assert "\n" not in str(caught.value)
    from safetensors.torch import save_file

    save_file({"layer": torch.ones(1)}, path)
    with pytest.raises(UserError, match="not a checkpoint of models"):
        checkpoint.Checkpoint(path)
    with pytest.raises(UserError, match="no such checkpoint"):
        checkpoint.Checkpoint(tmp_path / "none.safetensors")
    path.write_bytes(whole)
    with pytest.raises(UserError, match="another model") as caught:
        checkpoint.Checkpoint(path).restore(make_state("bilstm", ADAM))
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_no_checkpoint(make_state, tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(UserError, match=r"c\.safetensors: could not be written .*No space left"):
        checkpoint.save(tmp_path / "c.safetensors", {"0/model/w": torch.ones(1)}, (0,))
    assert list(tmp_path.iterdir()) == []
