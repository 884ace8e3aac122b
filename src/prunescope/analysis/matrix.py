"""One compressed model or several against a dense one, in one task or several: the matrix of all changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from prunescope.analysis.audit import Page, Said, audit
from prunescope.analysis.audit_tables import MatrixRow, SliceRow
from prunescope.analysis.csv_text import null
from prunescope.analysis.known import Shown
from prunescope.analysis.outputs import check_free
from prunescope.analysis.paired import FEWEST, crossed, majority, mcnemar, of_outcomes
from prunescope.analysis.pairs import paired_sides
from prunescope.analysis.pooled import TaskOfModel, benchmarks, joined, slices_of
from prunescope.analysis.tables.declared import write_table
from prunescope.analysis.ttests import holm
from prunescope.errors import UserError, listed
from prunescope.files import atomic_directory, write_json, write_text
from prunescope.predictions.arrow import Source
from prunescope.predictions.collecting import open_table
from prunescope.predictions.logs.evaluation import Evaluation
from prunescope.predictions.logs.pairing import PairedTask, paired
from prunescope.predictions.logs.recognized import Files, evaluations
from prunescope.predictions.metadata import TableMeta, meta_of
from prunescope.predictions.reading import Reading
from prunescope.predictions.scores import correct, score_name
from prunescope.predictions.store import Predictions, SeedBlock, read_sides, write_predictions


@dataclass
class Cell:
    """One task of one compressed model, paired with the dense model's."""

    model: str
    task: str
    dense: Predictions
    pruned: Predictions
    metrics: Mapping[str, tuple[np.ndarray, np.ndarray]]
    leading: str | None
    said: dict[str, Any]
    prompts: Shown | None = None
    answers: Said | None = None
    groups: Mapping[str, np.ndarray] | None = None
    files: tuple[Sequence[Path], Sequence[Path]] = ((), ())
    loglikelihoods: tuple[np.ndarray, np.ndarray] | None = None
    benchmarks: Sequence[str] = ()

    @property
    def of_pool(self) -> TaskOfModel:
        """What is kept of it for the tables over all tasks."""
        return TaskOfModel(
            self.task, self.benchmarks, self.leading, self.metrics, self.groups or {}, self.prompts
        )


def cells(
    dense: Files,
    pruned: Sequence[Files],
    *,
    reading: Reading,
    allow: Collection[str] | None = (),
    groups: Sequence[str] = (),
) -> Iterator[Cell]:
    """Every task that the dense model shares with each compressed one, one after the other.

    Args:
        allow: as ``pairing.paired``.
        groups: columns to find in the logs.

    Raises:
        UserError: a log or table cannot be used, sides do not fit, or there is no task in common.
    """
    for other in pruned:
        if bool(other.logs) != bool(dense.logs):
            kinds = ("evaluation logs", "tables of predictions")
            raise UserError(
                f"{other.name}: holds {kinds[not other.logs]}, but {dense.name} {kinds[not dense.logs]}; "
                "give the same on both sides"
            )
    if not dense.logs:
        yield from _cells_of_tables(dense, pruned, reading)
        return
    first = evaluations(dense, groups)
    for other in pruned:
        second = evaluations(other, groups)
        alone = _alone(dense, other, first, second)
        for task, one, two in _common(dense, other, first, second):
            yield _of_log(other.name, paired(one, two, allow), [*alone, *task])
            alone = []


def _common(
    dense: Files, other: Files, first: Mapping[str, Evaluation], second: Mapping[str, Evaluation]
) -> Iterator[tuple[list[str], Evaluation, Evaluation]]:
    tasks = [task for task in first if task in second]
    if not tasks and len(first) == len(second) == 1:
        (a,), (b,) = first, second
        yield (
            [f"the only task of each side is compared: {a!r} and {b!r}"],
            first[a],
            replace(second[b], task=a),
        )
    elif not tasks:
        raise _no_task(dense, other, first, second)
    for task in tasks:
        yield [], first[task], second[task]


def _no_task(dense: Files, other: Files, first: Collection[str], second: Collection[str]) -> UserError:
    return UserError(
        f"{other.name}: has no task in common with {dense.name} ({listed(second, 5)}; {listed(first, 5)}); give runs "
        "of the same tasks"
    )


def _alone(dense: Files, other: Files, first: Collection[str], second: Collection[str]) -> list[str]:
    found = []
    for name, mine, theirs in ((dense.name, first, second), (other.name, second, first)):
        odd = [task for task in mine if task not in theirs]
        if odd and len(mine) + len(theirs) > 2:
            found.append(f"{name}: {len(odd)} tasks are on this side only: {listed(odd, 5)}")
    return found


def _of_log(model: str, task: PairedTask, warnings: Sequence[str]) -> Cell:
    said: dict[str, Any] = {"harness": task.evaluations[0].harness, "task_name": task.task}
    if found := [*warnings, *task.warnings]:
        said["more_warnings"] = found
    return Cell(
        model=model,
        task=task.task,
        dense=task.dense,
        pruned=task.pruned,
        metrics=task.metrics,
        leading=task.leading,
        said=said,
        prompts=task.prompts,
        answers=task.answers,
        loglikelihoods=task.loglikelihoods,
        benchmarks=task.evaluations[0].benchmarks,
        groups={
            name: values
            for name, values in task.groups.items()
            if any(value is not None for value in values.tolist())
        },
    )


def tasks_of(files: Files, reading: Reading) -> dict[str, list[Path]]:
    """Tables by task: the data set that they name, else the name of a folder's file without seeds."""
    named: dict[str, list[Path]] = {}
    own: list[tuple[Path, Source]] = []
    for path in files.tables:
        source = open_table(path, reading)
        meta = meta_of(source)
        if meta is not None and meta.dataset is not None:
            named.setdefault(meta.dataset, []).append(path)
        else:
            own.append((path, source))
    seeded = any("seed" in source.columns for _, source in own) or "seed" in reading.columns
    if files.from_folder and len(own) > 1 and not seeded:
        for path, _ in own:
            named.setdefault(path.name.split(".")[0], []).append(path)
    elif own:
        named.setdefault("task" if named else "", []).extend(path for path, _ in own)
    return named


def one_task(dense: Files, pruned: Files, reading: Reading) -> bool:
    """Whether tables of both sides hold a single task."""
    return len(tasks_of(dense, reading)) == len(tasks_of(pruned, reading)) == 1


def _cells_of_tables(dense: Files, pruned: Sequence[Files], reading: Reading) -> Iterator[Cell]:
    first = tasks_of(dense, reading)
    for other in pruned:
        second = tasks_of(other, reading)
        if len(first) == len(second) == 1:
            (a,), (b,) = first, second
            first, second = {a or b or "task": first[a]}, {a or b or "task": second[b]}
        tasks = [task for task in first if task in second]
        if not tasks:
            raise _no_task(dense, other, first, second)
        alone = _alone(dense, other, first, second)
        for task in tasks:
            read = read_sides({"dense": first[task], "pruned": second[task]}, reading=reading)
            pair = paired_sides(read["dense"], read["pruned"], None)
            metrics: dict[str, tuple[np.ndarray, np.ndarray]] = {}
            counted = pair.dense.labelled and pair.dense.task in ("single-label", "text", "span")
            if counted:
                right = (correct(pair.dense), correct(pair.pruned))
                metrics[score_name(pair.dense.task)] = (right[0] * 1.0, right[1] * 1.0)
            yield Cell(
                model=other.name,
                task=task,
                dense=read["dense"],
                pruned=read["pruned"],
                metrics=metrics,
                leading=score_name(pair.dense.task) if counted else None,
                said={"task_name": task, **({"more_warnings": alone} if alone else {})},
                files=(first[task], second[task]),
            )
            alone = []


def rows_of(cell: Cell, summary: Mapping[str, Any], confidence: float) -> list[MatrixRow]:
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
    return [_row(cell.model, cell.task, name, *cell.metrics[name], confidence) for name in names]


def _row(
    model: str, task: str, metric: str, dense: np.ndarray, pruned: np.ndarray, confidence: float
) -> MatrixRow:
    known = np.isfinite(dense).all(axis=0) & np.isfinite(pruned).all(axis=0)
    dense, pruned = dense[:, known], pruned[:, known]
    n = dense.shape[1]
    change = float(np.mean(pruned) - np.mean(dense)) if n else float("nan")
    low = high = p = None
    wrong: int | None = None
    right: int | None = None
    if n and np.isin(dense, (0, 1)).all() and np.isin(pruned, (0, 1)).all():
        before, after = dense.astype(bool), pruned.astype(bool)
        votes = majority(before), majority(after)
        wrong = int(np.count_nonzero(votes[0] & ~votes[1]))
        right = int(np.count_nonzero(~votes[0] & votes[1]))
        p = float(mcnemar(wrong, right))
        if n >= FEWEST:
            interval = of_outcomes(before, after).interval(confidence, -1.0, 1.0)
            low, high = interval.low, interval.high
    elif n > 1:
        from scipy.special import stdtr

        difference = pruned - dense
        found = crossed(difference.mean(axis=0), difference.mean(axis=1), float((difference**2).sum()))
        if found.variance > 0:
            p = float(2 * stdtr(found.freedom, -abs(found.mean) / found.variance**0.5))
        elif found.mean == 0:
            p = 1.0
        if n >= FEWEST:
            interval = found.interval(confidence)
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
                **options,
            )
            own = rows_of(cell, summary, confidence)
            rows += own
            held.append({"model": cell.model, "task": cell.task, "folder": place, **_brief(summary, own[0])})
            pools.setdefault(cell.model, []).append(cell.of_pool)
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
            "overall": [{**_overall(model, held), "slices": slices[model].summary} for model in models],
            "benchmarks": [
                {"n_tasks": n, **vars(next(row for row in rows if (row.model, row.task) == (model, name)))}
                for model, name, n in of_benchmarks
            ],
            "cells": held,
            "warnings": [
                *dict.fromkeys(line for one in held for line in one.pop("warnings")),
                *(f"--groups: no column {name!r} in {listed(tasks, 5)}" for name, tasks in without.items()),
            ],
        }
        every = {cell["task"] for cell in held}
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
            rows = [_row(model, name, metric, *pair, confidence) for metric, pair in joined(parts).items()]
            if rows:
                found[model, name, len(parts)] = rows
    return found


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
            # Rows of metrics know nothing of clusters.
            metrics=corrected(rows_of(cell, {}, confidence))
            if of_log and not options.get("clusters")
            else (),
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
