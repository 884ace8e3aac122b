"""Checks of the recall paper's claims (``claims.yaml``), section 7 and appendices E, F and H."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from math import inf

from prunescope.analysis.tables.declared import Key
from prunescope.papers.claims import (
    Claims,
    Count,
    NotMeasured,
    Part,
    mean,
    needs,
    some,
    tally,
    verdict,
)
from prunescope.papers.measured import Measured, grouped
from prunescope.papers.recall import printed as recall
from prunescope.papers.recall.alpha_tests import DEFAULTS, AlphaTest, Family

#: Low ratios end here (2 and 4 of the paper's grid), moderate ones at ``MODERATE``, and high ones begin at ``HIGH``
#: (20 and 50; from 18.19 and 19.11 on with LTH and CHIP).
LOW, MODERATE, HIGH = 4.0, 10.0, 15.0

#: The pruner that the paper excepts; those of which it says that distortion rises; and those that UP is better than.
RANDOM, UNDECAYED = "RP", "UP"
SELECTIVE = ("MP", "GP", UNDECAYED)
DECAYED = SELECTIVE[:2]

#: The second reading of UP, whose gradient holds the decay term, and the rivals that share it (docs/fidelity.md).
DERIVED, DECAYED_DERIVED = "UP-derived", ("MP", "GP-derived")

#: "By far the largest": at least this many times the next one.
BY_FAR = 2.0

#: The paper speaks of LeNet5 and ResNets, which classify images, and of its six pruners.
CLAIMS = Claims(recall.PAPER, ("lenet5", "resnet"), recall.PRUNERS)


def up_to(study: Measured, bound: float) -> Callable[[Key], bool]:
    """Whether a cell's ratio is known and at most ``bound``, up to what rounding to whole weights adds."""
    return lambda key: study["ratio"].get(key, inf) <= bound * (1 + recall.SAME_RATIO)


def from_(study: Measured, bound: float) -> Callable[[Key], bool]:
    return lambda key: study["ratio"].get(key, 0.0) >= bound * (1 - recall.SAME_RATIO)


def made(study: Measured, *varied: str, pruners: Sequence[str] = SELECTIVE) -> list[AlphaTest]:
    """Tests with a p-value whose sides differ in ``varied``, by the pruner of the first."""
    return [t for t in study.tests if t.varied in varied and t.p_value is not None and t.a.pruner in pruners]


def split(study: Measured, found: Sequence[AlphaTest], bound: float) -> list[list[AlphaTest]]:
    """Tests at ratios below ``bound``, and from it on; those of unknown ratio are left out."""
    late = from_(study, bound)
    return [[t for t in found if t.a in study["ratio"] and late(t.a) is of] for of in (False, True)]


def against(study: Measured, pruner: str, others: Sequence[str]) -> list[AlphaTest]:
    """Tests of ``others`` (a) against ``pruner`` (b), each pair of cells once: that of Table 8's family."""
    chosen: dict[tuple[Key, Key], AlphaTest] = {}
    named = (*recall.PRUNERS, DERIVED, *DECAYED_DERIVED)
    for test in sorted(made(study, "pruner", pruners=named), key=lambda test: test.over_sizes):
        one = test if test.b.pruner == pruner else test.turned()
        if one.b.pruner == pruner and one.a.pruner in others:
            chosen.setdefault((one.a, one.b), one)
    return list(chosen.values())


def significant(found: Iterable[AlphaTest]) -> list[bool]:
    return [test.significant for test in found]


def shown(
    what: str, pairs: Iterable[Sequence[AlphaTest]], need: Callable[[Count], bool], of: str, more: str = ""
) -> Part | None:
    """So many of these have a significant test; open where that is too few and by the means there would be enough."""
    groups = list(pairs)
    part = tally(what, (any(significant(own)) for own in groups), need, of, more)
    leaning = Count.of(any(map(leans, own)) for own in groups)
    return part and part.left_open(not part.holds and need(leaning))


def leans(test: AlphaTest) -> bool:
    """Whether the means of a one-sided test lie on the side that it asks for."""
    return test.p_value is not None and test.p_value < 0.5


def models(found: Iterable[AlphaTest]) -> str:
    """How many models a side the tests rest on, which their power depends on."""
    return f"{spread([n for test in found for n in (test.n_a, test.n_b)], 'd')} models a side"


def spread(values: Collection[float], spec: str = ".3f") -> str:
    low, high = format(min(values, default=0), spec), format(max(values, default=0), spec)
    return low if low == high else f"{low} to {high}"


def corrected(study: Measured, cells: Collection[Key]) -> Part | None:
    """How many of these cells are beyond 1 once alpha is corrected for noise; decides nothing."""
    low, high = study["corrected_low"], study["corrected_high"]
    if not any(key in study["alpha_null"] for key in cells):
        return None
    below, above = sum(high.get(key, inf) < 1 for key in cells), sum(low.get(key, -inf) > 1 for key in cells)
    return Part(
        None,
        f"corrected for noise, alpha is below 1 in {below} of these {len(cells)} cells and above 1 in {above}",
    )


@CLAIMS.check("REC-01")
def below_then_above_one(study: Measured) -> Iterator[Part | None]:
    alphas = dict(study.over("alpha", where=lambda key: key.pruner != RANDOM))
    seen: list[Key] = []
    for where, here, side, beyond, ends in (
        (f"up to ratio {LOW:g}", up_to(study, LOW), "below", float.__lt__, study["alpha_high"]),
        (f"from ratio {HIGH:g} on", from_(study, HIGH), "above", float.__gt__, study["alpha_low"]),
    ):
        seen += (cells := list(filter(here, alphas)))
        by_curve = grouped((", ".join(key[:3]), alphas[key]) for key in needs(cells))
        means = {curve: mean(values) for curve, values in by_curve.items()}
        reached = {curve: beyond(value, 1.0) for curve, value in means.items()}
        numbers = spread(means.values())
        yield tally(f"mean alpha {where} {side} 1", reached, Count.nearly_all, "curves", numbers)
        yield tally(f"whole interval {side} 1", (beyond(ends[key], 1.0) for key in cells if key in ends))
    yield corrected(study, seen)


@CLAIMS.check("REC-02")
def random_stays_below_one(study: Measured) -> Iterator[Part | None]:
    alphas = needs(dict(study.over("alpha", where=lambda key: key.pruner == RANDOM)))
    below = {key: alpha < 1 for key, alpha in alphas.items()}
    yield tally(f"alpha of {RANDOM} below 1", below, Count.all, more=spread(alphas.values()))
    ends = [(low, high) for key, low, high in study.over("alpha_low", "alpha_high") if key in alphas]
    yield tally("whole interval below 1", (high < 1 for _, high in ends))
    yield tally("whole interval above 1", (low > 1 for low, _ in ends))
    yield corrected(study, list(alphas))
    if all(below.values()):
        steps = made(study, "ratio", "sparsity", pruners=(RANDOM,))
        still = [not test.significant for test in needs(steps)]
        rising = not Count.of(not leans(test) for test in steps).most()
        part = tally(
            "no significant increase", still, Count.most, "steps between neighbouring ratios", models(steps)
        )
        yield part and part.left_open(all(still) and rising)


@CLAIMS.check("REC-03")
def rises_from_ratio_to_ratio(study: Measured) -> Iterator[Part | None]:
    early, late = split(study, made(study, "ratio", "sparsity"), LOW)
    what = "a significant increase"
    yield shown(what, zip(late), Count.nearly_all, f"steps from ratio {LOW:g} on", models(late))
    printed = {
        (test.a, test.b): test.significant
        for test in recall.tests()
        if test.varied == "ratio" and test.a.pruner in SELECTIVE and test.a.ratio >= LOW
    }
    for name in ("LeNet", "ResNet"):
        own = [test for test in late if (study.family(test.a.arch) == "lenet5") is (name == "LeNet")]
        theirs = Count.of(so for (a, _), so in printed.items() if a.arch.startswith(name))
        yield tally(name, significant(own), of="steps", more=f"in print {theirs}")
    yield tally(what, significant(early), of="steps below")


@CLAIMS.check("REC-04")
def smaller_models_intensify_more(study: Measured) -> Iterator[Part | None]:
    sizes = [test for test in made(study, "arch") if test.a in study["ratio"]]
    low, high = ([t for t in sizes if part(t.a)] for part in (up_to(study, LOW), from_(study, HIGH)))
    what = "alpha {}significantly larger in the smaller of two models"
    yield shown(what.format(""), zip(high), Count.most, f"tests from ratio {HIGH:g} on", models(high))
    rarely = [not test.significant for test in low]
    yield tally(what.format("not "), rarely, Count.nearly_all, f"tests up to ratio {LOW:g}", models(low))
    yield Part(None, f"models: {', '.join(sorted({key.arch for t in (*low, *high) for key in (t.a, t.b)}))}")


@CLAIMS.check("REC-05")
def harder_datasets_intensify_more(study: Measured) -> Iterator[Part | None]:
    found = []
    for test in made(study, "dataset"):
        a, b = (
            recall.COMPLEXITY.get(recall.dataset_name(key.dataset, study.sources.get(key.dataset)) or "")
            for key in (test.a, test.b)
        )
        if a is None or b is None:
            # Data sets of other complexity are compared with their default architectures (Table 7).
            found += [test] if Family.of(test.family).archs == DEFAULTS else []
        elif a != b:
            found.append(test.turned() if a > b else test)
    pairs = grouped(((t.a.dataset, t.b.dataset, t.a.pruner), t) for t in found)
    what = "alpha significantly larger for the more difficult data set"
    yield shown(what, pairs.values(), Count.nearly_all, "pairs at some compression level")
    yield tally("so", significant(found), of="tests", more=models(found))
    where = []
    for (easier, harder, pruner), own in pairs.items():
        # How the name of the family ends: ``ratio 10``.
        ratios = ", ".join(test.family.rpartition(", ")[2] for test in own if test.significant)
        where.append(f"{easier} below {harder} with {pruner} at {ratios or 'no level'}")
    yield Part(None, some(where, 6))


@CLAIMS.check("REC-06", further=(DERIVED, *DECAYED_DERIVED))
def undecayed_distorts_less(study: Measured) -> Iterator[Part | None]:
    yield from _distorts_less(study, UNDECAYED, DECAYED)
    try:
        parts = [part for part in _distorts_less(study, DERIVED, DECAYED_DERIVED) if part]
    except NotMeasured:
        return
    found = verdict(parts)
    word = "undecided" if found == "not measured" else found
    yield Part(None, f"{DERIVED} {word}: {', '.join(part.text for part in parts)}")


def _distorts_less(study: Measured, better: str, others: Sequence[str]) -> Iterator[Part | None]:
    early, late = split(study, against(study, better, others), MODERATE)
    rivals = " and ".join(rival for rival in others if any(test.a.pruner == rival for test in late))
    what = f"alpha of {better} below that of {rivals}"
    lower, clearly = ([t.sign == 1 for t in late], [t.sign == 1 and t.significant for t in late])
    yield tally(what, lower, Count.nearly_all, f"comparisons from ratio {MODERATE:g} on", models(late))
    part = tally("significantly", clearly, Count.most, "of these")
    yield part and part.left_open(not part.holds and Count.of(lower).nearly_all())
    yield tally(what, (t.sign == 1 for t in early), of="at lower ratios")
    yield tally("significantly", (t.sign == 1 and t.significant for t in early), of="of these")


@CLAIMS.check("REC-07")
def all_differ_from_random(study: Measured) -> Iterator[Part | None]:
    pairs = against(study, RANDOM, SELECTIVE)
    tried = ", ".join(pruner for pruner in SELECTIVE if any(test.a.pruner == pruner for test in pairs))
    what = f"alpha of {tried} significantly different from that of {RANDOM}"
    differ = {f"{t.a.pruner} in {t.family.partition(': ')[2]}": t.significant for t in pairs}
    part = tally(what, differ, Count.all, "comparisons", models(pairs))
    yield part and part.left_open(not any(differ.values()))


@CLAIMS.check("REC-08")
def accuracy_and_distortion_improve_at_once(study: Measured) -> Iterator[Part | None]:
    # Of an alpha with an interval the whole interval must be below 1.
    cells = study.over("drop", "alpha", where=up_to(study, MODERATE))
    sides = {key: (drop < 0, study["alpha_high"].get(key, alpha) < 1) for key, drop, alpha in cells}
    both = {key: better and lower for key, (better, lower) in sides.items()}
    part = tally("both", both, Count.any, f"cells up to ratio {MODERATE:g}")
    yield part and part.left_open(not part.holds and any(drop < 0 and alpha < 1 for _, drop, alpha in cells))
    yield tally("accuracy above the dense", (better for better, _ in sides.values()))
    yield tally("alpha below 1", (lower for _, lower in sides.values()))
    yield corrected(study, list(sides))


@CLAIMS.check("REC-09")
def variance_alone_does_not_say(study: Measured) -> Iterator[Part | None]:
    variance = "mean_recall_variance"
    low, high = (
        {key: own > dense for key, own, dense in study.over(variance, f"dense {variance}", where=part)}
        for part in (up_to(study, LOW), from_(study, HIGH))
    )
    what = "variance of recall above the dense"
    yield (grown := tally(what, high, Count.nearly_all, f"cells from ratio {HIGH:g} on"))
    yield tally(what, [*low.values()], of=f"cells up to ratio {LOW:g}")
    if grown and not grown.holds:
        return
    pruned, times = study.over(variance, "ratio"), {}
    for key, own, ratio in (cell for cell in pruned if cell[0].pruner == RANDOM):
        alike = (
            k[:2] == key[:2] and k.pruner != RANDOM and recall.same_ratio(r, ratio) for k, _, r in pruned
        )
        if others := [of for (_, of, _), same in zip(pruned, alike, strict=True) if same]:
            times[key] = own / max(others) if max(others) else inf if own else 1.0
    far = {name: factor >= BY_FAR for name, factor in needs(times).items()}
    most = f"{RANDOM}'s at least {BY_FAR:g} times every other pruner's"
    yield tally(most, far, Count.nearly_all, more=f"{spread(times.values(), '.1f')} times")
    alphas = study.over("alpha", where=lambda key: key.pruner == RANDOM)
    yield tally(f"alpha of {RANDOM} below 1", {key: alpha < 1 for key, alpha in alphas}, Count.all)
