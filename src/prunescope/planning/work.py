"""What training one model of a cell takes: steps, examples, operations, and so time."""

from __future__ import annotations

from prunescope.config.architectures import (
    Arch,
    BiLSTM,
    CausalLM,
    Encoder,
    LeNet5,
    ResNet,
    Training,
    fine_tuning_epochs,
    rewinding_epochs,
)
from prunescope.config.datasets import Declared
from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.planning.rates import Rate, Rates, Work


def forward_flops(arch: Arch, facts: Declared, sizes: dict[str, int]) -> float:
    """Operations of one example's forward pass: two per weight and position it is used at."""
    if isinstance(arch, LeNet5 | ResNet) and facts.image is not None:
        return sum(2 * size * positions(arch, name, facts.image) for name, size in sizes.items())
    if isinstance(arch, BiLSTM):
        return sum(
            2 * size * (facts.tokens if name.startswith("lstm") else 1) for name, size in sizes.items()
        )
    if isinstance(arch, CausalLM):
        # The table of pieces is the output layer, used at every token.
        return 2.0 * (sum(sizes.values()) + arch.hidden * arch.vocabulary) * facts.tokens
    return 2.0 * sum(sizes.values()) * facts.tokens


def positions(arch: LeNet5 | ResNet, name: str, image: tuple[int, int, int]) -> int:
    """Places of a picture at which a network uses a kernel.

    Each stage of a residual network but the first halves both sides.
    """
    _, height, width = image
    if isinstance(arch, LeNet5):
        places = {"conv1.weight": height * width, "conv2.weight": (height // 2) * (width // 2)}
        return places.get(name, 1)
    stage = int(name[len("stage")]) if name.startswith("stage") else 1
    side = 2 ** (stage - 1)
    return -(-height // side) * -(-width // side)


def _epochs(training: Training, study: Study, cell: Cell) -> int:
    """Epochs that one model of the cell trains by itself, its unpruned start not counted."""
    if cell.dense:
        return training.epochs
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
    """Operations of a forward pass over a text of mean length; networks that read padding have no less."""
    dataset, arch = study.datasets[cell.dataset], study.archs[cell.arch]
    if not isinstance(arch, Encoder):
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
