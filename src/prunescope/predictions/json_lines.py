"""JSON Lines (one object a line), or one JSON array of objects, plain or gzipped, object by object."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from prunescope.errors import UserError, visible
from prunescope.files import bounded, measure

SUFFIXES = frozenset({".jsonl", ".ndjson", ".json"})

#: What pipelines call the texts that they make.
_TEXTS = ("generated_text", "summary_text", "translation_text")

#: Other ways to pack a file that pyarrow knows by their suffix.
_PACKED = frozenset({".bz2", ".zst", ".lz4"})


def opened(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked where they are packed; gzip whatever the file is called."""
    unpack: Callable[[Path], Any] = gzip.open
    if path.suffix.lower() in _PACKED:
        unpack = _detected
    else:
        stream = open(path, "rb")  # noqa: SIM115 (returned open)
        if stream.read(2) != b"\x1f\x8b":
            stream.seek(0)
            return stream
        stream.close()
    measure(unpack, path)
    return bounded(unpack(path), path)


def _detected(path: Path) -> Any:
    return pa.input_stream(str(path), compression="detect")


def suffix_of(path: Path) -> str:
    """``.csv`` of ``a.CSV`` and of ``a.csv.gz``."""
    plain = path.with_suffix("") if path.suffix.lower() in {".gz", *_PACKED} else path
    return plain.suffix.lower()


def json_objects(path: Path, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of the line (in an array, of the object) and the object.

    Raises:
        UserError: the file is missing, a line is cut off or is no JSON object.
    """
    try:
        with opened(path) as stream, TextIOWrapper(stream, encoding=encoding or "utf-8-sig") as text:
            start = text.read(1)
            while start.isspace():
                start = text.read(1)
            if start == "[":
                yield from enumerate(_array(path, start + text.read()), 1)
                return
            first = start + text.readline()
            number = 0
            for number, line in enumerate(_chained(first, text), 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    why = "is cut off" if not line.endswith("\n") else f"is no JSON ({_short(error)})"
                    raise UserError(
                        f"{path}: not a JSON Lines file: line {number} {why}; write the file again"
                    ) from None
                except RecursionError:
                    raise UserError(
                        f"{path}: not a JSON Lines file: line {number} is nested too deep"
                    ) from None
                row = _best(row)
                if not isinstance(row, dict):
                    raise UserError(f"{path}: line {number} is not a JSON object; give one object per line")
                yield number, row
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, not a file; give the files in it") from None
    except (OSError, EOFError, ValueError, LookupError) as error:
        raise UserError(f"{path}: not a JSON Lines file ({_short(error)})") from None


def _chained(first: str, rest: Iterator[str] | TextIOWrapper) -> Iterator[str]:
    yield first
    yield from rest


def _array(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            if not error.msg.startswith("Extra data"):
                raise
            # A list on each line, as pipelines return for one text each.
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not a JSON file ({_short(error)}): cut off or damaged; write it again"
        ) from None
    rows = [_best(row) for row in rows]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UserError(
                f"{path}: entry {number} of the array is not a JSON object; give objects with columns as keys"
            )
    return cast("list[dict[str, Any]]", rows)


def is_pipeline(row: object) -> bool:
    """Whether this is an answer as a Hugging Face pipeline gives it: a label and its score."""
    return (
        isinstance(row, dict) and row.keys() == {"label", "score"} and isinstance(row["score"], float | int)
    )


def _best(row: object) -> object:
    """The answer of a Hugging Face pipeline as its label and score; of all classes with ``top_k``, the likeliest one.

    Texts, answers and the entities of a text are labels too. Anything else as it is.
    """
    if isinstance(row, list):
        if row and all(map(is_pipeline, row)):
            return max(row, key=lambda one: one["score"])
        if all(isinstance(one, dict) and {"entity", "entity_group"} & one.keys() for one in row):
            found = [f"{one.get('entity_group', one.get('entity'))}: {one.get('word')}" for one in row]
            return {"label": "; ".join(found) or "(no entity)", "score": 1.0}
        return _best(row[0]) if row and isinstance(row[0], dict) and is_pipeline(_best(row[0])) else row
    if not isinstance(row, dict):
        return row
    if {"labels", "scores"} <= row.keys() <= {"sequence", "labels", "scores"} and row["scores"]:
        score, label = max(zip(row["scores"], row["labels"], strict=False), key=lambda one: one[0])
        return {"label": label, "score": score}
    if row.keys() == {"score", "start", "end", "answer"}:
        return {"label": str(row["answer"]), "score": row["score"]}
    text = next((row[name] for name in _TEXTS if row.keys() == {name}), None)
    if isinstance(text, list) and text and isinstance(text[-1], dict):
        text = text[-1].get("content")
    return row if text is None else {"label": str(text), "score": 1.0}


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def column(values: list[Any], path: Path, name: str) -> Any:
    """The values of one key as an Arrow column: text, or lists of text where every value is a list.

    Raises:
        UserError: objects, or lists beside single values; half a character.
    """
    try:
        return _column(values, path, name)
    except UnicodeEncodeError as error:
        half = visible(error.object[error.start : error.end])
        raise UserError(f"{path}: {name!r} holds half a character ({half}); write whole ones") from None


def _column(values: list[Any], path: Path, name: str) -> Any:
    nested = [value for value in values if isinstance(value, list | dict)]
    if not nested:
        return pa.array([None if value is None else text_of(value) for value in values], pa.string())
    if any(isinstance(value, dict) for value in nested) or len(nested) + values.count(None) < len(values):
        raise UserError(f"{path}: {name!r} must hold texts, numbers or lists of them, the same in every line")
    if any(isinstance(part, list | dict) for value in nested for part in value):
        raise UserError(f"{path}: {name!r} holds lists in lists; give lists of names or numbers")
    made = [
        None if value is None else [None if part is None else text_of(part) for part in value]
        for value in values
    ]
    return pa.array(made, pa.list_(pa.string()))


def text_of(value: Any) -> str:
    """A JSON value as CSV would hold it."""
    return value if isinstance(value, str) else str(value)
