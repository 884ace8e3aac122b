"""The wheel carries the code with its data, and the workflow."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    if importlib.util.find_spec("pip") is None:
        pytest.skip("needs pip")
    # A copy: setuptools leaves its build folder where the sources are.
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", ".snakemake", "results", "build", "tests", "__pycache__"
    )
    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    command = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [sys.executable, *command, "-w", str(folder), str(folder / "source")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)) for path in found}


def test_all_of_the_package_is_in_it(wheel):
    inside = {name.removeprefix("prunescope/") for name in wheel.namelist()}
    assert files(ROOT / "src" / "prunescope") <= inside


def test_the_workflow_is_in_it(wheel):
    inside = {name.removeprefix("prunescope/shipped/") for name in wheel.namelist() if "/shipped/" in name}
    wanted = {"Snakefile", "config.yaml", "envs/conda.yaml"}
    for folder in ("workflow", "studies", "profiles"):
        wanted |= {f"{folder}/{name}" for name in files(ROOT / folder)}
    assert inside == wanted


def test_it_carries_the_licence_and_requires_no_torch(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    text = wheel.read(metadata).decode()
    assert "License-Expression: MIT" in text
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    base = [line for line in text.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not any(
        name in line for line in base for name in ("torch", "transformers", "snakemake", "datasets")
    )
