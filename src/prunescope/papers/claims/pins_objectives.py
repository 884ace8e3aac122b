"""Judges of PINS-09 and PINS-10: the three objectives (PINS paper, Table 6)."""

from __future__ import annotations

from prunescope.analysis.tables.study import StudyTables
from prunescope.papers.claims.findings import Finding, found, not_measured
from prunescope.papers.claims.pins_words import at, duels, exceptions, points
from prunescope.papers.numbers import pins


def self_regularization_is_best(study: StudyTables) -> Finding:
    """PINS-09: self-regularization beats plain empirical risk and distillation from a dense teacher, at 80 %."""
    cases = duels(study, pins.GLUE, at(0.8), rivals=(pins.PLAIN, pins.DISTILLED))
    if not cases:
        return not_measured(f"needs PINS with {pins.PLAIN} or {pins.DISTILLED} on a task of GLUE at 80%")
    lost = [case for case in cases if case.lead <= 0]
    evidence = f"PINS above {pins.PLAIN} and {pins.DISTILLED} in {len(cases) - len(lost)} of {len(cases)}"
    told = ", ".join(f"{case.text} {points(case.lead)} to {case.rival}" for case in cases if case.lead > 0)
    return found(not lost, evidence + (f": {told}" if told else "") + exceptions(lost))


def criterion_alone_beats_rivals(study: StudyTables) -> Finding:
    """PINS-10: the criterion alone, without self-regularization, already beats the rivals at 80 %."""
    cases = duels(study, pins.GLUE, at(0.8), method=pins.PLAIN)
    if not cases:
        return not_measured(f"needs {pins.PLAIN} and a rival of PINS on a task of GLUE at 80%")
    lost = [case for case in cases if case.lead <= 0]
    evidence = f"{pins.PLAIN} above the best rival in {len(cases) - len(lost)} of {len(cases)} comparisons"
    return found(not lost, evidence + exceptions(lost))
