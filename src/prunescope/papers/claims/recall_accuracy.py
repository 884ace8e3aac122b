"""Judges of REC-08 and REC-09: alpha beside accuracy and the variance of recall (appendices E, F, H; Tables 11-13)."""

from __future__ import annotations

from prunescope.analysis.alpha.study_alphas import Alpha
from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.claims.findings import Finding, few_exceptions, found, not_measured
from prunescope.papers.claims.recall_words import HIGH, LOW, MODERATE, RANDOM, at_least, at_most, some
from prunescope.papers.numbers.recall import same_ratio

#: "By far the largest": at least this many times the next one.
BY_FAR = 2.0


def accuracy_and_distortion_improve_at_once(study: StudyTables) -> Finding:
    """REC-08: moderate pruning can raise accuracy and lower distortion at once.

    Holds if at least one cell at a ratio up to 10 ("moderate", appendix E) has a higher mean accuracy than the
    unpruned models and an alpha below 1 ("can"): its whole interval, where it has one. In print seven levels of
    LTH and two ratios of CHIP, without intervals (Tables 12 and 13).
    """
    drops = study.drops()
    cells = {
        key: alpha
        for key, alpha in study.alphas.items()
        if key in drops and key in study.pruning_ratios and at_most(study.pruning_ratios[key], MODERATE)
    }
    if not cells:
        return not_measured(f"needs alpha and accuracy at pruning ratios up to {MODERATE:g}")
    both = sorted(key for key, alpha in cells.items() if drops[key] < 0 and _below_one(alpha))
    higher = sum(drops[key] < 0 for key in cells)
    lower = sum(_below_one(alpha) for alpha in cells.values())
    evidence = f"both in {len(both)} of {len(cells)} cells up to ratio {MODERATE:g}"
    if both:
        evidence += f" ({some([_named(study, key) for key in both])})"
    return found(bool(both), f"{evidence}; accuracy above the unpruned in {higher}, alpha below 1 in {lower}")


def variance_alone_does_not_tell(study: StudyTables) -> Finding:
    """REC-09: recall's variance grows at high ratios, but RP has by far the largest while its alpha stays below 1.

    Holds if the variance is above that of the unpruned models in at least four fifths of the cells from ratio
    15 on; RP's is at least twice that of every other pruner in at least four fifths of the (data set, network,
    ratio) groups that have both; and alpha is below 1 in every cell of RP. In print 22 of 22, 5 of 5 (at least
    15 times), and Figure 1.
    """
    variances, ratios = study.variances, study.pruning_ratios
    grown = {
        key: value > variances[study.dense(key)]
        for key, value in variances.items()
        if key.pruner != NO_PRUNER and key in ratios and study.dense(key) in variances
    }
    low = [grew for key, grew in grown.items() if at_most(ratios[key], LOW)]
    high = [grew for key, grew in grown.items() if at_least(ratios[key], HIGH)]
    if not high:
        return not_measured(f"needs the variance of recall of unpruned models and at ratios from {HIGH:g} on")
    evidence = (
        f"variance of recall above the unpruned in {sum(high)} of {len(high)} cells from ratio {HIGH:g} on"
    )
    if low:
        evidence += f" and {sum(low)} of {len(low)} up to ratio {LOW:g}"
    if not few_exceptions(sum(high), len(high)):
        return found(False, evidence)
    times = _times_the_next(study)
    alphas = [alpha.mean for key, alpha in study.alphas.items() if key.pruner == RANDOM]
    if not times or not alphas:
        return not_measured(f"needs alpha of {RANDOM}, and another pruner at its ratios; {evidence}")
    far, below = sum(factor >= BY_FAR for factor in times), sum(alpha < 1 for alpha in alphas)
    return found(
        few_exceptions(far, len(times)) and below == len(alphas),
        f"{evidence}; {RANDOM}'s at least {BY_FAR:g} times every other pruner's in {far} of {len(times)} places "
        f"({min(times):.1f} to {max(times):.1f} times), and its alpha below 1 in {below} of {len(alphas)} cells",
    )


def _times_the_next(study: StudyTables) -> list[float]:
    """By cell of RP, its variance over the largest of other pruners' at the same ratio."""
    ratios, factors = study.pruning_ratios, []
    for key in sorted(study.variances):
        if key.pruner == RANDOM and key in ratios:
            others = [
                value
                for other, value in study.variances.items()
                if other[:2] == key[:2]
                and other.pruner not in (RANDOM, NO_PRUNER)
                and other in ratios
                and same_ratio(ratios[other], ratios[key])
            ]
            if others:
                own, largest = study.variances[key], max(others)
                factors.append(own / largest if largest else float("inf") if own else 1.0)
    return factors


def _below_one(alpha: Alpha) -> bool:
    return alpha.mean < 1 if alpha.high is None else alpha.clearly_below


def _named(study: StudyTables, key: Key) -> str:
    return f"{key.dataset}, {key.arch}, {key.pruner} at ratio {study.pruning_ratios[key]:.3g}"
