"""Figures of weights from models whose weights are known."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.support.fake_study import results_tree, study

from prunescope.analysis.tables.collect import collect
from prunescope.analysis.weights.stored import join
from prunescope.export.weights_job import measure
from prunescope.figures import weights_layers, weights_pattern, weights_remaining
from prunescope.figures.drawing import draw
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source

SIDE = 8
SHARES = {"none": 1.0, "MP": 0.5, "RP": 0.25}


def weights_of(pruner: str, seed: int, layers: int) -> dict[str, np.ndarray]:
    """MP leaves the first rows of every matrix, and so half of its rank; RP every fourth column."""
    random = np.random.default_rng(seed)
    found = {}
    for layer in range(layers):
        for matrix in ("query", "dense"):
            weight = random.uniform(0.1, 0.9, (SIDE, SIDE)).astype(np.float32)
            if pruner == "MP":
                weight[SIDE // 2 :] = 0
            elif pruner == "RP":
                weight[:, np.arange(SIDE) % 4 != 0] = 0
            found[f"bert.encoder.layer.{layer}.{matrix}.weight"] = weight
    return found


def put_weights(cell: Path, pruner: str, layers: int, seeds: tuple[int, ...] = (0, 1)) -> None:
    tensors: dict[str, np.ndarray] = {}
    models: list[dict[str, Any]] = []
    for seed in seeds:
        found = weights_of(pruner, seed, layers)
        tensors |= {f"{seed}/model/{name}": weight for name, weight in found.items()}
        sizes = {n: {"size": w.size, "zeros": int((w == 0).sum())} for n, w in found.items()}
        models.append({"seed": seed, "diverged": False, "layers": sizes})
    save_file(tensors, cell / "n.safetensors")
    record = {"settings": {"architecture": {"family": "encoder"}}, "models": models}
    (cell / "m.json").write_text(json.dumps(record))
    measure(cell / "n.safetensors", cell / "m.json", cell / "b.json")
    join([cell / "b.json"], cell / "weights.json", seeds)


def tree(root: Path, layers: int) -> tuple[Path, list[Path]]:
    entry = {"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["MP", "RP"], "sparsities": [0.5]}
    cells = results_tree(root, study(grid=[entry]), n=40)["cells"]
    # Of the dense models' own analysis only weights are looked at here.
    dense = cells[0].parents[1] / "none" / "sparsity-0permille"
    shutil.copytree(cells[0], dense, dirs_exist_ok=True)
    cells = [*cells, dense]
    for cell in cells:
        put_weights(cell, cell.parts[-2], layers)
    collect(cells, root / "tables")
    return root / "tables", cells


@pytest.fixture(scope="module", params=[2, 30])
def layers(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def source(layers: int, tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source.of(*tree(tmp_path_factory.mktemp("weights") / "results", layers))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def only(pictures: Iterator[Figure]) -> Figure:
    (picture,) = pictures
    return picture


def test_rank_by_layer(source: Source, layers: int) -> None:
    picture = only(weights_layers.draw_rank(source))
    (panel,) = picture.figure.axes
    heights = [line.get_ydata().tolist() for line in panel.lines]
    # The pruners in their order, half of the rows, and two of eight columns; then the dense models.
    assert heights == [[0.5] * layers, [0.25] * layers, [1.0] * layers]
    assert picture.stem == "docstrings--bilstm"
    assert "2 seeds" in picture.caption
    assert "standard deviation over seeds" in picture.caption


def test_labels_of_layers_have_their_room(source: Source, layers: int) -> None:
    panel = only(weights_layers.draw_rank(source)).figure.axes[0]
    names = [label.get_text() for label in panel.get_xticklabels()]
    assert names[0] == "1"
    assert len(names) <= 13
    assert names == ([str(n) for n in range(1, layers + 1)] if layers == 2 else names)
    assert [int(name) for name in names] == [int(place) for place in panel.get_xticks()]


def test_remaining_weights(source: Source, layers: int) -> None:
    picture = only(weights_remaining.draw(source))
    left, right = picture.figure.axes[:2]
    for line in left.lines:
        # An area of one below each: per power of ten, twenty bins.
        assert np.sum(line.get_ydata()) / 20 == pytest.approx(1)
        values, heights = line.get_xdata(), line.get_ydata()
        assert values[heights > 0].min() > 0.09
        assert values[heights > 0].max() < 0.95
    assert len(left.lines) == 3
    heights = [line.get_ydata().tolist() for line in right.lines]
    assert heights == [[SHARES[name]] * layers for name in ("MP", "RP", "none")]
    assert "2 seeds" in picture.caption


def test_pattern(source: Source, layers: int) -> None:
    picture = only(weights_pattern.draw(source))
    panels = picture.figure.axes
    assert [panel.get_title(loc="left").strip() for panel in panels] == ["MP", "RP", "random positions"]
    first, second, random = (panel.images[0].get_array() for panel in panels)
    assert first[: SIDE // 2].min() == 1
    assert first[SIDE // 2 :].max() == 0
    assert np.array_equal(second.any(axis=0), np.arange(SIDE) % 4 == 0)
    # As many in random positions as the two leave in the mean: 32 and 16.
    assert random.sum() == 24
    assert panels[0].texts[0].get_text().startswith("row Gini 0.50")
    assert panels[1].texts[0].get_text().startswith("row Gini 0.00")
    assert "seed 0" in picture.caption
    # Of equal layers the middle weight is in the last of the first half.
    assert f"bert.encoder.layer.{layers // 2 - 1}.dense.weight" in picture.caption
    assert picture.stem == "docstrings--bilstm--sparsity-500permille"
    assert picture.data["left"].tolist() == [32, 16]


def test_files_are_the_same_bytes_twice(tmp_path: Path) -> None:
    tables, cells = tree(tmp_path / "results", 2)
    for family in ("weights_pattern", "weights_rank", "weights_remaining"):
        index = draw(family, tables, cells, tmp_path / "a" / family)
        assert index["skipped"] == []
        draw(family, tables, list(reversed(cells)), tmp_path / "b" / family)
        for path in (tmp_path / "a" / family).iterdir():
            assert path.read_bytes() == (tmp_path / "b" / family / path.name).read_bytes()
        (picture,) = index["figures"]
        with open(tmp_path / "a" / family / picture["data"], newline="") as stream:
            assert len(list(csv.DictReader(stream))) >= 2


def test_cells_without_measures_are_passed_over(tmp_path: Path) -> None:
    tables, cells = tree(tmp_path / "results", 2)
    next(cell for cell in cells if cell.parts[-2] == "RP").joinpath("weights.json").unlink()
    collect(cells, tables)
    source = Source.of(tables, cells)
    assert only(weights_pattern.draw(source)).data["pruner"].tolist() == ["MP"]
    assert len(only(weights_layers.draw_rank(source)).figure.axes[0].lines) == 2
    assert len(only(weights_remaining.draw(source)).figure.axes[0].lines) == 2


def test_words_beside_numbers_are_not_written_over() -> None:
    import pandas as pd

    names = [f"bert.encoder.layer.{n}" for n in range(12)] + ["bert.pooler.dense"]
    rows = pd.DataFrame({"layer": range(1, 14), "layer_name": names})
    panel = plt.subplots()[1]
    weights_layers.layer_axis(panel, rows)
    found = [label.get_text() for label in panel.get_xticklabels()]
    assert found == [*(str(n) for n in range(1, 12)), "pooler"]
