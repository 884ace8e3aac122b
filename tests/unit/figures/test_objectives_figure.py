from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from prunescope.analysis.csv_text import write_csv
from prunescope.figures.drawing import draw
from prunescope.figures.objectives import COLUMNS


def row(
    dataset: str, objective: str, mean: float | None, published: float | None = None
) -> tuple[object, ...]:
    spread = (None, None, None) if mean is None else (0.01, mean - 0.05, mean + 0.05)
    return (dataset, "bert", objective, 0.8, "PINS", objective, "accuracy", mean, *spread, 0.99, 3, published)


ROWS = [
    row("rte", "task", 0.6, 0.709),
    row("rte", "self-regularized", 0.7, 0.727),
    row("cola", "task", 0.5),
    row("cola", "distilled", 0.4),
]


def points(panel: Any, *, white: bool) -> set[tuple[float, float]]:
    """Where points are drawn, those of the paper or ours."""
    found = [one for one in panel.collections if isinstance(one, PathCollection)]
    places = [
        place
        for one in found
        if (to_hex(one.get_facecolor()[0]) == "#ffffff") == white
        for place in one.get_offsets().tolist()
    ]
    return {(round(x, 3), y) for x, y in places if y == y}


def test_a_panel_per_data_set(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    from prunescope.figures import objectives
    from prunescope.figures.source import Source

    write_csv(tmp_path / "objectives.csv", COLUMNS, ROWS)
    write_csv(
        tmp_path / "effectiveness.csv",
        ("dataset", "arch", "pruner", "sparsity", "metric", "mean"),
        [("rte", "bert", "none", 0.0, "accuracy", 0.66)],
    )
    (picture,) = objectives.draw(Source.of(tmp_path, []))
    rte, cola = [axes for axes in picture.figure.axes if axes.get_visible()]
    # Task, distilled, self-regularized from left to right; each data set has an axis of its own.
    assert points(rte, white=False) == {(-0.24, 0.6), (0.24, 0.7)}
    assert points(cola, white=False) == {(-0.24, 0.5), (0.0, 0.4)}
    assert points(rte, white=True) == {(-0.15, 0.709), (0.33, 0.727)}
    assert points(cola, white=True) == set()
    assert "Table 6" in picture.caption
    assert rte.get_ylim()[0] < 0.59
    assert rte.get_ylim()[1] > 0.727
    assert picture.data["unpruned"].tolist()[:2] == [pytest.approx(0.66)] * 2
    plt.close("all")


@pytest.mark.parametrize("rows", [[], [row("rte", "task", None)]])
def test_a_study_of_one_objective_has_no_figure(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    write_csv(tmp_path / "objectives.csv", COLUMNS, rows)
    index = draw("objectives", tmp_path, [], tmp_path / "out")
    assert index["figures"] == []
    assert index["skipped"] == [{"what": "objectives", "why": "no pruner was run under two objectives"}]
