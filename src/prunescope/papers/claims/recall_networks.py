"""Judges of REC-04 and REC-05: alpha by size of the network and by data set (sections 7.2, 7.3; Tables 5-7)."""

from __future__ import annotations

from prunescope.analysis.alpha.study_alphas import AlphaTest
from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.claims.findings import Finding, few_exceptions, found, most, not_measured
from prunescope.papers.claims.recall_words import (
    HIGH,
    LOW,
    SELECTIVE,
    at_least,
    at_most,
    count,
    models,
    some,
    with_outcome,
)
from prunescope.papers.numbers import recall


def smaller_networks_intensify_more(study: StudyTables) -> Finding:
    """REC-04: smaller networks show more intensification at high ratios but rarely at low ratios.

    Tests between neighbouring sizes with MP, GP or UP. Holds if more than half of those at ratios from 15 on
    find that alpha is larger in the smaller network, and at most a fifth of those up to 4 do ("rarely"). In
    print 14 of 16 and 2 of 16 (Tables 5 and 6).
    """
    ratios = study.pruning_ratios
    sizes = with_outcome(study, ("arch",), lambda test: test.a.pruner in SELECTIVE and test.a in ratios)
    low = [test for test in sizes if at_most(ratios[test.a], LOW)]
    high = [test for test in sizes if at_least(ratios[test.a], HIGH)]
    if not low or not high:
        missing = ""
        if sizes:
            missing = f" up to {LOW:g}" if not low else f" from {HIGH:g} on"
        return not_measured(
            "needs two models of networks of one kind and two sizes at equal data set, pruner and ratio"
            + missing
        )
    networks = sorted({key.arch for test in (*low, *high) for key in (test.a, test.b)})
    return found(
        most(sum(test.significant for test in high), len(high))
        and few_exceptions(sum(not test.significant for test in low), len(low)),
        f"alpha significantly larger in the smaller of two networks in {count(high)} tests from ratio {HIGH:g} on, "
        f"in {count(low)} up to ratio {LOW:g} ({', '.join(networks)}; {models((*low, *high))})",
    )


def harder_datasets_intensify_more(study: StudyTables) -> Finding:
    """REC-05: more difficult data sets show more intensification, at ratios that depend on the pair.

    Tests between data sets of neighbouring complexity with MP, GP or UP; data sets that share a network and
    have as many classes are not of different complexity (section 7.3). Which of two is the more difficult
    is the paper's word where it has both, else the unpruned accuracy's. Holds if at least four fifths of the
    pairs (of data sets, at one pruner) have a ratio at which alpha is significantly larger for the more
    difficult one. In print 3 of 3 pairs, by 8 of 15 tests (Table 7).
    """
    tests = [
        _to_the_harder(study, test)
        for test in with_outcome(study, ("dataset",), lambda test: test.a.pruner in SELECTIVE)
        if not _comparable(study, test)
    ]
    if not tests:
        return not_measured(
            "needs two models of two data sets of different complexity at equal pruner and ratio"
        )
    pairs: dict[tuple[str, str, str], list[AlphaTest]] = {}
    for test in tests:
        pairs.setdefault((test.a.dataset, test.b.dataset, test.a.pruner), []).append(test)
    told = []
    for (easier, harder, pruner), own in pairs.items():
        compressions = [_compression(test) for test in own if test.significant]
        at = f"at {', '.join(compressions)}" if compressions else "at no amount"
        told.append(f"{easier} below {harder} with {pruner} {at}")
    held = sum(any(test.significant for test in own) for own in pairs.values())
    return found(
        few_exceptions(held, len(pairs)),
        f"alpha significantly larger for the more difficult data set at some amount in {held} of {len(pairs)} pairs, "
        f"in {count(tests)} tests ({models(tests)}): {some(told, 6)}",
    )


def _comparable(study: StudyTables, test: AlphaTest) -> bool:
    """Whether neither data set counts as the more difficult."""
    a, b = _complexity(study, test.a), _complexity(study, test.b)
    return not test.of_table_7 if a is None or b is None else a == b


def _to_the_harder(study: StudyTables, test: AlphaTest) -> AlphaTest:
    a, b = _complexity(study, test.a), _complexity(study, test.b)
    return test.turned() if a is not None and b is not None and a > b else test


def _complexity(study: StudyTables, key: Key) -> int | None:
    """The paper's; None of a data set that it does not have."""
    name = recall.dataset_name(key.dataset, study.sources.get(key.dataset))
    return None if name is None else recall.COMPLEXITY[name]


def _compression(test: AlphaTest) -> str:
    """``ratio 10``: how the name of the test's family ends."""
    return test.family.rpartition(", ")[2]
