"""Prediction tables: what one or more models say about every example of one split.

The wall between the half of the package that trains and the half that analyses (file form:
docs/audit.md): whatever is right of it never sees a model. Reading goes
batch by batch and keeps predictions only, so that tables larger than memory can be audited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prunescope.errors import UserError, listed
from prunescope.files import atomic_path
from prunescope.predictions.arrays import PROBABLE, are_probabilities, by_seed, logits_of, unknown_labels
from prunescope.predictions.arrays import Predictions as Predictions
from prunescope.predictions.arrays import decide as decide
from prunescope.predictions.arrow import (
    METADATA_KEY,
    Array,
    NotANumberError,
    Source,
    ids_of,
    matrix,
    whole_numbers,
)
from prunescope.predictions.collecting import Side, Truth, agree, open_table
from prunescope.predictions.metadata import TableMeta as TableMeta
from prunescope.predictions.metadata import meta_of
from prunescope.predictions.reading import UNSAID, Reading, columns_of
from prunescope.predictions.sets import class_sizes, flat
from prunescope.predictions.user_tables import Resolved, Vocabulary, resolve


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


def write_predictions(
    path: Path | str, meta: TableMeta, blocks: Iterable[SeedBlock], *, float16: bool = False
) -> None:
    """Write a prediction table, one row group per seed, one seed in memory at a time.

    With ``float16`` logits are rounded (and clipped to its range, so that they stay finite) and
    the predictions, made before rounding, are stored beside them. Such a table says that its logits are
    finite, so that readers who want predictions alone leave the logits, most of the file, unread.

    Raises:
        UserError: the file cannot be written.
        ValueError: seeds are not ascending, a block does not fit the first one, or logits to be rounded are
            not finite.
    """
    stream = iter(blocks)
    first = next(stream, None)
    has_logits = first is not None and first.logits is not None
    stored = first is None or first.prediction is not None or (float16 and has_logits)
    if float16 and has_logits:
        meta = replace(meta, finite=True)
    schema = _schema(meta, has_logits, stored, float16)
    previous = -1
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in ("logits", "example")],
            # Consecutive numbers: nothing is left of a sixth of a table of three classes.
            column_encoding={"example": "DELTA_BINARY_PACKED"} if meta.finite else None,
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
            if not np.isfinite(values).all():
                raise ValueError(f"seed {block.seed}: logits are not finite; leave diverged seeds out")
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
    """Labels or predictions as an Arrow column: sets of classes become sorted lists."""
    if isinstance(values, np.ndarray) and len(values) and isinstance(values[0], bytes):
        sizes, indices = flat(values)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(indices, pa.int32())).cast(kind)
    if isinstance(values, np.ndarray) and values.ndim == 2:
        rows, indices = np.nonzero(values)
        ends = np.searchsorted(rows, np.arange(len(values) + 1))
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(indices, pa.int32())).cast(kind)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return pa.array(values).cast(kind)
    return pa.array([list(v) if isinstance(v, np.ndarray) else v for v in values], kind)


def read_predictions(
    paths: Sequence[Path], *, threshold: float = 0.5, reading: Reading = UNSAID
) -> Predictions:
    """Read the models of one side, from prediction tables or users' own tables, rows in any order.

    Raises:
        UserError: a file is missing, damaged or foreign, or the files do not fit together.
    """
    return read_sides({"": paths}, threshold=threshold, reading=reading)[""]


def read_sides(
    sides: Mapping[str, Sequence[Path]], *, threshold: float = 0.5, reading: Reading = UNSAID
) -> dict[str, Predictions]:
    """Read several sides of one audit: same task, classes, split, examples and labels in all.

    Args:
        reading: what the user says of tables of their own.

    Raises:
        UserError: as ``read_predictions``, also where sides do not fit together.
    """
    # Before any rows are read: a wrong file among many is reported at once.
    tables = {Path(path): open_table(Path(path), reading) for paths in sides.values() for path in paths}
    metas = [(path, meta) for path, source in tables.items() if (meta := meta_of(source)) is not None]
    agree(metas)
    if metas:
        reading = _checked(reading, *metas[0], named=any(source.metadata for source in tables.values()))
    try:
        return _read_sides(sides, threshold, reading, None)
    except NotANumberError as error:
        ids = _text_ids(tables.values(), reading)
        if ids is None:
            raise UserError(str(error)) from None
        return _read_sides(sides, threshold, reading, ids)


def _checked(reading: Reading, path: Path, meta: TableMeta, named: bool) -> Reading:
    """What the user says beside prediction tables must be what they say themselves.

    named: they name their classes; those of arrays and logits alone are numbers, and as many names may stand for them.
    """
    said = {"task": (reading.task, meta.task), "classes": (reading.classes, meta.classes)}
    if not named and reading.classes is not None and meta.task != "regression":
        if len(reading.classes) != len(meta.classes):
            raise UserError(
                f"--classes: {len(reading.classes)} names, but {path} has {len(meta.classes)} logits an example"
            )
        said.pop("classes")
    for name, (asked, held) in said.items():
        if asked is not None and asked != held:
            held_text = held if isinstance(held, str) else listed(held, 5)
            raise UserError(f"--{name}: {path} says {held_text}; drop the option, or give tables that agree")
    return reading


def _text_ids(tables: Iterable[Source], reading: Reading) -> Array | None:
    """All examples' ids as texts, ascending; None where no user's table has text in its column of ids."""
    found: list[Array] = []
    text = False
    for source in tables:
        own = meta_of(source) is not None
        column = "example" if own else columns_of(source, reading).get("example")
        if column is None:
            continue
        for batch in source.batches([column]):
            try:
                whole_numbers(batch[column], source.path, column)
            except NotANumberError:
                text = True
            found.append(pc.unique(ids_of(batch[column], source.path, column)))
    if not text:
        return None
    every = pc.unique(pa.concat_arrays(found))
    return every.take(pc.sort_indices(every))


def _read_sides(
    sides: Mapping[str, Sequence[Path]], threshold: float, reading: Reading, ids: Array | None
) -> dict[str, Predictions]:
    vocabulary = Vocabulary()
    read = {name: Side(paths, vocabulary, threshold, reading, ids) for name, paths in sides.items()}
    metas = [(path, meta) for side in read.values() for path, meta in side.metas]
    task, classes = (metas[0][1].task, reading.classes or metas[0][1].classes) if metas else (None, None)
    unlabelled = vocabulary.drop_unlabelled()
    for side in read.values():
        side.forget_labels(unlabelled)
    found: Resolved | None = None
    if vocabulary.codes:
        found = resolve(vocabulary, reading, task, classes)
        task, classes = found.task, found.classes
    if task is None or classes is None:
        path = next(iter(chain.from_iterable(sides.values())))
        raise UserError(f"{path}: has no rows; write it again")
    result: dict[str, Predictions] = {}
    truth: Truth | None = None
    for name, side in read.items():
        result[name], truth = side.predictions(task, classes, found.meaning if found else None, truth)
    for name, one in result.items():
        if truth is not None:
            one.label = truth.label if truth.label is not None else unknown_labels(one)
            one.labelled = truth.label is not None
        if ids is not None:
            one.names = np.array(ids.take(pa.array(one.examples)).to_pylist(), dtype=object)
        if read[name].columns:
            one.read = _how(read[name], one, found, vocabulary, reading)
    return result


def _how(
    side: Side, one: Predictions, found: Resolved | None, vocabulary: Vocabulary, reading: Reading
) -> dict[str, Any]:
    """How the tables of one side were read, and what of it looks odd."""
    columns = list(side.columns.values())
    shown = {
        role: listed(dict.fromkeys(named[role] for named in columns if role in named)) for role in columns[0]
    }
    warnings = []
    if any("example" not in named for named in columns):
        warnings.append(
            f"{next(path for path, named in side.columns.items() if 'example' not in named)}: no column of examples; "
            "rows pair by their number (--id names a column)"
        )
    return {
        "columns": shown,
        "order": found.order if found else "",
        "notes": list(vocabulary.notes),
        "warnings": [*vocabulary.warnings, *warnings, *_unknown_to_labels(one), *_same_label(one)],
    }


def _unknown_to_labels(side: Predictions) -> list[str]:
    """A line for the classes that are predicted but never a label, each with the nearest label's name."""
    if not side.labelled or side.task not in ("single-label", "multi-label"):
        return []
    given, made = (
        np.bincount(v.ravel(), minlength=len(side.classes)) > 0
        if side.task == "single-label"
        else class_sizes(
            v.ravel() if v.dtype == object else v.reshape(-1, len(side.classes)), len(side.classes)
        )
        > 0
        for v in (side.label, side.prediction)
    )
    odd = [side.classes[c] for c in np.flatnonzero(made & ~given)]
    if not odd:
        return []
    labels = {side.classes[c].casefold(): side.classes[c] for c in np.flatnonzero(given)}
    named = []
    for name in odd[:5]:
        close = get_close_matches(name.casefold(), labels, n=1, cutoff=0.8)
        named.append(f"{name!r} (a label is {labels[close[0]]!r})" if close else repr(name))
    more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
    verb = "is" if len(odd) == 1 else "are"
    return [f"{side.sources[0]}: {listed(named)}{more} {verb} predicted but never a label"]


def _same_label(side: Predictions) -> list[str]:
    """A line where all examples have one label: nothing tells classes apart, and correlations do not exist."""
    if not side.labelled or side.task not in ("single-label", "regression") or len(side.label) < 2:
        return []
    first = side.label[0]
    if not (side.label == first).all():
        return []
    value = side.classes[int(first)] if side.task == "single-label" else f"{first:g}"
    return [f"the label of every example is {value!r}: there is nothing to tell apart"]


def holds_probabilities(path: Path) -> bool:
    """Whether the column ``logits`` of a table with one label or several holds probabilities, as its first rows tell.

    Raises:
        UserError: the file cannot be read.
    """
    source = Source(path)
    meta = meta_of(source)
    if meta is None or meta.task not in PROBABLE or "logits" not in source.columns:
        return False
    first = next(source.batches(["logits"]), None)
    return first is not None and are_probabilities(
        meta.task, matrix(first["logits"], len(meta.classes), path, "logits")
    )


def iter_logits(paths: Sequence[Path]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Stream (seed, examples (n,) int64, logits (n, C) float32); of probabilities (``holds_probabilities``) logits.

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
        probabilities: bool | None = None
        for batch in source.batches(["seed", "example", "logits"]):
            seeds = whole_numbers(batch["seed"], path, "seed")
            examples = whole_numbers(batch["example"], path, "example")
            logits = matrix(batch["logits"], width, path, "logits")
            if probabilities is None:
                probabilities = are_probabilities(meta.task, logits)
            if probabilities:
                logits = logits_of(meta.task, logits)
            for seed, rows in by_seed(seeds):
                if current is not None and seed != current:
                    yield current, *_joined(pending)
                    pending = []
                current = seed
                pending.append((examples[rows], logits[rows]))
        if current is not None:
            yield current, *_joined(pending)


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
