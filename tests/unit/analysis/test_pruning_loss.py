"""The loss while models are pruned: rows worked by hand, and the verdict on it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from tests.support.bare_cell import bare_cell

from prunescope.analysis import pruning_loss
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.collect import collect
from prunescope.analysis.tables.declared import CELL, Key, header
from prunescope.analysis.tables.registry import PruningLoss
from prunescope.analysis.tables.results import StudyResults
from prunescope.errors import UserError
from prunescope.papers.claims import Finding
from prunescope.papers.measured import Measured
from prunescope.papers.pins.claims import CLAIMS


def model(seed: int, losses: list[float], diverged: bool = False) -> dict[str, Any]:
    curve = {"step": [2, 4], "sparsity": [0.0, 0.9], "loss": losses}
    return {"seed": seed, "diverged": diverged, "pruning_curve": curve}


HERE = Path("d", "net", "GMP", "sparsity-900permille")


def rows(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = pruning_loss.rows(StudyResults([CellResults(HERE, models, {})], {}))
    return [{name: value for name, value in vars(row).items() if name not in CELL} for row in found]


def test_means_over_seeds_by_hand() -> None:
    models = [model(0, [1.0, 0.5]), model(1, [2.0, 0.5]), model(2, [9.0, 9.0], diverged=True)]
    assert rows(models) == [
        {"step": 2, "reached": 0.0, "mean": 1.5, "std": pytest.approx(0.5**0.5), "n_seeds": 2},
        {"step": 4, "reached": 0.9, "mean": 0.5, "std": 0.0, "n_seeds": 2},
    ]
    assert [(row["mean"], row["std"], row["n_seeds"]) for row in rows(models[:1])] == [
        (1.0, None, 1),
        (0.5, None, 1),
    ]
    assert rows(list(reversed(models))) == rows(models)
    # Trained before losses were recorded, or by other pruners.
    assert rows([{"seed": 0, "diverged": False}]) == []


@pytest.mark.parametrize(
    "curve",
    [
        {"step": [2, 4], "sparsity": [0.0, 0.8], "loss": [1.0, 1.0]},
        {"step": [2, 4], "sparsity": [0.0, 0.9], "loss": [1.0]},
        {"step": [2, 4], "loss": [1.0, 1.0]},
        [1, 2],
    ],
)
def test_a_curve_that_does_not_fit_is_named(curve: Any) -> None:
    damaged = model(1, []) | {"pruning_curve": curve}
    with pytest.raises(UserError, match=r"900permille: the pruning_curve of seed 1 .* train the cell again"):
        rows([model(0, [1.0, 0.5]), damaged])


def test_the_table_has_a_row_per_point(tmp_path: Path) -> None:
    folder = bare_cell(tmp_path, [model(seed, [1.0 + seed, 0.5]) for seed in (0, 1)])
    collect([folder], tmp_path / "tables")
    with open(tmp_path / "tables" / "pruning_loss.csv", newline="", encoding="utf-8") as stream:
        names, *found = csv.reader(stream)
    assert tuple(names) == header(PruningLoss)
    assert [row[:7] for row in found] == [
        ["d", "net", "GMP", "0.9", "2", "0.0", "1.5"],
        ["d", "net", "GMP", "0.9", "4", "0.9", "0.5"],
    ]


def study(curves: dict[str, list[float]], *, steps: tuple[int, ...] = (2, 4, 6)) -> Measured:
    """``sst PINS``: data set and pruner at 80 %, with losses before weights go, and in the two points after."""
    reached = (0.0, 0.5, 0.8)
    return Measured(
        losses={
            (key := Key(name.split()[0], "enc", name.split()[1], 0.8)): tuple(
                PruningLoss(*key, step, sparsity, loss, None, 1)
                for step, sparsity, loss in zip(steps, reached, losses, strict=True)
            )
            for name, losses in curves.items()
        },
        families={"enc": "encoder"},
    )


def checked(tables: Measured) -> Finding:
    return CLAIMS.findings(tables)["PINS-13"]


HELD = {"sst PINS": [9.0, 0.4, 0.2], "sst GMP": [0.1, 0.5, 0.3], "sst sensitivity": [0.1, 0.6, 0.6]}


def test_the_criterion_must_have_the_lowest_loss() -> None:
    held = checked(study(HELD))
    assert held.verdict == "holds"
    # The steps before the first weight goes say nothing of the criterion.
    assert held.evidence == (
        "PINS has the lowest mean loss in 1 of 1 models and compression levels (in the mean 0.3 against 0.4 of the "
        "best measured of GMP and sensitivity); memory and time of self-regularization are measured by "
        "benchmarks/gradual.py"
    )
    lost = checked(study(HELD | {"sst GMP": [9.0, 0.3, 0.2]}))
    assert lost.verdict == "fails"
    assert "lowest mean loss in 0 of 1" in lost.evidence


def test_the_plain_formula_is_reported_and_decides_where_it_is_alone() -> None:
    both = HELD | {"sst PINS-plain": [1.0, 2.0, 2.0]}
    assert checked(study(both)).verdict == "holds"
    assert "PINS-plain has the lowest mean loss in 0 of 1" in checked(study(both)).evidence
    del both["sst PINS"]
    assert checked(study(both)).verdict == "fails"


def test_what_cannot_be_compared_is_not_measured() -> None:
    for nothing in ({"sst PINS": [1.0, 1.0, 1.0]}, {"sst GMP": [1.0, 1.0, 1.0]}, {}):
        assert checked(study(nothing)).verdict == "not measured"
    other = study({"sst GMP": [1.0, 1.0, 1.0]}, steps=(2, 4, 7))
    mixed = Measured(
        losses={**study({"sst PINS": [1.0, 0.1, 0.1]}).losses, **other.losses}, families={"enc": "encoder"}
    )
    assert checked(mixed).verdict == "not measured"
    pictures = Measured(losses=study(HELD).losses, families={"enc": "lenet5"})
    assert checked(pictures).verdict == "not measured"


def test_a_fifth_may_be_exceptions() -> None:
    curves: dict[str, list[float]] = {}
    for number in range(5):
        curves[f"d{number} PINS"] = [1.0, 0.4, 0.4]
        curves[f"d{number} GMP"] = [1.0, 0.5, 0.5]
    curves["d0 GMP"] = [1.0, 0.1, 0.1]
    assert checked(study(curves)).verdict == "holds"
    curves["d1 GMP"] = [1.0, 0.1, 0.1]
    assert checked(study(curves)).verdict == "fails"
