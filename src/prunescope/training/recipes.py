"""The two recipes for a model: train it dense, or prune it and train it again.

A recipe scores, prunes and rewinds one model, and yields each phase of training that it needs. Who follows the recipe
runs the phase: for this model alone, or for several in lock step (``lockstep``).
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
from prunescope.models.removal import filters_to_remove
from prunescope.pruning.filters import filter_masks, scores_of_maps
from prunescope.pruning.gradients import accumulated_gradients
from prunescope.pruning.mask import full_masks, prune
from prunescope.pruning.schedules import Zeros, zeros_by_round
from prunescope.seeds import stream
from prunescope.training.batches import augmenting
from prunescope.training.gradual import PrunedGradually
from prunescope.training.loop import train
from prunescope.training.memory import backward
from prunescope.training.objectives import SelfTaught, Taught, dense_teacher
from prunescope.training.state import Phase, TrainingState

#: Works on one model between the phases that it yields.
Recipe: TypeAlias = Iterator[Phase]


def train_dense(state: TrainingState, after_epoch: Callable[[int], None] | None = None) -> None:
    """Follow ``dense`` with this model alone."""
    for phase in dense(state, after_epoch):
        train(state, phase)


def dense(state: TrainingState, after_epoch: Callable[[int], None] | None = None) -> Recipe:
    """Train for the settings' epochs: the start of every pruner that needs a trained model."""
    yield Phase("train", state.settings.epochs, after_epoch=after_epoch)


def pruned(
    state: TrainingState,
    pruner: Pruner,
    compression: Compression,
    start: Mapping[str, Tensor],
    teacher: nn.Module | None = None,
) -> Recipe:
    """Prune to ``compression`` by the pruner's schedule, train for its objective.

    PIE paper, appendix A.3: train N epochs, then in each round prune and train again; fine-tuning continues with
    weights and optimizer, rewinding resets all weights to initialization and starts a fresh optimizer.

    Args:
        state: at initialization for a pruner at initialization, else a trained dense model (weights and optimizer);
            for a level above the first of iterative magnitude pruning, the model of the level below with its masks.
        start: the state dict at initialization, which rewinding goes back to.
        teacher: the dense model that teaches; None: the model as given or, at initialization, one trained here.

    Raises:
        UserError: the model is not of the level below.
    """
    before = list(state.hooks)
    if pruner.has_dense_teacher and teacher is None:
        as_given = pruner.needs_trained or state.skipping
        teacher = copy.deepcopy(state.model) if as_given else dense_teacher(state, train_dense)
    own = None
    if pruner.objective == "self-regularized":
        own = SelfTaught(
            state,
            pruner.objective_steps,
            at_start=pruner.is_gradual,
            teaching=pruner.teaching,
            first=teacher,
        )
        state.hooks.append(own)
    elif pruner.objective == "distilled":
        assert teacher is not None
        state.hooks.append(Taught(state, teacher))
    yield from (
        _gradually(state, pruner, compression)
        if pruner.is_gradual
        else _in_rounds(state, pruner, compression, start)
    )
    if own is not None:
        own.keep()
    state.hooks = before


def _gradually(state: TrainingState, pruner: Pruner, compression: Compression) -> Recipe:
    settings = state.settings
    epochs, lr_factor = settings.epochs, 1.0
    if pruner.needs_trained:
        epochs, lr_factor = fine_tuning_epochs(settings), settings.finetune_lr_factor
    pruning = PrunedGradually(state, pruner, compression, epochs)
    # First of the hooks: after a step, the others see the pruned model.
    state.hooks.insert(0, pruning)
    yield Phase("gradual", epochs, lr_factor)
    state.set_masks(pruning.masks())


def _in_rounds(
    state: TrainingState, pruner: Pruner, compression: Compression, start: Mapping[str, Tensor]
) -> Recipe:
    settings = state.settings
    rounds = _rounds(state, pruner, compression)
    first = 1
    if pruner.in_levels:
        check_level_below(state, pruner, compression)
        first = compression.units
    if pruner.schedule == "at-init":
        prune_now(state, pruner, rounds[0], 1)
        yield Phase("train", settings.epochs)
        return
    for number, zeros in enumerate(rounds, start=first):
        prune_now(state, pruner, zeros, number)
        phase = f"{'level' if pruner.in_levels else 'round'}-{number}"
        if pruner.recovery == "rewind":
            rewind(state, start)
            yield Phase(phase, rewinding_epochs(settings))
        else:
            yield Phase(phase, fine_tuning_epochs(settings), settings.finetune_lr_factor)


def prune_now(state: TrainingState, pruner: Pruner, zeros: Zeros, round_: int) -> None:
    """Score the weights as they are and prune the lowest, down to ``zeros`` in all.

    Filters: ``zeros`` of each layer, and with them all parameters that belong to their channels.

    Raises:
        ScoreError: the model has diverged.
    """
    if state.skipping:
        return
    if pruner.structure == "filters":
        scores = _filter_scores(state, pruner, round_)
        kept = prune(scores, full_masks(scores), zeros)
        parameters = dict(state.model.named_parameters())
        state.set_masks(filter_masks(parameters, channels_of(state.model), kept))
        return
    scores = _weight_scores(state, pruner, round_)
    masks = state.masks if state.masks is not None else full_masks(scores)
    state.set_masks(prune(scores, masks, dict(zeros) if not isinstance(zeros, int) else zeros))


def _rounds(state: TrainingState, pruner: Pruner, compression: Compression) -> list[Zeros]:
    if pruner.structure == "filters":
        shapes = {name: parameter.shape for name, parameter in state.model.named_parameters()}
        shares = pruner.shares_at(compression.value)
        return [filters_to_remove(shapes, channels_of(state.model), compression, shares)]
    sizes = {name: weight.numel() for name, weight in prunable(state.model).items()}
    return zeros_by_round(pruner, compression, sizes, count_parameters(state.model))


def check_level_below(state: TrainingState, pruner: Pruner, compression: Compression) -> None:
    """Check that a level starts from the one below it; level 1 starts from dense models.

    Raises:
        UserError: the model has more or fewer pruned weights than the level below.
    """
    below = Compression.of_level(compression.units - 1)
    (expected,) = _rounds(state, pruner, below)
    wanted = expected if isinstance(expected, int) else sum(expected.values())
    found = sum(int((~mask).sum()) for mask in (state.masks or {}).values())
    if found != wanted:
        source = f"the models of level {below.units}" if below.units else "dense models"
        raise UserError(
            f"{compression.text}, seed {state.seed}: starts from {source}, with {wanted} pruned weights, but the "
            f"given model has {found}; give the file of {source}"
        )


def _weight_scores(state: TrainingState, pruner: Pruner, round_: int) -> dict[str, Tensor]:
    current = {name: weight.detach() for name, weight in prunable(state.model).items()}
    decay = pruner.decay_for(state.settings.weight_decay)
    evidence = Evidence(
        gradients=_gradients(state, pruner, decay, round_) if pruner.needs_gradient else {},
        decay=decay,
        generator=torch.Generator().manual_seed(stream(state.seed, "prune", "scores", round_)),
    )
    scores: dict[str, Tensor] = pruner.declared(current, evidence)
    return scores


def _filter_scores(state: TrainingState, pruner: Pruner, round_: int) -> dict[str, Tensor]:
    """The score of each filter, by layer: of its feature maps, or the sum over its weights."""
    channels = channels_of(state.model)
    if pruner.declared.looks_at != "feature-maps":
        scores = _weight_scores(state, pruner, round_)
        return {one.layer: scores[f"{one.layer}.weight"].flatten(1).sum(dim=1) for one in channels}
    batches = _examples(state, pruner.map_batches, pruner.map_batch_size, round_)
    return scores_of_maps(state.model, channels, (inputs for _, (inputs, _) in batches), pruner.declared)


def rewind(state: TrainingState, start: Mapping[str, Tensor]) -> None:
    """All weights back to ``start``, pruned ones to zero; a fresh optimizer."""
    if state.skipping:
        return
    state.model.load_state_dict(dict(start))
    if state.masks is not None:
        state.set_masks(state.masks)
    state.restart_optimizer()


def _gradients(state: TrainingState, pruner: Pruner, decay: float, round_: int) -> dict[str, Tensor]:
    size = pruner.gradient_batch_size or state.settings.batch_size

    def batch_loss(index: Tensor, inputs: Any, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss = state.loss(state.model(inputs), labels)
        return loss, loss

    labels = state.data.splits["train"].labels
    with torch.random.fork_rng(devices=[labels.device] if labels.is_cuda else []):
        torch.manual_seed(stream(state.seed, "prune", "dropout", round_))
        return accumulated_gradients(
            state.model,
            prunable(state.model),
            lambda chosen: backward(state, *chosen, batch_loss),
            _examples(state, pruner.gradient_batches, size, round_),
            decay=decay if pruner.gradient == "total" else 0.0,
            training=pruner.gradient_mode == "train",
        )


def _examples(
    state: TrainingState, batches: int, size: int, round_: int
) -> Iterator[tuple[Tensor, tuple[Any, Tensor]]]:
    """Batches of different training examples, drawn by the seed, and their numbers."""
    split = state.data.splits["train"]
    generator = torch.Generator().manual_seed(stream(state.seed, "prune", "examples", round_))
    chosen = torch.randperm(len(split), generator=generator)[: size * batches]
    # ShrinkBench, which the recall paper uses, takes its batch from the training loader, which augments images; so
    # does CHIP's own code.
    draws = augmenting(state.seed, "prune", round_)
    return ((index, split.batch(index, draws)) for index in chosen.split(size))
