"""Columns by which examples are grouped, from the predictions themselves, the texts or a table of metadata."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prunescope.errors import UserError, listed
from prunescope.predictions.arrays import Predictions
from prunescope.predictions.arrow import NotANumberError, Source, ids_of, is_list, plain, whole_numbers
from prunescope.predictions.collecting import open_table
from prunescope.predictions.reading import USUAL, Reading, bare


def read_groups(
    wanted: Sequence[str],
    side: Predictions,
    files: Sequence[Path],
    reading: Reading,
    option: str = "--groups",
    other: Sequence[Path] = (),
) -> dict[str, np.ndarray]:
    """(n,) values of each column by example of ``side``, as texts; None where a file says nothing of an example.

    Each column comes from the first file that has it. Rows are found by the column of examples, or by their number.

    Args:
        other: those of ``files`` that are the other side's; the first of these that has a column must say the same.

    Raises:
        UserError: no file has a column, it holds lists, or the sides differ.
    """
    found: dict[str, np.ndarray] = {}
    origin: dict[str, Path] = {}
    checked: set[str] = set()
    there: dict[str, None] = {}
    for path in files:
        source = open_table(path, reading)
        there |= dict.fromkeys(source.columns)
        here = [name for name in wanted if name in source.columns and name not in found]
        again = [name for name in wanted if name in source.columns and name in found and name not in checked]
        if path in other and again:
            checked |= set(again)
            for name, values in _values(source, again, side, reading).items():
                _same(name, (origin[name], found[name]), (path, values), option)
        if here:
            found |= _values(source, here, side, reading)
            origin |= dict.fromkeys(here, path)
            if path in other:
                checked |= set(here)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(
            f"{option}: no column {listed(map(repr, missing))} in {listed(files, 4) or 'the logs'}"
            + (f"; there are {listed(there)}" if there else "; a table with it can be given with --metadata")
        )
    return {name: found[name] for name in wanted}


def _same(name: str, first: tuple[Path, np.ndarray], second: tuple[Path, np.ndarray], option: str) -> None:
    """Raises: UserError: two files differ where both say something."""
    differs = [
        a != b for a, b in zip(first[1], second[1], strict=True) if a is not None and b is not None
    ].count(True)
    if differs:
        raise UserError(
            f"{option}: column {name!r} of {first[0]} and of {second[0]} differs for {differs} of {len(first[1])} "
            f"examples; rename the wrong one, or name a column that is of the examples"
        )


def further_columns(
    side: Predictions, path: Path, reading: Reading, without: Collection[str]
) -> dict[str, np.ndarray]:
    """As ``read_groups``, of all columns of a file that hold single values; ids, labels and predictions are none.

    Raises:
        UserError: the file cannot be read.
    """
    source = open_table(path, reading)
    roles = {*reading.columns.values(), *without, "n_tokens"}
    usual = {name for names in USUAL.values() for name in names}
    names = [name for name in source.columns if name not in roles and bare(name) not in usual]
    return _values(source, names, side, reading, lists=False) if names else {}


def _values(
    source: Source, names: Sequence[str], side: Predictions, reading: Reading, lists: bool = True
) -> dict[str, np.ndarray]:
    """``lists``: a column of lists is an error; else it is left out."""
    column = _example_column(source, reading)
    n = len(side.keys)
    row = {key: i for i, key in enumerate(side.keys.tolist())}
    found = {name: np.full(n, None, dtype=object) for name in names}
    start = 0
    for batch in source.batches(list(dict.fromkeys([*names, *([column] if column else [])]))):
        keys: Any = range(start, start + batch.num_rows)
        start += batch.num_rows
        if column:
            keys = _keys(batch[column], source.path, column, side)
        at = np.array([row.get(key, -1) for key in keys], dtype=np.int64)
        for name in names:
            array = plain(batch[name])
            if is_list(array.type) or pa.types.is_struct(array.type):
                if not lists:
                    found.pop(name, None)
                    continue
                raise UserError(
                    f"--groups: column {name!r} of {source.path} holds {array.type}, not single values"
                )
            values = np.array(pc.cast(array, pa.string()).to_pylist(), dtype=object)
            if name in found:
                found[name][at[at >= 0]] = values[at >= 0]
    return found


def _example_column(source: Source, reading: Reading) -> str | None:
    asked = reading.columns.get("example")
    if asked in source.columns:
        return asked
    if "example" in source.columns:
        return "example"
    close = [name for name in source.columns if bare(name) in USUAL["example"]]
    return close[0] if len(close) == 1 else None


def _keys(array: Any, path: Path, column: str, side: Predictions) -> list[Any]:
    if side.keys.dtype == object:
        return list(ids_of(array, path, column).to_pylist())
    try:
        return list(whole_numbers(array, path, column).tolist())
    except NotANumberError:
        raise UserError(
            f"{path}: column {column!r} holds texts, but examples of {side.sources[0]} are numbers; name the column of "
            "the examples with --id"
        ) from None
