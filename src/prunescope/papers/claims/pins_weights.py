"""Judge of PINS-12: rank and concentration of pruned matrices (PINS paper, figures 1, 2 and 5)."""

from __future__ import annotations

from prunescope.analysis.tables.declared import percent
from prunescope.analysis.tables.study import StudyTables, groups
from prunescope.analysis.weights.tables import Spread
from prunescope.papers.claims.findings import Finding, found, not_measured
from prunescope.papers.numbers import pins

#: Pruners by the criteria that the claim orders, of the lowest rank first.
ORDER = (pins.PINS, "sensitivity", "GMP")


def rank_falls_with_the_criterion(study: StudyTables) -> Finding:
    """PINS-12: at equal sparsity PINS leaves lower ranks than sensitivity, and sensitivity than magnitude.

    Mean ranks over matrices and seeds. The paper states it without exception, so holds if it does wherever all three
    were measured, and if magnitude's concentration on rows is there the nearest of the three to that of random
    places, which the paper calls close to random without a number.
    """
    cases = {
        place: [by_pruner[name] for name in ORDER]
        for place, by_pruner in groups(study.weights).items()
        if set(ORDER) <= set(by_pruner)
    }
    if not cases:
        return not_measured(
            f"needs measured weights (weight_statistics) of {', '.join(ORDER[:-1])} and {ORDER[-1]} at one sparsity"
        )
    ordered = {place for place, (a, b, c) in cases.items() if a.rank < b.rank < c.rank}
    nearest = {place for place, (a, b, c) in cases.items() if _excess(c) < min(_excess(a), _excess(b))}
    told = "; ".join(
        f"{dataset}, {arch} at {percent(sparsity)}: mean rank "
        f"{' / '.join(f'{one.rank:.1f}' for one in spreads)}, row Gini (of random places) "
        f"{' / '.join(f'{one.row_gini:.2f} ({one.row_gini_random:.2f})' for one in spreads)}"
        for (dataset, arch, sparsity), spreads in list(cases.items())[:4]
    )
    more = f"; and {len(cases) - 4} more" if len(cases) > 4 else ""
    evidence = (
        f"ranks rise from {' to '.join(ORDER)} in {len(ordered)} of {len(cases)} comparisons, {ORDER[-1]} is nearest "
        f"to random places in {len(nearest)} ({' / '.join(ORDER)}: {told}{more})"
    )
    return found(len(ordered) == len(nearest) == len(cases), evidence)


def _excess(spread: Spread) -> float:
    """How far the concentration on rows is from that of random places, either way."""
    return abs(spread.row_gini - spread.row_gini_random)
