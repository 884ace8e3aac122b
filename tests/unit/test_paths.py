"""Names of paths, and which blocks of seeds make up a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.config.load import study_from
from prunescope.config.study import Study
from prunescope.errors import UserError
from prunescope.paths import (
    CellFolder,
    Layout,
    block_name,
    block_seeds,
    cell_below,
    dense_cell,
    fill,
    keeps_models,
    seed_blocks,
)
from prunescope.planning.blocks import blocks

LAYOUT = Layout("out")


def study_of(study_dict: dict[str, Any], seeds: list[int], size: int) -> tuple[Study, Cell]:
    grid = [{"datasets": ["numbers"], "archs": ["lenet5"], "pruners": ["MP"], "sparsities": [0.5]}]
    archs = {"lenet5": {"family": "lenet5", "block": size}}
    study = study_from({**study_dict, "results": "out", "seeds": seeds, "archs": archs, "grid": grid})
    return study, study.cells[1]


def finish(root: Path, cell: Cell, block: str) -> None:
    path = root / fill(LAYOUT.model("metrics.json"), cell, block)
    path.parent.mkdir(parents=True)
    path.write_text("{}")


def test_names(study_dict):
    cell = study_of(study_dict, [0], 1)[1]
    assert fill(LAYOUT.model("test.parquet"), cell, "0-3") == (
        "out/models/numbers/lenet5/MP/sparsity-500permille/seeds-0-3/test.parquet"
    )
    assert fill(LAYOUT.cell("test/summary.json"), cell) == (
        "out/cells/numbers/lenet5/MP/sparsity-500permille/test/summary.json"
    )
    assert fill(LAYOUT.cell(), cell) == "out/cells/numbers/lenet5/MP/sparsity-500permille"
    assert fill(LAYOUT.data("card.json"), cell) == "out/data/numbers/card.json"
    assert fill(LAYOUT.inputs, cell) == "out/data/numbers/inputs/lenet5.safetensors"
    assert LAYOUT.log("train", "dataset", "block") == "out/logs/train/{dataset}/{block}.log"
    assert LAYOUT.scoped("index.html").format(scope="only/numbers/") == "out/only/numbers/index.html"


@given(st.integers(0, 10**6), st.integers(0, 20))
def test_block_names_round_trip(first, more):
    assert block_seeds(block_name(first, first + more)) == tuple(range(first, first + more + 1))


@pytest.mark.parametrize(
    ("seeds", "size", "expected"),
    [
        ((0, 1, 2, 3), 4, [(0, 3)]),
        ((0, 1, 2, 3, 4), 2, [(0, 1), (2, 3), (4, 4)]),
        ((3, 1, 0), 2, [(0, 1), (3, 3)]),
        ((0, 2, 4), 3, [(0, 0), (2, 2), (4, 4)]),
        ((5, 6, 7, 9, 10), 2, [(5, 6), (7, 7), (9, 10)]),
        ((), 2, []),
    ],
)
def test_seed_blocks(seeds, size, expected):
    assert seed_blocks(seeds, size) == expected


def test_adding_a_seed_trains_only_the_new_one(study_dict, tmp_path):
    study, cell = study_of(study_dict, [0, 1, 2, 3], 4)
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-3"]
    finish(tmp_path, cell, "0-3")
    study, cell = study_of(study_dict, [0, 1, 2, 3, 4], 4)
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-3", "4-4"]
    # Without anything on disk it would have been cut in just this way, too; a lower seed would not:
    study, cell = study_of(study_dict, [0, 1, 2, 3, 4, 5, 9], 4)
    finish(tmp_path, cell, "4-4")
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-3", "4-4", "5-5", "9-9"]


def test_another_block_size_keeps_what_is_there(study_dict, tmp_path):
    study, cell = study_of(study_dict, [0, 1, 2, 3], 2)
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-1", "2-3"]
    finish(tmp_path, cell, "2-3")
    study, cell = study_of(study_dict, list(range(8)), 4)
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-1", "2-3", "4-7"]


def test_removing_a_seed_keeps_the_block_that_held_it(study_dict, tmp_path):
    study, cell = study_of(study_dict, [0, 1, 2], 2)
    finish(tmp_path, cell, "2-3")
    finish(tmp_path, cell, "7-8")
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-1", "2-3"]


def test_of_overlapping_blocks_the_larger_one_is_kept(study_dict, tmp_path):
    study, cell = study_of(study_dict, [0, 1, 2, 3], 1)
    for block in ("0-0", "1-3", "3-3"):
        finish(tmp_path, cell, block)
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-0", "1-3"]


def test_folders_that_are_unfinished_or_foreign_do_not_count(study_dict, tmp_path):
    study, cell = study_of(study_dict, [0, 1], 2)
    parent = (tmp_path / fill(LAYOUT.model("metrics.json"), cell, "0-0")).parents[1]
    for name in ("seeds-0-0", "seeds-x", "other", "seeds-1-0"):
        (parent / name).mkdir(parents=True)
    (parent / "seeds-1-0" / "metrics.json").write_text("{}")
    (parent / "seeds-1-1").write_text("a file")
    assert blocks(LAYOUT, study, cell, tmp_path) == ["0-1"]


SEEDS = st.sets(st.integers(0, 12), min_size=1, max_size=10)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(SEEDS, st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=4), st.randoms())
def test_every_seed_once_and_the_same_answer_while_a_study_runs(tmp_path_factory, study_dict, runs, random):
    """Runs with changing seeds and block sizes, each stopped after some of its jobs but the last."""
    root = tmp_path_factory.mktemp("run")
    done: set[str] = set()
    for number, (seeds, size, jobs) in enumerate(runs):
        study, cell = study_of(study_dict, sorted(seeds), size)
        planned = blocks(LAYOUT, study, cell, root)
        covered = [seed for block in planned for seed in block_seeds(block)]
        assert seeds <= set(covered)
        assert len(covered) == len(set(covered))
        new = [block for block in planned if block not in done]
        assert all(len(block_seeds(block)) <= size for block in new)
        # Nothing that a kept block holds is trained again.
        kept = {seed for block in planned if block in done for seed in block_seeds(block)}
        assert not kept & {seed for block in new for seed in block_seeds(block)}
        random.shuffle(new)
        for block in new if number == len(runs) - 1 else new[:jobs]:
            finish(root, cell, block)
            done.add(block)
            assert blocks(LAYOUT, study, cell, root) == planned


def test_the_dense_cell_of_a_cell(study_dict):
    study = study_from(study_dict)
    for cell in study.cells:
        dense = dense_cell(study, cell)
        assert dense.dense
        assert (dense.dataset, dense.arch) == (cell.dataset, cell.arch)
        assert set(cell.seeds) <= set(dense.seeds)


def test_the_cell_below_a_cell(study_dict):
    ladder = {"datasets": ["numbers"], "archs": ["lenet5"], "pruners": ["LTH"], "levels": 3}
    study = study_from({**study_dict, "grid": [*study_dict["grid"], ladder]})
    for cell in study.cells:
        below = cell_below(study, cell)
        if cell.compression.kind == "level" and cell.compression.units > 1:
            assert below.compression == Compression.of_level(cell.compression.units - 1)
            assert (below.dataset, below.arch, below.pruner) == (cell.dataset, cell.arch, "LTH")
            assert below.seeds == cell.seeds
        else:
            assert below == dense_cell(study, cell)


@pytest.mark.parametrize(
    ("models", "dense", "ladder", "other"),
    [
        (True, True, True, True),
        (False, True, True, False),
        (True, False, True, True),
        (False, False, False, False),
    ],
)
def test_which_models_stay(study_dict, models, dense, ladder, other):
    study = study_from({**study_dict, "keep_models": models, "keep_dense_checkpoints": dense})
    assert keeps_models(study, "LTH") is ladder
    assert keeps_models(study, "MP") is other


@pytest.mark.parametrize("split", ["", "test", "train"])
def test_a_cells_folder_says_which_cell(split):
    found = CellFolder.at(Path("r/cells/imdb/bert/IMP-WR/sparsity-900permille") / split)
    assert (found.dataset, found.arch, found.pruner) == ("imdb", "bert", "IMP-WR")
    assert found.compression == Compression.of_sparsity(0.9)
    assert found.path == Path("r/cells/imdb/bert/IMP-WR/sparsity-900permille")


@pytest.mark.parametrize("path", ["nowhere", "a/b/c/d", "b/c/sparsity-900permille"])
def test_other_paths_are_no_cells(path):
    with pytest.raises(UserError, match=r"not a cell|not a compression level"):
        CellFolder.at(Path(path))
