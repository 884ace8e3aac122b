"""One way of pruning under several objectives: rows of ``objectives.csv`` (PINS paper, Table 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from prunescope.analysis.spans import span_of
from prunescope.analysis.stats import mean, std, t_interval
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import Objective
from prunescope.analysis.tables.results import StudyResults


def objective(cell: CellResults) -> str:
    """What the cell's models were trained for while they were pruned."""
    return str(cell.composition.get("objective", "task"))


def rows(study: StudyResults) -> Iterator[Objective]:
    """A row per cell whose way of pruning to its compression level has at least two objectives."""
    groups: dict[str, list[CellResults]] = {}
    for cell in study.pruned:
        if cell.composition:
            groups.setdefault(_way(cell), []).append(cell)
    for group in groups.values():
        if len({objective(cell) for cell in group}) < 2:
            continue
        base = min((cell.pruner for cell in group), key=lambda name: (len(name), name))
        for cell in group:
            scores = cell.scores("pruned")
            values = [scores[seed] for seed in sorted(scores)]
            interval = t_interval(values, study.analysis.confidence).within(span_of(cell.metric))
            yield Objective(
                **cell.names,
                base=base,
                objective=objective(cell),
                metric=cell.metric,
                mean=mean(values),
                std=std(values),
                ci_low=interval.low,
                ci_high=interval.high,
                confidence=study.analysis.confidence,
                n_seeds=len(values),
                published=_published(cell, study),
            )


def _published(cell: CellResults, study: StudyResults) -> float | None:
    if cell.composition.get("criterion") != "pins" or cell.sparsity is None:
        return None
    source = study.sources.get(cell.dataset)
    return study.published(cell.dataset, source, cell.arch, cell.sparsity, objective(cell), cell.metric)


def _way(cell: CellResults) -> str:
    """All of the composition but what the models were trained for."""
    rest = {name: v for name, v in cell.composition.items() if not name.startswith("objective")}
    return json.dumps([rest, cell.dataset, cell.arch, cell.compression.token], sort_keys=True)
