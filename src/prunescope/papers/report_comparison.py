"""The report's section that puts a study beside the papers: claims, and how far numbers are apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prunescope.analysis.csv_text import number, read_csv
from prunescope.config.compression import Compression
from prunescope.papers.comparison import SIGN, SIGNIFICANT
from prunescope.papers.measured import grouped
from prunescope.papers.pie import printed as pie
from prunescope.papers.printed import PAPERS, numbers
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
    "dense_score_on_pies": ("score on PIEs, unpruned", POINTS),
    "pruned_score_on_pies": ("score on PIEs, pruned", POINTS),
    "accuracy": ("accuracy, pruned", POINTS),
    "alpha": ("intensification α", PLAIN),
    "mean_recall_variance": ("variance of recall, pruned", VARIANCE),
    "unpruned_accuracy": ("accuracy, unpruned", POINTS),
    "unpruned_recall_variance": ("variance of recall, unpruned", VARIANCE),
}

#: What each of the recall paper's tables of tests compares.
COMPARED = {
    "1": "neighbouring ratios, MP, by size of the network",
    "2": "neighbouring ratios, UP, by size of the network",
    "3": "neighbouring ratios, MP, by data set",
    "4": "neighbouring ratios, by pruner",
    "5": "neighbouring sizes of the network, MP",
    "6": "neighbouring sizes of the network, UP",
    "7": "data sets of neighbouring complexity, MP",
    "8": "pruners",
    "9": "MP and UP at every size of the network",
}

#: So many of a table's tests whose outcome is another one are named.
_NAMED = 3


def shown_as(quantity: str) -> tuple[str, Unit]:
    """A quantity's name and unit."""
    return QUANTITIES.get(quantity.partition("_for_")[0], (quantity.replace("_", " "), PLAIN))


def of_numbers(path: Path) -> list[dict[str, str]]:
    """Rows of published.csv but those of tests."""
    return [row for row in read_csv(path) if not row["quantity"].startswith((SIGNIFICANT, SIGN))]


def section(tables: Path, out: Path) -> dict[str, Any] | None:
    """What the template prints, or None where nothing has been compared.

    Args:
        tables: folder of the cross-study tables; without ``published.csv`` and ``claims.csv`` there is no section.
        out: the page, for its links.
    """
    published, tests, claims = (tables / f"{name}.csv" for name in ("published", "published_tests", "claims"))
    if not published.exists() or not claims.exists():
        return None
    compared, checked = read_csv(published), read_csv(claims)
    measured = [claim for claim in checked if claim["verdict"] != "not measured"]
    if not compared and not measured:
        return None
    waiting = grouped((claim["evidence"], claim) for claim in checked if claim["verdict"] == "not measured")
    return {
        "measured": measured,
        "open": waiting,
        "n_open": len(checked) - len(measured),
        "holds": sum(claim["verdict"] == "holds" for claim in measured),
        "papers": PAPERS,
        "numbers": _summary(of_numbers(published)),
        "doubtful": _doubtful(compared),
        "tests": _tests(read_csv(tests)) if tests.exists() else [],
        "links": [
            {"href": page.link(path, out), "name": path.name}
            for path in (published, tests, claims)
            if path.exists()
        ],
    }


def _summary(rows: Iterable[dict[str, str]]) -> list[dict[str, Any]]:
    """By table and quantity: cells with both numbers, mean and largest absolute difference."""
    known = [(row, number(row["difference"])) for row in rows]
    by_quantity = grouped(
        ((row["paper"], row["table"], shown_as(row["quantity"])), (difference, row))
        for row, difference in known
        if difference is not None
    )
    found = []
    for (paper, table, (quantity, unit)), differences in by_quantity.items():
        largest, row = max(differences, key=lambda pair: abs(pair[0]))
        found.append(
            {
                "paper": paper,
                "table": table,
                "quantity": quantity,
                "unit": unit.name,
                "cells": len(differences),
                "mean": _shown(sum(abs(d) for d, _ in differences) / len(differences), unit),
                "largest": _shown(largest, unit, signed=True),
                "where": {name: row[name] for name in ("dataset", "arch", "pruner")},
                "sparsity": float(row["sparsity"]),
                **{side: f"{float(row[side]):.{unit.digits_of_numbers}f}" for side in ("published", "ours")},
            }
        )
    return found


def _shown(value: float, unit: Unit, signed: bool = False) -> str:
    """A difference in its unit; with a true minus sign."""
    text = f"{value * unit.factor:{'+' if signed else ''}.{unit.digits}f}"
    if not float(text):
        text = text.lstrip("+-")
    return text.replace("-", "\u2212")


def _tests(rows: Iterable[dict[str, str]]) -> list[dict[str, Any]]:
    """By table: tests with an outcome, how many are as significant as printed, and which are not; and of those whose
    sign the paper says, how many have it."""
    by_table = grouped((row["table"], row) for row in rows)
    found = []
    for table, own in by_table.items():
        decided = [row for row in own if row["ours_significant"]]
        apart = [row for row in decided if row["ours_significant"] != row["published_significant"]]
        signed = [row for row in own if row["published_sign"] and row["ours_sign"]]
        found.append(
            {
                "table": table,
                "compared": COMPARED[table],
                "tests": len(decided),
                "without": len(own) - len(decided),
                "same": len(decided) - len(apart),
                "significant_here": sum(row["ours_significant"] == "true" for row in decided),
                "significant_printed": sum(row["published_significant"] == "true" for row in decided),
                "signed": len(signed),
                "same_sign": sum(row["published_sign"] == row["ours_sign"] for row in signed),
                "apart": [_named(row) for row in apart[:_NAMED]],
                "more": max(len(apart) - _NAMED, 0),
            }
        )
    return found


def _named(row: dict[str, str]) -> str:
    """``mnist · lenet5 · MP · ratio 2 against 4: p 0.001 here, 0.389 printed``."""
    a, b = (
        [*cell[:3], Compression.parse(cell[3]).text]
        for cell in (row[name].split("/") for name in ("cell_a", "cell_b"))
    )
    sides = " · ".join(
        one if one == other else f"{one} against {other.removeprefix('ratio ')}"
        for one, other in zip(a, b, strict=True)
    )
    p = float(row["ours_p"])
    return f"{sides}: p {'<0.001' if p < 0.001 else f'{p:.3f}'} here, {row['published_p']} printed"


def _doubtful(rows: Sequence[dict[str, str]]) -> int:
    """How many of the printed numbers compared are inferred rather than read."""
    columns = ("table", "dataset", "arch", "pruner", "quantity")
    unsure = {
        (*(getattr(n, column).casefold() for column in columns), n.sparsity)
        for n in numbers(pie.PAPER)
        if n.doubtful
    }
    return sum(
        row["paper"] == pie.PAPER
        and bool(row["difference"])
        and (*(row[column].casefold() for column in columns), float(row["sparsity"])) in unsure
        for row in rows
    )
