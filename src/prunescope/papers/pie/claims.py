"""Checks of the PIE paper's claims (``claims.yaml``), sections 4.1 to 4.4."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from prunescope.analysis.readability import FORMULAS
from prunescope.analysis.tables.declared import Key, percent
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers import measured
from prunescope.papers.claims import Claims, Count, Part, Steps, count, mean, needs, tally
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

_PAIR = "a BERT-like encoder and a BiLSTM at equal data set"
_NO_PIES = "needs scores on PIEs"

#: The paper speaks of language models, BERT and BiLSTM, and of its eight pruners.
CLAIMS = Claims(PAPER, ROLES, PRUNERS)


@CLAIMS.check("PIE-01")
def pies_rise_with_sparsity(study: Measured) -> Iterator[Part]:
    along = needs(curves(study["pie_share"]), "needs at least two sparsities of one pruner")
    steps = Steps.along(along.values())
    rising = Count(sum(steps) - steps.fall, sum(steps)).nearly_all()
    yield Part(rising, f"{steps}, over {len(along)} curves")
    by_pruner = grouped((pruner, values) for (_, _, pruner), values in sorted(along.items()))
    own = {pruner: Steps.along(values) for pruner, values in sorted(by_pruner.items())}
    rises = {pruner: of.rise > of.fall for pruner, of in own.items()}
    yield tally("more steps rise than fall", rises, Count.all, "pruners")


@CLAIMS.check("PIE-02")
def pies_always_exist(study: Measured) -> Iterator[Part]:
    shares = needs(study["pie_share"], "no pruned model of the paper's kind was run")
    key = min(shares, key=lambda key: (shares[key], key))
    yield tally("PIEs", {key.text: share > 0 for key, share in shares.items()}, Count.all)
    yield Part(None, f"smallest share {percent(shares[key])} ({key.text})")


@CLAIMS.check("PIE-03")
def more_pies_in_bert(study: Measured) -> Iterator[Part]:
    shares = needs(study.pairs(study["pie_share"]), f"needs {_PAIR}, pruner and sparsity")
    larger, equal, smaller = ([(b > c) - (b < c) == sign for _, b, c in shares] for sign in (1, 0, -1))
    sides = f"equal in {sum(equal)}, smaller in {sum(smaller)}"
    yield tally(_than(study, "larger"), larger, Count.nearly_all, "pairs", sides)


@CLAIMS.check("PIE-04")
def best_pruner_has_fewer_pies(study: Measured) -> Iterator[Part]:
    scores, fewer = groups(study["score_mean"]), {}
    for where, shares in groups(study["pie_share"]).items():
        known = {pruner: score for pruner, score in scores.get(where, {}).items() if pruner in shares}
        if len(known) == len(shares) and len(set(known.values())) > 1:
            best, worst = (
                mean(shares[pruner] for pruner, score in known.items() if score == end)
                for end in (max(known.values()), min(known.values()))
            )
            fewer["{} {} at {}".format(*where[:2], percent(where[2]))] = best < worst
    needs(fewer, "needs at least two pruners with different scores at equal sparsity")
    yield tally("so", fewer, Count.nearly_all, "groups of data set, model and sparsity")


@CLAIMS.check("PIE-05")
def iibp_ft_loses_least(study: Measured) -> Iterator[Part]:
    by_cell = [drops for drops in groups(study.drops).values() if BEST in drops]
    others = sorted({pruner for drops in by_cell for pruner in drops} - {BEST})
    needs(others, f"needs {BEST} and another pruner at equal data set, model and sparsity")
    means = {}
    for pruner in others:
        both = [(drops[BEST], drops[pruner]) for drops in by_cell if pruner in drops]
        means[pruner] = (*(mean(side) for side in zip(*both, strict=True)), len(both))
    beaten = count(own < other for own, other, _ in means.values())
    closest = min(others, key=lambda pruner: means[pruner][1] - means[pruner][0])
    own, other, cells = means[closest]
    yield Part(
        beaten.all(),
        f"mean drop smaller than that of {beaten} other pruners; the one that comes closest or is ahead is {closest} "
        f"({BEST} {own:.3f}, {closest} {other:.3f}, over {cells} cells)",
    )
    complete = [drops for drops in by_cell if len(drops) == len(others) + 1]
    if complete:
        first = (drops[BEST] == min(drops.values()) for drops in complete)
        yield tally("smallest drop of all", first, of="cells that have every pruner")


@CLAIMS.check("PIE-06")
def iibp_ft_beats_dense_bilstm(study: Measured) -> Iterator[Part]:
    drops = {k: d for k, d in study.drops.items() if k.pruner == BEST and study.role(k.arch) == "BiLSTM"}
    needs(drops, f"needs a BiLSTM, dense and pruned with {BEST}")
    above = {f"{key.dataset} at {percent(key.sparsity)}": drop < 0 for key, drop in drops.items()}
    yield tally("above the dense BiLSTM", above, Count.any)


@CLAIMS.check("PIE-07")
def dense_bert_is_better(study: Measured) -> Iterator[Part]:
    scores = {key: value for key, value in study["score_mean"].items() if key.pruner == NO_PRUNER}
    pairs = needs(study.pairs(scores), f"needs {_PAIR}")
    numbers = ", ".join(f"{key.dataset} {bert:.3f}/{bilstm:.3f}" for key, bert, bilstm in pairs)
    better = [bert > bilstm for _, bert, bilstm in pairs]
    yield tally(_than(study, "better"), better, Count.all, "comparisons", numbers)


@CLAIMS.check("PIE-08")
def pruning_hurts_bert_more(study: Measured) -> Iterator[Part]:
    pairs = needs(study.pairs(study.drops), f"needs {_PAIR}")
    heavy = needs([p for p in pairs if HEAVY <= p[0].sparsity <= 0.99], "needs sparsities of 70-99%")
    light = needs([p for p in pairs if p[0].sparsity < HEAVY], "needs sparsities below 70%")
    total, above, below = (
        (mean(bert for _, bert, _ in part), mean(bilstm for _, _, bilstm in part))
        for part in (pairs, heavy, light)
    )
    yield Part(
        total[0] > max(total[1], 0) and above[0] - above[1] > below[0] - below[1],
        f"mean drop of {study.playing('BERT')} {total[0]:.3f} against {total[1]:.3f} of {study.playing('BiLSTM')} over "
        f"{len(pairs)} pairs; at 70-99% {above[0]:.3f} against {above[1]:.3f}, below {below[0]:.3f} against "
        f"{below[1]:.3f}",
    )


@CLAIMS.check("PIE-09")
def light_pruning_costs_little(study: Measured) -> Iterator[Part]:
    drops = {key: drop for key, drop in study.drops.items() if key.sparsity <= LIGHT}
    by_pruner = grouped(
        (key.pruner, drop) for key, drop in needs(drops, "needs sparsities up to 50%").items()
    )
    cheap = {pruner: mean(of) <= LITTLE for pruner, of in by_pruner.items()}
    yield tally(f"mean drop at most {LITTLE:g}", cheap, Count.most, "pruners")
    yield tally(f"drop at most {LITTLE:g}", (drop <= LITTLE for drop in drops.values()), of="cells up to 50%")


@CLAIMS.check("PIE-10")
def worse_on_pies(study: Measured) -> Iterator[Part]:
    scores = study["score_mean"]
    # Where every example is a PIE, the two scores are one number.
    cells = [key for key in study.cells if study["pie_share"].get(key) != 1]
    lower = {
        side: {
            key: on_pies[key] < scores[on_all]
            for key in cells
            if key in on_pies and (on_all := key if side == "pruned" else key.dense) in scores
        }
        for side in ("pruned", "dense")
        for on_pies in [study[f"{side}_score_on_pies"]]
    }
    needs(all(lower.values()), _NO_PIES)
    for side, cases in lower.items():
        at = ", ".join(map(percent, sorted({key.sparsity for key, low in cases.items() if not low})))
        more = f"exceptions at {at}" if at else ""
        yield tally(f"{side} models score lower on PIEs", cases.values(), Count.nearly_all, more=more)


@CLAIMS.check("PIE-11")
def loss_is_larger_on_pies(study: Measured) -> Iterator[Part]:
    dense, pruned, drops = study["dense_score_on_pies"], study["pruned_score_on_pies"], study.drops
    cells = needs([key for key in dense if key in pruned and key in drops], _NO_PIES)
    losses = {key.text: (abs(dense[key] - pruned[key]), abs(drops[key])) for key in cells}
    larger = {name: on_pies > on_all for name, (on_pies, on_all) in losses.items()}
    yield tally("larger on PIEs", larger, Count.nearly_all)
    on_pies, on_all = (mean(side) for side in zip(*losses.values(), strict=True))
    text = f"mean difference of the scores {on_pies:.3f} on PIEs, {on_all:.3f} on all"
    yield Part(on_pies >= MUCH * on_all, text)


@CLAIMS.check("PIE-12")
def scores_on_pies_part(study: Measured) -> Iterator[Part]:
    rising, falling = (curves(study[f"{side}_score_on_pies"]).values() for side in ("dense", "pruned"))
    needs(rising and falling, "needs scores on PIEs at two sparsities of one pruner at least")
    yield _trend("dense score on PIEs", rising, up=True)
    yield _trend("pruned score on PIEs", falling, up=False)


@CLAIMS.check("PIE-13")
def pruned_bilstm_can_win_on_pies(study: Measured) -> Iterator[Part]:
    dense, pruned = study["dense_score_on_pies"], study["pruned_score_on_pies"]
    wins = {k: pruned[k] > dense[k] for k in dense if k in pruned and study.role(k.arch) == "BiLSTM"}
    light = {key.text: won for key, won in wins.items() if key.sparsity <= LIGHT}
    needs(light, "needs a BiLSTM's scores on PIEs at a sparsity up to 50%")
    yield tally("pruned BiLSTM ahead on PIEs", light, Count.any, "cells up to 50%")
    yield tally("ahead", wins.values(), of="cells of all sparsities")


@CLAIMS.check("PIE-14")
def every_class_but_the_first(study: Measured) -> Iterator[Part]:
    cells = {
        key.text: [part for part in parts if part.n_examples]
        for key, parts in study.classes.items()
        if study.metric(key) == "macro_f1" and any(part.n_pies for part in parts)
    }
    needs(cells, "needs PIEs on a multi-label data set of texts")
    full = {name: all(part.n_pies for part in parts) for name, parts in cells.items()}
    classes = count(part.n_pies > 0 for parts in cells.values() for part in parts)
    yield tally("every class has PIEs", full, Count.nearly_all, more=f"{classes} classes over all cells")
    under = {
        name: _share([max(parts, key=lambda part: part.n_examples)]) < _share(parts)
        for name, parts in cells.items()
    }
    yield tally("the most frequent class is under-represented", under, Count.nearly_all)


@CLAIMS.check("PIE-15")
def pies_are_influential(study: Measured) -> Iterator[Part]:
    cells = {key: bins for key, bins in study.bins.items() if len(bins) == BINS and _share(bins)}
    needs(cells, f"needs EL2N scores of texts in {BINS} bins")
    last = {key: _share(bins[-1:]) for key, bins in cells.items()}
    above = {key.text: last[key] > _share(bins) for key, bins in cells.items()}
    yield tally("the last bin is above the average", above, Count.nearly_all)
    for role, reached in REACHED.items():
        own = [share for key, share in last.items() if key.pruner == BEST and study.role(key.arch) == role]
        most = max(needs(own, f"needs PIEs of a {role} pruned with {BEST}"))
        text = f"with {BEST} up to {percent(most)} PIEs in it for {study.playing(role)}"
        yield Part(round(10 * most) in reached, text)


@CLAIMS.check("PIE-16")
def pies_spread_evenly(study: Measured) -> Iterator[Part]:
    along = curves({key: _unevenness(bins) for key, bins in study.bins.items() if _share(bins)}).values()
    needs(along, "needs PIEs in EL2N bins of texts at two sparsities of one pruner at least")
    yield _trend("unevenness", along, up=False)


@CLAIMS.check("PIE-17")
def pies_are_harder_to_read(study: Measured) -> Iterator[Part]:
    words = list(_over_pruners(study, "difficult_words", "BERT").values())
    others = [name for name in FORMULAS if name != "difficult_words"]
    formulas = [ratio for name in others for ratio in _over_pruners(study, name, "BERT").values()]
    missing = "needs the readability of a BERT-like encoder's PIEs on a data set other than AAPD"
    needs(words and formulas, missing)
    for name, ratios in (("formula ratios", formulas), ("difficult words", words)):
        what = f"mean over pruners, {study.playing('BERT')}: {name} above 1"
        yield tally(what, (r > 1 for r in ratios), Count.nearly_all, "means", f"at most {max(ratios):.2f}")


@CLAIMS.check("PIE-18")
def pies_are_longer(study: Measured) -> Iterator[Part]:
    ratios = _over_pruners(study, "text_length", "BERT", "BiLSTM")
    needs(ratios, "needs the text length of PIEs on a data set other than AAPD")
    largest = grouped((dataset, ratio) for (dataset, _, _), ratio in sorted(ratios.items()))
    at_most = ", ".join(f"{max(of):.2f} on {dataset}" for dataset, of in largest.items())
    longer = (ratio > 1 for ratio in ratios.values())
    kind = "means of data set, model and sparsity"
    yield tally("mean over pruners above 1", longer, Count.nearly_all, kind, f"at most {at_most}")


def _than(study: Measured, what: str) -> str:
    return f"{what} for {study.playing('BERT')} than for {study.playing('BiLSTM')}"


def _trend(what: str, along: Collection[Sequence[float]], *, up: bool) -> Part:
    """Whether values move one way from the lowest to the highest sparsity in nearly all curves, and in most steps."""
    ends = count(curve[-1] > curve[0] if up else curve[-1] < curve[0] for curve in along)
    steps = Steps.along(along)
    between = Count(steps.rise if up else steps.fall, sum(steps))
    return Part(
        ends.nearly_all() and between.most(),
        f"{what} {'rises' if up else 'falls'} from the lowest to the highest sparsity in {ends} curves ({steps})",
    )


def _share(bins: Sequence[measured.Part]) -> float:
    """Of PIEs among the examples."""
    return sum(part.n_pies for part in bins) / max(sum(part.n_examples for part in bins), 1)


def _unevenness(bins: Sequence[measured.Part]) -> float:
    """Total variation distance between how PIEs and all examples spread: 0 (alike) to 1."""
    every, pies = sum(part.n_examples for part in bins), sum(part.n_pies for part in bins)
    return sum(abs(part.n_pies / pies - part.n_examples / every) for part in bins) / 2


def _over_pruners(study: Measured, measure: str, *roles: Role) -> dict[tuple[str, str, float], float]:
    """Mean ratio over pruners by (data set, architecture, sparsity); AAPD left out."""

    def counts(key: Key) -> bool:
        return key.dataset.casefold() != EXCEPTED and study.role(key.arch) in roles

    ratios = study.only(counts)[f"readability.{measure}"]
    return {where: mean(by_pruner.values()) for where, by_pruner in groups(ratios).items()}
