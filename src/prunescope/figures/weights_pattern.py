"""Positions of the remaining weights in one matrix: PINS paper, figure 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from prunescope.analysis.weights.measures import concentration
from prunescope.analysis.weights.patterns import Packed
from prunescope.analysis.weights.stored import LISTS, Weights
from prunescope.config.compression import Compression
from prunescope.config.pruners import paper_order
from prunescope.errors import BadFileError
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source

_COLUMNS = 4

#: Panels of matrices with sides further apart than this are stretched to it.
_STRETCH = 2.5


@dataclass(frozen=True)
class _Shown:
    cell: CellFiles
    name: str
    seed: int
    pattern: Packed
    measures: dict[str, float | int | None]


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch) and compression level: a panel per pruner, and one of random positions."""
    found: dict[tuple[str, str, Compression], list[_Shown]] = {}
    for cell in source.cells:
        shown = _read(cell)
        if shown is not None:
            found.setdefault((cell.dataset, cell.arch, cell.compression), []).append(shown)
    if not found:
        source.skip("weights_pattern", "the study does not measure weights (weight_statistics)")
    for (dataset, arch, compression), cells in found.items():
        yield _figure(dataset, arch, compression, sorted(cells, key=lambda one: paper_order(one.cell.pruner)))


def _read(cell: CellFiles) -> _Shown | None:
    path = cell.path / "weights.json"
    if not path.exists():
        return None
    weights = Weights.read(path)
    shown = weights.shown
    if shown is None:
        return None
    index = next((i for i, matrix in enumerate(weights.matrices) if matrix.name == shown.name), None)
    model = next((model for model in weights.models if model.seed == shown.seed), None)
    if index is None or model is None:
        raise BadFileError(path, "not measures of weights")
    measures = {name: getattr(model, name)[index] for name in LISTS}
    return _Shown(cell, shown.name, shown.seed, shown.pattern, measures)


def _figure(dataset: str, arch: str, compression: Compression, cells: Sequence[_Shown]) -> Figure:
    first = cells[0].pattern
    left = round(float(np.mean([int(one.measures["left"] or 0) for one in cells])))
    ratio = min(max(first.rows / first.columns, 1 / _STRETCH), _STRETCH)
    count = len(cells) + 1
    width = 6.6 / min(count, _COLUMNS)
    height = 0.5 + min(width * ratio, 2.6)
    figure, axes = layout.panels(count, columns=_COLUMNS, height=height, share_y=True, share_x=True)
    for panel, one in zip(axes, cells, strict=False):
        _draw(panel, one.pattern.image(), one.pattern, ratio)
        _heading(panel, one.cell.pruner, one.measures["row_gini"], one.measures["row_gini_random"])
    random = _random(first.rows, first.columns, left)
    _draw(axes[-1], Packed.of(random).image(), first, ratio)
    chance = concentration(random)
    _heading(axes[-1], "random positions", chance.gini, chance.random)
    layout.outer_labels(axes, _COLUMNS, "input", "output")
    title = f"Positions of remaining weights: {dataset} · {arch}, {compression.text}"
    seeds = sorted({one.seed for one in cells})
    names = dict.fromkeys(one.name for one in cells)
    caption = (
        f"The remaining weights (dark) of one matrix, {', '.join(names)} ({first.rows:,} outputs by "
        f"{first.columns:,} inputs), in the middle of the model, after pruning to "
        f"{compression.text}; seed {', '.join(map(str, seeds))}, a panel per pruner. "
        "Grey: several positions drawn as one. "
        "Below each name: the Gini coefficient of the number of weights by row "
        "(0: every row has as many, near 1: few rows have all), in brackets its mean for as many in random "
        f"positions. Last panel: {left:,} weights in random positions, the mean number that the pruners leave."
    )
    data = pd.DataFrame(
        {
            "dataset": one.cell.dataset,
            "arch": one.cell.arch,
            "pruner": one.cell.pruner,
            "amount": one.cell.compression.token,
            "seed": one.seed,
            "matrix": one.name,
            "rows": one.pattern.rows,
            "columns": one.pattern.columns,
            **one.measures,
        }
        for one in cells
    )
    return Figure(f"{dataset}--{arch}--{compression.token}", title, caption, figure, data)


def _draw(panel: Any, image: np.ndarray, pattern: Packed, ratio: float) -> None:
    panel.grid(False)
    panel.imshow(
        image,
        cmap="Greys",
        vmin=0.0,
        vmax=1.0,
        extent=(0, pattern.columns, pattern.rows, 0),
        aspect=ratio * pattern.columns / pattern.rows,
    )
    panel.set_xticks([0, pattern.columns])
    panel.set_yticks([0, pattern.rows])
    for spine in panel.spines.values():
        spine.set_visible(True)


def _heading(panel: Any, name: str, gini: Any, random: Any) -> None:
    text = "no weight remains" if gini is None else f"row Gini {gini:.2f} ({random:.2f})"
    layout.heading(panel, name, text)


def _random(rows: int, columns: int, left: int) -> np.ndarray:
    """``left`` True in random positions of (rows, columns), the same ones every time."""
    found = np.zeros(rows * columns, dtype=bool)
    found[np.random.default_rng(0).choice(rows * columns, size=left, replace=False)] = True
    return found.reshape(rows, columns)
