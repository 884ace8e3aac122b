"""Judge of PINS-11: storage, time and accuracy of a pruned network (PINS paper, Table 7)."""

from __future__ import annotations

from prunescope.analysis.tables.study import StudyTables
from prunescope.papers.claims.findings import Finding, not_measured
from prunescope.papers.claims.pins_words import against_dense, at, points


def smaller_and_faster(study: StudyTables) -> Finding:
    """PINS-11: at 80 % on RTE storage shrinks 8.9 times, and inference is 2.7 times as fast, at almost no loss.

    A study's results hold no times, so that the claim stays open; the loss, and the storage where weights are measured,
    are told.
    """
    cases = against_dense(study, ("RTE",), at(0.8))
    told = ", ".join(f"{case.text} {points(case.lead)}" for case in cases)
    smaller = ", ".join(
        f"{case.text} {study.storage[case.key].gain:.1f} times" for case in cases if case.key in study.storage
    )
    return not_measured(
        "a study's results hold no times: benchmarks/inference.py says how fast a network of these sizes is on a CPU "
        "(docs/export.md)"
        + (
            f"; storage shrinks: {smaller}"
            if smaller
            else "; storage needs measured weights (weight_statistics)"
        )
        + (f"; the score changes, in points: {told}" if told else "")
    )
