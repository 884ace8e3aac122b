"""Users' own tables: labels and predictions as class names or indices, in CSV or plain Parquet.

What the values mean is known only when all inputs of an audit have been read, so the readers
keep codes into one shared vocabulary, and the codes are resolved at the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prunescope.errors import UserError, listed
from prunescope.predictions.arrow import Array, index_type, is_list, no_nulls, plain

#: Larger integers are taken for identifiers of classes rather than indices.
LARGEST_INDEX = 9999


#: Scores are kept as float32.
_LARGEST = float(np.finfo(np.float32).max)

#: An index as people and pandas write it; ``007`` is a name.
_INDEX = re.compile(r"(0|[1-9][0-9]*)(\.0*)?")

#: How missing values look in text.
_MISSING = frozenset({"nan", "NaN", "<NA>"})


@dataclass
class Vocabulary:
    """Every distinct value seen in label and prediction columns, and the columns it was seen in."""

    codes: dict[str, int] = field(default_factory=dict)
    columns: dict[tuple[Path, str], set[str]] = field(default_factory=dict)
    lists: bool = False

    def encode(self, array: Array, path: Path, column: str) -> np.ndarray:
        """(n,) codes of one column's values, in a small integer type.

        Raises:
            UserError: missing values, or lists of something that is no class.
        """
        array = plain(array)
        if is_list(array.type):
            self.lists = True
            no_nulls(array, path, column)
            try:
                array = pc.binary_join(pc.cast(array, pa.list_(pa.string())), "|")
            except pa.ArrowException:
                raise UserError(
                    f"{path}: column {column!r} must hold lists of class names or indices, not {array.type}"
                ) from None
        try:
            encoded = array.dictionary_encode()
        except pa.ArrowException:
            raise UserError(
                f"{path}: column {column!r} must hold class names or indices, not {array.type}"
            ) from None
        no_nulls(encoded, path, column)
        seen = self.columns.setdefault((path, column), set())
        codes = np.array([self._code(v, seen) for v in encoded.dictionary.to_pylist()], dtype=np.int64)
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        return (
            codes[indices].astype(index_type(len(self.codes))) if len(codes) else np.zeros(0, dtype=np.int8)
        )

    def _code(self, value: object, seen: set[str]) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).strip()
        seen.add(text)
        return self.codes.setdefault(text, len(self.codes))

    @property
    def values(self) -> list[str]:
        return list(self.codes)

    def where(self, value: str) -> str:
        path, column = next(source for source, seen in self.columns.items() if value in seen)
        return f"{path}: column {column!r}"

    def task(self) -> str:
        """What the values look like, where no prediction table says it.

        Several labels if any value holds ``|``; numbers with a fraction mean regression, also where they are
        only the labels: what else stands in a prediction is then wrong.

        Raises:
            UserError: missing values.
        """
        if self.lists or any("|" in value for value in self.values):
            return "multi-label"
        self._refuse_missing()
        labels = set().union(*(seen for (_, column), seen in self.columns.items() if column == "label"))
        scores = any(_are_scores(values) for values in (self.values, labels))
        return "regression" if scores else "single-label"

    def classes(self, task: str) -> tuple[str, ...]:
        """Class names: indices 0 to the largest if all values are such, else the sorted names.

        A column of indices only, beside columns of names, holds indices into the sorted names.
        """
        names, indices = self._kinds(task)
        largest = max((_index(part) or 0 for part in indices), default=-1)
        if not names and largest <= LARGEST_INDEX:
            return tuple(str(i) for i in range(largest + 1))
        numbers = [_whole(name) for name in names]
        if None in numbers:
            return tuple(sorted(names))
        # Identifiers that are numbers, in their order; 7, 7.0 and 007 are one, spelled as a name if it is one.
        others = {_whole(part): part.partition(".")[0] for part in indices}
        spellings = [*names, *(part for whole, part in others.items() if whole not in numbers)]
        return tuple(sorted(spellings, key=lambda part: (_whole(part), part)))

    def _kinds(self, task: str) -> tuple[dict[str, None], dict[str, None]]:
        """Values of the columns that hold names, and of those that hold nothing but indices."""
        kinds: tuple[dict[str, None], dict[str, None]] = ({}, {})
        for seen in self.columns.values():
            parts = {part for value in seen for part in _split(value)} if task == "multi-label" else seen
            kinds[all(_index(part) is not None for part in parts)].update(dict.fromkeys(sorted(parts)))
        return kinds

    def meaning(self, task: str, classes: tuple[str, ...]) -> np.ndarray:
        """What each code means, row by code.

        Returns:
            single-label: (V,) class index · multi-label: (V, C) bool · regression: (V,) float32 ·
            text and span: (V,) strings.

        Raises:
            UserError: a value is no class, or no number; missing values.
        """
        if task == "tokens":
            raise UserError(
                f"{self.where(self.values[0])} cannot tell classes of tokens; give prediction tables"
            )
        if task in ("text", "span"):
            if self.lists:
                raise UserError(
                    f"{self.where(self.values[0])} holds lists of answers; give a prediction table, which says its task"
                )
            return np.array(self.values, dtype=object)
        if task != "multi-label":
            self._refuse_missing(classes)
        if task == "regression":
            return np.array([self._finite(value) for value in self.values], dtype=np.float32)
        index = self._indices(task, classes)
        if task == "single-label":
            return np.array([index[value] for value in self.values], dtype=index_type(len(classes)))
        sets = np.zeros((len(self.values), len(classes)), dtype=bool)
        for code, value in enumerate(self.values):
            sets[code, [index[part] for part in _split(value)]] = True
        return sets

    def _indices(self, task: str, classes: tuple[str, ...]) -> dict[str, int]:
        """Class of every part: names as they stand; in columns of indices only, indices unless all
        of them are names."""
        number = {name: i for i, name in enumerate(classes)}
        whole = {_whole(name): i for i, name in enumerate(classes)}
        if None in whole:
            whole = {}
        named, indexed = self._kinds(task)
        names = {part: number.get(part, whole.get(_whole(part))) for part in named}
        found = {part: number.get(part, whole.get(_whole(part))) for part in indexed}
        if None in found.values():
            found = {
                part: i if (i := _index(part)) is not None and i < len(classes) else None for part in indexed
            }
            for part in indexed:
                if names.get(part) is not None and names[part] != found[part]:
                    raise UserError(
                        f"{self._holder(part, task)} holds {part!r}, which is a class name in one column and "
                        "an index in another; write names in all columns"
                    )
        meant = {**found, **names}
        # Words first: beside one of them in a column, indices are taken for names.
        unknown = sorted(
            (part for part, i in meant.items() if i is None), key=lambda p: _whole(p) is not None
        )
        if unknown:
            raise UserError(
                f"{self._holder(unknown[0], task)} holds {unknown[0]!r}, which is neither a class name nor an "
                f"index; the classes are {listed(classes)}"
            )
        return {part: i for part, i in meant.items() if i is not None}

    def _holder(self, part: str, task: str) -> str:
        """The column that holds this class."""
        return self.where(
            next(v for v in self.values if part == v or (task == "multi-label" and part in _split(v)))
        )

    def _finite(self, value: str) -> float:
        number = _number(value)
        if number is None or not abs(number) <= _LARGEST:
            raise UserError(
                f"{self.where(value)} holds {value!r}, which is not a number (or too large for one)"
            )
        return number

    def _refuse_missing(self, classes: Sequence[str] = ()) -> None:
        """Nothing, or NaN among numbers; among names it may be one (``nan`` is a language)."""
        words = any(_number(value) is None and value not in _MISSING | {""} for value in self.values)
        for value in self.values:
            if value not in classes and (value == "" or (value in _MISSING and not words)):
                raise UserError(f"{self.where(value)} has missing values; fill or drop those rows")


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split("|") if part.strip()]


def _are_scores(values: Collection[str]) -> bool:
    """All of them numbers, and some with a fraction."""
    numbers = [_number(value) for value in values]
    return None not in numbers and any(x is not None and not x.is_integer() for x in numbers)


def _number(text: str) -> float | None:
    try:
        # Python reads 1_2 as 12, but to a user it is a name.
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _whole(text: str) -> int | None:
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    number = _number(text)
    return int(number) if number is not None and number.is_integer() else None


def _index(text: str) -> int | None:
    return int(text.partition(".")[0]) if _INDEX.fullmatch(text) else None


def resolve(
    vocabulary: Vocabulary, task: str | None, classes: Sequence[str] | None
) -> tuple[str, tuple[str, ...], np.ndarray]:
    """Task, classes and the meaning of each code; what prediction tables say comes first.

    Raises:
        UserError: the values do not fit.
    """
    task = task or vocabulary.task()
    if classes is None:
        classes = vocabulary.classes(task) if task in ("single-label", "multi-label") else ()
    return task, tuple(classes), vocabulary.meaning(task, tuple(classes))
