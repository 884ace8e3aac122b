"""Claims of the recall paper, section 7 and appendices E, F and H."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf

from prunescope.analysis.tables.declared import Key
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.claims import Claims, count, mean, needs, some
from prunescope.papers.measured import Measured, grouped
from prunescope.papers.recall import printed as recall
from prunescope.papers.recall.alpha_tests import AlphaTest

#: Low ratios end here (2 and 4 of the paper's grid), moderate ones at ``MODERATE``, and high ones begin at ``HIGH``
#: (20 and 50; from 18.19 and 19.11 on with LTH and CHIP).
LOW, MODERATE, HIGH = 4.0, 10.0, 15.0

#: The pruner that the paper excepts; those of which it says that distortion rises; and those that UP is better than.
RANDOM, UNDECAYED = "RP", "UP"
SELECTIVE = ("MP", "GP", UNDECAYED)
DECAYED = SELECTIVE[:2]

#: "By far the largest": at least this many times the next one.
BY_FAR = 2.0

#: The paper speaks of LeNet5 and ResNets, which classify images, and of its six pruners.
CLAIMS = Claims(recall.PAPER, ("lenet5", "resnet"), recall.PRUNERS)
claim = CLAIMS.claim


def up_to(study: Measured, bound: float) -> Callable[[Key], bool]:
    """Whether a cell's ratio is known and at most ``bound``, up to what rounding to whole weights adds."""
    return lambda key: study["ratio"].get(key, inf) <= bound * (1 + recall.SAME_RATIO)


def from_(study: Measured, bound: float) -> Callable[[Key], bool]:
    return lambda key: study["ratio"].get(key, 0.0) >= bound * (1 - recall.SAME_RATIO)


def made(study: Measured, *varied: str, pruners: Sequence[str] = SELECTIVE) -> list[AlphaTest]:
    """Tests with a p-value whose sides differ in ``varied``, by the pruner of the first."""
    return [t for t in study.tests if t.varied in varied and t.p_value is not None and t.a.pruner in pruners]


def split(
    study: Measured, found: Sequence[AlphaTest], bound: float
) -> tuple[list[AlphaTest], list[AlphaTest]]:
    """Tests at ratios below ``bound``, and from it on; those of unknown ratio are left out."""
    late = from_(study, bound)
    known = [test for test in found if test.a in study["ratio"]]
    return [test for test in known if not late(test.a)], [test for test in known if late(test.a)]


def significant(found: Iterable[AlphaTest]) -> str:
    """``3 of 4``"""
    return str(count(test.significant for test in found))


def models(found: Iterable[AlphaTest]) -> str:
    """How many models a side the tests rest on, which their power depends on."""
    return f"{spread([n for test in found for n in (test.n_a, test.n_b)], 'd')} models a side"


def spread(values: Collection[float], spec: str = ".3f") -> str:
    low, high = format(min(values), spec), format(max(values), spec)
    return low if low == high else f"{low} to {high}"


def corrected(study: Measured, cells: Collection[Key]) -> str:
    """How many of these cells are beyond 1 once alpha is corrected for noise, for the end of a claim's evidence."""
    low, high = study["corrected_low"], study["corrected_high"]
    if not any(key in study["alpha_null"] for key in cells):
        return ""
    below, above = sum(high.get(key, inf) < 1 for key in cells), sum(low.get(key, -inf) > 1 for key in cells)
    return f"; corrected for noise, alpha is below 1 in {below} of these {len(cells)} cells and above 1 in {above}"


@claim(
    "REC-01",
    "Pruning reduces recall distortion (alpha < 1) at low ratios and increases it (alpha > 1) at high ratios.",
)
def below_then_above_one(study: Measured) -> tuple[bool, str]:
    """In at least four fifths of the curves mean alpha is below 1 up to ratio 4, and above 1 from 15 on.

    Curves of data set, architecture and pruner that have such ratios; without random pruning, the paper's exception.
    In print so with LTH (0.974, 1.414) and CHIP (0.583, 1.494), though LTH's first level is above 1. Section 6.2 says
    that intervals "tend to" lie on these sides: how many do is reported only.
    """
    alphas, ends = study["alpha"], (study["alpha_high"], study["alpha_low"])
    cells = sorted(key for key in alphas if key.pruner != RANDOM)
    low, high = (list(filter(part, cells)) for part in (up_to(study, LOW), from_(study, HIGH)))
    needs(low, f"needs alpha at pruning ratios up to {LOW:g}")
    needs(high, f"needs alpha at pruning ratios from {HIGH:g} on")
    before, after = (
        [mean(curve) for curve in grouped((key[:3], alphas[key]) for key in part).values()]
        for part in (low, high)
    )
    below, above = count(value < 1 for value in before), count(value > 1 for value in after)
    evidence = (
        f"mean alpha up to ratio {LOW:g} below 1 in {below} curves ({spread(before)}), from ratio {HIGH:g} on above 1 "
        f"in {above} ({spread(after)})"
    )
    sure_low = count(ends[0][key] < 1 for key in low if key in ends[0])
    sure_high = count(ends[1][key] > 1 for key in high if key in ends[1])
    if sure_low.total and sure_high.total:
        evidence += f"; whole interval below 1 in {sure_low} cells up to ratio {LOW:g}, "
        evidence += f"above 1 in {sure_high} from {HIGH:g} on"
    return below.nearly_all and above.nearly_all, evidence + corrected(study, [*low, *high])


@claim(
    "REC-02",
    "Random pruning is the exception: alpha stays below 1 at every ratio and does not increase with the ratio.",
)
def random_stays_below_one(study: Measured) -> tuple[bool, str]:
    """Alpha is below 1 in every cell of RP, and at most half of the tests between neighbouring ratios find a rise.

    In print 1 of 4 does (Table 4); that alpha is below 1, even below 0, is said of Figures 1 and 5.
    """
    alphas = {key: alpha for key, alpha in study["alpha"].items() if key.pruner == RANDOM}
    below = count(alpha < 1 for alpha in needs(alphas, f"needs alpha of {RANDOM}").values())
    evidence = f"alpha of {RANDOM} below 1 in {below} cells ({spread(alphas.values())})"
    low, high = study["alpha_low"], study["alpha_high"]
    if sure := [key for key in alphas if key in low]:
        evidence += f"; whole interval below 1 in {sum(high[key] < 1 for key in sure)}, above 1 in "
        evidence += str(count(low[key] > 1 for key in sure))
    evidence += corrected(study, list(alphas))
    if not below.all:
        return False, evidence
    steps = made(study, "ratio", "sparsity", pruners=(RANDOM,))
    needs(steps, f"needs two models at two ratios of {RANDOM} at least; {evidence}")
    return count(not test.significant for test in steps).most, (
        f"{evidence}; a significant increase in {significant(steps)} steps between neighbouring ratios "
        f"({models(steps)})"
    )


@claim(
    "REC-03",
    "Alpha increases from each pruning ratio to the next for MP, GP and UP, except sometimes from 2 to 4.",
)
def rises_from_ratio_to_ratio(study: Measured) -> tuple[bool, str]:
    """At least four fifths of the tests between neighbouring ratios from 4 on find a rise.

    In print 36 of 36 on ResNets do, 3 of 6 on LeNet (Tables 1 to 4), 39 of 42 (93 %) in all. Steps that begin below 4
    are reported only.
    """
    early, late = split(study, made(study, "ratio", "sparsity"), LOW)
    needs(late, f"needs two models at neighbouring ratios from {LOW:g} on of {', '.join(SELECTIVE)}")
    printed = {
        (test.a, test.b): test.significant
        for test in recall.tests()
        if test.varied == "ratio" and test.a.pruner in SELECTIVE and test.a.ratio >= LOW
    }
    parts = []
    for name in ("LeNet", "ResNet"):
        if own := [test for test in late if (study.family(test.a.arch) == "lenet5") is (name == "LeNet")]:
            theirs = count(held for (a, _), held in printed.items() if a.arch.startswith(name))
            parts.append(f"{name} {significant(own)}, in print {theirs}; ")
    steps = f"steps from ratio {LOW:g} on ({''.join(parts)}{models(late)})"
    evidence = f"a significant increase in {significant(late)} {steps}"
    if early:
        evidence += f", and in {significant(early)} steps below"
    return count(test.significant for test in late).nearly_all, evidence


@claim(
    "REC-04",
    "Smaller networks show more intensification than larger ones at high ratios but rarely at low ratios.",
)
def smaller_models_intensify_more(study: Measured) -> tuple[bool, str]:
    """Of tests between neighbouring sizes more than half at ratios from 15 on find it, at most a fifth up to 4.

    With MP, GP or UP. In print 14 of 16 and 2 of 16 (Tables 5 and 6).
    """
    sizes = [test for test in made(study, "arch") if test.a in study["ratio"]]
    low, high = ([t for t in sizes if part(t.a)] for part in (up_to(study, LOW), from_(study, HIGH)))
    missing = "needs two models of networks of one kind and two sizes at equal data set, pruner and ratio"
    needs(low, missing + (f" up to {LOW:g}" if sizes else ""))
    needs(high, f"{missing} from {HIGH:g} on")
    archs = sorted({key.arch for test in (*low, *high) for key in (test.a, test.b)})
    often, rarely = count(t.significant for t in high), count(not t.significant for t in low)
    return often.most and rarely.nearly_all, (
        f"alpha significantly larger in the smaller of two networks in {often} tests from ratio {HIGH:g} on, in "
        f"{significant(low)} up to ratio {LOW:g} ({', '.join(archs)}; {models((*low, *high))})"
    )


@claim("REC-05", "More difficult data sets show more intensification, at ratios that depend on the pair.")
def harder_datasets_intensify_more(study: Measured) -> tuple[bool, str]:
    """At least four fifths of the pairs have a ratio at which alpha is significantly larger for the harder data set.

    Pairs of data sets of neighbouring complexity, with MP, GP or UP; those that share a model and have as many classes
    are not of different complexity (section 7.3). Which is the harder is the paper's word where it has both, else
    the dense accuracy's. In print 3 of 3 pairs, by 8 of 15 tests (Table 7).
    """
    found = []
    for test in made(study, "dataset"):
        a, b = (
            recall.COMPLEXITY.get(recall.dataset_name(key.dataset, study.sources.get(key.dataset)) or "")
            for key in (test.a, test.b)
        )
        if a is None or b is None:
            found += [test] if test.of_table_7 else []
        elif a != b:
            found.append(test.turned() if a > b else test)
    needs(found, "needs two models of two data sets of different complexity at equal pruner and ratio")
    pairs = grouped(((t.a.dataset, t.b.dataset, t.a.pruner), t) for t in found)
    shown = []
    for (easier, harder, pruner), own in pairs.items():
        # How the name of the family ends: ``ratio 10``.
        ratios = ", ".join(test.family.rpartition(", ")[2] for test in own if test.significant)
        shown.append(f"{easier} below {harder} with {pruner} at {ratios or 'no amount'}")
    held = count(any(test.significant for test in own) for own in pairs.values())
    return held.nearly_all, (
        f"alpha significantly larger for the more difficult data set at some amount in {held} pairs, in "
        f"{significant(found)} tests ({models(found)}): {some(shown, 6)}"
    )


@claim(
    "REC-06",
    "Undecayed pruning distorts recall less than magnitude or gradient pruning, clearly so at higher ratios.",
)
def undecayed_distorts_less(study: Measured) -> tuple[bool, str]:
    """From ratio 10 on UP's mean alpha is below MP's and GP's in at least four fifths of the tests, most significantly.

    In print 15 of 18 are significant (Tables 8 and 9, ResNet-56 counted by Table 8); that UP's is lower is said of
    Figures 1 and 5 to 8. Lower ratios are reported only.
    """
    early, late = split(study, _against(study, UNDECAYED, DECAYED), MODERATE)
    needs(
        late,
        f"needs two models of {UNDECAYED} and of {' or '.join(DECAYED)} at equal ratio from {MODERATE:g} on",
    )
    (lower, clearly), (lower_early, clearly_early) = (
        (count(t.sign == 1 for t in part), count(t.sign == 1 and t.significant for t in part))
        for part in (late, early)
    )
    rivals = " and ".join(rival for rival in DECAYED if any(test.a.pruner == rival for test in late))
    evidence = (
        f"alpha of {UNDECAYED} below that of {rivals} in {lower} comparisons from ratio {MODERATE:g} on, "
        f"significantly in {clearly.yes} ({models(late)})"
    )
    if early:
        evidence += f"; at lower ratios in {lower_early}, significantly in {clearly_early.yes}"
    return lower.nearly_all and clearly.most, evidence


@claim("REC-07", "MP, GP and UP all differ from random pruning at every ratio.")
def all_differ_from_random(study: Measured) -> tuple[bool, str]:
    """Every test of theirs against RP is significant ("all" and "every" allow no exception). In print 15 of 15."""
    pairs = _against(study, RANDOM, SELECTIVE)
    needs(pairs, f"needs two models of {RANDOM} and of another pruner at equal ratio")
    same = [f"{t.a.pruner} in {t.family.partition(': ')[2]}" for t in pairs if not t.significant]
    tried = ", ".join(pruner for pruner in SELECTIVE if any(test.a.pruner == pruner for test in pairs))
    return not same, (
        f"alpha of {tried} significantly different from that of {RANDOM} in {significant(pairs)} comparisons "
        f"({models(pairs)})" + (f"; not {some(same)}" if same else "")
    )


def _against(study: Measured, pruner: str, others: Sequence[str]) -> list[AlphaTest]:
    """Tests of ``others`` (a) against ``pruner`` (b), each pair of cells once: that of Table 8's family."""
    chosen: dict[tuple[Key, Key], AlphaTest] = {}
    for test in sorted(made(study, "pruner", pruners=recall.PRUNERS), key=lambda test: test.over_sizes):
        one = test if test.b.pruner == pruner else test.turned()
        if one.b.pruner == pruner and one.a.pruner in others:
            chosen.setdefault((one.a, one.b), one)
    return list(chosen.values())


@claim("REC-08", "Moderate pruning can raise accuracy and lower distortion at once.")
def accuracy_and_distortion_improve_at_once(study: Measured) -> tuple[bool, str]:
    """At least one cell up to ratio 10 has a higher mean accuracy than the dense models and an alpha below 1 ("can").

    Moderate is up to ratio 10 in appendix E. Of an alpha with an interval the whole interval must be below 1. In print
    seven levels of LTH and two ratios of CHIP, without intervals (Tables 12 and 13).
    """
    drops, alphas = study.drops, {**study["alpha"], **study["alpha_high"]}
    cells = [key for key in filter(up_to(study, MODERATE), study["alpha"]) if key in drops]
    needs(cells, f"needs alpha and accuracy at pruning ratios up to {MODERATE:g}")
    better, lower = ({key for key in cells if of[key] < one} for of, one in ((drops, 0), (alphas, 1)))
    named = [
        f"{key.dataset}, {key.arch}, {key.pruner} at ratio {study['ratio'][key]:.3g}"
        for key in sorted(better & lower)
    ]
    return bool(named), (
        f"both in {len(named)} of {len(cells)} cells up to ratio {MODERATE:g}"
        + (f" ({some(named)})" if named else "")
        + f"; accuracy above the unpruned in {len(better)}, alpha below 1 in {len(lower)}{corrected(study, cells)}"
    )


@claim(
    "REC-09",
    "The variance of recall over classes grows at high pruning ratios, but variance alone does not tell whether "
    "distortion rises: random pruning has by far the largest variance while its alpha stays below 1.",
)
def variance_alone_does_not_say(study: Measured) -> tuple[bool, str]:
    """Three things hold: the variance grows, RP's is by far the largest, and RP's alpha is below 1 in every cell.

    It grows: in at least four fifths of the cells from ratio 15 on it is above that of the dense models. By far: at
    least twice that of every other pruner in at least four fifths of the groups (data set, architecture, ratio) that
    have both. In print 22 of 22, 5 of 5 (at least 15 times), and Figure 1.
    """
    of, ratios = study["mean_recall_variance"], study["ratio"]
    pruned = [key for key in sorted(of) if key.pruner != NO_PRUNER and key in ratios]
    low, high = (
        count(of[key] > of[key.dense] for key in filter(part, pruned) if key.dense in of)
        for part in (up_to(study, LOW), from_(study, HIGH))
    )
    needs(high.total, f"needs the variance of recall of unpruned models and at ratios from {HIGH:g} on")
    evidence = f"variance of recall above the unpruned in {high} cells from ratio {HIGH:g} on"
    if low.total:
        evidence += f" and {low} up to ratio {LOW:g}"
    if not high.nearly_all:
        return False, evidence
    times = []
    for key in (key for key in pruned if key.pruner == RANDOM):
        alike = [k for k in pruned if k[:2] == key[:2] and recall.same_ratio(ratios[k], ratios[key])]
        if others := [of[other] for other in alike if other.pruner != RANDOM]:
            times.append(of[key] / max(others) if max(others) else inf if of[key] else 1.0)
    below = count(alpha < 1 for key, alpha in study["alpha"].items() if key.pruner == RANDOM)
    needs(times and below.total, f"needs alpha of {RANDOM}, and another pruner at its ratios; {evidence}")
    far = count(factor >= BY_FAR for factor in times)
    return far.nearly_all and below.all, (
        f"{evidence}; {RANDOM}'s at least {BY_FAR:g} times every other pruner's in {far} places ({min(times):.1f} to "
        f"{max(times):.1f} times), and its alpha below 1 in {below} cells"
    )
