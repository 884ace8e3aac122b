"""Every Eval Ever: instance-level JSON Lines, one line per sample and metric (schema
``every_eval_ever/schemas/instance_level_eval.schema.json``, version 0.2 and later)."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prunescope.predictions.json_lines import json_objects
from prunescope.predictions.logs.evaluation import Answer, Evaluation, groups_of, number, unreadable

HARNESS = "Every Eval Ever"


def is_record(value: Mapping[str, Any]) -> bool:
    """Whether this is a line of such a file."""
    return {"evaluation_id", "sample_id", "evaluation"} <= value.keys()


def is_aggregate(value: Mapping[str, Any]) -> bool:
    """Whether this is the file of results that belongs to it."""
    return {"evaluation_id", "evaluation_results"} <= value.keys()


def read(path: Path, groups: Sequence[str] = ()) -> list[Evaluation]:
    """The evaluations of a file, each with its metrics.

    Raises:
        UserError: a line is cut off or none of the schema.
    """
    found: dict[str, Evaluation] = {}
    rows: dict[str, dict[tuple[str, int], int]] = {}
    for line, record in json_objects(path):
        if not is_record(record):
            raise unreadable(
                path, f"line {line} is no record of {HARNESS} ('sample_id', 'evaluation' are not in it)"
            )
        task = str(record.get("evaluation_name") or path.stem)
        one = found.setdefault(
            task, Evaluation(task.replace("/", "_"), HARNESS, path, record.get("model_id"))
        )
        scores = _scores(record, task)
        id_ = str(record["sample_id"])
        known = rows.setdefault(task, {})
        # The same sample again: by another metric, or once more by the same one.
        epoch = 0
        while (id_, epoch) in known and _has(one, known[id_, epoch], scores):
            epoch += 1
        row = known.get((id_, epoch))
        if row is None:
            known[id_, epoch] = len(one.ids)
            one.add(_answer(record, line, epoch, scores, groups))
        else:
            for name, value in scores.items():
                column = one.scores.setdefault(name, array("d", [float("nan")]) * len(one.ids))
                column[row] = value
    if not found:
        raise unreadable(path, "has no records")
    for one in found.values():
        one.shown_at = partial(_shown, path)
    return list(found.values())


def _has(one: Evaluation, row: int, scores: Mapping[str, float]) -> bool:
    return any(name in one.scores and one.scores[name][row] == one.scores[name][row] for name in scores)


def _scores(record: Mapping[str, Any], task: str) -> dict[str, float]:
    held = record["evaluation"] if isinstance(record["evaluation"], Mapping) else {}
    name = str(record.get("evaluation_result_id") or "score")
    name = name.removeprefix(str(record["evaluation_id"])).removeprefix(task).strip("/:#") or "score"
    score, right = number(held.get("score")), held.get("is_correct")
    if score is None and isinstance(right, bool):
        score = float(right)
    return {} if score is None else {name: score}


def _answer(
    record: Mapping[str, Any], line: int, epoch: int, scores: Mapping[str, float], groups: Sequence[str]
) -> Answer:
    given, output = record.get("input") or {}, record.get("output") or {}
    reference = given.get("reference")
    accepted = reference if isinstance(reference, list) else [] if reference is None else [reference]
    taken = [one for one in record.get("answer_attribution") or () if one.get("is_terminal", True)]
    said = taken[-1].get("extracted_value") if taken else _raw(output)
    return Answer(
        id=str(record["sample_id"]),
        label=[str(one) for one in accepted] or None,
        prediction=None if said is None else str(said),
        scores=scores,
        at=line,
        epoch=epoch,
        document=record.get("sample_hash"),
        content=[given.get("raw"), accepted],
        prompt=given.get("formatted") or given.get("raw"),
        groups=groups_of(groups, record.get("metadata") or {}, record),
    )


def _raw(output: Mapping[str, Any]) -> Any:
    """What the model said, the first time."""
    raw = output.get("raw")
    return raw[0] if isinstance(raw, list) and raw else raw


def _shown(path: Path, places: Sequence[int]) -> list[tuple[str, str]]:
    wanted, found = set(places), dict[int, tuple[str, str]]()
    for place, record in json_objects(path) if wanted else ():
        if place in wanted:
            given = record.get("input") or {}
            said = _raw(record.get("output") or {})
            found[place] = (
                str(given.get("formatted") or given.get("raw") or ""),
                "" if said is None else str(said),
            )
    return [found.get(place, ("", "")) for place in places]
