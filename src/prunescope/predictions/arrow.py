"""Parquet and CSV files opened batch by batch, and their columns as checked numpy arrays.

Whatever is wrong with a file comes out as one line that names it; no user meets a traceback
of pyarrow.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prunescope.errors import DamagedFileError, UserError, listed
from prunescope.files import check_parquet, check_unpacked
from prunescope.predictions import json_lines
from prunescope.predictions.sets import label_sets


class NotANumberError(UserError):
    """Text where a whole number was looked for: ids of examples may be texts too."""


#: pyarrow carries no types of its own.
Array: TypeAlias = Any

#: Key of the JSON object in a file's metadata.
METADATA_KEY = b"prunescope"

#: Rows held at once: small beside a row group, large beside the cost of a call.
BATCH = 1 << 17


class Source:
    """A table on disk: its column names, its metadata, and its rows in batches.

    Args:
        sep: what separates the fields of CSV; found in the header by default.
        encoding: of CSV and JSON Lines; UTF-8 by default, or UTF-16 where the bytes say so.

    Raises:
        UserError: the file is missing, or is neither a whole Parquet file, CSV nor JSON Lines.
    """

    def __init__(self, path: Path, sep: str | None = None, encoding: str | None = None) -> None:
        self.path = path
        try:
            with open(path, "rb") as stream:
                magic = stream.read(4)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file") from None
        except IsADirectoryError:
            raise UserError(f"{path}: a folder, not a table; give the files in it") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        if not magic:
            raise DamagedFileError(path, f"{path}: the file is empty; write it again")
        self.parquet: pq.ParquetFile | None = None
        self.json = False
        #: Rows that pair by their number by the nature of the file: what a program returned for a list of examples.
        self.positional = False
        self._table: pa.Table | None = None
        suffix = json_lines.suffix_of(path)
        if magic == b"PAR1" or suffix in {".parquet", ".pq"}:
            with damaged(path):
                self.parquet = pq.ParquetFile(path, page_checksum_verification=True)
            check_parquet(path, self.parquet.metadata)
            self.columns: list[str] = list(self.parquet.schema_arrow.names)
            return
        if suffix == ".npz":
            self._table = _arrays(path)
            self.columns = self._table.column_names
            return
        self._encoding = encoding or _encoding(path)
        if suffix in json_lines.SUFFIXES or (suffix not in _CSV and _starts_as_json(path)):
            self.json = True
            first = next(json_lines.json_objects(path, self._encoding), None)
            self.positional = first is not None and json_lines.is_pipeline(first[1])
            # What a pipeline calls the label is what the model says.
            self.columns = ["prediction", "score"] if self.positional else list(first[1]) if first else []
        else:
            self._delimiter = sep or _delimiter(path, self._encoding)
            with self._unreadable():
                self.columns = list(self._csv({}).schema.names)

    @property
    def schema(self) -> pa.Schema | None:
        """Types of the columns, where the file says them."""
        if self._table is not None:
            return self._table.schema
        return None if self.parquet is None else self.parquet.schema_arrow

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The JSON object under ``prunescope`` in a Parquet file's metadata, if there is one."""
        if self.parquet is None:
            return None
        text = (self.parquet.metadata.metadata or {}).get(METADATA_KEY)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DamagedFileError(
                self.path, f"{self.path}: metadata 'prunescope' is not a JSON object; write it again"
            )
        return value

    def require(self, columns: Sequence[str]) -> None:
        """Raises: UserError: a column is missing, or there twice; the line says which ones are there."""
        missing = [name for name in columns if name not in self.columns]
        if missing:
            raise UserError(
                f"{self.path}: no column {listed(map(repr, missing))}; the file has {listed(self.columns)}"
            )
        twice = [name for name in columns if self.columns.count(name) > 1]
        if twice:
            raise UserError(f"{self.path}: more than one column {twice[0]!r}; keep one of them")

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Rows in batches; columns of CSV are strings, which ``whole_numbers`` reads without loss."""
        self.require(columns)
        if self.parquet is not None:
            with damaged(self.path):
                yield from self.parquet.iter_batches(batch_size=BATCH, columns=list(columns))
            return
        if self._table is not None:
            yield from self._table.select(list(columns)).to_batches(max_chunksize=BATCH)
            return
        if self.json:
            yield from self._json(columns)
            return
        with self._unreadable():
            yield from self._csv(dict.fromkeys(columns, pa.string()))

    def _json(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        objects = json_lines.json_objects(self.path, self._encoding)
        # Objects with long texts in other columns are far larger than rows of a table.
        while rows := list(islice(objects, BATCH >> 3)):
            if self.positional:
                rows = [(number, {**row, "prediction": row.get("label")}) for number, row in rows]
            for number, row in rows:
                missing = [name for name in columns if name not in row]
                if missing:
                    raise UserError(f"{self.path}: line {number} has no {listed(map(repr, missing))}")
            made = [json_lines.column([row[name] for _, row in rows], self.path, name) for name in columns]
            yield pa.RecordBatch.from_arrays(made, list(columns))

    def _csv(self, kinds: dict[str, pa.DataType]) -> Any:
        from pyarrow import csv

        return csv.open_csv(
            json_lines.opened(self.path),
            # Batches are as large as a block: few of them, but far below the memory of a table.
            read_options=csv.ReadOptions(block_size=1 << 23, encoding=self._encoding or "utf8"),
            parse_options=csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), strings_can_be_null=False
            ),
        )

    @contextmanager
    def _unreadable(self) -> Iterator[None]:
        """pyarrow's complaint about CSV; the file is a user's own and so not to be deleted."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            if self._encoding is None and (found := _not_utf8(self.path)):
                raise UserError(f"{self.path}: {found}") from None
            raise UserError(
                f"{self.path}: not a readable CSV table ({_reason(error)}); write it again"
            ) from None


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """pyarrow's complaint about a Parquet file as one line that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError(
            path, f"{path}: damaged or not a prediction table ({_reason(error)}); write it again"
        ) from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160].rstrip(" .") or type(error).__name__


def _arrays(path: Path) -> pa.Table:
    """What ``Trainer.predict`` returns, saved with ``numpy.savez(path, predictions=..., label_ids=...)``.

    Raises:
        UserError: it is no such file, or the arrays are not those of one answer per example.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            check_unpacked(path, sum(entry.file_size for entry in packed.infolist()))
        with np.load(path, allow_pickle=False) as held:
            values = {name: held[name] for name in ("predictions", "label_ids") if name in held.files}
            names = list(held.files)
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise UserError(
                f"{path}: holds Python objects, not arrays; of a tuple of predictions save the logits alone: "
                "numpy.savez(file, predictions=output.predictions[0], label_ids=output.label_ids)"
            ) from None
        raise UserError(f"{path}: not a whole .npz file ({_reason(error)}); write it again") from None
    if "predictions" not in values:
        raise UserError(f"{path}: no array 'predictions'; the file has {listed(names)}")
    made, label = values["predictions"], values.get("label_ids")
    if made.ndim > 2 or (label is not None and (label.ndim > 2 or len(label) != len(made))):
        raise UserError(
            f"{path}: arrays of shapes {listed([v.shape for v in values.values()])}; give one row per example, and "
            "prediction tables for tags and texts"
        )
    n = len(made)
    columns: dict[str, Any] = {
        "seed": pa.array(np.zeros(n, dtype=np.int32)),
        "example": pa.array(np.arange(n, dtype=np.int64)),
    }
    if label is not None and label.ndim == 2 and label.shape[1] > 1:
        columns["label"] = pa.array([np.flatnonzero(row).tolist() for row in label], pa.list_(pa.int32()))
    elif label is not None:
        columns["label"] = pa.array(label.reshape(n))
    if made.dtype.kind == "f":
        made = made.astype(np.float32).reshape(n, -1)
        columns["logits"] = pa.FixedSizeListArray.from_arrays(pa.array(made.ravel()), made.shape[1])
    else:
        columns["prediction"] = pa.array(made.reshape(n))
    return pa.table(columns)


#: Suffixes that say what a file is.
_CSV = frozenset({".csv", ".tsv"})


def _starts_as_json(path: Path) -> bool:
    with json_lines.opened(path) as stream, suppress(OSError, EOFError):
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    return False


def _encoding(path: Path) -> str | None:
    """UTF-16 or UTF-32, with or without a byte order mark; None for whatever else the file is in."""
    try:
        with json_lines.opened(path) as stream:
            start = stream.read(4096)
    except (OSError, EOFError):
        return None
    for mark, name in ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")):
        if start.startswith(mark):
            return name
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    # Text of most languages has a zero in every second byte where it is UTF-16 and none where it is not.
    zeros = [start[i::2].count(0) / max(len(start[i::2]), 1) for i in range(2)]
    if max(zeros) > 0.4 and min(zeros) < 0.1:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return None


def _not_utf8(path: Path) -> str | None:
    """Where the file stops being UTF-8, and what its bytes look like; None where they are UTF-8."""
    with json_lines.opened(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                odd = line[error.start]
                # Bytes 0x80 to 0x9f are control characters in Latin-1, and quotes and dashes in Windows' code page.
                likely = "cp1252" if any(0x80 <= byte <= 0x9F for byte in line) else "latin-1"
                return (
                    f"not UTF-8: line {number} holds byte 0x{odd:02x}, as Latin-1 and Windows files do; "
                    f"give --encoding {likely}, or whatever the file is in"
                )
    return None


def _delimiter(path: Path, encoding: str | None) -> str:
    """Comma, unless the header has none but has another usual separator."""
    try:
        with json_lines.opened(path) as stream:
            start = stream.read(1 << 16)
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: not a readable CSV table ({_reason(error)}); write it again") from None
    header = start.decode(encoding or "utf-8", errors="replace").split("\n", 1)[0]
    return next((mark for mark in (",", "\t", ";", "|") if mark in header), ",")


def no_nulls(array: Array, path: Path, column: str) -> None:
    """Raises: UserError: the column has null values."""
    if array.null_count:
        raise UserError(
            f"{path}: column {column!r} has {array.null_count} missing values; fill or drop those rows"
        )


def plain(array: Array) -> Array:
    """Categories (dictionary-encoded columns) as their values."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def strings(array: Array, path: Path, column: str) -> None:
    """Raises: UserError: the column holds something other than strings, or missing values."""
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise UserError(f"{path}: column {column!r} must hold strings, not {array.type}")
    no_nulls(array, path, column)


def whole_numbers(array: Array, path: Path, column: str) -> np.ndarray:
    """(n,) int64 from integers, from floats without a fraction as pandas writes them, or from their text.

    Raises:
        UserError: missing values, or anything that is not a whole number.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        array = _parsed(array, path, column)
    no_nulls(array, path, column)
    if pa.types.is_uint64(array.type):
        large = array.filter(pc.greater(array, pa.scalar(2**63 - 1, pa.uint64())))
        if len(large):
            raise UserError(f"{path}: column {column!r} holds {large[0]}; numbers end at {2**63 - 1}")
    if pa.types.is_integer(array.type):
        return array.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    if not pa.types.is_floating(array.type):
        raise UserError(f"{path}: column {column!r} must hold whole numbers, not {kind}")
    values = array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    wrong = values[~((values == np.floor(values)) & (np.abs(values) < 2.0**53))]
    if wrong.size:
        raise UserError(f"{path}: column {column!r} must hold whole numbers, not {wrong[0]:g}")
    return values.astype(np.int64)


def ids_of(array: Array, path: Path, column: str) -> Array:
    """Ids of examples as texts without blanks around them.

    Raises:
        UserError: missing values, or values that are neither texts nor whole numbers.
    """
    array = plain(array)
    kind = array.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        array = pa.array(whole_numbers(array, path, column))
    text = pc.utf8_trim_whitespace(pc.cast(array, pa.string()))
    no_nulls(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text), path, column)
    return text


def _parsed(array: Array, path: Path, column: str) -> Array:
    """Strings as int64, or as float64 where they do not all look like integers; empty ones as missing."""
    text = pc.utf8_trim_whitespace(array)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    try:
        return pc.cast(text, pa.int64())
    except pa.ArrowInvalid:
        pass
    try:
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        value = next(v for v in text.to_pylist() if v is not None and not _is_number(v))
        raise NotANumberError(f"{path}: column {column!r} must hold whole numbers, not {value!r}") from None


def _is_number(text: str) -> bool:
    try:
        pc.cast(pa.scalar(text), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds a list per row, of whatever kind."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def lists(array: Array, path: Path, column: str) -> tuple[np.ndarray, Array]:
    """A list column as (n,) lengths and the flat values.

    Raises:
        UserError: not lists, or missing values.
    """
    if not is_list(array.type):
        raise UserError(f"{path}: column {column!r} must hold lists, not {array.type}")
    no_nulls(array, path, column)
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths, array.flatten()


def matrix(array: Array, width: int, path: Path, column: str) -> np.ndarray:
    """(n, width) float32 from a list column, float16 widened; a null in a list becomes NaN.

    Raises:
        UserError: not lists of ``width`` numbers.
    """
    if pa.types.is_floating(array.type) and width == 1:
        no_nulls(array, path, column)
        return array.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)[:, None]
    lengths, values = lists(array, path, column)
    if np.any(lengths != width):
        found = int(lengths[lengths != width][0])
        raise UserError(
            f"{path}: column {column!r} has rows of {found} values where there are {width} classes"
        )
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise UserError(f"{path}: column {column!r} must hold lists of numbers, not {array.type}")
    flat = values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return np.asarray(flat.reshape(-1, width))


def class_indices(values: np.ndarray, n_classes: int, path: Path, column: str) -> np.ndarray:
    """``values`` in the smallest integer type that holds every class.

    Raises:
        UserError: an index is out of range.
    """
    if values.size and (values.min() < 0 or values.max() >= n_classes):
        wrong = values[(values < 0) | (values >= n_classes)][0]
        raise UserError(
            f"{path}: column {column!r} holds class {wrong}, but there are {n_classes} classes "
            f"(0 to {n_classes - 1})"
        )
    return values.astype(index_type(n_classes))


def index_type(n_classes: int) -> np.dtype[Any]:
    """The smallest signed integer type that holds 0 .. n_classes."""
    return np.dtype(np.int8 if n_classes <= 127 else np.int16 if n_classes <= 32767 else np.int32)


def class_sets(array: Array, n_classes: int, path: Path, column: str) -> np.ndarray:
    """Sets of ``sets.label_sets`` from lists of class indices."""
    lengths, flat = lists(array, path, column)
    indices = class_indices(whole_numbers(flat, path, column), n_classes, path, column)
    return label_sets(np.repeat(np.arange(len(lengths)), lengths), indices, len(lengths), n_classes)


def objects(values: Sequence[Any]) -> np.ndarray:
    """A one-dimensional array of Python objects, whatever their lengths."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
