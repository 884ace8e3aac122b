"""What is prunable, by each paper's preset and by every kind: counts worked by hand, and exact zeros after training."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from tests.conftest import tiny_arch
from tests.support.recipes import prune_and_train
from torch import nn

from prunescope.config.architectures import PRESETS, Arch, BiLSTM, CausalLM, Encoder, LeNet5, Prunable, ResNet
from prunescope.config.architectures.training import Training
from prunescope.config.compression import Compression
from prunescope.config.jobs import ModelJob
from prunescope.config.load import study_from
from prunescope.config.pruners import PRUNERS
from prunescope.errors import UserError
from prunescope.models.registry import (
    build,
    count_parameters,
    matrices,
    never_pruned,
    prunable,
    tied,
)
from prunescope.models.removal import removal
from prunescope.models.shape import Shape
from prunescope.training.recipes import train_dense
from prunescope.training.results import record_of
from prunescope.training.state import TrainingState, copied_state

SMALL: dict[str, Any] = {"hidden": 8, "layers": 1, "heads": 2, "intermediate": 16, "vocabulary": 64}
EVERYTHING = Prunable(biases=True, normalization=True, embeddings=True, classifier=True)


def counted(arch: Arch, classes: int = 10) -> nn.Module:
    with torch.device("meta"):
        image = (1, 28, 28) if isinstance(arch, LeNet5) else (3, 32, 32)
        vectors = torch.empty(9, 300) if isinstance(arch, BiLSTM) else None
        return build(arch, Shape(classes, image=image, vectors=vectors, vocabulary=30522, length=16), 0)


def size(model: nn.Module) -> int:
    return sum(weight.numel() for weight in prunable(model).values())


def test_bert_base_by_each_paper() -> None:
    """12 layers of four square matrices and two of 768 x 3072, the pooler, and 2 gains of 768 a layer."""
    layers = 12 * (4 * 768**2 + 2 * 768 * 3072)
    found = {
        preset: prunable(counted(Encoder(family="encoder", prunable=preset), 2))
        for preset in ("pie", "pins", "matrices")
    }
    counts = {preset: (len(w), sum(p.numel() for p in w.values())) for preset, w in found.items()}
    assert counts == {
        "pie": (97, 85_542_912),
        "pins": (72, 84_934_656),
        "matrices": (73, 85_524_480),
    }
    assert layers == 84_934_656
    assert layers + 768**2 == 85_524_480
    assert layers + 768**2 + 12 * 2 * 768 == 85_542_912
    gains = [name for name in found["pie"] if name not in found["matrices"]]
    assert gains == [
        f"bert.encoder.layer.{n}.{part}.LayerNorm.weight"
        for n in range(12)
        for part in ("attention.output", "output")
    ]


def test_lenet5_of_the_recall_paper_keeps_384_at_ratio_50() -> None:
    """61,706 parameters, 850 of them the classifier's; 1,234 are left, and without biases 226 of these are biases."""
    left = {}
    for preset in ("recall", "matrices"):
        model = counted(LeNet5(family="lenet5", prunable=preset))
        assert count_parameters(model) == 61_706
        taken = removal(PRUNERS["MP"], Compression.of_ratio(50), model)
        assert 61_706 - taken.parameters == 1_234
        left[preset] = (size(model), size(model) - taken.parameters)
    assert left == {"recall": (61_706 - 850, 384), "matrices": (61_706 - 850 - 226, 158)}
    names = list(prunable(counted(LeNet5(family="lenet5", prunable="recall"))))
    assert names == [
        f"{layer}.{part}" for layer in ("conv1", "conv2", "fc1", "fc2") for part in ("weight", "bias")
    ]


@pytest.mark.parametrize("depth", [20, 56])
def test_resnets_have_no_bias_but_their_normalization_s(depth: int) -> None:
    recall, plain = (
        prunable(counted(ResNet(family="resnet", depth=depth, prunable=preset)))
        for preset in ("recall", "matrices")
    )
    assert list(recall) == list(plain)
    assert sum(w.numel() for w in recall.values()) == {20: 267_696, 56: 848_304}[depth]


def test_bilstm_has_no_normalization() -> None:
    pie, plain = (counted(BiLSTM(family="bilstm", prunable=preset), 2) for preset in ("pie", "matrices"))
    assert list(prunable(pie)) == list(prunable(plain))
    # Both directions: 400 x (300 + 100) in the first layer, 400 x (200 + 100) in the second; 200-256-128.
    assert size(pie) == 2 * 400 * (400 + 300) + 256 * 200 + 128 * 256 == 643_968
    # Two biases of 400 in each of four, and those of the head.
    assert (
        size(counted(BiLSTM(family="bilstm", prunable={"biases": True}), 2)) == 643_968 + 8 * 400 + 256 + 128
    )


GPT2 = CausalLM(family="causal-lm", hidden=8, layers=1, heads=2, vocabulary=30522, positions=16)
ARCHS: list[Arch] = [
    LeNet5(family="lenet5"),
    ResNet(family="resnet", depth=8, shortcut="B"),
    BiLSTM(family="bilstm", hidden=4, layers=2, head=(6,)),
    Encoder(family="encoder", **SMALL, positions=16),
    GPT2,
]


@pytest.mark.parametrize("arch", ARCHS, ids=lambda arch: arch.family)
def test_all_kinds_together_are_all_parameters(arch: Arch) -> None:
    model = counted(arch.model_copy(update={"prunable": EVERYTHING}))
    assert size(model) == count_parameters(model)
    assert list(matrices(model)) == list(prunable(counted(arch)))


def test_each_kind_by_name() -> None:
    def more(**kinds: bool) -> list[str]:
        setting = Prunable(**kinds)
        names = prunable(counted(Encoder(family="encoder", **SMALL, positions=16, prunable=setting)))
        plain = prunable(counted(Encoder(family="encoder", **SMALL, positions=16)))
        return [name.removeprefix("bert.") for name in names if name not in plain]

    layer = "encoder.layer.0"
    assert more(biases=True) == [
        *(f"{layer}.attention.self.{part}.bias" for part in ("query", "key", "value")),
        f"{layer}.attention.output.dense.bias",
        f"{layer}.intermediate.dense.bias",
        f"{layer}.output.dense.bias",
        "pooler.dense.bias",
    ]
    norms = [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    assert more(normalization=True) == [f"{norm}.weight" for norm in norms]
    tables = [f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")]
    assert more(embeddings=True) == tables
    assert more(embeddings=True, normalization=True) == [
        *tables, "embeddings.LayerNorm.weight", *(f"{norm}.weight" for norm in norms),
    ]  # fmt: skip
    assert more(classifier=True) == ["classifier.weight"]
    assert [name for name in more(normalization=True, biases=True) if "LayerNorm" in name] == [
        f"{norm}.{part}" for norm in norms for part in ("weight", "bias")
    ]
    assert more(classifier=True, biases=True, pooler=False) == [
        name for name in more(biases=True) if "pooler" not in name
    ] + ["classifier.weight", "classifier.bias"]


def test_a_table_that_is_the_output_layer_too_needs_both() -> None:
    def table(**kinds: bool) -> bool:
        found = prunable(counted(GPT2.model_copy(update={"prunable": Prunable(**kinds)})))
        return "lm.transformer.wte.weight" in found

    assert [table(embeddings=True), table(classifier=True)] == [False, False]
    assert table(embeddings=True, classifier=True)
    # GPT-2's last normalization stands beside its tables and its layers: it is no part of the embeddings.
    gains = prunable(counted(GPT2.model_copy(update={"prunable": PRESETS["pie"]})))
    assert "lm.transformer.ln_f.weight" in gains


SETTINGS = Training(
    optimizer="sgd", lr=0.02, momentum=0.9, epochs=1, batch_size=8, weight_decay=5e-4, finetune_epochs=2
)


def state_of(make_state: Callable[..., TrainingState], family: str, setting: Prunable) -> TrainingState:
    """A tiny model; ResNet-8 on the tiny images."""
    made = make_state("lenet5" if family == "resnet" else family, SETTINGS)
    arch: Arch = ResNet(family="resnet", depth=8) if family == "resnet" else tiny_arch(family)
    arch = arch.model_copy(update={"prunable": setting})
    return TrainingState(build(arch, made.data.shape, 0), made.data, SETTINGS, 0)


@pytest.mark.parametrize(
    "name", sorted(n for n, p in PRUNERS.items() if p.structure == "weights" and not p.in_levels)
)
@pytest.mark.parametrize("family", ["lenet5", "resnet", "encoder"])
def test_gains_biases_and_all_else_stay_exactly_zero(
    make_state: Callable[..., TrainingState], family: str, name: str
) -> None:
    """By every criterion and schedule; ranked over the whole set where the scope is global."""
    state, pruner = state_of(make_state, family, EVERYTHING), PRUNERS[name]
    start = copied_state(state.model)
    if pruner.needs_trained:
        train_dense(state)
    prune_and_train(state, pruner, Compression.of_sparsity(0.7), start)
    weights = prunable(state.model)
    assert len(weights) == len(list(state.model.parameters()))
    assert state.masks is not None
    assert list(state.masks) == list(weights)
    gone = {layer: int((~mask).sum()) for layer, mask in state.masks.items()}
    for layer, mask in state.masks.items():
        assert not weights[layer].detach()[~mask].any()
    if pruner.scope == "global":
        assert sum(gone.values()) == round(Fraction(7, 10) * size(state.model))
    else:
        assert gone == {n: round(Fraction(7, 10) * w.numel()) for n, w in weights.items()}
    assert any(count for layer, count in gone.items() if weights[layer].dim() == 1)


def test_records_and_ratios_count_the_set(make_state: Callable[..., TrainingState]) -> None:
    state = state_of(make_state, "lenet5", PRESETS["recall"])
    start = copied_state(state.model)
    train_dense(state)
    job = ModelJob(
        dataset="d", arch="lenet5", pruner="MP", amount="ratio-5000percent", seeds=(0,),
        architecture=LeNet5(family="lenet5", prunable="recall"), training=SETTINGS, composition=PRUNERS["MP"],
    )  # fmt: skip
    prune_and_train(state, PRUNERS["MP"], job.target, start)
    record = record_of(job, state, {})
    total = count_parameters(state.model)
    biases = 6 + 16 + 120 + 84
    assert record["prunable"] == total - 85 * state.data.shape.classes
    assert record["prunable"] == sum(w.numel() for w in matrices(state.model).values()) + biases
    assert sum(layer["zeros"] for layer in record["layers"].values()) == round(Fraction(49, 50) * total)
    assert record["ratio"] == pytest.approx(50, rel=1e-3)
    assert record["layers"]["conv1.bias"]["size"] == 6
    assert record["sparsity"] == pytest.approx(record["sparsity_asked"], abs=1e-4)


def test_filters_take_their_biases_into_the_count() -> None:
    plain, recall = (
        removal(PRUNERS["CHIP"], Compression.of_ratio(4), counted(LeNet5(family="lenet5", prunable=preset)))
        for preset in ("matrices", "recall")
    )
    assert plain.parameters == recall.parameters
    assert plain.share != recall.share


def with_lenet5(study: dict[str, Any], **settings: Any) -> dict[str, Any]:
    archs = study["archs"]
    return {**study, "archs": {**archs, "lenet5": {**archs["lenet5"], **settings}}}


def test_presets_and_mappings_are_the_same_setting(study_dict: dict[str, Any]) -> None:
    by_name = study_from(with_lenet5(study_dict, prunable="recall")).archs["lenet5"]
    by_kind = study_from(with_lenet5(study_dict, prunable={"biases": True})).archs["lenet5"]
    assert by_name == by_kind
    assert by_name.prunable.biases
    text = by_name.model_dump(mode="json")
    assert LeNet5.model_validate(text) == by_name
    # At its default it is left out, as from jobs of before.
    assert "prunable" not in LeNet5(family="lenet5").model_dump()
    assert LeNet5(family="lenet5", prunable="matrices") == LeNet5(family="lenet5")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (
            "pies",
            "archs.lenet5.prunable: unknown preset 'pies'; there are matrices, pie, recall, pins; or give",
        ),
        (
            {"bias": True},
            "archs.lenet5.prunable.bias: unknown key (did you mean 'biases'?); allowed here: biases, "
            "normalization, embeddings",
        ),
        ({"biases": 3}, "archs.lenet5.prunable.biases: must be true or false"),
        (True, "archs.lenet5.prunable: must not be true or false"),
    ],
)
def test_what_is_no_setting_is_named(study_dict: dict[str, Any], value: Any, line: str) -> None:
    with pytest.raises(UserError) as refused:
        study_from(with_lenet5(study_dict, prunable=value), "s.yaml")
    assert str(refused.value).startswith(f"s.yaml: {line}"), refused.value


def test_the_old_name_of_the_pooler_is_read_and_its_new_one_said(
    study_dict: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    old = {"family": "encoder", "prune_pooler": False}
    raw = {**study_dict, "archs": {**study_dict["archs"], "bert": old}}
    arch = study_from(raw, "old.yaml").archs["bert"]
    assert arch.prunable == PRESETS["pins"]
    assert capsys.readouterr().err.splitlines() == [
        "old.yaml: archs.bert.prune_pooler: is now called `prunable: {pooler: false}`; the old name is still read"
    ]
    # The text of jobs, which are rerun when it changes.
    text = arch.model_dump(mode="json")
    assert (text["prune_pooler"], "prunable" in text) == (False, False)
    assert Encoder.model_validate(text) == arch == Encoder(family="encoder", prunable="pins")
    assert "prune_pooler" not in Encoder(family="encoder", prune_pooler=True).model_dump()  # type: ignore[call-arg]
    with pytest.raises(UserError, match="give `prunable` alone"):
        study_from({**raw, "archs": {**raw["archs"], "bert": {**old, "prunable": "pie"}}})


def test_what_is_never_pruned_has_its_kinds_and_tied_weights_are_one_tensor():
    arch = CausalLM(family="causal-lm", hidden=8, layers=1, heads=2, vocabulary=300, positions=16)
    model = build(arch, Shape(classes=1, vocabulary=300), 0)
    assert tied(model) == [["lm.transformer.wte.weight", "lm.lm_head.weight"]]
    apart = never_pruned(model)
    assert apart["lm.transformer.wte.weight"] == "classifier, embeddings"
    assert apart["lm.transformer.h.0.ln_1.bias"] == "biases, normalization"
    assert set(apart) | set(prunable(model)) == {name for name, _ in model.named_parameters()}
