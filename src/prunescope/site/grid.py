"""The page of the grid: a heat map that its script draws, a value of each measure for every cell, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.tables.declared import read_rows
from prunescope.analysis.tables.papers import CellClaims
from prunescope.config.grid import Cell
from prunescope.errors import UserError
from prunescope.figures.style import look
from prunescope.report import page
from prunescope.report.sentences import (
    is_share,
    metric_name,
    number,
    p_text,
    percent,
    score_text,
    signed_points,
)
from prunescope.site.findings import CellNumbers
from prunescope.site.inputs import Site
from prunescope.site.state import STATES, CellCount, Key, key_of

#: Measures by name: title, what it is, the value at which nothing changes (None: from low to high), and whether high
#: values are bad.
MEASURES: dict[str, tuple[str, str, float | None, bool]] = {
    "score": ("score", "Mean score of the pruned models on the test split.", None, False),
    "change": (
        "change of the score",
        "Mean score of the pruned minus the dense models.",
        0.0,
        False,
    ),
    "worst": (
        "change of the worst class or group",
        "Change of the class (its recall) or group (its score) that loses most; where there is none, of the examples "
        "whose majority vote changes.",
        0.0,
        False,
    ),
    "pie_share": ("share of PIEs", "Examples whose majority vote changes.", None, True),
    "excess": (
        "PIEs above the noise floor",
        "Share of PIEs between halves of the seeds, minus the share without pruning, in points. "
        ">: above the floor, <: below, ?: not distinguishable.",
        0.0,
        True,
    ),
    "on_pies": (
        "score on PIEs",
        "Mean score of the pruned models on the examples whose majority vote changes.",
        None,
        False,
    ),
    "change_on_pies": (
        "change on PIEs",
        "Mean score of the pruned minus the dense models on these examples.",
        0.0,
        False,
    ),
    "harm": (
        "harm",
        "Majority votes that become wrong less those that become right, in points of the examples, with the p-value of "
        "McNemar's exact test.",
        0.0,
        True,
    ),
    "alpha_corrected": (
        "recall distortion, corrected for noise",
        "Above 1, differences in recall between classes grow. >, <, ?: verdict of its interval.",
        1.0,
        True,
    ),
    "alpha": (
        "recall distortion α, as the paper",
        "Noise pulls it below 1, also where nothing changes. >, <, ?: verdict of the interval over seeds.",
        1.0,
        True,
    ),
    "claims": (
        "claims that hold",
        "Share of the papers' claims that hold, of those that this cell and its dense models can decide alone.",
        None,
        False,
    ),
}


def render(site: Site) -> str:
    """The page ``report/grid.html``."""
    where = site.report / "grid.html"
    claims: dict[Key, tuple[int, int]] = {}
    try:
        claims = claims_by_cell(site.tables)
    except (UserError, KeyError, ValueError) as error:
        site.got.problems.append(f"{site.tables / 'claims_by_cell.csv'}: cannot be read ({error})")
    return page.render(
        "grid.html",
        title=f"Grid · {site.title}",
        study=site.title,
        navigation=site.navigation(where),
        cells=[_row(cell, site.cells, where) for cell in site.numbers],
        grid_data=page.embedded(payload(site.numbers, site.counts, claims, site.cells, where)),
        script=page.asset("grid.js"),
        style=page.asset("grid.css"),
    )


def claims_by_cell(tables: Path) -> dict[Key, tuple[int, int]]:
    """By cell: how many claims hold, of how many it decides; none without the table.

    Raises:
        UserError: it cannot be read.
    """
    if not (tables / "claims_by_cell.csv").exists():
        return {}
    rows = read_rows(tables / "claims_by_cell.csv", CellClaims)
    return {(row.dataset, row.arch, row.pruner, row.amount): (row.n_hold, row.n_decided) for row in rows}


def _row(cell: CellNumbers, pages: Path, out: Path) -> dict[str, Any]:
    names = ("pruned_score", "pie_share", "dense_score_on_pies", "pruned_score_on_pies", "task")
    return {
        "cell": cell,
        "amount": cell.compression.text,
        "summary": {name: cell.summary.get(name) for name in names},
        "metric": metric_name(cell.summary),
        "is_share": is_share(cell.summary),
        "change": cell.change,
        "floor": cell.floor,
        "alpha": cell.alpha,
        "href": page.link(pages / cell.page, out),
    }


def values(cell: CellNumbers, claims: tuple[int, int] | None) -> dict[str, tuple[float, str]]:
    """Value and text of each measure that a cell has."""
    summary = cell.summary
    found: dict[str, tuple[float, str]] = {}

    def put(name: str, value: float | None, text: str) -> None:
        if value is not None:
            found[name] = (value, text)

    def change(value: float | None) -> str:
        return signed_points(value) if is_share(summary) else number(value, 3)

    put("score", summary.get("pruned_score"), score_text(summary.get("pruned_score"), summary))
    put("change", cell.change, change(cell.change))
    if cell.worst is not None:
        put("worst", cell.worst.change, f"{change(cell.worst.change)} {cell.worst.name}".strip())
    put("pie_share", summary.get("pie_share"), percent(summary.get("pie_share")))
    floor = summary.get("noise_floor")
    if isinstance(floor, Mapping) and floor.get("excess") is not None:
        put("excess", floor["excess"], f"{signed_points(floor['excess'])} {floor.get('verdict', '')}".strip())
    on_pies = summary.get("pruned_score_on_pies")
    put("on_pies", on_pies, score_text(on_pies, summary))
    before = summary.get("dense_score_on_pies")
    if on_pies is not None and before is not None:
        put("change_on_pies", on_pies - before, change(on_pies - before))
    harm, n = summary.get("mcnemar"), summary.get("n_examples")
    if isinstance(harm, Mapping) and n:
        net = (harm["to_wrong"] - harm["to_right"]) / n
        put("harm", net, f"{signed_points(net)} ({p_text(harm['p_value'])})")
    corrected = cell.corrected
    if corrected is not None and not (corrected["ci_low"] is None and corrected["ci_high"] is None):
        put("alpha_corrected", corrected["mean"], f"{number(corrected['mean'])} {corrected['verdict']}")
    if cell.alpha is not None:
        put(
            "alpha",
            cell.alpha["mean"],
            f"{number(cell.alpha['mean'])} {cell.alpha.get('verdict') or ''}".strip(),
        )
    if claims is not None and claims[1]:
        put("claims", claims[0] / claims[1], f"{claims[0]} of {claims[1]}")
    return found


def payload(
    numbers: Sequence[CellNumbers],
    counts: Sequence[CellCount],
    claims: Mapping[Key, tuple[int, int]],
    pages: Path,
    out: Path,
) -> dict[str, Any]:
    """Every pruned cell that the study asks for or that is there.

    Args:
        counts: the models of each cell of the study by state.
        claims: by cell, how many claims hold and how many it decides.
        pages: the folder of the cells' pages.
        out: the page with the grid.
    """
    known = {key_of(cell): cell for cell in numbers}
    states = {key_of(one.cell): one for one in counts}
    rows: list[dict[str, Any]] = []
    every: dict[Key, CellNumbers | Cell] = {
        **{key_of(o.cell): o.cell for o in counts if not o.cell.dense},
        **known,
    }
    order = {dataset: index for index, dataset in enumerate(dict.fromkeys(key[0] for key in every))}
    for key, cell in sorted(every.items(), key=lambda item: order[item[0][0]]):
        there = known.get(key)
        one = states.get(key)
        rows.append(
            {
                "dataset": cell.dataset,
                "arch": cell.arch,
                "pruner": cell.pruner,
                "amount": cell.compression.text,
                "order": [str(cell.compression.kind), cell.compression.value],
                "href": page.link(pages / there.page, out) if there is not None else None,
                "metric": metric_name(there.summary) if there is not None else None,
                "unit": None if there is None or is_share(there.summary) else metric_name(there.summary),
                "values": values(there, claims.get(key)) if there is not None else {},
                "state": {state: one.number(state) for state in STATES[1:] if one.number(state)}
                if one
                else {},
            }
        )
    used = {name for row in rows for name in row["values"]}
    return {
        "measures": [
            {"name": name, "title": title, "help": text, "middle": middle, "bad": bad}
            for name, (title, text, middle, bad) in MEASURES.items()
            if name in used
        ],
        "colours": {row["pruner"]: look(row["pruner"]).colour for row in rows},
        "cells": rows,
    }
