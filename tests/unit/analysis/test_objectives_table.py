"""One way of pruning under several objectives: rows worked by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from prunescope.analysis.csv_text import read_csv
from prunescope.analysis.objectives import rows
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import Objective
from prunescope.analysis.tables.results import StudyResults
from prunescope.config.analysis import Analysis
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.papers.against_papers import collect_all
from prunescope.papers.pins.printed import objective_score

PINS = PRUNERS["PINS"]


def under(objective: str, pruner: Pruner = PINS) -> dict[str, Any]:
    return pruner.model_copy(update={"objective": objective}).model_dump()


@dataclass(frozen=True)
class FakeCell(CellResults):
    """A cell with these scores, without files."""

    values: Mapping[int, float] | None = None

    @property
    def metric(self) -> str:
        return "accuracy"

    def scores(self, side: str) -> dict[int, float]:
        if self.values is None:
            raise AssertionError("scores that are not needed are read")
        return dict(self.values)


def cell(
    pruner: str,
    composition: Mapping[str, Any],
    values: Mapping[int, float] | None,
    *,
    dataset: str = "rte",
    arch: str = "bert-base",
    sparsity: float = 0.8,
) -> FakeCell:
    folder = Path(dataset, arch, pruner, Compression.of_sparsity(sparsity).token)
    return FakeCell(folder, [], {"composition": composition}, values)


def found(cells: list[FakeCell], sources: Mapping[str, str] | None = None) -> list[Objective]:
    return list(rows(StudyResults(cells, {}, Analysis(confidence=0.95), sources or {}, objective_score)))


PAIR = [
    cell("PINS", under("self-regularized"), {0: 0.7, 1: 0.8}),
    cell("PINS-task", under("task"), {0: 0.6, 1: 0.6}),
]


def test_means_and_intervals_by_hand() -> None:
    first, second = found(PAIR, sources={"rte": "glue_rte"})
    assert (first.base, second.base) == ("PINS", "PINS")
    assert (first.objective, second.objective) == ("self-regularized", "task")
    assert (first.mean, first.n_seeds, first.confidence) == (pytest.approx(0.75), 2, 0.95)
    assert first.std == pytest.approx(0.1 / 2**0.5)
    # t(.975, 1) = 12.7062; standard error .05.
    assert first.ci_low == pytest.approx(0.75 - 12.7062 * 0.05, abs=1e-5)
    # 0.75 + 12.7062 * 0.05 is more than a score can be.
    assert first.ci_high == 1.0
    assert (second.ci_low, second.ci_high) == (pytest.approx(0.6), pytest.approx(0.6))
    # Table 6: RTE.
    assert (first.published, second.published) == (0.727, 0.709)


def test_order_of_seeds_does_not_matter() -> None:
    turned = [cell("PINS", under("self-regularized"), {1: 0.8, 0: 0.7}), PAIR[1]]
    assert found(turned) == found(PAIR)


@pytest.mark.parametrize(
    "other",
    [
        cell("PINS-again", under("self-regularized"), {0: 0.5}),
        cell("PLATON", PRUNERS["PLATON"].model_dump(), {0: 0.5}),
        cell("PINS-task", under("task"), {0: 0.5}, sparsity=0.9),
        cell("PINS-task", under("task"), {0: 0.5}, dataset="cola"),
        cell("PINS-task", under("task"), {0: 0.5}, arch="mine"),
    ],
)
def test_what_differs_in_more_than_the_objective_is_no_pair(other: FakeCell) -> None:
    assert found([replace(PAIR[0], values=None), replace(other, values=None)]) == []


def test_only_the_papers_cells_have_printed_scores() -> None:
    for more in ({"arch": "mine"}, {"sparsity": 0.9}):
        pair = [
            cell("PINS", under("self-regularized"), {0: 0.7}, **more),
            cell("PINS-distilled", under("distilled"), {0: 0.7}, **more),
        ]
        assert [row.published for row in found(pair, sources={"rte": "glue_rte"})] == [None, None]
    assert [row.published for row in found(PAIR, sources={"rte": "imdb"})] == [None, None]
    others = [
        cell("PLATON", PRUNERS["PLATON"].model_dump(), {0: 0.7}),
        cell("PLATON-d", under("distilled", PRUNERS["PLATON"]), {0: 0.7}),
    ]
    assert [(row.base, row.published) for row in found(others)] == [("PLATON", None), ("PLATON", None)]


def test_cells_are_grouped_by_what_their_jobs_record(tmp_path: Path) -> None:
    folders = []
    nothing = ("n_examples", "n_pies", "pie_share", "dense_score_on_pies", "pruned_score_on_pies")
    for name, objective, score in (("PINS", "self-regularized", 0.75), ("PINS-task", "task", 0.5)):
        folder = tmp_path / "cells" / "rte" / "bert-base" / name / "sparsity-800permille"
        (folder / "test").mkdir(parents=True)
        summary = {"task": "single-label", "metric": "accuracy", **dict.fromkeys(nothing)}
        (folder / "test" / "summary.json").write_text(json.dumps(summary))
        (folder / "test" / "scores.csv").write_text(f"seed,score_dense,score_pruned,flips\n0,0.8,{score},0\n")
        models = [{"seed": 0, "diverged": False, "sparsity": 0.8, "ratio": 5.0}]
        record = {"dataset": "rte", "arch": "bert-base", "pruner": name, "amount": folder.name}
        settings = {"composition": under(objective)}
        (folder / "models.json").write_text(json.dumps({**record, "settings": settings, "models": models}))
        folders.append(folder)
    collect_all(folders, tmp_path / "tables", sources={"rte": "glue_rte"})
    written = read_csv(tmp_path / "tables" / "objectives.csv")
    assert [(row["pruner"], row["objective"], row["mean"], row["published"]) for row in written] == [
        ("PINS", "self-regularized", "0.75", "0.727"),
        ("PINS-task", "task", "0.5", "0.709"),
    ]
