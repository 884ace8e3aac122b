from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prunescope.analysis.csv_text import write_csv
from prunescope.figures.drawing import draw
from prunescope.figures.who_pays import CLASS_COLUMNS, COLUMNS


def overlap(
    pruner: str, jaccard: float | None, chance: float | None, sparsity: float = 0.9
) -> tuple[Any, ...]:
    return ("d", "net", pruner, sparsity, "GMP", 100, 10, 12, 5, jaccard, chance)


def change(
    pruner: str, name: str, support: int, reference: float, other: float, sure: bool
) -> tuple[Any, ...]:
    apart = other - reference
    ends = (reference, reference - 0.3, reference + 0.3, other, other - 0.3, other + 0.3)
    # The interval leaves out 0 in all of them: what is marked is the corrected test.
    tested = (apart, apart - 0.01, apart + 0.01, 0.99, 3, 0.001, 0.01 if sure else 0.2)
    return ("d", "net", pruner, 0.9, "GMP", name, support, *ends, *tested)


def pictures(tmp_path: Path, overlaps: list[Any], classes: list[Any]) -> list[Any]:
    from prunescope.figures import who_pays
    from prunescope.figures.source import Source

    write_csv(tmp_path / "who_pays.csv", COLUMNS, overlaps)
    write_csv(tmp_path / "who_pays_classes.csv", CLASS_COLUMNS, classes)
    return list(who_pays.draw(Source.of(tmp_path, [])))


def test_overlaps_and_changes(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    classes = [
        change("PINS", "few", 5, -0.1, 0.2, True),
        change("PINS", "many", 50, -0.2, -0.1, False),
        change("sensitivity", "few", 5, -0.1, 0.0, False),
        change("sensitivity", "many", 50, -0.2, -0.2, False),
    ]
    (picture,) = pictures(tmp_path, [overlap("sensitivity", 0.25, 0.05), overlap("PINS", 0.5, 0.06)], classes)
    assert picture.stem == "d--net--90percent"
    shared, cells = picture.figure.axes[:2]
    assert [patch.get_width() for patch in shared.patches if patch.get_width() > 0] == [0.5, 0.25]
    # The reference has a row of its own, first; classes are ordered by support.
    assert [label.get_text() for label in shared.get_yticklabels()] == ["GMP", "PINS", "sensitivity"]
    assert [label.get_text() for label in cells.get_xticklabels()] == ["many", "few"]
    numbers = [text.get_text() for text in cells.texts]
    assert numbers == ["-20", "-10", "-10", "+20", "-20", "0"]
    # PINS differs from GMP in one class for sure.
    assert [text.get_weight() == "bold" for text in cells.texts] == [False, False, False, True, False, False]
    mesh = cells.collections[0]
    assert mesh.get_clim() == pytest.approx((-20, 20))
    assert "bold" in picture.caption
    assert "those" not in picture.caption
    plt.close("all")


def test_of_many_classes_those_that_differ_most(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    classes = [change("PINS", f"c{n:02d}", 100 - n, 0.0, n / 100, False) for n in range(20)]
    (picture,) = pictures(tmp_path, [], classes)
    panel = picture.figure.axes[0]
    assert [label.get_text() for label in panel.get_xticklabels()] == [f"c{n:02d}" for n in range(8, 20)]
    assert "Of 20 classes those 12" in picture.caption
    assert len(picture.data) == 20
    plt.close("all")


def test_without_classes_there_are_the_overlaps_alone(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    first, second = pictures(tmp_path, [overlap("PINS", 0.5, 0.06), overlap("PINS", 0.2, 0.1, 0.5)], [])
    assert [first.stem, second.stem] == ["d--net--50percent", "d--net--90percent"]
    assert "recall" not in first.caption
    plt.close("all")


def test_of_many_levels_the_lowest_the_middle_and_the_highest(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    compressions = (0.2, 0.5, 0.7, 0.8, 0.9)
    drawn = pictures(tmp_path, [overlap("PINS", 0.5, 0.06, compression) for compression in compressions], [])
    assert [one.stem for one in drawn] == [f"d--net--{percent}percent" for percent in (20, 70, 90)]
    plt.close("all")


def test_nothing_to_compare(tmp_path: Path) -> None:
    write_csv(tmp_path / "who_pays.csv", COLUMNS, [])
    write_csv(tmp_path / "who_pays_classes.csv", CLASS_COLUMNS, [])
    index = draw("who_pays", tmp_path, [], tmp_path / "out")
    assert index["figures"] == []
    assert [one["what"] for one in index["skipped"]] == ["who_pays"]
