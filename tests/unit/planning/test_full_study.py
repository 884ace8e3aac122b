"""studies/full.yaml is the papers' studies and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunescope.config.load import load_study
from prunescope.config.study import Study
from prunescope.planning.plan import make_plan

STUDIES = Path(__file__).parents[3] / "studies"

#: The papers' studies.
PARTS = ("pie.yaml", "recall.yaml", "pins.yaml")


@pytest.fixture(scope="module")
def full() -> Study:
    return load_study(STUDIES / "full.yaml")


@pytest.fixture(scope="module")
def parts() -> list[Study]:
    return [load_study(STUDIES / name) for name in PARTS]


def test_its_cells_are_those_of_the_papers(full, parts):
    cells = [cell for part in parts for cell in part.cells]
    assert len(set(cells)) == len(cells)
    assert set(full.cells) == set(cells)
    assert len(full.cells) == len(cells)


@pytest.mark.parametrize("kind", ["datasets", "archs", "pruners"])
def test_settings_are_those_of_the_papers(full, parts, kind):
    merged: dict[str, object] = {}
    for part in parts:
        for name, settings in getattr(part, kind).items():
            assert merged.setdefault(name, settings) == settings
    assert getattr(full, kind) == merged


def test_the_analysis_is_that_of_the_papers(full, parts):
    """Ratios and sparsities are compared apart, so both papers' compression levels can stand in one list."""
    tested: set[float] = set()
    for part in parts:
        chosen = part.analysis.tested_amounts
        tested |= set(chosen or (cell.compression.value for cell in part.cells if not cell.dense))
    assert set(full.analysis.tested_amounts or ()) == tested
    free = full.analysis.model_copy(update={"tested_amounts": None})
    for part in parts:
        assert part.analysis.model_copy(update={"tested_amounts": None}) == free
        shown = {cell.compression.value for cell in part.cells if not cell.dense}
        assert shown & tested == set(part.analysis.tested_amounts or shown)


def test_its_results_are_its_own(full, parts):
    folders = [full.results, *(part.results for part in parts)]
    assert len(set(folders)) == len(folders)


def test_its_plan_is_the_sum(full, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan, plans = make_plan(full), [make_plan(part) for part in parts]
    assert plan["models"] == sum(other["models"] for other in plans) == 9840 + 4050 + 1130
    assert plan["gpu_hours"] == pytest.approx(sum(other["gpu_hours"] for other in plans))
    assert {row["paper"]: row["models"] for row in plan["papers"]} == {
        "pie": 9840,
        "recall": 4050,
        "pins": 1130,
    }
