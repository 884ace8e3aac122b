"""Levels of iterative magnitude pruning, and whole filters, from one end of the workflow to the other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from prunescope.config.load import study_from
from prunescope.planning.plan import make_plan

from .conftest import ROOT, STUDY, TABLES, Workspace
from .test_reruns import CLOSING
from .test_runs import rows, tables_of

pytestmark = pytest.mark.workflow

ENTRY = {"datasets": ["digits"], "archs": ["lenet5"]}
LEVELS: dict[str, Any] = {
    "name": "levels",
    "seeds": [0, 1],
    "keep_models": False,
    "weight_statistics": ["lenet5"],
    "datasets": {"digits": STUDY["datasets"]["digits"]},
    "archs": {"lenet5": STUDY["archs"]["lenet5"]},
    "grid": [
        {**ENTRY, "pruners": ["LTH"], "levels": 3},
        {**ENTRY, "pruners": ["CHIP", "MP"], "ratios": [2]},
    ],
}
MODEL = "models/digits/lenet5"


def climbed_to(levels: int, **changes: Any) -> dict[str, Any]:
    grid = [{**LEVELS["grid"][0], "levels": levels}, LEVELS["grid"][1]]
    return {**LEVELS, "grid": grid, **changes}


def model_of(workspace: Workspace, level: int) -> Path:
    return workspace.results / MODEL / f"LTH/level-{level}/seeds-0-1/models.safetensors"


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The study, run to its end. Tests that change files work on a copy."""
    workspace = Workspace(tmp_path_factory.mktemp("levels") / "run", LEVELS)
    workspace.painted = False
    jobs = workspace.jobs()
    assert jobs == {
        "dataset": 1,
        "encode": 1,
        "train": 1,
        "level": 3,
        "prune": 2,
        "weights": 6,
        "el2n": 1,
        "cell": 6,
        **CLOSING,
    }
    assert jobs.total() == make_plan(study_from(LEVELS))["jobs"]
    done = workspace.snakemake()
    assert done.returncode == 0, done.stderr
    return workspace


def test_every_level_prunes_the_models_of_the_one_below(levels: Workspace) -> None:
    below = {}
    for level, zeros in ((1, 4062), (2, 7312), (3, 9911)):  # of 20,310: 0.2, 0.36, 0.488
        tensors = load_file(model_of(levels, level))
        masks = {name: mask for name, mask in tensors.items() if "/mask/" in name}
        for seed in (0, 1):
            own = [mask for name, mask in masks.items() if name.startswith(f"{seed}/")]
            assert sum(np.count_nonzero(~mask) for mask in own) == zeros
        assert not any((mask & ~below[name]).any() for name, mask in masks.items() if below)
        below = masks
    # Others start from these models; from those of the other pruners nothing does.
    assert not list((levels.results / MODEL).glob("MP/*/*/models.safetensors"))


def test_tables_figures_and_pages_know_levels_and_ratios_as_reached(levels: Workspace) -> None:
    tables = levels.results / "tables"
    alpha = {
        (row["pruner"], round(float(row["sparsity"]), 3)): float(row["ratio"])
        for row in rows(tables / "alpha.csv")
    }
    total = 21_386
    for sparsity, zeros in ((0.2, 4062), (0.36, 7312), (0.488, 9911)):
        assert alpha["LTH", sparsity] == pytest.approx(total / (total - zeros))
    chip = sorted(ratio for (pruner, _), ratio in alpha.items() if pruner == "CHIP")
    assert chip == pytest.approx([2], rel=0.02)
    record = json.loads((levels.results / MODEL / "CHIP/ratio-200percent/seeds-0-1/metrics.json").read_text())
    assert {model["ratio"] for model in record["models"]} == {chip[0]}
    for name, count in (("effectiveness", 6), ("pie_share", 5), ("recall_variance", 6)):
        assert len(rows(tables / f"{name}.csv")) == count
    tests = [row for row in rows(tables / "alpha_tests.csv") if row["varied"] == "level"]
    assert [(row["family"], row["a"], row["b"], row["family_size"]) for row in tests] == [
        ("level: digits, lenet5, LTH", "1", "2", "2"),
        ("level: digits, lenet5, LTH", "2", "3", "2"),
    ]
    pruners = [row for row in rows(tables / "alpha_tests.csv") if row["varied"] == "pruner"]
    assert {(row["a"], row["b"]) for row in pruners} == {("MP", "CHIP")}
    figures = levels.results / "figures"
    for family in ("alpha", "balance", "effectiveness", "pie_share", "el2n", "pie_share_seeds"):
        assert list((figures / family).glob("*.svg")), family
    index = (levels.results / "index.html").read_text()
    assert "at ratio 2, level 1 to level 3" in index
    assert "LTH at level 3" in (levels.results / "report/cells/digits--lenet5--LTH--level-3.html").read_text()


def test_weights_are_measured_before_their_models_go(levels: Workspace) -> None:
    tables = levels.results / "tables"
    whole = [row for row in rows(tables / "weights.csv") if not row["layer"]]
    left = {(row["pruner"], round(float(row["sparsity"]), 3)): float(row["left_share"]) for row in whole}
    zeros = {("none", 0.0): 0, ("LTH", 0.2): 4062, ("LTH", 0.36): 7312, ("LTH", 0.488): 9911}
    for key, count in zeros.items():
        assert left[key] == pytest.approx(1 - count / 20_310)
    assert len(left) == 6
    assert {row["n_seeds"] for row in whole} == {"2"}
    # A whole filter is a row of its matrix; single weights leave no row empty.
    empty = {row["pruner"]: float(row["empty_rows"]) for row in whole}
    assert empty["CHIP"] > 0.1 > empty["MP"]
    assert {row["pruner"] for row in rows(tables / "weight_values.csv")} == {"none", "LTH", "CHIP", "MP"}


def test_another_level_starts_from_the_last(levels: Workspace, tmp_path: Path) -> None:
    workspace = levels.copy(tmp_path / "run")
    workspace.write(climbed_to(5))
    assert workspace.jobs() == {"level": 2, "weights": 2, "cell": 2, **CLOSING}
    workspace.write(climbed_to(2))
    assert workspace.jobs() == CLOSING


def test_what_is_added_or_lost(levels: Workspace, tmp_path: Path) -> None:
    workspace = levels.copy(tmp_path / "run")
    workspace.write(climbed_to(3, seeds=[0, 1, 2]))
    assert workspace.jobs() == {
        "train": 1,
        "level": 3,
        "prune": 2,
        "weights": 6,
        "el2n": 1,
        "cell": 6,
        **CLOSING,
    }
    workspace.write(LEVELS)
    (model_of(workspace, 2).parent / "test.parquet").unlink()
    # The level goes on from the one below, which is there, and those above it start from it.
    assert workspace.jobs() == {"level": 2, "weights": 2, "cell": 2, **CLOSING}


def test_settings_of_the_levels_run_all_of_it_again(levels: Workspace, tmp_path: Path) -> None:
    workspace = levels.copy(tmp_path / "run")
    workspace.write(
        climbed_to(3, datasets={"digits": {"source": "digits", "training": {"lenet5": {"rewind_epochs": 1}}}})
    )
    assert workspace.jobs() == {"level": 3, "weights": 3, "cell": 3, **CLOSING}


def test_a_killed_run_goes_on_to_the_same_bytes(levels: Workspace, tmp_path: Path) -> None:
    # Nothing is kept here: each level's models go once the next one has climbed from them.
    study = {**LEVELS, "keep_dense_checkpoints": False, "weight_statistics": [], "grid": LEVELS["grid"][:1]}
    workspace = Workspace(tmp_path / "killed", study)
    run = [str(Path(sys.executable).parent / "prunescope"), "run", "--configfile", "study.yaml", "--"]
    run += ["--snakefile", str(ROOT / "Snakefile"), "--cores", "2", TABLES]
    # The second level is at work: its log is there.
    logs = workspace.results / "logs" / "prune" / "digits" / "lenet5" / "LTH"
    workspace.kill_when(lambda: list(logs.glob("level-2/*.log")), run)
    done = subprocess.run(
        run, env=workspace.environment(), cwd=workspace.folder, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    # All that is of one cell; the study's tables are of fewer cells.
    found, wanted = (
        {name: digest for name, digest in tables_of(one.results).items() if not name.startswith("tables/")}
        for one in (workspace, levels)
    )
    assert len(found) > 40
    assert found.items() <= wanted.items()
    assert not list((workspace.results / MODEL).glob("**/*.safetensors"))
    assert not list(workspace.results.glob("**/.*.part*"))
