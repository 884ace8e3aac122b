"""What the embedded study promises, read off its configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prunescope.config.load import load_study
from prunescope.config.pruners import PRUNERS
from prunescope.config.study import Study

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(ROOT / "config.yaml")


def test_every_pruner_arch_and_data_set_appears(study: Study) -> None:
    cells = [cell for cell in study.cells if not (cell.dense or cell.control)]
    assert {cell.pruner for cell in cells} == set(PRUNERS)
    assert {cell.arch for cell in cells} == {"lenet5", "bilstm", "bert"}
    assert {cell.dataset for cell in cells} == {"digits", "docstrings", "docstrings-topics"}
    for dataset in study.datasets:
        assert len({cell.pruner for cell in cells if cell.dataset == dataset}) >= 4
    for model in {(cell.dataset, cell.arch) for cell in cells}:
        assert len({cell.compression for cell in cells if (cell.dataset, cell.arch) == model}) >= 2
    assert all(len(cell.seeds) >= 4 for cell in study.cells)
    assert {cell.pruner for cell in study.cells if cell.control} >= {
        "control-FT",
        "control-WR",
        "control-gradual",
    }


def test_conda_file_has_the_pins_of_the_lock() -> None:
    lock = (ROOT / "envs/requirements.lock").read_text() + (ROOT / "envs/torch.txt").read_text()
    pins = {
        name.lower().replace("_", "-"): v for name, v in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.M)
    }
    named = re.findall(r"^ {6}- ([\w-]+)==(\S+)$", (ROOT / "envs/conda.yaml").read_text(), re.M)
    assert len(named) > 10
    for name, version in named:
        assert pins[name] == version
