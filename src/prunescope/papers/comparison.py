"""A study's numbers and tests beside those that papers print: the rows of published.csv and published_tests.csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prunescope.analysis.tables.declared import Key
from prunescope.analysis.tables.papers import Published, PublishedTest
from prunescope.papers.measured import QUANTITIES, Measured, grouped
from prunescope.papers.pie import printed as pie
from prunescope.papers.pins import printed as pins
from prunescope.papers.printed import PAPERS, UNLIKE, PrintedNumber, numbers
from prunescope.papers.recall import printed as recall
from prunescope.papers.recall.alpha_tests import AlphaTest
from prunescope.papers.recall.printed import Cell, PrintedTest

#: How quantities of tests begin.
SIGNIFICANT, SIGN = "significant at 0.05: ", "sign of the difference: "

_RELATION = {"less": "<", "greater": ">", "two-sided": "!="}

#: What a paper calls a cell's data set and model; None for what it does not have.
Names = tuple[str | None, str | None]


def names_of(paper: str, study: Measured, key: Key) -> Names:
    """What a paper calls a cell's data set and model.

    By the data set's source and, in the recall paper, the model's family and depth; by their names where these are not
    recorded. The PIE paper's are the study's own.
    """
    if paper == pie.PAPER:
        return key[:2]
    source = study.sources.get(key.dataset)
    if paper == pins.PAPER:
        return pins.dataset_name(key.dataset, source), pins.arch_name(key.arch)
    arch = recall.arch_name(key.arch, study.families.get(key.arch), study.depths.get(key.arch))
    return recall.dataset_name(key.dataset, source), arch


def published_rows(study: Measured) -> list[Published]:
    """A row per printed number whose cell the study has run, in the papers' order; then the printed tests.

    A cell is the paper's if it has the paper's data set and model (``names_of``, in whatever case) and pruner, and its
    sparsity or ratio (within ``PrintedNumber.tolerance``; the nearest counts), and the scores measure the same.
    """
    rows: list[Published] = []
    tried = {key[:3] for key in study.cells}
    for paper in PAPERS:
        named = [(*names_of(paper, study, key), key) for key in sorted(study.keys)]
        cells = grouped(
            ((dataset.casefold(), arch.casefold(), key.pruner), key)
            for dataset, arch, key in named
            if dataset and arch
        )
        for number in numbers(paper):
            own = cells.get((number.dataset.casefold(), number.arch.casefold(), number.pruner), ())
            for keys in grouped((key[:2], key) for key in own).values():
                near = _nearest(study, number, keys)
                if near is not None and (number.only_with is None or (*near[:2], number.only_with) in tried):
                    ours = study[_ours(number.quantity)].get(near)
                    rows.append(_row(paper, number.table, near, number.quantity, number.value, ours))
    return [*rows, *_rows_of_tests(study)]


def _nearest(study: Measured, number: PrintedNumber, keys: Sequence[Key]) -> Key | None:
    apart = {
        key: distance
        for key in keys
        if study.metric(key) == number.metric
        and (distance := number.distance(key.sparsity, study.ratio(key))) is not None
    }
    return min(apart, key=lambda key: (apart[key], key)) if apart else None


def _ours(quantity: str) -> str:
    """The study's quantity that a printed one stands beside."""
    if quantity == "accuracy" or quantity.startswith("unpruned_accuracy_for_"):
        return "score_mean"
    if quantity.startswith("unpruned_recall_variance_for_"):
        return "mean_recall_variance"
    return quantity if quantity in QUANTITIES else f"task_metrics.{quantity}"


def _row(paper: str, table: str, key: Key, quantity: str, published: float, ours: float | None) -> Published:
    difference = None if ours is None or quantity in UNLIKE else ours - published
    return Published(paper, table, *key, quantity, published, ours, difference)


def _rows_of_tests(study: Measured) -> Iterator[Published]:
    """Two rows per printed test: of significance (1 or 0) and, where the paper says it, of the sign (1, -1).

    The cell is the test's first side; the quantity names the second.
    """
    for printed, ours in compared_tests(study):
        sides = f"{_RELATION[printed.alternative]}".join(
            f" {side.ratio:g} " if printed.varied == "ratio" else f" {getattr(key, printed.varied)} "
            for side, key in ((printed.a, ours.a), (printed.b, ours.b))
        )
        against = f"{printed.varied}{sides}".rstrip()
        own = None if ours.p_value is None else float(ours.significant)
        yield _row(
            recall.PAPER, printed.table, ours.a, SIGNIFICANT + against, float(printed.significant), own
        )
        if printed.sign is not None:
            own = None if ours.sign is None else float(ours.sign)
            yield _row(recall.PAPER, printed.table, ours.a, SIGN + against, float(printed.sign), own)


def compared_tests(study: Measured) -> list[tuple[PrintedTest, AlphaTest]]:
    """Every printed test that the study has made too, in the paper's order, with the study's.

    The study's is turned where its sides stand the other way round: which data set is the easier it reads off its own
    accuracies, the paper from what the data sets are. Of two tests of MP against UP at one model, Table 9 takes the
    one of the family over all sizes, Table 8 the other.
    """
    cells = {key: _cell(study, key) for test in study.tests for key in (test.a, test.b)}
    turned = (one for test in study.tests for one in (test, test.turned()))
    ours = grouped(((cells[test.a], cells[test.b], test.over_sizes), test) for test in turned)
    return [
        (printed, test)
        for printed in recall.tests()
        for test in ours.get((printed.a, printed.b, printed.table == "9"), ())
    ]


def test_rows(study: Measured) -> Iterator[PublishedTest]:
    """A row per compared test. ``published_p`` and ``ours_p`` are corrected, each within its own family."""
    for printed, ours in compared_tests(study):
        significant = None if ours.p_value is None else ours.significant
        yield PublishedTest(
            recall.PAPER, printed.table, printed.varied, *ours.cells, printed.alternative, printed.p_corrected,
            ours.p_corrected, printed.significant, significant, printed.sign, ours.sign, printed.family_size,
            ours.family_size, ours.n_a, ours.n_b, ours.note,
        )  # fmt: skip


def _cell(study: Measured, key: Key) -> Cell | None:
    """The cell of the paper's grid that a cell is; None where it is none."""
    (dataset, arch), reached = names_of(recall.PAPER, study, key), study.ratio(key)
    if dataset is None or arch is None or reached is None:
        return None
    near = (ratio for ratio in recall.RATIOS if recall.same_ratio(reached, ratio))
    return next((Cell(dataset, arch, key.pruner, ratio) for ratio in near), None)
