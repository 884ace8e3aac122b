"""The walk of docs/own-study.md, block by block, and what a mistake costs afterwards."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from prunescope.cli import main
from prunescope.config.load import study_from
from tests.unit.models.test_start import classifier

from .conftest import ROOT, Workspace

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "docs" / "own-study.md").read_text(encoding="utf-8"))


def command(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    words = line.split()
    assert words[0] == "prunescope"
    if words[1] == "run":
        words += ["--", "--cores", "2"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PRUNESCOPE_DEVICE": "cpu", **variables}
    program = [sys.executable, "-m", *words]
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def walk(folder: Path) -> Path:
    """Execute the blocks; the study's folder."""
    cache = {"PRUNESCOPE_CACHE": str(folder / "cache")}
    for language, block in BLOCKS:
        if language == "python":
            exec(compile(block.replace('open("', f'open("{folder}/'), "own-study.md", "exec"), {})  # noqa: S102
        if language == "yaml" and block.startswith("name:"):
            (folder / "study.yaml").write_text(block)
        for line in block.splitlines() if language == "sh" else ():
            if line.startswith("cd "):
                folder /= line.removeprefix("cd ")
                continue
            done = command(line, folder, **cache)
            assert done.returncode == 0, f"{line}: {done.stderr}"
            if line == "prunescope plan":
                assert "Task single-label, as column" in done.stdout
    return folder


def test_blocks_of_other_places_are_settings() -> None:
    sets, archs = (
        block for language, block in BLOCKS if language == "yaml" and not block.startswith("name:")
    )
    raw = {
        "name": "x",
        "seeds": [0],
        **yaml.safe_load(sets),
        **yaml.safe_load(archs),
        "grid": [{"datasets": ["images"], "archs": ["mobile"]}],
    }
    study = study_from(raw)
    assert set(study.datasets) == {"hub", "faces", "signs", "images"}
    assert set(study.archs) == {"distil", "tiny", "resnet", "mobile", "done"}


@pytest.mark.parametrize("kind", ["text", "images", "checkpoint"])
def test_every_study_to_begin_with_has_a_plan(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "my own", f"--{kind}"]) == 0
    assert capsys.readouterr().out == "my own/study.yaml: written. Next: cd my own && prunescope plan\n"
    assert main(["init", "my own"]) == 2
    assert "has study.yaml" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "my own")
    assert main(["plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["study"] == "my-own"
    assert plan["models"] == 3 * (1 + 2 * 2)


@pytest.mark.workflow
def test_from_a_table_to_the_report(tmp_path: Path) -> None:
    folder = walk(tmp_path)
    assert {"study.yaml", "README.md", ".gitignore", "data"} <= {path.name for path in folder.iterdir()}
    cache = {"PRUNESCOPE_CACHE": str(tmp_path / "cache")}
    quick = json.loads((folder / "results-quick/data/mine/card.json").read_text())
    card = json.loads((folder / "results/data/mine/card.json").read_text())
    assert quick["splits"]["train"]["n_examples"] == 100
    assert [card["splits"][split]["n_examples"] for split in ("train", "validation", "test")] == [
        420,
        60,
        120,
    ]
    # Class names are the file's own from the first table to the last.
    assert [one["class"] for one in card["classes"]] == ["01", "NA", "None"]
    with (folder / "results/cells/mine/net/MP/sparsity-900permille/test/recall.csv").open(newline="") as file:
        assert {row["class"] for row in csv.DictReader(file)} == {"01", "NA", "None"}
    meta = pq.read_schema(
        folder / "results/models/mine/net/none/sparsity-0permille/seeds-0-1/test.parquet"
    ).metadata
    assert json.loads(meta[b"prunescope"])["classes"] == ["01", "NA", "None"]
    table = pq.read_table(folder / "results/data/mine/test.parquet")
    assert set(table["office"].to_pylist()) == {"office 0", "office 1", "office 2"}
    with (folder / "results/tables/effectiveness.csv").open(newline="") as file:
        scores = {row["pruner"]: float(row["mean"]) for row in csv.DictReader(file)}
    assert scores["none"] > 0.6
    assert "Task single-label, as column" in (folder / "results/report/data.html").read_text()

    # A wrong path is refused before any job, and costs nothing that is done.
    study = (folder / "study.yaml").read_text()
    before = {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*.parquet")}
    (folder / "study.yaml").write_text(study.replace("data/mine.csv", "data/nine.csv"))
    for line in ("prunescope plan", "prunescope run"):
        done = command(line, folder, **cache)
        assert done.returncode == 2
        assert done.stderr.startswith("prunescope: error: datasets.mine.path: data/nine.csv: no such file")
        assert "Traceback" not in done.stderr
    (folder / "study.yaml").write_text(study)
    os.utime(folder / "data/mine.csv")
    done = command("prunescope run", folder, **cache)
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.workflow
def test_checkpoints_are_only_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From folders of transformers to the report; another file of weights is another dense model."""
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    for seed in (0, 1):
        classifier(tmp_path / f"run/net-{seed}", seed, ["no", "yes"])
    rows = [{"text": f"a {'good' if n % 2 else 'bad'} film {'abcdefgh'[n % 8]} {n}", "label": ["no", "yes"][n % 2]}
            for n in range(120)]  # fmt: skip
    (tmp_path / "run/a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    study = {
        "name": "x",
        "seeds": [0, 1],
        "datasets": {"mine": {"source": "table", "path": "a.jsonl", "text": "text", "max_tokens": 8}},
        "archs": {
            "net": {
                "family": "transformers",
                "checkpoint": "./net-0",
                "start": "net-{seed}",
                "block": 2,
                "training": {"epochs": 2, "finetune_epochs": 1},
            }
        },
        "grid": [{"datasets": ["mine"], "archs": ["net"], "pruners": ["MP"], "sparsities": [0.5]}],
    }
    workspace = Workspace(tmp_path / "run", study)
    done = workspace.snakemake()
    assert done.returncode == 0, done.stderr
    results = workspace.results
    assert (results / "index.html").stat().st_size > 1000
    metrics = json.loads(
        (results / "models/mine/net/none/sparsity-0permille/seeds-0-1/metrics.json").read_text()
    )
    assert [model["epochs"] for model in metrics["models"]] == [[], []]
    assert not (results / "cells/mine/net/MP/sparsity-500permille/train/el2n.csv").exists()
    assert "rule el2n" not in done.stderr
    assert workspace.jobs() == {}
    file = workspace.folder / "net-1/model.safetensors"
    save_file({name: value * 1.5 for name, value in load_file(file).items()}, file, metadata={"format": "pt"})
    jobs = workspace.jobs()
    assert (jobs["train"], jobs["prune"], jobs["encode"]) == (1, 1, 0)
    file.unlink()
    done = workspace.snakemake()
    assert done.returncode != 0
    assert "archs.net.start: net-1: no safetensors file" in done.stderr


@pytest.mark.workflow
def test_finished_data_does_not_go_for_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Of a published set too; and another set of the study need not be there."""
    for folder, header in (("good", "text,label"), ("bad", "a,b")):
        for split in ("train", "test"):
            path = tmp_path / folder / f"{split}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{header}\n" + "".join(f"a film number {n},{n % 2}\n" for n in range(40)))
    study = {
        "name": "x",
        "seeds": [0],
        "datasets": {
            "mine": {"source": "imdb", "path": str(tmp_path / "good"), "max_tokens": 8},
            "other": {"source": "imdb", "path": str(tmp_path / "nowhere"), "max_tokens": 8},
        },
        "archs": {"net": {"family": "bilstm"}},
        "grid": [{"datasets": ["mine", "other"], "archs": ["net"]}],
    }
    workspace = Workspace(tmp_path / "run", study)
    target = "results/data/mine/inputs/net.safetensors"
    done = workspace.snakemake(target)
    assert done.returncode == 0, done.stderr
    before = {path: path.stat().st_mtime_ns for path in workspace.results.rglob("*") if path.is_file()}
    study["datasets"]["mine"]["path"] = str(tmp_path / "bad")  # type: ignore[index]
    workspace.write(study)
    done = workspace.snakemake(target)
    assert done.returncode != 0
    assert "prunescope: error: datasets.mine: " in done.stderr
    assert "train.csv: has no columns 'text', 'label'; its columns are a, b" in done.stderr
    study["datasets"]["mine"]["path"] = str(tmp_path / "good")  # type: ignore[index]
    workspace.write(study)
    assert workspace.jobs(target) == {}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    done = workspace.snakemake("results/data/other/card.json")
    assert "prunescope: error: datasets.other.path: " in done.stderr
