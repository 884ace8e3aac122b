"""A study's numbers beside those that papers print: the rows of published.csv."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.comparison_tests import compared_tests, recall_names
from prunescope.papers.numbers import pie, pins, recall
from prunescope.papers.numbers.printed import PrintedNumber
from prunescope.papers.tables import Published

#: What a paper calls a cell's data set and network; None where it has no such.
Namer = Callable[[StudyTables, Key], tuple[str, str] | None]


def pins_names(study: StudyTables, key: Key) -> tuple[str, str] | None:
    """What the PINS paper calls a cell's data set and network, by its source and its name."""
    dataset = pins.dataset_name(key.dataset, study.sources.get(key.dataset))
    arch = pins.arch_name(key.arch)
    return None if dataset is None or arch is None else (dataset, arch)


#: Printed numbers, and whose cells they are of, by paper. A paper joins by naming the two functions.
PAPERS: dict[str, tuple[Callable[[], Iterable[PrintedNumber]], Namer]] = {
    pie.PAPER: (pie.printed, lambda _, key: (key.dataset, key.arch)),
    pins.PAPER: (pins.printed, pins_names),
    recall.PAPER: (recall.printed, recall_names),
}


def _score(study: StudyTables, key: Key, part: Literal["mean", "std"]) -> float | None:
    row = study.scores.get(key)
    return getattr(row, part) if row else None


def _on_pies(study: StudyTables, key: Key, side: Literal["dense", "pruned"]) -> float | None:
    row = study.on_pies.get(key)
    return getattr(row, side) if row else None


def _own(metric: str) -> Callable[[StudyTables, Key], float | None]:
    return lambda study, key: study.own.get(key, {}).get(metric)


def _dense_variance(study: StudyTables, key: Key) -> float | None:
    return study.variances.get(study.dense(key))


#: How a study answers to a quantity; of an unpruned model whichever pruner it was printed for.
QUANTITIES: Mapping[str, Callable[[StudyTables, Key], float | None]] = {
    "pie_share": lambda study, key: study.pie_shares.get(key),
    "score_mean": lambda study, key: _score(study, key, "mean"),
    "score_std": lambda study, key: _score(study, key, "std"),
    "dense_score_on_pies": lambda study, key: _on_pies(study, key, "dense"),
    "pruned_score_on_pies": lambda study, key: _on_pies(study, key, "pruned"),
    **{metric: _own(metric) for metric in ("precision", "recall", "rouge_l", "meteor", "bleurt")},
    "accuracy": lambda study, key: study.score(key),
    "alpha": lambda study, key: study.alphas[key].mean if key in study.alphas else None,
    "mean_recall_variance": lambda study, key: study.variances.get(key),
    **dict.fromkeys((f"unpruned_accuracy_for_{p}" for p in recall.PRUNERS), StudyTables.score),
    **dict.fromkeys((f"unpruned_recall_variance_for_{p}" for p in recall.CLASSIC), _dense_variance),
}


def published_rows(study: StudyTables) -> list[Published]:
    """A row per printed number whose cell the study has run, in the papers' order; then the printed tests.

    A cell is the paper's if it is of the paper's data set, network (PIE: by name, in whatever case; PINS:
    ``pins_names``; recall: ``recall_names``) and pruner, at its sparsity or ratio (``PrintedNumber.tolerance``; the
    nearest counts), and the scores measure the same.
    """
    rows: list[Published] = []
    tried = {key[:3] for key in study.cells}
    for numbers, namer in PAPERS.values():
        cells: dict[tuple[str, str, str], dict[tuple[str, str], list[Key]]] = {}
        for key in sorted({*study.cells, *study.scores, *study.variances}):
            names = namer(study, key)
            if names is not None:
                place = (names[0].casefold(), names[1].casefold(), key.pruner)
                cells.setdefault(place, {}).setdefault(key[:2], []).append(key)
        for number in numbers():
            place = (number.dataset.casefold(), number.arch.casefold(), number.pruner)
            for own in cells.get(place, {}).values():
                near = _nearest(study, number, own)
                if near is not None and (number.only_with is None or (*near[:2], number.only_with) in tried):
                    rows.append(_row(number, near, QUANTITIES[number.quantity](study, near)))
    return [*rows, *_test_rows(study)]


def _nearest(study: StudyTables, number: PrintedNumber, keys: Iterable[Key]) -> Key | None:
    apart = {
        key: distance
        for key in keys
        if study.metric(key) == number.metric
        and (distance := number.distance(key.sparsity, study.ratio(key))) is not None
    }
    return min(apart, key=lambda key: (apart[key], key)) if apart else None


def _row(number: PrintedNumber, key: Key, ours: float | None) -> Published:
    difference = None if ours is None else ours - number.value
    return Published(number.paper, number.table, *key, number.quantity, number.value, ours, difference)


def _test_rows(study: StudyTables) -> Iterator[Published]:
    """Two rows per printed test: of significance (1 or 0) and, where the paper says it, of the sign (1, -1).

    The cell is the test's first side; the quantity names the second.
    """
    for printed, ours in compared_tests(study):
        against = f"{printed.varied} {_side(ours.a, printed.a, printed.varied)} "
        against += f"{_RELATION[printed.alternative]} {_side(ours.b, printed.b, printed.varied)}"
        own = None if ours.p_value is None else float(ours.significant)
        told: list[tuple[str, float, float | None]] = [
            (f"{SIGNIFICANT}{against}", float(printed.significant), own)
        ]
        if printed.sign is not None:
            told.append((f"{SIGN}{against}", float(printed.sign), _float(ours.sign)))
        for quantity, value, our in told:
            difference = None if our is None else our - value
            yield Published(recall.PAPER, printed.table, *ours.a, quantity, value, our, difference)


#: How quantities of tests begin.
SIGNIFICANT, SIGN = "significant at 0.05: ", "sign of the difference: "

_RELATION = {"less": "<", "greater": ">", "two-sided": "!="}


def _side(key: Key, place: recall.Place, varied: str) -> str:
    return f"{place.ratio:g}" if varied == "ratio" else str(getattr(key, varied))


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)
