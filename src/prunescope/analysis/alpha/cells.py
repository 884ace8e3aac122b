"""The slopes alpha of one cell by seed, with what decides which cells are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prunescope.analysis.audit_tables import SeedAlpha
from prunescope.analysis.stats import mean
from prunescope.analysis.tables.cell import CellResults
from prunescope.config.compression import Compression


@dataclass(frozen=True)
class AlphaCell:
    """A pruned cell of a single-label data set.

    alpha, accuracy_dense, accuracy_pruned: by seed, ascending; seeds without a value (missing, diverged,
    alpha null) are left out. seeds: every seed of the cell, those too. family, parameters: of the
    architecture; ratio: what was reached, the mean over models that did not diverge; None where the cell
    does not tell.
    """

    dataset: str
    arch: str
    pruner: str
    compression: Compression
    alpha: Mapping[int, float]
    accuracy_dense: Mapping[int, float]
    seeds: frozenset[int]
    n_classes: int
    family: str | None = None
    parameters: int | None = None
    accuracy_pruned: Mapping[int, float] = field(default_factory=dict)
    ratio: float | None = None

    @property
    def path(self) -> str:
        """Below ``cells`` in the results folder: dataset/arch/pruner/level."""
        return f"{self.dataset}/{self.arch}/{self.pruner}/{self.compression.token}"

    @property
    def pair(self) -> tuple[str, str]:
        return (self.dataset, self.arch)


def alpha_cell(cell: CellResults) -> AlphaCell | None:
    """What a cell says of alpha; None for dense models and for tasks that have no recall.

    Raises:
        UserError: there is no summary of its test split.
    """
    if cell.dense or cell.summary["task"] != "single-label":
        return None
    # A cell none of whose models can be compared has no such table.
    rows = cell.rows(SeedAlpha)
    diverged = cell.summary.get("diverged") or {}
    seeds = {row.seed for row in rows} | {model["seed"] for model in cell.models}
    return AlphaCell(
        dataset=cell.dataset,
        arch=cell.arch,
        pruner=cell.pruner,
        compression=cell.compression,
        alpha=_by_seed(rows, "alpha"),
        accuracy_dense=_by_seed(rows, "accuracy_dense"),
        seeds=frozenset(seeds.union(*diverged.values())),
        n_classes=int(cell.summary.get("n_classes") or 0),
        family=(cell.settings.get("architecture") or {}).get("family"),
        parameters=next((model["parameters"] for model in cell.models if "parameters" in model), None),
        accuracy_pruned=_by_seed(rows, "accuracy_pruned"),
        ratio=mean([float(m["ratio"]) for m in cell.models if m.get("ratio") and not m.get("diverged")]),
    )


def dense_accuracies(cells: Iterable[AlphaCell]) -> dict[tuple[str, str], float]:
    """Mean accuracy of the dense models of each (dataset, arch), over the seeds of all its cells."""
    by_pair: dict[tuple[str, str], dict[int, float]] = {}
    for cell in cells:
        by_pair.setdefault(cell.pair, {}).update(cell.accuracy_dense)
    means = {name: mean([found[seed] for seed in sorted(found)]) for name, found in by_pair.items()}
    return {name: value for name, value in means.items() if value is not None}


def _by_seed(rows: Iterable[SeedAlpha], column: str) -> dict[int, float]:
    found: dict[int, float | None] = {row.seed: getattr(row, column) for row in rows}
    return {s: v for s, v in sorted(found.items()) if v is not None and math.isfinite(v)}
