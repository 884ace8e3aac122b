"""Two models' answers to the same questions, paired so that no question meets another one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from prunescope.errors import UserError, listed
from prunescope.predictions.arrays import Predictions, unknown_labels
from prunescope.predictions.arrow import index_type, objects
from prunescope.predictions.logs.evaluation import NO_CHOICE, Evaluation

#: What may differ between the sides where ``--allow`` names it; each in words.
DIFFERENCES = {
    "prompts": "prompts",
    "fewshot": "number of examples in the prompt",
    "filters": "filters",
    "harness": "version of the harness",
    "task-version": "version of the task",
    "task-arguments": "arguments of the task",
    "solver": "solver",
    "generation": "settings of generation",
    "system": "system instruction",
    "chat-template": "chat template",
    "adapter": "adapter",
}

#: The class of an answer that names no choice.
_NONE_CHOSEN = "(no answer)"

#: What lm-evaluation-harness writes where a filter finds no answer, and all that stands for none.
_INVALID = "[invalid]"
_NO_ANSWER = frozenset({_INVALID, "", NO_CHOICE})

#: Tasks without answers or a yes or no: the example's only class, and what stands for its opposite.
_RIGHT_OR_WRONG = ("wrong", "right")


@dataclass
class PairedTask:
    """One task of two models.

    metrics: by name, (S, n) of both sides, NaN where there is no number. leading: the one that says what is right.
    loglikelihoods: of both sides, (n, K) of every question's choices, far below the others where it has fewer; None
    where they are not logged. evaluations, rows: logs of both sides, and (n,) each question's first row there. groups:
    (n,) by column.
    """

    task: str
    dense: Predictions
    pruned: Predictions
    metrics: dict[str, tuple[np.ndarray, np.ndarray]]
    leading: str | None
    loglikelihoods: tuple[np.ndarray, np.ndarray] | None
    evaluations: tuple[Evaluation, Evaluation]
    rows: tuple[np.ndarray, np.ndarray]
    groups: dict[str, np.ndarray]
    warnings: list[str] = field(default_factory=list)

    def prompts(self, rows: Sequence[int]) -> list[str]:
        """The prompts of these questions (positions in ``rows``)."""
        return [prompt for prompt, _ in self.evaluations[0].shown(self.rows[0][rows].tolist())]

    def answers(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """What both models said to these questions, whole; of repeats the first."""
        dense, pruned = (
            [said for _, said in one.shown(held[rows].tolist())]
            for one, held in zip(self.evaluations, self.rows, strict=True)
        )
        return list(zip(dense, pruned, strict=True))


def paired(dense: Evaluation, pruned: Evaluation, allow: Collection[str] | None) -> PairedTask:
    """Pair the questions of two evaluations of one task.

    By the harness's hash of the document, else by a hash of what the document holds, else by id.

    Args:
        allow: names of ``DIFFERENCES`` that may differ; None: all of them.

    Raises:
        UserError: something differs that is not allowed, targets differ, or no question is on both sides.
    """
    warnings = [f"{one.path}: {note}" for one in (dense, pruned) for note in one.notes]
    if len(dense.filters) != len(pruned.filters):
        # Where one side has several filters, its metrics are called after them.
        dense, pruned = _by_filter(dense), _by_filter(pruned)
    differences = _differences(dense, pruned)
    if bool(dense.settings) != bool(pruned.settings):
        (one,) = (one for one in (dense, pruned) if not one.settings)
        warnings.append(
            f"{one.path}: no settings of its run are known (a file beside it has them); not compared"
        )
    keys, how = _keys(dense, pruned)
    if how is not None:
        warnings.append(how)
    epochs = sorted(set(dense.epochs) & set(pruned.epochs))
    rows = [_by_question(one, keys_of, epochs) for one, keys_of in zip((dense, pruned), keys, strict=True)]
    common = [key for key in rows[0] if key in rows[1]]
    if not common:
        raise UserError(
            f"{pruned.path}: task {dense.task!r} has no question in common with {dense.path}; give "
            "logs of the same data"
        )
    for one, mine, other in ((dense, rows[0], rows[1]), (pruned, rows[1], rows[0])):
        alone = [one.ids[at[0]] for key, at in mine.items() if key not in other]
        if alone:
            warnings.append(f"{one.path}: questions on this side only ({len(alone)}): {listed(alone, 5)}")
    for one, keys_of in zip((dense, pruned), keys, strict=True):
        warnings += _twice(one, keys_of)
    at = tuple(np.array([side[key] for key in common], dtype=np.int64).T for side in rows)
    prompts = [
        np.asarray(one.prompts, dtype=np.uint64)[where[0]]
        for one, where in zip((dense, pruned), at, strict=True)
    ]
    other = (prompts[0] != prompts[1]) & (prompts[0] != 0) & (prompts[1] != 0)
    if other.any():
        first = dense.ids[at[0][0][int(np.argmax(other))]]
        differences["prompts"] = f"differ in {int(other.sum())} of {len(common)} questions, such as {first}"
    warnings += _refused_or_said(dense, pruned, differences, allow)
    warnings += _without_answer((dense, pruned), at)
    return _made(dense, pruned, at, np.array(epochs), warnings)


def _by_filter(one: Evaluation) -> Evaluation:
    if len(one.filters) != 1:
        return one
    own = {name for name in one.scores if name != "loglikelihood"}
    named = {f"{name},{one.filters[0]}" if name in own else name: held for name, held in one.scores.items()}
    return replace(one, scores=named)


def _differences(dense: Evaluation, pruned: Evaluation) -> dict[str, str]:
    """What differs, in words; also what only one side has, unless nothing is known of the other side's settings."""
    found = {}
    if dense.settings and pruned.settings:
        for name in DIFFERENCES:
            a, b = (one.settings.get(name) for one in (dense, pruned))
            if a != b:
                found[name] = " and ".join("none" if value is None else repr(value) for value in (a, b))
    if dense.harness != pruned.harness:
        found["harness"] = f"{dense.harness} and {pruned.harness}"
    if dense.filters != pruned.filters:
        found["filters"] = f"{listed(dense.filters)} and {listed(pruned.filters)}"
    return found


def _refused_or_said(
    dense: Evaluation, pruned: Evaluation, differences: Mapping[str, str], allow: Collection[str] | None
) -> list[str]:
    refused = [name for name in differences if allow is not None and name not in allow]
    if refused:
        name = refused[0]
        raise UserError(
            f"{pruned.path}: task {dense.task!r}: {DIFFERENCES[name]} of the two sides: {differences[name][:300]}; run "
            f"both alike, or compare all the same with --allow {' '.join(refused)}"
        )
    return [
        f"task {dense.task!r}: {DIFFERENCES[name]} of the two sides: {text[:300]} (--allow {name})"
        for name, text in differences.items()
    ]


def _keys(dense: Evaluation, pruned: Evaluation) -> tuple[list[list[object]], str | None]:
    """What each answer's question is called on both sides alike; and a warning where that is little."""
    sides = (dense, pruned)
    for name in ("documents", "contents"):
        hashes = [getattr(one, name) for one in sides]
        if all(0 not in held for held in hashes) and set(hashes[0]) & set(hashes[1]):
            return [list(held) for held in hashes], None
    if all(0 not in one.contents for one in sides) and dense.harness == pruned.harness:
        # Both logs hold their documents, and none is the same.
        return [list(one.contents) for one in sides], None
    ids = [one.ids for one in sides]
    if all(len(set(zip(one.ids, one.epochs, strict=True))) == len(one.ids) for one in sides):
        numbered = all(id_.isdigit() for held in ids for id_ in held)
        said = "their number in the data" if numbered else "their id"
        return [list(held) for held in ids], (
            f"task {dense.task!r}: questions pair by {said}; the logs hold no documents to check them by"
        )
    places: list[list[object]] = []
    for one in sides:
        count: Counter[int] = Counter()
        held: list[object] = []
        for epoch in one.epochs:
            held.append(count[epoch])
            count[epoch] += 1
        places.append(held)
    return (
        places,
        f"task {dense.task!r}: questions pair by their position in the log; ids are missing or are listed twice",
    )


def _twice(one: Evaluation, keys: Sequence[object]) -> list[str]:
    """A line about questions that stand in a log more than once: each counts as often as it is there on both sides."""
    asked = list(zip(keys, one.epochs, strict=True))
    times = Counter(asked)
    more: dict[object, str] = {}
    for row, key in enumerate(asked):
        if times[key] > 1:
            more.setdefault(key, one.ids[row])
    if not more:
        return []
    named = listed(dict.fromkeys(more.values()), 5)
    return [f"{one.path}: {len(more)} questions stand there more than once, and count as often: {named}"]


def _without_answer(sides: Sequence[Evaluation], at: Sequence[np.ndarray]) -> list[str]:
    """Lines about answers that none could be taken from, and log-likelihoods that are no numbers."""
    found = []
    counts = [
        sum(one.predictions[row] in _NO_ANSWER for row in where.ravel().tolist())
        for one, where in zip(sides, at, strict=True)
    ]
    total = at[0].size
    if any(counts):
        found.append(
            f"task {sides[0].task!r}: no answer was found in what the model said ({_INVALID}, no choice, or nothing): "
            f"{counts[0]} of {total} dense, {counts[1]} of {total} pruned; they count as the harness judged them"
        )
    for one, where in zip(sides, at, strict=True):
        held = [one.loglikelihoods[row] for row in where.ravel().tolist()]
        odd = sum(lls is not None and any(map(math.isnan, lls)) for lls in held)
        if odd:
            found.append(
                f"{one.path}: {odd} of {total} answers have log-likelihoods that are no numbers (NaN): the model is "
                "damaged or its precision too low; their choice means nothing"
            )
    return found


def _by_question(one: Evaluation, keys: Sequence[object], epochs: Sequence[int]) -> dict[object, list[int]]:
    """The rows of each question, one per epoch; of documents that are there twice the second is another question."""
    found: dict[object, dict[int, int]] = {}
    times: Counter[tuple[object, int]] = Counter()
    wanted = set(epochs)
    for row, (key, epoch) in enumerate(zip(keys, one.epochs, strict=True)):
        if epoch not in wanted:
            continue
        found.setdefault((key, times[key, epoch]), {})[epoch] = row
        times[key, epoch] += 1
    return {key: [by[e] for e in epochs] for key, by in found.items() if len(by) == len(epochs)}


def _made(
    dense: Evaluation, pruned: Evaluation, at: tuple[np.ndarray, ...], epochs: np.ndarray, warnings: list[str]
) -> PairedTask:
    sides = (dense, pruned)
    firsts = [where[0] for where in at]
    label = [dense.labels[row] for row in firsts[0]]
    for row, other in zip(range(len(label)), firsts[1], strict=True):
        if label[row] != pruned.labels[other] and None not in (label[row], pruned.labels[other]):
            raise UserError(
                f"{pruned.path}: task {dense.task!r}, question {pruned.ids[other]}: the target is "
                f"{pruned.labels[other]!r}, but {label[row]!r} in {dense.path}; audit logs of the same data"
            )
    metrics = {
        name: tuple(np.asarray(one.scores[name])[where] for one, where in zip(sides, at, strict=True))
        for name in dense.scores
        if name in pruned.scores
    }
    names = [one.leading for one in sides]
    leading = names[0] if names[0] in metrics and _binary(metrics[names[0]]) else None
    ids = [dense.ids[row] for row in firsts[0]]
    made = _predictions(sides, at, label, epochs, leading, metrics, ids)
    dense_side, pruned_side = made
    return PairedTask(
        task=dense.task,
        dense=dense_side,
        pruned=pruned_side,
        metrics={name: (a, b) for name, (a, b) in metrics.items()},
        leading=leading,
        loglikelihoods=_loglikelihoods(sides, firsts),
        evaluations=(dense, pruned),
        rows=(firsts[0], firsts[1]),
        groups={
            name: np.array([values[row] for row in firsts[0]], dtype=object)
            for name, values in dense.groups.items()
        },
        warnings=warnings,
    )


def _binary(pair: tuple[np.ndarray, ...]) -> bool:
    return all(np.isin(values, (0.0, 1.0)).all() for values in pair)


def _predictions(
    sides: Sequence[Evaluation],
    at: tuple[np.ndarray, ...],
    label: list[object],
    epochs: np.ndarray,
    leading: str | None,
    metrics: Mapping[str, tuple[np.ndarray, ...]],
    ids: list[str],
) -> tuple[Predictions, Predictions]:
    right = metrics[leading] if leading else None
    kinds = {one.kind for one in sides}
    n = len(label)
    whole = (
        all(id_.isascii() and id_.isdigit() and len(id_) < 18 for id_ in ids) and len(set(map(int, ids))) == n
    )
    names = np.array(ids, dtype=np.int64) if whole else objects(_distinct(ids))
    task, labelled = "text", True
    classes: tuple[str, ...] = ()
    truth: np.ndarray = np.zeros(0)
    made: list[np.ndarray]
    both = list(zip(sides, at, strict=True))
    if kinds == {"choice"} and None not in label:
        made = [np.array([[one.predictions[r] for r in rows] for rows in where]) for one, where in both]
        truth = np.array(label, dtype=np.int32)
        n_choices = 1 + int(max(values.max() for values in (truth, *made)))
        same = sides[0].choices if sides[0].choices == sides[1].choices else None
        classes = same or tuple(f"choice {i + 1}" for i in range(n_choices))
        if len(set(classes)) < len(classes) or len(classes) < n_choices:
            classes = tuple(f"choice {i + 1}" for i in range(n_choices))
        if any((values == NO_CHOICE).any() for values in made):
            made = [np.where(values == NO_CHOICE, len(classes), values) for values in made]
            classes = (*classes, _NONE_CHOSEN)
        kind = index_type(len(classes))
        task, made = "single-label", [values.astype(kind) for values in made]
    elif "score" not in kinds:
        made = [
            np.stack([objects([_words(one.predictions[r]) for r in rows]) for rows in where])
            for one, where in both
        ]
        labelled = None not in label
        truth = objects([value if isinstance(value, list) else [_words(value)] for value in label])
    elif right is not None:
        task, classes = "single-label", _RIGHT_OR_WRONG
        made = [values.astype(np.int8) for values in right]
        truth, right = np.ones(n, dtype=np.int32), None
    else:
        if not metrics:
            raise UserError(
                f"{sides[0].path}: task {sides[0].task!r} has neither answers nor scores of single questions"
            )
        task, labelled = "regression", False
        made = [values.astype(np.float32) for values in next(iter(metrics.values()))]
    found = []
    for number_, (one, values) in enumerate(zip(sides, made, strict=True)):
        side = Predictions(
            task=task,
            classes=classes,
            seeds=epochs.astype(np.int64),
            examples=np.arange(n),
            label=truth,
            prediction=values,
            diverged=(),
            meta=None,
            sources=(one.path.as_posix(),),
            labelled=labelled or right is not None,
            names=names,
            right=None if right is None else right[number_].astype(bool),
            metric=leading if right is not None and task != "single-label" else None,
            read=_how(one, leading),
        )
        if not side.labelled:
            side.label = unknown_labels(side)
        found.append(side)
    return found[0], found[1]


def _how(one: Evaluation, leading: str | None) -> dict[str, object]:
    """What stands on the page about how a log was read."""
    judged = f"right as its {leading} says" if leading else "no metric of it says what is right"
    return {
        "columns": {},
        "order": "as the log has them",
        "notes": [f"log of {one.harness}", judged],
        "warnings": [],
    }


def _words(value: object) -> str:
    if isinstance(value, int):
        return _NONE_CHOSEN if value == NO_CHOICE else f"choice {value + 1}"
    return "" if value is None else str(value)


def _distinct(ids: Sequence[str]) -> list[str]:
    """Ids, those that are there again with a number behind them."""
    times: Counter[str] = Counter()
    found = []
    for id_ in ids:
        times[id_] += 1
        found.append(id_ if times[id_] == 1 else f"{id_} ({times[id_]})")
    return found


def _loglikelihoods(
    sides: Sequence[Evaluation], firsts: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    held = [[one.loglikelihoods[row] for row in rows] for one, rows in zip(sides, firsts, strict=True)]
    if any(lls is None or len(lls) < 2 for side in held for lls in side):
        return None
    widths = [[len(lls) for lls in side if lls is not None] for side in held]
    if widths[0] != widths[1]:
        return None
    every = np.concatenate([np.asarray(lls) for side in held for lls in side if lls is not None])
    if np.isnan(every).any():
        return None
    # Far below every other one, but finite: nothing beside them after a softmax.
    none = float(every[np.isfinite(every)].min(initial=0.0)) - 1e4
    found = []
    for side in held:
        matrix = np.full((len(side), max(widths[0])), none, dtype=np.float32)
        for row, lls in enumerate(side):
            matrix[row, : len(lls or ())] = np.clip(np.asarray(lls), none, 1e4)
        found.append(matrix)
    return found[0], found[1]
