"""The texts behind the examples, from a CSV, Parquet or JSON Lines file of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prunescope.errors import UserError, listed
from prunescope.predictions.arrow import NotANumberError, Source, ids_of, is_list, plain, whole_numbers
from prunescope.predictions.json_lines import SUFFIXES, json_objects, suffix_of

#: A column of token counts, where a table brings one along.
COUNTS = "n_tokens"


_SPACED = str.maketrans(
    {
        "'": " ' ",
        '"': "",
        ".": " . ",
        ",": " , ",
        "(": " ( ",
        ")": " ) ",
        "!": " ! ",
        "?": " ? ",
        ";": " ",
        ":": " ",
    }
)


def basic_english(text: str) -> list[str]:
    """Lower-cased words and punctuation marks, as torchtext's ``basic_english`` normalization has them."""
    return text.lower().replace("<br />", " ").translate(_SPACED).split()


def count_tokens(*parts: str) -> int:
    """Tokens of a text, in Table 7 of the PIE paper, its figures of text length and a BiLSTM's input alike.

    The separators of several parts, as of premise and hypothesis, count as one each.
    """
    return sum(len(basic_english(part)) for part in parts) + len(parts) - 1


@dataclass(frozen=True)
class Texts:
    """Raw texts by example, ``columns`` of them joined by a space; ``n_tokens`` where the table has that column."""

    examples: np.ndarray
    texts: list[str]
    n_tokens: np.ndarray | None
    columns: int = 1

    def of(self, examples: np.ndarray, path: Path) -> Texts:
        """The texts of these examples, in this order.

        Raises:
            UserError: an example has no text.
        """
        if examples.dtype == object and self.examples.dtype != object:
            return replace(self, examples=self.examples.astype(str).astype(object)).of(examples, path)
        asked = np.asarray(examples)
        if self.examples.dtype == object:
            examples = examples.astype(str).astype(object)
        order = np.argsort(self.examples, kind="stable")
        at = np.searchsorted(self.examples, examples, sorter=order)
        found = np.zeros(len(examples), dtype=bool)
        inside = at < len(order)
        found[inside] = self.examples[order[at[inside]]] == examples[inside]
        if not found.all():
            raise UserError(
                f"{path}: no text for example {examples[~found][0]} ({int((~found).sum())} are missing); "
                "give the texts of the audited split"
            )
        rows = order[at]
        counts = None if self.n_tokens is None else self.n_tokens[rows]
        return Texts(asked, [self.texts[row] for row in rows.tolist()], counts, self.columns)


def read_texts(path: Path, columns: Sequence[str] = ()) -> Texts:
    """Read texts; rows are joined on ``example``, or on the row number where there is no such column.

    Without ``columns``: the ``inputs`` a data table names in its metadata, else ``text``, else
    ``premise`` and ``hypothesis``. Missing texts count as empty.

    Raises:
        UserError: the file is missing or damaged, a column is missing or holds no text, an
            example stands there twice.
    """
    if suffix_of(path) in SUFFIXES:
        values, numbers, counts, joined = _json_lines(path, columns)
    else:
        values, numbers, counts, joined = _table(path, columns)
    examples = np.arange(len(values)) if numbers is None else numbers
    ordered = np.sort(examples)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        raise UserError(f"{path}: example {twice[0]} stands there twice; give each text once")
    return Texts(examples, values, counts, joined)


def _chosen(path: Path, asked: Sequence[str], present: Sequence[str], inputs: object) -> list[str]:
    if asked:
        missing = [name for name in asked if name not in present]
        if missing:
            raise UserError(f"{path}: no column {listed(map(repr, missing))}; the file has {listed(present)}")
        return list(asked)
    named = inputs if isinstance(inputs, list) else []
    for usual in (named, ["text"], ["premise", "hypothesis"]):
        if usual and all(name in present for name in usual):
            return [str(name) for name in usual]
    raise UserError(f"{path}: no column 'text'; name one or more with --text-column ({listed(present)})")


#: Texts, numbers of the examples, counts of tokens, and how many columns were joined.
_Read = tuple[list[str], np.ndarray | None, np.ndarray | None, int]


def _table(path: Path, asked: Sequence[str]) -> _Read:
    source = Source(path)
    names = _chosen(path, asked, source.columns, (source.metadata or {}).get("inputs"))
    extra = [name for name in ("example", COUNTS) if name in source.columns and name not in names]
    values: list[str] = []
    found: dict[str, list[np.ndarray]] = {name: [] for name in extra}
    for batch in source.batches([*dict.fromkeys(names), *extra]):
        parts = [_strings(plain(batch[name]), path, name) for name in names]
        values.extend(" ".join(row) for row in zip(*parts, strict=True))
        for name in extra:
            found[name].append(_numbers_or_ids(batch[name], path, name))
    columns = {}
    for name, chunks in found.items():
        if any(chunk.dtype == object for chunk in chunks):
            chunks = [chunk.astype(str).astype(object) for chunk in chunks]
        columns[name] = np.concatenate(chunks) if chunks else np.zeros(0, np.int64)
    return values, columns.get("example"), columns.get(COUNTS), len(names)


def _numbers_or_ids(array: pa.Array, path: Path, column: str) -> np.ndarray:
    try:
        return whole_numbers(array, path, column)
    except NotANumberError:
        if column == COUNTS:
            raise
        return np.array(ids_of(array, path, column).to_pylist(), dtype=object)


def _strings(array: pa.Array, path: Path, column: str) -> list[str]:
    if is_list(array.type) or pa.types.is_struct(array.type) or pa.types.is_binary(array.type):
        raise UserError(f"{path}: column {column!r} must hold texts, not {array.type}")
    return ["" if value is None else str(value) for value in array.to_pylist()]


def _json_lines(path: Path, asked: Sequence[str]) -> _Read:
    names: list[str] | None = None
    values: list[str] = []
    found: dict[str, list[Any]] = {"example": [], COUNTS: []}
    for number, row in json_objects(path):
        if names is None:
            names = _chosen(path, asked, list(row), None)
        missing = [name for name in names if name not in row]
        if missing:
            raise UserError(f"{path}: line {number} has no {listed(map(repr, missing))}")
        nested = [name for name in names if isinstance(row[name], list | dict)]
        if nested:
            raise UserError(f"{path}: line {number}: {nested[0]!r} must hold a text, not a list or object")
        values.append(" ".join("" if row[name] is None else str(row[name]) for name in names))
        for key, numbers in found.items():
            if key in row:
                text = key == "example" and isinstance(row[key], str)
                numbers.append(row[key] if text else _whole(row[key], path, number, key))
    columns: dict[str, np.ndarray | None] = {}
    for key, numbers in found.items():
        if numbers and len(numbers) != len(values):
            raise UserError(
                f"{path}: some lines have {key!r} and others have none; give it in all or in none"
            )
        if any(isinstance(number, str) for number in numbers):
            columns[key] = np.array([str(number).strip() for number in numbers], dtype=object)
        else:
            columns[key] = np.array(numbers, dtype=np.int64) if numbers else None
    return values, columns["example"], columns[COUNTS], len(names or [""])


def _whole(value: object, path: Path, line: int, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        raise UserError(f"{path}: line {line}: {key!r} must be a whole number, not {value!r}")
    return int(value)
