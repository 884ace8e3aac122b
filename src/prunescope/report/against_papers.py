"""The report's section that puts a study beside the papers: claims, and how far numbers are apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.csv_text import number, read_csv
from prunescope.published import pie, printed
from prunescope.report import page

#: Quantities of published.csv as a reader knows them.
QUANTITIES = {
    "pie_share": "share of PIEs",
    "score_mean": "score, mean over seeds",
    "score_std": "score, standard deviation over seeds",
    "dense_score_on_pies": "score on PIEs, unpruned",
    "pruned_score_on_pies": "score on PIEs, pruned",
}


def section(tables: Path, out: Path) -> dict[str, Any] | None:
    """What the template prints, or None where nothing has been compared.

    Args:
        tables: folder of the cross-study tables; without the two files there is no section.
        out: the page, for its links.
    """
    published, claims = tables / "published.csv", tables / "claims.csv"
    if not published.exists() or not claims.exists():
        return None
    numbers, judged = read_csv(published), read_csv(claims)
    measured = [claim for claim in judged if claim["verdict"] != "not measured"]
    if not numbers and not measured:
        return None
    waiting: dict[str, list[dict[str, str]]] = {}
    for claim in judged:
        if claim["verdict"] == "not measured":
            waiting.setdefault(claim["evidence"], []).append(claim)
    papers = {claim.id: claim.paper for claim in printed.claims()}
    return {
        "measured": measured,
        "open": waiting,
        "n_open": len(judged) - len(measured),
        "holds": sum(claim["verdict"] == "holds" for claim in measured),
        "papers": {paper: printed.PAPERS[paper] for paper in dict.fromkeys(papers.values())},
        "numbers": _summary(numbers),
        "doubtful": _doubtful(numbers),
        "links": [{"href": page.link(path, out), "name": path.name} for path in (published, claims)],
    }


def _summary(rows: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """By table and quantity: cells with both numbers, mean and largest absolute difference."""
    by_quantity: dict[tuple[str, str, str], list[tuple[float, dict[str, str]]]] = {}
    for row in rows:
        difference = number(row["difference"])
        if difference is not None:
            key = (row["paper"], row["table"], row["quantity"])
            by_quantity.setdefault(key, []).append((difference, row))
    found = []
    for (paper, table, quantity), differences in by_quantity.items():
        largest, row = max(differences, key=lambda pair: abs(pair[0]))
        found.append(
            {
                "paper": paper,
                "table": table,
                "quantity": QUANTITIES.get(quantity, quantity.replace("_", " ")),
                "cells": len(differences),
                "mean": sum(abs(difference) for difference, _ in differences) / len(differences),
                "largest": largest,
                "where": {name: row[name] for name in ("dataset", "arch", "pruner")},
                "sparsity": float(row["sparsity"]),
                "published": float(row["published"]),
                "ours": number(row["ours"]),
            }
        )
    return found


def _doubtful(rows: Sequence[dict[str, str]]) -> int:
    """How many of the printed numbers compared are inferred rather than read."""
    unsure = {
        (n.table, n.dataset.casefold(), n.arch.casefold(), n.pruner, n.sparsity, n.quantity)
        for n in pie.printed()
        if n.doubtful
    }
    return sum(
        (
            row["table"],
            row["dataset"].casefold(),
            row["arch"].casefold(),
            row["pruner"],
            float(row["sparsity"]),
            row["quantity"],
        )
        in unsure
        for row in rows
        if row["paper"] == pie.PAPER and row["difference"]
    )
