"""Checks of the PIE paper's claims (``claims.yaml``), sections 4.1 to 4.4."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from prunescope.analysis.readability import FORMULAS
from prunescope.analysis.tables.declared import Key, percent
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers import measured
from prunescope.papers.claims import Check, Claims, Count, Part, mean, needs, tally
from prunescope.papers.measured import ROLES, Measured, Role, curves, grouped, groups
from prunescope.papers.pie.printed import PAPER, PRUNERS

BEST = "IIBP-FT"

#: Up to here a score's drop is little. In print 77 % of the cells up to 50 % sparsity lose no more.
LITTLE = 0.05

#: "Much larger": at least this many times.
MUCH = 2.0

#: Sparsities: "light pruning" and "up to 50%" end here; "at 70-99%" begins here.
LIGHT, HEAVY = 0.5, 0.7

#: Of the paper's EL2N figures.
BINS = 20

#: What the largest share of PIEs in the last bin must be, in tens of percent as it is read from a figure.
REACHED: Mapping[Role, range] = {"BERT": range(8, 11), "BiLSTM": range(8)}

#: The data set that PIE-17 and PIE-18 except.
EXCEPTED = "aapd"

#: The paper speaks of language models, BERT and BiLSTM, and of its eight pruners.
CLAIMS = Claims(PAPER, ROLES, PRUNERS)


class Steps(NamedTuple):
    """Steps between neighbours along curves."""

    rise: int
    same: int
    fall: int

    @classmethod
    def along(cls, curves: Iterable[Collection[float]]) -> Steps:
        steps = [after - before for curve in curves for before, after in pairwise(curve)]
        rise, fall = sum(step > 0 for step in steps), sum(step < 0 for step in steps)
        return cls(rise, len(steps) - rise - fall, fall)

    def __str__(self) -> str:
        return f"{self.rise} of {sum(self)} steps rise, {self.same} stay equal, {self.fall} fall"


def trend(what: str, values: Mapping[Key, float], *, up: bool) -> Part:
    """Whether values move one way from the lowest to the highest sparsity in nearly all curves, and in most steps."""
    along = needs(curves(values).values())
    ends = Count.of(curve[-1] > curve[0] if up else curve[-1] < curve[0] for curve in along)
    steps = Steps.along(along)
    between = Count(steps.rise if up else steps.fall, sum(steps))
    text = f"{what} {'rises' if up else 'falls'} from the lowest to the highest sparsity in {ends} curves ({steps})"
    return Part(ends.nearly_all() and between.most(), text)


@CLAIMS.check("PIE-01")
def pies_rise_with_sparsity(study: Measured) -> Iterator[Part | None]:
    along = needs(curves(study["pie_share"]))
    steps = Steps.along(along.values())
    rising = Count(steps.rise + steps.same, sum(steps)).nearly_all()
    yield Part(rising, f"{steps}, over {len(along)} curves")
    by_pruner = grouped((pruner, values) for (_, _, pruner), values in along.items())
    own = {pruner: Steps.along(by_pruner[pruner]) for pruner in sorted(by_pruner)}
    yield tally(
        "more steps rise than fall", {p: of.rise > of.fall for p, of in own.items()}, Count.all, "pruners"
    )


@CLAIMS.check("PIE-02")
def pies_always_exist(study: Measured) -> Iterator[Part | None]:
    shares = study.over("pie_share")
    yield tally("PIEs", {key: share > 0 for key, share in shares}, Count.all)
    share, key = min((share, key) for key, share in shares)
    yield Part(None, f"smallest share {percent(share)} ({key.text})")


@CLAIMS.check("PIE-03")
def more_pies_in_bert(study: Measured) -> Iterator[Part | None]:
    pairs = study.pairs(study["pie_share"])
    larger, equal, smaller = ([(b > c) - (b < c) == sign for _, b, c in pairs] for sign in (1, 0, -1))
    sides = f"equal in {sum(equal)}, smaller in {sum(smaller)}"
    yield tally(_than(study, "larger"), larger, Count.nearly_all, "pairs", sides)


@CLAIMS.check("PIE-04")
def best_pruner_has_fewer_pies(study: Measured) -> Iterator[Part | None]:
    scores, fewer = groups(study["score_mean"]), {}
    for where, shares in groups(study["pie_share"]).items():
        known = {pruner: score for pruner, score in scores.get(where, {}).items() if pruner in shares}
        if len(known) == len(shares) and len(set(known.values())) > 1:
            ends = (max(known.values()), min(known.values()))
            best, worst = (mean(shares[p] for p, score in known.items() if score == end) for end in ends)
            fewer["{} {} at {}".format(*where[:2], percent(where[2]))] = best < worst
    yield tally("so", fewer, Count.nearly_all, "groups of data set, model and sparsity")


@CLAIMS.check("PIE-05")
def iibp_ft_loses_least(study: Measured) -> Iterator[Part | None]:
    by_cell = [drops for drops in groups(study["drop"]).values() if BEST in drops]
    others = sorted({pruner for drops in by_cell for pruner in drops} - {BEST})
    both = {p: [(drops[BEST], drops[p]) for drops in by_cell if p in drops] for p in needs(others)}
    means = {p: tuple(map(mean, zip(*of, strict=True))) for p, of in both.items()}
    beaten = {pruner: own < other for pruner, (own, other) in means.items()}
    yield tally("mean drop smaller", beaten, Count.all, "comparisons with other pruners")
    near = min(others, key=lambda pruner: means[pruner][1] - means[pruner][0])
    numbers = f"({BEST} {means[near][0]:.3f}, {near} {means[near][1]:.3f}, over {len(both[near])} cells)"
    yield Part(None, f"the one that comes closest or is ahead is {near} {numbers}")
    complete = [drops for drops in by_cell if len(drops) == len(others) + 1]
    first = (drops[BEST] == min(drops.values()) for drops in complete)
    yield tally("smallest drop of all", first, of="cells that have every pruner")


@CLAIMS.check("PIE-06")
def iibp_ft_beats_dense_bilstm(study: Measured) -> Iterator[Part | None]:
    drops = study.over("drop", where=lambda k: k.pruner == BEST and study.role(k.arch) == "BiLSTM")
    yield tally("above the dense BiLSTM", {key: drop < 0 for key, drop in drops}, Count.any)


@CLAIMS.check("PIE-07")
def dense_bert_is_better(study: Measured) -> Iterator[Part | None]:
    pairs = study.pairs({key: value for key, value in study["score_mean"].items() if key.pruner == NO_PRUNER})
    numbers = ", ".join(f"{key.dataset} {bert:.3f}/{bilstm:.3f}" for key, bert, bilstm in pairs)
    better = [bert > bilstm for _, bert, bilstm in pairs]
    yield tally(_than(study, "better"), better, Count.all, "comparisons", numbers)


@CLAIMS.check("PIE-08")
def pruning_hurts_bert_more(study: Measured) -> Iterator[Part | None]:
    pairs = study.pairs(study["drop"])
    parts = {
        f"over {len(pairs)} pairs": pairs,
        "at 70-99%": [pair for pair in pairs if HEAVY <= pair[0].sparsity <= 0.99],
        "below": [pair for pair in pairs if pair[0].sparsity < HEAVY],
    }
    means = {name: (mean(b for _, b, _ in of), mean(c for _, _, c in of)) for name, of in parts.items()}
    (bert, bilstm), above, below = means.values()
    numbers = ", ".join(f"{bert:.3f} against {bilstm:.3f} {name}" for name, (bert, bilstm) in means.items())
    yield Part(
        bert > max(bilstm, 0) and above[0] - above[1] > below[0] - below[1],
        f"mean drop of {study.playing('BERT')} against that of {study.playing('BiLSTM')}: {numbers}",
    )


@CLAIMS.check("PIE-09")
def light_pruning_costs_little(study: Measured) -> Iterator[Part | None]:
    drops = study.over("drop", where=lambda key: key.sparsity <= LIGHT)
    by_pruner = grouped((key.pruner, drop) for key, drop in drops)
    cheap = {pruner: mean(of) <= LITTLE for pruner, of in by_pruner.items()}
    yield tally(f"mean drop at most {LITTLE:g}", cheap, Count.most, "pruners")
    yield tally(f"drop at most {LITTLE:g}", (drop <= LITTLE for _, drop in drops), of="cells up to 50%")


@CLAIMS.check("PIE-10")
def worse_on_pies(study: Measured) -> Iterator[Part | None]:
    for side, on_all in (("pruned", "score_mean"), ("dense", "dense score_mean")):
        # Where every example is a PIE, the two scores are one number.
        pairs = study.over(
            f"{side}_score_on_pies", on_all, where=lambda key: study["pie_share"].get(key) != 1
        )
        at = ", ".join(
            map(percent, sorted({key.sparsity for key, on_pies, on_all in pairs if on_pies >= on_all}))
        )
        lower = [on_pies < on_all for _, on_pies, on_all in pairs]
        more = f"exceptions at {at}" if at else ""
        yield tally(f"{side} models score lower on PIEs", lower, Count.nearly_all, more=more)


@CLAIMS.check("PIE-11")
def loss_is_larger_on_pies(study: Measured) -> Iterator[Part | None]:
    cells = study.over("dense_score_on_pies", "pruned_score_on_pies", "drop")
    losses = {key: (abs(dense - pruned), abs(drop)) for key, dense, pruned, drop in cells}
    yield tally(
        "larger on PIEs", {key: pies > every for key, (pies, every) in losses.items()}, Count.nearly_all
    )
    on_pies, on_all = (mean(side) for side in zip(*losses.values(), strict=True))
    text = f"mean difference of the scores {on_pies:.3f} on PIEs, {on_all:.3f} on all"
    yield Part(on_pies >= MUCH * on_all, text)


@CLAIMS.check("PIE-12")
def scores_on_pies_part(study: Measured) -> list[Part]:
    sides = {side: study[f"{side}_score_on_pies"] for side in ("dense", "pruned")}
    return [trend(f"{side} score on PIEs", of, up=side == "dense") for side, of in sides.items()]


@CLAIMS.check("PIE-13")
def pruned_bilstm_can_win_on_pies(study: Measured) -> Iterator[Part | None]:
    scores = study.over(
        "dense_score_on_pies", "pruned_score_on_pies", where=lambda k: study.role(k.arch) == "BiLSTM"
    )
    wins = {key: pruned > dense for key, dense, pruned in scores}
    light = {key: won for key, won in wins.items() if key.sparsity <= LIGHT}
    yield tally("pruned BiLSTM ahead on PIEs", light, Count.any, "cells up to 50%")
    yield tally("ahead", [*wins.values()], of="cells of all sparsities")


@CLAIMS.check("PIE-14")
def every_class_but_the_first(study: Measured) -> Iterator[Part | None]:
    cells = {
        key: [part for part in parts if part.n_examples]
        for key, parts in study.classes.items()
        if study.metric(key) == "macro_f1" and _share(parts)
    }
    full = {name: all(part.n_pies for part in parts) for name, parts in cells.items()}
    classes = Count.of(part.n_pies > 0 for parts in cells.values() for part in parts)
    yield tally("every class has PIEs", full, Count.nearly_all, more=f"{classes} classes over all cells")
    most = {name: max(parts, key=lambda part: part.n_examples) for name, parts in cells.items()}
    under = {name: _share([most[name]]) < _share(parts) for name, parts in cells.items()}
    yield tally("the most frequent class is under-represented", under, Count.nearly_all)


@CLAIMS.check("PIE-15")
def pies_are_influential(study: Measured) -> Iterator[Part | None]:
    cells = {key: bins for key, bins in study.bins.items() if len(bins) == BINS and _share(bins)}
    last = {key: _share(bins[-1:]) for key, bins in cells.items()}
    above = {key: last[key] > _share(bins) for key, bins in cells.items()}
    yield tally("the last bin is above the average", above, Count.nearly_all)
    for role, reached in REACHED.items():
        own = [share for key, share in last.items() if key.pruner == BEST and study.role(key.arch) == role]
        text = f"with {BEST} up to {percent(max(needs(own)))} PIEs in it for {study.playing(role)}"
        yield Part(round(10 * max(own)) in reached, text)


@CLAIMS.check("PIE-16")
def pies_spread_evenly(study: Measured) -> Iterator[Part | None]:
    yield trend(
        "unevenness", {k: _unevenness(bins) for k, bins in study.bins.items() if _share(bins)}, up=False
    )


def harder(roles: Sequence[Role], **measures: Sequence[str]) -> Check:
    """Ratios of PIEs over all texts, mean over pruners, are above 1; AAPD is left out.

    Args:
        roles: whose texts.
        measures: what they are ratios of, by what they are called.
    """

    def check(study: Measured) -> Iterator[Part | None]:
        texts = study.only(lambda k: k.dataset.casefold() != EXCEPTED and study.role(k.arch) in roles)
        for name, of in measures.items():
            found = [groups(texts[f"readability.{measure}"]) for measure in of]
            ratios = [(where, mean(r.values())) for one in found for where, r in one.items()]
            largest = grouped((dataset, ratio) for (dataset, _, _), ratio in sorted(ratios))
            at_most = ", ".join(f"{max(of):.2f} on {dataset}" for dataset, of in largest.items())
            what = f"mean over pruners, {' and '.join(map(study.playing, roles))}: {name.replace('_', ' ')} above 1"
            above = (ratio > 1 for _, ratio in ratios)
            yield tally(what, above, Count.nearly_all, "means", f"at most {at_most}")

    return check


_OTHERS = [name for name in FORMULAS if name != "difficult_words"]
CLAIMS.check("PIE-17")(harder(["BERT"], formula_ratios=_OTHERS, difficult_words=["difficult_words"]))
CLAIMS.check("PIE-18")(harder(["BERT", "BiLSTM"], text_length=["text_length"]))


def _than(study: Measured, what: str) -> str:
    return f"{what} for {study.playing('BERT')} than for {study.playing('BiLSTM')}"


def _share(bins: Sequence[measured.Part]) -> float:
    """Of PIEs among the examples."""
    return sum(part.n_pies for part in bins) / max(sum(part.n_examples for part in bins), 1)


def _unevenness(bins: Sequence[measured.Part]) -> float:
    """Total variation distance between how PIEs and all examples spread: 0 (alike) to 1."""
    every, pies = sum(part.n_examples for part in bins), sum(part.n_pies for part in bins)
    return sum(abs(part.n_pies / pies - part.n_examples / every) for part in bins) / 2
