"""Judges of REC-06 and REC-07: alpha by pruner (recall paper, section 7.4, Tables 8 and 9)."""

from __future__ import annotations

from prunescope.analysis.alpha.study_alphas import AlphaTest
from prunescope.analysis.tables.study import StudyTables
from prunescope.papers.claims.findings import Finding, few_exceptions, found, most, not_measured
from prunescope.papers.claims.recall_words import (
    MODERATE,
    RANDOM,
    SELECTIVE,
    at_least,
    count,
    models,
    some,
    with_outcome,
)

UNDECAYED = "UP"
_OTHERS = ("MP", "GP")


def undecayed_distorts_less(study: StudyTables) -> Finding:
    """REC-06: undecayed pruning distorts recall less than magnitude or gradient pruning, clearly so at higher ratios.

    Tests of UP against MP and GP at ratios from 10 on. Holds if UP's mean alpha is the lower one in at least
    four fifths of them, and significantly so in more than half. In print 15 of 18 are significant (Tables 8 and
    9, ResNet-56 counted by Table 8); that UP's is lower is said of Figures 1 and 5 to 8. Lower ratios are told,
    not judged.
    """
    ratios = study.pruning_ratios
    pairs = [test for test in _against(study, UNDECAYED, _OTHERS) if test.a in ratios]
    late = [test for test in pairs if at_least(ratios[test.a], MODERATE)]
    early = [test for test in pairs if not at_least(ratios[test.a], MODERATE)]
    if not late:
        return not_measured(
            f"needs two models of {UNDECAYED} and of {' or '.join(_OTHERS)} at equal ratio from {MODERATE:g} on"
        )
    lower, clearly = _lower(late), _clearly_lower(late)
    rivals = [rival for rival in _OTHERS if any(test.a.pruner == rival for test in late)]
    evidence = (
        f"alpha of {UNDECAYED} below that of {' and '.join(rivals)} in {lower} of {len(late)} comparisons from ratio "
        f"{MODERATE:g} on, significantly in {clearly} ({models(late)})"
    )
    if early:
        evidence += (
            f"; at lower ratios in {_lower(early)} of {len(early)}, significantly in {_clearly_lower(early)}"
        )
    return found(few_exceptions(lower, len(late)) and most(clearly, len(late)), evidence)


def all_differ_from_random(study: StudyTables) -> Finding:
    """REC-07: MP, GP and UP all differ from random pruning at every ratio.

    Holds if every test of theirs against RP is significant ("all" and "every" allow no exception). In print
    15 of 15 are (Table 8).
    """
    pairs = _against(study, RANDOM, SELECTIVE)
    if not pairs:
        return not_measured(f"needs two models of {RANDOM} and of another pruner at equal ratio")
    exceptions = [
        f"{test.a.pruner} in {test.family.partition(': ')[2]}" for test in pairs if not test.significant
    ]
    evidence = (
        f"alpha of {', '.join(p for p in SELECTIVE if any(t.a.pruner == p for t in pairs))} significantly different "
        f"from that of {RANDOM} in {count(pairs)} comparisons ({models(pairs)})"
    )
    if exceptions:
        evidence += f"; not {some(exceptions)}"
    return found(not exceptions, evidence)


def _against(study: StudyTables, pruner: str, others: tuple[str, ...]) -> list[AlphaTest]:
    """Tests of ``others`` (a) against ``pruner`` (b), each pair of cells once: that of Table 8's family."""
    chosen: dict[tuple[object, object], AlphaTest] = {}
    for test in sorted(with_outcome(study, ("pruner",)), key=lambda test: test.over_sizes):
        one = test if test.b.pruner == pruner else test.turned()
        if one.b.pruner == pruner and one.a.pruner in others:
            chosen.setdefault((one.a, one.b), one)
    return list(chosen.values())


def _lower(tests: list[AlphaTest]) -> int:
    """In how many b's mean alpha is the lower one."""
    return sum(test.sign == 1 for test in tests)


def _clearly_lower(tests: list[AlphaTest]) -> int:
    return sum(test.sign == 1 and test.significant for test in tests)
