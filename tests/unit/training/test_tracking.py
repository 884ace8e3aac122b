"""Training curves for trackers: what they are told, and that nothing else changes."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.numpy import save_file

from prunescope.cli import main
from prunescope.config import tracking as declared
from prunescope.config.architectures import Training
from prunescope.config.jobs import ModelJob
from prunescope.config.load import study_from
from prunescope.config.pruners import PRUNERS
from prunescope.config.tracking import TRACKERS, VARIABLE, track_jobs
from prunescope.errors import UserError
from prunescope.training.job import run_block
from prunescope.training.tracking import _WRITERS
from prunescope.training.write import BlockOutputs

EPOCHS, AFTER = 3, 2
Rows = dict[str, list[tuple[str, float, int]]]


@pytest.fixture(autouse=True)
def _denormals():
    yield
    torch.set_flush_denormal(False)  # jobs set it for their process


@pytest.fixture
def run(tmp_path: Path, tiny: SimpleNamespace) -> Callable[..., Path]:
    """A job of two seeds: train, prune, fine-tune."""
    inputs = tmp_path / "in.safetensors"
    about = {
        "dataset": "d",
        "arch": "lenet5",
        "task": "single-label",
        "classes": ["a", "b", "c"],
        "kind": "image",
    }
    arrays = tiny.arrays("lenet5", "single-label")
    save_file(arrays, inputs, metadata={"prunescope": json.dumps({**about, "image_scale": 16})})

    def job(name: str, lock_step: str = "alone") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        spec = ModelJob(
            dataset="d", arch="lenet5", pruner="IMP-FT", amount="sparsity-500permille", seeds=(0, 1),
            architecture=tiny.arch("lenet5").model_copy(update={"lock_step": lock_step}),
            training=Training(optimizer="adam", lr=5e-3, epochs=EPOCHS, batch_size=8, finetune_epochs=AFTER),
            composition=PRUNERS["IMP-FT"].model_copy(update={"rounds": 1}),
        )  # fmt: skip
        outputs = BlockOutputs(
            test=folder / "test.parquet", train=folder / "train.parquet", metrics=folder / "metrics.json",
            early=None, checkpoint=None, models=folder / "models.safetensors",
        )  # fmt: skip
        run_block(spec, inputs, outputs, device="cpu")
        return folder

    return job


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Let jobs track into a folder."""

    def track(*names: str) -> Path:
        told = {"names": names, "folder": str(tmp_path / "tracking"), "study": "mine"}
        monkeypatch.setenv(VARIABLE, json.dumps(told))
        return tmp_path / "tracking"

    return track


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """What a writer is told, by run."""
    found: Rows = {}

    class Noting:
        def __init__(self, folder: Path, study: str, name: str, settings: dict[str, Any]) -> None:
            assert (study, settings["pruner"], name) == ("mine", "IMP-FT", f"{RUN}{settings['seed']}")
            self.rows = found.setdefault(name, [])

        def add(self, values: dict[str, float], step: int) -> None:
            self.rows += [(key, value, step) for key, value in values.items()]

        def close(self) -> None:
            self.rows.append(("closed", 0.0, 0))

    monkeypatch.setitem(_WRITERS, "wandb", Noting)
    return found


RUN = "d/lenet5/IMP-FT/sparsity-500permille/seed-"


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "metrics.json"}


@pytest.mark.parametrize("lock_step", ["alone", "together"])
def test_a_run_has_the_records_curve_and_scores_whoever_trains_beside_it(run, tracked, noted, lock_step):
    tracked("wandb")
    folder = run("a", lock_step)
    for model in json.loads((folder / "metrics.json").read_text())["models"]:
        rows = noted[f"{RUN}{model['seed']}"]
        losses = [(value, step) for key, value, step in rows if key == "loss/train"]
        assert losses == [(one["loss"], place) for place, one in enumerate(model["epochs"], 1)]
        assert len(losses) == EPOCHS + AFTER
        validation = [value for key, value, _ in rows if key == "loss/validation"]
        assert validation == [
            one["validation_loss"] for one in model["epochs"] if one["validation_loss"] is not None
        ]
        ends = {key: value for key, value, step in rows if step == EPOCHS + AFTER}
        assert ends["score/test/accuracy"] == model["scores"]["test"]["accuracy"]
        assert ends["sparsity"] == model["sparsity"]
        assert rows[-1][0] == "closed"


def test_outputs_are_the_same_bytes(run, tracked, noted):
    before = outputs(run("without"))
    tracked("wandb")
    assert outputs(run("with")) == before
    assert noted


def test_a_tracker_that_fails_is_left_and_said_once(run, tracked, monkeypatch, capsys, noted):
    class Broken:
        def __init__(self, *_: Any) -> None:
            raise ConnectionError("no such server\nat all")

    monkeypatch.setitem(_WRITERS, "mlflow", Broken)
    before = outputs(run("without"))
    tracked("mlflow", "wandb")
    assert outputs(run("with")) == before
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("track:")]
    assert said == ["track: mlflow is left out of this job: no such server at all"]
    assert len(noted) == 2


def events(path: Path) -> list[tuple[str, float, int]]:
    """The scalars of an event file: records of a length, its checksum, the message and its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        event = Event.FromString(data[at + 12 : at + 12 + size])
        found += [(value.tag, value.simple_value, event.step) for value in event.summary.value]
        at += 16 + size
    return found


def test_event_files_of_tensorboard(run, tracked):
    pytest.importorskip("tensorboardX")
    before = outputs(run("without"))
    folder = tracked("tensorboard")
    done = run("with")
    assert outputs(done) == before
    for model in json.loads((done / "metrics.json").read_text())["models"]:
        (file,) = (folder / f"{RUN}{model['seed']}").glob("events.out.tfevents.*")
        losses = [(value, step) for tag, value, step in events(file) if tag == "loss/train"]
        assert losses == [(pytest.approx(one["loss"]), i) for i, one in enumerate(model["epochs"], 1)]


def test_mlflow_by_its_client(run, tracked, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    calls: list[tuple[Any, ...]] = []

    class Client:
        def __init__(self, tracking_uri: str) -> None:
            calls.append(("uri", tracking_uri))

        def get_experiment_by_name(self, name: str) -> Any:
            return None

        def create_experiment(self, name: str) -> str:
            return f"number of {name}"

        def create_run(self, number: str, run_name: str) -> Any:
            calls.append(("run", number, run_name))
            return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

        def log_param(self, *_: Any) -> None: ...

        def log_metric(self, run: str, key: str, value: float, step: int) -> None:
            calls.append((key, run, step))

        def set_terminated(self, run: str) -> None:
            calls.append(("end", run))

    module, inner = ModuleType("mlflow"), ModuleType("mlflow.tracking")
    inner.MlflowClient = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", inner)
    folder = tracked("mlflow")
    run("a")
    assert ("uri", f"sqlite:///{folder / 'mlflow.db'}") in calls
    assert ("run", "number of mine", f"{RUN}0") in calls
    assert [
        step for key, name, *rest in calls if (key, name) == ("loss/train", f"{RUN}1") for step in rest
    ] == [*range(1, EPOCHS + AFTER + 1)]
    assert ("end", f"{RUN}1") in calls


def test_wandb_has_a_run_for_each_model_of_a_job(run, tracked, monkeypatch):
    started: list[dict[str, Any]] = []

    class Started:
        def log(self, values: dict[str, float], step: int) -> None:
            started[-1].setdefault("steps", []).append(step)

        def finish(self) -> None: ...

    def init(**options: Any) -> Started:
        started.append(options)
        return Started()

    module = ModuleType("wandb")
    module.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    tracked("wandb")
    run("a")
    assert [(one["project"], one["name"], one["reinit"]) for one in started] == [
        ("mine", f"{RUN}{seed}", "create_new") for seed in (0, 1)
    ]


# The study


def test_what_is_missing_is_named_before_anything_runs(study_dict, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(declared, "find_spec", lambda module: None)
    Path("study.yaml").write_text(json.dumps({**study_dict, "track": list(TRACKERS)}))
    for command in ("plan", "run"):
        assert main([command, "--configfile", "study.yaml"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == len(TRACKERS)
        assert lines[0].endswith(
            "track: tensorboard is not installed here; pip install 'prunescope[track]', or leave it out"
        )
    assert not Path("results").exists()


def test_jobs_are_told_by_their_environment(study_dict, monkeypatch):
    monkeypatch.setenv(VARIABLE, "of another study")
    track_jobs(study_from(study_dict))
    import os

    assert os.environ[VARIABLE] == ""
    track_jobs(study_from({**study_dict, "track": ["mlflow"], "results": "/r"}))
    assert json.loads(os.environ[VARIABLE]) == {
        "names": ["mlflow"],
        "folder": "/r/tracking",
        "study": study_dict["name"],
    }


def test_names_are_checked(study_dict):
    for track in (["tensorbord"], ["wandb", "wandb"]):
        with pytest.raises(UserError, match="track"):
            study_from({**study_dict, "track": track})
