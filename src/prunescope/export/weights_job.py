"""The job that measures the weights of a block of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from prunescope.analysis.weights.measures import concentration, magnitudes, n_bins, rank
from prunescope.analysis.weights.names import as_matrix, layer_and_matrix, middle
from prunescope.analysis.weights.patterns import Packed
from prunescope.analysis.weights.stored import LISTS, Matrix, Model, Shown, Weights
from prunescope.errors import BadFileError, UserError
from prunescope.export.files import stored_bytes
from prunescope.files import read_json


def measure(models: Path, metrics: Path, out: Path, inputs: Path | None = None) -> None:
    """Write the measures of the weights of a block of models into ``out`` (``Weights``).

    Args:
        models: the models (``models.safetensors``, ``checkpoint.safetensors``); metrics: of the same job, whose
            records say which weights are prunable and how many of them are zero.
        inputs: the encoded data set; where it is given, the models are also scored as `prunescope export` writes them.

    Raises:
        UserError: a file is missing or damaged, or the two are not of the same models.
    """
    record = read_json(metrics)
    try:
        family = record["settings"]["architecture"]["family"]
        kept = {int(model["seed"]): model["layers"] for model in record["models"] if not model["diverged"]}
    except (KeyError, TypeError, ValueError):
        raise BadFileError(metrics, "not the metrics of a block of models") from None
    scores = {}
    if inputs is not None:
        # Imports torch, which measuring weights alone does not need.
        from prunescope.export.job import scores_as_exported

        scores = scores_as_exported(models, metrics, inputs)
    matrices: tuple[Matrix, ...] = ()
    measured: list[Model] = []
    shown: Shown | None = None
    try:
        with safe_open(models, framework="numpy") as file:
            for seed, layers in sorted(kept.items()):
                one = _Model(models, metrics, file, seed, layers, family)
                model, shapes = _measured(one)
                if not measured:
                    matrices = _matrices(shapes)
                    shown = _shown(one, matrices)
                measured.append(model.model_copy(update={"exported_score": scores.get(seed)}))
    except FileNotFoundError:
        raise UserError(f"{models}: no such file; run the job again that trains these models") from None
    except (SafetensorError, OSError) as error:
        raise BadFileError(models, f"damaged ({error})") from None
    Weights(matrices=matrices, models=tuple(measured), shown=shown).write(out)


@dataclass(frozen=True)
class _Model:
    """One model's prunable weights, read one at a time."""

    models: Path
    metrics: Path
    file: Any
    seed: int
    layers: Mapping[str, Mapping[str, Any]]
    family: str

    def weight(self, name: str) -> np.ndarray:
        """A prunable tensor in its own shape, with as many zeros as the metrics say."""
        where = f"{self.models}: seed {self.seed}"
        try:
            weight = self.file.get_tensor(f"{self.seed}/model/{name}")
        except SafetensorError:
            raise UserError(f"{where}: no {name}, which {self.metrics.name} lists; {_AGAIN}") from None
        if not np.isfinite(weight).all():
            raise UserError(f"{where}: {name} is not finite; {_AGAIN}")
        expected = (int(self.layers[name]["zeros"]), int(self.layers[name]["size"]))
        zeros = weight.size - int(np.count_nonzero(weight))
        if (zeros, weight.size) != expected:
            raise UserError(
                f"{where}: {name} has {zeros} zeros of {weight.size} weights, but {self.metrics.name} says "
                f"{expected[0]} of {expected[1]}; {_AGAIN}"
            )
        return np.asarray(weight)

    def matrix(self, name: str, weight: np.ndarray) -> np.ndarray:
        """(outputs, inputs) of a weight of this name."""
        return as_matrix(name, weight, self.family)


_AGAIN = "give the models and the metrics of one job"


def _matrices(shapes: Mapping[str, tuple[int, int]]) -> tuple[Matrix, ...]:
    numbers: dict[str, int] = {}
    found = []
    for name, (rows, columns) in shapes.items():
        layer, matrix = layer_and_matrix(name)
        number = numbers.setdefault(layer, len(numbers) + 1)
        found.append(
            Matrix(name=name, layer=number, layer_name=layer, matrix=matrix, rows=rows, columns=columns)
        )
    return tuple(found)


def _shown(model: _Model, matrices: Sequence[Matrix]) -> Shown:
    index = middle([one.layer for one in matrices], [one.rows * one.columns for one in matrices])
    name = matrices[index].name
    return Shown(seed=model.seed, name=name, pattern=Packed.of(model.matrix(name, model.weight(name)) != 0))


def _measured(model: _Model) -> tuple[Model, dict[str, tuple[int, int]]]:
    """The measures, and the shape of each matrix; gains and biases, where they are prunable, are none."""
    lists: dict[str, list[Any]] = {name: [] for name in LISTS}
    sizes = np.zeros(n_bins(), dtype=np.int64)
    shapes: dict[str, tuple[int, int]] = {}
    for name in model.layers:
        weight = model.weight(name)
        if weight.ndim < 2:
            continue
        matrix = model.matrix(name, weight)
        rows, columns = matrix.shape
        shapes[name] = (rows, columns)
        left = matrix != 0
        lists["bytes_exported"].append(stored_bytes(weight))
        lists["left"].append(int(left.sum()))
        lists["rank"].append(rank(matrix))
        for side, pattern in (("row", left), ("column", left.T)):
            spread = concentration(pattern)
            lists[f"empty_{side}s"].append(spread.empty)
            lists[f"{side}_gini"].append(spread.gini)
            lists[f"{side}_gini_random"].append(spread.random)
        sizes += magnitudes(matrix)
    return Model(seed=model.seed, magnitudes=tuple(sizes.tolist()), **lists), shapes
