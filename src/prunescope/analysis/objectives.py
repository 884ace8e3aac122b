"""One way of pruning under several objectives: rows of ``objectives.csv`` (PINS paper, Table 6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prunescope.analysis.stats import mean, std, t_interval
from prunescope.config.compression import Compression

#: The columns after those of the cell. ``base``: the name that stands for the pruners that differ in objective only.
COLUMNS = (
    "base",
    "objective",
    "metric",
    "mean",
    "std",
    "ci_low",
    "ci_high",
    "confidence",
    "n_seeds",
    "published",
)

#: The score that a paper prints for (data set, its source, architecture, sparsity, objective, metric); None if none.
Published = Callable[[str, str | None, str, float, str, str], float | None]


@dataclass(frozen=True)
class ObjectiveCell:
    """A pruned cell: its key (dataset, arch, pruner, sparsity), how it was pruned; asked for, scores by seed."""

    key: tuple[Any, ...]
    compression: Compression
    composition: Mapping[str, Any]
    metric: str
    scores: Callable[[], Mapping[int, float]]

    @property
    def way(self) -> str:
        """All of the composition but what it was trained for."""
        rest = {name: v for name, v in self.composition.items() if not name.startswith("objective")}
        return json.dumps([rest, *self.key[:2], self.compression.token], sort_keys=True)

    @property
    def objective(self) -> str:
        return str(self.composition.get("objective", "task"))


def rows(
    cells: Iterable[ObjectiveCell],
    confidence: float,
    sources: Mapping[str, str] | None = None,
    published: Published | None = None,
) -> list[list[Any]]:
    """Rows (key and ``COLUMNS``) of cells whose way of pruning to their amount has at least two objectives.

    Args:
        confidence: of the t interval of the mean over seeds.
        sources: of data sets, as far as known.
        published: what fills the column of this name, for cells that the PINS criterion pruned; empty without.
    """
    groups: dict[str, list[ObjectiveCell]] = {}
    for cell in cells:
        groups.setdefault(cell.way, []).append(cell)
    kept = [group for group in groups.values() if len({cell.objective for cell in group}) > 1]
    found = []
    for group in kept:
        base = min((cell.key[2] for cell in group), key=lambda name: (len(name), name))
        for cell in group:
            scores = cell.scores()
            values = [scores[seed] for seed in sorted(scores)]
            interval = t_interval(values, confidence)
            found.append(
                [
                    *cell.key,
                    base,
                    cell.objective,
                    cell.metric,
                    mean(values),
                    std(values),
                    interval.low,
                    interval.high,
                    confidence,
                    len(values),
                    _published(cell, (sources or {}).get(cell.key[0]), published),
                ]
            )
    return found


def _published(cell: ObjectiveCell, source: str | None, published: Published | None) -> float | None:
    dataset, arch, _, sparsity = cell.key
    if published is None or cell.composition.get("criterion") != "pins" or sparsity is None:
        return None
    return published(dataset, source, arch, sparsity, cell.objective, cell.metric)
