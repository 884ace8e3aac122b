"""inspect-ai: logs as ``.eval`` (a zip of JSON files) or as one ``.json``, all samples of one task.

Log format 2 (``inspect_ai/log/_log.py``, ``_recorders/eval.py``); epochs are repeats of every sample.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from prunescope.files import check_unpacked
from prunescope.predictions.json_lines import opened
from prunescope.predictions.logs.evaluation import (
    NO_CHOICE,
    Answer,
    Evaluation,
    groups_of,
    number,
    unreadable,
)

HARNESS = "inspect-ai"

#: Number of this way to pack in a zip file.
_ZSTANDARD = 93

_ATTACHMENT = re.compile(r"attachment://([0-9a-f]+)")

#: What a model is asked to end with (``inspect_ai/solver/_multiple_choice.py``).
_FINAL = re.compile(r"ANSWER\s*:\s*\(?([A-Za-z])\b", re.IGNORECASE)

#: Scores as letters: correct, incorrect, partly, none (``inspect_ai/scorer/_metric.py``).
_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "no": 0.0}


def is_log(value: Mapping[str, Any]) -> bool:
    """Whether this is such a log's JSON, or the head of one."""
    return {"version", "status", "eval"} <= value.keys()


def is_zip(path: Path) -> bool:
    """Whether a zip file holds such a log."""
    try:
        with zipfile.ZipFile(path) as held:
            names = set(held.namelist())
    except (OSError, zipfile.BadZipFile):
        return path.suffix.lower() == ".eval"
    return bool({"header.json", "_journal/start.json"} & names)


def read(path: Path, groups: Sequence[str] = ()) -> list[Evaluation]:
    """The task of a log.

    Raises:
        UserError: the file is cut off, or has no samples.
    """
    header: Mapping[str, Any] = {}
    rows: list[tuple[Answer, int | None, int | None]] = []
    unscored: list[tuple[Answer, int | None, int | None]] = []
    failed = 0
    skipped: dict[str, None] = {}
    for head, number_, sample in _samples(path):
        header = head
        if sample is None:
            continue
        if sample.get("error"):
            failed += 1
        else:
            kept = rows if _scores(sample) else unscored
            kept.append(_answer(sample, number_, groups, skipped))
    if rows:
        failed += len(unscored)
    else:
        # No scorer ran: an answer is right where it is the target.
        rows = unscored
    about = header.get("eval") or {}
    found = Evaluation(
        str(about.get("task", path.stem)).rpartition("/")[2], HARNESS, path, about.get("model")
    )
    if not rows:
        raise unreadable(path, f"has no finished sample (status {header.get('status')!r})")
    found.notes += [f"{name}: not one number per question; not compared" for name in skipped]
    if failed or header.get("status") != "success":
        found.notes.append(
            f"status {header.get('status')!r}: {failed} of {len(rows) + failed} samples have no score and are left out"
        )
    for name in sorted({name for one, *_ in rows for name, value in one.scores.items() if value == 0.5}):
        if all(answer.scores.get(name, 0.0) in (0.0, 0.5, 1.0) for answer, *_ in rows):
            # Graded with parts: right is what is right in full.
            for answer, *_ in rows:
                answer.scores = {**answer.scores, f"{name} in full": float(answer.scores.get(name) == 1.0)}
    by_choice = all(isinstance(label, int) for _, label, _ in rows)
    for answer, label, picked in rows:
        if not by_choice:
            answer.choices = None
        else:
            answer.label = label
            answer.prediction = NO_CHOICE if picked is None else picked
        found.add(answer)
    found.time = str(about.get("created") or "")
    found.settings |= _settings(about, header.get("plan") or {})
    found.shown_at = partial(_shown, path)
    return [found]


def _samples(path: Path) -> Iterator[tuple[Mapping[str, Any], int, Mapping[str, Any] | None]]:
    """The log's head, a sample's number and the sample; once without a sample where there is none."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as held:
                names = held.namelist()
                head = json.loads(
                    _member(held, "header.json" if "header.json" in names else "_journal/start.json")
                )
                samples = _sample_names(held)
                yield head, -1, None
                for place, name in enumerate(samples):
                    yield head, place, json.loads(_member(held, name))
        elif path.suffix.lower() == ".eval":
            raise unreadable(path, "not a whole .eval log (it ends before its table of contents)")
        else:
            with opened(path) as stream:
                log = json.load(stream)
            yield log, -1, None
            for place, sample in enumerate(log.get("samples") or ()):
                yield log, place, sample
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise unreadable(
            path, f"not a whole log of {HARNESS} ({' '.join(str(error).split())[:120]})"
        ) from None


def _sample_names(held: zipfile.ZipFile) -> list[str]:
    """Each sample once: one that was written again is listed twice."""
    return [name for name in dict.fromkeys(held.namelist()) if name.startswith("samples/")]


def _member(held: zipfile.ZipFile, name: str) -> bytes:
    """A file of the zip; also one packed by Zstandard, which Python's zipfile reads from 3.14 on only."""
    info = held.getinfo(name)
    check_unpacked(str(held.filename), info.file_size)
    if info.compress_type != _ZSTANDARD:
        return held.read(info)
    assert held.fp is not None
    held.fp.seek(info.header_offset + 26)
    lengths = int.from_bytes(held.fp.read(2), "little") + int.from_bytes(held.fp.read(2), "little")
    held.fp.seek(lengths, 1)
    packed = pa.BufferReader(held.fp.read(info.compress_size))
    with pa.CompressedInputStream(packed, "zstd") as stream:
        content: bytes = stream.read(info.file_size + 1)
    if zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"{name} is damaged")
    return content


def _scores(sample: Mapping[str, Any]) -> dict[str, Any]:
    """By scorer; old logs have one score without a name."""
    scores = sample.get("scores")
    if isinstance(scores, Mapping):
        return dict(scores)
    return {"score": sample["score"]} if isinstance(sample.get("score"), Mapping) else {}


def _answer(
    sample: Mapping[str, Any], place: int, groups: Sequence[str], skipped: dict[str, None]
) -> tuple[Answer, int | None, int | None]:
    """The sample as an answer in words; the right choice and the one picked where it has choices.

    Names of scores that are no numbers go to ``skipped``.
    """
    scores: dict[str, float] = {}
    said: dict[str, str] = {}
    for name, score in _scores(sample).items():
        value = score.get("value")
        values = value if isinstance(value, Mapping) else {"": value}
        for key, one in values.items():
            as_number = _LETTERS.get(one) if isinstance(one, str) else None
            as_number = number(one) if as_number is None else as_number
            full = f"{name}/{key}" if key else name
            if as_number is not None:
                scores[full] = as_number
            elif one is not None:
                skipped[full] = None
        if score.get("answer") is not None:
            said[name] = str(score["answer"])
    completion = _completion(sample)
    target = sample.get("target")
    targets = [str(one) for one in (target if isinstance(target, list) else [target])]
    choices = sample.get("choices")
    options = tuple(str(one) for one in choices) if isinstance(choices, list) and choices else None
    # Of several scorers, the answer of one that says right or wrong comes first.
    judged = sorted(said, key=lambda name: scores.get(name) not in (0.0, 1.0))
    picked = None
    for text in (*(said[name] for name in judged), *_FINAL.findall(completion)[-1:], completion):
        if picked is None and options is not None:
            picked = _letter(text, options)
    answer = Answer(
        id=str(sample.get("id")),
        label=targets,
        prediction=said[judged[0]] if judged else completion,
        scores=scores,
        at=place,
        epoch=int(sample.get("epoch") or 1) - 1,
        content=[_content(sample.get("input")), choices, target],
        prompt=_prompt(sample),
        choices=options,
        groups=groups_of(groups, sample.get("metadata") or {}, sample),
    )
    if options is None or len(targets) != 1:
        return answer, None, None
    return answer, _letter(targets[0], options), picked


def _letter(text: str, options: Sequence[str]) -> int | None:
    """``B``, ``B.``, ``(B)`` or the choice's own words as its index."""
    bare = text.strip().strip("().:*").strip()
    if len(bare) == 1 and bare.isalpha() and ord(bare.upper()) - 65 < len(options):
        return ord(bare.upper()) - 65
    return options.index(text) if options.count(text) == 1 else None


def _prompt(sample: Mapping[str, Any]) -> str:
    """What the model was told before it first answered."""
    told = []
    for message in sample.get("messages") or ():
        if message.get("role") == "assistant":
            break
        told.append(_words(message.get("content")))
    given = sample.get("input")
    if not told:
        told = [given] if isinstance(given, str) else [_words(one.get("content")) for one in given or ()]
    held = sample.get("attachments") or {}
    text = "\n".join(told)
    # Long texts lie apart in a log, and a reference stands where they belong.
    return _ATTACHMENT.sub(lambda found: str(held.get(found[1], found[0])), text) if held else text


def _content(given: Any) -> Any:
    """What tells a sample's input from others: of messages, not the ids, which every run draws anew."""
    if not isinstance(given, list):
        return given
    return [[one.get("role"), one.get("content")] if isinstance(one, Mapping) else one for one in given]


def _words(content: Any) -> str:
    """A message's text; of a list of parts, those that are text."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return "" if content is None else str(content)


def _settings(about: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "harness": (about.get("packages") or {}).get("inspect_ai"),
        "task-version": about.get("task_version"),
        "task-arguments": about.get("task_args") or None,
        "solver": [[step.get("solver"), step.get("params_passed") or {}] for step in plan.get("steps") or ()]
        or None,
        "generation": {**(about.get("model_generate_config") or {}), **(plan.get("config") or {})} or None,
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        for name, value in found.items()
        if value is not None
    }


def _completion(sample: Mapping[str, Any]) -> str:
    """All that the model said in the end; older logs have it among the choices alone."""
    output = sample.get("output") or {}
    said = output.get("completion")
    if said is None and output.get("choices"):
        said = _words((output["choices"][0].get("message") or {}).get("content"))
    held = sample.get("attachments") or {}
    return _ATTACHMENT.sub(lambda found: str(held.get(found[1], found[0])), str(said or ""))


def _shown(path: Path, places: Sequence[int]) -> list[tuple[str, str]]:
    wanted, found = set(places), dict[int, tuple[str, str]]()

    def of(sample: Mapping[str, Any]) -> tuple[str, str]:
        return _prompt(sample), _completion(sample)

    if wanted and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as held:
            samples = _sample_names(held)
            found = {place: of(json.loads(_member(held, samples[place]))) for place in wanted}
    elif wanted:
        found = {place: of(one) for _, place, one in _samples(path) if one is not None and place in wanted}
    return [found.get(place, ("", "")) for place in places]
