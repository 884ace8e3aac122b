"""What rules ask of a study, without Snakemake."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunescope.config.load import load_study
from prunescope.config.study import Study
from prunescope.errors import UserError
from prunescope.running.workflow import (
    NOT_REPORTED,
    WorkflowGrid,
    any_of,
    errors_in_one_line,
    use_own_command,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def grid() -> WorkflowGrid:
    return WorkflowGrid(load_study(ROOT / "config.yaml"))


def wildcards(dataset="digits", arch="lenet5", pruner="MP", amount="sparsity-500permille", **more):
    return SimpleNamespace(
        **{"dataset": dataset, "arch": arch, "pruner": pruner, "amount": amount, "block": "0-3", **more}
    )


LEVELS = [wildcards(pruner="LTH", amount=f"level-{n}") for n in (1, 2)]


def test_a_wildcard_is_one_of_the_names_as_they_are_spelled():
    pattern = any_of(["a+", "a+b", "c"])
    assert [bool(re.fullmatch(pattern, name)) for name in ("a+b", "a+", "c", "ab")] == [
        True,
        True,
        True,
        False,
    ]


def test_pruners_that_start_from_a_level_below_are_apart(grid):
    assert grid.in_levels == ["LTH"]
    assert not set(grid.in_levels) & set(grid.others)
    assert {*grid.in_levels, *grid.others} == set(grid.study.all_pruners)


def test_what_a_pruned_block_starts_from(grid):
    dense = ["results/models/digits/lenet5/none/sparsity-0permille/seeds-0-3/checkpoint.safetensors"]
    below = ["results/models/digits/lenet5/LTH/level-1/seeds-0-3/models.safetensors"]
    assert (grid.dense_checkpoints(wildcards()), grid.level_below(wildcards())) == (dense, [])
    # RP prunes at initialization: no trained model is asked for.
    assert grid.dense_checkpoints(wildcards(pruner="RP-AI")) == []
    assert [grid.level_below(level) for level in LEVELS] == [[], below]
    assert grid.dense_checkpoints(LEVELS[1]) == []


def test_blocks_of_other_seeds_are_left_aside(grid):
    assert grid.dense_checkpoints(wildcards(block="7-9")) == []


def test_inputs_that_only_some_cells_have(grid):
    text = wildcards("docstrings", "bert")
    topics = wildcards("docstrings-topics", "bilstm", "UP")
    assert grid.readability(wildcards()) == []
    assert grid.readability(text) == ["results/data/docstrings/readability.parquet"]
    assert grid.el2n(wildcards()) == ["results/cells/digits/lenet5/el2n-seeds-0-3.parquet"]
    assert grid.el2n_seeds(SimpleNamespace(seeds="0-3")) == (0, 1, 2, 3)
    assert grid.weights(wildcards()) == []
    assert grid.weights(text) == [
        "results/models/docstrings/bert/MP/sparsity-500permille/seeds-0-3/weights.json"
    ]
    assert grid.pretrained(text) == []
    assert grid.seeds(topics) == (0, 1, 2, 3)


def test_a_cell_outside_the_grid_is_named(grid):
    with pytest.raises(UserError, match="digits lenet5 MP sparsity-123permille: not in this study's grid"):
        grid.cell(wildcards(amount="sparsity-123permille"))


def test_a_scope_has_the_cells_of_its_data_set(grid):
    whole, one = SimpleNamespace(scope=""), SimpleNamespace(scope="only/digits/")
    assert len(grid.cell_files("models.json")(whole)) == len(grid.study.cells)
    assert all("/digits/" in file for file in grid.cell_files("")(one))
    assert grid.cards(one) == ["results/data/digits/card.json"]
    assert grid.cards(whole) == [f"results/data/{name}/card.json" for name in grid.datasets]
    assert set(grid.results("digits")(one)) < set(grid.results()(whole))


def test_settings_rerun_a_job_only_for_what_it_uses(grid):
    assert "training" not in json.loads(grid.dataset_settings(wildcards("docstrings-topics")))
    assert "block" not in json.loads(grid.arch_settings(wildcards()))
    assert not set(json.loads(grid.report_settings(None))) & NOT_REPORTED
    assert set(Study.model_fields) >= NOT_REPORTED


def test_a_further_attempt_asks_for_more_memory(grid):
    memory = grid.resource("mem_mb")
    assert memory(wildcards(), 2) > memory(wildcards(), 1)


def test_tune_without_a_search_space_says_what_to_add(grid):
    with pytest.raises(UserError, match="no data set and arch of the grid has a search space"):
        grid.tuned(None)
    assert grid.searches("best.json") == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a: wrong"), "prunescope: error: a: wrong"),
        (ModuleNotFoundError("x", name="torch"), "prunescope[workflow,train]"),
    ],
)
def test_users_mistakes_and_missing_extras_end_in_one_line(error, line):
    with pytest.raises(SystemExit, match=re.escape(line)), errors_in_one_line():
        raise error


def test_jobs_run_the_command_of_this_environment(tmp_path, monkeypatch):
    """Another installation's comes first in PATH, and then in none at all."""
    for folder in ("other", "own"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "prunescope").touch(0o755)
    own, other = str(tmp_path / "own"), str(tmp_path / "other")
    monkeypatch.setattr(sys, "executable", f"{own}/python")
    monkeypatch.setenv("PATH", other)
    use_own_command()
    assert os.environ["PATH"] == f"{own}{os.pathsep}{other}"
    use_own_command()
    assert os.environ["PATH"] == f"{own}{os.pathsep}{other}"
    # A link to it is the same command.
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "prunescope").symlink_to(tmp_path / "own" / "prunescope")
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    use_own_command()
    assert os.environ["PATH"] == str(tmp_path / "links")
    monkeypatch.setattr("prunescope.running.workflow.program", lambda name: None)
    with pytest.raises(UserError, match=f"prunescope: not installed as a command for {own}/python; run"):
        use_own_command()


def test_defects_keep_their_traceback():
    with pytest.raises(ModuleNotFoundError), errors_in_one_line():
        raise ModuleNotFoundError("x", name="prunescope.nowhere")
