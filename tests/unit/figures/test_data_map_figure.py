from __future__ import annotations

import csv
from pathlib import Path

import pytest
from matplotlib import colormaps

from prunescope.analysis.csv_text import write_csv
from prunescope.analysis.tables.registry import TABLES
from prunescope.figures.data_map import COLUMNS
from prunescope.figures.drawing import draw

ROWS = [
    ("digits", "lenet5", "GMP", 0.5, 0.9, 0.0, 900, 1, 1 / 900, 1.0, 0.05, 2),
    ("digits", "lenet5", "GMP", 0.9, 0.9, 0.0, 900, 9, 0.01, 1.0, 0.05, 2),
    ("digits", "lenet5", "GMP", 0.9, 0.4, 0.3, 100, 40, 0.4, 0.5, 0.7, 2),
    ("digits", "lenet5", "MP", 0.9, 0.4, 0.3, 100, 20, 0.2, 0.5, 0.7, 2),
]


def test_a_panel_by_pruner_at_its_highest_sparsity(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    from prunescope.figures import data_map
    from prunescope.figures.source import Source

    assert TABLES["data_map"].columns == COLUMNS
    write_csv(tmp_path / "data_map.csv", COLUMNS, ROWS)
    (one,) = data_map.draw(Source.of(tmp_path, []))
    panels = {axes.get_title(): axes for axes in one.figure.axes if axes.get_title()}
    assert sorted(panels) == ["GMP, 90%", "MP, 90%"]
    points = panels["GMP, 90%"].collections[0]
    assert points.get_offsets().tolist() == [pytest.approx([0.025, 0.95]), pytest.approx([0.325, 0.45])]
    few, many = points.get_facecolor()
    assert few.tolist() == pytest.approx(colormaps["viridis_r"](0.01 / 0.4))
    assert many.tolist() == pytest.approx(colormaps["viridis_r"](1.0))
    assert points.get_sizes()[0] > points.get_sizes()[1]
    assert "2 epochs" in one.caption
    plt.close("all")


def test_files_and_a_study_without_a_map(tmp_path: Path) -> None:
    write_csv(tmp_path / "data_map.csv", COLUMNS, ROWS)
    index = draw("data_map", tmp_path, [], tmp_path / "out")
    assert [one["file"] for one in index["figures"]] == ["digits--lenet5.svg"]
    with open(tmp_path / "out" / "digits--lenet5.csv", newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 4
    write_csv(tmp_path / "data_map.csv", COLUMNS, [])
    assert draw("data_map", tmp_path, [], tmp_path / "none")["figures"] == []
