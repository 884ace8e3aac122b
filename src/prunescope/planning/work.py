"""What training one model of a cell takes: steps, examples, operations, and so time."""

from __future__ import annotations

from prunescope.config.architectures import (
    Training,
    fine_tuning_epochs,
    rewinding_epochs,
)
from prunescope.config.grid import Cell
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
    # A teacher answers every example that is trained on, too.
    taught = 0 if cell.dense or study.all_pruners[cell.pruner].objective == "task" else data.train * epochs
    return Work(
        steps=epochs * -(-data.train // training.batch_size),
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


def rate_of(study: Study, dataset: str, arch: str, forward: float, rates: Rates, block: int = 1) -> Rate:
    """The rate at which an arch trains on a data set, ``block`` seeds a job."""
    facts, spec = study.datasets[dataset].declared(), study.archs[arch]
    training = study.training(dataset, arch)
    mean = facts.mean_tokens if training.padding == "none" else None
    return rates.rate(
        spec,
        training,
        tokens=facts.tokens,
        image=facts.image,
        block=block,
        forward_flops=forward if mean is None else forward * mean / facts.tokens,
        mean_tokens=mean,
    )
