"""Small models and data sets that tests of the core share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time, however busy the machine is.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# Before torch is imported anywhere: results must not depend on how sums are shared among threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from prunescope.config.architectures import Arch, Training
    from prunescope.training.batches import TrainingData
    from prunescope.training.state import TrainingState

SIZES = {"train": 40, "validation": 16, "test": 12}

#: Files that one worker takes together, as they share what is slow to make: a study, a tree of pages, a GPU.
TOGETHER = (
    tuple(f"workflow/test_{name}" for name in ("mending", "poor_machines", "reruns", "runs")),
    ("browser/",),
    ("gpu/",),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """``--dist loadfile``: a file's tests go to one worker, those of ``TOGETHER`` too."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((str(names) for names in TOGETHER if any(f"tests/{n}" in file for n in names)), file)

    return Together(config, log)


def tiny_arch(family: str) -> Arch:
    from prunescope.config.architectures import BiLSTM, Encoder, LeNet5

    if family == "lenet5":
        return LeNet5(family="lenet5")
    if family == "bilstm":
        return BiLSTM(family="bilstm", hidden=4, layers=2, head=(6, 5), vectors=5)
    return Encoder(family="encoder", hidden=8, layers=1, heads=2, intermediate=16, positions=16, dropout=0.2)


def tiny_arrays(family: str, task: str = "single-label", seed: int = 0) -> dict[str, Any]:
    """Numpy arrays in the form of an encoded data set; labels follow from the inputs."""
    import numpy as np

    rng = np.random.default_rng(seed)
    classes = 3
    arrays: dict[str, Any] = {}
    for split, n in SIZES.items():
        kinds = rng.integers(0, classes, n)
        if family == "lenet5":
            pictures = rng.integers(0, 6, (n, 1, 8, 8))
            for row, kind in enumerate(kinds):
                pictures[row, 0, 2 * kind : 2 * kind + 2] += 10
            arrays[f"{split}.inputs"] = pictures.astype(np.uint8)
        else:
            ids = rng.integers(4, 10, (n, 8))
            ids[np.arange(n), 1] = 10 + kinds
            lengths = rng.integers(3, 9, n)
            ids[np.arange(8) >= lengths[:, None]] = 0
            arrays[f"{split}.inputs"] = ids.astype(np.int32)
            arrays[f"{split}.lengths"] = lengths.astype(np.int32)
        if task == "multi-label":
            extra = rng.random((n, classes)) < 0.2
            arrays[f"{split}.labels"] = (extra | (kinds[:, None] == np.arange(classes))).astype(np.uint8)
        else:
            arrays[f"{split}.labels"] = kinds.astype(np.int64)
    if family == "bilstm":
        arrays["vectors"] = rng.standard_normal((14, 5)).astype(np.float32)
    return arrays


def tiny_data(family: str, task: str = "single-label") -> TrainingData:
    import torch

    from prunescope.models.shape import Shape
    from prunescope.training.batches import Split, TrainingData

    arrays = tiny_arrays(family, task)
    splits = {}
    for split in SIZES:
        inputs = torch.from_numpy(arrays[f"{split}.inputs"])
        inputs = inputs.float() / 16 if family == "lenet5" else inputs.long()
        labels = torch.from_numpy(arrays[f"{split}.labels"])
        lengths = arrays.get(f"{split}.lengths")
        splits[split] = Split(
            inputs,
            labels.float() if task == "multi-label" else labels,
            None if lengths is None else torch.from_numpy(lengths).long(),
            trim=family == "encoder",
        )
    shape = Shape(
        classes=3,
        image=(1, 8, 8) if family == "lenet5" else None,
        vectors=torch.from_numpy(arrays["vectors"]) if family == "bilstm" else None,
        vocabulary=14,
        length=8,
    )
    return TrainingData(task, ("a", "b", "c"), shape, splits)


@pytest.fixture(autouse=True)
def _hub_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prunescope model`, called in this process, turns the hub off for the rest of it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.delenv("HF_HUB_OFFLINE")


@pytest.fixture(autouse=True)
def _subnormals_as_before() -> Iterator[None]:
    """A training job in this process flushes subnormal numbers to zero; other tests draw such numbers."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="module")
def unpainted() -> Iterator[None]:
    """Figures have their axes and files, but nothing is laid out or painted, which takes most of their time."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    def savefig(self: Figure, path: Path, **_: Any) -> None:
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        patch.setattr(ConstrainedLayoutEngine, "execute", lambda self, figure: None)
        yield


@pytest.fixture
def tiny() -> SimpleNamespace:
    """``tiny.arch(family)``, ``tiny.arrays(family, task)`` and ``tiny.sizes`` of its splits."""
    return SimpleNamespace(arch=tiny_arch, arrays=tiny_arrays, sizes=SIZES)


@pytest.fixture
def make_state() -> Callable[..., TrainingState]:
    """A freshly initialized tiny model with its data: ``make_state("lenet5", settings, seed=0)``."""

    def make(family: str, settings: Training, seed: int = 0, task: str = "single-label") -> TrainingState:
        from prunescope.models.registry import build
        from prunescope.training.state import TrainingState

        data = tiny_data(family, task)
        return TrainingState(build(tiny_arch(family), data.shape, seed), data, settings, seed)

    return make


@pytest.fixture
def study_dict() -> dict[str, Any]:
    """A small valid study, as parsed YAML: two data sets, two archs, a ratio and two sparsities."""
    return {
        "name": "small",
        "seeds": [0, 1, 2],
        "datasets": {
            "numbers": {"source": "digits"},
            "prose": {
                "source": "docstrings",
                "libraries": ["numpy", "scipy"],
                "per_library": 50,
                "max_tokens": 16,
            },
        },
        "archs": {
            "lenet5": {"family": "lenet5", "block": 2, "training": {"epochs": 4}},
            "bilstm": {"family": "bilstm", "hidden": 4, "layers": 1, "head": [6], "vectors": 8},
        },
        "pruners": {
            "mine": {"criterion": "magnitude", "schedule": "iterative", "rounds": 2, "scope": "global"}
        },
        "grid": [
            {
                "datasets": ["numbers"],
                "archs": ["lenet5"],
                "pruners": ["IMP-WR", "RP-AI"],
                "sparsities": [0.5, 0.9],
            },
            {
                "datasets": ["numbers"],
                "archs": ["lenet5"],
                "pruners": ["MP"],
                "ratios": [4],
                "seeds": [2, 3, 4],
            },
            {"datasets": ["prose"], "archs": ["bilstm"], "pruners": ["mine"], "sparsities": [0.7]},
        ],
    }
