"""Data tables: one Parquet file per split, with everything the later stages need to know about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.errors import UserError
from prunescope.files import atomic_path

#: Key of the JSON object in the Parquet schema's metadata.
KEY = b"prunescope"

_TASKS = ("single-label", "multi-label")


@dataclass(frozen=True)
class TableInfo:
    """What a data table says of itself.

    ``inputs``: the input columns, ("text",), ("premise", "hypothesis") or ("image",).
    ``image_shape``: (channels, height, width); ``image_scale``: pixels are divided by it.
    """

    dataset: str
    split: str
    task: str
    classes: tuple[str, ...]
    inputs: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    image_scale: float | None = None

    def json(self) -> str:
        return json.dumps(self.__dict__, ensure_ascii=False)


@dataclass(frozen=True)
class DataTable:
    """One split: labels (n,) int32 or (n, C) bool, and texts by column or images (n, ch, H, W) uint8."""

    info: TableInfo
    labels: np.ndarray
    texts: Mapping[str, list[str]] | None = None
    images: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataSet:
    """All splits, and where they came from: distribution -> version, and notes for the card."""

    tables: dict[str, DataTable]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()


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
    else:
        columns["label"] = pa.array(table.labels.astype(np.int32))
    for column in info.inputs:
        if table.images is not None:
            flat = pa.array(np.ascontiguousarray(table.images, dtype=np.uint8).reshape(-1))
            columns[column] = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(table.images.shape[1:])))
        elif table.texts is not None:
            columns[column] = pa.array(table.texts[column], type=pa.string())
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
    for column in ("example", "label", *info.inputs):
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
    if info.image_shape is None:
        for column in info.inputs:
            if not pa.types.is_string(data[column].type):
                raise _foreign(path, f"column {column!r} is {data[column].type}, not string")
        return DataTable(info, labels, texts={column: data[column].to_pylist() for column in info.inputs})
    column = info.inputs[0]
    size = int(np.prod(info.image_shape))
    kind = data[column].type
    if not pa.types.is_fixed_size_list(kind) or kind.list_size != size or kind.value_type != pa.uint8():
        raise _foreign(path, f"column {column!r} is {kind}, not fixed_size_list<uint8>[{size}]")
    pixels = data[column].combine_chunks().flatten().to_numpy()
    return DataTable(info, labels, images=pixels.reshape(n, *info.image_shape))


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise UserError(f"{path}: no such data table; build the data set first")
    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise UserError(
            f"{path}: truncated or not a Parquet file ({reason}); delete it and build the data set again"
        ) from None


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
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _foreign(
            path, f"its 'prunescope' metadata cannot be used ({type(error).__name__}: {error})"
        ) from None
    if info.task not in _TASKS:
        raise _foreign(path, f"task {info.task!r} is none of {', '.join(_TASKS)}")
    if len(info.classes) < 2 or not info.inputs:
        raise _foreign(path, "its 'prunescope' metadata names no inputs or fewer than two classes")
    if (info.image_shape is None) != (info.image_scale is None):
        raise _foreign(path, "image_shape and image_scale belong together")
    return info


def _labels(path: Path, info: TableInfo, column: pa.Array) -> np.ndarray:
    """Labels (n,) int32, or (n, C) bool from lists."""
    kind = column.type
    if info.task == "single-label":
        if not pa.types.is_integer(kind):
            raise _foreign(path, f"column 'label' is {kind}, not int32")
        labels = column.to_numpy().astype(np.int32)
        _check_range(path, labels, len(info.classes))
        return labels
    if not pa.types.is_list(kind) or not pa.types.is_integer(kind.value_type):
        raise _foreign(path, f"column 'label' is {kind}, not list<int32>")
    values = column.flatten().to_numpy()
    _check_range(path, values, len(info.classes))
    marks = np.zeros((len(column), len(info.classes)), dtype=bool)
    marks[np.repeat(np.arange(len(column)), np.diff(column.offsets.to_numpy())), values] = True
    return marks


def _check_range(path: Path, labels: np.ndarray, classes: int) -> None:
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise _foreign(path, f"label {int(outside[0])} is outside the {classes} classes")


def _foreign(path: Path, what: str) -> UserError:
    return UserError(f"{path}: not a data table: {what}; build the data set again")
