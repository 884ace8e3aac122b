"""The tasks of a suite: which logs or tables of a compressed model belong to which of the dense model's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.audit import Said
from prunescope.analysis.known import Shown
from prunescope.analysis.paired import majority
from prunescope.analysis.pairs import paired_sides
from prunescope.analysis.pies.votes import voted_right
from prunescope.analysis.pooled import TaskOfModel
from prunescope.errors import UserError, listed
from prunescope.predictions.arrow import Source
from prunescope.predictions.collecting import open_table
from prunescope.predictions.logs.evaluation import Evaluation
from prunescope.predictions.logs.pairing import PairedTask, paired
from prunescope.predictions.logs.recognized import Files, evaluations
from prunescope.predictions.metadata import meta_of
from prunescope.predictions.reading import Reading
from prunescope.predictions.scores import correct, score_name
from prunescope.predictions.store import Predictions, read_sides


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

    @cached_property
    def voted(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(n,) bool, by the leading metric: whether each answer is right, of several seeds the majority's."""
        if self.leading is None:
            return None
        if len(self.dense.seeds) == 1 or self.dense.task != "single-label":
            dense, pruned = (majority(side.astype(bool)) for side in self.metrics[self.leading])
            return dense, pruned
        pair = paired_sides(self.dense, self.pruned, None)
        return voted_right(pair.dense, pair.pruned)

    @property
    def of_pool(self) -> TaskOfModel:
        """What is kept of it for the tables over all tasks."""
        return TaskOfModel(
            self.task,
            self.benchmarks,
            self.leading,
            self.metrics,
            self.voted,
            self.groups or {},
            self.prompts,
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
            found.append(f"{name}: tasks on this side only ({len(odd)}): {listed(odd, 5)}")
    return found


def _of_log(model: str, task: PairedTask, warnings: Sequence[str]) -> Cell:
    said: dict[str, Any] = {"harness": task.evaluations[0].harness, "task_name": task.task}
    names = [one.model for one in task.evaluations]
    if all(names) and names[0] != names[1]:
        said["log_models"] = {"dense": names[0], "pruned": names[1]}
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
