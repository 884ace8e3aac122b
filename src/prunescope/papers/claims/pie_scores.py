"""Judges of PIE-05 to PIE-09: what pruning costs on all examples (PIE paper, section 4.1, Table 9)."""

from __future__ import annotations

from prunescope.analysis.tables.study import StudyTables, groups, percent
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.claims.findings import Finding, found, mean, most, not_measured

BEST = "IIBP-FT"

#: Up to here a score's drop is little. In print 77% of the cells up to 50% lose no more.
LITTLE = 0.05

#: Where "up to 50%" ends and "at 70-99%" begins.
LIGHT, HEAVY = 0.5, 0.7

_PAIR = "a BERT-like encoder and a BiLSTM at equal data set"


def iibp_ft_loses_least(study: StudyTables) -> Finding:
    """PIE-05: iterative impact pruning with fine-tuning loses the least score overall.

    Holds if its mean drop is smaller than every other pruner's over the cells (data set, arch,
    sparsity) that both have, so that no pruner is judged on easier cells. In print: 0.054 over all
    legible cells, the next 0.099.
    """
    by_cell = groups(study.drops())
    others = sorted({pruner for drops in by_cell.values() for pruner in drops if BEST in drops} - {BEST})
    if not others:
        return not_measured(f"needs {BEST} and another pruner at equal data set, network and sparsity")
    means = {}
    for pruner in others:
        both = [drops for drops in by_cell.values() if BEST in drops and pruner in drops]
        means[pruner] = (mean(d[BEST] for d in both), mean(d[pruner] for d in both), len(both))
    beaten = sum(own < other for own, other, _ in means.values())
    closest = min(others, key=lambda pruner: (means[pruner][1] - means[pruner][0], pruner))
    own, other, cells = means[closest]
    contests = [drops for drops in by_cell.values() if BEST in drops and len(drops) == len(others) + 1]
    evidence = (
        f"mean drop smaller than that of {beaten} of {len(others)} other pruners; the one that comes "
        f"closest or is ahead is {closest} ({BEST} {own:.3f}, {closest} {other:.3f}, over {cells} cells)"
    )
    if contests:
        first = sum(drops[BEST] == min(drops.values()) for drops in contests)
        evidence += f"; smallest drop of all in {first} of {len(contests)} cells that have every pruner"
    return found(beaten == len(others), evidence)


def iibp_ft_beats_unpruned_bilstm(study: StudyTables) -> Finding:
    """PIE-06: IIBP-FT sometimes outperforms the unpruned BiLSTM.

    Holds if a BiLSTM's mean score with it is above the unpruned mean in at least one cell
    ("sometimes"). In print in seven.
    """
    drops = {k: d for k, d in study.drops().items() if k.pruner == BEST and study.role(k.arch) == "BiLSTM"}
    if not drops:
        return not_measured(f"needs a BiLSTM, unpruned and pruned with {BEST}")
    above = [key for key, drop in drops.items() if drop < 0]
    evidence = f"above the unpruned BiLSTM in {len(above)} of {len(drops)} cells"
    if above:
        evidence += f" ({', '.join(f'{key.dataset} at {percent(key.sparsity)}' for key in above)})"
    return found(bool(above), evidence)


def unpruned_bert_is_better(study: StudyTables) -> Finding:
    """PIE-07: unpruned BERT beats unpruned BiLSTM on every data set.

    Holds if its mean score is higher on every data set that has both ("every" allows no exception).
    """
    dense = {key: row.mean for key, row in study.scores.items() if key.pruner == NO_PRUNER}
    pairs = study.pairs({key: mean for key, mean in dense.items() if mean is not None})
    if not pairs:
        return not_measured(f"needs {_PAIR}")
    better = sum(bert > bilstm for _, bert, bilstm in pairs)
    numbers = ", ".join(f"{key.dataset} {bert:.3f}/{bilstm:.3f}" for key, bert, bilstm in pairs)
    return found(
        better == len(pairs),
        f"{study.playing('BERT')} better in {better} of {len(pairs)} comparisons with "
        f"{study.playing('BiLSTM')}: {numbers}",
    )


def pruning_hurts_bert_more(study: StudyTables) -> Finding:
    """PIE-08: pruning hurts BERT more than BiLSTM, above all at 70-99%.

    Holds if BERT's mean drop is above 0 and above BiLSTM's over all pairs at equal data set, pruner
    and sparsity, and the difference between the drops is larger at 70-99% than below. In print BERT loses 0.018 more at
    20% and 0.261 more at 99%.
    """
    pairs = study.pairs(study.drops())
    heavy = [(bert, bilstm) for key, bert, bilstm in pairs if HEAVY <= key.sparsity <= 0.99]
    light = [(bert, bilstm) for key, bert, bilstm in pairs if key.sparsity < HEAVY]
    if not heavy or not light:
        missing = _PAIR if not pairs else f"sparsities {'of 70-99%' if not heavy else 'below 70%'}"
        return not_measured(f"needs {missing}")
    # The sides' mean drops: over all pairs, at 70-99%, and below.
    total, above, below = (
        (mean(b for b, _ in part), mean(c for _, c in part))
        for part in ([(b, c) for _, b, c in pairs], heavy, light)
    )
    return found(
        total[0] > max(total[1], 0) and above[0] - above[1] > below[0] - below[1],
        f"mean drop of {study.playing('BERT')} {total[0]:.3f} against {total[1]:.3f} of "
        f"{study.playing('BiLSTM')} over {len(pairs)} pairs; at 70-99% {above[0]:.3f} against "
        f"{above[1]:.3f}, below {below[0]:.3f} against {below[1]:.3f}",
    )


def light_pruning_costs_little(study: StudyTables) -> Finding:
    """PIE-09: pruning up to 50% costs little for most pruners.

    A pruner costs little if the mean drop of its cells up to 50% is at most 0.05; holds if more
    than half of the pruners do. In print seven of eight, and 77% of the cells lose at most 0.05.
    """
    drops = {key: drop for key, drop in study.drops().items() if key.sparsity <= LIGHT}
    if not drops:
        return not_measured("needs sparsities up to 50%")
    by_pruner: dict[str, list[float]] = {}
    for key, drop in drops.items():
        by_pruner.setdefault(key.pruner, []).append(drop)
    cheap = sum(mean(values) <= LITTLE for values in by_pruner.values())
    cells = sum(drop <= LITTLE for drop in drops.values())
    return found(
        most(cheap, len(by_pruner)),
        f"mean drop at most {LITTLE:g} with {cheap} of {len(by_pruner)} pruners; {cells} of {len(drops)} "
        f"cells up to 50% lose at most {LITTLE:g}",
    )
