"""Sizes from settings alone, against the models themselves; and what jobs ask for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from prunescope.config.architectures import Arch, BiLSTM, CausalLM, Encoder, LeNet5, ResNet, Training
from prunescope.config.datasets import Declared
from prunescope.config.load import study_from
from prunescope.models.registry import build, count_parameters, matrices
from prunescope.models.shape import Shape
from prunescope.paths import Layout
from prunescope.planning.blocks import blocks
from prunescope.planning.plan import make_plan
from prunescope.planning.resources import block_size, model_seconds, resources_of
from prunescope.planning.sizes import gpu_mb, host_mb
from prunescope.planning.text import plan_text

PICTURES = Declared(classes=10, train=50_000, validation=0, test=10_000, image=(3, 32, 32))
SMALL = Declared(classes=10, train=1000, validation=100, test=100, image=(1, 8, 8))
TEXTS = Declared(classes=4, train=20_000, validation=5_000, test=25_000, tokens=512)

CASES: list[tuple[Arch, Declared, bool]] = [
    (LeNet5(family="lenet5"), PICTURES, False),
    (LeNet5(family="lenet5"), SMALL, False),
    (ResNet(family="resnet", depth=20), PICTURES, False),
    (ResNet(family="resnet", depth=56, shortcut="B"), PICTURES, False),
    (BiLSTM(family="bilstm"), TEXTS, False),
    (BiLSTM(family="bilstm", layers=3, hidden=7, head=(9, 8, 5), vectors=11), TEXTS, False),
    (Encoder(family="encoder"), TEXTS, False),
    (Encoder(family="encoder", hidden=64, heads=4, intermediate=100, layers=3), TEXTS, True),
    (Encoder(family="encoder", layers=3, prunable="pins"), TEXTS, False),
    (Encoder(family="encoder", layers=3, prunable="pie"), TEXTS, True),
    (CausalLM(family="causal-lm", layers=3), TEXTS, False),
]


@pytest.mark.parametrize(("arch", "facts", "every"), CASES)
def test_weights_are_counted_as_the_model_has_them(arch, facts, every):
    with torch.device("meta"):
        shape = Shape(
            classes=facts.classes,
            image=facts.image,
            vectors=torch.empty(2, arch.vectors) if isinstance(arch, BiLSTM) else None,
            vocabulary=getattr(arch, "vocabulary", 0),
            per_token=every,
        )
        model = build(arch, shape, 0)
    weights = matrices(model)
    sizes = arch.sizes(facts, per_token=every)
    assert sorted(sizes.values()) == sorted(weight.numel() for weight in weights.values())
    assert sum(sizes.values()) == sum(weight.numel() for weight in weights.values())
    assert arch.parameters(facts, per_token=every) == count_parameters(model)
    if isinstance(arch, LeNet5 | ResNet | BiLSTM):
        # By these names, operations are counted.
        assert sizes == {name: weight.numel() for name, weight in weights.items()}


@pytest.mark.parametrize(
    ("arch", "facts"),
    [
        (
            Encoder(
                family="encoder", hidden=64, heads=4, intermediate=256, layers=2, positions=64, vocabulary=100,
                dropout=0,
            ),
            Declared(classes=4, train=8, validation=0, test=8, tokens=32),
        ),
        (BiLSTM(family="bilstm", vectors=100, hidden=50), Declared(4, 8, 0, 8, tokens=64)),
        (ResNet(family="resnet", depth=20), PICTURES),
        (LeNet5(family="lenet5"), PICTURES),
    ],
)  # fmt: skip
def test_activations_are_at_least_what_a_forward_pass_leaves(arch, facts, monkeypatch):
    """What autograd keeps for the backward pass, counted tensor by tensor, with torch's own functions as on a GPU."""
    monkeypatch.setattr("prunescope.models.compiled._compiles", lambda *_: False)
    vectors = torch.randn(100, 100) if isinstance(arch, BiLSTM) else None
    shape = Shape(classes=4, image=facts.image, vectors=vectors, vocabulary=100, length=facts.tokens)
    model = build(arch, shape, 0).train()
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    batch = torch.randn(8, *facts.image) if facts.image else torch.randint(4, 100, (8, facts.tokens))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch).sum().backward()
    found = sum(size for place, size in kept.items() if place not in own)
    assert found <= 8 * arch.activation_bytes(facts) <= 2 * found


def test_memory_grows_with_what_takes_it():
    bert, plain = Encoder(family="encoder"), Training(optimizer="adamw", batch_size=32)
    whole = gpu_mb(bert, plain, TEXTS)
    assert 16 * bert.parameters(TEXTS) / 2**20 < whole < 60_000
    assert gpu_mb(bert, plain.model_copy(update={"batch_size": 64}), TEXTS) > whole
    assert gpu_mb(bert, plain.model_copy(update={"keep": "best-validation"}), TEXTS) > whole
    assert gpu_mb(bert, plain.model_copy(update={"precision": "bf16"}), TEXTS) < whole
    lenet = LeNet5(family="lenet5")
    assert gpu_mb(lenet, plain, PICTURES, replicas=32) > gpu_mb(lenet, plain, PICTURES) > 900
    assert host_mb(bert, plain, TEXTS, seeds=5, dense=True) > host_mb(
        bert, plain, TEXTS, seeds=5, dense=False
    )


def test_a_job_asks_for_more_in_every_try(study_dict):
    study = study_from(study_dict)
    cell = next(cell for cell in study.cells if cell.arch == "lenet5" and not cell.dense)
    first, second = (resources_of(study, cell, 2, attempt) for attempt in (1, 2))
    assert (second.runtime, second.mem_mb) == (2 * first.runtime, 2 * first.mem_mb)
    assert second.gpu_mem_mb == first.gpu_mem_mb
    assert first.runtime >= 15
    assert first.mem_mb > 2000


def test_jobs_take_as_many_seeds_as_the_minutes_hold(study_dict):
    study_dict["archs"]["bilstm"] |= {"training": {"epochs": 200_000}}
    plain = study_from(study_dict)
    bilstm = next(cell for cell in plain.cells if cell.arch == "bilstm" and cell.dense)
    lenet = next(cell for cell in plain.cells if cell.arch == "lenet5" and cell.dense)
    assert (block_size(plain, bilstm), block_size(plain, lenet)) == (1, 2)
    minutes = model_seconds(plain, bilstm, len(bilstm.seeds)) / 60
    for factor, wanted in ((0.1, 1), (1.01, 1), (2.01, 2), (100, 3)):
        study = study_from({**study_dict, "job_minutes": factor * minutes})
        assert block_size(study, bilstm) == wanted
        assert len(blocks(Layout("results"), study, bilstm)) == -(-3 // wanted)
        # A block that is given stays.
        assert block_size(study, lenet) == 2


def test_blocks_of_large_models_fit_into_memory(study_dict):
    study_dict["archs"]["bilstm"] = {
        "family": "encoder",
        "vocabulary": 30522,
        "training": {"optimizer": "adamw"},
    }
    study = study_from({**study_dict, "seeds": list(range(30)), "job_minutes": 10_000})
    sizes = {cell.dense: block_size(study, cell) for cell in study.cells if cell.arch == "bilstm"}
    assert 3 < sizes[True] < sizes[False] < 30
    for cell in study.cells:
        if cell.arch == "bilstm":
            memory = [resources_of(study, cell, sizes[cell.dense] + more).mem_mb for more in (0, 1)]
            assert memory[0] <= 32_000 < memory[1]


def test_the_plan_has_jobs_and_hours_of_each_partition(study_dict):
    plan = make_plan(study_from(study_dict))
    sides = plan["partitions"]
    assert sides["gpu"]["jobs"] + sides["cpu"]["jobs"] == plan["jobs"]
    assert sides["gpu"]["hours"] == pytest.approx(plan["gpu_hours"])
    assert sides["cpu"]["hours"] > 0
    lines = [line.split() for line in plan_text(plan).splitlines()]
    assert ["partition", "jobs", "time"] in lines
    assert next(line for line in lines if line[:1] == ["gpu"])[1] == str(sides["gpu"]["jobs"])


def test_without_torch():
    code = (
        "import sys, prunescope.planning.resources, prunescope.paths\n"
        "sys.exit(' '.join({'torch', 'numpy', 'pandas', 'transformers'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
