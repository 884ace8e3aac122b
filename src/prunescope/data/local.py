"""Local files of a data set: found, and read by column, from CSV, TSV, JSON lines, Parquet or Arrow."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from prunescope.errors import UserError, listed, nearest
from prunescope.files import bounded, check_file, check_parquet, measure

#: Endings of the forms that published data sets are read from.
ENDINGS = (".parquet", ".csv", ".jsonl")


def _zip(path: Path) -> Any:
    """The one file of an archive."""
    archive = zipfile.ZipFile(path)
    files = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    if len(files) != 1:
        raise UserError(f"{path}: holds {len(files)} files, not one table; unpack it")
    return archive.open(files[0])


def _zstd(path: Path) -> Any:
    import pyarrow as pa

    return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))


#: How compressed text is opened, by its last ending.
_COMPRESSED: Mapping[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zip": _zip,
    ".zst": _zstd,
}

#: A longer cell of CSV is no text: a quotation mark that is never closed.
_LONGEST_CELL = 1 << 30


@dataclass(frozen=True)
class Rows:
    """Columns of one file, cells as they stand there; ``path`` names the file in messages.

    ``names``: of a column of class numbers, the classes that the file itself names (a hub's ``ClassLabel``).
    ``repaired``: texts with halves of characters (lone surrogates), which became U+FFFD.
    """

    path: str
    columns: Mapping[str, Sequence[Any]]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    repaired: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def files_called(folder: Path, split: str, names: Sequence[str]) -> list[Path]:
    """The table of a split in ``folder``, in one file or in parts, called by one of ``names``.

    The whole split goes before a subset of it.

    Raises:
        UserError: there are several, and nothing says which one counts.
    """
    called = re.compile(rf"(?:{'|'.join(map(re.escape, names))}){_NUMBERED}")
    tables = [path for path in sorted(folder.glob("*.*")) if form_of(path) in FORMS and path.is_file()]
    there = [path for path in tables if called.fullmatch(_stem(path))]
    whole = [path for path in there if not is_subset(path)] or there
    _check_parts(folder, split, whole)
    return whole


def is_subset(path: Path) -> bool:
    return _stem(path).endswith("_subset")


def read_rows(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    """Columns of a table; ``FORMS`` are the endings that are read, of texts also compressed.

    ``columns``: for each column the names it may have, the first of which it is called in the result.

    Raises:
        UserError: the file is not what its ending says, is not UTF-8, has no rows, or lacks a column.
    """
    check_file(path)
    read = FORMS.get(form_of(path))
    if read is None:
        raise UserError(f"{path}: its ending is none of {', '.join(FORMS)}; convert it or rename it")
    rows = read(path, columns)
    if not len(rows):
        raise UserError(f"{path}: has no rows; put the data set's file there")
    return rows


def _stem(path: Path) -> str:
    """The name without the endings of form and compression."""
    name = path.name[: -len(path.suffix)] if path.suffix.lower() in _COMPRESSED else path.name
    return name[: -len(form_of(path))] if form_of(path) else name


def form_of(path: Path) -> str:
    """The ending that tells a table's form, without that of compression: ``.csv`` of ``a.csv.gz``."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in _COMPRESSED:
        endings.pop()
    return endings[-1] if endings else ""


def table_files(path: Path) -> dict[str, list[Path]]:
    """The files of each split below ``path``; ``""`` for one file of them all.

    A folder has files that are called as a split is (``train.csv``, ``dev.tsv.gz``), in parts
    (``train-00000-of-00002.parquet``) or in a folder of that name, or a single file of any name.

    Raises:
        UserError: there is no table, or it is not clear which files belong together.
    """
    if path.is_file():
        return {"": [path]}
    found: dict[str, list[Path]] = {}
    other: list[Path] = []
    for folder in (path, path / "data"):
        for entry in sorted(folder.iterdir()) if folder.is_dir() and not found and not other else ():
            split = split_called(entry.name.partition(".")[0]) if not entry.name.startswith(".") else None
            if entry.is_dir():
                within = [file for file in sorted(entry.iterdir()) if form_of(file) in FORMS]
                if split and within:
                    found.setdefault(split, []).extend(within)
            elif form_of(entry) in FORMS and not entry.name.startswith("."):
                found.setdefault(split, []).append(entry) if split else other.append(entry)
    for split, files in found.items():
        _check_parts(path, split, files)
    if found:
        return found
    if len(other) > 1:
        raise UserError(
            f"{path}: several tables, and none is called as a split is: {listed(file.name for file in other)}; name "
            "one of them in `path`, or call them train, validation and test"
        )
    if not other:
        raise UserError(
            f"{path}: no table there ({', '.join(FORMS)}); put it there as one file, or as train, validation and test"
        )
    return {"": other}


_NUMBERED = r"(?:[-_](?P<number>\d+)(?:-of-(?P<all>\d+))?)?"
_PART = re.compile(rf"(?P<name>[a-z]+)(?:_subset)?{_NUMBERED}", re.IGNORECASE)
_CALLED = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}


def split_called(name: str) -> str | None:
    """The split that a file, a folder or a cell is called by: ``validation`` of ``dev`` or ``Val-00000-of-00001``."""
    match = _PART.fullmatch(name.strip())
    called = match["name"].lower() if match else ""
    return next((split for split, names in _CALLED.items() if called in names), None)


def _check_parts(path: Path, split: str, files: Sequence[Path]) -> None:
    parts = [re.fullmatch(rf".*?{_NUMBERED}", _stem(file)) for file in files]
    totals = {int(part["all"]) for part in parts if part and part["all"]}
    if totals and totals != {len(files)}:
        raise UserError(
            f"{path}: {len(files)} of {max(totals)} parts of the {split} split; fetch the others, or keep one set"
        )
    numbered = all(part and part["number"] for part in parts) or all(
        split_called(f.parent.name) for f in files
    )
    if len(files) > 1 and (not numbered or len({(file.parent, form_of(file)) for file in files}) > 1):
        raise UserError(
            f"{path}: several files of the {split} split: {listed(file.name for file in files)}; keep one of them"
        )


def whole_text(value: str) -> str:
    """The text with halves of characters (lone surrogates, as JSON can have them) joined or else U+FFFD."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, with their ends; what is compressed (``.gz``, ``.zip``, ...) is unpacked.

    Raises:
        UserError: a line is not UTF-8, or the file cannot be read.
    """
    try:
        unpack = _COMPRESSED.get(path.suffix.lower())
        if unpack is not None:
            measure(unpack, path)
        with path.open("rb") if unpack is None else bounded(unpack(path), path) as file:
            for number, raw in enumerate(file, 1):
                try:
                    yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    raise UserError(
                        f"{path}: line {number}: not UTF-8 text; convert the file to UTF-8"
                    ) from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
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
        UserError: columns are not there under any of their names; all are told.
    """
    lacking = [names for names in columns if there and not any(name in there for name in names)]
    if len(lacking) > 1:
        told = ", ".join(f"{' or '.join(map(repr, names))}{nearest(names[0], there)}" for names in lacking)
        raise UserError(
            f"{path}: has no columns {told}; its columns are {listed(there)}{_headless(path, there)}"
        )
    return {names[0]: column(path, there, names) for names in columns}


def _fields(value: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The names of an object's values; of those within objects dotted ones (``meta.source``)."""
    for name, inner in value.items():
        yield f"{before}{name}"
        if isinstance(inner, dict):
            yield from _fields(inner, f"{before}{name}.")


def _within(row: Mapping[str, Any], name: str) -> Any:
    """The value of a field, by its own or its dotted name; None within an object that is null.

    Raises:
        KeyError: it is not there.
    """
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    while dot:
        if outer in row and isinstance(row[outer], dict):
            return _within(row[outer], inner)
        if outer in row and row[outer] is None:
            return None
        more, dot, inner = inner.partition(".")
        outer = f"{outer}.{more}"
    raise KeyError(name)


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
            f"{path}: has no column {' or '.join(map(repr, names))}{nearest(names[0], there)}; its columns are "
            f"{listed(there)}{_headless(path, there)}"
        )
    if list(there).count(found) > 1:
        raise UserError(f"{path}: has more than one column {found!r}; keep one of them")
    return found


def _headless(path: Path, there: Sequence[str]) -> str:
    """What to do where the first line of a table of text seems to be an example."""
    long = any(len(name.split()) > 4 or _FIGURE.fullmatch(name) for name in there)
    return "; write a first line that names them" if long and form_of(path) in (".csv", ".tsv") else ""


_FIGURE = re.compile(r"[\d.,+-]+")


def _parquet(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    import pyarrow.parquet as pq

    with _arrow_errors(path, "a Parquet"), pq.ParquetFile(path) as file:
        check_parquet(path, file.metadata)
        chosen = _chosen(path, columns, _arrow_fields(file.schema_arrow))
        return _from_arrow(path, file.read(columns=list(chosen.values())), chosen)


def _arrow(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    import pyarrow as pa

    with _arrow_errors(path, "an Arrow"), pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()  # as `datasets` writes them
        return _from_arrow(path, table, _chosen(path, columns, _arrow_fields(table.schema)))


def _arrow_fields(schema: Any) -> list[str]:
    """The names of an Arrow schema's columns, and dotted ones of the fields within them."""
    import pyarrow as pa

    def tree(fields: Any) -> dict[str, Any]:
        return {one.name: tree(one.type) if pa.types.is_struct(one.type) else None for one in fields}

    twice = [name for name in set(schema.names) if schema.names.count(name) > 1]
    return [*_fields(tree(schema)), *twice]


def _from_arrow(path: Path, table: Any, chosen: Mapping[str, str]) -> Rows:
    """Columns of an Arrow table; class names are those that a hub's library has left in its metadata."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
        labels = {name: _within(features, there).get("names") for name, there in chosen.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        labels = {}
    columns = {}
    for name, there in chosen.items():
        if there in table.column_names:
            columns[name] = table[there].to_pylist()
        else:
            rows = table.select([_outermost(table.column_names, there)]).to_pylist()
            columns[name] = [_within(row, there) for row in rows]
    return Rows(str(path), columns, {name: names for name, names in labels.items() if names})


def _outermost(names: Sequence[str], field: str) -> str:
    """The column that a dotted field is within."""
    return next(name for name in names if field.startswith(f"{name}."))


@contextmanager
def _arrow_errors(path: Path, form: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: holds text that is not UTF-8; write the file again from UTF-8 text"
        ) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise UserError(f"{path}: truncated or not {form} file ({reason}); fetch it again") from None


def _csv(
    path: Path, columns: Sequence[Sequence[str]], delimiter: str = ",", quoting: Literal[0, 3] = 0
) -> Rows:
    # Python's own limit is 131,072 characters.
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.DictReader(text_lines(path), strict=True, delimiter=delimiter, quoting=quoting)
    try:
        header = list(reader.fieldnames or ())
        if (
            len(header) == 1
            and delimiter == ","
            and (other := next((c for c in "\t;|" if c in header[0]), None))
        ):
            return _csv(path, columns, other)
        chosen = _chosen(path, columns, header)
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


def _tsv(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    """Tabs part cells. Quotation marks are CSV's where the whole file reads so, else ordinary characters."""
    try:
        return _csv(path, columns, "\t")
    except UserError:
        return _csv(path, columns, "\t", csv.QUOTE_NONE)


def _jsonl(path: Path, columns: Sequence[Sequence[str]]) -> Rows:
    """An object a line, or (``.json``) one list of objects, also as a value of one object."""
    chosen: dict[str, str] | None = None
    cells: dict[str, list[Any]] = {names[0]: [] for names in columns}
    repaired = 0
    for where, row in _objects(path):
        if not isinstance(row, dict):
            raise UserError(f"{path}: {where}: not a JSON object; give one object a line")
        chosen = chosen or _chosen(path, columns, list(_fields(row)))
        for name, there in chosen.items():
            try:
                value = _within(row, there)
            except KeyError:
                raise UserError(f"{path}: {where}: has no {there!r}; correct the line") from None
            whole = _whole(value)
            repaired += whole != value
            cells[name].append(whole)
    return Rows(str(path), cells, repaired=repaired)


def _objects(path: Path) -> Iterator[tuple[str, Any]]:
    lines = enumerate(text_lines(path), 1)
    if form_of(path) == ".json":
        text = "".join(line for _, line in lines)
        whole = _whole_file(path, text)
        if whole is not None:
            yield from ((f"row {number}", row) for number, row in enumerate(whole, 1))
            return
        lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield f"line {number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number}: not JSON ({error}); correct the line") from None


def _whole_file(path: Path, text: str) -> list[Any] | None:
    """The objects of a file that is one list of them, or one object with such a list; None where lines have them."""
    if not text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        lists = (
            [value for value in found.values() if isinstance(value, list)] if isinstance(found, dict) else []
        )
        rows = [value for value in lists if value and all(isinstance(row, dict) for row in value)]
        return rows[0] if len(rows) == 1 else None
    try:
        return list(json.loads(text))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); correct the file") from None


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    return [_whole(item) for item in value] if isinstance(value, list) else value


#: Readers by the ending of a file.
FORMS: Mapping[str, Callable[[Path, Sequence[Sequence[str]]], Rows]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _jsonl,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
}
