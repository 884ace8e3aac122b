"""Tables whose rows repeat what one cell's audit found; rows of dense models come from all cells of the arch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from prunescope.analysis import audit_tables
from prunescope.analysis.alpha.distortion import mean_recall_variance
from prunescope.analysis.controls import alpha_of, matched
from prunescope.analysis.leading import led
from prunescope.analysis.stats import mean, std
from prunescope.analysis.tables.cell import Recalls
from prunescope.analysis.tables.declared import CELL, CellRow, Row, columns
from prunescope.analysis.tables.registry import (
    Alpha,
    Certainty,
    Change,
    DataMap,
    Effectiveness,
    EffectivenessOnPies,
    El2nBin,
    Group,
    PieShare,
    PieShareBySeeds,
    Readability,
    RecallVariance,
    Slice,
    TaskMetric,
)
from prunescope.analysis.tables.results import StudyResults
from prunescope.config.pruners import NO_PRUNER

C = TypeVar("C", bound=CellRow)


def effectiveness(study: StudyResults) -> Iterator[Effectiveness]:
    for names, dense in study.dense.items():
        yield Effectiveness(*names, NO_PRUNER, 0.0, metric=dense.metric, **_spread(dense.scores))
    for cell in (*study.controls, *study.pruned):
        yield Effectiveness(**cell.names, metric=cell.metric, **_spread(cell.scores("pruned")))


def task_metrics(study: StudyResults) -> Iterator[TaskMetric]:
    for names, dense in study.dense.items():
        for metric, scores in dense.others.items():
            yield TaskMetric(*names, NO_PRUNER, 0.0, metric=metric, **_spread(scores))
    for cell in (*study.controls, *study.pruned):
        for metric, scores in cell.metrics("pruned").items():
            yield TaskMetric(**cell.names, metric=metric, **_spread(scores))


def recall_variance(study: StudyResults) -> Iterator[RecallVariance]:
    for names, dense in study.dense.items():
        if dense.recalls:
            yield RecallVariance(*names, NO_PRUNER, 0.0, ratio=1.0, **_variance(dense.recalls))
    for cell in study.pruned:
        if cell.summary.get("alpha") is not None:
            ratio = cell.reached.get("ratio")
            yield RecallVariance(**cell.names, ratio=ratio, **_variance(cell.recalls("pruned")))


def pie_share(study: StudyResults) -> Iterator[PieShare]:
    for cell in study.pruned:
        found = {name: cell.summary[name] for name in ("n_examples", "n_pies", "pie_share")}
        yield PieShare(**cell.names, **found)


def effectiveness_on_pies(study: StudyResults) -> Iterator[EffectivenessOnPies]:
    for cell in study.pruned:
        dense, pruned = cell.on_pies
        yield EffectivenessOnPies(
            **cell.names,
            metric=cell.metric,
            dense=dense,
            pruned=pruned,
            n_pies=cell.summary["n_pies"],
            n_seeds=led(cell.summary).get("n_scored_on_pies"),
        )


def el2n_bins(study: StudyResults) -> Iterator[El2nBin]:
    return repeated(study, El2nBin, audit_tables.El2nBin, "train")


def data_map(study: StudyResults) -> Iterator[DataMap]:
    for cell in study.pruned:
        for row in cell.rows(audit_tables.DataMapRow, "train"):
            yield DataMap(**cell.names, **vars(row))


def readability_rows(study: StudyResults) -> Iterator[Readability]:
    return repeated(study, Readability, audit_tables.Readability)


def alpha(study: StudyResults) -> Iterator[Alpha]:
    for cell in study.pruned:
        found = cell.summary.get("alpha")
        corrected = cell.summary.get("alpha_corrected") or {}
        if found is not None:
            yield Alpha(
                **cell.names,
                ratio=cell.reached.get("ratio"),
                alpha=found["mean"],
                ci_low=found["ci_low"],
                ci_high=found["ci_high"],
                confidence=found["confidence"],
                verdict=found["verdict"],
                accuracy=cell.summary["pruned_score"],
                n_seeds=found["n_seeds"],
                alpha_null=(cell.summary.get("alpha_null") or {}).get("mean"),
                alpha_corrected=corrected.get("mean"),
                corrected_low=corrected.get("ci_low"),
                corrected_high=corrected.get("ci_high"),
                corrected_verdict=corrected.get("verdict"),
                alpha_control=alpha_of(matched(study, cell)),
            )


def changes(study: StudyResults) -> Iterator[Change]:
    for cell in study.pruned:
        change, harm = led(cell.summary).get("change") or {}, cell.summary.get("mcnemar") or {}
        yield Change(
            **cell.names,
            metric=cell.metric,
            change=change.get("mean"),
            ci_low=change.get("ci_low"),
            ci_high=change.get("ci_high"),
            confidence=change.get("confidence"),
            detectable=change.get("detectable"),
            to_wrong=harm.get("to_wrong"),
            to_right=harm.get("to_right"),
            p_value=harm.get("p_value"),
            n_seeds=change.get("n_seeds"),
        )


def groups(study: StudyResults) -> Iterator[Group]:
    for cell in study.pruned:
        for row in cell.rows(audit_tables.GroupRow):
            yield Group(**cell.names, **vars(row))


def slices(study: StudyResults) -> Iterator[Slice]:
    for cell in study.pruned:
        for row in cell.rows(audit_tables.SliceRow):
            yield Slice(**cell.names, **{name: value for name, value in vars(row).items() if name != "model"})


def certainty(study: StudyResults) -> Iterator[Certainty]:
    return repeated(study, Certainty, audit_tables.Certainty)


def by_seeds(study: StudyResults) -> Iterator[PieShareBySeeds]:
    return repeated(study, PieShareBySeeds, audit_tables.PieShareBySeeds)


def repeated(study: StudyResults, row: type[C], of: type[Row], split: str = "test") -> Iterator[C]:
    """The rows ``of`` the cells' audits but those of single classes, with the columns that ``row`` has of them."""
    names = [column.field for column in columns(row) if column.field not in CELL]
    for cell in study.pruned:
        for one in cell.rows(of, split):
            if getattr(one, "class_", None) is None:
                yield row(**cell.names, **{name: getattr(one, name) for name in names})


def _spread(scores: Mapping[int, float]) -> dict[str, Any]:
    values = [scores[seed] for seed in sorted(scores)]
    return {"mean": mean(values), "std": std(values), "n_seeds": len(values)}


def _variance(recalls: Recalls) -> dict[str, Any]:
    rows = [list(recalls[seed].values()) for seed in sorted(recalls)]
    variance = mean_recall_variance(np.array(rows)) if rows else None
    return {"mean_recall_variance": variance, "n_seeds": len(recalls)}
