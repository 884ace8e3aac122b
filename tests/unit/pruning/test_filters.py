"""Whole filters: counts by hand and by trying everything, and masked models against smaller ones."""

from __future__ import annotations

import copy
from fractions import Fraction

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from prunescope.config.architectures import ResNet
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.criteria.independence import channel_independence
from prunescope.errors import UserError
from prunescope.models.channels import Channels, Slices, channels_of
from prunescope.models.lenet import LeNet5
from prunescope.models.registry import build, count_parameters, prunable
from prunescope.models.removal import filters_to_remove, parameters_left, removal
from prunescope.models.resnet import Block
from prunescope.models.shape import Shape
from prunescope.pruning.filters import channels_kept, filter_masks, scores_of_maps
from prunescope.pruning.mask import ScoreError, apply_masks

CHIP = PRUNERS["CHIP"]


def resnet(depth: int = 20, shortcut: str = "A", side: int = 32) -> nn.Module:
    return build(ResNet(family="resnet", depth=depth, shortcut=shortcut), Shape(10, (3, side, side)), 0)


def built(kind: str) -> nn.Module:
    torch.manual_seed(3)
    made = {
        "lenet5 8": lambda: LeNet5((1, 8, 8), 3),
        "lenet5 28": lambda: LeNet5((1, 28, 28), 10),
        "resnet8 A": lambda: resnet(8, "A", 16),
        "resnet14 B": lambda: resnet(14, "B", 8),
    }[kind]()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    return made.double()


KINDS = ["lenet5 8", "lenet5 28", "resnet8 A", "resnet14 B"]


def shapes_of(model: nn.Module) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in model.named_parameters()}


def some_channels(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """A random choice of channels that stay, by layer; at least one, not all."""
    generator = torch.Generator().manual_seed(seed)
    kept = {}
    for one in channels_of(model):
        left = int(torch.randint(1, one.size, (1,), generator=generator))
        kept[one.layer] = torch.zeros(one.size, dtype=torch.bool)
        kept[one.layer][torch.randperm(one.size, generator=generator)[:left]] = True
    return kept


def smaller(model: nn.Module, kept: dict[str, Tensor]) -> nn.Module:
    """The model with these channels taken out, written without the code under test."""
    small = copy.deepcopy(model)

    def take(layer: nn.Module, outputs: Tensor | None = None, inputs: Tensor | None = None) -> None:
        for name, parameter in list(layer.named_parameters(recurse=False)):
            value = parameter.detach()
            if outputs is not None:
                value = value[outputs]
            if inputs is not None and name == "weight":
                value = value[:, inputs]
            setattr(layer, name, nn.Parameter(value.clone()))

    if isinstance(small, LeNet5):
        area = small.fc1.in_features // 16
        stretches = torch.cat([torch.full((area,), bool(stays)) for stays in kept["conv2"]])
        take(small.conv1, kept["conv1"])
        take(small.conv2, kept["conv2"], kept["conv1"])
        take(small.fc1, kept["fc1"], stretches)
        take(small.fc2, kept["fc2"], kept["fc1"])
        take(small.fc3, None, kept["fc2"])
        return small
    for name, block in small.named_modules():
        if isinstance(block, Block):
            inner = kept[f"{name}.conv1"]
            take(block.conv1, inner)
            take(block.bn1, inner)
            block.bn1.running_mean = block.bn1.running_mean[inner].clone()
            block.bn1.running_var = block.bn1.running_var[inner].clone()
            take(block.conv2, None, inner)
    return small


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_masked_model_computes_what_the_smaller_one_does_before_in_and_after_training(kind, seed):
    model = built(kind)
    kept = some_channels(model, seed)
    small = smaller(model, kept)
    masks = filter_masks(dict(model.named_parameters()), channels_of(model), kept)
    apply_masks(dict(model.named_parameters()), masks)
    shape = {"lenet5 8": (1, 8, 8), "lenet5 28": (1, 28, 28), "resnet8 A": (3, 16, 16)}.get(kind, (3, 8, 8))
    pictures = torch.randn(6, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    close = {"rtol": 1e-9, "atol": 1e-10}

    model.eval(), small.eval()
    before = model(pictures)
    torch.testing.assert_close(before, small(pictures), **close)
    parameters = dict(model.named_parameters())
    optimizers = [
        torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2) for m in (model, small)
    ]
    model.train(), small.train()
    for _ in range(3):
        for one, optimizer in zip((model, small), optimizers, strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(one(pictures), labels).backward()
            if one is model:
                for name, mask in masks.items():
                    parameters[name].grad.masked_fill_(~mask, 0.0)
            optimizer.step()
        apply_masks(parameters, masks)
    model.eval(), small.eval()
    after = model(pictures)
    torch.testing.assert_close(after, small(pictures), **close)
    assert not torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_left_are_those_of_the_smaller_model(kind):
    model = built(kind)
    kept = some_channels(model)
    removed = {layer: int((~stays).sum()) for layer, stays in kept.items()}
    left = count_parameters(smaller(model, kept))
    assert parameters_left(shapes_of(model), channels_of(model), removed) == left
    masks = filter_masks(dict(model.named_parameters()), channels_of(model), kept)
    assert count_parameters(model) - sum(int((~mask).sum()) for mask in masks.values()) == left
    assert channels_kept(masks, channels_of(model)) == {layer: int(k.sum()) for layer, k in kept.items()}


def test_the_channels_of_a_residual_network_are_inside_of_its_blocks():
    channels = channels_of(resnet(20))
    assert [one.size for one in channels] == [16] * 3 + [32] * 3 + [64] * 3
    assert channels[3] == Channels(
        "stage2.0.conv1",
        32,
        "stage2.0.bn1",
        (
            Slices("stage2.0.conv1.weight", 0),
            Slices("stage2.0.bn1.weight", 0),
            Slices("stage2.0.bn1.bias", 0),
            Slices("stage2.0.conv2.weight", 1),
        ),
    )
    assert channels_of(nn.Linear(2, 2)) == ()


#: A model of two layers, 4 and 2 channels, between 1 input and 1 output: 4 + 4 * 2 + 2 parameters.
TOY = (
    Channels("a", 4, "a", (Slices("a.weight", 0), Slices("b.weight", 1))),
    Channels("b", 2, "b", (Slices("b.weight", 0), Slices("c.weight", 1))),
)
TOY_SHAPES = {"a.weight": torch.Size([4, 1]), "b.weight": torch.Size([2, 4]), "c.weight": torch.Size([1, 2])}


@pytest.mark.parametrize(
    ("ratio", "a", "b"),
    [
        # Fractions at which a channel goes: 1/8, 3/8, 5/8 of a's, 1/4 of b's. Left of 14: 11, 7, 5, 3.
        (1.01, 1, 0),  # 14/11 = 1.27 is the least that is not nothing
        (1.6, 1, 0),
        (1.7, 1, 1),  # 1.27 and 2: the middle is 1.636
        (2.3, 1, 1),
        (2.45, 2, 1),  # 2 and 2.8: the middle is 2.4
        (3.7, 2, 1),
        (3.8, 3, 1),  # 2.8 and 4.67: the middle is 3.73
        (4.66, 3, 1),
    ],
)
def test_counts_by_hand(ratio, a, b):
    assert filters_to_remove(TOY_SHAPES, TOY, Compression.of_ratio(ratio)) == {"a": a, "b": b}


@pytest.mark.parametrize(
    ("ratio", "a", "b"),
    [
        # a keeps half the share of b. Factors at which a channel goes: 1.75, 1.25, .75 of a's, .75 of b's, a first
        # where both are due. Left of 14: 11, 8, 5, 3.
        (1.3, 1, 0),
        (1.6, 2, 0),  # 1.27 and 1.75: the middle is 1.51
        (2.2, 2, 0),
        (2.3, 3, 0),  # 1.75 and 2.8: the middle is 2.275
        (4.6, 3, 1),
    ],
)
def test_counts_by_hand_where_layers_keep_different_shares(ratio, a, b):
    found = filters_to_remove(TOY_SHAPES, TOY, Compression.of_ratio(ratio), {"a": 0.5})
    assert found == {"a": a, "b": b}
    assert found == filters_to_remove(TOY_SHAPES, TOY, Compression.of_ratio(ratio), {"a": 0.25, "b": 0.5})


@pytest.mark.parametrize(("ratio", "left"), [(1.75, (9, 18, 36)), (3.33, (7, 12, 17)), (8.27, (3, 4, 7))])
def test_the_stages_of_chip_on_resnet_56(ratio, left):
    """.6 of all inner channels at 1.75; .5, .4 and .3 from 3.33 on, times a factor that meets the ratio."""
    with torch.device("meta"):
        model = resnet(56)
    compression = Compression.of_ratio(ratio)
    shapes, channels = shapes_of(model), channels_of(model)
    counts = filters_to_remove(shapes, channels, compression, CHIP.shares_at(ratio))
    stages = ("stage1.", "stage2.", "stage3.")
    kept = [{o.size - counts[o.layer] for o in channels if o.layer.startswith(stage)} for stage in stages]
    for found, expected in zip(kept, left, strict=True):
        assert found <= {expected, expected + 1}
    total = count_parameters(model)
    assert total / parameters_left(shapes, channels, counts) == pytest.approx(ratio, rel=0.012)
    assert total - removal(CHIP, compression, model).parameters == parameters_left(shapes, channels, counts)


def test_shares_are_of_the_longest_name_and_of_filters_alone():
    shares = {"stage1": 0.5, "stage1.0": 0.25}
    with torch.device("meta"):
        model = resnet(20)
    counts = filters_to_remove(shapes_of(model), channels_of(model), Compression.of_ratio(1.03), shares)
    assert counts["stage1.0.conv1"] > counts["stage1.1.conv1"] > counts["stage2.0.conv1"] == 0
    assert CHIP.shares_at(2.99) == {}
    with pytest.raises(ValidationError, match="layer_shares: of channels that filters make"):
        Pruner(criterion="magnitude", schedule="one-shot", layer_shares=CHIP.layer_shares)


def test_what_cannot_be_reached():
    with pytest.raises(UserError) as caught:
        filters_to_remove(TOY_SHAPES, TOY, Compression.of_ratio(4.67))
    assert str(caught.value) == (
        "ratio 4.67: with one filter left in each layer, 3 of 14 parameters stay; choose a ratio of at most 4.66"
    )
    with pytest.raises(ValueError, match="50% of 2 layers"):
        filters_to_remove(TOY_SHAPES, TOY, Compression.of_sparsity(0.5))


@pytest.mark.parametrize("depth", [8, 20, 56])
@pytest.mark.parametrize("ratio", [1.75, 3.33, 8.27, 19.11])
def test_ratios_of_the_paper_on_residual_networks(depth, ratio):
    with torch.device("meta"):
        model = resnet(depth)
    channels, shapes = channels_of(model), shapes_of(model)
    counts = filters_to_remove(shapes, channels, Compression.of_ratio(ratio))
    total = count_parameters(model)

    def reached(removed: dict[str, int]) -> Fraction:
        # Per block of inner width w between stages of i and o filters: 9 w (i + o) + 2 w, and what is outside.
        left = total
        for one in channels:
            block = model.get_submodule(one.layer.removesuffix(".conv1"))
            around = block.conv1.in_channels + block.conv2.out_channels
            left -= removed[one.layer] * (9 * around + 2)
        return Fraction(total, left)

    assert all(0 <= counts[one.layer] < one.size for one in channels)
    # One more or one less channel of any layer comes no closer, as far as the rule of one fraction allows it:
    # all layers of a size lose as many, but for one.
    for size in (16, 32, 64):
        of_size = [counts[one.layer] for one in channels if one.size == size]
        assert of_size == sorted(of_size, reverse=True)
        assert max(of_size) - min(of_size) <= 1
    shares = [counts[one.layer] / one.size for one in channels if counts[one.layer] < one.size - 1]
    assert max(shares) - min(shares) <= 1 / 16
    error = abs(reached(counts) - Fraction(round(ratio * 100), 100))
    assert float(error) / ratio < {8: 0.05, 20: 0.03, 56: 0.005}[depth]
    alike = CHIP.model_copy(update={"layer_shares": ()})
    taken = removal(alike, Compression.of_ratio(ratio), model)
    assert Fraction(total, total - taken.parameters) == reached(counts)
    size = sum(weight.numel() for weight in prunable(model).values())
    zeros = (
        total - Fraction(total) / reached(counts) - 2 * sum(counts.values())
    )  # but for the normalization's
    assert taken.share == zeros / size


def test_independence_is_the_mean_over_examples_of_maps_after_the_activation():
    model = built("resnet8 A").float().train()
    channels = channels_of(model)
    state = copy.deepcopy(model.state_dict())
    batches = [torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(n)) for n in (4, 3)]
    scores = scores_of_maps(model, channels, batches, channel_independence)
    assert model.training
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    model.eval()
    with torch.no_grad():
        pictures = torch.cat(batches)
        x = torch.relu(model.bn1(model.conv1(pictures)))
        block = model.stage1[0]
        maps = torch.relu(block.bn1(block.conv1(x))).flatten(2)
    expected = channel_independence(maps).mean(dim=0)
    torch.testing.assert_close(scores["stage1.0.conv1"], expected, rtol=1e-5, atol=1e-6)
    assert {layer: len(score) for layer, score in scores.items()} == {one.layer: one.size for one in channels}


def test_hidden_units_have_maps_of_one_number():
    model = built("lenet5 8").float().eval()
    pictures = torch.rand(5, 1, 8, 8)
    scores = scores_of_maps(model, channels_of(model), [pictures], channel_independence)
    with torch.no_grad():
        x = torch.max_pool2d(torch.relu(model.conv1(pictures)), 2)
        x = torch.max_pool2d(torch.relu(model.conv2(x)), 2)
        units = torch.relu(model.fc1(x.flatten(1))).double()
    whole = units.norm(dim=1)
    for unit in (0, 7, 119):
        without = (whole.square() - units[:, unit].square()).clamp_min(0).sqrt()
        assert float(scores["fc1"][unit]) == pytest.approx(
            float((whole - without).mean()), rel=1e-5, abs=1e-9
        )


def test_maps_that_are_not_finite_are_divergence():
    model = built("lenet5 8")
    model.conv2.bias.data[0] = torch.nan
    maps = [torch.rand(2, 1, 8, 8, dtype=torch.float64)]
    with pytest.raises(ScoreError, match="conv2: feature maps are not finite"):
        scores_of_maps(model, channels_of(model), maps, channel_independence)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"criterion": "channel-independence", "schedule": "one-shot"}, "structure"),
        ({"criterion": "magnitude", "structure": "filters", "schedule": "one-shot", "scope": "global"}, "scope"),
        ({"criterion": "magnitude", "structure": "filters", "schedule": "iterative", "rounds": 2}, "schedule"),
        ({"criterion": "magnitude", "schedule": "levels"}, "recovery"),
        ({"criterion": "random", "schedule": "levels", "recovery": "rewind"}, "recovery"),
        ({"criterion": "magnitude", "schedule": "levels", "recovery": "rewind", "rounds": 3}, "rounds"),
        ({"criterion": "magnitude", "schedule": "levels", "recovery": "rewind", "level_fraction": 1}, "level_fraction"),
    ],
)  # fmt: skip
def test_compositions_without_a_meaning_are_refused(fields, key):
    with pytest.raises(ValueError, match=key):
        Pruner(**fields)
