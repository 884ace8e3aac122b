"""Claims of the PIE paper, sections 4.1 to 4.4.

The paper prints no numbers behind PIE-14 to PIE-18, which rest on figures: these rules cannot be checked on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.analysis.readability import FORMULAS
from prunescope.analysis.tables.declared import percent
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.claims import Claims, Count, Steps, count, mean, needs, some
from prunescope.papers.measured import ROLES, Measured, Part, Role, curves, grouped, groups
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

#: The data set that PIE-17 and PIE-18 except.
EXCEPTED = "aapd"

#: The paper speaks of language models, BERT and BiLSTM, and of its eight pruners.
CLAIMS = Claims(PAPER, ROLES, PRUNERS)
claim = CLAIMS.claim


@claim("PIE-01", "PIE share rises with the amount pruned for every pruner, with few exceptions.")
def pies_rise_with_sparsity(study: Measured) -> tuple[bool, str]:
    """At most a fifth of the steps between neighbouring sparsities fall, and more of every pruner's rise than fall.

    In print 201 of 256 steps rise, 37 stay equal (whole percents are printed) and 18 fall (7 %).
    """
    along = needs(curves(study["pie_share"]), "needs at least two sparsities of one pruner")
    steps, against = Steps.along(along.values()), []
    for pruner in sorted({pruner for _, _, pruner in along}):
        own = Steps.along(values for curve, values in along.items() if curve[2] == pruner)
        against += [pruner] if own.rise <= own.fall else []
    evidence = f"{steps}, over {len(along)} curves"
    if against:
        evidence += f"; not more steps rise than fall with {', '.join(against)}"
    return Count(sum(steps) - steps.fall, sum(steps)).nearly_all and not against, evidence


@claim(
    "PIE-02", "There is always a subset of data points on which the pruned and the unpruned model disagree."
)
def pies_always_exist(study: Measured) -> tuple[bool, str]:
    """Every cell has PIEs ("always" allows no exception). In print the smallest share is 2 %."""
    shares = needs(study["pie_share"], "no pruned network of the paper's kind was run")
    key = min(shares, key=lambda key: (shares[key], key))
    found = count(share > 0 for share in shares.values())
    return found.all, f"{found} cells have PIEs; smallest share {percent(shares[key])} ({key.text})"


@claim("PIE-03", "The PIE share is larger for BERT than for BiLSTM.")
def more_pies_in_bert(study: Measured) -> tuple[bool, str]:
    """Larger in at least four fifths of the pairs at equal data set, pruner and sparsity; equal ones speak against it.

    In print it is larger in 138 of 160 pairs (86 %), equal in 8, smaller in 14.
    """
    pairs = study.pairs(study["pie_share"])
    needs(pairs, "needs a BERT-like encoder and a BiLSTM at equal data set, pruner and sparsity")
    larger, equal = count(b > c for _, b, c in pairs), count(b == c for _, b, c in pairs)
    return larger.nearly_all, (
        f"larger for {study.playing('BERT')} than for {study.playing('BiLSTM')} in {larger} pairs, equal in "
        f"{equal.yes}, smaller in {larger.total - larger.yes - equal.yes}"
    )


@claim(
    "PIE-04",
    "At each amount the pruner with the best score has fewer PIEs than the pruner with the worst score.",
)
def best_pruner_has_fewer_pies(study: Measured) -> tuple[bool, str]:
    """So in at least four fifths of the groups (data set, architecture, sparsity) that can show it.

    These are the groups in which every pruner that has a PIE share has a score too, and the scores are not all
    equal; of tied pruners the mean PIE share counts. In print it is so in 32 of 34 groups (94 %).
    """
    scores = groups({key: value for key, value in study["score_mean"].items() if key.pruner != NO_PRUNER})
    fewer = {}
    for where, shares in groups(study["pie_share"]).items():
        known = {pruner: score for pruner, score in scores.get(where, {}).items() if pruner in shares}
        low, high = min(known.values(), default=0), max(known.values(), default=0)
        if len(known) == len(shares) and low < high:
            best, worst = (
                mean(shares[p] for p, score in known.items() if score == end) for end in (high, low)
            )
            fewer[where] = best < worst
    needs(fewer, "needs at least two pruners with different scores at equal sparsity")
    found = count(fewer.values())
    exceptions = [f"{d} {arch} at {percent(s)}" for (d, arch, s), held in fewer.items() if not held]
    evidence = f"so in {found} groups of data set, network and sparsity"
    return found.nearly_all, evidence + (f"; not in {some(exceptions)}" if exceptions else "")


@claim(
    "PIE-05",
    "Iterative impact pruning with fine-tuning (IIBP-FT) loses the least accuracy / macro F1 overall.",
)
def iibp_ft_loses_least(study: Measured) -> tuple[bool, str]:
    """Its mean drop is smaller than every other pruner's, over the cells that both have.

    So no pruner is compared on easier cells. In print 0.054 over all legible cells, the next (IMP-FT) 0.099; it is
    the best in 15 of the 34 complete groups.
    """
    by_cell = [drops for drops in groups(study.drops).values() if BEST in drops]
    others = sorted({pruner for drops in by_cell for pruner in drops} - {BEST})
    needs(others, f"needs {BEST} and another pruner at equal data set, network and sparsity")
    means = {}
    for pruner in others:
        both = [(drops[BEST], drops[pruner]) for drops in by_cell if pruner in drops]
        means[pruner] = (*(mean(side) for side in zip(*both, strict=True)), len(both))
    beaten = count(own < other for own, other, _ in means.values())
    closest = min(others, key=lambda pruner: means[pruner][1] - means[pruner][0])
    own, other, cells = means[closest]
    evidence = (
        f"mean drop smaller than that of {beaten} other pruners; the one that comes closest or is ahead is "
        f"{closest} ({BEST} {own:.3f}, {closest} {other:.3f}, over {cells} cells)"
    )
    first = count(drops[BEST] == min(drops.values()) for drops in by_cell if len(drops) == len(others) + 1)
    if first.total:
        evidence += f"; smallest drop of all in {first} cells that have every pruner"
    return beaten.all, evidence


@claim("PIE-06", "IIBP-FT sometimes outperforms the unpruned BiLSTM.")
def iibp_ft_beats_dense_bilstm(study: Measured) -> tuple[bool, str]:
    """The mean score of a BiLSTM is above the dense one in at least one cell ("sometimes"). In print in seven."""
    drops = {k: d for k, d in study.drops.items() if k.pruner == BEST and study.role(k.arch) == "BiLSTM"}
    needs(drops, f"needs a BiLSTM, unpruned and pruned with {BEST}")
    above = [f"{key.dataset} at {percent(key.sparsity)}" for key, drop in drops.items() if drop < 0]
    evidence = f"above the unpruned BiLSTM in {len(above)} of {len(drops)} cells"
    return bool(above), evidence + (f" ({', '.join(above)})" if above else "")


_PAIR = "a BERT-like encoder and a BiLSTM at equal data set"


@claim("PIE-07", "Unpruned BERT beats unpruned BiLSTM on every data set.")
def dense_bert_is_better(study: Measured) -> tuple[bool, str]:
    """Its mean score is higher on every data set that has both ("every" allows no exception). In print on all four."""
    pairs = study.pairs({key: v for key, v in study["score_mean"].items() if key.pruner == NO_PRUNER})
    needs(pairs, f"needs {_PAIR}")
    better = count(bert > bilstm for _, bert, bilstm in pairs)
    numbers = ", ".join(f"{key.dataset} {bert:.3f}/{bilstm:.3f}" for key, bert, bilstm in pairs)
    return better.all, (
        f"{study.playing('BERT')} better in {better} comparisons with {study.playing('BiLSTM')}: {numbers}"
    )


@claim("PIE-08", "Pruning hurts BERT more than BiLSTM, above all at 70-99 %.")
def pruning_hurts_bert_more(study: Measured) -> tuple[bool, str]:
    """BERT's mean drop is above 0 and BiLSTM's, and the difference of the two is larger at 70-99 % than below.

    Over all pairs at equal data set, pruner and sparsity. In print BERT loses 0.018 more at 20 % and 0.261 more at
    99 %.
    """
    pairs = needs(study.pairs(study.drops), f"needs {_PAIR}")
    heavy = needs([p for p in pairs if HEAVY <= p[0].sparsity <= 0.99], "needs sparsities of 70-99%")
    light = needs([p for p in pairs if p[0].sparsity < HEAVY], "needs sparsities below 70%")
    total, above, below = (
        (mean(bert for _, bert, _ in part), mean(bilstm for _, _, bilstm in part))
        for part in (pairs, heavy, light)
    )
    return total[0] > max(total[1], 0) and above[0] - above[1] > below[0] - below[1], (
        f"mean drop of {study.playing('BERT')} {total[0]:.3f} against {total[1]:.3f} of "
        f"{study.playing('BiLSTM')} over {len(pairs)} pairs; at 70-99% {above[0]:.3f} against "
        f"{above[1]:.3f}, below {below[0]:.3f} against {below[1]:.3f}"
    )


@claim("PIE-09", "Pruning up to 50 % costs little for most pruners.")
def light_pruning_costs_little(study: Measured) -> tuple[bool, str]:
    """The mean drop of cells up to 50 % is at most 0.05 for more than half of the pruners.

    In print for seven of eight; 77 % of the cells lose at most 0.05.
    """
    drops = {key: drop for key, drop in study.drops.items() if key.sparsity <= LIGHT}
    needs(drops, "needs sparsities up to 50%")
    by_pruner = grouped((key.pruner, drop) for key, drop in drops.items())
    cheap = count(mean(of) <= LITTLE for of in by_pruner.values())
    return cheap.most, (
        f"mean drop at most {LITTLE:g} with {cheap} pruners; {count(drop <= LITTLE for drop in drops.values())} "
        f"cells up to 50% lose at most {LITTLE:g}"
    )


_NO_PIES = "needs scores on PIEs"


@claim(
    "PIE-10",
    "Models are less accurate on PIEs than on all data points, pruned or unpruned, with few exceptions at 99 %.",
)
def worse_on_pies(study: Measured) -> tuple[bool, str]:
    """The score on PIEs is lower in at least four fifths of the cells, for pruned and for dense models.

    Cells whose every example is a PIE are left out: there the two scores are one number. In print in 270 of 270
    (pruned) and 251 of 279 (dense, 90 %), the exceptions at 70 to 99 %.
    """
    scores, texts, holds = study["score_mean"], [], True
    cells = [key for key in study.cells if study["pie_share"].get(key) != 1]
    for side, on_pies in (
        ("pruned", study["pruned_score_on_pies"]),
        ("unpruned", study["dense_score_on_pies"]),
    ):
        on_all = {key: scores.get(key if side == "pruned" else key.dense) for key in cells if key in on_pies}
        lower = {key: on_pies[key] < score for key, score in on_all.items() if score is not None}
        found = count(needs(lower, _NO_PIES).values())
        holds &= found.nearly_all
        exceptions = ", ".join(map(percent, sorted({key.sparsity for key, low in lower.items() if not low})))
        texts.append(f"{side} models score lower on PIEs in {found} cells")
        texts[-1] += f" (exceptions at {exceptions})" if exceptions else ""
    return holds, "; ".join(texts)


@claim("PIE-11", "The loss caused by pruning is much larger on PIEs than on all data points.")
def loss_is_larger_on_pies(study: Measured) -> tuple[bool, str]:
    """Larger in at least four fifths of the cells, and in the mean at least twice as large.

    The loss is the absolute difference between dense and pruned score, since on PIEs it can be a gain. In print
    larger in 262 of 289 cells (91 %), and 2.3 times as large in the mean.
    """
    dense, pruned, drops = study["dense_score_on_pies"], study["pruned_score_on_pies"], study.drops
    cells = needs([key for key in dense if key in pruned and key in drops], _NO_PIES)
    losses = [(abs(dense[key] - pruned[key]), abs(drops[key])) for key in cells]
    larger = count(on_pies > on_all for on_pies, on_all in losses)
    on_pies, on_all = (mean(side) for side in zip(*losses, strict=True))
    return larger.nearly_all and on_pies >= MUCH * on_all, (
        f"larger on PIEs in {larger} cells; mean difference of the scores {on_pies:.3f} on PIEs, {on_all:.3f} on all"
    )


@claim("PIE-12", "As the amount grows, the unpruned score on PIEs rises and the pruned score on PIEs falls.")
def scores_on_pies_part(study: Measured) -> tuple[bool, str]:
    """From the lowest to the highest sparsity so in at least four fifths of the curves, and in most steps between.

    Curves of data set, architecture and pruner. In print 62 of 62 and 60 of 62 curves, 80 % and 79 % of the steps.
    """
    rising, falling = (curves(study[f"{side}_score_on_pies"]).values() for side in ("dense", "pruned"))
    needs(rising and falling, "needs scores on PIEs at two sparsities of one pruner at least")
    up, down = count(c[-1] > c[0] for c in rising), count(c[-1] < c[0] for c in falling)
    dense, pruned = Steps.along(rising), Steps.along(falling)
    between = Count(dense.rise, sum(dense)).most and Count(pruned.fall, sum(pruned)).most
    return up.nearly_all and down.nearly_all and between, (
        f"from the lowest to the highest sparsity the unpruned score on PIEs rises in {up} curves, the pruned falls "
        f"in {down}; unpruned: {dense}; pruned: {pruned}"
    )


@claim("PIE-13", "On BiLSTM with light pruning the pruned model can beat the unpruned one on PIEs.")
def pruned_bilstm_can_win_on_pies(study: Measured) -> tuple[bool, str]:
    """It does in at least one BiLSTM cell up to 50 % ("can"). In print in 24, and in 42 BiLSTM cells of all."""
    dense, pruned = study["dense_score_on_pies"], study["pruned_score_on_pies"]
    wins = {k: pruned[k] > dense[k] for k in dense if k in pruned and study.role(k.arch) == "BiLSTM"}
    light = count(won for key, won in wins.items() if key.sparsity <= LIGHT)
    needs(light.total, "needs a BiLSTM's scores on PIEs at a sparsity up to 50%")
    return light.yes > 0, (
        f"pruned BiLSTM ahead on PIEs in {light} cells up to 50%, in {count(wins.values())} of all sparsities"
    )


@claim(
    "PIE-14",
    "On the multi-label data sets PIEs are found in every class, frequent or rare, except that the most frequent class "
    "is under-represented among them.",
)
def every_class_but_the_first(study: Measured) -> tuple[bool, str]:
    """Every class has a PIE, and the most frequent one is rarer among PIEs: each in at least four fifths of the cells.

    Of classes that the test split has; of the most frequent ones the first counts, by its share of the labels of PIEs
    and of all. Cells without PIEs are left out.
    """
    cells = [
        [part for part in parts if part.n_examples]
        for key, parts in study.classes.items()
        if study.metric(key) == "macro_f1" and any(part.n_pies for part in parts)
    ]
    needs(cells, "needs PIEs on a multi-label data set of texts")
    full = count(all(part.n_pies > 0 for part in parts) for parts in cells)
    classes = count(part.n_pies > 0 for parts in cells for part in parts)
    under = count(_share([max(parts, key=lambda part: part.n_examples)]) < _share(parts) for parts in cells)
    return full.nearly_all and under.nearly_all, (
        f"every class has PIEs in {full} cells ({classes} classes over all cells); the most frequent class is "
        f"under-represented in {under}"
    )


@claim(
    "PIE-15",
    "PIEs concentrate among the training points with the highest EL2N scores (20 percentile bins): with IIBP-FT up to "
    "80-100 % of the most influential points are PIEs for BERT, up to 70 % for BiLSTM.",
)
def pies_are_influential(study: Measured) -> tuple[bool, str]:
    """The last of 20 bins has a larger share of PIEs than all examples in at least four fifths of the cells.

    And with IIBP-FT the largest share of the last bin over the cells reaches 80 % for BERT and stays within 70 % for
    BiLSTM, both rounded to tens as they are read from a figure. Cells without PIEs or with another number of bins are
    left out.
    """
    cells = {key: bins for key, bins in study.bins.items() if len(bins) == BINS and _share(bins)}
    needs(cells, f"needs EL2N scores of texts in {BINS} bins")
    last = {key: _share(bins[-1:]) for key, bins in cells.items()}
    above = count(last[key] > _share(bins) for key, bins in cells.items())
    evidence = f"the last bin is above the average in {above} cells"
    tens = []
    for role in ROLES.values():
        own = [share for key, share in last.items() if key.pruner == BEST and study.role(key.arch) == role]
        needs(own, f"needs PIEs of a {role} pruned with {BEST}; {evidence}")
        tens.append(round(10 * max(own)))
        evidence += f"; with {BEST} up to {percent(max(own))} PIEs in it for {study.playing(role)}"
    return above.nearly_all and tens[0] >= 8 and tens[1] <= 7, evidence


@claim("PIE-16", "The more is pruned, the more evenly PIEs spread over the EL2N bins.")
def pies_spread_evenly(study: Measured) -> tuple[bool, str]:
    """From the lowest to the highest sparsity unevenness falls, by the rule of PIE-12.

    Unevenness is the total variation distance between how PIEs and how all examples spread over the bins. Cells
    without PIEs are left out.
    """
    along = curves({key: _unevenness(bins) for key, bins in study.bins.items() if _share(bins)}).values()
    needs(along, "needs PIEs in EL2N bins of texts at two sparsities of one pruner at least")
    more_even, steps = count(curve[-1] < curve[0] for curve in along), Steps.along(along)
    return more_even.nearly_all and Count(steps.fall, sum(steps)).most, (
        f"more even at the highest than at the lowest sparsity in {more_even} curves; unevenness: {steps}"
    )


@claim(
    "PIE-17",
    "PIE text is harder to read than average text by readability formulas (ratio up to 1.03) and holds more difficult "
    "words (up to 1.06) for BERT on SNLI, mean over pruners; AAPD is the exception.",
)
def pies_are_harder_to_read(study: Measured) -> tuple[bool, str]:
    """Mean ratios over pruners are above 1 in at least four fifths, of difficult words and of the formulas.

    Ratios of PIEs over all texts, for every encoder, data set but AAPD, and sparsity. How far above is reported only.
    """
    words, *others = (
        list(_over_pruners(study, name, "BERT").values())
        for name in ("difficult_words", *(name for name in FORMULAS if name != "difficult_words"))
    )
    formulas = [ratio for of in others for ratio in of]
    needs(
        words and formulas,
        "needs the readability of a BERT-like encoder's PIEs on a data set other than AAPD",
    )
    harder, more = count(ratio > 1 for ratio in formulas), count(ratio > 1 for ratio in words)
    return harder.nearly_all and more.nearly_all, (
        f"mean over pruners, {study.playing('BERT')}: {harder} formula ratios above 1 (at most {max(formulas):.2f}), "
        f"difficult words above 1 in {more} (at most {max(words):.2f})"
    )


@claim(
    "PIE-18", "PIE text is longer (ratio up to 1.02 on SNLI, 1.13 on IMDB, 1.9 on Reuters), AAPD excepted."
)
def pies_are_longer(study: Measured) -> tuple[bool, str]:
    """The ratio of mean lengths in tokens is above 1 in at least four fifths.

    Mean over pruners, for every model, data set but AAPD, and sparsity. How far above is reported only.
    """
    ratios = _over_pruners(study, "text_length", "BERT", "BiLSTM")
    needs(ratios, "needs the text length of PIEs on a data set other than AAPD")
    longer = count(ratio > 1 for ratio in ratios.values())
    largest = grouped((dataset, ratio) for (dataset, _, _), ratio in sorted(ratios.items()))
    return longer.nearly_all, (
        f"mean over pruners above 1 in {longer} (data set, network, sparsity); at most "
        + ", ".join(f"{max(of):.2f} on {dataset}" for dataset, of in largest.items())
    )


def _share(bins: Sequence[Part]) -> float:
    """Of PIEs among the examples."""
    return sum(part.n_pies for part in bins) / max(sum(part.n_examples for part in bins), 1)


def _unevenness(bins: Sequence[Part]) -> float:
    """Between 0 (PIEs spread as all examples do) and 1."""
    every, pies = sum(part.n_examples for part in bins), sum(part.n_pies for part in bins)
    return sum(abs(part.n_pies / pies - part.n_examples / every) for part in bins) / 2


def _over_pruners(study: Measured, measure: str, *roles: Role) -> dict[tuple[str, str, float], float]:
    """Mean ratio over pruners by (data set, architecture, sparsity); AAPD left out."""
    ratios = {
        key: ratio
        for key, ratio in study[f"readability.{measure}"].items()
        if key.dataset.casefold() != EXCEPTED and study.role(key.arch) in roles
    }
    return {where: mean(by_pruner.values()) for where, by_pruner in groups(ratios).items()}
