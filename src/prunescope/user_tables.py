"""Users' own tables: labels and predictions as class names or indices, in CSV or plain Parquet.

What the values mean is known only when all inputs of an audit have been read, so the readers
keep codes into one shared vocabulary, and the codes are resolved at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prunescope.arrow import Array, index_type, is_list, no_nulls, plain
from prunescope.errors import UserError, listed

#: Larger integers are taken for identifiers of classes rather than indices.
LARGEST_INDEX = 9999


@dataclass
class Vocabulary:
    """Every distinct value seen in label and prediction columns, with where it was seen first."""

    codes: dict[str, int] = field(default_factory=dict)
    origins: list[tuple[Path, str]] = field(default_factory=list)
    lists: bool = False

    def encode(self, array: Array, path: Path, column: str) -> np.ndarray:
        """(n,) codes of one column's values, in a small integer type.

        Raises:
            UserError: missing values.
        """
        array = plain(array)
        if is_list(array.type):
            self.lists = True
            no_nulls(array, path, column)
            array = pc.binary_join(pc.cast(array, pa.list_(pa.string())), "|")
        encoded = array.dictionary_encode()
        no_nulls(encoded, path, column)
        codes = np.array(
            [self._code(v, path, column) for v in encoded.dictionary.to_pylist()], dtype=np.int64
        )
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        return (
            codes[indices].astype(index_type(len(self.codes))) if len(codes) else np.zeros(0, dtype=np.int8)
        )

    def _code(self, value: object, path: Path, column: str) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).strip()
        if text not in self.codes:
            self.codes[text] = len(self.codes)
            self.origins.append((path, column))
        return self.codes[text]

    @property
    def values(self) -> list[str]:
        return list(self.codes)

    def where(self, value: str) -> str:
        path, column = self.origins[self.codes[value]]
        return f"{path}: column {column!r}"

    def task(self) -> str:
        """What the values look like, where no prediction table says it.

        Several labels if any value holds ``|``; numbers with a fraction mean regression.

        Raises:
            UserError: missing values.
        """
        if self.lists or any("|" in value for value in self.values):
            return "multi-label"
        self._refuse_missing()
        numbers = [_number(value) for value in self.values]
        if all(x is not None for x in numbers) and any(x is not None and not x.is_integer() for x in numbers):
            return "regression"
        return "single-label"

    def classes(self, task: str) -> tuple[str, ...]:
        """Class names: indices 0 to the largest if all values are such, else the sorted names."""
        parts = self._parts(task)
        indices = [_index(part) for part in parts]
        known = [i for i in indices if i is not None]
        if known and len(known) == len(indices) and max(known) <= LARGEST_INDEX:
            return tuple(str(i) for i in range(max(known) + 1))
        whole = [_whole(part) for part in parts]
        if all(number is not None for number in whole):
            return tuple(sorted(parts, key=lambda part: (_whole(part), part)))
        return tuple(sorted(parts))

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
            return np.array(self.values, dtype=object)
        if task != "multi-label":
            self._refuse_missing()
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
        parts = self._parts(task)
        names = {name: i for i, name in enumerate(classes)}
        unknown = [part for part in parts if part not in names]
        if not unknown:
            return names
        indices = {part: _index(part) for part in parts}
        outside = [part for part, i in indices.items() if i is None or i >= len(classes)]
        if not outside:
            return {part: i for part, i in indices.items() if i is not None}
        wrong = next((part for part in unknown if part in outside), unknown[0])
        value = next(v for v in self.values if wrong == v or (task == "multi-label" and wrong in _split(v)))
        raise UserError(
            f"{self.where(value)} holds {wrong!r}, which is neither a class name nor an index; "
            f"the classes are {listed(classes)}"
        )

    def _parts(self, task: str) -> list[str]:
        if task != "multi-label":
            return self.values
        return list(dict.fromkeys(part for value in self.values for part in _split(value)))

    def _finite(self, value: str) -> float:
        number = _number(value)
        if number is None or not np.isfinite(number):
            raise UserError(f"{self.where(value)} holds {value!r}, which is not a number")
        return number

    def _refuse_missing(self) -> None:
        for value in self.values:
            if value in {"", "nan", "NaN", "<NA>"}:
                raise UserError(f"{self.where(value)} has missing values; fill or drop those rows")


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split("|") if part.strip()]


def _number(text: str) -> float | None:
    try:
        # Python reads 1_2 as 12, but to a user it is a name.
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _whole(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() else None


def _index(text: str) -> int | None:
    whole = _whole(text)
    return whole if whole is not None and whole >= 0 else None


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
