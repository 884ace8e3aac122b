"""The task's loss while models are pruned, over seeds: rows of ``pruning_loss.csv`` (PINS paper, Figure 3)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prunescope.analysis.stats import std
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import PruningLoss
from prunescope.analysis.tables.results import StudyResults
from prunescope.errors import UserError


def rows(study: StudyResults) -> Iterator[PruningLoss]:
    """One row per cell and point, in the order of steps; none of cells without a ``pruning_curve``.

    Raises:
        UserError: a curve is damaged, or models of a cell disagree in what was pruned when.
    """
    for cell in study.pruned:
        yield from of_cell(cell)


def of_cell(cell: CellResults) -> Iterator[PruningLoss]:
    """The rows of one cell. Models that diverged are left out: their curves end early."""
    losses: dict[int, list[float]] = {}
    reached: dict[int, float] = {}
    for model in cell.models:
        curve = model.get("pruning_curve")
        if curve is None or model["diverged"]:
            continue
        try:
            points = list(zip(curve["step"], curve["sparsity"], curve["loss"], strict=True))
            for step, sparsity, loss in points:
                if reached.setdefault(int(step), float(sparsity)) != float(sparsity):
                    raise ValueError
                losses.setdefault(int(step), []).append(float(loss))
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{cell.folder}: the pruning_curve of seed {model['seed']} is damaged or unlike the others'; "
                "train the cell again"
            ) from None
    for step, found in sorted(losses.items()):
        yield PruningLoss(
            **cell.names,
            step=step,
            reached=reached[step],
            mean=math.fsum(found) / len(found),
            std=std(found),
            n_seeds=len(found),
        )
