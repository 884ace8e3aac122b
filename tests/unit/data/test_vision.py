"""Whichever torchvision stands beside PyTorch, it can be imported, and transformers after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BERT = "from transformers.models.bert.modeling_bert import BertModel"


def python(code: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    first = f"import sys; sys.path.insert(0, {str(folder)!r}); " if folder else ""
    prepare = "from prunescope.data.vision import prepare_torchvision; prepare_torchvision(); prepare_torchvision(); "
    return subprocess.run([sys.executable, "-c", first + prepare + code], capture_output=True, text=True)


def test_torchvision_and_bert_can_be_imported() -> None:
    result = python(f"from torchvision.datasets import MNIST; {BERT}; print(MNIST.__name__)")
    assert (result.returncode, result.stdout) == (0, "MNIST\n"), result.stderr


@pytest.mark.parametrize("library", [None, "_C.so"])
def test_operators_are_declared_where_their_library_does_not_load(
    tmp_path: Path, library: str | None
) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import torch\n"
        "@torch.library.register_fake('torchvision::nms')\n"
        "def nms(dets, scores, iou_threshold):\n"
        "    return dets\n"
        "done = True\n"
    )
    if library is not None:
        (package / library).write_bytes(b"not a library")
    result = python("import torchvision; print(torchvision.done)", tmp_path)
    assert (result.returncode, result.stdout) == (0, "True\n"), result.stderr
