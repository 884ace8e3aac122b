"""Data tables on disk: one Parquet file per split, with everything the later stages need to know about it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.data.dataset import DataTable, TableInfo
from prunescope.errors import BadFileError, UserError
from prunescope.files import atomic_path
from prunescope.predictions.arrow import objects

#: Key of the JSON object in the Parquet schema's metadata.
KEY = b"prunescope"

#: The column of the answers' offsets in the context.
STARTS = "answer_start"

_TASKS = ("single-label", "multi-label", "regression", "tokens", "span", "text")

#: Tasks whose labels are classes, or none of them.
CLASS_TASKS = ("single-label", "multi-label", "tokens")


def write_table(path: Path, table: DataTable) -> None:
    """Write one split atomically."""
    info = table.info
    n = len(table)
    columns: dict[str, pa.Array] = {"example": pa.array(np.arange(n, dtype=np.int64))}
    if info.task == "multi-label":
        rows, values = np.nonzero(table.labels)
        offsets = np.zeros(n + 1, dtype=np.int32)
        np.cumsum(np.bincount(rows, minlength=n), out=offsets[1:])
        columns["label"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.astype(np.int32)))
    elif info.task == "regression":
        columns["label"] = pa.array(table.labels.astype(np.float32))
    elif info.task == "single-label":
        columns["label"] = pa.array(table.labels.astype(np.int32))
    else:
        kind = pa.int32() if info.task == "tokens" else pa.string()
        columns["label"] = pa.array([list(label) for label in table.labels], pa.list_(kind))
    if table.starts is not None:
        columns[STARTS] = pa.array([list(starts) for starts in table.starts], pa.list_(pa.int32()))
    for column in info.inputs:
        if table.images is not None:
            flat = pa.array(np.ascontiguousarray(table.images, dtype=np.uint8).reshape(-1))
            columns[column] = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(table.images.shape[1:])))
        elif table.texts is not None:
            columns[column] = pa.array(table.texts[column], type=pa.string())
    columns |= {name: pa.array(table.extra[name], pa.string()) for name in info.extra}
    data = pa.table(columns).replace_schema_metadata({KEY: info.json().encode()})
    with atomic_path(path) as temporary:
        pq.write_table(data, temporary, compression="zstd")


def read_table(path: Path | str) -> DataTable:
    """Read and check one split.

    Raises:
        UserError: the file is missing, truncated, or not a data table; the line names it.
    """
    path = Path(path)
    data = _read(path)
    info = _info(path, (data.schema.metadata or {}).get(KEY))
    starts = (STARTS,) if info.task == "span" else ()
    for column in ("example", "label", *starts, *info.inputs, *info.extra):
        if column not in data.column_names:
            raise _foreign(path, f"has no column {column!r}")
        if data[column].null_count:
            raise _foreign(path, f"column {column!r} has empty cells")
    n = data.num_rows
    if not n:
        raise _foreign(path, "has no rows")
    if not np.array_equal(data["example"].to_numpy(), np.arange(n)):
        raise _foreign(path, f"column 'example' does not count from 0 to {n - 1}")
    labels = _labels(path, info, data["label"].combine_chunks())
    extra = {column: data[column].to_pylist() for column in info.extra}
    if info.image_shape is None:
        for column in info.inputs:
            if not pa.types.is_string(data[column].type):
                raise _foreign(path, f"column {column!r} is {data[column].type}, not string")
        texts = {column: data[column].to_pylist() for column in info.inputs}
        found = data[STARTS].to_pylist() if starts else None
        return DataTable(info, labels, texts=texts, starts=found, extra=extra)
    column = info.inputs[0]
    size = int(np.prod(info.image_shape))
    kind = data[column].type
    if not pa.types.is_fixed_size_list(kind) or kind.list_size != size or kind.value_type != pa.uint8():
        raise _foreign(path, f"column {column!r} is {kind}, not fixed_size_list<uint8>[{size}]")
    pixels = data[column].combine_chunks().flatten().to_numpy()
    return DataTable(info, labels, images=pixels.reshape(n, *info.image_shape), extra=extra)


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise UserError(f"{path}: no such data table; build the data set first")
    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise BadFileError(path, f"truncated or not a Parquet file ({reason})") from None


def _info(path: Path, raw: bytes | None) -> TableInfo:
    if raw is None:
        raise _foreign(path, "has no 'prunescope' metadata")
    try:
        value: dict[str, Any] = json.loads(raw)
        shape = value.get("image_shape")
        info = TableInfo(
            dataset=str(value["dataset"]),
            split=str(value["split"]),
            task=str(value["task"]),
            classes=tuple(map(str, value["classes"])),
            inputs=tuple(map(str, value["inputs"])),
            image_shape=None if shape is None else (int(shape[0]), int(shape[1]), int(shape[2])),
            image_scale=None if value.get("image_scale") is None else float(value["image_scale"]),
            metrics=tuple(map(str, value.get("metrics", ()))),
            extra=tuple(map(str, value.get("extra", ()))),
            language=None if value.get("language") is None else str(value["language"]),
            parts={str(part): int(count) for part, count in value.get("parts", {}).items()},
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _foreign(
            path, f"its 'prunescope' metadata cannot be used ({type(error).__name__}: {error})"
        ) from None
    if info.task not in _TASKS:
        raise _foreign(path, f"task {info.task!r} is none of {', '.join(_TASKS)}")
    if (info.task in CLASS_TASKS and len(info.classes) < 2) or not info.inputs:
        raise _foreign(path, "its 'prunescope' metadata names no inputs or fewer than two classes")
    if (info.image_shape is None) != (info.image_scale is None):
        raise _foreign(path, "image_shape and image_scale belong together")
    return info


def _labels(path: Path, info: TableInfo, column: pa.Array) -> np.ndarray:
    """Labels in the form of ``DataTable``."""
    kind = column.type
    if info.task == "single-label":
        if not pa.types.is_integer(kind):
            raise _foreign(path, f"column 'label' is {kind}, not int32")
        labels = column.to_numpy().astype(np.int32)
        _check_range(path, labels, len(info.classes))
        return labels
    if info.task == "regression":
        if not pa.types.is_floating(kind):
            raise _foreign(path, f"column 'label' is {kind}, not float")
        return np.asarray(column.to_numpy().astype(np.float32))
    if info.task in ("span", "text"):
        if not pa.types.is_list(kind) or not pa.types.is_string(kind.value_type):
            raise _foreign(path, f"column 'label' is {kind}, not list<string>")
        return objects(column.to_pylist())
    if not pa.types.is_list(kind) or not pa.types.is_integer(kind.value_type):
        raise _foreign(path, f"column 'label' is {kind}, not list<int32>")
    values = column.flatten().to_numpy()
    _check_range(path, values, len(info.classes))
    if info.task == "tokens":
        ends = column.offsets.to_numpy()
        return objects([values[a - ends[0] : b - ends[0]].astype(np.int32) for a, b in pairwise(ends)])
    marks = np.zeros((len(column), len(info.classes)), dtype=bool)
    marks[np.repeat(np.arange(len(column)), np.diff(column.offsets.to_numpy())), values] = True
    return marks


def _check_range(path: Path, labels: np.ndarray, classes: int) -> None:
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise _foreign(path, f"label {int(outside[0])} is outside the {classes} classes")


def _foreign(path: Path, what: str) -> UserError:
    return UserError(f"{path}: not a data table: {what}; build the data set again")
