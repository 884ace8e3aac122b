"""``pip install prunescope`` alone: an audit needs none of the extras, and a command that does names its extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prunescope.cli import main
from prunescope.config.shipped import shipped, study_file
from prunescope.errors import missing_extra

#: Runs a command with every package of the extras out of reach.
WITHOUT_EXTRAS = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from prunescope.cli import main
sys.exit(main(sys.argv[1:]))
"""
#: What only the extras install; platformdirs also comes inside setuptools.
EXTRAS = {
    *("torch", "torchvision", "transformers", "tokenizers", "safetensors", "datasets", "huggingface_hub"),
    *("optuna", "PIL", "snakemake", "matplotlib", "seaborn", "pandas"),
}


def light(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", WITHOUT_EXTRAS.format(names=EXTRAS), *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


def test_audit_with_texts_needs_no_extra(tmp_path):
    for name, wrong in (("dense", 1), ("pruned", 3)):
        rows = [f"{i},{'ab'[i % 2]},{'ab'[(i + (i < wrong)) % 2]},{s}" for s in range(2) for i in range(8)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["example,label,prediction,seed", *rows]))
    texts = [f"{i},This is sentence number {i}." for i in range(8)]
    (tmp_path / "texts.csv").write_text("\n".join(["example,text", *texts]))
    files = ("--dense", "dense.csv", "--pruned", "pruned.csv", "--texts", "texts.csv")
    done = light(tmp_path, "audit", *files, "--out", "audit")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "audit" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("plan",), "train"),
        (("report",), "workflow"),
    ],
)
def test_a_command_names_the_extras_it_lacks(tmp_path, arguments, extra):
    done = light(tmp_path, *arguments)
    *_, line = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("prunescope: error: ")
    assert "Traceback" not in done.stderr
    assert f"prunescope[{extra}]" in line


@pytest.mark.parametrize(
    ("module", "needed", "named"),
    [
        ("torch", (), "train"),
        ("torch", ("workflow", "train"), "workflow,train"),
        # In both extras.
        ("PIL", (), "train"),
        ("PIL", ("workflow",), "workflow"),
        ("matplotlib.pyplot", ("train",), "train,workflow"),
    ],
)
def test_all_extras_that_are_needed_are_named_at_once(module, needed, named):
    error = missing_extra(ModuleNotFoundError("x", name=module), needed)
    assert str(error) == f"{module.partition('.')[0]}: not installed; pip install 'prunescope[{named}]'"


def test_a_module_that_no_extra_installs_is_a_defect():
    assert missing_extra(ModuleNotFoundError("x", name="prunescope.nowhere")) is None
    assert missing_extra(ModuleNotFoundError("x")) is None


def test_studies_that_come_with_the_package_are_found_from_any_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert study_file("config.yaml") == shipped("config.yaml")
    assert study_file("studies/pie.yaml") == shipped("studies/pie.yaml")
    assert "not in this folder; using" in capsys.readouterr().err
    assert study_file("other.yaml") == Path("other.yaml")
    Path("study.yaml").touch()
    assert study_file("config.yaml") == Path("study.yaml")
    Path("config.yaml").touch()
    assert study_file("config.yaml") == Path("config.yaml")
    assert capsys.readouterr().err == ""


def test_slurm_setup_without_a_clone_leaves_the_site_file_to_change(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    assert main(["slurm", "setup"]) == 0
    assert Path("profiles/slurm/site.yaml").is_file()
    assert (tmp_path / "home" / "snakemake" / "slurm" / "config.yaml").is_file()
