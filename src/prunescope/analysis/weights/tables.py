"""Rows of weights.csv and weight_values.csv: what pruning leaves of weight matrices (PINS paper, section 4.4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.stats import mean, std
from prunescope.analysis.weights.measures import edges
from prunescope.analysis.weights.stored import Matrix, Model, Weights

#: What has a mean and a standard deviation over models. Nothing is left to chance in ``_random``: means alone.
CONCENTRATION = ("empty_rows", "empty_columns", "row_gini", "column_gini")
SPREAD = ("left_share", "rank", "rank_share", *CONCENTRATION, "megabytes")
RANDOM = ("row_gini_random", "column_gini_random")

COLUMNS: dict[str, tuple[str, ...]] = {
    "weights": (
        *("layer", "layer_name", "matrix", "rows", "columns", "n_matrices", "n_seeds"),
        *(column for name in SPREAD for column in (name, f"{name}_std")),
        *RANDOM,
        "megabytes_float32",
    ),
    "weight_values": ("low", "high", "share", "share_std", "n_seeds"),
}


@dataclass(frozen=True)
class Storage:
    """Of the prunable weights of a whole network, in the mean over seeds, in 10^6 bytes.

    ``dense``: float32, as the PINS paper counts (Table 7); ``sparse``: as `prunescope export` writes them.
    """

    dense: float
    sparse: float

    @property
    def gain(self) -> float:
        """How many times smaller."""
        return self.dense / self.sparse

    @classmethod
    def of(cls, row: Sequence[Any]) -> Storage | None:
        """From a row of ``weights`` after the columns of the cell; None for one of a layer or a matrix."""
        found = dict(zip(COLUMNS["weights"], row, strict=True))
        dense, sparse = found["megabytes_float32"], found["megabytes"]
        if found["layer"] not in ("", None) or dense in ("", None) or sparse in ("", None):
            return None
        return cls(float(dense), float(sparse))


def rows(folder: Path) -> dict[str, list[list[Any]]]:
    """Rows of a cell by table, without the columns of the cell; none where its weights were not measured.

    ``weights``: for the whole network (without a layer), for each layer (without a matrix), and for each matrix. Those
    of several matrices have the mean of their ranks and concentrations, and what is left of all their weights and what
    these take. ``megabytes`` (10^6 bytes): 8-bit weights in compressed sparse rows, as `prunescope export` writes them;
    ``megabytes_float32``: as they were trained, zeros and all.

    ``weight_values``: what share of all weights that are left has magnitudes from ``low`` to below ``high``; bins in
    which no model has any are left out.

    Raises:
        UserError: the cell's file is damaged.
    """
    path = folder / "weights.json"
    if not path.exists():
        return {name: [] for name in COLUMNS}
    weights = Weights.read(path)
    return {
        "weights": [_row(weights, *group) for group in _groups(weights.matrices)],
        "weight_values": list(_value_rows(weights.models)),
    }


def _groups(matrices: Sequence[Matrix]) -> Iterator[tuple[list[Any], list[int]]]:
    """What a row is called, and which matrices it is of."""
    if not matrices:
        return
    layers: dict[int, list[int]] = defaultdict(list)
    for place, matrix in enumerate(matrices):
        layers[matrix.layer].append(place)
    yield ["", "", "", "", ""], list(range(len(matrices)))
    for layer, places in layers.items():
        name = matrices[places[0]].layer_name
        yield [layer, name, "", "", ""], places
        for place in places:
            one = matrices[place]
            yield [layer, name, one.matrix, one.rows, one.columns], [place]


def _row(weights: Weights, names: list[Any], places: list[int]) -> list[Any]:
    matrices = [weights.matrices[place] for place in places]
    found = [_of_model(model, matrices, places) for model in weights.models]
    spread = [value for name in SPREAD for value in _mean_and_std([one[name] for one in found])]
    random = [_mean_and_std([one[name] for one in found])[0] for name in RANDOM]
    dense = 4e-6 * sum(one.rows * one.columns for one in matrices)
    return [*names, len(places), len(found), *spread, *random, dense]


def _of_model(model: Model, matrices: Sequence[Matrix], places: Sequence[int]) -> dict[str, float | None]:
    size = sum(one.rows * one.columns for one in matrices)
    found = {
        "left_share": sum(model.left[place] for place in places) / size,
        "rank": _mean([model.rank[place] for place in places]),
        "rank_share": _mean(
            [
                model.rank[place] / min(one.rows, one.columns)
                for place, one in zip(places, matrices, strict=True)
            ]
        ),
        "megabytes": sum(model.bytes_exported[place] for place in places) / 1e6,
    }
    return found | {
        name: _mean([getattr(model, name)[place] for place in places]) for name in (*CONCENTRATION, *RANDOM)
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are: a matrix without any weight has no concentration."""
    return mean([value for value in values if value is not None])


def _mean_and_std(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    return mean(known), std(known)


def _value_rows(models: Sequence[Model]) -> Iterator[list[Any]]:
    counts = np.array([model.magnitudes for model in models if sum(model.magnitudes)])
    if not counts.size:
        return
    shares = counts / counts.sum(axis=1, keepdims=True)
    inner = edges().tolist()
    for low, high, values in zip((0.0, *inner), (*inner, None), shares.T, strict=True):
        if values.any():
            yield [low, high, *_mean_and_std(values.tolist()), len(values)]
