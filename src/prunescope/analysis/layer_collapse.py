"""Layers that pruning leaves without any weight: rows of ``layer_collapse.csv``.

Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic flow", call it layer
collapse: a layer that everything passes through makes the model's output a constant once it is empty, long before
the model as a whole is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prunescope.analysis.tables.registry import LayerCollapse
from prunescope.analysis.tables.results import StudyResults
from prunescope.errors import UserError


class Collapsed(NamedTuple):
    """A prunable weight of ``n_weights`` numbers, all of them zero in ``n_collapsed`` of ``n_seeds`` models."""

    layer: str
    n_weights: int
    n_collapsed: int
    n_seeds: int


def rows(study: StudyResults) -> Iterator[LayerCollapse]:
    """One row per cell and layer that is empty in some model; none for most cells."""
    for cell in study.pruned:
        for layer in collapsed(cell.models, cell.folder):
            yield LayerCollapse(**cell.names, **layer._asdict())


def collapsed(models: Iterable[Mapping[str, Any]], where: object) -> list[Collapsed]:
    """Layers that are empty in any model, in the model's order; none for most models.

    Args:
        models: records of a cell's models, with the ``size`` and the ``zeros`` of each of their ``layers``. Those that
            diverged, or that have none recorded, are left out.
        where: what to name in an error.

    Raises:
        UserError: a record is damaged.
    """
    sizes: dict[str, int] = {}
    empty: dict[str, int] = {}
    n_seeds = 0
    for model in models:
        layers = model.get("layers")
        if layers is None or model["diverged"]:
            continue
        n_seeds += 1
        try:
            for name, layer in layers.items():
                size = sizes.setdefault(name, int(layer["size"]))
                if int(layer["zeros"]) == size:
                    empty[name] = empty.get(name, 0) + 1
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UserError(
                f"{where}: the layers of seed {model['seed']} are damaged; train the cell again"
            ) from None
    return [Collapsed(name, size, empty[name], n_seeds) for name, size in sizes.items() if name in empty]
