"""Data tables: what is written is read back, and what is no table is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.tables import KEY, read_table, write_table
from prunescope.errors import UserError


def _pairs() -> DataTable:
    info = TableInfo("pairs", "train", "multi-label", ("a", "b", "c"), ("premise", "hypothesis"))
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
    texts = {"premise": ["One two.", "Ünï.", ""], "hypothesis": ["x", "y", "z"]}
    return DataTable(info, labels, texts=texts)


def _pictures() -> DataTable:
    info = TableInfo("pictures", "test", "single-label", ("0", "1"), ("image",), (2, 3, 4), 16.0)
    images = np.arange(5 * 24, dtype=np.uint8).reshape(5, 2, 3, 4)
    return DataTable(info, np.array([0, 1, 1, 0, 1], dtype=np.int32), images=images)


@pytest.mark.parametrize("make", [_pairs, _pictures])
def test_round_trip(tmp_path: Path, make: object) -> None:
    table = make()  # type: ignore[operator]
    path = tmp_path / "t.parquet"
    write_table(path, table)
    read = read_table(path)
    assert read.info == table.info
    assert np.array_equal(read.labels, table.labels)
    assert read.labels.dtype == table.labels.dtype
    assert read.texts == table.texts
    if table.images is not None:
        assert np.array_equal(read.images, table.images)


def test_columns_have_the_agreed_types(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", _pairs())
    write_table(tmp_path / "b.parquet", _pictures())
    a, b = pq.read_schema(tmp_path / "a.parquet"), pq.read_schema(tmp_path / "b.parquet")
    assert [a.field(n).type for n in ("example", "label", "premise")] == [
        pa.int64(),
        pa.list_(pa.int32()),
        pa.string(),
    ]
    assert b.field("label").type == pa.int32()
    assert b.field("image").type == pa.list_(pa.uint8(), 24)
    assert pq.read_table(tmp_path / "a.parquet")["label"].to_pylist() == [[0, 2], [], [1]]


def _rewritten(path: Path, **columns: pa.Array) -> None:
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table, path)


def test_what_is_no_table_is_refused_in_one_line_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"

    def refused(what: str) -> None:
        with pytest.raises(UserError) as error:
            read_table(path)
        message = str(error.value)
        assert str(path) in message
        assert what in message
        assert "\n" not in message

    refused("no such data table")
    write_table(path, _pairs())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("truncated or not a Parquet file")
    path.write_text("example,label\n0,1\n")
    refused("truncated or not a Parquet file")
    pq.write_table(pa.table({"example": [0]}), path)
    refused("no 'prunescope' metadata")
    for raw, what in (
        (b"{", "cannot be used"),
        (b'{"task": "single-label"}', "'dataset'"),
        (b'{"dataset":"d","split":"s","task":"other","classes":["a","b"],"inputs":["text"]}', "task 'other'"),
        (
            b'{"dataset":"d","split":"s","task":"single-label","classes":["a"],"inputs":["text"]}',
            "two classes",
        ),
    ):
        pq.write_table(pa.table({"example": [0]}).replace_schema_metadata({KEY: raw}), path)
        refused(what)
    for columns, what in (
        ({"label": pa.array([[0], [3], [1]], pa.list_(pa.int32()))}, "label 3 is outside"),
        ({"label": pa.array([0, 1, 2])}, "not list<int32>"),
        ({"label": pa.array([[0], None, [1]], pa.list_(pa.int32()))}, "'label' has empty cells"),
        ({"example": pa.array([0, 2, 1])}, "does not count from 0 to 2"),
        ({"premise": pa.array([1, 2, 3])}, "not string"),
    ):
        write_table(path, _pairs())
        _rewritten(path, **columns)
        refused(what)
    write_table(path, _pairs())
    pq.write_table(pq.read_table(path).drop_columns(["premise"]), path)
    refused("no column 'premise'")
    write_table(path, _pictures())
    _rewritten(path, image=pa.array([[1] * 5] * 5, pa.list_(pa.uint8(), 5)))
    refused("not fixed_size_list<uint8>[24]")
