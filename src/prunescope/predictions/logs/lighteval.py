"""lighteval: ``details_<task>_<time>.parquet``, one row per question.

Since 0.10 a row holds ``doc``, ``model_response`` and ``metric`` (``lighteval/logging/info_loggers.py``); before, there
was a column each (``example``, ``predictions``, ``choices``, ``gold_index``, ``metrics``, ...).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from prunescope.files import check_parquet
from prunescope.predictions.arrow import damaged
from prunescope.predictions.logs.evaluation import (
    Answer,
    Evaluation,
    groups_of,
    in_turn,
    number,
    unreadable,
    with_choices,
)

HARNESS = "lighteval"

_NAME = re.compile(r"details_(?P<task>.+?)_(?P<time>\d{4}-\d\d-\d\dT[\d.\-:]+)\.parquet$")

#: Long columns that nothing here needs.
_NEEDLESS = re.compile(r".*(tokens|logits|images)\b.*")


def is_details(columns: Sequence[str]) -> bool:
    """Whether a Parquet file's columns are those of details."""
    return {"doc", "model_response", "metric"} <= set(columns) or {
        "predictions",
        "gold_index",
        "metrics",
    } <= set(columns)


def read(path: Path, groups: Sequence[str] = ()) -> list[Evaluation]:
    """The task of a file of details.

    Raises:
        UserError: the file is damaged, or has no rows.
    """
    match = _NAME.search(path.name)
    found: Evaluation | None = None
    for place, row in _rows(path):
        old = "doc" not in row
        doc = _old_doc(row) if old else row["doc"]
        if found is None:
            task = str(doc.get("task_name") or (match["task"] if match else path.stem))
            found = Evaluation(task.replace("|", "_"), HARNESS, path)
            shots = doc.get("num_asked_few_shots")
            if shots is None and doc.get("fewshot_samples") is not None:
                shots = len(doc["fewshot_samples"])
            if shots is not None:
                found.settings["fewshot"] = str(shots)
        said = _old_response(row) if old else row["model_response"]
        found.add(_answer(place, doc, said, row.get("metrics" if old else "metric") or {}, groups))
    if found is None:
        raise unreadable(path, "has no rows")
    found.time = match["time"] if match else ""
    found.shown_at = partial(_shown, path)
    return [found]


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with damaged(path):
        held = pq.ParquetFile(path)
        check_parquet(path, held.metadata)
        leaves = [held.schema.column(i).path for i in range(len(held.schema))]
        wanted = [leaf for leaf in leaves if not _NEEDLESS.fullmatch(leaf)]
        place = 0
        for batch in held.iter_batches(batch_size=512, columns=wanted):
            for row in batch.to_pylist():
                yield place, row
                place += 1


def _answer(
    place: int,
    doc: Mapping[str, Any],
    said: Mapping[str, Any],
    metrics: Mapping[str, Any],
    groups: Sequence[str],
) -> Answer:
    choices = [str(one) for one in _listed(doc.get("choices"))]
    gold = [int(one) for one in _listed(doc.get("gold_index"))]
    lls = [float(one) for one in _listed(said.get("logprobs"))]
    texts = _listed(said.get("text_post_processed")) or _listed(said.get("text"))
    scores = {name: value for name, held in metrics.items() if (value := number(held)) is not None}
    answer = Answer(
        id=str(doc.get("id") or place),
        label=[choices[i] for i in gold if i < len(choices)] or None,
        prediction=str(texts[0]) if texts else None,
        scores=scores,
        at=place,
        content=[doc.get("query"), choices, gold],
        prompt=str(said["input"]) if said.get("input") is not None else str(doc.get("query")),
        groups=groups_of(groups, doc.get("specific") or {}, doc),
    )
    if len(lls) == len(choices) > 1 and len(gold) == 1:
        answer.loglikelihoods, answer.label = lls, gold[0]
        answer.prediction = max(range(len(lls)), key=lambda i: lls[i])
        answer.choices = tuple(choice.strip() for choice in choices)
        answer.scores = {**scores, "loglikelihood": lls[gold[0]]}
    return answer


def _old_doc(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "query": row.get("full_prompt") or row.get("example"),
        "choices": row.get("choices"),
        "gold_index": row.get("gold_index"),
        "num_asked_few_shots": row.get("num_asked_few_shots"),
        "specific": row.get("specifics") or row.get("specific"),
    }


def _old_response(row: Mapping[str, Any]) -> dict[str, Any]:
    """Predictions are texts, or ``(log-likelihood, greedy)`` of each choice."""
    made = _listed(row.get("predictions"))
    pairs = [one for one in made if isinstance(one, list | tuple) and one and number(one[0]) is not None]
    numbers = [one for one in made if isinstance(one, float)]
    if made and len(pairs) == len(made):
        return {"logprobs": [number(one[0]) for one in pairs]}
    if made and len(numbers) == len(made):
        return {"logprobs": numbers}
    return {"text": [str(one) for one in made]}


def _listed(value: Any) -> list[Any]:
    """A list as it is, as text (old files), or of one value."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return [value]
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _shown(path: Path, places: Sequence[int]) -> list[tuple[str, str]]:
    wanted, found = set(places), dict[int, tuple[str, str]]()
    for place, row in _rows(path) if wanted else ():
        if place in wanted:
            doc = row["doc"] if "doc" in row else _old_doc(row)
            said = row["model_response"] if "doc" in row else _old_response(row)
            found[place] = (
                with_choices(str(doc.get("query") or ""), doc.get("choices")),
                in_turn([str(text) for text in _listed(said.get("text"))]),
            )
    return [found.get(place, ("", "")) for place in places]
