"""Prediction tables: what one or more models say about every example of one split.

The wall between the half of the package that trains and the half that analyses (see
docs of the file form in the README): whatever is right of it never sees a model. Reading goes
batch by batch and keeps predictions only, so that tables larger than memory can be audited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.arrow import (
    METADATA_KEY,
    Array,
    Source,
    class_indices,
    class_sets,
    lists,
    matrix,
    no_nulls,
    objects,
    plain,
    whole_numbers,
)
from prunescope.errors import UserError
from prunescope.files import atomic_path
from prunescope.table_meta import TableMeta as TableMeta
from prunescope.table_meta import meta_of
from prunescope.user_tables import Vocabulary, resolve

#: Tasks whose predictions follow from one row of raw outputs; elsewhere logits are not read.
LOGIT_TASKS = ("single-label", "multi-label", "regression")


@dataclass
class SeedBlock:
    """What one model says about examples 0 .. n-1.

    label, prediction: single-label (n,) int · multi-label (n, C) bool · regression (n,) float ·
    tokens: n sequences of int · text, span: label n lists of strings, prediction n strings.
    logits: (n, C) float; C = 1 for regression.
    """

    seed: int
    label: np.ndarray | Sequence[Any]
    logits: np.ndarray | None = None
    prediction: np.ndarray | Sequence[Any] | None = None


@dataclass
class Predictions:
    """The models of one side, seeds and examples ascending; diverged seeds have no rows.

    label: (n,) int32 · (n, C) bool · (n,) float32 · (n,) object (tokens: int arrays; text, span:
    lists of strings)
    prediction: (S, n) small int · (S, n, C) bool · (S, n) float32 · (S, n) object
    """

    task: str
    classes: tuple[str, ...]
    seeds: np.ndarray
    examples: np.ndarray
    label: np.ndarray
    prediction: np.ndarray
    diverged: tuple[int, ...]
    meta: TableMeta | None
    sources: tuple[str, ...]

    def only(self, seeds: np.ndarray) -> Predictions:
        """The same side with some of its seeds; nothing is copied where all are kept."""
        if np.array_equal(seeds, self.seeds):
            return self
        kept = self.prediction[np.isin(self.seeds, seeds)]
        return Predictions(**{**vars(self), "seeds": np.asarray(seeds), "prediction": kept})


def decide(logits: np.ndarray, task: str, threshold: float = 0.5) -> np.ndarray:
    """Predictions from raw outputs (n, C).

    single-label: argmax, the lowest index on ties · multi-label: sigmoid(logit) > threshold, in
    float64 · regression: the output itself.
    """
    if task == "single-label":
        return np.argmax(logits, axis=1)
    if task == "multi-label":
        with np.errstate(over="ignore"):
            return np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float64))) > threshold)
    if task == "regression":
        return np.asarray(logits[:, 0])
    raise ValueError(f"task {task!r} has no logits")


def write_predictions(
    path: Path | str, meta: TableMeta, blocks: Iterable[SeedBlock], *, float16: bool = False
) -> None:
    """Write a prediction table, one row group per seed, one seed in memory at a time.

    With ``float16`` logits are rounded (and clipped to its range, so that they stay finite) and
    the predictions, made before rounding, are stored beside them.

    Raises:
        UserError: the file cannot be written.
        ValueError: seeds are not ascending, or a block does not fit the first one.
    """
    stream = iter(blocks)
    first = next(stream, None)
    has_logits = first is not None and first.logits is not None
    stored = first is None or first.prediction is not None or (float16 and has_logits)
    schema = _schema(meta, has_logits, stored, float16)
    previous = -1
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in ("logits", "example")],
            write_page_checksum=True,
        ) as writer,
    ):
        for block in chain([] if first is None else [first], stream):
            if block.seed <= previous:
                raise ValueError(f"seed {block.seed} follows seed {previous}; seeds must ascend")
            previous = block.seed
            rows = _rows(block, meta, schema)
            writer.write_table(rows, row_group_size=max(1, rows.num_rows))


def _schema(meta: TableMeta, has_logits: bool, stored: bool, float16: bool) -> pa.Schema:
    label: Any = {
        "single-label": pa.int32(),
        "multi-label": pa.list_(pa.int32()),
        "regression": pa.float32(),
        "tokens": pa.list_(pa.int32()),
    }.get(meta.task, pa.list_(pa.string()))
    columns = [("seed", pa.int32()), ("example", pa.int64()), ("label", label)]
    if has_logits:
        width = 1 if meta.task == "regression" else len(meta.classes)
        columns.append(("logits", pa.list_(pa.float16() if float16 else pa.float32(), width)))
    if stored:
        columns.append(("prediction", pa.string() if meta.task in ("text", "span") else label))
    return pa.schema(columns, metadata={METADATA_KEY: json.dumps(meta.to_json(), allow_nan=False)})


def _rows(block: SeedBlock, meta: TableMeta, schema: pa.Schema) -> pa.Table:
    n = len(block.label)
    if (block.logits is not None) != ("logits" in schema.names):
        raise ValueError(f"seed {block.seed}: some blocks have logits and others have none")
    columns: dict[str, Any] = {
        "seed": pa.array(np.full(n, block.seed, dtype=np.int32)),
        "example": pa.array(np.arange(n, dtype=np.int64)),
        "label": column_of(block.label, schema.field("label").type),
    }
    if block.logits is not None:
        kind = schema.field("logits").type
        values = np.asarray(block.logits, dtype=np.float32)
        if values.shape != (n, kind.list_size):
            raise ValueError(f"seed {block.seed}: logits of shape {values.shape}, not {(n, kind.list_size)}")
        if pa.types.is_float16(kind.value_type):
            values = np.clip(values, -65504, 65504).astype(np.float16)
        columns["logits"] = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), kind.list_size)
    if "prediction" in schema.names:
        made = block.prediction
        if made is None:
            if block.logits is None:
                raise ValueError(f"seed {block.seed}: neither logits nor predictions")
            made = decide(np.asarray(block.logits), meta.task, meta.threshold_of(block.seed))
        if len(made) != n:
            raise ValueError(f"seed {block.seed}: {len(made)} predictions for {n} examples")
        columns["prediction"] = column_of(made, schema.field("prediction").type)
    elif block.prediction is not None:
        raise ValueError(f"seed {block.seed}: some blocks have predictions and others have none")
    return pa.table(columns, schema=schema)


def column_of(values: np.ndarray | Sequence[Any], kind: pa.DataType) -> Array:
    """Labels or predictions as an Arrow column: sets of classes (n, C) become sorted lists."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        rows, indices = np.nonzero(values)
        ends = np.searchsorted(rows, np.arange(len(values) + 1))
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(indices, pa.int32())).cast(kind)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return pa.array(values).cast(kind)
    return pa.array([list(v) if isinstance(v, np.ndarray) else v for v in values], kind)


def read_predictions(paths: Sequence[Path], *, threshold: float = 0.5) -> Predictions:
    """Read the models of one side, from prediction tables or users' own tables, rows in any order.

    Raises:
        UserError: a file is missing, damaged or foreign, or the files do not fit together.
    """
    return read_sides({"": paths}, threshold=threshold)[""]


def read_sides(sides: Mapping[str, Sequence[Path]], *, threshold: float = 0.5) -> dict[str, Predictions]:
    """Read several sides of one audit: same task, classes, split, examples and labels in all.

    Raises:
        UserError: as ``read_predictions``, also where sides do not fit together.
    """
    from prunescope.collecting import Side, agree

    # Before any rows are read: a wrong file among many is told at once.
    tables = [Path(path) for paths in sides.values() for path in paths]
    agree([(path, meta) for path in tables if (meta := meta_of(Source(path))) is not None])
    vocabulary = Vocabulary()
    read = {name: Side(paths, vocabulary, threshold) for name, paths in sides.items()}
    metas = [(path, meta) for side in read.values() for path, meta in side.metas]
    task, classes = (metas[0][1].task, metas[0][1].classes) if metas else (None, None)
    meaning: np.ndarray | None = None
    if vocabulary.codes:
        task, classes, meaning = resolve(vocabulary, task, classes)
    if task is None or classes is None:
        path = next(iter(chain.from_iterable(sides.values())))
        raise UserError(f"{path}: has no rows; write it again")
    result: dict[str, Predictions] = {}
    pool: tuple[np.ndarray, np.ndarray, Path] | None = None
    for name, side in read.items():
        result[name], pool = side.predictions(task, classes, meaning, pool)
    return result


def iter_logits(paths: Sequence[Path]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Stream (seed, examples (n,) int64, logits (n, C) float32).

    Tables ordered by seed give each seed once, whole; in others a seed may come in several parts.

    Raises:
        UserError: a file is not a prediction table, or has no logits.
    """
    for path in paths:
        source = Source(path)
        meta = meta_of(source)
        if meta is None or "logits" not in source.columns:
            raise UserError(f"{path}: has no logits; give a prediction table with a 'logits' column")
        width = 1 if meta.task == "regression" else len(meta.classes)
        pending: list[tuple[np.ndarray, np.ndarray]] = []
        current: int | None = None
        for batch in source.batches(["seed", "example", "logits"]):
            seeds = whole_numbers(batch["seed"], path, "seed")
            examples = whole_numbers(batch["example"], path, "example")
            logits = matrix(batch["logits"], width, path, "logits")
            for seed, rows in by_seed(seeds):
                if current is not None and seed != current:
                    yield current, *_joined(pending)
                    pending = []
                current = seed
                pending.append((examples[rows], logits[rows]))
        if current is not None:
            yield current, *_joined(pending)


def by_seed(seeds: np.ndarray) -> Iterator[tuple[int, slice | np.ndarray]]:
    """The rows of each seed in one batch, in their order; slices where the batch is ordered by seed."""
    if not len(seeds):
        return
    order: np.ndarray | None = None
    if np.any(np.diff(seeds) < 0):
        order = np.argsort(seeds, kind="stable")
        seeds = seeds[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(seeds)) + 1])
    ends = np.append(starts[1:], len(seeds))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield int(seeds[start]), slice(start, end) if order is None else order[start:end]


def values_of(array: Array, meta: TableMeta, path: Path, column: str) -> np.ndarray:
    """A label or prediction column of a prediction table, in the form ``Predictions`` keeps.

    Raises:
        UserError: wrong type, missing values, a class out of range, a label that is NaN.
    """
    n_classes = len(meta.classes)
    if meta.task == "single-label":
        return class_indices(whole_numbers(array, path, column), n_classes, path, column)
    if meta.task == "multi-label":
        return class_sets(array, n_classes, path, column)
    if meta.task == "regression":
        no_nulls(array, path, column)
        if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
            raise UserError(f"{path}: column {column!r} must hold numbers, not {array.type}")
        values = array.to_numpy(zero_copy_only=False).astype(np.float32)
        if column == "label" and not np.isfinite(values).all():
            raise UserError(f"{path}: column 'label' holds NaN or infinity; drop those examples")
        return np.asarray(values)
    if meta.task == "tokens":
        lengths, flat = lists(array, path, column)
        indices = class_indices(whole_numbers(flat, path, column), n_classes, path, column)
        return objects(np.split(indices, np.cumsum(lengths)[:-1]) if len(lengths) else [])
    no_nulls(plain(array), path, column)
    return objects(plain(array).to_pylist())


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
