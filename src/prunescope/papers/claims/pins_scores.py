"""Judges of PINS-01 to PINS-04 and PINS-08: scores on GLUE (PINS paper, Tables 1, 5, 8 and 9)."""

from __future__ import annotations

from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.claims.findings import Finding, found, mean, not_measured
from prunescope.papers.claims.pins_words import (
    against_dense,
    at,
    duels,
    exceptions,
    on_the_main_network,
    points,
)
from prunescope.papers.numbers import pins

#: The two tasks that the paper calls small, and those on which it says that PINS exceeds fine-tuning.
SMALL, EXCEEDED = ("RTE", "CoLA"), ("RTE", "MRPC")

#: How far a printed share of the average may be missed, and what counts as about one point.
_WITHIN, _ABOUT_A_POINT = 0.01, 0.005


def pins_is_best_on_glue(study: StudyTables) -> Finding:
    """PINS-01: at 80 % and 90 % PINS matches or beats every compared method on every task of GLUE, on three models.

    Holds if no rival that was measured is above it anywhere ("every" allows no exception); a difference of seeds
    counts as one.
    """
    cases = duels(study, pins.GLUE, at(0.8, 0.9))
    if not cases:
        return not_measured("needs PINS and a rival on a task of GLUE at 80 or 90%")
    lost = [case for case in cases if case.lead < 0]
    evidence = f"PINS at or above its best rival in {len(cases) - len(lost)} of {len(cases)} comparisons"
    return found(not lost, evidence + exceptions(lost))


def gains_more_on_small_tasks(study: StudyTables) -> Finding:
    """PINS-02: at 80 % PINS gains more over its best rival on small tasks, RTE and CoLA, than on others."""
    study = on_the_main_network(study)
    cases = duels(study, pins.GLUE, at(0.8))
    small = [case.lead for case in cases if case.name in SMALL]
    others = [case.lead for case in cases if case.name not in SMALL]
    if not small or not others:
        return not_measured("needs PINS and a rival at 80% on RTE or CoLA, and on another task of GLUE")
    gain, rest = mean(small), mean(others)
    evidence = (
        f"mean lead over the best rival {points(gain)} points on RTE and CoLA ({len(small)} comparisons), "
    )
    return found(gain > 0 and gain > rest, f"{evidence}{points(rest)} on other tasks ({len(others)})")


def keeps_more_of_the_average(study: StudyTables) -> Finding:
    """PINS-03: at 90 % PINS keeps 97.5 % of the fine-tuned average over GLUE, PLATON 95.4 %.

    Over the tasks on which both were measured. Holds if PINS keeps the printed share up to one point and more than
    PLATON.
    """
    study = on_the_main_network(study)
    kept: dict[str, list[tuple[float, float]]] = {pins.PINS: [], "PLATON": []}
    for case in against_dense(study, pins.GLUE, at(0.9)):
        rival = study.score(case.key._replace(pruner="PLATON"))
        if rival is not None:
            kept[pins.PINS].append((case.score, case.best))
            kept["PLATON"].append((rival, case.best))
    if not kept[pins.PINS]:
        return not_measured("needs PINS, PLATON and unpruned models on a task of GLUE at 90%")
    averages = {
        method: (mean(a for a, _ in pairs), mean(b for _, b in pairs)) for method, pairs in kept.items()
    }
    if averages["PLATON"][1] <= 0:
        return not_measured("the unpruned models' average is not above 0")
    share = {method: after / before for method, (after, before) in averages.items()}
    printed = pins.means()[pins.PINS, 0.9] / pins.means()["none", 0.0]
    evidence = (
        f"at 90% PINS keeps {100 * share[pins.PINS]:.1f}% of the unpruned average, PLATON "
        f"{100 * share['PLATON']:.1f}% ({len(kept['PLATON'])} tasks and networks)"
    )
    return found(share[pins.PINS] >= printed - _WITHIN and share[pins.PINS] > share["PLATON"], evidence)


def exceeds_the_unpruned_on_small_tasks(study: StudyTables) -> Finding:
    """PINS-04: at 80 % PINS exceeds dense fine-tuning on RTE and MRPC."""
    study = on_the_main_network(study)
    cases = against_dense(study, EXCEEDED, at(0.8))
    if not cases:
        return not_measured("needs PINS and unpruned models on RTE or MRPC at 80%")
    below = [case for case in cases if case.lead <= 0]
    told = ", ".join(f"{case.text} {points(case.lead)}" for case in cases)
    return found(not below, f"PINS minus unpruned, in points: {told}")


def light_pruning_improves(study: StudyTables) -> Finding:
    """PINS-08: with 30-50 % sparsity PINS improves on fine-tuning by about one point of GLUE's average.

    Holds if the mean difference over tasks is at least half a point.
    """
    study = on_the_main_network(study)

    def light(key: Key) -> bool:
        return 0.3 - 1e-6 <= key.sparsity <= 0.5 + 1e-6

    cases = against_dense(study, pins.GLUE, light)
    if not cases:
        return not_measured("needs PINS and unpruned models on a task of GLUE at 30 to 50%")
    gain = mean(case.lead for case in cases)
    better = sum(case.lead > 0 for case in cases)
    evidence = f"PINS minus unpruned {points(gain)} points in the mean of {len(cases)} comparisons, above 0 in {better}"
    return found(gain >= _ABOUT_A_POINT, evidence)
