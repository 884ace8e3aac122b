"""Judges of PINS-05 to PINS-07: questions, tags and texts (PINS paper, Tables 2 to 4)."""

from __future__ import annotations

from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.claims.findings import Finding, found, mean, not_measured
from prunescope.papers.claims.pins_words import against_dense, at, duels, exceptions, points
from prunescope.papers.numbers import pins

_GENERATED = ("E2E", "DART", "WebNLG")

#: How near a score is "almost" another's: in print 93.9 against 94.0.
_ALMOST = 0.005

#: What PINS is said to exceed fine-tuning by, on E2E.
_BETTER_ON_E2E = ("rouge_l", "meteor")


def best_on_squad(study: StudyTables) -> Finding:
    """PINS-05: on SQuAD PINS is best at 50-80 %, and IMP (GMP here) beats every rival but PLATON.

    Without a rival between the two only the first half is judged.
    """
    where = at(0.5, 0.6, 0.7, 0.8)
    cases = duels(study, ("SQuAD",), where)
    if not cases:
        return not_measured("needs PINS and a rival on SQuAD at 50 to 80%")
    lost = [case for case in cases if case.lead < 0]
    middle = duels(study, ("SQuAD",), where, "GMP", ("L0", "SMvP", "PST"))
    behind = [case for case in middle if case.lead < 0]
    evidence = f"PINS at or above its best rival in {len(cases) - len(lost)} of {len(cases)} sparsities"
    if middle:
        evidence += f"; GMP above other rivals but PLATON in {len(middle) - len(behind)} of {len(middle)}"
    return found(not lost and not behind, evidence + exceptions([*lost, *behind]))


def lead_on_conll_grows(study: StudyTables) -> Finding:
    """PINS-06: on CoNLL PINS almost matches fine-tuning at 70 %, and its lead over IMP and SMvP grows at 80 %."""
    rivals = ("GMP", "SMvP")
    dense = against_dense(study, ("CoNLL-2003",), at(0.7))
    leads = {
        (rival, sparsity): [
            case.lead for case in duels(study, ("CoNLL-2003",), at(sparsity), rivals=(rival,))
        ]
        for rival in rivals
        for sparsity in (0.7, 0.8)
    }
    both = [rival for rival in rivals if leads[rival, 0.7] and leads[rival, 0.8]]
    if not dense or not both:
        return not_measured("needs PINS with GMP or SMvP on CoNLL-2003 at 70 and 80%, and unpruned models")
    behind = mean(case.lead for case in dense)
    grown = {rival: (mean(leads[rival, 0.7]), mean(leads[rival, 0.8])) for rival in both}
    told = ", ".join(f"over {rival} {points(a)} then {points(b)}" for rival, (a, b) in grown.items())
    evidence = f"PINS minus unpruned {points(behind)} points at 70%; its lead {told}"
    return found(behind >= -_ALMOST and all(b > a for a, b in grown.values()), evidence)


def best_in_generation(study: StudyTables) -> Finding:
    """PINS-07: on GPT-2 at 80 % PINS is best on every metric, and beats fine-tuning on E2E (ROUGE-L, METEOR).

    By the metrics that were measured (BLEURT is not).
    """
    won, lost, better = 0, [], []
    for key in _pins_cells(study):
        own = study.own.get(key, {})
        name = pins.dataset_name(key.dataset, study.sources.get(key.dataset))
        for metric in ("bleu", "rouge_l", "meteor"):
            others = {
                rival: study.own.get(key._replace(pruner=rival), {}).get(metric) for rival in pins.RIVALS
            }
            known = {rival: value for rival, value in others.items() if value is not None}
            if metric in own and known:
                best = max(known, key=lambda rival: known[rival])
                won += own[metric] >= known[best]
                if own[metric] < known[best]:
                    lost.append(f"{name} {metric} {points(own[metric] - known[best])} to {best}")
            before = study.own.get(study.dense(key), {}).get(metric)
            if name == "E2E" and metric in _BETTER_ON_E2E and metric in own and before is not None:
                better.append(own[metric] - before)
    if not won and not lost:
        return not_measured("needs PINS and a rival on E2E, DART or WebNLG at 80%")
    evidence = f"PINS best in {won} of {won + len(lost)} data sets and metrics"
    if lost:
        evidence += f"; not in {', '.join(lost[:4])}"
    if better:
        evidence += f"; on E2E {' and '.join(map(points, better))} points over unpruned in ROUGE-L and METEOR"
    return found(not lost and all(gain > 0 for gain in better), evidence)


def _pins_cells(study: StudyTables) -> list[Key]:
    at_80 = at(0.8)
    return [
        key
        for key in study.cells
        if key.pruner == pins.PINS
        and at_80(key)
        and pins.dataset_name(key.dataset, study.sources.get(key.dataset)) in _GENERATED
    ]
