"""A finished study with files that are not what was written: one run mends it, to the bytes of before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from prunescope.config.load import load_study
from prunescope.paths import target_of
from prunescope.running.workflow import WorkflowGrid
from tests.workflow.conftest import ROOT, Workspace

MODELS = "models/digits/lenet5"
CELL = "cells/digits/lenet5/RP-AI/sparsity-900permille"


def run(workspace: Workspace) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "prunescope"), "run", "--configfile", "study.yaml", "--"]
    return subprocess.run(
        [*command, "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"],
        env=workspace.environment(),
        cwd=workspace.folder,
        capture_output=True,
        text=True,
        timeout=900,
    )


def tree(results: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file()
        and path.suffix != ".log"
        and not any(part.startswith(".") or part == "logs" for part in path.relative_to(results).parts)
    }


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_damage_of_every_stage_is_mended_in_one_run(workspace: Workspace, finished: Workspace) -> None:
    results = workspace.results
    whole = tree(finished.results)
    flip(results / MODELS / "none/sparsity-0permille/seeds-0-1/checkpoint.safetensors")
    mine, other = (
        results / MODELS / pruner / "sparsity-900permille/seeds-0-1/test.parquet"
        for pruner in ("RP-AI", "IMP-FT")
    )
    shutil.copyfile(other, mine)
    os.utime(results / MODELS / "none/sparsity-0permille/seeds-0-1/test.parquet", (4e9, 4e9))
    flip(results / "data/digits/inputs/lenet5.safetensors")
    card = results / "data/prose/card.json"
    card.write_bytes(card.read_bytes()[:100])
    shutil.copyfile(
        results / MODELS / "IMP-FT/sparsity-500permille/seeds-0-1/train.parquet",
        results / MODELS / "RP-AI/sparsity-500permille/seeds-0-1/train.parquet",
    )
    (results / CELL / "test/pies.parquet").unlink()
    (results / "tables/alpha.csv").unlink()
    (results / "tables/pie_share.csv").write_text("")
    (results / "figures/alpha/digits--lenet5.svg").unlink()
    (results / "report/figures.html").write_text("edited")
    done = run(workspace)
    assert done.returncode == 0, done.stderr
    now = tree(results)
    assert [name for name in whole if now.get(name) != whole[name]] == []
    assert set(now) == set(whole)
    assert done.stderr.count("; rebuilt\n") == 10
    said = [line for line in done.stderr.splitlines() if str(mine.relative_to(results)) in line]
    assert f"the content of {other.relative_to(results)}, not of {mine.relative_to(results)}" in said[0]
    # No other model is trained for it, nor anything else redone.
    assert "done: nothing else to do" in done.stderr
    assert not list(results.rglob("*.damaged")) + list(results.rglob("aside"))


def test_every_file_of_a_study_has_a_target(finished: Workspace) -> None:
    """What a run rebuilds when it is missing: nothing of a finished study is left out."""
    here = Path.cwd()
    try:
        os.chdir(finished.folder)
        study = load_study("study.yaml")
        known = set(WorkflowGrid(study).outputs())
    finally:
        os.chdir(here)
    assert {name for name in tree(finished.results) if target_of(name) not in known} == set()


def test_a_job_that_fails_leaves_what_was_there(workspace: Workspace, finished: Workspace) -> None:
    """Plain Snakemake: a job that reads a wrong file fails in one line; the next run rebuilds the file."""
    before = tree(workspace.results)
    shutil.copyfile(
        workspace.results / "cells/digits/lenet5/IMP-FT/sparsity-900permille/test/alpha.csv",
        workspace.results / CELL / "test/alpha.csv",
    )
    done = workspace.snakemake("results/tables/alpha.csv", "--forcerun", "results/tables/alpha.csv")
    assert done.returncode != 0
    (line,) = (workspace.results / "tables/tables.log").read_text().splitlines()
    assert line.startswith(f"prunescope: error: results/{CELL}/test/alpha.csv: the content of ")
    now = tree(workspace.results)
    gone = {name for name in before if now.get(name) != before[name]}
    assert gone == {f"{CELL}/test/alpha.csv", f"{CELL}/test/summary.json"}
    assert workspace.snakemake().returncode == 0
    assert tree(workspace.results) == tree(finished.results)


#: Of every rule that makes something, one output of a job; those that the small study has not run are made up. The
#: study has no levels, whose rule is that of pruning with other wildcards.
OUTPUTS = {
    "dataset": "data/digits/card.json",
    "pretrained": "pretrained/lenet5.json",
    "encode": "data/digits/inputs/lenet5.safetensors",
    "readability": "data/prose/readability.parquet",
    "train": f"{MODELS}/none/sparsity-0permille/seeds-0-1/test.parquet",
    "prune": f"{MODELS}/RP-AI/sparsity-900permille/seeds-0-1/test.parquet",
    "weights": f"{MODELS}/IMP-FT/sparsity-900permille/seeds-0-1/weights.json",
    "el2n": "cells/digits/lenet5/el2n-seeds-0-1.parquet",
    "cell": f"{CELL}/models.json",
    "manifest": "cells.txt",
    "tables": "tables/alpha.csv",
    "figures": "figures/figures.json",
    "paper": "paper/index.html",
    "site": "index.html",
    "search": "tuning/digits/lenet5/trials.csv",
    "tuned": "tuning/tuned.yaml",
}

#: Every job for itself, which spoils what its rule makes, and fails.
SPOILED = """
include: {root!r}
import shutil

def spoil(input, output, *others):
    for path in map(Path, output):
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.write_text("spoiled")
    raise ValueError("spoiled")

for one in workflow.rules:
    if len(one.output):
        print("MAKES", one.name)
        one._input, one._params = type(one._input)(), type(one._params)()
        one.run_func, one.shellcmd = spoil, "spoil"
"""


def test_a_job_that_fails_leaves_what_was_there_whatever_its_rule(
    workspace: Workspace, tmp_path: Path
) -> None:
    results = workspace.results
    for name in OUTPUTS.values():
        if not (results / name).exists():
            (results / name).parent.mkdir(parents=True, exist_ok=True)
            (results / name).write_text("of an earlier run")
    before = tree(results)
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(SPOILED.format(root=str(ROOT / "workflow/Snakefile")))
    targets = [f"results/{name}" for name in OUTPUTS.values()]
    done = workspace.snakemake(*targets, "--snakefile", str(snakefile), "--keep-going", "--force")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert {line.split()[1] for line in said.splitlines() if line.startswith("MAKES")} - {"level"} == set(
        OUTPUTS
    )
    assert set(re.findall(r"Error in rule (\w+):", said)) == set(OUTPUTS)
    now = tree(results)
    assert [name for name in before if now.get(name) != before[name]] == []


def test_no_rule_deletes_what_it_is_about_to_make(finished: Workspace, tmp_path: Path) -> None:
    """Of every rule: Snakemake leaves outputs in their place that are flagged so."""
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(
        f"include: {str(ROOT / 'workflow/Snakefile')!r}\n"
        "from snakemake.io import is_flagged\n"
        "for one in workflow.rules:\n"
        "    for output in one.output:\n"
        "        print('RULE', one.name, is_flagged(output, 'update'))\n"
    )
    done = finished.snakemake("--snakefile", str(snakefile), "--list-rules")
    said = {line for line in done.stdout.splitlines() if line.startswith("RULE")}
    assert {line.split()[1] for line in said} >= {
        "dataset",
        "encode",
        "train",
        "level",
        "cell",
        "tables",
        "site",
    }
    assert all(line.endswith("True") for line in said)
