"""HELM: a run's folder with ``per_instance_stats.json``.

Beside it lie ``instances.json``, ``display_predictions.json`` or ``scenario_state.json``, and ``run_spec.json``
(``helm/benchmark/runner.py``, ``presentation/run_display.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prunescope.predictions.json_lines import opened
from prunescope.predictions.logs.evaluation import Answer, Evaluation, groups_of, unreadable

HARNESS = "HELM"

#: Counts and times of a run, which say nothing of an answer.
_BOOKKEEPING = re.compile(
    r"num_|.*_tokens$|.*runtime|inference_|training_|estimated_|finish_reason|.*logprob|.*_bits_per_byte|batch_size|"
    r"max_prob|prompt_truncated|predicted_index|perplexity|.*_co2|.*_energy|logprob"
)


def is_stats(rows: Sequence[Any]) -> bool:
    """Whether a JSON array holds statistics of instances."""
    return (
        bool(rows)
        and isinstance(rows[0], Mapping)
        and {"instance_id", "stats"} <= rows[0].keys()
        and isinstance(rows[0]["stats"], list)
    )


def is_companion(rows: Any) -> bool:
    """Whether JSON is another file of such a run."""
    if isinstance(rows, list):
        first = rows[0] if rows and isinstance(rows[0], Mapping) else {}
        return {"input", "references"} <= first.keys() or {"instance_id", "predicted_text"} <= first.keys()
    return isinstance(rows, Mapping) and ("adapter_spec" in rows or "request_states" in rows)


def read(path: Path, groups: Sequence[str] = ()) -> list[Evaluation]:
    """The run whose ``per_instance_stats.json`` this is.

    Raises:
        UserError: a file of the run is cut off, or none of them has the answers.
    """
    rows = _json(path)
    folder = path.parent
    state = _optional(folder / "scenario_state.json") or {}
    spec = _optional(folder / "run_spec.json") or {}
    states = state.get("request_states") or []
    instances = _optional(folder / "instances.json") or [one["instance"] for one in states]
    by_key = {_key(one, "id"): one for one in instances}
    made: dict[tuple[str, str, int], str] = {}
    whole: dict[tuple[str, str, int], str] = {}
    for one in _optional(folder / "display_predictions.json") or []:
        asked = (*_key(one, "instance_id"), int(one.get("train_trial_index") or 0))
        whole[asked] = str(one.get("predicted_text") or "")
        made[asked] = str(one.get("mapped_output") or "") or whole[asked]
    for one in states:
        completions = (one.get("result") or {}).get("completions") or []
        text = one.get("output_mapping", {}).get(completions[0]["text"].strip()) if completions else None
        if completions:
            asked = (*_key(one["instance"], "id"), int(one.get("train_trial_index") or 0))
            whole.setdefault(asked, str(completions[0]["text"]))
            made.setdefault(asked, str(text or completions[0]["text"]))
    found = Evaluation(_task(spec, folder), HARNESS, path, (spec.get("adapter_spec") or {}).get("model"))
    for place, row in enumerate(rows):
        key, trial = _key(row, "instance_id"), int(row.get("train_trial_index") or 0)
        instance = by_key.get(key) or {}
        references = instance.get("references") or []
        accepted = [
            str(one["output"]["text"] if isinstance(one["output"], Mapping) else one["output"])
            for one in references
            if "correct" in (one.get("tags") or ())
        ]
        given = _given(instance)
        found.add(
            Answer(
                id=" ".join(filter(None, key)),
                label=accepted or None,
                prediction=made.get((*key, trial)),
                scores=_scores(row),
                at=place,
                epoch=trial,
                content=[given.get("text"), accepted] if instance else None,
                prompt=None,
                groups=groups_of(groups, instance.get("extra_data") or {}, instance),
            )
        )
    adapter = {
        name: value
        for name, value in (spec.get("adapter_spec") or {}).items()
        if name not in ("model", "model_deployment")
    }
    if adapter:
        found.settings["fewshot"] = str(adapter.pop("max_train_instances", "unknown"))
        found.settings["adapter"] = json.dumps(adapter, sort_keys=True)
    shown = []
    for row in rows:
        key, trial = _key(row, "instance_id"), int(row.get("train_trial_index") or 0)
        shown.append((str(_given(by_key.get(key) or {}).get("text", "")), whole.get((*key, trial), "")))
    found.shown_at = partial(_shown, shown)
    return [found]


def _given(instance: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input of an instance, which older versions wrote as a text."""
    given = instance.get("input") or {}
    return given if isinstance(given, Mapping) else {"text": str(given)}


def _shown(shown: Sequence[tuple[str, str]], places: Sequence[int]) -> list[tuple[str, str]]:
    return [shown[place] for place in places]


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    """Mean of each metric of one instance; of several splits or perturbations the instance's own."""
    found: dict[str, float] = {}
    for stat in row.get("stats") or ():
        name = stat.get("name") or {}
        text = name.get("name") if isinstance(name, Mapping) else str(name)
        if not text or _BOOKKEEPING.match(text) or not stat.get("count", 1):
            continue
        value = stat.get("mean")
        if value is None and stat.get("count"):
            value = stat.get("sum", 0) / stat["count"]
        if value is not None:
            found.setdefault(text, float(value))
    return found


def _key(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    perturbation = row.get("perturbation")
    return str(row.get(name)), str((perturbation or {}).get("name", "")) if perturbation else ""


def _task(spec: Mapping[str, Any], folder: Path) -> str:
    """The run's name without the model: ``mmlu:subject=anatomy``."""
    name = str(spec.get("name") or folder.name)
    head, mark, arguments = name.partition(":")
    kept = [part for part in arguments.split(",") if not part.startswith(("model=", "model_deployment="))]
    return head + (mark + ",".join(kept) if kept and mark else "")


def _json(path: Path) -> Any:
    try:
        with opened(path) as stream:
            return json.load(stream)
    except (OSError, ValueError, EOFError) as error:
        raise unreadable(path, f"not a whole JSON file ({' '.join(str(error).split())[:120]})") from None


def _optional(path: Path) -> Any:
    return _json(path) if path.exists() else None
