"""What one model answered to the questions of one task, as an evaluation harness logged it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.errors import UserError

#: Metrics that say whether an answer is right, the first that is there above all.
RIGHT = ("acc", "exact_match", "em", "quasi_exact_match", "acc_norm")

#: The choice of an answer that names none.
NO_CHOICE = -1

#: Characters of a document's value that slices are made of, such columns at most, and those that name an example.
_SHORT, _MOST_COLUMNS = 60, 50
_IS_NAME = re.compile(r"(^|[_ ])(id|idx|index|ind|hash|uuid|guid|url|uri|path)$", re.IGNORECASE)

#: Names that a log or a user may give to a document's part, from the document itself or from what lies in it.
NESTED = ("doc", "metadata", "meta", "specific", "specifics", "extra_data", "input")


@dataclass(slots=True)
class Answer:
    """One question, answered once.

    label: the right choice's index, or the accepted answers; None where the log does not say. prediction: a choice's
    index, an answer, or None where there are only scores. document, content, prompt: what tells one question and its
    prompt from others: the log's hash of the document, ours of what it holds, ours of the prompt. at: where it lies.
    """

    id: str
    label: int | list[str] | None
    prediction: int | str | None
    scores: Mapping[str, float]
    at: int
    epoch: int = 0
    document: str | None = None
    content: object = None
    prompt: str | None = None
    choices: tuple[str, ...] | None = None
    loglikelihoods: Sequence[float] | None = None
    groups: Mapping[str, str | None] = field(default_factory=dict)


@dataclass
class Evaluation:
    """All answers of one model in one task, in the order of the log.

    time: when it was run, as text that sorts.
    scores: by metric, one number per answer, NaN where there is none. choices: their texts, where they are the same for
    all questions. settings: what must be the same on both sides, by name. filters: ways in which answers were taken
    from what the model said; the first one's are here. benchmarks: groups of tasks that this one belongs to. notes:
    what the log holds that is left aside.
    """

    task: str
    harness: str
    path: Path
    model: str | None = None
    time: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    filters: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    scores: dict[str, array[float]] = field(default_factory=dict)
    loglikelihoods: list[array[float] | None] = field(default_factory=list)
    documents: array[int] = field(default_factory=lambda: array("Q"))
    contents: array[int] = field(default_factory=lambda: array("Q"))
    prompts: array[int] = field(default_factory=lambda: array("Q"))
    groups: dict[str, list[str | None]] = field(default_factory=dict)
    places: array[int] = field(default_factory=lambda: array("q"))
    #: By place, the prompt and what the model said to it, whole; empty where the log has none.
    shown_at: Callable[[Sequence[int]], list[tuple[str, str]]] = lambda places: [("", "")] * len(places)
    choices: tuple[str, ...] | None = None
    _varied: bool = False
    _texts: dict[str, str] = field(default_factory=dict)
    _shown: tuple[list[int], list[tuple[str, str]]] = ([], [])

    def add(self, answer: Answer) -> None:
        """Keep one answer."""
        n = len(self.ids)
        self.ids.append(answer.id)
        self.epochs.append(answer.epoch)
        self.labels.append(
            [self._kept(text) for text in answer.label] if isinstance(answer.label, list) else answer.label
        )
        made = answer.prediction
        self.predictions.append(self._kept(made) if isinstance(made, str) else made)
        for name, value in answer.scores.items():
            column = self.scores.get(name)
            if column is None:
                column = self.scores[name] = array("d", [math.nan]) * n
            column.append(value)
        for column in self.scores.values():
            if len(column) == n:
                column.append(math.nan)
        lls = answer.loglikelihoods
        self.loglikelihoods.append(None if lls is None else array("f", lls))
        self.documents.append(digest(answer.document))
        self.contents.append(digest(answer.content))
        self.prompts.append(digest(answer.prompt))
        for name, group in answer.groups.items():
            self.groups.setdefault(name, [None] * n).append(None if group is None else self._kept(group))
        for values in self.groups.values():
            if len(values) == n:
                values.append(None)
        self.places.append(answer.at)
        if answer.choices != self.choices:
            if self.choices is None and not self._varied and n == 0:
                self.choices = answer.choices
            else:
                self.choices, self._varied = None, True

    def _kept(self, text: str) -> str:
        """One object for equal short texts: letters and classes come again and again."""
        return self._texts.setdefault(text, text) if len(text) < 40 else text

    @property
    def kind(self) -> str:
        """``choice``, ``answer`` (a text) or ``score`` (numbers alone)."""
        if all(prediction is None for prediction in self.predictions):
            return "score"
        numbers = all(isinstance(value, int) for value in self.predictions)
        return "choice" if numbers and all(isinstance(v, int) for v in self.labels) else "answer"

    @property
    def leading(self) -> str | None:
        """The metric that says what is right: 0 or 1 for every answer; None where no metric is so."""
        binary = [name for name, values in self.scores.items() if _is_binary(values)]
        bare = {name.partition(",")[0]: name for name in reversed(binary)}
        return next((bare[name] for name in RIGHT if name in bare), binary[0] if binary else None)

    def shown(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """The prompts of these answers, and what the model said, read from the log again."""
        places = [self.places[row] for row in rows]
        if places != self._shown[0]:
            # The same are asked for twice: for the prompts, and for what was said to them.
            self._shown = places, self.shown_at(places)
        return self._shown[1]


def _is_binary(values: Sequence[float]) -> bool:
    numbers = np.asarray(values)
    return bool(np.isin(numbers, (0.0, 1.0)).all())


def digest(value: object) -> int:
    """64 bits of a value's hash; 0 of nothing."""
    if value is None or value == "":
        return 0
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()) or 1


def number(value: object) -> float | None:
    """A score as a number: also ``"1.0"``, true and false; None of anything else."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return {"true": 1.0, "false": 0.0}.get(value.strip().lower())
    return None


def groups_of(wanted: Sequence[str], *places: Mapping[str, Any]) -> dict[str, str | None]:
    """The values of the columns a user asks for, from a record or from what lies in it.

    Also all short values of the document, which is the first place, and of what lies in it: slices are made of them.
    """
    found: dict[str, str | None] = {}
    flat = places[0]
    inside = {key: inner for key, inner in flat.items() if isinstance(inner, Mapping)}
    known = [("", inner) for key in NESTED if (inner := inside.pop(key, None)) is not None]
    for prefix, held in (("", flat), *known, *((f"{key}.", inner) for key, inner in inside.items())):
        for key, value in held.items():
            short = isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _SHORT)
            if short and len(found) < _MOST_COLUMNS and not _IS_NAME.search(str(key)):
                found.setdefault(f"{prefix}{key}", str(value))
    for name in wanted:
        values = (
            _within(place, f"{key}{name}") for place in places for key in ("", *(f"{k}." for k in NESTED))
        )
        value = next((value for value in values if value is not None), None)
        found[name] = None if value is None else str(value)
    return found


def _within(held: Mapping[str, Any], name: str) -> Any:
    """The value under a name, or under a path of names: ``meta.source``; None without one, or where it is a mapping."""
    value = held.get(name)
    if value is None and "." in name:
        head, _, rest = name.partition(".")
        inner = held.get(head)
        return _within(inner, rest) if isinstance(inner, Mapping) else None
    return None if isinstance(value, Mapping) else value


def with_choices(prompt: str, choices: object) -> str:
    """The prompt for people, with the choices that are not in it, numbered as the page names them."""
    texts = [str(one).strip() for one in choices] if isinstance(choices, list | tuple) else []
    if len(texts) < 2 or all(text in prompt for text in texts):
        return prompt
    return "\n".join([prompt, *(f"choice {i}: {text}" for i, text in enumerate(texts, 1))])


def in_turn(said: Sequence[str]) -> str:
    """What a model said to one question, of several answers each with its number."""
    return said[0] if len(said) == 1 else "\n".join(f"[{i}] {text}" for i, text in enumerate(said, 1))


def without_choices(text: str) -> str:
    """What ``with_choices`` was given."""
    return text.partition("\nchoice 1: ")[0]


def unreadable(path: Path, why: str) -> UserError:
    """One line about a log that cannot be used."""
    return UserError(f"{path}: {why}; leave it out, or write it again with the harness")
