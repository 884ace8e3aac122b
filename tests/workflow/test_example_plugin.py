"""The example package of docs/extending.md: installed, its study is run with everything that it adds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT

pytestmark = pytest.mark.workflow


def test_a_study_runs_with_an_installed_packages_additions(tmp_path: Path) -> None:
    package = shutil.copytree(ROOT / "examples" / "plugin", tmp_path / "plugin")
    installed = tmp_path / "installed"
    options = ("-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(installed))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(package)], check=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    places = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": os.pathsep.join(places),
        "PRUNESCOPE_DEVICE": "cpu",
    }
    # One cell shows all of them.
    study = yaml.safe_load((package / "study.yaml").read_text())
    study["grid"][0] |= {"pruners": ["RM"], "sparsities": [0.9]}
    (package / "study.yaml").write_text(yaml.safe_dump(study))
    command = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    done = subprocess.run(
        [*command, "--configfile", str(package / "study.yaml")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "results" / "example"
    card = json.loads((results / "data" / "parity" / "card.json").read_text())
    assert card["source"] == "parity"
    block = results / "models/parity/perceptron/RM/sparsity-900permille/seeds-0-1"
    models = json.loads((block / "metrics.json").read_text())["models"]
    assert [model["sparsity"] for model in models] == pytest.approx([0.9] * 2, abs=1e-3)
    assert (results / "figures" / "score_change" / "score_change.svg").is_file()
    assert "score_change" in (results / "report" / "figures.html").read_text()
