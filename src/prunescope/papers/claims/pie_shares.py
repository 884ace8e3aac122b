"""Judges of PIE-01 to PIE-04: how many examples are PIEs (PIE paper, section 4.1, Table 4)."""

from __future__ import annotations

from prunescope.analysis.tables.study import StudyTables, curves, groups, percent
from prunescope.papers.claims.findings import Finding, Steps, few_exceptions, found, mean, not_measured


def pies_rise_with_sparsity(study: StudyTables) -> Finding:
    """PIE-01: PIE share rises with the amount pruned for every pruner, with few exceptions.

    Holds if at most a fifth of the steps between neighbouring sparsities of a (data set, arch,
    pruner) fall, and more of every pruner's steps rise than fall. In print 18 of 256 fall (7%);
    equal ones, which rounding to whole percents makes, speak neither way.
    """
    along = curves(study.pie_shares)
    if not along:
        return not_measured("needs at least two sparsities of one pruner")
    steps = Steps.along(along.values())
    against = []
    for pruner in sorted({curve[2] for curve in along}):
        own = Steps.along(values for curve, values in along.items() if curve[2] == pruner)
        if own.rise <= own.fall:
            against.append(pruner)
    evidence = f"{steps.text}, over {len(along)} curves"
    if against:
        evidence += f"; not more steps rise than fall with {', '.join(against)}"
    return found(few_exceptions(steps.total - steps.fall, steps.total) and not against, evidence)


def pies_always_exist(study: StudyTables) -> Finding:
    """PIE-02: there is always a subset of data points on which pruned and unpruned models disagree.

    Holds if every cell has PIEs ("always" allows no exception, and there is none in print).
    """
    if not study.pie_shares:
        return not_measured("no pruned network of the paper's kind was run")
    key, least = min(study.pie_shares.items(), key=lambda item: (item[1], item[0]))
    some = sum(share > 0 for share in study.pie_shares.values())
    return found(
        some == len(study.pie_shares),
        f"{some} of {len(study.pie_shares)} cells have PIEs; smallest share {percent(least)} ({key.text})",
    )


def more_pies_in_bert(study: StudyTables) -> Finding:
    """PIE-03: the PIE share is larger for BERT than for BiLSTM.

    Holds if it is larger in at least four fifths of the pairs at equal data set, pruner and
    sparsity; equal ones speak against it. In print it is larger in 138 of 160 (86%).
    """
    pairs = study.pairs(study.pie_shares)
    if not pairs:
        return not_measured("needs a BERT-like encoder and a BiLSTM at equal data set, pruner and sparsity")
    larger = sum(bert > bilstm for _, bert, bilstm in pairs)
    equal = sum(bert == bilstm for _, bert, bilstm in pairs)
    return found(
        few_exceptions(larger, len(pairs)),
        f"larger for {study.playing('BERT')} than for {study.playing('BiLSTM')} in {larger} of "
        f"{len(pairs)} pairs, equal in {equal}, smaller in {len(pairs) - larger - equal}",
    )


def best_pruner_has_fewer_pies(study: StudyTables) -> Finding:
    """PIE-04: at each amount the pruner with the best score has fewer PIEs than that with the worst.

    Holds if that is so in at least four fifths of the (data set, arch, sparsity) groups in which
    every pruner that has a PIE share has a score too, and the scores are not all equal; of tied
    pruners the mean PIE share counts. In print it is so in 32 of 34 groups (94%).
    """
    scores = groups({key: score for key in study.cells if (score := study.score(key)) is not None})
    told, fewer, exceptions = 0, 0, []
    for where, shares in groups(study.pie_shares).items():
        known = scores.get(where, {})
        if not shares.keys() <= known.keys():
            continue
        values = [known[pruner] for pruner in shares]
        low, high = min(values), max(values)
        if low == high:
            continue
        best, worst = (
            mean(share for pruner, share in shares.items() if known[pruner] == end) for end in (high, low)
        )
        told += 1
        if best < worst:
            fewer += 1
        else:
            exceptions.append(f"{where[0]} {where[1]} at {percent(where[2])}")
    if not told:
        return not_measured("needs at least two pruners with different scores at equal sparsity")
    evidence = f"so in {fewer} of {told} groups of data set, network and sparsity"
    if exceptions:
        shown = ", ".join(exceptions[:4]) + (f" and {len(exceptions) - 4} more" if exceptions[4:] else "")
        evidence += f"; not in {shown}"
    return found(few_exceptions(fewer, told), evidence)
