"""What runs again when something changes, counted in dry runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunescope.config.load import study_from
from prunescope.planning.plan import make_plan

from .conftest import STUDY, Workspace, changed

pytestmark = pytest.mark.workflow

#: What closes every study: rebuilt whenever a cell is.
CLOSING = {"manifest": 1, "tables": 1, "figures": 1, "paper": 1, "site": 1, "all": 1}


def test_first_run_is_what_the_plan_says(tmp_path: Path) -> None:
    jobs = Workspace(tmp_path / "fresh").jobs()
    # 2 dense and 5 pruned cells, each of one block of two seeds.
    assert jobs == {
        "dataset": 2, "encode": 2, "readability": 1, "train": 2, "prune": 5, "el2n": 2, "cell": 7, **CLOSING
    }  # fmt: skip
    assert jobs.total() == make_plan(study_from(STUDY))["jobs"]


def test_nothing_to_do_when_done(finished: Workspace) -> None:
    assert not finished.jobs()


def test_added_seed(workspace: Workspace) -> None:
    workspace.write(changed(seeds=[0, 1, 2]))
    assert workspace.jobs() == {"train": 2, "prune": 5, "el2n": 2, "cell": 7, **CLOSING}


def test_removed_seed_trains_nothing(workspace: Workspace) -> None:
    workspace.write(changed(seeds=[1]))
    assert workspace.jobs() == {"el2n": 2, "cell": 7, **CLOSING}


def test_added_sparsity(workspace: Workspace) -> None:
    workspace.write(changed(grid__0__sparsities=[0.5, 0.7, 0.9]))
    assert workspace.jobs() == {"prune": 2, "cell": 2, **CLOSING}


def test_added_pruner(workspace: Workspace) -> None:
    workspace.write(changed(grid__1__pruners=["MP", "GP"]))
    assert workspace.jobs() == {"prune": 1, "cell": 1, **CLOSING}


def test_added_dataset(workspace: Workspace) -> None:
    study = changed(datasets__more={**STUDY["datasets"]["prose"], "per_library": 30})
    study["grid"].append({"datasets": ["more"], "archs": ["bilstm"], "pruners": ["MP"], "ratios": [2]})
    workspace.write(study)
    assert workspace.jobs() == {
        "dataset": 1, "encode": 1, "readability": 1, "train": 1, "prune": 1, "el2n": 1, "cell": 2, **CLOSING
    }  # fmt: skip


def test_removed_pruner_trains_nothing(workspace: Workspace) -> None:
    workspace.write(changed(grid__0__pruners=["IMP-FT"]))
    assert workspace.jobs() == CLOSING


def test_settings_of_one_dataset(workspace: Workspace) -> None:
    workspace.write(changed(datasets__digits__training={"lenet5": {"lr": 0.1}}))
    assert workspace.jobs() == {"train": 1, "prune": 4, "el2n": 1, "cell": 5, **CLOSING}
    workspace.write(changed(datasets__prose__max_tokens=12))
    # The data set is made again; whether what follows changes is seen only then.
    jobs = workspace.jobs()
    assert jobs["dataset"] == jobs["encode"] == jobs["train"] == jobs["prune"] == 1
    assert jobs["cell"] == 2


def test_block_size_trains_nothing(workspace: Workspace) -> None:
    workspace.write(changed(archs__lenet5__block=1, archs__bilstm__block=4))
    assert not {"train", "prune", "cell"} & set(workspace.jobs())


def test_analysis_settings_train_nothing(workspace: Workspace) -> None:
    workspace.write(changed(analysis={"bins": 10}))
    assert workspace.jobs() == {"cell": 7, **CLOSING}


def test_figure_style_trains_nothing(workspace: Workspace) -> None:
    assert workspace.jobs("--forcerun", "figures") == {"figures": 1, "paper": 1, "site": 1, "all": 1}


def test_one_dataset_alone(tmp_path: Path) -> None:
    jobs = Workspace(tmp_path / "fresh").jobs("digits")
    closing = {rule: count for rule, count in CLOSING.items() if rule != "all"}
    assert jobs == {
        "dataset": 1,
        "encode": 1,
        "train": 1,
        "prune": 4,
        "el2n": 1,
        "cell": 5,
        "digits": 1,
        **closing,
    }
