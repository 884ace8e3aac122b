"""One compressed model or several against a dense one, in one task or several: the matrix of all changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from prunescope.analysis.audit import Page, audit
from prunescope.analysis.audit_tables import MatrixRow, SliceRow
from prunescope.analysis.csv_text import null
from prunescope.analysis.outputs import check_free
from prunescope.analysis.paired import (
    FEWEST,
    by_cluster,
    clusters_of,
    crossed,
    harm_tests,
    majority,
    of_outcomes,
)
from prunescope.analysis.pooled import (
    TaskOfModel,
    benchmarks,
    joined,
    joined_clusters,
    joined_votes,
    slices_of,
)
from prunescope.analysis.spans import ANY, SHARE, harness_span
from prunescope.analysis.stats import change_span
from prunescope.analysis.suite_tasks import Cell
from prunescope.analysis.tables.declared import write_table
from prunescope.analysis.ttests import holm
from prunescope.errors import UserError, listed
from prunescope.files import atomic_directory, write_json, write_text
from prunescope.predictions.grouping import read_groups
from prunescope.predictions.metadata import TableMeta
from prunescope.predictions.store import SeedBlock, write_predictions


def rows_of(
    cell: Cell, summary: Mapping[str, Any], confidence: float, clusters: np.ndarray | None = None
) -> list[MatrixRow]:
    """A row per metric, its p-value not corrected; where the score is no mean over examples, the summary's score."""
    names = [cell.leading] if cell.leading else []
    names += [name for name in cell.metrics if name not in names]
    if not names:
        change, flips = summary.get("change") or {}, summary.get("mcnemar") or {}
        return [
            MatrixRow(
                model=cell.model,
                task=cell.task,
                metric=summary["metric"],
                n_examples=summary["n_examples"],
                dense=summary["dense_score"],
                pruned=summary["pruned_score"],
                change=change.get("mean"),
                ci_low=change.get("ci_low"),
                ci_high=change.get("ci_high"),
                to_wrong=flips.get("to_wrong"),
                to_right=flips.get("to_right"),
                p_value=flips.get("p_value"),
                p_corrected=None,
            )
        ]
    return [
        _row(
            cell.model,
            cell.task,
            name,
            *cell.metrics[name],
            confidence,
            cell.voted if name == cell.leading else None,
            clusters,
        )
        for name in names
    ]


def _row(
    model: str,
    task: str,
    metric: str,
    dense: np.ndarray,
    pruned: np.ndarray,
    confidence: float,
    voted: tuple[np.ndarray, np.ndarray] | None = None,
    clusters: np.ndarray | None = None,
) -> MatrixRow:
    """``voted``: (n,) whether each side's answer is right; by default where more than half of its seeds are."""
    by = clusters
    known = np.isfinite(dense).all(axis=0) & np.isfinite(pruned).all(axis=0)
    dense, pruned = dense[:, known], pruned[:, known]
    if by is not None and known.any():
        by = clusters_of(by[known])
    n = dense.shape[1]
    change = float(np.mean(pruned) - np.mean(dense)) if n else float("nan")
    low = high = p = None
    wrong: int | None = None
    right: int | None = None
    if n and np.isin(dense, (0, 1)).all() and np.isin(pruned, (0, 1)).all():
        before, after = dense.astype(bool), pruned.astype(bool)
        votes = voted or (majority(before), majority(after))
        changed = votes[0] & ~votes[1], ~votes[0] & votes[1]
        (wrong,), (right,), (p,) = harm_tests(*changed, np.zeros(n, dtype=np.int64), 1, by)
        wrong, right = int(wrong), int(right)
        if n >= FEWEST and (by is None or by.any()):
            span = change_span(dense.mean(axis=1), pruned.mean(axis=1), SHARE, confidence, n)
            interval = of_outcomes(before, after, by).interval(confidence, span)
            low, high = interval.low, interval.high
    elif n > 1 and (by is None or by.any()):
        difference = pruned - dense
        if by is None:
            found = crossed(difference.mean(axis=0), difference.mean(axis=1), float((difference**2).sum()))
        else:
            found = by_cluster(difference, by)
        if found.variance > 0 or found.mean == 0:
            p = found.p_value
        if n >= FEWEST:
            span = harness_span(metric, *(float(end([dense, pruned])) for end in (np.min, np.max)))
            if span != ANY:
                span = change_span(dense.mean(axis=1), pruned.mean(axis=1), span, confidence, n)
            interval = found.interval(confidence, span)
            low, high = interval.low, interval.high
    return MatrixRow(
        model=model,
        task=task,
        metric=metric,
        n_examples=n,
        dense=null(float(np.mean(dense))) if n else None,
        pruned=null(float(np.mean(pruned))) if n else None,
        change=null(change),
        ci_low=low,
        ci_high=high,
        to_wrong=wrong,
        to_right=right,
        p_value=p,
        p_corrected=None,
    )


def corrected(rows: Sequence[MatrixRow]) -> list[MatrixRow]:
    """The rows with p-values corrected over all of them."""
    p_values = holm([row.p_value for row in rows])
    return [replace(row, p_corrected=p) for row, p in zip(rows, p_values, strict=True)]


#: A suite's page from its folder.
SuitePage = Callable[[Path], str]


def suite(
    found: Iterator[Cell],
    out: Path,
    *,
    confidence: float,
    page: Page,
    suite_page: SuitePage,
    groups: Sequence[str] = (),
    metadata: Path | None = None,
    each: Callable[[Cell, Mapping[str, Any]], None] = lambda cell, summary: None,
    **options: Any,
) -> dict[str, Any]:
    """Audit every cell into ``<model>/<task>/`` below ``out``, and write the matrix of them.

    Args:
        page, suite_page: make ``report.html`` of a cell and of the suite.
        each: is told of every cell when its audit is done.
        options: more for ``audit`` of every cell.

    Returns:
        What stands in ``summary.json``.

    Raises:
        UserError: as ``cells`` and ``audit``. No folder is left behind then.
    """
    check_free(out)
    names = _Names()
    without: dict[str, dict[str, None]] = {}
    not_asked: dict[str, dict[str, None]] = {}
    asked = {"metadata": metadata, **options}
    rows: list[MatrixRow] = []
    held: list[dict[str, Any]] = []
    pools: dict[str, list[TaskOfModel]] = {}
    with atomic_directory(out.resolve()) as folder:
        for cell in found:
            place = f"{names.of(cell.model)}/{names.of(cell.task, cell.model)}"
            # A column of one task need not be one of another.
            known = [name for name in groups if cell.files[0] or metadata or name in (cell.groups or {})]
            for name in groups:
                if name not in known:
                    without.setdefault(name, {})[cell.task] = None
            cell.said["model"] = cell.model
            summary = audit_cell(
                cell,
                folder / place,
                confidence=confidence,
                page=partial(page, suite="../../report.html"),
                replace=True,
                groups=known,
                metadata=metadata,
                of_suite=True,
                **options,
            )
            for text in summary.get("not_asked", ()):
                not_asked.setdefault(text, {})[cell.task] = None
            drawn = _drawn(cell, asked)
            own = rows_of(cell, summary, confidence, drawn)
            rows += own
            held.append({"model": cell.model, "task": cell.task, "folder": place, **_brief(summary, own[0])})
            pool = replace(cell.of_pool, clusters=drawn)
            pool.columns = {**_columns(cell, known, asked), **pool.columns}
            pools.setdefault(cell.model, []).append(pool)
            each(cell, summary)
        of_benchmarks = _benchmark_rows(pools, confidence)
        rows += [row for own in of_benchmarks.values() for row in own]
        rows = corrected(rows)
        for one in held:
            leading = next(row for row in rows if (row.model, row.task) == (one["model"], one["task"]))
            one["p_corrected"] = leading.p_corrected
        slices = {model: slices_of(pool) for model, pool in pools.items()}
        models = list(dict.fromkeys(one["model"] for one in held))
        summary = {
            "suite": True,
            "models": models,
            "tasks": list(dict.fromkeys(one["task"] for one in held)),
            "folders": sorted({one["folder"].partition("/")[0] for one in held}),
            "confidence": confidence,
            **({"clusters": {"column": options["clusters"]}} if options.get("clusters") else {}),
            "overall": [{**_overall(model, held), "slices": slices[model].summary} for model in models],
            "benchmarks": [
                {"n_tasks": n, **vars(next(row for row in rows if (row.model, row.task) == (model, name)))}
                for model, name, n in of_benchmarks
            ],
            "cells": held,
            "warnings": [
                *dict.fromkeys(line for one in held for line in one.pop("warnings")),
                *(f"--groups: no column {name!r} in {listed(tasks, 5)}" for name, tasks in without.items()),
                *(
                    f"--fail-on {text!r}: not asked of {listed(tasks, 5)}, which have no such number"
                    for text, tasks in not_asked.items()
                ),
            ],
        }
        every = {cell["task"] for cell in held}
        for text, tasks in not_asked.items():
            if tasks.keys() == every:
                raise UserError(f"--fail-on {text!r}: no task has such a number; leave the condition out")
        for name, tasks in without.items():
            if tasks.keys() == every:
                raise UserError(
                    f"--groups: no column {name!r} in the logs; a table with it can be given with --metadata"
                )
        write_table(folder, MatrixRow, rows)
        found_slices = [replace(row, model=model) for model, one in slices.items() for row in one.rows]
        write_table(folder, SliceRow, found_slices)
        write_json(folder / "summary.json", summary)
        write_text(folder / "report.html", suite_page(folder))
    return summary


def _benchmark_rows(
    pools: Mapping[str, Sequence[TaskOfModel]], confidence: float
) -> dict[tuple[str, str, int], list[MatrixRow]]:
    """Rows of each model, benchmark and number of its tasks: every metric over the examples of all of them."""
    found = {}
    for model, pool in pools.items():
        for name, parts in benchmarks(pool).items():
            votes = {parts[0].leading: joined_votes(parts)} if parts[0].leading else {}
            rows = [
                _row(model, name, metric, *pair, confidence, votes.get(metric), joined_clusters(parts))
                for metric, pair in joined(parts).items()
            ]
            if rows:
                found[model, name, len(parts)] = rows
    return found


def _columns(
    cell: Cell, names: Sequence[str], options: Mapping[str, Any], option: str = "--groups"
) -> dict[str, np.ndarray]:
    """(n,) values of these columns by example, from the log, the tables or ``--metadata``."""
    held = cell.groups or {}
    metadata = options.get("metadata")
    files = [*cell.files[0], *cell.files[1], *([metadata] if metadata else [])]
    missing = [name for name in names if name not in held]
    read = (
        read_groups(missing, cell.dense, files, options["reading"], option, cell.files[1]) if missing else {}
    )
    return {name: held[name] if name in held else read[name] for name in names}


def _drawn(cell: Cell, options: Mapping[str, Any]) -> np.ndarray | None:
    """(n,) numbers of the clusters that ``--clusters`` names, if it does."""
    name = options.get("clusters")
    return clusters_of(_columns(cell, [name], options, "--clusters")[name].astype(str)) if name else None


def audit_cell(cell: Cell, out: Path, *, confidence: float, page: Page, **options: Any) -> dict[str, Any]:
    """Audit one cell into ``out``, with a row for each metric of its log.

    Raises:
        UserError: as ``audit``.
    """
    of_log = cell.prompts is not None and bool(cell.metrics)
    with TemporaryDirectory(prefix="prunescope-") as scratch:
        return audit(
            *(_with_logits(cell, Path(scratch)) or cell.files),
            out,
            sides={"dense": cell.dense, "pruned": cell.pruned},
            shown=cell.prompts,
            answers=cell.answers,
            said=cell.said,
            confidence=confidence,
            page=page,
            metrics=corrected(rows_of(cell, {}, confidence, _drawn(cell, options))) if of_log else (),
            group_columns=cell.groups,
            **options,
        )


def _with_logits(cell: Cell, folder: Path) -> tuple[list[Path], list[Path]] | None:
    """A log's choices as prediction tables with logits, for what is computed from those; None without them."""
    sides = (cell.dense, cell.pruned)
    if cell.loglikelihoods is None or cell.dense.task != "single-label" or len(cell.dense.seeds) > 1:
        return None
    if cell.loglikelihoods[0].shape[1] != len(cell.dense.classes):
        return None
    paths = [folder / "dense.parquet", folder / "pruned.parquet"]
    meta = TableMeta("single-label", cell.dense.classes)
    for path, side, logits in zip(paths, sides, cell.loglikelihoods, strict=True):
        write_predictions(path, meta, [SeedBlock(int(side.seeds[0]), side.label, logits)])
    return [paths[0]], [paths[1]]


def _brief(summary: Mapping[str, Any], row: MatrixRow) -> dict[str, Any]:
    """What the suite's summary and page say of one cell."""
    wanted = ("n_examples", "n_pies", "pie_share", "kl_mean", "most_harmed", "groups")
    return {
        "metric": row.metric,
        "dense": row.dense,
        "pruned": row.pruned,
        "change": row.change,
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "to_wrong": row.to_wrong,
        "to_right": row.to_right,
        "p_value": row.p_value,
        **{name: summary[name] for name in wanted if summary.get(name) is not None},
        "warnings": list(summary.get("warnings") or ()),
    }


def _overall(model: str, held: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of one model over its tasks: mean change of their scores, and answers that change, all examples alike."""
    own = [one for one in held if one["model"] == model]
    changes = [one["change"] for one in own if one["change"] is not None]
    n = sum(one["n_examples"] for one in own)
    worst = min(
        (one for one in own if one["change"] is not None), key=lambda one: one["change"], default=None
    )
    return {
        "model": model,
        "n_tasks": len(own),
        "n_examples": n,
        "change": sum(changes) / len(changes) if changes else None,
        "n_changed": sum(one["n_pies"] for one in own),
        "share_changed": sum(one["n_pies"] for one in own) / n if n else None,
        "to_wrong": sum(one["to_wrong"] or 0 for one in own),
        "to_right": sum(one["to_right"] or 0 for one in own),
        "n_worse": sum(_tells(one) and one["change"] < 0 for one in own),
        "n_better": sum(_tells(one) and one["change"] > 0 for one in own),
        "worst_task": worst["task"] if worst else None,
    }


def _tells(one: Mapping[str, Any]) -> bool:
    """Whether the change survives correction at 5 %."""
    return one["p_corrected"] is not None and one["p_corrected"] < 0.05


class _Names:
    """Folder names of models and tasks: their own, with what no folder's name may hold replaced, each only once."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[str, str]] = {}

    def of(self, name: str, within: str = "") -> str:
        taken = self._taken.setdefault(within, {})
        if name not in taken:
            base = re.sub(r"[^\w.+=,@-]+", "_", name).strip("._") or "unnamed"
            made, number = base[:120], 2
            while made in taken.values():
                made, number = f"{base[:110]}_{number}", number + 1
            taken[name] = made
        return taken[name]
