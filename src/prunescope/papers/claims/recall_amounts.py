"""Judges of REC-01 to REC-03: alpha along the pruning ratio (recall paper, section 7.1, Tables 1-4, 12, 13)."""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.analysis.alpha.study_alphas import Alpha
from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.claims.findings import Finding, few_exceptions, found, mean, most, not_measured
from prunescope.papers.claims.recall_words import (
    HIGH,
    LOW,
    RANDOM,
    SELECTIVE,
    at_least,
    at_most,
    count,
    models,
    with_outcome,
)
from prunescope.papers.numbers import recall

_COMPRESSIONS = ("ratio", "sparsity")


def below_then_above_one(study: StudyTables) -> Finding:
    """REC-01: pruning reduces recall distortion (alpha < 1) at low ratios and increases it at high ratios.

    By (data set, arch, pruner) without random pruning, the paper's exception: mean alpha over the ratios up to
    4, and over those from 15 on. Holds if in at least four fifths of the curves that have them the first is
    below 1, and the second above 1. In print so with LTH (0.974, 1.414) and CHIP (0.583, 1.494), though LTH's
    first level is above 1; section 6.2 says that intervals "tend to" lie on these sides. How many intervals do
    is told, not judged.
    """
    ratios = study.pruning_ratios
    cells = {key: alpha for key, alpha in study.alphas.items() if key.pruner != RANDOM and key in ratios}
    low = {key: alpha for key, alpha in cells.items() if at_most(ratios[key], LOW)}
    high = {key: alpha for key, alpha in cells.items() if at_least(ratios[key], HIGH)}
    if not low or not high:
        missing = f"up to {LOW:g}" if not low else f"from {HIGH:g} on"
        return not_measured(f"needs alpha at pruning ratios {missing}")
    before, after = _means(low), _means(high)
    below, above = sum(value < 1 for value in before), sum(value > 1 for value in after)
    evidence = (
        f"mean alpha up to ratio {LOW:g} below 1 in {below} of {len(before)} curves ({_range(before)}), from "
        f"ratio {HIGH:g} on above 1 in {above} of {len(after)} ({_range(after)})"
    )
    sure_low = [alpha for alpha in low.values() if alpha.low is not None]
    sure_high = [alpha for alpha in high.values() if alpha.low is not None]
    if sure_low and sure_high:
        evidence += (
            f"; whole interval below 1 in {sum(a.clearly_below for a in sure_low)} of {len(sure_low)} cells up to "
            f"ratio {LOW:g}, above 1 in {sum(a.clearly_above for a in sure_high)} of {len(sure_high)} from {HIGH:g} "
            "on"
        )
    return found(
        few_exceptions(below, len(before)) and few_exceptions(above, len(after)),
        evidence,
    )


def random_stays_below_one(study: StudyTables) -> Finding:
    """REC-02: random pruning is the exception: alpha stays below 1 at every ratio and does not increase.

    Holds if alpha is below 1 in every cell of RP ("every" allows no exception), and at most half of the
    tests between neighbouring ratios find an increase. In print 1 of 4 does (Table 4); that alpha is below 1,
    even below 0, is said of Figures 1 and 5.
    """
    cells = [alpha for key, alpha in study.alphas.items() if key.pruner == RANDOM]
    if not cells:
        return not_measured(f"needs alpha of {RANDOM}")
    alphas = [alpha.mean for alpha in cells]
    below = sum(alpha < 1 for alpha in alphas)
    evidence = f"alpha of {RANDOM} below 1 in {below} of {len(alphas)} cells ({_range(alphas)})"
    steps = with_outcome(study, _COMPRESSIONS, lambda test: test.a.pruner == RANDOM)
    sure = [alpha for alpha in cells if alpha.low is not None]
    if sure:
        evidence += (
            f"; whole interval below 1 in {sum(a.clearly_below for a in sure)}, above 1 in "
            f"{sum(a.clearly_above for a in sure)} of {len(sure)}"
        )
    if below < len(alphas):
        return found(False, evidence)
    if not steps:
        return not_measured(f"needs two models at two ratios of {RANDOM} at least; {evidence}")
    flat = sum(not test.significant for test in steps)
    return found(
        most(flat, len(steps)),
        f"{evidence}; a significant increase in {count(steps)} steps between neighbouring ratios ({models(steps)})",
    )


def rises_from_ratio_to_ratio(study: StudyTables) -> Finding:
    """REC-03: alpha increases from each ratio to the next for MP, GP and UP, except sometimes from 2 to 4.

    Holds if at least four fifths of the tests between neighbouring ratios from 4 on find an increase. In print
    36 of 36 on ResNets do, 3 of 6 on LeNet (Tables 1 to 4), 39 of 42 (93%) in all. Steps that begin below 4
    are told, not judged.
    """
    ratios = study.pruning_ratios
    steps = with_outcome(study, _COMPRESSIONS, lambda test: test.a.pruner in SELECTIVE and test.a in ratios)
    late = [test for test in steps if at_least(ratios[test.a], LOW)]
    early = [test for test in steps if not at_least(ratios[test.a], LOW)]
    if not late:
        return not_measured(
            f"needs two models at neighbouring ratios from {LOW:g} on of {', '.join(SELECTIVE)}"
        )
    parts = []
    for name, printed in _printed_steps().items():
        own = [test for test in late if (study.family(test.a.arch) == "lenet5") is (name == "LeNet")]
        if own:
            parts.append(f"{name} {count(own)}, in print {printed}")
    parts.append(models(late))
    evidence = f"a significant increase in {count(late)} steps from ratio {LOW:g} on ({'; '.join(parts)})"
    if early:
        evidence += f", and in {count(early)} steps below"
    return found(few_exceptions(sum(test.significant for test in late), len(late)), evidence)


def _printed_steps() -> dict[str, str]:
    """Significant steps from ratio 4 on in Tables 1 to 4, each once, by kind of network."""
    steps = {
        (test.a, test.b): test.significant
        for test in recall.tests()
        if test.varied == "ratio" and test.a.pruner in SELECTIVE and test.a.ratio >= LOW
    }
    told = {}
    for name in ("LeNet", "ResNet"):
        own = [significant for (a, _), significant in steps.items() if a.arch.startswith(name)]
        told[name] = f"{sum(own)} of {len(own)}"
    return told


def _means(cells: dict[Key, Alpha]) -> list[float]:
    """Mean alpha by (data set, arch, pruner)."""
    by_curve: dict[tuple[str, str, str], list[float]] = {}
    for key, alpha in sorted(cells.items(), key=lambda item: item[0]):
        by_curve.setdefault(key[:3], []).append(alpha.mean)
    return [mean(values) for values in by_curve.values()]


def _range(values: Iterable[float]) -> str:
    kept = list(values)
    low, high = f"{min(kept):.3f}", f"{max(kept):.3f}"
    return low if low == high else f"{low} to {high}"
