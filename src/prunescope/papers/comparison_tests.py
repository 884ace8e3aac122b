"""The recall paper's Tables 1-9 beside a study's own tests between alphas: the rows of published_tests.csv."""

from __future__ import annotations

from prunescope.analysis.alpha.study_alphas import AlphaTest
from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.numbers import recall
from prunescope.papers.numbers.recall import Place, PrintedTest
from prunescope.papers.tables import PublishedTest


def recall_names(study: StudyTables, key: Key) -> tuple[str, str] | None:
    """What the recall paper calls a cell's data set and network; None where it has no such.

    By the data set's source and the network's family and depth; by their names where the study's records
    do not tell these.
    """
    dataset = recall.dataset_name(key.dataset, study.sources.get(key.dataset))
    arch = recall.arch_name(key.arch, study.families.get(key.arch), study.depths.get(key.arch))
    return None if dataset is None or arch is None else (dataset, arch)


def compared_tests(study: StudyTables) -> list[tuple[PrintedTest, AlphaTest]]:
    """Every printed test that the study has made too, in the paper's order, with the study's.

    The study's is turned where its sides stand the other way round: which data set is the easier it reads
    off its own accuracies, the paper from what the data sets are. Of two tests of MP against UP at one
    network, Table 9 takes the one of the family over all sizes, Table 8 the other.
    """
    ours: dict[tuple[Place, Place, bool], list[AlphaTest]] = {}
    for test in study.tests:
        a, b = _place(study, test.a), _place(study, test.b)
        if a is not None and b is not None:
            ours.setdefault((a, b, test.over_sizes), []).append(test)
            ours.setdefault((b, a, test.over_sizes), []).append(test.turned())
    return [
        (printed, test)
        for printed in recall.tests()
        for test in ours.get((printed.a, printed.b, printed.table == "9"), ())
    ]


def test_rows(study: StudyTables) -> list[PublishedTest]:
    """A row per compared test. ``published_p`` and ``ours_p`` are corrected, each within its own family."""
    return [
        PublishedTest(
            paper=recall.PAPER,
            table=printed.table,
            varied=printed.varied,
            cell_a=ours.places[0],
            cell_b=ours.places[1],
            alternative=printed.alternative,
            published_p=printed.text,
            ours_p=ours.p_corrected,
            published_significant=printed.significant,
            ours_significant=None if ours.p_value is None else ours.significant,
            published_sign=printed.sign,
            ours_sign=ours.sign,
            published_family_size=printed.family_size,
            ours_family_size=ours.family_size,
            n_a=ours.n_a,
            n_b=ours.n_b,
            note=ours.note,
        )
        for printed, ours in compared_tests(study)
    ]


def _place(study: StudyTables, key: Key) -> Place | None:
    """The cell of the paper's grid that a cell is; None where it is none."""
    names, reached = recall_names(study, key), study.ratio(key)
    if names is None or reached is None:
        return None
    for ratio in recall.RATIOS:
        if recall.same_ratio(reached, ratio):
            return Place(*names, key.pruner, ratio)
    return None
