"""What training one model of a cell takes: steps, examples, operations, and so time."""

from __future__ import annotations

from prunescope.config.architectures import (
    Training,
    fine_tuning_epochs,
    rewinding_epochs,
)
from prunescope.config.grid import Cell
from prunescope.config.jobs import alone_because
from prunescope.config.study import Study
from prunescope.planning.rates import Rate, Rates, Work


def _epochs(training: Training, study: Study, cell: Cell) -> int:
    """Epochs that one model of the cell trains by itself, its dense start not counted."""
    if cell.dense:
        return training.epochs if study.archs[cell.arch].start is None else 0
    pruner = study.all_pruners[cell.pruner]
    if not pruner.needs_trained:
        return training.epochs
    again = fine_tuning_epochs(training) if pruner.fine_tunes else rewinding_epochs(training)
    return again * pruner.rounds


def work_of(study: Study, cell: Cell, forward: float) -> Work:
    """What one model of the cell does by itself; ``forward``: operations of an example's forward pass."""
    data, training = study.datasets[cell.dataset].declared(), study.training(cell.dataset, cell.arch)
    epochs = _epochs(training, study, cell)
    steps, taught = epochs * -(-data.train // training.batch_size), 0
    pruner = None if cell.dense else study.all_pruners[cell.pruner]
    if pruner is not None and pruner.objective != "task":
        # A teacher answers every example that is trained on, too.
        taught = data.train * epochs
        if pruner.objective == "self-regularized" and pruner.objective_steps is not None:
            taught += data.validation * (steps // pruner.objective_steps)
    return Work(
        steps=steps,
        trained=data.train * epochs,
        predicted=data.train + data.validation * (epochs + 1) + data.test + taught,
        forward_flops=forward,
        unpadded_flops=_unpadded(study, cell, forward),
        packed=training.padding == "none",
    )


def _unpadded(study: Study, cell: Cell, forward: float) -> float | None:
    """Operations of a forward pass over a text of mean length; models that read padding have no less."""
    dataset, arch = study.datasets[cell.dataset], study.archs[cell.arch]
    if not arch.packs:
        return forward
    facts = dataset.declared()
    return None if facts.mean_tokens is None else forward * facts.mean_tokens / facts.tokens


def rate_of(study: Study, cell: Cell, forward: float, rates: Rates, seeds: int = 1) -> Rate:
    """The rate at which models of a cell train, ``seeds`` a job: side by side where they can."""
    facts, spec = study.datasets[cell.dataset].declared(), study.archs[cell.arch]
    training = study.training(cell.dataset, cell.arch)
    composition = None if cell.dense else study.all_pruners[cell.pruner]
    alone = spec.lock_step == "alone" or alone_because(composition, training) is not None
    mean = facts.mean_tokens if training.padding == "none" else None
    return rates.rate(
        spec,
        training,
        tokens=facts.tokens,
        image=facts.image,
        block=1 if alone else min(seeds, spec.most_at_once),
        forward_flops=forward if mean is None else forward * mean / facts.tokens,
        mean_tokens=mean,
    )
