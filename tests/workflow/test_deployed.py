"""The workflow as others start it: as a module of a workflow, as `snakedeploy` writes one, and from its own file."""

from __future__ import annotations

import re
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


def jobs(workspace: Workspace, *arguments: str) -> dict[str, int]:
    """Jobs of a dry run, by rule."""
    done = workspace.snakemake("--dry-run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    stats = (done.stdout + done.stderr).partition("Job stats:")[2].partition("\n\n")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.M)}


def test_a_module_and_the_file_itself_have_the_same_jobs(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    expected = jobs(workspace)
    assert {"dataset", "train", "prune", "cell", "site", "all"} <= set(expected)
    assert jobs(workspace, "--snakefile", str(ROOT / "workflow" / "Snakefile")) == expected
    (workspace.folder / "Snakefile").write_text(DEPLOYED)
    assert jobs(workspace, "--snakefile", str(workspace.folder / "Snakefile")) == expected


def test_the_template_configuration_is_the_embedded_study() -> None:
    assert (ROOT / "config" / "config.yaml").samefile(ROOT / "config.yaml")
