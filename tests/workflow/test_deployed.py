"""The workflow as others start it: as a module of a workflow, as `snakedeploy` writes one, and from its own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import ROOT, Workspace

pytestmark = pytest.mark.workflow

DEPLOYED = f"""
configfile: "study.yaml"


module prunescope:
    snakefile:
        "{ROOT / "workflow" / "Snakefile"}"
    config:
        config


use rule * from prunescope
"""


def test_a_module_and_the_file_itself_have_the_same_jobs(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    expected = workspace.jobs()
    assert {"dataset", "train", "prune", "cell", "site", "all"} <= set(expected)
    assert workspace.jobs("--snakefile", str(ROOT / "workflow" / "Snakefile")) == expected
    (workspace.folder / "Snakefile").write_text(DEPLOYED)
    assert workspace.jobs("--snakefile", str(workspace.folder / "Snakefile")) == expected


def test_the_template_configuration_is_the_embedded_study() -> None:
    assert (ROOT / "config" / "config.yaml").samefile(ROOT / "config.yaml")
