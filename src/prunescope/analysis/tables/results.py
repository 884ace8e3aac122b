"""What the tables of a study are made from: its cells, and its dense models by data set and architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prunescope.analysis.tables.cell import CellResults, Recalls
from prunescope.config.analysis import Analysis
from prunescope.config.pruners import NO_PRUNER
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json

#: The score that a paper prints for (data set, its source, arch, sparsity, objective, metric); None if none.
Published = Callable[[str, str | None, str, float, str, str], float | None]

#: What a job records, and one of its models
Record = tuple[Mapping[str, Any], Mapping[str, Any]]


def nothing_published(*cell: object) -> None:
    """For studies that are put beside no paper."""


@dataclass
class DenseModels:
    """What is known of the dense models of one data set and architecture, by seed.

    ``others``: scores by the data set's own metrics.
    """

    metric: str = ""
    scores: dict[int, float] = field(default_factory=dict)
    others: dict[str, dict[int, float]] = field(default_factory=dict)
    recalls: Recalls = field(default_factory=dict)


@dataclass(frozen=True)
class StudyResults:
    """``cells``: dense and pruned, in the order of the tables' rows. ``sources``: of the data sets, as far as known.

    ``controls``: cells of models that train as the pruned ones do and are not pruned.

    ``published``: what fills the column of this name in ``objectives``.
    """

    cells: Sequence[CellResults]
    dense: Mapping[tuple[str, str], DenseModels]
    analysis: Analysis = field(default_factory=Analysis)
    sources: Mapping[str, str] = field(default_factory=dict)
    published: Published = nothing_published
    controls: Sequence[CellResults] = ()

    @property
    def pruned(self) -> list[CellResults]:
        return [cell for cell in self.cells if not cell.dense]


def read_cells(
    paths: Iterable[Path], metrics: Iterable[Path] = ()
) -> tuple[list[CellResults], dict[tuple[str, str], DenseModels]]:
    """The cells in the order of the tables' rows, and the dense models by (dataset, arch), ascending.

    Args:
        paths: the cells' folders.
        metrics: records of models, for cells without a ``models.json``; dense models that stand only there add their
            test scores.

    Raises:
        UserError: a path does not end as a cell's does, or a record cannot be read.
    """
    known, recorded = _known(metrics)
    cells = sorted((read_cell(Path(path), known) for path in paths), key=lambda cell: cell.order)
    return cells, dict(sorted(_dense_models(cells, recorded).items()))


def read_cell(
    folder: Path, known: Mapping[tuple[str, ...], Sequence[Record]] = MappingProxyType({})
) -> CellResults:
    """One cell; ``known``: records of models by the end of its path, for a cell without a ``models.json``.

    Raises:
        UserError: the path does not end as a cell's does, or the record cannot be read.
    """
    if len(folder.parts) < 4:
        raise UserError(f"{folder}: not a cell; its path must end in <dataset>/<arch>/<pruner>/<amount>")
    own = folder / "models.json"
    found = list(_models([own])) if own.exists() else known.get(folder.parts[-4:], ())
    settings = found[0][0].get("settings") if found else None
    return CellResults(folder, [model for _, model in found], settings or {})


def _dense_models(
    cells: Iterable[CellResults], recorded: Mapping[tuple[str, str], Mapping[int, Mapping[str, Any]]]
) -> dict[tuple[str, str], DenseModels]:
    found: dict[tuple[str, str], DenseModels] = {}
    # The dense models' own cell comes first in the order, and its values go before those of the other cells.
    for cell in cells:
        dense = found.setdefault((cell.dataset, cell.arch), DenseModels())
        dense.metric = dense.metric or cell.metric
        for metric, own in cell.metrics("dense").items():
            for seed, score in own.items():
                dense.others.setdefault(metric, {}).setdefault(seed, score)
        for seed, score in cell.scores("dense").items():
            dense.scores.setdefault(seed, score)
        for seed, recalls in cell.recalls("dense").items():
            dense.recalls.setdefault(seed, recalls)
    for key, models in recorded.items():
        dense = found.setdefault(key, DenseModels())
        for seed, scores in models.items():
            for metric, value in scores.items():
                dense.metric = dense.metric or metric
                if metric == dense.metric and value is not None:
                    dense.scores.setdefault(seed, value)
    return found


def _known(
    metrics: Iterable[Path],
) -> tuple[dict[tuple[str, ...], list[Record]], dict[tuple[str, str], dict[int, Mapping[str, Any]]]]:
    """Records of models by cell, and the dense models' test scores by (dataset, arch) and seed."""
    models: dict[tuple[str, ...], list[Record]] = {}
    dense: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for record, model in _models(metrics):
        key = (record["dataset"], record["arch"], record["pruner"], record["amount"])
        models.setdefault(key, []).append((record, model))
        if record["pruner"] == NO_PRUNER and not model["diverged"]:
            dense.setdefault(key[:2], {})[model["seed"]] = model["scores"]["test"]
    return models, dense


def _models(paths: Iterable[Path]) -> Iterable[Record]:
    for path in paths:
        record = read_json(path)
        try:
            models = record["models"]
            for model in models:
                if not isinstance(model["seed"], int):
                    raise TypeError
        except (KeyError, TypeError):
            raise BadFileError(path, "not a record of models") from None
        for model in models:
            yield record, model
