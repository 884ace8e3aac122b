"""What Python users give for predictions, as the files an audit reads: paths, DataFrames, arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prunescope.errors import UserError, listed
from prunescope.predictions.metadata import TableMeta
from prunescope.predictions.store import SeedBlock, write_predictions


class Given:
    """One audit's inputs. ``folder``: where arrays and DataFrames are written for it to read.

    Args:
        labels: (n,) classes or numbers, or (n, C) 0/1 of several labels, for arrays.
        task, classes: as the user says them; None where they say nothing.
    """

    def __init__(self, folder: Path, labels: Any, task: str | None, classes: Sequence[Any] | None) -> None:
        self.folder = folder
        self.labels = None if labels is None else np.asarray(labels)
        self.classes = None if classes is None else tuple(map(str, classes))
        several = self.labels is not None and self.labels.ndim == 2
        self.task = task or ("multi-label" if several else None)

    def files(self, name: str, given: Any) -> list[Path]:
        """The files of one side, or, of a mapping of compressed models, a folder for each.

        Raises:
            UserError: it is nothing that predictions can be read from, or shapes do not fit.
        """
        if isinstance(given, str | Path):
            return [Path(given)]
        if isinstance(given, Mapping):
            return [folder for model, one in given.items() for folder in [self._model(name, str(model), one)]]
        if isinstance(given, Sequence) and given and all(isinstance(one, str | Path) for one in given):
            paths = [Path(one) for one in given]
            # Beside as many labels, a list of texts is of class names, unless there are files of these names.
            names = self.labels is not None and len(self.labels) == len(given)
            if not names or any(path.exists() for path in paths):
                return paths
        path = self.folder / f"{name}.parquet"
        table = as_table(given, name)
        if table is not None and not (
            "logits" in table.column_names and "prediction" not in table.column_names
        ):
            pq.write_table(table, path)
        elif table is not None:
            self._logits_of(table, path, name)
        else:
            self._arrays(given, path, name)
        return [path]

    def _model(self, side: str, model: str, given: Any) -> Path:
        if not model or "/" in model or model.startswith("."):
            raise UserError(f"{side}: {model!r} is no name of a model that a folder can have; rename it")
        inside = Given(self.folder / side / model, self.labels, self.task, self.classes)
        inside.folder.mkdir(parents=True, exist_ok=True)
        paths = inside.files("predictions", given)
        if paths[0].parent == inside.folder:
            return inside.folder
        if len(paths) == 1 and paths[0].is_dir():
            return paths[0]
        for number, path in enumerate(paths):
            (inside.folder / f"{number}-{path.name}").symlink_to(path.resolve())
        return inside.folder

    def _logits_of(self, table: pa.Table, path: Path, name: str) -> None:
        """A DataFrame with logits in place of predictions: of every seed, in the order of the examples."""
        frame = {key: table[key].combine_chunks() for key in table.column_names}
        n = table.num_rows
        seed = np.asarray(frame["seed"]) if "seed" in frame else np.zeros(n, np.int64)
        example = np.asarray(frame["example"]) if "example" in frame else None
        if "label" not in frame:
            raise UserError(f"{name}: logits need a column 'label' beside them")
        try:
            logits = np.array(frame["logits"].to_pylist(), dtype=np.float32)
        except (ValueError, TypeError):
            raise UserError(
                f"{name}: column 'logits' must hold one list of numbers per row, all alike long"
            ) from None
        blocks = []
        label = np.array(frame["label"].to_pylist())
        for number in np.unique(seed):
            rows = np.flatnonzero(seed == number)
            if example is not None:
                rows = rows[np.argsort(example[rows], kind="stable")]
                if not np.array_equal(example[rows], np.arange(len(rows))):
                    raise UserError(f"{name}: beside logits, 'example' must number the rows from 0")
            blocks.append((int(number), label[rows], logits[rows]))
        self._write(path, name, blocks)

    def _arrays(self, given: Any, path: Path, name: str) -> None:
        try:
            values = np.asarray(given)
        except ValueError:
            raise UserError(f"{name}: rows of different lengths; give one array, (n,) or (S, n)") from None
        if values.dtype.kind not in "biufUSO" or not values.ndim or not values.size:
            raise UserError(
                f"{name}: {type(given).__name__} holds no predictions; give a path, a DataFrame or an array"
            )
        if self.labels is None:
            raise UserError(f"{name}: an array of predictions needs the labels; give labels=")
        n = len(self.labels)
        scores = self.task == "regression" or (self.task is None and _are_scores(self.labels))
        outputs = values.dtype.kind == "f" and not scores
        one_model = values.ndim == 1 + (outputs or self.labels.ndim == 2)
        values = values[None] if one_model else values
        if values.ndim != 2 + (outputs or self.labels.ndim == 2) or values.shape[1] != n:
            forms = "(n, C) or (S, n, C) logits" if outputs else "(n,) or (S, n) predictions"
            raise UserError(f"{name}: shape {np.shape(given)} does not fit {n} labels; give {forms}")
        if outputs or self.labels.ndim == 2:
            self._write(path, name, [(seed, self.labels, one) for seed, one in enumerate(values)])
            return
        seeds = len(values)
        held = {
            "seed": np.repeat(np.arange(seeds), n),
            "example": np.tile(np.arange(n), seeds),
            "label": np.tile(self.labels, seeds),
            "prediction": values.ravel(),
        }
        pq.write_table(pa.table({key: _column(value, name) for key, value in held.items()}), path)

    def _write(self, path: Path, name: str, blocks: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> None:
        """A prediction table of (seed, labels, logits or 0/1 of several labels)."""
        width = blocks[0][2].shape[1]
        several = blocks[0][1].ndim == 2
        named = self.classes or tuple(map(str, range(width)))
        label = blocks[0][1]
        if not several and self.classes is None and label.dtype.kind in "USO":
            found = sorted(set(map(str, label)))
            if len(found) != width:
                raise UserError(
                    f"{name}: logits of {width} classes, {len(found)} names; give classes= in their order"
                )
            named = tuple(found)
        if len(named) != width:
            raise UserError(
                f"{name}: {width} outputs for {len(named)} classes; give all classes in their order"
            )
        meta = TableMeta("multi-label" if several else "single-label", named)
        made = []
        for seed, true, values in blocks:
            truth = true.astype(bool) if several else _indices(true, named, name)
            if values.dtype.kind == "f":
                made.append(SeedBlock(seed, truth, values))
            else:
                made.append(SeedBlock(seed, truth, prediction=values.astype(bool)))
        write_predictions(path, meta, made)


def as_table(given: Any, name: str) -> pa.Table | None:
    """A DataFrame of pandas, polars or Arrow as an Arrow table; None of other things.

    Raises:
        UserError: a column holds what Arrow has no type for.
    """
    if isinstance(given, pa.Table):
        return given
    if not (
        hasattr(given, "columns") and (hasattr(given, "__arrow_c_stream__") or hasattr(given, "to_arrow"))
    ):
        return None
    try:
        table = pa.table(given) if hasattr(given, "__arrow_c_stream__") else given.to_arrow()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UserError(
            f"{name}: the DataFrame cannot be read ({' '.join(str(error).split())[:160]})"
        ) from None
    unnamed = [column for column in table.column_names if column.startswith("__index_level_")]
    # Views and the like, which only some readers know.
    return table.drop_columns(unnamed).replace_schema_metadata(None)


def texts_table(given: Any, name: str, column: str) -> pa.Table:
    """A DataFrame as it is; a sequence as one column."""
    table = as_table(given, name)
    return pa.table({column: _column(np.asarray(given, dtype=object), name)}) if table is None else table


def columns_table(given: Any, name: str) -> pa.Table:
    """A DataFrame, or a mapping of names to arrays, by row, as a table with a column ``example``."""
    table = as_table(given, name)
    if table is None:
        try:
            table = pa.table(
                {str(key): _column(np.asarray(value), name) for key, value in dict(given).items()}
            )
        except (pa.ArrowException, TypeError, ValueError):
            raise UserError(
                f"{name}: give a DataFrame, or a mapping of names to arrays of one length"
            ) from None
    if "example" not in table.column_names:
        table = table.append_column("example", pa.array(np.arange(table.num_rows)))
    return table


def _column(values: np.ndarray, name: str) -> Any:
    try:
        return pa.array(values.tolist()) if values.dtype.kind in "USO" else pa.array(values)
    except pa.ArrowException:
        raise UserError(f"{name}: holds values of several types; give texts, or numbers") from None


def _are_scores(labels: np.ndarray) -> bool:
    return labels.dtype.kind == "f" and bool((labels != np.round(labels)).any())


def _indices(label: np.ndarray, classes: tuple[str, ...], name: str) -> np.ndarray:
    """Labels as positions among the classes: names by name, numbers as they are."""
    if label.dtype.kind in "iu":
        if label.min(initial=0) < -1 or label.max(initial=0) >= len(classes):
            raise UserError(f"{name}: label {label.max()} is none of the {len(classes)} classes")
        return label.astype(np.int32)
    texts = [str(one) for one in label]
    found = pc.index_in(pa.array(texts), value_set=pa.array(classes)).to_pylist()
    if None in found:
        odd = texts[found.index(None)]
        raise UserError(f"{name}: label {odd!r} is none of the classes {listed(classes, 5)}")
    return np.asarray(found, dtype=np.int32)
