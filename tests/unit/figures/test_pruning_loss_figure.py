from __future__ import annotations

import csv
from pathlib import Path

import pytest

from prunescope.analysis.csv_text import write_csv
from prunescope.figures.drawing import draw
from prunescope.figures.pruning_loss import COLUMNS

POINTS = [
    ("sst2", "bert", "PINS", 0.8, 5, 0.0, 0.7, 0.1, 3),
    ("sst2", "bert", "PINS", 0.8, 10, 0.6, 0.5, 0.1, 3),
    ("sst2", "bert", "PINS", 0.8, 15, 0.8, 0.4, None, 1),
    ("sst2", "bert", "GMP", 0.8, 5, 0.0, 0.7, 0.1, 3),
    ("sst2", "bert", "GMP", 0.8, 10, 0.6, 0.6, 0.1, 3),
    ("sst2", "bert", "GMP", 0.8, 15, 0.8, 0.7, 0.2, 3),
    ("sst2", "bert", "L0", 0.8, 6, 0.1, 0.7, 0.1, 3),
    ("sst2", "bert", "L0", 0.8, 18, 0.8, 0.9, 0.1, 3),
    ("sst2", "bert", "PINS", 0.9, 5, 0.0, 0.7, 0.1, 3),
]


def test_lines_bands_and_schedules(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    from prunescope.figures import pruning_loss
    from prunescope.figures.source import Source

    write_csv(tmp_path / "pruning_loss.csv", COLUMNS, POINTS)
    first, second = pruning_loss.draw(Source.of(tmp_path, []))
    assert [one.stem for one in (first, second)] == ["sst2--bert--80percent", "sst2--bert--90percent"]
    above, below = first.figure.axes
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in above.lines]
    # In the order of legends: PINS, GMP, L0.
    assert lines == [([5, 10, 15], [0.7, 0.5, 0.4]), ([5, 10, 15], [0.7, 0.6, 0.7]), ([6, 18], [0.7, 0.9])]
    band = above.collections[1].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (pytest.approx(0.5), pytest.approx(0.9))
    # PINS and GMP share a schedule, which is drawn once.
    assert [list(line.get_ydata()) for line in below.lines] == [[0.0, 0.0, 0.6, 0.8], [0.0, 0.1, 0.8]]
    assert "black where pruners share the schedule" in first.caption
    assert "black" not in second.caption
    plt.close("all")


def test_files_and_data(tmp_path: Path) -> None:
    write_csv(tmp_path / "pruning_loss.csv", COLUMNS, POINTS)
    index = draw("pruning_loss", tmp_path, [], tmp_path / "out")
    assert [one["file"] for one in index["figures"]] == [
        "sst2--bert--80percent.svg",
        "sst2--bert--90percent.svg",
    ]
    with open(tmp_path / "out" / "sst2--bert--80percent.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["pruner"], float(row["step"]), float(row["mean"])) for row in rows] == [
        (row[2], row[4], row[6]) for row in POINTS[:8]
    ]


def test_a_study_without_such_losses_has_no_figure_and_says_why(tmp_path: Path) -> None:
    write_csv(tmp_path / "pruning_loss.csv", COLUMNS, [])
    index = draw("pruning_loss", tmp_path, [], tmp_path / "out")
    assert index["figures"] == []
    assert [one["what"] for one in index["skipped"]] == ["pruning_loss"]
