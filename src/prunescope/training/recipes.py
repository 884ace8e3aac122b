"""The two ways a network comes to be: trained unpruned, or pruned and trained again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from prunescope.archs import fine_tuning_epochs
from prunescope.config import Amount
from prunescope.models.registry import count_parameters, prunable
from prunescope.pruners import Pruner
from prunescope.pruning.criteria import CRITERIA, Evidence
from prunescope.pruning.gradients import accumulated_gradients
from prunescope.pruning.mask import full_masks, prune
from prunescope.pruning.schedules import Zeros, zeros_by_round
from prunescope.seeds import stream
from prunescope.training.batches import augmenting
from prunescope.training.loop import Trainee, train


def train_unpruned(trainee: Trainee, after_epoch: Callable[[int], None] | None = None) -> None:
    """Train for the settings' epochs. What every pruner after initialization starts from."""
    train(trainee, "train", trainee.settings.epochs, after_epoch=after_epoch)


def prune_and_train(trainee: Trainee, pruner: Pruner, amount: Amount, start: Mapping[str, Tensor]) -> None:
    """Prune to ``amount`` by the pruner's schedule, training as it asks for.

    ``trainee`` is at initialization for a pruner at initialization, else trained unpruned (weights
    and optimizer). ``start`` is the state dict at initialization, which rewinding goes back to.

    PIE paper, appendix A.3: train N epochs, then in each round prune and train again; fine-tuning
    goes on with weights and optimizer, rewinding sets all weights back and starts a fresh optimizer.
    """
    settings = trainee.settings
    weights = prunable(trainee.model)
    sizes = {name: weight.numel() for name, weight in weights.items()}
    rounds = zeros_by_round(pruner, amount, sizes, count_parameters(trainee.model))
    if pruner.schedule == "at-init":
        prune_now(trainee, pruner, rounds[0], 1)
        train(trainee, "train", settings.epochs)
        return
    for number, zeros in enumerate(rounds, start=1):
        prune_now(trainee, pruner, zeros, number)
        phase = f"round-{number}"
        if pruner.recovery == "rewind":
            rewind(trainee, start)
            train(trainee, phase, settings.epochs)
        else:
            train(trainee, phase, fine_tuning_epochs(settings), lr_factor=settings.finetune_lr_factor)


def prune_now(trainee: Trainee, pruner: Pruner, zeros: Zeros, round_: int) -> None:
    """Score the weights as they are and prune the lowest, down to ``zeros`` in all.

    Raises:
        ScoreError: the network has diverged.
    """
    weights = prunable(trainee.model)
    current = {name: weight.detach() for name, weight in weights.items()}
    masks = trainee.masks if trainee.masks is not None else full_masks(current)
    decay = pruner.decay_for(trainee.settings.weight_decay)
    evidence = Evidence(
        gradients=_gradients(trainee, pruner, decay, round_) if pruner.needs_gradient else {},
        decay=decay,
        generator=torch.Generator().manual_seed(stream(trainee.seed, "prune", "scores", round_)),
    )
    scores = CRITERIA[pruner.criterion](current, evidence)
    trainee.set_masks(prune(scores, masks, dict(zeros) if not isinstance(zeros, int) else zeros))


def rewind(trainee: Trainee, start: Mapping[str, Tensor]) -> None:
    """All weights back to ``start``, pruned ones to zero; a fresh optimizer."""
    trainee.model.load_state_dict(dict(start))
    if trainee.masks is not None:
        trainee.set_masks(trainee.masks)
    trainee.restart_optimizer()


def _gradients(trainee: Trainee, pruner: Pruner, decay: float, round_: int) -> dict[str, Tensor]:
    split = trainee.data.splits["train"]
    size = pruner.gradient_batch_size or trainee.settings.batch_size
    generator = torch.Generator().manual_seed(stream(trainee.seed, "prune", "examples", round_))
    chosen = torch.randperm(len(split), generator=generator)[: size * pruner.gradient_batches]
    # The recall paper's implementation, ShrinkBench, takes its batch from the training loader, which
    # changes pictures.
    draws = augmenting(trainee.seed, "prune", round_)
    return accumulated_gradients(
        trainee.model,
        prunable(trainee.model),
        trainee.loss,
        (split.batch(index, draws) for index in chosen.split(size)),
        decay=decay if pruner.gradient == "total" else 0.0,
    )
