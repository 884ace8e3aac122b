"""Local files of a data set: found, and read by column, from Parquet, CSV or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.errors import UserError, listed

#: Endings of the forms that are read by column.
ENDINGS = (".parquet", ".csv", ".jsonl")

#: What files of a split may be called. A subset is named so that nobody takes it for the whole.
_STEMS = {
    "train": ("train", "train_subset"),
    "validation": ("validation", "val", "dev"),
    "test": ("test",),
}


@dataclass(frozen=True)
class Rows:
    """Columns of one file, cells as they stand there; ``path`` names the file in messages."""

    path: str
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def split_file(folder: Path, split: str, stem: str = "{}") -> Path | None:
    """The file of a split in ``folder``, or None. ``stem``: how files are called, {} being the split.

    The whole split goes before a subset of it.

    Raises:
        UserError: there are several, and nothing says which one counts.
    """
    names = [stem.format(name) for name in _STEMS[split]]
    there = [path for name in names for ending in ENDINGS if (path := folder / f"{name}{ending}").is_file()]
    whole = [path for path in there if not is_subset(path)] or there
    if len(whole) > 1:
        raise UserError(
            f"{folder}: several files of the {split} split: {listed(path.name for path in whole)}; keep one of them"
        )
    return whole[0] if whole else None


def is_subset(path: Path) -> bool:
    return path.stem.endswith("_subset")


def missing_split(folder: Path, split: str) -> UserError:
    names = listed([f"{name}{{{','.join(ENDINGS)}}}" for name in _STEMS[split]])
    return UserError(f"{folder}: no {split} split in a known form; put it there as {names}")


def read_rows(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    """Columns of a Parquet, CSV or JSON lines file.

    ``columns``: for each column the names it may have, the first of which it is called in the result.

    Raises:
        UserError: the file is not what its ending says, is not UTF-8, has no rows, or lacks a column.
    """
    if path.suffix == ".parquet":
        rows = _parquet(path, columns)
    elif path.suffix == ".csv":
        rows = _csv(path, columns)
    elif path.suffix == ".jsonl":
        rows = _jsonl(path, columns)
    else:
        raise UserError(f"{path}: its ending is none of {', '.join(ENDINGS)}; convert it or rename it")
    if not len(rows):
        raise UserError(f"{path}: has no rows; put the data set's file there")
    return rows


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, with their ends.

    Raises:
        UserError: a line is not UTF-8, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    raise UserError(
                        f"{path}: line {number}: not UTF-8 text; convert the file to UTF-8"
                    ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def text_column(rows: Rows, name: str) -> list[str]:
    """A column of texts, none of them empty.

    Raises:
        UserError: a cell is empty or not a text.
    """
    for number, value in enumerate(rows.columns[name], 1):
        if value is not None and not isinstance(value, str):
            raise UserError(
                f"{rows.path}: row {number}: column {name!r} is {value!r}, not a text; correct the row"
            )
        if value is None or not value.strip():
            raise UserError(f"{rows.path}: row {number}: column {name!r} is an empty text; remove the row")
    return list(rows.columns[name])


def class_number(value: Any, classes: Sequence[str], where: str) -> int:
    """The number of a class given by name, in any case, or by number.

    Raises:
        UserError: there is no such class; the line starts with ``where``.
    """
    if isinstance(value, float) and value.is_integer():
        # What a column of numbers becomes where some were missing once.
        value = int(value)
    text = str(value).strip().lower()
    for number, name in enumerate(classes):
        if text in (name.lower(), str(number)):
            return number
    raise UserError(
        f"{where}: unknown label {value!r}; give one of {listed(classes)}, or its number from 0 to {len(classes) - 1}"
    )


def names_of(value: Any, where: str) -> list[str]:
    """Several labels of one cell: a list, or names joined by ``|``.

    Raises:
        UserError: the cell is neither.
    """
    if isinstance(value, str):
        return [part.strip() for part in value.split("|") if part.strip()]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise UserError(
        f"{where}: {value!r} is neither a list of labels nor labels joined by '|'; correct the row"
    )


def _chosen(path: Path, columns: Sequence[Sequence[str]], there: Sequence[str]) -> dict[str, str]:
    """Result name -> name in the file.

    Raises:
        UserError: none of the names of a column is there.
    """
    return {names[0]: column(path, there, names) for names in columns}


def column(path: Path, there: Sequence[str], names: Sequence[str]) -> str:
    """The one of a column's possible names that is ``there``, in the header of a file.

    Raises:
        UserError: none is, or twice; the header is empty.
    """
    if not there:
        raise UserError(f"{path}: is empty; put the data set's file there")
    found = next((name for name in names if name in there), None)
    if found is None:
        raise UserError(
            f"{path}: has no column {' or '.join(map(repr, names))}; its columns are {listed(there)}"
        )
    if list(there).count(found) > 1:
        raise UserError(f"{path}: has more than one column {found!r}; keep one of them")
    return found


def _parquet(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            chosen = _chosen(path, columns, file.schema_arrow.names)
            table = file.read(columns=list(chosen.values()))
        return Rows(str(path), {name: table[there].to_pylist() for name, there in chosen.items()})
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: holds text that is not UTF-8; write the file again from UTF-8 text"
        ) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise UserError(f"{path}: truncated or not a Parquet file ({reason}); fetch it again") from None


def _csv(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    reader = csv.DictReader(text_lines(path), strict=True)
    try:
        chosen = _chosen(path, columns, list(reader.fieldnames or ()))
        cells: dict[str, list[Any]] = {name: [] for name in chosen}
        for row in reader:
            if None in row or None in row.values():
                raise UserError(
                    f"{path}: line {reader.line_num}: has not as many cells as the header; correct the line"
                )
            for name, there in chosen.items():
                cells[name].append(row[there])
    except csv.Error as error:
        raise UserError(
            f"{path}: line {reader.reader.line_num}: not CSV ({error}); correct the line"
        ) from None
    return Rows(str(path), cells)


def _jsonl(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    chosen: dict[str, str] | None = None
    cells: dict[str, list[Any]] = {names[0]: [] for names in columns}
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}: line {number}: not JSON ({error}); correct the line") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number}: not a JSON object; give one object a line")
        chosen = chosen or _chosen(path, columns, list(row))
        for name, there in chosen.items():
            if there not in row:
                raise UserError(f"{path}: line {number}: has no {there!r}; correct the line")
            cells[name].append(row[there])
    return Rows(str(path), cells)
