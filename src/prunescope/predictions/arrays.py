"""What models say of every example, as arrays: the form that all analysis takes in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prunescope.errors import UserError
from prunescope.predictions.arrow import (
    Array,
    class_indices,
    class_sets,
    index_type,
    is_list,
    lists,
    no_nulls,
    objects,
    plain,
    strings,
    whole_numbers,
)
from prunescope.predictions.metadata import TableMeta
from prunescope.predictions.sets import label_sets

#: Tasks whose predictions follow from one row of raw outputs; elsewhere logits are not read.
LOGIT_TASKS = ("single-label", "multi-label", "regression")


#: Tasks whose tables may hold probabilities in the place of logits.
PROBABLE = ("single-label", "multi-label")

#: How far from 1 a sum of rounded probabilities may be.
_SUM_OFF = 1e-3


@dataclass
class Predictions:
    """The models of one side, seeds and examples ascending; diverged seeds have no rows.

    label: (n,) int32 · (n, C) bool · (n,) float32 · (n,) object (tokens: int arrays; text, span:
    lists of strings; several labels of more than ``sets.WIDE`` classes: packed sets)
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
    #: False: nobody said what is right; ``label`` is then -1, NaN or empty.
    labelled: bool = True
    #: (n,) what users call the examples, where it is not ``examples``: texts, or numbers of their own.
    names: np.ndarray | None = None
    #: (S, n) bool: what is right where whoever made the predictions judged them; else it follows from the labels.
    right: np.ndarray | None = None
    #: What the harness calls the share of what is right; else it is the task's score.
    metric: str | None = None
    #: How users' tables or logs were read, for the reader to check; None of prediction tables alone.
    read: Mapping[str, Any] | None = None

    def only(self, seeds: np.ndarray) -> Predictions:
        """The same side with some of its seeds; nothing is copied where all are kept."""
        if np.array_equal(seeds, self.seeds):
            return self
        chosen = np.isin(self.seeds, seeds)
        right = None if self.right is None else self.right[chosen]
        kept = {"seeds": np.asarray(seeds), "prediction": self.prediction[chosen], "right": right}
        return Predictions(**{**vars(self), **kept})

    def chosen(self, seeds: Collection[int] | None) -> Predictions:
        """The same side without the seeds that are not asked for, diverged ones included; None: all are."""
        if seeds is None:
            return self
        kept = self.only(self.seeds[np.isin(self.seeds, list(seeds))])
        return Predictions(**{**vars(kept), "diverged": tuple(s for s in self.diverged if s in set(seeds))})

    @property
    def keys(self) -> np.ndarray:
        """(n,) what users call the examples: numbers, or texts."""
        return self.examples if self.names is None else self.names

    @property
    def described(self) -> dict[str, Any]:
        """What the tables say of their models, where they say it."""
        names = ("dataset", "arch", "pruner", "sparsity", "split", "epoch")
        known = {name: getattr(self.meta, name, None) for name in names}
        return {name: value for name, value in known.items() if value is not None}


def unknown_labels(side: Predictions) -> np.ndarray:
    """What stands for the labels of a side without any."""
    n = len(side.examples)
    if side.task == "single-label":
        return np.full(n, -1, dtype=np.int32)
    if side.task == "multi-label":
        none = np.zeros(0, dtype=np.int64)
        return label_sets(none, none, n, len(side.classes))
    if side.task == "regression":
        return np.full(n, np.nan, dtype=np.float32)
    return objects([[] for _ in range(n)])


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


def are_probabilities(task: str, values: np.ndarray) -> bool:
    """All rows are within 0 and 1, and of one label sum to 1; zeros and ones alone may be logits too.

    Logits of several labels that all lie there would make every label of every example likelier than not.
    """
    if task not in PROBABLE:
        return False
    rows = values[np.isfinite(values).all(axis=1)]
    inside = bool(len(rows)) and rows.min() >= 0 and rows.max() <= 1 and bool(((rows > 0) & (rows < 1)).any())
    if task == "multi-label":
        return bool(inside and rows.min() < 0.5)
    return bool(inside and (np.abs(rows.sum(axis=1, dtype=np.float64) - 1) < _SUM_OFF).all())


def logits_of(task: str, probabilities: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities; of several labels, of their odds. Both are finite."""
    least = np.finfo(np.float32).tiny
    logits = np.log(np.maximum(probabilities, least, dtype=np.float32))
    if task == "multi-label":
        logits -= np.log(np.maximum(1 - probabilities, np.finfo(np.float32).epsneg, dtype=np.float32))
    return logits


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
        numbers = whole_numbers(array, path, column)
        if column == "label" and len(numbers) and (numbers == -1).all():
            return numbers.astype(index_type(n_classes))
        return class_indices(numbers, n_classes, path, column)
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
    array = plain(array)
    if column == "label" and is_list(array.type):
        lengths, flat = lists(array, path, column)
        strings(flat, path, column)
    else:
        strings(array, path, column)
    return objects(array.to_pylist())
