"""What a study no longer names is listed and removed, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from prunescope.cli import main
from prunescope.config.load import study_from
from prunescope.files import write_text
from prunescope.files.ledger import Ledger
from prunescope.running.cleaning import remove_old_scores
from prunescope.running.workflow import WorkflowGrid

GONE = (
    "models/numbers/lenet5/GMP/sparsity-500permille/seeds-0-1/test.parquet",
    "models/numbers/lenet5/IMP-WR/sparsity-700permille/seeds-0-1/models.safetensors",
    "cells/numbers/lenet5/GMP/sparsity-500permille/test/summary.json",
    "cells/numbers/lenet5/el2n-seeds-0-9.parquet",
    "models/old/lenet5/none/sparsity-0permille/seeds-0-1/checkpoint.safetensors",
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study_dict: dict[str, Any]) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(study_dict))
    results = tmp_path / "results"
    (results / ".prunescope").mkdir(parents=True)
    for name in (*WorkflowGrid(study_from(study_dict)).outputs(), *GONE):
        write_text(results / name, name)
    return results


def names(results: Path) -> set[str]:
    return {
        str(path.relative_to(results))
        for path in results.rglob("*")
        if path.is_file() and ".prunescope" not in path.parts
    }


def test_what_is_no_longer_named_goes(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = names(results)
    assert main(["clean", "--configfile", "study.yaml", "--dry-run"]) == 0
    listed = capsys.readouterr().out
    assert all(name.rsplit("/test", 1)[0].rsplit("/seeds", 1)[0] in listed for name in GONE)
    assert "5 of them, 0.0 MB: would be removed" in listed
    assert names(results) == whole
    assert main(["clean", "--configfile", "study.yaml"]) == 0
    assert "5 of them, 0.0 MB: removed" in capsys.readouterr().out
    assert whole - names(results) == set(GONE)
    assert not (results / "models/old").exists()
    assert not set(GONE) & {file for _, file, _ in Ledger(results).entries()}
    assert main(["clean", "--configfile", "study.yaml"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_a_run_removes_scores_of_other_seeds_alone(results: Path, study_dict: dict[str, Any]) -> None:
    whole = names(results)
    remove_old_scores(study_from(study_dict))
    assert whole - names(results) == {"cells/numbers/lenet5/el2n-seeds-0-9.parquet"}
    assert "cells/numbers/lenet5/el2n-seeds-0-9.parquet" not in {
        file for _, file, _ in Ledger(results).entries()
    }


def test_links_are_not_followed(results: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "lenet5/MP/sparsity-100permille/seeds-0-0").mkdir(parents=True)
    (outside / "lenet5/MP/sparsity-100permille/seeds-0-0/test.parquet").write_text("x")
    (results / "models/linked").symlink_to(outside)
    (results / "models/numbers/lenet5/GMP/sparsity-600permille").mkdir()
    (results / "models/numbers/lenet5/GMP/sparsity-600permille/seeds-0-1").symlink_to(outside)
    assert main(["clean", "--configfile", "study.yaml"]) == 0
    assert (outside / "lenet5/MP/sparsity-100permille/seeds-0-0/test.parquet").exists()
    assert (results / "models/linked").is_symlink()
    assert not (results / "models/numbers/lenet5/GMP").exists()
