"""Each pruned cell against its control: rows of ``controls.csv``; alpha between dense models and controls."""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.analysis.spans import span_of
from prunescope.analysis.stats import mean, t_interval_of_change
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import Control
from prunescope.analysis.tables.results import StudyResults
from prunescope.config.controls import control_of
from prunescope.config.pruners import Pruner


def rows(study: StudyResults) -> Iterator[Control]:
    """One row per pruned cell of a data set and architecture that have controls, if its own is there.

    Pairs are by seed: of the pruned, the control and the dense model. The control of models pruned at initialization
    is the dense model, which trains as they do.
    """
    for cell in study.pruned:
        own = [control for control in study.controls if (control.dataset, control.arch) == cell.pair]
        if not own or not cell.composition:
            continue
        dense, pruned = study.dense[cell.pair].scores, cell.scores("pruned")
        found = matched(study, cell)
        if found is None and control_of(_pruner(cell)) is not None:
            continue
        control = dense if found is None else found.scores("pruned")
        seeds = sorted(pruned.keys() & control.keys() & dense.keys())
        before, after = ([side[s] for s in seeds] for side in (control, pruned))
        from_control = t_interval_of_change(before, after, study.analysis.confidence, span_of(cell.metric))
        yield Control(
            **cell.names,
            metric=cell.metric,
            change_from_dense=mean([pruned[s] - dense[s] for s in seeds]),
            change_from_control=from_control.mean,
            ci_low=from_control.low,
            ci_high=from_control.high,
            n_seeds=len(seeds),
            alpha_control=alpha_of(found),
        )


def matched(study: StudyResults, cell: CellResults) -> CellResults | None:
    """The control that trains as the cell's models do; None where the study has none, or it is the dense model."""
    wanted = control_of(_pruner(cell)) if cell.composition else None
    if wanted is None:
        return None
    own = [control for control in study.controls if (control.dataset, control.arch) == cell.pair]
    return next((one for one in own if one.composition and _pruner(one) == wanted), None)


def alpha_of(control: CellResults | None) -> float | None:
    """Mean alpha between dense models and their controls: the null for pairs that share their seed's start."""
    return None if control is None else (control.summary.get("alpha") or {}).get("mean")


def _pruner(cell: CellResults) -> Pruner:
    return Pruner.model_validate(cell.composition)
