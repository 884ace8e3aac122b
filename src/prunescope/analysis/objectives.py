"""One way of pruning under several objectives: rows of ``objectives.csv`` (PINS paper, Table 6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prunescope.analysis.stats import mean, std, t_interval
from prunescope.config.compression import Compression
from prunescope.papers.numbers import pins

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

#: By the objective of a pruner: whose row of Table 6 it is.
_PRINTED = {"task": pins.PLAIN, "distilled": pins.DISTILLED, "self-regularized": pins.PINS}


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
    cells: Iterable[ObjectiveCell], confidence: float, sources: Mapping[str, str] | None = None
) -> list[list[Any]]:
    """Rows (key and ``COLUMNS``) of cells whose way of pruning to their amount has at least two objectives.

    Args:
        confidence: of the t interval of the mean over seeds.
        sources: of data sets, as far as known; tells which are the paper's.
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
                    _published(cell, (sources or {}).get(cell.key[0])),
                ]
            )
    return found


def _published(cell: ObjectiveCell, source: str | None) -> float | None:
    """The score of Table 6 that the cell repeats."""
    dataset, arch, _, sparsity = cell.key
    if cell.composition.get("criterion") != "pins" or sparsity is None:
        return None
    place = (pins.dataset_name(dataset, source), pins.arch_name(arch), _PRINTED.get(cell.objective))
    for n in pins.printed():
        same = n.table == "6" and (n.dataset, n.arch, n.pruner) == place
        if same and n.quantity == "score_mean" and n.metric == cell.metric:
            return n.value if abs((n.sparsity or 0.0) - sparsity) < 1e-6 else None
    return None
