"""Layers that pruning leaves empty: by hand, in the study's table, and in words."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from tests.support.bare_cell import bare_cell

from prunescope.analysis.layer_collapse import Collapsed, collapsed
from prunescope.analysis.tables.collect import collect
from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import LayerCollapse
from prunescope.errors import UserError
from prunescope.site.findings import collapse_sentences


def model(seed: int, *zeros: int, diverged: bool = False) -> dict[str, Any]:
    """Layers a, b, c of 4, 6 and 8 weights."""
    layers = {
        f"{name}.weight": {"size": size, "zeros": gone}
        for name, size, gone in zip("abc", (4, 6, 8), zeros, strict=True)
    }
    return {"seed": seed, "diverged": diverged, "layers": layers}


def test_by_hand() -> None:
    models = [model(0, 4, 5, 8), model(1, 3, 5, 8), model(2, 4, 6, 8, diverged=True)]
    found = [Collapsed("a.weight", 4, 1, 2), Collapsed("c.weight", 8, 2, 2)]
    assert collapsed(models, "here") == found
    assert collapsed(list(reversed(models)), "here") == found
    assert collapsed([model(0, 3, 5, 7)], "here") == []
    # Records without layers, and models that diverged, have none.
    assert collapsed([{"seed": 0, "diverged": False}, {"seed": 1, "diverged": True}], "here") == []


@pytest.mark.parametrize("layers", [["a"], {"a": {"size": 4}}, {"a": 3}, {"a": {"size": "x", "zeros": 1}}])
def test_a_damaged_record_is_named(layers: Any) -> None:
    with pytest.raises(UserError, match=r"here: the layers of seed 3 are damaged; train the cell again"):
        collapsed([{"seed": 3, "diverged": False, "layers": layers}], "here")


def test_the_table_has_the_empty_layers(tmp_path: Path) -> None:
    folder = bare_cell(tmp_path, [model(0, 4, 5, 7), model(1, 3, 5, 7)])
    collect([folder], tmp_path / "tables")
    with open(tmp_path / "tables" / "layer_collapse.csv", newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [
            list(header(LayerCollapse)),
            ["d", "net", "GMP", "0.9", "a.weight", "4", "1", "2"],
        ]


def test_in_words() -> None:
    one, other = Collapsed("bert.pooler.dense.weight", 9, 3, 3), Collapsed("b.weight", 9, 1, 3)
    assert collapse_sentences([("GMP at 80%", []), ("PINS at 80%", [])]) == []
    assert collapse_sentences([("GMP at 80%", [one]), ("PST at 80%", [one, other]), ("PINS at 80%", [])]) == [
        "Layer collapse: pruning removes every weight of a layer under GMP at 80% (bert.pooler.dense.weight in 3 of 3 "
        "models), PST at 80% (bert.pooler.dense.weight in 3 of 3 models and 1 other)."
    ]
    many = collapse_sentences([(f"p{i}", [one]) for i in range(6)], of=2)
    assert many[0].endswith("p1 (bert.pooler.dense.weight in 3 of 3 models), and 4 more.")
    # A layer whose bias alone is empty keeps its weights.
    assert collapse_sentences([("MP at 90%", [Collapsed("conv2.bias", 16, 1, 4)])]) == []
    assert collapse_sentences([("MP at 90%", [Collapsed("conv2.bias", 16, 1, 4), other])]) == [
        "Layer collapse: pruning removes every weight of a layer under MP at 90% (b.weight in 1 of 3 models)."
    ]
