"""Judges of PIE-10 to PIE-13: how well models do on PIEs (PIE paper, section 4.1, Table 10)."""

from __future__ import annotations

from prunescope.analysis.tables.study import Key, StudyTables, curves, percent
from prunescope.papers.claims.findings import Finding, Steps, few_exceptions, found, mean, most, not_measured

#: "Light pruning" ends here.
LIGHT = 0.5

#: "Much larger": at least this many times.
MUCH = 2.0

_NO_PIES = "needs scores on PIEs"


def worse_on_pies(study: StudyTables) -> Finding:
    """PIE-10: models are less accurate on PIEs than on all data, pruned or unpruned, few exceptions at 99%.

    Holds if the score on PIEs is lower in at least four fifths of the cells, for the pruned models
    and for the unpruned ones. Cells whose every example is a PIE are left out: there the two scores
    are one number. In print 270 of 270 (pruned) and 251 of 279 (unpruned, 90%).
    """
    sides: dict[str, list[tuple[Key, bool]]] = {"pruned": [], "unpruned": []}
    for key, scores in study.on_pies.items():
        if study.pie_shares.get(key) == 1:
            continue
        for side, on_pies, on_all in (
            ("pruned", scores.pruned, study.score(key)),
            ("unpruned", scores.dense, study.score(study.dense(key))),
        ):
            if on_pies is not None and on_all is not None:
                sides[side].append((key, on_pies < on_all))
    if not sides["pruned"] or not sides["unpruned"]:
        return not_measured(_NO_PIES)
    texts, holds = [], True
    for side, told in sides.items():
        lower = sum(low for _, low in told)
        holds &= few_exceptions(lower, len(told))
        text = f"{side} models score lower on PIEs in {lower} of {len(told)} cells"
        exceptions = [percent(sparsity) for sparsity in sorted({k.sparsity for k, low in told if not low})]
        texts.append(f"{text} (exceptions at {', '.join(exceptions)})" if exceptions else text)
    return found(holds, "; ".join(texts))


def loss_is_larger_on_pies(study: StudyTables) -> Finding:
    """PIE-11: the loss caused by pruning is much larger on PIEs than on all data points.

    The loss is the absolute difference between unpruned and pruned score, since on PIEs it can be
    a gain. Holds if it is larger on PIEs in at least four fifths of the cells, and its mean over
    the cells at least twice that on all data. In print larger in 262 of 289 cells (91%), and 2.3
    times as large in the mean.
    """
    drops = study.drops()
    told = {
        key: (abs(scores.dense - scores.pruned), abs(drops[key]))
        for key, scores in study.on_pies.items()
        if key in drops and scores.dense is not None and scores.pruned is not None
    }
    if not told:
        return not_measured(_NO_PIES)
    larger = sum(on_pies > on_all for on_pies, on_all in told.values())
    on_pies, on_all = (mean(pair[side] for pair in told.values()) for side in (0, 1))
    return found(
        few_exceptions(larger, len(told)) and on_pies >= MUCH * on_all,
        f"larger on PIEs in {larger} of {len(told)} cells; mean difference of the scores {on_pies:.3f} on "
        f"PIEs, {on_all:.3f} on all",
    )


def scores_on_pies_part(study: StudyTables) -> Finding:
    """PIE-12: as the amount grows, the unpruned score on PIEs rises and the pruned score on PIEs falls.

    Holds if from the lowest to the highest sparsity the unpruned score rises in at least four
    fifths of the (data set, arch, pruner) curves and the pruned score falls in as many, and more
    than half of the steps between go the same way. In print 62 of 62 and 60 of 62 curves,
    and 80% and 79% of the steps.
    """
    dense = {key: s.dense for key, s in study.on_pies.items() if s.dense is not None}
    pruned = {key: s.pruned for key, s in study.on_pies.items() if s.pruned is not None}
    rising, falling = list(curves(dense).values()), list(curves(pruned).values())
    if not rising or not falling:
        return not_measured("needs scores on PIEs at two sparsities of one pruner at least")
    up, down = sum(c[-1] > c[0] for c in rising), sum(c[-1] < c[0] for c in falling)
    steps_up, steps_down = Steps.along(rising), Steps.along(falling)
    ends = few_exceptions(up, len(rising)) and few_exceptions(down, len(falling))
    between = most(steps_up.rise, steps_up.total) and most(steps_down.fall, steps_down.total)
    return found(
        ends and between,
        f"from the lowest to the highest sparsity the unpruned score on PIEs rises in {up} of {len(rising)} "
        f"curves, the pruned falls in {down} of {len(falling)}; unpruned: {steps_up.text}; pruned: "
        f"{steps_down.text}",
    )


def pruned_bilstm_can_win_on_pies(study: StudyTables) -> Finding:
    """PIE-13: on BiLSTM with light pruning the pruned model can beat the unpruned one on PIEs.

    Holds if it does in at least one BiLSTM cell of a sparsity up to 50% ("can"). In print it does in
    24 of them, and in 42 BiLSTM cells of all amounts.
    """
    told = {
        key: scores.pruned > scores.dense
        for key, scores in study.on_pies.items()
        if study.role(key.arch) == "BiLSTM" and scores.dense is not None and scores.pruned is not None
    }
    light = {key: wins for key, wins in told.items() if key.sparsity <= LIGHT}
    if not light:
        return not_measured("needs a BiLSTM's scores on PIEs at a sparsity up to 50%")
    return found(
        any(light.values()),
        f"pruned BiLSTM ahead on PIEs in {sum(light.values())} of {len(light)} cells up to 50%, in "
        f"{sum(told.values())} of {len(told)} of all sparsities",
    )
