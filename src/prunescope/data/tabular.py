"""From a user's own table of texts or images to a data set: what its labels are, its splits, what is odd about it.

Nothing is guessed in silence: what was guessed is a note, what may be wrong is a warning.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

from prunescope.data.columns import Columns
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.local import Rows, split_called
from prunescope.data.oddities import label_warnings, leaks, text_findings
from prunescope.data.splits import SPLITS, drawn, sample
from prunescope.errors import UserError, listed, nearest

#: Numbers count as classes where each stands there so often on average.
_REPEATED = 3

#: Shares that become validation and test where neither files nor settings say what is.
SHARES = {"validation": 0.1, "test": 0.2}

_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_TAG = re.compile(r"O|[BIES]-.+")


@dataclass(frozen=True)
class Read:
    """What a source has read: tables by split (``""``: not told), and versions of what read them.

    ``folder``: paths of images start there.
    """

    rows: Mapping[str, Sequence[Rows]]
    versions: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()


class _Pool:
    """All examples of all files, one after the other."""

    def __init__(self, read: Read) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.given: list[str] = []
        self.names: dict[str, Sequence[str]] = {}
        self.repaired = 0
        self._starts: list[int] = []
        self._paths: list[str] = []
        for split, several in read.rows.items():
            for rows in several:
                self._starts.append(len(self.given))
                self._paths.append(rows.path)
                self.given += [split] * len(rows)
                self.names.update(rows.names)
                self.repaired += rows.repaired
                for name, cells in rows.columns.items():
                    self.columns.setdefault(name, []).extend(cells)

    def __len__(self) -> int:
        return len(self.given)

    def where(self, number: int) -> str:
        """``file: row``, from 1, for messages."""
        at = bisect_right(self._starts, number) - 1
        return f"{self._paths[at]}: row {number - self._starts[at] + 1}"


@dataclass(frozen=True)
class Prepared:
    """A data set before its images are decoded.

    ``rows``: example numbers by split. ``inputs``: of every example, by column, a text or the bytes of an image.
    ``labels``: sorted class numbers, (number,), or a class for each word. ``size``: (channels, height, width).
    """

    task: str
    classes: tuple[str, ...]
    rows: Mapping[str, list[int]]
    inputs: Mapping[str, list[Any]]
    labels: list[Any]
    extra: Mapping[str, list[str]]
    size: tuple[int, int, int] | None
    where: Sequence[str]
    versions: Mapping[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: Mapping[str, Any]

    def dataset(self, name: str) -> DataSet:
        """The tables; images are decoded.

        Raises:
            UserError: an image is damaged.
        """
        import numpy as np

        from prunescope.predictions.arrow import objects
        from prunescope.predictions.texts import has_formulas

        tables = {}
        spoken = str(self.findings.get("language", "en"))
        for split in SPLITS:
            rows = self.rows[split]
            metrics: tuple[str, ...] = ()
            labels: Any = (
                np.array([self.labels[n][0] for n in rows], dtype=np.int32) if self._single else None
            )
            if self.task == "regression":
                labels = np.array([self.labels[n][0] for n in rows], dtype=np.float32)
                metrics = ("pearson", "spearman")
            elif self.task == "multi-label":
                labels = np.zeros((len(rows), len(self.classes)), dtype=bool)
                for row, n in enumerate(rows):
                    labels[row, list(self.labels[n])] = True
            elif self.task == "tokens":
                labels = objects([np.array(self.labels[n], dtype=np.int32) for n in rows])
                if all(_TAG.fullmatch(tag) for tag in self.classes):
                    metrics = ("f1", "precision", "recall", "accuracy")
            info = TableInfo(
                name,
                split,
                self.task,
                self.classes,
                tuple(self.inputs),
                self.size,
                255.0 if self.size else None,
                metrics=metrics,
                extra=tuple(self.extra),
                language=None if has_formulas(spoken) else spoken,
            )
            extra = {column: [cells[n] for n in rows] for column, cells in self.extra.items()}
            if self.size is not None:
                from prunescope.data.images import decoded

                cells = self.inputs["image"]
                images = np.stack([decoded(cells[n], self.size, self.where[n]) for n in rows])
                tables[split] = DataTable(info, labels, images=images, extra=extra)
            else:
                texts = {column: [cells[n] for n in rows] for column, cells in self.inputs.items()}
                tables[split] = DataTable(info, labels, texts=texts, extra=extra)
        return DataSet(tables, dict(self.versions), self.notes, self.findings, self.warnings)

    @property
    def _single(self) -> bool:
        return self.task == "single-label"


def prepare(spec: Columns, read: Read) -> Prepared:
    """Everything about a user's data but the pixels: read, checked, split, looked over.

    Raises:
        UserError: a cell is not what its column should hold, a label is none of ``classes``, or splits are impossible.
    """
    pool = _Pool(read)
    notes: list[str] = []
    size = None
    if spec.input == "image":
        from prunescope.data.images import common_size, encoded

        inputs: dict[str, list[Any]] = {"image": []}
        for number, cell in enumerate(pool.columns[spec.image_column]):
            inputs["image"].append(encoded(cell, read.folder, pool.where(number)))
        paths = [_named(cell, pool.where(n)) for n, cell in enumerate(pool.columns[spec.image_column])]
        size, said = common_size(inputs["image"], paths, spec.size)
        notes += said
    else:
        paths = [pool.where(number) for number in range(len(pool))]
        inputs = {column: _texts(pool, column) for column in spec.text_columns}
    task, classes, labels = _labels(spec, pool, inputs, notes)
    contents: list[Any] = inputs.get("image") or [
        "\0".join(parts) for parts in zip(*inputs.values(), strict=True)
    ]
    strata = [_stratum(task, label) for label in labels]
    if task == "regression":
        strata = _bands([label[0] for label in labels])
    rows = _split(spec, pool, contents, strata, notes)
    if spec.limit is not None and any(len(numbers) > spec.limit for numbers in rows.values()):
        for split, numbers in rows.items():
            kept = sample([contents[n] for n in numbers], [strata[n] for n in numbers], spec.limit)
            rows[split] = [numbers[position] for position in kept]
        notes.append(f"Each split was cut to at most {spec.limit:,} examples (limit).")
    warnings, findings = leaks(rows, contents, labels, "image" if size else "text", task)
    warnings += label_warnings(task, classes, rows, labels)
    if size is None:
        more, found = text_findings(rows, inputs, spec.language, paths)
        warnings += more
        findings |= found
    if pool.repaired:
        notes.append(f"{pool.repaired:,} cells held halves of characters (lone surrogates), now U+FFFD.")
    return Prepared(
        task,
        classes,
        rows,
        inputs,
        labels,
        _extra(spec, pool, rows, inputs),
        size,
        paths,
        dict(read.versions),
        tuple(notes),
        tuple(warnings),
        findings,
    )


@dataclass(frozen=True)
class Labelled:
    """Texts by column and labels (as ``Prepared`` has them), in the order of the rows."""

    task: str
    classes: tuple[str, ...]
    inputs: Mapping[str, list[str]]
    labels: list[Any]


def labelled(spec: Columns, read: Read, split: str | None) -> Labelled:
    """The rows of one split, or all, without drawing any; classes are those of all rows.

    Raises:
        UserError: a cell is not what its column should hold.
    """
    pool = _Pool(read)
    inputs = {column: _texts(pool, column) for column in spec.text_columns}
    task, classes, labels = _labels(spec, pool, inputs, [])
    rows = [n for n, given in enumerate(pool.given) if split is None or given == split]
    chosen = {column: [texts[n] for n in rows] for column, texts in inputs.items()}
    return Labelled(task, classes, chosen, [labels[n] for n in rows])


def _named(cell: Any, where: str) -> str:
    """How an image is called in messages: its own path, where it has one."""
    path = cell.get("path") if isinstance(cell, dict) else cell
    return f"{where} ({path})" if isinstance(path, str) else str(path) if isinstance(path, Path) else where


def _texts(pool: _Pool, column: str) -> list[str]:
    """A column of texts; of words, joined by a blank. No text is an empty one."""
    texts = []
    for number, value in enumerate(pool.columns[column]):
        if isinstance(value, list):
            value = " ".join("_".join(str(word).split()) or "_" for word in value)
        if value is None or value != value:
            value = ""
        if not isinstance(value, str):
            raise UserError(
                f"{pool.where(number)}: column {column!r} is {value!r}, not a text; name another column in `text`"
            )
        texts.append(value)
    if not any(text.strip() for text in texts):
        raise UserError(
            f"{pool.where(0)}: column {column!r} has no text in any row; name another column in `text`"
        )
    return texts


def _labels(
    spec: Columns, pool: _Pool, inputs: Mapping[str, list[Any]], notes: list[str]
) -> tuple[str, tuple[str, ...], list[Any]]:
    """Task, classes, and the label of each example."""
    column = spec.label
    cells = [_class_named(cell, pool.names.get(column, ())) for cell in pool.columns[column]]
    if spec.task != "single-label":
        cells = _lists(cells)
    empty = [n for n, cell in enumerate(cells) if _missing(cell)]
    words = (
        {n: len(text.split()) for n, text in enumerate(next(iter(inputs.values())))}
        if spec.text_columns
        else {}
    )
    task: str | None = spec.task
    if task is None:
        task, why = _guessed([cell for cell in cells if not _missing(cell)], words, column)
        notes.append(f"Task {task}, as {why}; `task` in the study says otherwise.")
    if empty and (spec.task is None or task != "multi-label"):
        more = f" (and {len(empty) - 1:,} more)" if len(empty) > 1 else ""
        todo = "remove such rows, or name another column"
        if task == "multi-label":
            todo = "set `task: multi-label` if such rows are of no class, else remove them"
        raise UserError(f"{pool.where(empty[0])}: column {column!r} has no label{more}; {todo}")
    if task == "regression":
        numbers = []
        for n, cell in enumerate(cells):
            number = _number(_pointed(cell).strip().lstrip("0") or "0" if isinstance(cell, str) else cell)
            if number is None:
                raise UserError(
                    f"{pool.where(n)}: label {cell!r} is not a number; correct the row, or set `task`"
                )
            numbers.append((number,))
        return task, (), numbers
    named = [_names(task, cell, pool, n) for n, cell in enumerate(cells)]
    found = Counter(name for names in named for name in names)
    known = _classes(spec, pool, column, found)
    number_of = {name: number for number, name in enumerate(known)}
    labels: list[Any] = []
    for n, names in enumerate(named):
        for name in names:
            if name not in number_of:
                raise UserError(
                    f"{pool.where(n)}: label {name!r} is none of `classes`{nearest(name, known)}: {listed(known)}"
                )
        numbers_of = [number_of[name] for name in names]
        if task == "tokens":
            if words[n] != len(numbers_of):
                raise UserError(
                    f"{pool.where(n)}: {len(numbers_of)} tags for {words[n]} words; give each word a tag"
                )
            labels.append(tuple(numbers_of))
        else:
            labels.append(tuple(sorted(set(numbers_of))))
    return task, known, labels


def _classes(spec: Columns, pool: _Pool, column: str, found: Counter[str]) -> tuple[str, ...]:
    """Classes in order: as given, as the files themselves name them, by number, or by name."""
    given = spec.classes or tuple(pool.names.get(column, ()))
    if given:
        return given
    if len(found) < 2:
        raise UserError(
            f"{pool.where(0)}: column {column!r} has one class alone ({listed(found)}); two are needed to tell apart"
        )
    if all(_number(name) is not None for name in found):
        return tuple(sorted(found, key=lambda name: (float(name), name)))
    if "O" in found and spec.task in (None, "tokens") and all(map(_TAG.fullmatch, found)):
        # What words beyond the longest text are given is the first class.
        return ("O", *sorted(found.keys() - {"O"}))
    return tuple(sorted(found))


def _class_named(cell: Any, names: Sequence[str]) -> Any:
    """The class's name, where the file itself has them by number; -1 is no label there."""
    if isinstance(cell, list):
        return [_class_named(part, names) for part in cell]
    if names and isinstance(cell, int) and not isinstance(cell, bool):
        return names[cell] if 0 <= cell < len(names) else None
    return cell


def _lists(cells: list[Any]) -> list[Any]:
    """Lists where every cell is the text of one, as pandas writes them into CSV; else the cells as they are."""
    from prunescope.predictions.user_tables import as_list

    texts = [cell for cell in cells if not _missing(cell)]
    if not texts or not all(isinstance(cell, str) and as_list(cell.strip()) is not None for cell in texts):
        return cells
    return [
        cell if _missing(cell) else [part for part in as_list(cell.strip()) or () if part != ""]
        for cell in cells
    ]


def _pointed(cell: str) -> str:
    """A number with a decimal comma, with a point."""
    return cell.replace(",", ".") if _COMMA.fullmatch(cell.strip()) else cell


def _missing(cell: Any) -> bool:
    return (
        cell is None
        or (isinstance(cell, str) and not cell.strip())
        or (isinstance(cell, float) and cell != cell)
    )


def _number(cell: Any) -> float | None:
    """A cell as a number. ``01`` is a name: a number does not begin so."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, str) and not _NUMBER.fullmatch(cell.strip()):
        return None
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _guessed(cells: Sequence[Any], words: Mapping[int, int], column: str) -> tuple[str, str]:
    """The task that the labels look like, and by what."""
    if any(isinstance(cell, list) for cell in cells):
        lengths = [len(cell) if isinstance(cell, list) else -1 for cell in cells]
        if words and lengths == list(words.values()) and max(lengths) > 1:
            return "tokens", f"column {column!r} has a list as long as the text has words"
        return "multi-label", f"column {column!r} has lists"
    distinct = set(map(str, cells))
    numbers = [_number(cell) for cell in cells]
    if cells and None not in numbers:
        if any(number and not number.is_integer() for number in numbers):
            return "regression", f"column {column!r} has numbers with fractions"
        if len(distinct) > 2 and len(cells) < _REPEATED * len(distinct):
            return "regression", f"column {column!r} has {len(distinct):,} different numbers"
        return "single-label", f"column {column!r} has {len(distinct):,} different whole numbers"
    texts = [str(cell) for cell in cells]
    joined = sorted(text for text in distinct if "|" in text)
    if joined:
        # Labels that are joined stand elsewhere too, alone or with others; parts of one name mostly do not.
        parts = Counter(part for text in distinct for part in {part.strip() for part in text.split("|")})
        inside = {part.strip() for text in joined for part in text.split("|")}
        again = sum(parts[part] > 1 for part in inside)
        if len(joined) < 2 or 2 * again <= len(inside):
            raise UserError(
                f"label: column {column!r} has {joined[0]!r}: one class name, or several labels joined by '|'? set "
                "`task: single-label` or `task: multi-label`"
            )
        return "multi-label", f"column {column!r} has names joined by '|'"
    if len(cells) >= 10 and len(distinct) > len(cells) / 2:
        if all(_number(_pointed(text)) is not None for text in texts):
            return "regression", f"column {column!r} has numbers with decimal commas"
        raise UserError(
            f"label: column {column!r} has {len(distinct):,} different texts in {len(cells):,} rows, which are no "
            "classes; name another column in `label`, or set `task`"
        )
    return "single-label", f"column {column!r} has {len(distinct):,} different names"


def _names(task: str, cell: Any, pool: _Pool, number: int) -> list[str]:
    """The names of the classes in one cell."""
    if task == "single-label":
        if isinstance(cell, list | dict):
            raise UserError(f"{pool.where(number)}: label {cell!r} is no single class; set `task`")
        return [_name(cell)]
    if _missing(cell):
        return []
    if isinstance(cell, str):
        parts = cell.split() if task == "tokens" else cell.split("|")
        return [part.strip() for part in parts if part.strip()]
    if not isinstance(cell, list) or any(isinstance(part, list | dict) or _missing(part) for part in cell):
        form = "a tag for every word" if task == "tokens" else "a list of labels, or labels joined by '|'"
        raise UserError(f"{pool.where(number)}: label {cell!r} is not {form}; correct the row, or set `task`")
    return [_name(part) for part in cell]


def _name(cell: Any) -> str:
    """A class's name as the file has it; ``1.0`` of a column of whole numbers is 1."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _stratum(task: str, label: Any) -> tuple[int, ...]:
    return (0,) if task == "tokens" else label


def _bands(numbers: Sequence[float]) -> list[tuple[int, ...]]:
    """Tenths of the numbers, as strata."""
    import numpy as np

    cuts = np.unique(np.quantile(numbers, np.linspace(0, 1, 11)[1:-1]))
    return [(int(band),) for band in np.searchsorted(cuts, numbers, side="right")]


def _split(
    spec: Columns, pool: _Pool, contents: Sequence[Any], strata: Sequence[tuple[int, ...]], notes: list[str]
) -> dict[str, list[int]]:
    """Example numbers by split: as files or a column say, the rest drawn from what is to train on."""
    given = list(pool.given)
    if spec.splits is not None and spec.splits.column is not None:
        for number, cell in enumerate(pool.columns[spec.splits.column]):
            split = split_called(str(cell))
            if split is None:
                raise UserError(
                    f"{pool.where(number)}: column {spec.splits.column!r} is {cell!r}; it must be train, "
                    "validation (val, dev) or test"
                )
            given[number] = split
    here = dict.fromkeys(split for split in given if split)
    rows = {split: [n for n, there in enumerate(given) if (there or "train") == split] for split in SPLITS}
    if not rows["train"]:
        raise UserError(f"{spec.origin}: no training examples; it has {listed(here)} alone")
    wanted = spec.splits.sizes if spec.splits is not None else {}
    notes += [
        f"Of `splits`, {split} is not used: the data has such a split." for split in wanted if split in here
    ]
    sizes = {split: wanted.get(split, SHARES[split]) for split in ("test", "validation") if split not in here}
    if not sizes:
        return rows
    train = rows["train"]
    try:
        places = drawn(
            [contents[n] for n in train],
            [strata[n] for n in train],
            sizes,
            spec.splits.seed if spec.splits is not None else 0,
        )
    except ValueError as error:
        raise UserError(f"splits: {error}; give other sizes, or more examples") from None
    for split in ("train", *sizes):
        rows[split] = [n for n, place in zip(train, places, strict=True) if place == split]
    parts = " and ".join(f"{len(rows[split]):,} {split}" for split in SPLITS if split in sizes)
    notes.append(f"{parts} examples were drawn from the training examples, in the proportions of the labels.")
    return rows


def _extra(
    spec: Columns, pool: _Pool, rows: Mapping[str, list[int]], inputs: Mapping[str, list[Any]]
) -> dict[str, list[str]]:
    """The user's own names of examples, and groups; ``length`` is made where there is no such column."""
    found = {} if spec.id is None else {"id": [str(cell) for cell in pool.columns[spec.id]]}
    for group in spec.groups:
        if group in pool.columns:
            found[group] = ["" if cell is None else str(cell) for cell in pool.columns[group]]
        else:
            found[group] = _length_bands(rows["train"], inputs)
    return found


def _length_bands(train: Sequence[int], inputs: Mapping[str, list[Any]]) -> list[str]:
    import numpy as np

    lengths = np.array(
        [sum(len(text.split()) for text in texts) for texts in zip(*inputs.values(), strict=True)]
    )
    cuts = (
        np.unique(np.quantile(lengths[list(train)], (0.25, 0.5, 0.75), method="lower")).astype(int).tolist()
    )
    names = [f"up to {cuts[0]} words"]
    names += [f"{below + 1} to {most} words" for below, most in pairwise(cuts)]
    names.append(f"more than {cuts[-1]} words")
    return [names[band] for band in np.searchsorted(cuts, lengths, side="left").tolist()]
