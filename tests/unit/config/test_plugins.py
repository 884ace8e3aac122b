"""Criteria and architectures of an installed package: named in a study, counted, trained and pruned."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from safetensors.numpy import load_file, save_file

from prunescope.config import plugins
from prunescope.config.jobs import ModelJob, model_job
from prunescope.config.load import json_schema, study_from
from prunescope.errors import UserError
from prunescope.planning.plan import make_plan
from prunescope.training.job import run_block
from prunescope.training.write import BlockOutputs

SETTINGS = """
from typing import Literal

from prunescope.config.architectures import Architecture
from prunescope.criteria import criterion


@criterion("pruning by squares", looks_at="gradient")
def squares(weights, evidence):
    return {name: w.square() + evidence.gradients[name].abs() for name, w in weights.items()}


@criterion("pruning by movement", looks_at="training")
def moved(weight, gradient, lr):
    return (weight * gradient).neg()


class Mlp(Architecture):
    module = "extra_model"
    input = "image"
    encoding = "image"

    family: Literal["mlp"]
    hidden: int = 8

    def shapes(self, facts, *, per_token=False):
        channels, height, width = facts.image
        return {"first.weight": (self.hidden, channels * height * width)}
"""
MODEL = """
from torch import nn


class Model(nn.Module):
    final_layer = "last"

    def __init__(self, pixels, hidden, classes):
        super().__init__()
        self.first, self.last = nn.Linear(pixels, hidden), nn.Linear(hidden, classes)

    def forward(self, images):
        return self.last(self.first(images.flatten(1)).relu())


def build(arch, shape):
    channels, height, width = shape.image
    return Model(channels * height * width, arch.hidden, shape.classes)
"""
POINTS = {
    "criteria": {"squares": "extra:squares", "moved": "extra:moved", "misnamed": "extra:moved"},
    "architectures": {"mlp": "extra:Mlp", "absent": "extra:Absent", "no-arch": "extra:squares"},
}
STUDY: dict[str, Any] = {
    "name": "extra",
    "seeds": [0, 1],
    "datasets": {"numbers": {"source": "digits"}},
    "archs": {"net": {"family": "mlp", "hidden": 16, "training": {"epochs": 2}}},
    "pruners": {
        "SQ": {"criterion": "squares", "schedule": "one-shot"},
        "MV": {"criterion": "moved", "schedule": "gradual", "scope": "global"},
    },
    "grid": [{"datasets": ["numbers"], "archs": ["net"], "pruners": ["SQ", "MV"], "sparsities": [0.5]}],
}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As if a package with ``POINTS`` were installed."""
    (tmp_path / "extra.py").write_text(SETTINGS)
    (tmp_path / "extra_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)

    def entry_points(group: str) -> list[EntryPoint]:
        points = POINTS.get(group.removeprefix("prunescope."), {})
        return [EntryPoint(name, value, group) for name, value in points.items()]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    plugins.plugins.cache_clear()
    yield
    plugins.plugins.cache_clear()
    for module in ("extra", "extra_model"):
        sys.modules.pop(module, None)


def changed(**parts: Any) -> dict[str, Any]:
    return json.loads(json.dumps(STUDY)) | parts


def test_nothing_runs_unless_a_study_names_it(study_dict):
    study_from(study_dict)
    schema = json_schema()
    assert "extra" not in sys.modules
    assert {"squares", "moved"} <= set(schema["$defs"]["Pruner"]["properties"]["criterion"]["enum"])
    jsonschema.Draft202012Validator(schema).validate(STUDY)
    study_from(STUDY)
    assert "extra" in sys.modules
    assert "extra_model" not in sys.modules


def test_it_is_counted_and_settings_of_jobs_are_read_again():
    study = study_from(STUDY)
    plan = make_plan(study)
    (model,) = plan["networks"]
    assert model["n_prunable"] == 64 * 16
    assert model["n_parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert model["n_parameters"] == study.archs["net"].parameters(
        SimpleNamespace(classes=10, tokens=0, image=(1, 8, 8))
    )
    job = model_job(study, study.cells[1], (0, 1))
    assert ModelJob.model_validate_json(job.model_dump_json()) == job
    assert job.model_dump()["architecture"]["hidden"] == 16


@pytest.mark.parametrize("pruner", ["SQ", "MV"])
def test_models_are_trained_and_pruned(tmp_path: Path, tiny: SimpleNamespace, pruner: str):
    study = study_from(STUDY)
    inputs = tmp_path / "inputs.safetensors"
    about = {
        "dataset": "numbers",
        "arch": "net",
        "task": "single-label",
        "classes": ["a", "b", "c"],
        "kind": "image",
    }
    save_file(tiny.arrays("lenet5"), inputs, metadata={"prunescope": json.dumps(about | {"image_scale": 16})})
    cell = next(cell for cell in study.cells if cell.pruner == pruner)
    outputs = BlockOutputs(
        test=tmp_path / "test.parquet",
        train=tmp_path / "train.parquet",
        metrics=tmp_path / "metrics.json",
        models=tmp_path / "models.safetensors",
    )
    run_block(model_job(study, cell, (0, 1)), inputs, outputs, dense=[], device="cpu")
    models = load_file(tmp_path / "models.safetensors")
    assert [(models[f"{seed}/model/first.weight"] == 0).sum() for seed in (0, 1)] == [512, 512]


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (
            changed(archs={"net": {"family": "mlp", "width": 3}}),
            "c: archs.net.width: unknown key; allowed.*hidden",
        ),
        (
            changed(archs={"net": {"family": "mlp", "hidden": "x"}}),
            "c: archs.net.hidden: must be a whole number",
        ),
        (
            changed(archs={"net": {"family": "nil"}}),
            "c: archs.net.family: unknown 'nil'; one of .*causal-lm, .*mlp",
        ),
        (
            changed(archs={"net": {"family": "absent"}}),
            "absent: the installed package's extra:Absent cannot be loaded",
        ),
        (
            changed(archs={"net": {"family": "no-arch"}}),
            "no-arch: the installed package's extra:squares is no sub",
        ),
        (
            changed(pruners={"SQ": {"criterion": "none", "schedule": "one-shot"}}),
            "c: pruners.SQ.criterion: must be one of .*l0, squares, moved",
        ),
        (
            changed(pruners={"SQ": {"criterion": "misnamed", "schedule": "one-shot"}}),
            "misnamed: the installed package's extra:moved is a criterion named 'moved'",
        ),
        (
            changed(pruners={"SQ": {"criterion": "moved", "schedule": "one-shot"}}),
            "c: pruners.SQ.schedule: moved watches training; use gradual",
        ),
    ],
)
def test_what_is_wrong_is_said(study: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        study_from(study, "c")
