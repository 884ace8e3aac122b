"""lm-evaluation-harness: ``samples_<task>_<time>.jsonl``, one record per question and filter.

Versions 0.4.0 to 0.4.13 (``lm_eval/loggers/evaluation_tracker.py``). ``results_<time>.json`` beside it says the
model, the version of harness and task, and the number of examples in the prompt.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.errors import UserError
from prunescope.predictions.json_lines import json_objects
from prunescope.predictions.logs.evaluation import (
    Answer,
    Evaluation,
    groups_of,
    in_turn,
    number,
    unreadable,
    with_choices,
)

HARNESS = "lm-evaluation-harness"

#: What a record holds that is no metric.
_FIELDS = frozenset(
    (
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
        *("doc_hash", "prompt_hash", "target_hash", "repeats"),
        "bypass",  # what stands for a metric where none was asked for (--predict_only)
    )
)

_NAME = re.compile(r"samples_(?P<task>.+?)(_(?P<time>\d{4}-\d\d-\d\dT[\d.\-:]+))?\.jsonl(\.gz)?$")


def is_record(value: Mapping[str, Any]) -> bool:
    """Whether this is a record of such a file."""
    return "doc_id" in value and bool({"resps", "filtered_resps", "logit_0"} & value.keys())


def is_results(value: Mapping[str, Any]) -> bool:
    """Whether this is a results file, which has no answers of its own."""
    return "results" in value and bool({"configs", "config", "versions"} & value.keys())


def read(path: Path, groups: Sequence[str] = ()) -> list[Evaluation]:
    """The task of a file of samples, its filters joined.

    Raises:
        UserError: a record is cut off or not one of the harness.
    """
    match = _NAME.search(path.name)
    beside = _results(path, match["time"] if match else None)
    task = match["task"] if match else _task(path, beside)
    by_filter: dict[str, Evaluation] = {}
    skipped: dict[str, None] = {}
    names = _filters(beside, task)
    times: Counter[object] = Counter()
    for line, record in json_objects(path):
        if not is_record(record):
            raise unreadable(
                path, f"line {line} is no record of {HARNESS} ('doc_id' and 'resps' are not in it)"
            )
        if "logit_0" in record:
            record = _from_write_out(record)
        if "filter" in record:
            name = str(record["filter"])
        else:
            # Up to 0.4.5 records do not say their filter: those of the second follow those of the first.
            place = times[record["doc_id"]]
            times[record["doc_id"]] += 1
            name = names[min(place, len(names) - 1)] if names else f"filter {place + 1}" if place else "none"
        if name not in by_filter:
            by_filter[name] = Evaluation(task, HARNESS, path)
        by_filter[name].add(_answer(record, path, line, groups, skipped))
    if not by_filter:
        raise unreadable(path, "has no records")
    found = _joined(by_filter)
    found.notes += [f"{name}: not one number per question; not compared" for name in skipped]
    found.settings |= _settings(beside, task)
    found.model = found.settings.pop("model", None)
    found.time = (match and match["time"]) or ""
    found.benchmarks = tuple(json.loads(found.settings.pop("benchmarks", "[]")))
    found.shown_at = partial(_shown, path)
    return [found]


def _answer(
    record: Mapping[str, Any], path: Path, line: int, groups: Sequence[str], skipped: dict[str, None]
) -> Answer:
    try:
        contexts, continuations, alone = _arguments(record.get("arguments"))
        scores, names = {}, record.get("metrics")
        for name in names if isinstance(names, list) else [key for key in record if key not in _FIELDS]:
            value = number(record.get(name))
            if value is None:
                if name in record:
                    skipped[str(name)] = None
            else:
                scores[str(name)] = value
        said = _flat(record.get("filtered_resps", record.get("resps")))
        whole = _scalar(said) if alone else None
        lls = _loglikelihoods(said)
        if lls is not None:
            scores.pop("perplexity", None)  # the target's log-likelihood, which follows under its own name
        document = record.get("doc")
        answer = Answer(
            id=str(record["doc_id"]),
            label=None,
            prediction=None,
            scores=scores,
            at=line,
            document=record.get("doc_hash"),
            content=document,
            prompt="\x1f".join(dict.fromkeys(contexts)) or None,
            groups=groups_of(groups, document if isinstance(document, Mapping) else {}, record),
        )
        target = record.get("target")
        if lls is not None and len(lls) > 1:
            _choose(answer, lls, contexts, continuations, target)
        elif lls is not None and said and isinstance(said[0], list | tuple) and len(said[0]) > 1:
            greedy = number(said[0][1])
            answer.label = [str(target)]
            answer.prediction = str(target) if greedy else "(another text)"
            scores["loglikelihood"] = lls[0]
        elif whole is not None:
            scores.setdefault("loglikelihood", whole)
        elif lls is None:
            answer.label = _targets(target)
            answer.prediction = str(said[0]) if said else ""
        return answer
    except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise unreadable(path, f"line {line} is not as {HARNESS} writes it ({error})") from None


def _from_write_out(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of ``--write_out`` of versions before 0.4 (``<task>_write_out_info.json``) as later ones have it."""
    kept = {
        name: value for name, value in record.items() if not name.startswith(("prompt_", "logit_", "truth"))
    }
    logits = [record[f"logit_{i}"] for i in range(len(record)) if f"logit_{i}" in record]
    numbers = [number(value) for value in logits]
    several = len(logits) > 1 and None not in numbers
    return {
        **kept,
        "target": record.get("truth"),
        "arguments": [[str(record.get(f"prompt_{i}", "")), ""] for i in range(len(logits))],
        "filtered_resps": [[value, False] for value in numbers] if several else logits[:1],
    }


def _arguments(value: Any) -> tuple[list[str], list[str], bool]:
    """Prompts, and what the model was asked to continue them with; nothing of the latter where it generates.

    Also whether each request is a text alone, whose likelihood is asked.
    """
    if isinstance(value, Mapping):
        requests = [list(parts.values()) if isinstance(parts, Mapping) else parts for parts in value.values()]
    else:
        requests = list(value or [])
    contexts, continuations, alone = [], [], bool(requests)
    for parts in requests:
        parts = parts if isinstance(parts, list | tuple) else [parts]
        alone = alone and len(parts) == 1
        contexts.append(str(parts[0]) if parts else "")
        if len(parts) > 1 and isinstance(parts[1], str):
            continuations.append(parts[1])
    return contexts, continuations, alone


def _scalar(said: Sequence[Any]) -> float | None:
    """The one number that was said, however deep it lies."""
    value: Any = said
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return number(value)


def _flat(value: Any) -> list[Any]:
    """Responses of each request, without the list of repeats around each where there is one.

    ``[[-1.5, False], ...]`` and ``[[[-1.5, False]], ...]`` are log-likelihoods; ``["text"]`` and ``[["text", "text"]]``
    are texts, the second with repeats.
    """
    found = []
    for one in value if isinstance(value, list) else [value]:
        while isinstance(one, list | tuple) and one and isinstance(one[0], list | tuple):
            one = one[0]
        if isinstance(one, list | tuple) and one and isinstance(one[0], str) and number(one[0]) is None:
            one = one[0]
        found.append(one)
    return found


def _loglikelihoods(said: Sequence[Any]) -> list[float] | None:
    """One per request; None of generated text."""
    found = []
    for one in said:
        if not isinstance(one, list | tuple) or len(one) != 2 or number(one[0]) is None:
            return None
        if not isinstance(one[1], bool) and str(one[1]).lower() not in ("true", "false"):
            return None
        found.append(float(one[0]))
    return found or None


def _choose(
    answer: Answer, lls: list[float], contexts: list[str], continuations: list[str], target: Any
) -> None:
    n = len(lls)
    # Mutual information asks for every choice once more, without the question.
    if (
        n % 2 == 0
        and "acc_mutual_info" in answer.scores
        and continuations[: n // 2] == continuations[n // 2 :]
    ):
        n //= 2
    lls, options = lls[:n], [text.strip() for text in continuations[:n]]
    if len(set(options)) == 1 and len(set(contexts[:n])) == n:
        options = [text.strip() for text in contexts[:n]]
    best = int(np.argmax(lls))  # of numbers that are none the first, as the harness chooses
    answer.loglikelihoods, answer.prediction = lls, best
    answer.choices = tuple(options) if len(options) == n else None
    right = answer.scores.get("acc")
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    if target is None:
        answer.prediction = options[best] if options else str(best)
        return
    label = _index(target, options, n)
    if right is not None and (label is None or (label == best) != (right == 1)):
        texts = [i for i, text in enumerate(options) if text == str(target).strip()]
        label = texts[0] if len(texts) == 1 and (texts[0] == best) == (right == 1) else label
        if label is None:
            label = best if right == 1 else 1 - best if n == 2 else None
    if label is None:
        answer.label, answer.prediction = _targets(target), options[best] if options else str(best)
    else:
        answer.label = label
        answer.scores = {**answer.scores, "loglikelihood": lls[label]}
        if right is None and not answer.scores.keys() & {"acc_norm", "exact_match", "em"}:
            answer.scores = {"acc": float(best == label), **answer.scores}


def _index(target: Any, options: Sequence[str], n: int) -> int | None:
    text = str(int(target) if isinstance(target, bool) else target).strip()
    if text.isdigit() and int(text) < n:
        return int(text)
    return options.index(text) if options.count(text) == 1 else None


def _targets(target: Any) -> list[str]:
    """The accepted answers: one text, or a list of them also where it became a text."""
    if isinstance(target, str) and target.startswith("[") and target.endswith("]"):
        try:
            value = json.loads(target.replace("'", '"'))
        except ValueError:
            value = target
        target = value
    return [str(one) for one in target] if isinstance(target, list) else [str(target)]


def _joined(by_filter: dict[str, Evaluation]) -> Evaluation:
    """The first filter's answers with the metrics of all; of several, ``exact_match,strict-match``."""
    names = list(by_filter)
    first = by_filter[names[0]]
    first.filters = tuple(sorted(names))
    if len(names) == 1:
        return first
    row = {id_: i for i, id_ in enumerate(_each(first.ids))}
    joined: dict[str, array[float]] = {}
    for name in names:
        other = by_filter[name]
        if set(_each(other.ids)) != row.keys():
            raise UserError(
                f"{first.path}: filter {name!r} has {len(other.ids)} questions and {names[0]!r} has {len(first.ids)}; "
                "the file is not whole: run the task again"
            )
        for metric, values in other.scores.items():
            column = joined[f"{metric},{name}"] = array("d", [0.0]) * len(first.ids)
            for id_, value in zip(_each(other.ids), values, strict=True):
                column[row[id_]] = value
    first.scores = joined
    return first


def _each(ids: Sequence[str]) -> list[tuple[str, int]]:
    """Ids, each with how often it stood there before."""
    times: Counter[str] = Counter()
    found = []
    for id_ in ids:
        found.append((id_, times[id_]))
        times[id_] += 1
    return found


def _filters(results: Mapping[str, Any], task: str) -> list[str]:
    """The filters of a task in their order, as its results name them: ``exact_match,strict-match``."""
    held = (results.get("results") or {}).get(task)
    named = [key.partition(",")[2] for key in held if "," in key] if isinstance(held, Mapping) else []
    return list(dict.fromkeys(named))


def _results(path: Path, time: str | None) -> Mapping[str, Any]:
    """The results file beside the samples; nothing where there is none, or none that belongs to them."""
    beside = sorted(path.parent.glob("results*.json"))
    chosen = [one for one in beside if time and time in one.name] or (beside if len(beside) == 1 else [])
    try:
        held = json.loads(chosen[0].read_text(encoding="utf-8")) if chosen else {}
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, Mapping) else {}


def _task(path: Path, results: Mapping[str, Any]) -> str:
    """The task of a file of another name; up to 0.4.2 the model's arguments come first: ``pretrained__x_arc_easy``."""
    stem = path.name.removesuffix(".gz").rpartition(".")[0].removesuffix("_write_out_info")
    known = [task for task in results.get("configs") or () if f"_{stem}".endswith(f"_{task}")]
    return max(known, key=len, default=stem)


def _settings(results: Mapping[str, Any], task: str) -> dict[str, str]:
    """What must be the same on both sides, as the results file has it."""
    configs = results.get("configs") or {}
    config = configs.get(task) or {} if configs else results.get("config") or {}
    if not results or (configs and not config):
        # There are none, or those of other tasks.
        return {}
    shots = results.get("n-shot") or {}
    found = {
        "harness": results.get("lm_eval_version"),
        "task-version": (results.get("versions") or {}).get(task),
        "fewshot": next((n for n in (shots.get(task), config.get("num_fewshot")) if n is not None), 0),
        "system": _sha(results, "system_instruction"),
        "chat-template": _sha(results, "chat_template"),
        "generation": config.get("generation_kwargs"),
        "model": results.get("model_name"),
        "benchmarks": _benchmarks(task, results.get("group_subtasks")),
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in found.items()
        if value is not None
    }


def _sha(results: Mapping[str, Any], name: str) -> str | None:
    """The hash of a text that the results hold, also where they hold the text alone; None where none was used."""
    held = results.get(f"{name}_sha")
    if held is None and isinstance(text := results.get(name), str) and text:
        held = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return held


def _benchmarks(task: str, groups: Any) -> list[str]:
    """The groups that a task belongs to, also through other groups."""
    known = {name: set(parts) for name, parts in (groups or {}).items() if isinstance(parts, list)}
    inside, found = {task}, dict[str, None]()
    while more := [name for name, parts in known.items() if parts & inside and name not in found]:
        found |= dict.fromkeys(more)
        inside |= set(more)
    return list(found)


def _whole(record: Mapping[str, Any]) -> str:
    """All that the model said, before filters; nothing of log-likelihoods."""
    said = record.get("resps")
    if said is None or _loglikelihoods(_flat(said)) is not None or _scalar(said) is not None:
        return ""
    texts: list[str] = []
    stack = [said]
    while stack:
        one = stack.pop()
        if isinstance(one, list | tuple):
            stack += reversed(one)
        elif one is not None:
            texts.append(str(one))
    return in_turn(texts)


def _shown(path: Path, places: Sequence[int]) -> list[tuple[str, str]]:
    wanted, found = set(places), dict[int, tuple[str, str]]()
    for place, record in json_objects(path) if wanted else ():
        if place in wanted:
            contexts, choices, _ = _arguments(record.get("arguments"))
            found[place] = with_choices("\n".join(dict.fromkeys(contexts)), choices), _whole(record)
            if len(found) == len(wanted):
                break
    return [found.get(place, ("", "")) for place in places]
