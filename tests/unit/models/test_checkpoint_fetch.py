"""Pretrained models are fetched once, by one command; what trains reads the hub's cache alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_encoders import save_checkpoint

from prunescope.cli import main
from prunescope.config.architectures import Encoder
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.checkpoint_fetch import fetch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare_torchvision()
    return save_checkpoint(tmp_path / "bert", "bert")


def test_what_was_found_is_written(tmp_path, folder):
    fetch(sized(folder), tmp_path / "out" / "found.json")
    found = json.loads((tmp_path / "out" / "found.json").read_text())
    assert found == {"pretrained": str(folder), "revision": None, "commit": None}


def test_a_checkpoint_without_weights_leaves_nothing(tmp_path, folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        fetch(sized(folder), tmp_path / "found.json")
    assert not (tmp_path / "found.json").exists()


def test_an_arch_that_has_none_is_refused(capsys):
    settings = json.dumps({"family": "lenet5"})
    assert main(["pretrained", "--arch", "net", "--settings", settings, "--out", "x.json"]) == 2
    assert capsys.readouterr().err == (
        "prunescope: error: --settings: net names no `pretrained` model; there is nothing to fetch\n"
    )


@pytest.mark.parametrize("command", ["encode", "model", "tune"])
def test_jobs_do_not_ask_the_hub(command):
    """The variable is set before what reads it is imported."""
    code = (
        "import os, sys\n"
        "from prunescope import cli\n"
        "from prunescope.commands import data, models\n"
        "def look(*_):\n"
        "    assert 'huggingface_hub' not in sys.modules\n"
        "    sys.exit('offline' if os.environ.get('HF_HUB_OFFLINE') == '1' else 'online')\n"
        "data.parsed = models.parsed = look\n"
        f"cli.main({arguments(command)!r})\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stderr == "offline\n"


def arguments(command: str) -> list[str]:
    needed: dict[str, list[str]] = {
        "encode": ["--data", "--dataset", "--dataset-settings", "--arch", "--arch-settings", "--out"],
        "model": ["--settings", "--inputs", "--test", "--train", "--metrics"],
        "tune": ["--settings", "--inputs", "--out"],
    }
    return [command, *(text for option in needed[command] for text in (option, "x"))]


def sized(folder: Path) -> Encoder:
    from prunescope.config.checkpoints import checkpoint_sizes, encoder_type

    raw: dict[str, Any] = json.loads((folder / "config.json").read_text())
    sizes = checkpoint_sizes(raw, encoder_type(raw, str(folder)))
    return Encoder.model_validate({"family": "encoder", "pretrained": str(folder), **sizes})
