"""Judge of PINS-11: storage, time and accuracy of a pruned network (PINS paper, Table 7)."""

from __future__ import annotations

from prunescope.analysis.claims.findings import Finding, not_measured
from prunescope.analysis.claims.pins_words import against_unpruned, at, points
from prunescope.analysis.study_tables import StudyTables


def smaller_and_faster(study: StudyTables) -> Finding:
    """PINS-11: at 80 % on RTE storage shrinks 8.9 times, and inference is 2.7 times as fast, at almost no loss.

    Of these a study has the loss alone, which is told.
    """
    cases = against_unpruned(study, ("RTE",), at(0.8))
    told = ", ".join(f"{case.text} {points(case.lead)}" for case in cases)
    return not_measured(
        "a study's results hold neither storage nor time: `prunescope export` says how small one of its networks is, "
        "benchmarks/inference.py how fast one of these sizes (docs/export.md)"
        + (f"; the score changes, in points: {told}" if told else "")
    )
