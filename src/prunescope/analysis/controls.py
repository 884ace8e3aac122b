"""Each pruned cell against its control: rows of ``controls.csv``."""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.analysis.stats import mean, t_interval
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.registry import Control
from prunescope.analysis.tables.results import StudyResults
from prunescope.config.controls import control_of
from prunescope.config.pruners import Pruner

_CORRELATIONS = ("pearson", "spearman", "matthews")


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
        wanted = control_of(_pruner(cell))
        if wanted is None:
            control = dense
        else:
            alike = [one for one in own if one.composition and _pruner(one) == wanted]
            if not alike:
                continue
            control = alike[0].scores("pruned")
        seeds = sorted(pruned.keys() & control.keys() & dense.keys())
        # As far as two scores can be apart: shares lie from 0 to 1, correlations from -1.
        reach = 2.0 if cell.metric in _CORRELATIONS else 1.0
        changes = [pruned[s] - control[s] for s in seeds]
        from_control = t_interval(changes, study.analysis.confidence, -reach, reach)
        yield Control(
            **cell.names,
            metric=cell.metric,
            change_from_dense=mean([pruned[s] - dense[s] for s in seeds]),
            change_from_control=from_control.mean,
            ci_low=from_control.low,
            ci_high=from_control.high,
            n_seeds=len(seeds),
        )


def _pruner(cell: CellResults) -> Pruner:
    return Pruner.model_validate(cell.composition)
