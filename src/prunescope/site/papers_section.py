"""The report's section that puts a study beside the papers: claims, and how far numbers are apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prunescope.analysis.tables.declared import read_table
from prunescope.analysis.tables.papers import ClaimRow, Published, PublishedTest
from prunescope.config.compression import Compression
from prunescope.papers.comparison import SIGN, SIGNIFICANT
from prunescope.papers.measured import grouped
from prunescope.papers.pie import printed as pie
from prunescope.papers.printed import PAPERS, numbers
from prunescope.papers.recall.layouts import RECALL
from prunescope.papers.recall.pvalues import PValues
from prunescope.report import page


class Unit(NamedTuple):
    """Differences of a quantity are shown times ``factor`` with ``digits``; the numbers themselves unscaled."""

    factor: float
    digits: int
    digits_of_numbers: int
    name: str


POINTS = Unit(100, 1, 3, "points")
PLAIN = Unit(1, 2, 3, "")
VARIANCE = Unit(1, 4, 4, "")

#: Quantities of published.csv as a reader knows them; of dense models by how they begin.
QUANTITIES = {
    "pie_share": ("share of PIEs", POINTS),
    "score_mean": ("score, mean over seeds", POINTS),
    "score_std": ("score, standard deviation over seeds", POINTS),
    "dense_score_on_pies": ("score on PIEs, dense", POINTS),
    "pruned_score_on_pies": ("score on PIEs, pruned", POINTS),
    "accuracy": ("accuracy, pruned", POINTS),
    "alpha": ("intensification α", PLAIN),
    "mean_recall_variance": ("variance of recall, pruned", VARIANCE),
    "unpruned_accuracy": ("accuracy, dense", POINTS),
    "unpruned_recall_variance": ("variance of recall, dense", VARIANCE),
}

#: So many of a table's tests whose outcome is another one are named.
_NAMED = 3


def shown_as(quantity: str) -> tuple[str, Unit]:
    """A quantity's name and unit."""
    return QUANTITIES.get(quantity.partition("_for_")[0], (quantity.replace("_", " "), PLAIN))


def of_numbers(tables: Path) -> list[Published]:
    """Rows of published.csv but those of tests."""
    rows = read_table(tables, Published)
    return [row for row in rows if not row.quantity.startswith((SIGNIFICANT, SIGN))]


def section(tables: Path, out: Path) -> dict[str, Any] | None:
    """What the template prints, or None where nothing has been compared.

    Args:
        tables: folder of the cross-study tables; without ``published.csv`` and ``claims.csv`` there is no section.
        out: the page, for its links.
    """
    published, claims = of_numbers(tables), read_table(tables, ClaimRow)
    measured = [claim for claim in claims if claim.verdict != "not measured"]
    if not published and not measured:
        return None
    files = [tables / f"{row.file}.csv" for row in (Published, PublishedTest, ClaimRow)]
    return {
        "measured": measured,
        "open": grouped((claim.evidence, claim) for claim in claims if claim not in measured),
        "n_open": len(claims) - len(measured),
        "holds": sum(claim.verdict == "holds" for claim in measured),
        "papers": PAPERS,
        "numbers": _summary(published),
        "doubtful": _doubtful(published),
        "tests": _tests(read_table(tables, PublishedTest)),
        "links": [{"href": page.link(path, out), "name": path.name} for path in files if path.exists()],
    }


def _summary(rows: Iterable[Published]) -> list[dict[str, Any]]:
    """By table and quantity: cells with both numbers, mean and largest absolute difference."""
    by_quantity = grouped(
        ((row.paper, row.table, shown_as(row.quantity)), (row.difference, row))
        for row in rows
        if row.difference is not None
    )
    found = []
    for (paper, table, (quantity, unit)), differences in by_quantity.items():
        largest, row = max(differences, key=lambda pair: abs(pair[0]))
        mean = sum(abs(difference) for difference, _ in differences) / len(differences)
        found.append(
            {
                "paper": paper,
                "table": table,
                "quantity": quantity,
                "unit": unit.name,
                "cells": len(differences),
                "mean": _shown(mean, unit),
                "largest": _shown(largest, unit, signed=True),
                "where": row,
                **{
                    side: f"{getattr(row, side):.{unit.digits_of_numbers}f}" for side in ("published", "ours")
                },
            }
        )
    return found


def _shown(value: float, unit: Unit, signed: bool = False) -> str:
    """A difference in its unit; with a true minus sign."""
    text = f"{value * unit.factor:{'+' if signed else ''}.{unit.digits}f}"
    if not float(text):
        text = text.lstrip("+-")
    return text.replace("-", "\u2212")


def _tests(rows: Iterable[PublishedTest]) -> list[dict[str, Any]]:
    """By table: tests with an outcome, how many are as significant as printed, and which are not; and of those whose
    sign the paper says, how many have it."""
    compared = {
        number: f"{part.title.removeprefix('p-values, ')}{f', {pruner}' if pruner else ''}"
        for part in RECALL.tables
        if isinstance(part.records, PValues)
        for pruner, number in part.records.numbers.items()
    }
    found = []
    for table, own in grouped((row.table, row) for row in rows).items():
        decided = [row for row in own if row.ours_significant is not None]
        apart = [row for row in decided if row.ours_significant != row.published_significant]
        signed = [row for row in own if row.published_sign is not None and row.ours_sign is not None]
        found.append(
            {
                "table": table,
                "compared": compared[table],
                "tests": len(decided),
                "without": len(own) - len(decided),
                "same": len(decided) - len(apart),
                "significant_here": sum(bool(row.ours_significant) for row in decided),
                "significant_printed": sum(row.published_significant for row in decided),
                "signed": len(signed),
                "same_sign": sum(row.published_sign == row.ours_sign for row in signed),
                "apart": [_named(row) for row in apart[:_NAMED]],
                "more": max(len(apart) - _NAMED, 0),
            }
        )
    return found


def _named(row: PublishedTest) -> str:
    """``mnist · lenet5 · MP · ratio 2 against 4: p 0.001 here, 0.389 printed``."""
    a, b = (
        [*cell[:3], Compression.parse(cell[3]).text]
        for cell in (row.cell_a.split("/"), row.cell_b.split("/"))
    )
    sides = " · ".join(
        one if one == other else f"{one} against {other.removeprefix('ratio ')}"
        for one, other in zip(a, b, strict=True)
    )
    p = row.ours_p or 0.0
    return f"{sides}: p {'<0.001' if p < 0.001 else f'{p:.3f}'} here, {row.published_p} printed"


def _doubtful(rows: Sequence[Published]) -> int:
    """How many of the printed numbers compared are inferred rather than read."""

    def place(row: Any) -> tuple[Any, ...]:
        names = (row.table, row.dataset, row.arch, row.pruner, row.quantity)
        return (*map(str.casefold, names), row.sparsity)

    unsure = {place(number) for number in numbers(pie.PAPER) if number.doubtful}
    return sum(row.paper == pie.PAPER and row.difference is not None and place(row) in unsure for row in rows)
