"""Users' own tables: labels and predictions as class names or indices, in CSV or plain Parquet.

What the values mean is known only when all inputs of an audit have been read, so the readers
keep codes into one shared vocabulary, and the codes are resolved at the end.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prunescope.errors import UserError, listed
from prunescope.predictions.arrow import Array, index_type, is_list, no_nulls, plain
from prunescope.predictions.reading import Reading
from prunescope.predictions.sets import label_sets

#: Larger integers are taken for identifiers of classes rather than indices.
LARGEST_INDEX = 9999


#: Scores are kept as float32.
_LARGEST = float(np.finfo(np.float32).max)

#: An index as people and pandas write it; ``007`` is a name.
_INDEX = re.compile(r"(0|[1-9][0-9]*)(\.0*)?")

#: How missing values look in text.
_MISSING = frozenset({"nan", "NaN", "<NA>"})


#: Between the classes of a list as it is kept in a code, where a name may hold any other character.
_JOINT = "\x1f"

#: The label that says that there is none.
UNLABELLED = "-1"


@dataclass
class Vocabulary:
    """Every distinct value seen in label and prediction columns, and the columns it was seen in.

    labels: the columns that hold labels. notes: how the values were read, where they could have been read otherwise.
    warnings: what of them looks wrong.
    spelled: names that differ from a class's by the blanks around them, and that class.
    """

    codes: dict[str, int] = field(default_factory=dict)
    columns: dict[tuple[Path, str], set[str]] = field(default_factory=dict)
    labels: set[tuple[Path, str]] = field(default_factory=set)
    lists: bool = False
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    spelled: dict[str, str] = field(default_factory=dict)

    def encode(self, array: Array, path: Path, column: str, role: str) -> np.ndarray:
        """(n,) codes of one column's values, in a small integer type.

        Raises:
            UserError: missing values, or lists of something that is no class.
        """
        array = plain(array)
        if is_list(array.type):
            self.lists = True
            no_nulls(array, path, column)
            try:
                joined = pc.binary_join(pc.cast(array, pa.list_(pa.string())), _JOINT)
                array = pc.binary_join_element_wise(_JOINT, joined, "")
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
        if role == "label":
            self.labels.add((path, column))
        seen = self.columns.setdefault((path, column), set())
        codes = np.array([self._code(v, seen) for v in encoded.dictionary.to_pylist()], dtype=np.int64)
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        return (
            codes[indices].astype(index_type(len(self.codes))) if len(codes) else np.zeros(0, dtype=np.int8)
        )

    def _code(self, value: object, seen: set[str]) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value)
        bare = text.strip()
        # Blanks may belong to a name, but not to a number or a list.
        if bare != text and (
            not bare or bare in _MISSING or _number(bare) is not None or as_list(bare) is not None
        ):
            text = bare
        seen.add(text)
        return self.codes.setdefault(text, len(self.codes))

    def drop_unlabelled(self) -> set[Path]:
        """The files whose label is -1 throughout; their labels are no longer values."""
        dropped = {key for key in self.labels if self.columns[key] == {UNLABELLED}}
        for key in dropped:
            del self.columns[key]
        self.labels -= dropped
        return {path for path, _ in dropped}

    @property
    def values(self) -> list[str]:
        used = set().union(*self.columns.values())
        return [value for value in self.codes if value in used]

    def where(self, value: str) -> str:
        path, column = next(source for source, seen in self.columns.items() if value in seen)
        return f"{path}: column {column!r}"

    def task(self) -> str:
        """What the values look like, where nobody says it.

        Several labels if values are lists or hold ``|``; numbers with a fraction mean regression, also where they
        are only the labels: what else stands in a prediction is then wrong.

        Raises:
            UserError: missing values; ``|`` that may be part of a name; numbers with a decimal comma.
        """
        if self.lists or any(map(_all_lists, self.columns.values())):
            return "multi-label"
        joined = [value for value in self.values if "|" in value]
        if joined:
            self._refuse_doubtful(joined)
            return "multi-label"
        self._refuse_missing()
        comma = next((value for value in self.values if _COMMA.fullmatch(value)), None)
        if comma and all(_COMMA.fullmatch(v) or _number(v) is not None for v in self.values):
            raise UserError(
                f"{self.where(comma)} holds {comma!r}, a number with a decimal comma; write a point, or give --task "
                "single-label if it is a name"
            )
        labels = set().union(*(self.columns[key] for key in self.labels))
        scores = any(_are_scores(values) for values in (self.values, labels))
        if not scores:
            if all(_whole(value) is not None for value in self.values):
                self.notes.append("whole numbers, read as classes; --task regression reads them as scores")
            return "single-label"
        odd = next(filter(None, map(_spelled_as_name, self.columns.values())), None)
        if odd:
            self.notes.append(f"{odd[0]} and {odd[1]} are names; --task regression reads them as numbers")
            return "single-label"
        self.notes.append("numbers with a fraction, read as scores; --task single-label reads them as names")
        return "regression"

    def _refuse_doubtful(self, joined: Sequence[str]) -> None:
        """One name holds ``|`` or several labels do: told by labels that stand elsewhere too."""
        if "" in self.values:
            return
        count: dict[str, int] = {}
        for value in self.values:
            for part in set(_split(value)):
                count[part] = count.get(part, 0) + 1
        parts = {part for value in joined for part in _split(value)}
        if all(count[part] == 1 and _index(part) is None for part in parts):
            raise UserError(
                f"{self.where(joined[0])} holds {joined[0]!r}: one class name, or several labels joined by '|'? give "
                "--task single-label or --task multi-label"
            )

    def classes(self, task: str) -> tuple[str, ...]:
        """Class names: indices 0 to the largest if all values are such, else the sorted names.

        Raises:
            UserError: some labels are -1, and nothing predicts it: a class, or no label?
        """
        names, indices = self._kinds(task)
        holders = [key for key, seen in self.columns.items() if UNLABELLED in seen]
        if holders and self.labels.issuperset(holders):
            raise UserError(
                f"{holders[0][0]}: column {holders[0][1]!r} holds {UNLABELLED} in some rows, and no model predicts it; "
                "drop the rows without a label, or name it with --classes if it is a class"
            )
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

    def pad(self, task: str, classes: Sequence[str] | None) -> None:
        """Read as one class what columns spell alike but for the blanks around it, and note it.

        A column (or ``classes``) that holds two such spellings makes them two classes.
        """
        if task not in ("single-label", "multi-label"):
            return
        columns = [("--classes", set(classes))] if classes is not None else []
        columns += [
            (f"{path}: column {column!r}", {part for value in seen for part in self._parts(value, task)})
            for (path, column), seen in self.columns.items()
        ]
        if not any(name != name.strip() for _, names in columns for name in names):
            return
        spellings: dict[str, dict[str, str]] = {}
        apart: dict[str, str] = {}
        for where, names in columns:
            for name in sorted(names):
                spellings.setdefault(name.strip(), {}).setdefault(name, where)
            twice = Counter(name.strip() for name in names)
            apart.update((bare, where) for bare, count in twice.items() if count > 1)
        alike = {bare: held for bare, held in spellings.items() if len(held) > 1}
        if (split := next((bare for bare in alike if bare in apart), None)) is not None:
            one, other = list(alike[split])[:2]
            self.warnings.append(
                f"{apart[split]} holds {one!r} and {other!r}, which differ in blanks alone: read as two classes"
            )
        merged = {bare: held for bare, held in alike.items() if bare not in apart}
        for bare, held in merged.items():
            known = next((name for name in classes if name in held), bare) if classes is not None else bare
            self.spelled.update((name, known) for name in held if name != known)
        if merged:
            (one, here), (other, there) = list(next(iter(merged.values())).items())[:2]
            more = f" (so are {len(merged) - 1} more)" if len(merged) > 1 else ""
            self.warnings.append(
                f"{one!r} ({here}) and {other!r} ({there}) differ in blanks alone: read as one class{more}; write them "
                "alike in all files"
            )

    def _parts(self, value: str, task: str) -> list[str]:
        """The classes of one value."""
        parts = _split(value) if task == "multi-label" else [value]
        return [self.spelled.get(part, part) for part in parts]

    def _kinds(self, task: str) -> tuple[dict[str, None], dict[str, None]]:
        """Values of the columns that hold names, and of those that hold nothing but indices."""
        kinds: tuple[dict[str, None], dict[str, None]] = ({}, {})
        for seen in self.columns.values():
            parts = {part for value in seen for part in self._parts(value, task)}
            kinds[all(_index(part) is not None for part in parts)].update(dict.fromkeys(sorted(parts)))
        return kinds

    def meaning(self, task: str, classes: tuple[str, ...], ordered: bool) -> np.ndarray:
        """What each code means, row by code; of codes that are no longer values, anything.

        Args:
            ordered: somebody said the order of the classes.

        Returns:
            single-label: (V,) class index · multi-label: sets of classes · regression: (V,) float32 ·
            text and span: (V,) strings.

        Raises:
            UserError: a value is no class, or no number; missing values; indices into names whose order nobody said.
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
            return np.array([value.strip() for value in self.codes], dtype=object)
        if task != "multi-label":
            if self.lists:
                raise UserError(
                    f"{self.where(self.values[0])} holds lists, which are several labels; drop --task"
                )
            self._refuse_missing(classes)
        if task == "regression":
            numbers = np.full(len(self.codes), np.nan, dtype=np.float32)
            for value in self.values:
                numbers[self.codes[value]] = self._finite(value)
            return numbers
        index = self._indices(task, classes, ordered)
        if task == "single-label":
            single = np.full(len(self.codes), -1, dtype=index_type(len(classes)))
            for value in self.values:
                single[self.codes[value]] = index[self._parts(value, task)[0]]
            return single
        pairs = [
            (self.codes[value], index[part]) for value in self.values for part in self._parts(value, task)
        ]
        rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return label_sets(rows, columns, len(self.codes), len(classes))

    def _indices(self, task: str, classes: tuple[str, ...], ordered: bool) -> dict[str, int]:
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
            if named and not ordered:
                self._refuse_unordered(task, named, indexed)
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

    def _refuse_unordered(self, task: str, named: Iterable[str], indexed: Iterable[str]) -> None:
        name, index = next(iter(named)), next(iter(indexed))
        raise UserError(
            f"{self._holder(index, task)} holds indices ({listed(indexed, 3)}) and {self._holder(name, task)} names "
            f"({listed(sorted(named), 3)}); say which index is which name: --classes with the names in the order of "
            "their indices, 0 first"
        )

    def _holder(self, part: str, task: str) -> str:
        """The column that holds this class."""
        return self.where(next(v for v in self.values if part in self._parts(v, task)))

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
        named = frozenset(classes)
        for value in self.values:
            if value not in named and (value == "" or (value in _MISSING and not words)):
                raise UserError(f"{self.where(value)} has missing values; fill or drop those rows")


def _split(value: str) -> list[str]:
    """The labels of one cell: joined by ``|``, or a list as Python, numpy or JSON writes it."""
    listed_ = value[1:].split(_JOINT) if value.startswith(_JOINT) else as_list(value)
    parts = listed_ or [part.strip() for part in value.split("|")]
    return [part for part in parts if part.strip()]


@lru_cache(maxsize=1 << 16)
def as_list(value: str) -> list[str] | None:
    """The parts of ``['a', 'b']``, ``["a"]``, ``[0 1]`` or ``('a',)``, blanks for an empty one; None for other text."""
    if len(value) < 2 or (value[0], value[-1]) not in _BRACKETS:
        return None
    # First: Python joins 'a' 'b' to one text.
    if _ARRAY.fullmatch(value):
        return ["".join(found) for found in _PART.findall(value[1:-1])] or [""]
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            parts = list(read(value)) if value != "set()" else []
            if any(isinstance(part, list | dict | tuple | set) for part in parts):
                return None
            return [str(part) for part in parts] or [""]
    return None


#: As numpy prints an array: numbers or quoted names between blanks.
_PART = re.compile(r"""([0-9]+)|'([^']*)'|"([^"]*)\"""")
_ARRAY = re.compile(r"""\[\s*((?:[0-9]+|'[^']*'|"[^"]*")(?:\s+|(?=\])))*\]""")


_BRACKETS = frozenset({("[", "]"), ("(", ")"), ("{", "}")})


def _all_lists(values: Collection[str]) -> bool:
    """Every cell is a list or empty, and one is a list of Python's, numpy's or JSON's."""
    filled = [value for value in values if value]
    return bool(filled) and all(as_list(value) is not None for value in filled)


def _are_scores(values: Collection[str]) -> bool:
    """All of them numbers, and some with a fraction."""
    numbers = [_number(value) for value in values]
    return None not in numbers and any(x is not None and not x.is_integer() for x in numbers)


#: ``3,5``: a number where the comma separates the fraction.
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


def _spelled_as_name(values: Collection[str]) -> tuple[str, str] | None:
    """Two values of one column that no program writes both: ``3.10`` beside ``3.9``. Versions and sections look so.

    Numbers are written with as many digits as they need, or all with the same number of decimals.
    """
    decimals = {value: len(value.partition(".")[2]) for value in values if _DECIMAL.fullmatch(value)}
    padded = [value for value, n in decimals.items() if n > 1 and value.endswith("0")]
    for value in sorted(padded):
        other = next((v for v in sorted(decimals) if decimals[v] != decimals[value]), None)
        if other:
            return value, other
    return None


_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


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


@dataclass(frozen=True)
class Resolved:
    """Task and classes of an audit, what each code of users' tables means, and how the classes' order came about."""

    task: str
    classes: tuple[str, ...]
    meaning: np.ndarray
    order: str


def resolve(
    vocabulary: Vocabulary, reading: Reading, task: str | None, classes: Sequence[str] | None
) -> Resolved:
    """Task, classes and the meaning of each code; what prediction tables say comes first, then what the user says.

    Raises:
        UserError: the values do not fit.
    """
    order = "as the prediction tables name them"
    if task is None:
        task = reading.task or vocabulary.task()
    if classes is None and reading.classes is not None:
        classes, order = reading.classes, "as --classes gives them"
    ordered = classes is not None
    vocabulary.pad(task, classes)
    if classes is None:
        classes = vocabulary.classes(task) if task in ("single-label", "multi-label") else ()
        numbers = all(_index(name) is not None for name in classes)
        order = "indices" if numbers else "in alphabetical order"
        if not numbers and classes and all(_whole(name) is not None for name in classes):
            order = "numbers in their order"
    meaning = vocabulary.meaning(task, tuple(classes), ordered)
    return Resolved(task, tuple(classes), meaning, order)
