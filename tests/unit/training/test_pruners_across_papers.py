"""Each paper's pruners on the other's architectures: none of them knows what a model is fed with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.support.recipes import prune_and_train

from prunescope.config.architectures import ResNet, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.models.registry import build, prunable
from prunescope.training.recipes import train_dense
from prunescope.training.state import TrainingState, copied_state

SETTINGS = Training(
    optimizer="sgd", lr=0.02, epochs=1, batch_size=8, weight_decay=5e-4, finetune_epochs=1, clip_norm=1.0
)
MOST = Compression.of_sparsity(0.9)


def resnet(data: TrainingState) -> TrainingState:
    """ResNet-8 on the tiny images."""
    return TrainingState(build(ResNet(family="resnet", depth=8), data.data.shape, 0), data.data, SETTINGS, 0)


@pytest.mark.parametrize(
    # Levels and ratios of filters: test_job.py.
    "name",
    sorted(
        name for name, pruner in PRUNERS.items() if pruner.structure == "weights" and not pruner.in_levels
    ),
)
@pytest.mark.parametrize("family", ["bilstm", "encoder", "resnet"])
def test_every_pruner_prunes_every_architecture(
    make_state: Callable[..., TrainingState], family: str, name: str
) -> None:
    state = resnet(make_state("lenet5", SETTINGS)) if family == "resnet" else make_state(family, SETTINGS)
    composition = PRUNERS[name]
    start = copied_state(state.model)
    if composition.needs_trained:
        train_dense(state)
    prune_and_train(state, composition, MOST, start)
    weights = prunable(state.model)
    sizes = {layer: weight.numel() for layer, weight in weights.items()}
    zeros = {layer: int((weight == 0).sum()) for layer, weight in weights.items()}
    if composition.scope == "global":
        assert sum(zeros.values()) == round(0.9 * sum(sizes.values()))
        # Scores of magnitude and gradients differ by layer; random ones are drawn for each layer alone.
        assert zeros != {layer: round(0.9 * size) for layer, size in sizes.items()}
    else:
        assert zeros == {layer: round(0.9 * size) for layer, size in sizes.items()}
    moved = any(
        not torch.equal(value, start[key])
        for key, value in state.model.state_dict().items()
        if key not in weights and value.is_floating_point()
    )
    assert moved
    for key, value in state.model.state_dict().items():
        assert bool(torch.isfinite(value).all()), key


@pytest.mark.parametrize("name", ["MP", "GP", "UP", "RP"])
def test_pruners_of_the_recall_paper_on_several_labels(
    make_state: Callable[..., TrainingState], name: str
) -> None:
    state = make_state("bilstm", SETTINGS, task="multi-label")
    start = copied_state(state.model)
    train_dense(state)
    prune_and_train(state, PRUNERS[name], Compression.of_ratio(2), start)
    total = sum(p.numel() for p in state.model.parameters())
    left = sum(int((p != 0).sum()) for p in prunable(state.model).values())
    left += total - sum(p.numel() for p in prunable(state.model).values())
    # A ratio counts every parameter, word vectors apart, which are data.
    assert left == pytest.approx(total / 2, abs=1)
