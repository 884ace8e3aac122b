"""Tables as pandas DataFrames: declared CSV tables with the types of their columns, Parquet tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from prunescope.analysis.tables.declared import Column, Row, columns, read_rows
from prunescope.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def pandas() -> Any:
    """The module.

    Raises:
        UserError: it is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError:
        raise UserError("pandas: not installed, and tables are its DataFrames; pip install pandas") from None
    return pandas


def frame_of(rows: Iterable[Row], row: type[Row]) -> pd.DataFrame:
    """Rows of a declared table: a column for each that is declared, with its type; what is missing is NA."""
    held = list(rows)
    return pandas().DataFrame(
        {
            column.name: pandas().Series([getattr(one, column.field) for one in held], dtype=_type(column))
            for column in columns(row)
        }
    )


def _type(column: Column) -> str:
    if column.kind is str:
        return "object"
    if column.kind is float:
        return "float64"
    whole = {int: ("int64", "Int64"), bool: ("bool", "boolean")}[column.kind]
    return whole[column.optional]


def read_frame(path: Path, row: type[Row] | None) -> pd.DataFrame:
    """A table's file: Parquet, or CSV, whose types are the declared ones; names such as ``NA`` stay names.

    Raises:
        UserError: the file is missing or damaged.
    """
    if path.suffix == ".parquet":
        try:
            return pq.read_table(path).to_pandas()
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({error})") from None
    if row is not None:
        return frame_of(read_rows(path, row), row)
    try:
        return pandas().read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
