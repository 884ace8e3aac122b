"""Rows of weights.csv and weight_values.csv: what pruning leaves of weight matrices (PINS paper, section 4.4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunescope.analysis.stats import mean, std
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import Weights, WeightValues
from prunescope.analysis.tables.results import StudyResults
from prunescope.analysis.weights import stored
from prunescope.analysis.weights.measures import edges
from prunescope.analysis.weights.stored import Matrix, Model

#: What has a mean and a standard deviation over models. Nothing is left to chance in ``_random``: means alone.
CONCENTRATION = ("empty_rows", "empty_columns", "row_gini", "column_gini")
SPREAD = ("left_share", "rank", "rank_share", *CONCENTRATION, "megabytes")
RANDOM = ("row_gini_random", "column_gini_random")


@dataclass(frozen=True)
class Storage:
    """Of the prunable weights of a whole model, in the mean over seeds, in 10^6 bytes.

    ``dense``: float32, as the PINS paper counts (Table 7); ``sparse``: as `prunescope export` writes them.
    """

    dense: float
    sparse: float

    @property
    def gain(self) -> float:
        """How many times smaller."""
        return self.dense / self.sparse

    @classmethod
    def of(cls, row: Weights) -> Storage | None:
        """None for a row of a layer or a matrix, and where a size is unknown."""
        if row.layer is not None or row.megabytes_float32 is None or row.megabytes is None:
            return None
        return cls(row.megabytes_float32, row.megabytes)


def weights(study: StudyResults) -> Iterator[Weights]:
    """Rows of every cell whose weights were measured: of the whole model, of each layer, and of each matrix.

    Rows of several matrices have the mean of their ranks and concentrations, and the sums of their weights and sizes.

    Raises:
        UserError: a cell's file is damaged.
    """
    for cell in study.cells:
        measured = _measured(cell)
        if measured is not None:
            for names, chosen in _groups(measured.matrices):
                numbers = _numbers(measured, chosen, whole=names["layer"] is None)
                yield Weights(**cell.names, **names, **numbers)


def weight_values(study: StudyResults) -> Iterator[WeightValues]:
    """Rows of every cell whose weights were measured; bins in which no model has any weight are left out.

    Raises:
        UserError: a cell's file is damaged.
    """
    for cell in study.cells:
        measured = _measured(cell)
        for row in _value_rows(measured.models) if measured is not None else ():
            yield WeightValues(**cell.names, **row)


def _measured(cell: CellResults) -> stored.Weights | None:
    path = cell.folder / "weights.json"
    return stored.Weights.read(path) if path.exists() else None


def _groups(matrices: Sequence[Matrix]) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """What each row is of (``layer`` to ``columns``), and the indices of its matrices."""
    if not matrices:
        return
    layers: dict[int, list[int]] = defaultdict(list)
    for index, matrix in enumerate(matrices):
        layers[matrix.layer].append(index)
    nothing = dict.fromkeys(("layer", "layer_name", "matrix", "rows", "columns"))
    yield nothing, list(range(len(matrices)))
    for layer, indices in layers.items():
        of_layer = nothing | {"layer": layer, "layer_name": matrices[indices[0]].layer_name}
        yield of_layer, indices
        for index in indices:
            one = matrices[index]
            yield of_layer | {"matrix": one.matrix, "rows": one.rows, "columns": one.columns}, [index]


def _plain_csr(model: Model, matrices: Sequence[Matrix], chosen: Sequence[int]) -> float:
    """10^6 bytes of 8-bit weights in plain compressed sparse rows: columns of 2 bytes, starts of rows and scales of 4.

    Matrices of more than 65,536 columns have 4 bytes for each column.
    """
    found = (
        model.left[index] * (3 if one.columns <= 1 << 16 else 5) + 4 * (2 * one.rows + 1)
        for index, one in zip(chosen, matrices, strict=True)
    )
    return sum(found) / 1e6


def _numbers(measured: stored.Weights, chosen: Sequence[int], *, whole: bool) -> dict[str, Any]:
    matrices = [measured.matrices[index] for index in chosen]
    found = [_of_model(model, matrices, chosen) for model in measured.models]
    spread = {name: _mean_and_std([one[name] for one in found]) for name in (*SPREAD, *RANDOM)}
    return {
        "n_matrices": len(chosen),
        "n_seeds": len(found),
        **{name: spread[name][0] for name in (*SPREAD, *RANDOM)},
        **{f"{name}_std": spread[name][1] for name in SPREAD},
        "megabytes_float32": 4e-6 * sum(one.rows * one.columns for one in matrices),
        "megabytes_csr": _mean([_plain_csr(model, matrices, chosen) for model in measured.models]),
        "exported_score": _mean([model.exported_score for model in measured.models]) if whole else None,
    }


def _of_model(model: Model, matrices: Sequence[Matrix], chosen: Sequence[int]) -> dict[str, float | None]:
    size = sum(one.rows * one.columns for one in matrices)
    found = {
        "left_share": sum(model.left[index] for index in chosen) / size,
        "rank": _mean([model.rank[index] for index in chosen]),
        "rank_share": _mean(
            [
                model.rank[index] / min(one.rows, one.columns)
                for index, one in zip(chosen, matrices, strict=True)
            ]
        ),
        "megabytes": sum(model.bytes_exported[index] for index in chosen) / 1e6,
    }
    return found | {
        name: _mean([getattr(model, name)[index] for index in chosen]) for name in (*CONCENTRATION, *RANDOM)
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are: a matrix without any weight has no concentration."""
    return mean([value for value in values if value is not None])


def _mean_and_std(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    return mean(known), std(known)


def _value_rows(models: Sequence[Model]) -> Iterator[dict[str, Any]]:
    counts = np.array([model.magnitudes for model in models if sum(model.magnitudes)])
    if not counts.size:
        return
    shares = counts / counts.sum(axis=1, keepdims=True)
    inner = edges().tolist()
    for low, high, values in zip((0.0, *inner), (*inner, None), shares.T, strict=True):
        if values.any():
            share, spread = _mean_and_std(values.tolist())
            yield {"low": low, "high": high, "share": share, "share_std": spread, "n_seeds": len(values)}
