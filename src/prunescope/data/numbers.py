"""From the texts and scores of a data set to its tables: regression."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from prunescope.data.corpus import Examples
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.splits import SPLITS, sample
from prunescope.errors import UserError


def number_of(value: Any, where: str) -> float:
    """A label that is a number.

    Raises:
        UserError: it is none; the line starts with ``where``.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{where}: label {value!r} is not a number; correct the row")
    return number


def assemble_numbers(
    name: str,
    splits: Mapping[str, Examples],
    max_examples: int | None,
    metrics: Sequence[str],
    versions: Mapping[str, str],
    reasons: Sequence[str],
) -> DataSet:
    """The tables, cut to ``max_examples`` per split, scores spread as in the whole split.

    Raises:
        UserError: a split has no examples.
    """
    import numpy as np

    tables, notes = {}, list(reasons)
    for split in SPLITS:
        examples = splits[split]
        if not len(examples):
            raise UserError(f"{name}: the {split} split has no examples; check the files of the data set")
        if max_examples is not None and len(examples) > max_examples:
            bands = [(int(label[0]),) for label in examples.labels]
            examples = examples.rows(sample(examples.contents(), bands, max_examples))
            note = f"Each split was cut to at most {max_examples:,} examples (max_examples)."
            notes += [note] if note not in notes else []
        info = TableInfo(name, split, "regression", (), tuple(examples.texts), metrics=tuple(metrics))
        labels = np.array([label[0] for label in examples.labels], dtype=np.float32)
        tables[split] = DataTable(info, labels, texts=examples.texts)
    return DataSet(tables, dict(versions), tuple(notes))
