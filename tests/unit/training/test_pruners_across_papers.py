"""Each paper's pruners on the other's networks: none of them knows what a network is fed with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from prunescope.config.architectures import ResNet, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS
from prunescope.models.registry import build, prunable
from prunescope.training.loop import Trainee, copied_state
from prunescope.training.recipes import prune_and_train, train_dense

SETTINGS = Training(
    optimizer="sgd", lr=0.02, epochs=1, batch_size=8, weight_decay=5e-4, finetune_epochs=1, clip_norm=1.0
)
MOST = Compression.of_sparsity(0.9)


def resnet(data: Trainee) -> Trainee:
    """ResNet-8 on the tiny pictures."""
    return Trainee(build(ResNet(family="resnet", depth=8), data.data.shape, 0), data.data, SETTINGS, 0)


@pytest.mark.parametrize(
    # Ladders climb by levels and filters go to ratios: test_blocks.py.
    "name",
    sorted(
        name for name, pruner in PRUNERS.items() if pruner.structure == "weights" and not pruner.in_levels
    ),
)
@pytest.mark.parametrize("network", ["bilstm", "encoder", "resnet"])
def test_every_pruner_prunes_every_network(
    make_trainee: Callable[..., Trainee], network: str, name: str
) -> None:
    trainee = (
        resnet(make_trainee("lenet5", SETTINGS)) if network == "resnet" else make_trainee(network, SETTINGS)
    )
    composition = PRUNERS[name]
    start = copied_state(trainee.model)
    if composition.needs_trained:
        train_dense(trainee)
    prune_and_train(trainee, composition, MOST, start)
    weights = prunable(trainee.model)
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
        for key, value in trainee.model.state_dict().items()
        if key not in weights and value.is_floating_point()
    )
    assert moved
    for key, value in trainee.model.state_dict().items():
        assert bool(torch.isfinite(value).all()), key


@pytest.mark.parametrize("name", ["MP", "GP", "UP", "RP"])
def test_pruners_of_the_recall_paper_on_several_labels(
    make_trainee: Callable[..., Trainee], name: str
) -> None:
    trainee = make_trainee("bilstm", SETTINGS, task="multi-label")
    start = copied_state(trainee.model)
    train_dense(trainee)
    prune_and_train(trainee, PRUNERS[name], Compression.of_ratio(2), start)
    total = sum(p.numel() for p in trainee.model.parameters())
    left = sum(int((p != 0).sum()) for p in prunable(trainee.model).values())
    left += total - sum(p.numel() for p in prunable(trainee.model).values())
    # A ratio counts every parameter, word vectors apart, which are data.
    assert left == pytest.approx(total / 2, abs=1)
