"""The two ways a network comes to be: trained unpruned, or pruned and trained again.

A recipe does to one network what is its own (scoring, pruning, rewinding) and asks for each piece of training
by yielding it. Whoever follows the recipe trains: this network alone, or many in lock step (``lockstep``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from prunescope.config.architectures import fine_tuning_epochs, rewinding_epochs
from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner
from prunescope.criteria import Evidence
from prunescope.errors import UserError
from prunescope.models.channels import channels_of
from prunescope.models.registry import count_parameters, prunable
from prunescope.pruning.filters import filter_masks, filters_to_remove, scores_of_maps
from prunescope.pruning.gradients import accumulated_gradients
from prunescope.pruning.mask import full_masks, prune
from prunescope.pruning.schedules import Zeros, zeros_by_round
from prunescope.seeds import stream
from prunescope.training.batches import augmenting
from prunescope.training.gradual import PrunedGradually
from prunescope.training.loop import Stretch, Trainee, train
from prunescope.training.memory import backward
from prunescope.training.objectives import SelfTaught, Taught, dense_teacher

#: What is done to one network between the pieces of training that it yields.
Recipe: TypeAlias = Iterator[Stretch]


def train_dense(trainee: Trainee, after_epoch: Callable[[int], None] | None = None) -> None:
    """Follow ``unpruned`` with this network alone."""
    _alone(trainee, dense(trainee, after_epoch))


def prune_and_train(
    trainee: Trainee, pruner: Pruner, compression: Compression, start: Mapping[str, Tensor]
) -> None:
    """Follow ``pruned`` with this network alone."""
    _alone(trainee, pruned(trainee, pruner, compression, start))


def dense(trainee: Trainee, after_epoch: Callable[[int], None] | None = None) -> Recipe:
    """Train for the settings' epochs. What every pruner after initialization starts from."""
    yield Stretch("train", trainee.settings.epochs, after_epoch=after_epoch)


def pruned(
    trainee: Trainee,
    pruner: Pruner,
    compression: Compression,
    start: Mapping[str, Tensor],
    teacher: nn.Module | None = None,
) -> Recipe:
    """Prune to ``amount`` by the pruner's schedule, training as it asks for, for its objective.

    ``trainee`` is at initialization for a pruner at initialization, else trained unpruned (weights
    and optimizer); for a level of a ladder above the first, what the level below left, masks included.
    ``start`` is the state dict at initialization, which rewinding goes back to. ``teacher`` is the unpruned
    network to be distilled; None: the trainee as it is, or, where it is at initialization, one trained here.

    PIE paper, appendix A.3: train N epochs, then in each round prune and train again; fine-tuning
    goes on with weights and optimizer, rewinding sets all weights back and starts a fresh optimizer.

    Raises:
        UserError: the network is not of the level below.
    """
    before = list(trainee.hooks)
    if pruner.objective == "self-regularized":
        trainee.hooks.append(SelfTaught(trainee, pruner.objective_steps, at_start=pruner.is_gradual))
    elif pruner.objective == "distilled":
        if teacher is None and (pruner.needs_trained or trainee.skipping):
            teacher = copy.deepcopy(trainee.model)
        trainee.hooks.append(Taught(trainee, teacher or dense_teacher(trainee, train_dense)))
    yield from (
        _gradually(trainee, pruner, compression)
        if pruner.is_gradual
        else _in_rounds(trainee, pruner, compression, start)
    )
    trainee.hooks = before


def _gradually(trainee: Trainee, pruner: Pruner, compression: Compression) -> Recipe:
    settings = trainee.settings
    epochs, lr_factor = settings.epochs, 1.0
    if pruner.needs_trained:
        epochs, lr_factor = fine_tuning_epochs(settings), settings.finetune_lr_factor
    pruning = PrunedGradually(trainee, pruner, compression, epochs)
    # First of the hooks: what others look at after a step is pruned.
    trainee.hooks.insert(0, pruning)
    yield Stretch("gradual", epochs, lr_factor)
    trainee.set_masks(pruning.masks())


def _in_rounds(
    trainee: Trainee, pruner: Pruner, compression: Compression, start: Mapping[str, Tensor]
) -> Recipe:
    settings = trainee.settings
    rounds = _rounds(trainee, pruner, compression)
    first = 1
    if pruner.in_levels:
        check_level_below(trainee, pruner, compression)
        first = compression.units
    if pruner.schedule == "at-init":
        prune_now(trainee, pruner, rounds[0], 1)
        yield Stretch("train", settings.epochs)
        return
    for number, zeros in enumerate(rounds, start=first):
        prune_now(trainee, pruner, zeros, number)
        phase = f"{'level' if pruner.in_levels else 'round'}-{number}"
        if pruner.recovery == "rewind":
            rewind(trainee, start)
            yield Stretch(phase, rewinding_epochs(settings))
        else:
            yield Stretch(phase, fine_tuning_epochs(settings), settings.finetune_lr_factor)


def prune_now(trainee: Trainee, pruner: Pruner, zeros: Zeros, round_: int) -> None:
    """Score the weights as they are and prune the lowest, down to ``zeros`` in all.

    Filters: ``zeros`` of each layer, and with them all parameters that belong to their channels.

    Raises:
        ScoreError: the network has diverged.
    """
    if trainee.skipping:
        return
    if pruner.structure == "filters":
        scores = _filter_scores(trainee, pruner, round_)
        kept = prune(scores, full_masks(scores), zeros)
        parameters = dict(trainee.model.named_parameters())
        trainee.set_masks(filter_masks(parameters, channels_of(trainee.model), kept))
        return
    scores = _weight_scores(trainee, pruner, round_)
    masks = trainee.masks if trainee.masks is not None else full_masks(scores)
    trainee.set_masks(prune(scores, masks, dict(zeros) if not isinstance(zeros, int) else zeros))


def _rounds(trainee: Trainee, pruner: Pruner, compression: Compression) -> list[Zeros]:
    if pruner.structure == "filters":
        shapes = {name: parameter.shape for name, parameter in trainee.model.named_parameters()}
        return [filters_to_remove(shapes, channels_of(trainee.model), compression)]
    sizes = {name: weight.numel() for name, weight in prunable(trainee.model).items()}
    return zeros_by_round(pruner, compression, sizes, count_parameters(trainee.model))


def check_level_below(trainee: Trainee, pruner: Pruner, compression: Compression) -> None:
    """Refuse to climb to a level from anything but the one below it; level 1 starts from unpruned networks.

    Raises:
        UserError: the network has more or fewer pruned weights than the level below.
    """
    below = Compression.of_level(compression.units - 1)
    (expected,) = _rounds(trainee, pruner, below)
    wanted = expected if isinstance(expected, int) else sum(expected.values())
    found = sum(int((~mask).sum()) for mask in (trainee.masks or {}).values())
    if found != wanted:
        source = f"the networks of level {below.units}" if below.units else "unpruned networks"
        raise UserError(
            f"{compression.text}, seed {trainee.seed}: starts from {source}, with {wanted} pruned weights, but "
            f"was given one with {found}; give the file that {source} are in"
        )


def _weight_scores(trainee: Trainee, pruner: Pruner, round_: int) -> dict[str, Tensor]:
    current = {name: weight.detach() for name, weight in prunable(trainee.model).items()}
    decay = pruner.decay_for(trainee.settings.weight_decay)
    evidence = Evidence(
        gradients=_gradients(trainee, pruner, decay, round_) if pruner.needs_gradient else {},
        decay=decay,
        generator=torch.Generator().manual_seed(stream(trainee.seed, "prune", "scores", round_)),
    )
    scores: dict[str, Tensor] = pruner.declared(current, evidence)
    return scores


def _filter_scores(trainee: Trainee, pruner: Pruner, round_: int) -> dict[str, Tensor]:
    """What each filter is worth, by layer: by its feature maps, or the sum over its weights."""
    channels = channels_of(trainee.model)
    if pruner.declared.looks_at != "feature-maps":
        scores = _weight_scores(trainee, pruner, round_)
        return {one.layer: scores[f"{one.layer}.weight"].flatten(1).sum(dim=1) for one in channels}
    batches = _examples(trainee, pruner.map_batches, pruner.map_batch_size, round_)
    return scores_of_maps(trainee.model, channels, (inputs for _, (inputs, _) in batches), pruner.declared)


def rewind(trainee: Trainee, start: Mapping[str, Tensor]) -> None:
    """All weights back to ``start``, pruned ones to zero; a fresh optimizer."""
    if trainee.skipping:
        return
    trainee.model.load_state_dict(dict(start))
    if trainee.masks is not None:
        trainee.set_masks(trainee.masks)
    trainee.restart_optimizer()


def _alone(trainee: Trainee, recipe: Recipe) -> None:
    for stretch in recipe:
        train(
            trainee,
            stretch.phase,
            stretch.epochs,
            lr_factor=stretch.lr_factor,
            after_epoch=stretch.after_epoch,
        )


def _gradients(trainee: Trainee, pruner: Pruner, decay: float, round_: int) -> dict[str, Tensor]:
    size = pruner.gradient_batch_size or trainee.settings.batch_size

    def batch_loss(index: Tensor, inputs: Any, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss = trainee.loss(trainee.model(inputs), labels)
        return loss, loss

    return accumulated_gradients(
        trainee.model,
        prunable(trainee.model),
        lambda chosen: backward(trainee, *chosen, batch_loss),
        _examples(trainee, pruner.gradient_batches, size, round_),
        decay=decay if pruner.gradient == "total" else 0.0,
    )


def _examples(
    trainee: Trainee, batches: int, size: int, round_: int
) -> Iterator[tuple[Tensor, tuple[Any, Tensor]]]:
    """Different training examples to look at, drawn by the seed: their numbers, and batches of them."""
    split = trainee.data.splits["train"]
    generator = torch.Generator().manual_seed(stream(trainee.seed, "prune", "examples", round_))
    chosen = torch.randperm(len(split), generator=generator)[: size * batches]
    # ShrinkBench, which the recall paper uses, takes its batch from the training loader, which changes
    # pictures; so does CHIP's own code.
    draws = augmenting(trainee.seed, "prune", round_)
    return ((index, split.batch(index, draws)) for index in chosen.split(size))
