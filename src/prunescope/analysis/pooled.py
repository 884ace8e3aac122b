"""All tasks of a compressed model together: the tasks of a benchmark as one, and slices over the whole suite."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from prunescope.analysis import slices
from prunescope.predictions.texts import count_tokens

#: Benchmarks whose tasks are called after them, for logs that do not say which tasks belong together.
_BENCHMARKS = (
    *("agieval", "aclue", "arabicmmlu", "bbh", "belebele", "blimp", "ceval", "cmmlu", "global_mmlu", "gpqa"),
    *(
        "hendrycks_math",
        "kmmlu",
        "leaderboard_bbh",
        "leaderboard_gpqa",
        "leaderboard_math",
        "leaderboard_musr",
    ),
    *(
        "mgsm",
        "minerva_math",
        "mmlu",
        "mmlu_pro",
        "mmlu_redux",
        "mmmlu",
        "mmmu",
        "xcopa",
        "xnli",
        "xwinograd",
    ),
)

#: What stands between a benchmark and its subject: ``mmlu:subject=anatomy``, ``leaderboard_mmlu:anatomy_5``.
_SUBJECT = re.compile(r"^(?P<benchmark>[^:]+):")

#: Questions whose prompts are read again at most.
_MOST_QUESTIONS = 200_000


@dataclass
class TaskOfModel:
    """One task: metrics by name, (S, n) of both sides; ``leading`` says what is right, ``voted`` the same of votes."""

    task: str
    benchmarks: Sequence[str]
    leading: str | None
    metrics: Mapping[str, tuple[np.ndarray, np.ndarray]]
    voted: tuple[np.ndarray, np.ndarray] | None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    prompts: Callable[[Sequence[int]], Sequence[str]] | None = None
    clusters: np.ndarray | None = None


def benchmarks_of(task: str, said: Sequence[str] = ()) -> list[str]:
    """The benchmarks that a task is a part of, as the log says, else as its name does."""
    if said:
        return list(said)
    if (match := _SUBJECT.match(task)) is not None:
        return [match["benchmark"]]
    known = [name for name in _BENCHMARKS if task.startswith((f"{name}_", f"{name}-"))]
    return [max(known, key=len)] if known else []


def benchmarks(tasks: Sequence[TaskOfModel]) -> dict[str, list[TaskOfModel]]:
    """The tasks of each benchmark that has at least two with one leading metric."""
    found: dict[str, list[TaskOfModel]] = {}
    names = {one.task for one in tasks}
    for one in tasks:
        for name in benchmarks_of(one.task, one.benchmarks):
            if name not in names:
                found.setdefault(name, []).append(one)
    return {
        name: parts
        for name, parts in found.items()
        if len(parts) > 1 and len({p.leading for p in parts}) == 1
    }


def joined(parts: Sequence[TaskOfModel]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The metrics that all tasks have, over the examples of all; the leading one first."""
    names = [name for name in parts[0].metrics if all(name in part.metrics for part in parts)]
    names.sort(key=lambda name: name != parts[0].leading)
    found = {}
    for name in names:
        pairs = [part.metrics[name] for part in parts]
        if len({len(side) for pair in pairs for side in pair}) == 1:
            found[name] = (np.hstack([one for one, _ in pairs]), np.hstack([two for _, two in pairs]))
    return found


def joined_votes(parts: Sequence[TaskOfModel]) -> tuple[np.ndarray, np.ndarray]:
    """Whether answers are right, over the examples of all tasks that have a leading metric."""
    held = [one.voted for one in parts if one.voted is not None]
    return np.concatenate([a for a, _ in held]), np.concatenate([b for _, b in held])


def joined_clusters(parts: Sequence[TaskOfModel]) -> np.ndarray | None:
    """(n,) clusters over the examples of all tasks, each task's its own; None where there are none."""
    held = [one.clusters for one in parts if one.clusters is not None]
    ends = np.cumsum([0, *(int(one.max()) + 1 for one in held)])
    return np.concatenate([one + end for one, end in zip(held, ends, strict=False)]) if held else None


def slices_of(tasks: Sequence[TaskOfModel]) -> slices.Found:
    """Slices that pay among the examples of all tasks that have a yes or no per example, the task being a column."""
    used = [one for one in tasks if one.voted is not None]
    if not used:
        return slices.Found()
    votes = joined_votes(used)
    sizes = [len(one.voted[0]) for one in used if one.voted is not None]
    columns: dict[str, np.ndarray] = {}
    if len(used) > 1:
        columns["task"] = np.repeat(np.array([one.task for one in used], dtype=object), sizes)
        held = [next(iter(benchmarks_of(one.task, one.benchmarks)), None) for one in used]
        if len({*held}) > 1:
            columns["benchmark"] = np.repeat(np.array(held, dtype=object), sizes)
    for name in dict.fromkeys(name for one in used for name in one.columns):
        parts = [one.columns.get(name, np.full(size, None)) for one, size in zip(used, sizes, strict=True)]
        columns[name] = np.concatenate([part.astype(object) for part in parts])
    texts = None
    if all(one.prompts is not None for one in used) and sum(sizes) <= _MOST_QUESTIONS:
        questions: list[str] = []
        for one, size in zip(used, sizes, strict=True):
            if one.prompts is not None:
                questions += slices.questions_of(one.prompts(range(size)))
        columns["length in tokens"] = np.array([count_tokens(text) for text in questions])

        def texts(rows: Sequence[int]) -> list[str]:
            return [questions[row] for row in rows]

    return slices.find(votes[0], votes[1], columns, texts, joined_clusters(used))
