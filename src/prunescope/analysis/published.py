"""A study's numbers beside those that papers print: the rows of published.csv."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from prunescope.analysis.study_tables import Key, StudyTables
from prunescope.published import pie
from prunescope.published.printed import PrintedNumber

COLUMNS = (
    "paper",
    "table",
    "dataset",
    "arch",
    "pruner",
    "sparsity",
    "quantity",
    "published",
    "ours",
    "difference",
)

#: Printed numbers, by paper. A paper joins by naming the function that yields its own.
PAPERS: dict[str, Callable[[], Iterable[PrintedNumber]]] = {pie.PAPER: pie.printed}

#: Two spellings of one sparsity differ by less.
_SAME = 1e-9


class Row(NamedTuple):
    """One of ``COLUMNS``; names are the study's. ``ours`` is None where it does not exist, such as a
    standard deviation over one seed."""

    paper: str
    table: str
    dataset: str
    arch: str
    pruner: str
    sparsity: float
    quantity: str
    published: float
    ours: float | None
    difference: float | None


def _score(study: StudyTables, key: Key, part: Literal["mean", "std"]) -> float | None:
    row = study.scores.get(key)
    return getattr(row, part) if row else None


def _on_pies(study: StudyTables, key: Key, side: Literal["dense", "pruned"]) -> float | None:
    row = study.on_pies.get(key)
    return getattr(row, side) if row else None


#: How a study answers to a quantity.
QUANTITIES: Mapping[str, Callable[[StudyTables, Key], float | None]] = {
    "pie_share": lambda study, key: study.pie_shares.get(key),
    "score_mean": lambda study, key: _score(study, key, "mean"),
    "score_std": lambda study, key: _score(study, key, "std"),
    "dense_score_on_pies": lambda study, key: _on_pies(study, key, "dense"),
    "pruned_score_on_pies": lambda study, key: _on_pies(study, key, "pruned"),
}


def published_rows(study: StudyTables) -> list[Row]:
    """A row per printed number whose cell the study has run, in the papers' order.

    A cell is the paper's if data set and arch have its names, in whatever case, the scores measure
    the same, and pruner and sparsity are equal.
    """
    cells: dict[tuple[str, str, str], list[Key]] = {}
    for key in sorted({*study.cells, *study.scores}):
        cells.setdefault((key.dataset.casefold(), key.arch.casefold(), key.pruner), []).append(key)
    rows = []
    for numbers in PAPERS.values():
        for number in numbers():
            place = (number.dataset.casefold(), number.arch.casefold(), number.pruner)
            for key in cells.get(place, ()):
                if abs(key.sparsity - number.sparsity) < _SAME and study.metric(key) == number.metric:
                    rows.append(_row(number, key, QUANTITIES[number.quantity](study, key)))
    return rows


def _row(number: PrintedNumber, key: Key, ours: float | None) -> Row:
    difference = None if ours is None else ours - number.value
    return Row(number.paper, number.table, *key, number.quantity, number.value, ours, difference)
