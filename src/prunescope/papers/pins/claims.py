"""Checks of the PINS paper's claims (``claims.yaml``): Tables 1 to 9 and Figures 1 to 3 and 5."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from prunescope.analysis.tables.declared import Key, percent
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.claims import Claims, Count, NotMeasured, Part, mean, needs, some, tally
from prunescope.papers.measured import Measured, groups
from prunescope.papers.pins import printed as pins
from prunescope.papers.pins.printed import DISTILLED, GLUE, PINS, PLAIN, RIVALS

#: The two tasks that the paper calls small, and those on which it says that PINS exceeds fine-tuning.
SMALL, EXCEEDED = ("RTE", "CoLA"), ("RTE", "MRPC")

#: Sparsities that the paper reports of SQuAD.
OF_SQUAD = (0.5, 0.6, 0.7, 0.8)

#: How far a printed share of the average may be missed; what counts as about one point; how near "almost" is (in print
#: 93.9 against 94.0).
_WITHIN, _ABOUT_A_POINT, _ALMOST = 0.01, 0.005, 0.005

#: Two spellings of one sparsity differ by less.
_ROUNDING = 1e-6

#: Pruners by the criteria that PINS-12 orders, of the lowest rank first; and the two kinds that PINS-13 compares.
_BY_RANK = (PINS, "sensitivity", "GMP")
_OWN, _HEURISTIC = pins.CRITERIA[:2], pins.CRITERIA[2:]

#: The paper speaks of pretrained transformers, and of gradual pruning.
CLAIMS = Claims(pins.PAPER, ("encoder", "causal-lm"), {*pins.PRUNERS, *pins.CRITERIA, PLAIN, DISTILLED})


class Duel(NamedTuple):
    """A method's score on one architecture, data set (``name`` in the paper) and sparsity, and the best of others'."""

    key: Key
    name: str
    score: float
    rival: str
    best: float

    @property
    def lead(self) -> float:
        return self.score - self.best

    @property
    def place(self) -> str:
        return f"{self.name} ({self.key.arch}, {100 * self.key.sparsity:g}%)"

    @property
    def distance(self) -> str:
        return f"{self.place} {points(self.lead)}"

    def __str__(self) -> str:
        return f"{self.distance} to {self.rival}"


def duels(
    study: Measured,
    datasets: Collection[str],
    sparsities: Collection[float],
    method: str = PINS,
    rivals: Sequence[str] = RIVALS,
    quantity: str = "score_mean",
) -> list[Duel]:
    """Every cell of ``method`` on these data sets for which a rival was measured too; rival ``none``: dense models."""
    scores, found = study[quantity], []
    for key, score in study.over(quantity, where=lambda key: key.pruner == method):
        name = pins.dataset_name(key.dataset, study.sources.get(key.dataset))
        if name and name in datasets and any(abs(key.sparsity - one) < _ROUNDING for one in sparsities):
            cells = {r: key.dense if r == NO_PRUNER else key._replace(pruner=r) for r in rivals}
            if known := {rival: scores[cell] for rival, cell in cells.items() if cell in scores}:
                best = max(known, key=lambda rival: known[rival])
                found.append(Duel(key, name, score, best, known[best]))
    return found


against_dense = partial(duels, rivals=(NO_PRUNER,))


def main_model(study: Measured) -> Measured:
    """What Tables 1 and 5 are about: BERT-base; where a study does not have it, all its models."""
    main = study.only(lambda key: pins.arch_name(key.arch) == "BERT-base")
    return main if main.cells else study


def points(value: float) -> str:
    """A difference of scores in signed points: ``+4.1``, with a true minus."""
    return f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")


def lead(cases: Iterable[Duel]) -> float:
    """The mean lead."""
    return mean(case.lead for case in cases)


def ahead(
    what: str, cases: Iterable[Duel], of: str = "comparisons", *, strictly: bool = False
) -> Part | None:
    """``what`` must be at or above its best rival (``strictly``: above it) in every case."""
    known = {case: case.lead > 0 if strictly else case.lead >= 0 for case in cases}
    return tally(f"{what} {'above' if strictly else 'at or above'} the best rival", known, Count.all, of)


def above_dense(cases: Sequence[Duel]) -> Part:
    """PINS must be above the dense models in every case."""
    leads = ", ".join(case.distance for case in needs(cases))
    return Part(all(case.lead > 0 for case in cases), f"PINS minus dense, in points: {leads}")


CLAIMS.check("PINS-01")(lambda study: [ahead(PINS, duels(study, GLUE, (0.8, 0.9)))])


@CLAIMS.check("PINS-02")
def gains_more_on_small_tasks(study: Measured) -> Iterator[Part | None]:
    cases = duels(main_model(study), GLUE, (0.8,))
    small, others = ([case for case in cases if (case.name in SMALL) is of] for of in (True, False))
    yield Part(
        lead(small) > max(0, lead(others)),
        f"mean lead over the best rival {points(lead(small))} points on RTE and CoLA ({len(small)} comparisons), "
        f"{points(lead(others))} on other tasks ({len(others)})",
    )


@CLAIMS.check("PINS-03")
def keeps_more_of_the_average(study: Measured) -> Iterator[Part | None]:
    study = main_model(study)
    fine_tuned = {case.key: case.best for case in against_dense(study, GLUE, (0.9,))}
    platon = [case for case in duels(study, GLUE, (0.9,), rivals=("PLATON",)) if case.key in fine_tuned]
    dense = mean(fine_tuned[case.key] for case in platon)
    needs(dense > 0)
    own, rival = mean(case.score for case in platon) / dense, mean(case.best for case in platon) / dense
    printed = pins.GLUE_MEANS[PINS, 0.9] / pins.GLUE_MEANS[NO_PRUNER, 0.0]
    yield Part(
        own >= printed - _WITHIN and own > rival,
        f"at 90% PINS keeps {100 * own:.1f}% of the dense average, PLATON {100 * rival:.1f}% ({len(platon)} tasks and "
        "models)",
    )


CLAIMS.check("PINS-04")(lambda study: [above_dense(against_dense(main_model(study), EXCEEDED, (0.8,)))])


@CLAIMS.check("PINS-05")
def best_on_squad(study: Measured) -> Iterator[Part | None]:
    yield ahead(PINS, duels(study, ("SQuAD",), OF_SQUAD), "sparsities")
    # Without rivals of GMP the first half decides.
    if middle := duels(study, ("SQuAD",), OF_SQUAD, "GMP", ("L0", "SMvP", "PST")):
        yield ahead("GMP, without PLATON,", middle, "sparsities")


@CLAIMS.check("PINS-06")
def lead_on_conll_grows(study: Measured) -> Iterator[Part | None]:
    conll, grown = ("CoNLL-2003",), {}
    missed = lead(against_dense(study, conll, (0.7,)))
    yield Part(missed >= -_ALMOST, f"PINS minus dense {points(missed)} points at 70%")
    for rival in ("GMP", "SMvP"):
        before, after = (duels(study, conll, (sparsity,), rivals=(rival,)) for sparsity in (0.7, 0.8))
        if before and after:
            name = f"over {rival} {points(lead(before))} then {points(lead(after))}"
            grown[name] = lead(after) > lead(before)
    yield tally("its lead grows", grown, Count.all, "comparisons", ", ".join(grown))


@CLAIMS.check("PINS-07")
def best_in_generation(study: Measured) -> Iterator[Part | None]:
    def by_metric(metrics: Sequence[str], datasets: Collection[str], rivals: Sequence[str]) -> list[Duel]:
        return sorted(
            duel._replace(name=f"{duel.name} {metric}")
            for metric in metrics
            for duel in duels(study, datasets, (0.8,), rivals=rivals, quantity=f"task_metrics.{metric}")
        )

    # BLEURT is not measured.
    cases = by_metric(("bleu", "rouge_l", "meteor"), pins.GENERATED, RIVALS)
    yield ahead(PINS, cases, "data sets and metrics")
    if better := by_metric(("rouge_l", "meteor"), ("E2E",), (NO_PRUNER,)):
        yield above_dense(better)


@CLAIMS.check("PINS-08")
def light_pruning_improves(study: Measured) -> Iterator[Part | None]:
    light = {k.sparsity for k in study.cells if 0.3 - _ROUNDING <= k.sparsity <= 0.5 + _ROUNDING}
    cases = against_dense(main_model(study), GLUE, light)
    gain, better = lead(cases), sum(case.lead > 0 for case in cases)
    text = (
        f"PINS minus dense {points(gain)} points in the mean of {len(cases)} comparisons, above 0 in {better}"
    )
    yield Part(gain >= _ABOUT_A_POINT, text)


@CLAIMS.check("PINS-09")
def self_regularization_is_best(study: Measured) -> Iterator[Part | None]:
    cases = duels(study, GLUE, (0.8,), rivals=(PLAIN, DISTILLED))
    yield ahead(PINS, cases, strictly=True)
    yield Part(None, f"leads: {', '.join(map(str, cases))}")


CLAIMS.check("PINS-10")(lambda study: [ahead(PLAIN, duels(study, GLUE, (0.8,), PLAIN), strictly=True)])


@CLAIMS.check("PINS-11")
def smaller_and_faster(study: Measured) -> Iterator[Part | None]:
    cases = against_dense(study, ("RTE",), (0.8,))
    times = {key: dense / sparse for key, dense, sparse in study.over("megabytes_float32", "megabytes")}
    smaller = ", ".join(f"{case.place} {times[case.key]:.1f} times" for case in cases if case.key in times)
    unknown = "storage needs measured weights (weight_statistics)"
    yield Part(None, f"storage shrinks: {smaller}" if smaller else unknown)
    if cases:
        yield Part(None, f"the score changes, in points: {', '.join(case.distance for case in cases)}")
    raise NotMeasured


@CLAIMS.check("PINS-12")
def rank_falls_with_the_criterion(study: Measured) -> Iterator[Part | None]:
    by_group = groups({key: numbers for key, *numbers in study.over("rank", "row_gini", "row_gini_random")})
    cases = {
        f"{dataset}, {arch} at {percent(sparsity)}": [of[name] for name in _BY_RANK]
        for (dataset, arch, sparsity), of in by_group.items()
        if of.keys() >= set(_BY_RANK)
    }
    ordered = {name: a[0] < b[0] < c[0] for name, (a, b, c) in cases.items()}
    yield tally(f"ranks rise from {' to '.join(_BY_RANK)}", ordered, Count.all, "comparisons")
    excess = {name: [abs(gini - random) for _, gini, random in case] for name, case in cases.items()}
    nearest = {name: c < min(a, b) for name, (a, b, c) in excess.items()}
    yield tally(f"{_BY_RANK[-1]} is nearest to random positions", nearest, Count.all, "comparisons")
    shown = [
        f"{name}: mean rank {' / '.join(f'{rank:.1f}' for rank, _, _ in case)}, row Gini (of random positions) "
        + " / ".join(f"{gini:.2f} ({random:.2f})" for _, gini, random in case)
        for name, case in cases.items()
    ]
    yield Part(None, f"{' / '.join(_BY_RANK)}: {some(shown)}")


@CLAIMS.check("PINS-13")
def loss_falls_most(study: Measured) -> Iterator[Part | None]:
    pruning = {key: {p.step: p.mean for p in points if p.reached > 0} for key, points in study.losses.items()}
    losses = {key: mean(of.values()) for key, of in pruning.items() if of}
    # The plain formula decides where it is alone.
    need: Callable[[Count], bool] | None = Count.nearly_all
    for method in _OWN:
        best: dict[Key, Key] = {}
        for key in sorted(key for key in losses if key.pruner == method):
            others = [key._replace(pruner=name) for name in _HEURISTIC]
            if rivals := [o for o in others if o in losses and [*pruning[o]] == [*pruning[key]]]:
                best[key] = min(rivals, key=losses.__getitem__)
        if best:
            lowest = {key: losses[key] < losses[rival] for key, rival in best.items()}
            own, other = mean(map(losses.__getitem__, best)), mean(map(losses.__getitem__, best.values()))
            means = f"in the mean {own:.3g} against {other:.3g} of the best measured of {' and '.join(_HEURISTIC)}"
            yield tally(
                f"{method} has the lowest mean loss", lowest, need, "models and compression levels", means
            )
            need = None
    needs(need is None)
    yield Part(None, "memory and time of self-regularization are measured by benchmarks/gradual.py")
