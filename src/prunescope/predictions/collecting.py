"""The rows of one side of an audit, gathered seed by seed into arrays and checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from prunescope.errors import DamagedFileError, UserError, listed
from prunescope.predictions.arrays import (
    LOGIT_TASKS,
    Predictions,
    are_probabilities,
    by_seed,
    decide,
    logits_of,
    values_of,
)
from prunescope.predictions.arrow import Source, ids_of, index_type, matrix, objects, whole_numbers
from prunescope.predictions.metadata import TableMeta, meta_of
from prunescope.predictions.reading import Reading, columns_of
from prunescope.predictions.sets import is_wide, packed
from prunescope.predictions.user_tables import Vocabulary


@dataclass
class Truth:
    """What all seeds of all sides must share: examples, and labels where a side has some; the files they come from."""

    examples: np.ndarray
    path: Path
    label: np.ndarray | None = None
    label_path: Path | None = None


@dataclass
class _Seed:
    """Rows of one model, in the order they come; consecutive examples are kept as ranges."""

    examples: list[np.ndarray | range] = field(default_factory=list)
    label: list[np.ndarray] = field(default_factory=list)
    prediction: list[np.ndarray] = field(default_factory=list)


@dataclass
class _Model:
    """One model's rows in the order of the examples; codes of users' tables are still codes."""

    seed: int
    path: Path
    coded: bool
    examples: np.ndarray
    label: np.ndarray | None
    prediction: np.ndarray


class Side:
    """All files of one side, read.

    columns: by file of a user's, the column of each role. by_position: files whose rows pair by their number.

    Args:
        ids: the ids of all examples where they are texts, ascending; examples are then positions in it.

    Raises:
        UserError: a file is missing, damaged, foreign or empty; a seed is listed twice; the
            files are of different models.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        vocabulary: Vocabulary,
        threshold: float,
        reading: Reading,
        ids: Any = None,
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self.metas: list[tuple[Path, TableMeta]] = []
        self.models: list[_Model] = []
        self.diverged: dict[int, Path] = {}
        self._vocabulary = vocabulary
        self._threshold = threshold
        self._reading = reading
        self._ids = ids
        self.columns: dict[Path, dict[str, str]] = {}
        if not self.paths:
            raise UserError("no prediction tables given; name at least one file per side")
        for path in self.paths:
            self._read(path)
        self._one_kind_of_model()

    def _read(self, path: Path) -> None:
        source = open_table(path, self._reading)
        meta = meta_of(source)
        if meta is not None:
            self.metas.append((path, meta))
        else:
            self.columns[path] = columns_of(source, self._reading)
        seeds, broken = self._gather(source, meta)
        diverged = broken | set(meta.diverged if meta else ())
        if not seeds and not diverged:
            raise DamagedFileError(path, f"{path}: has no rows; write it again")
        taken = {model.seed: model.path for model in self.models} | self.diverged
        for seed in sorted(seeds.keys() | diverged):
            if seed in taken:
                hint = "; number the models in a 'seed' column" if "seed" not in source.columns else ""
                raise UserError(
                    f"{path}: seed {seed} is already in {taken[seed]}; give each model once{hint}"
                )
            if seed in diverged:
                self.diverged[seed] = path
                continue
            model = _ordered(seed, path, meta is None, seeds.pop(seed), self._ids)
            if self.models:
                # Most models share examples and labels: keep them once.
                last = self.models[-1]
                if np.array_equal(model.examples, last.examples):
                    model.examples = last.examples
                if (
                    model.coded == last.coded
                    and model.label is not None
                    and last.label is not None
                    and _equal(model.label, last.label)
                ):
                    model.label = last.label
            self.models.append(model)

    def _gather(self, source: Source, meta: TableMeta | None) -> tuple[dict[int, _Seed], set[int]]:
        path = source.path
        named = self.columns.get(path) or {
            role: role for role in ("example", "label", "prediction", "seed") if role in source.columns
        }
        columns = [named.get("example", "example")]
        if "label" in named:
            columns.append(named["label"])
        stored = "prediction" in named
        # Logits decide where no prediction is stored, and tell by not being finite that a model diverged.
        needless = stored and meta is not None and meta.finite is True
        has_logits = (
            meta is not None and meta.task in LOGIT_TASKS and "logits" in source.columns and not needless
        )
        if stored or not has_logits:
            columns.append(named.get("prediction", "prediction"))
        if has_logits:
            columns.append("logits")
        if "seed" in named:
            columns.insert(0, named["seed"])
        if meta is None and "example" not in named:
            columns.remove("example")
        seeds: dict[int, _Seed] = {}
        broken: set[int] = set()
        width = 1 if meta and meta.task == "regression" else len(meta.classes) if meta else 0
        rows_of: dict[int, int] = {}
        probabilities: bool | None = None
        for batch in source.batches(list(dict.fromkeys(columns))):
            numbers = (
                whole_numbers(batch[named["seed"]], path, named["seed"])
                if "seed" in named
                else np.zeros(batch.num_rows, dtype=np.int64)
            )
            examples = (
                self._examples(batch[columns_example], path, columns_example)
                if (columns_example := named.get("example")) is not None
                else _positions(numbers, rows_of)
            )
            label = (
                self._values(batch[named["label"]], meta, path, named["label"], "label")
                if "label" in named
                else None
            )
            logits = matrix(batch["logits"], width, path, "logits") if has_logits else None
            if logits is not None and meta is not None and meta.task == "multi-label":
                if probabilities is None:
                    probabilities = are_probabilities(meta.task, logits)
                logits = logits_of(meta.task, logits) if probabilities else logits
            prediction: np.ndarray | None = None
            # Where tables with and without stored predictions were joined, some rows have none.
            derived: np.ndarray | None = None
            if stored or logits is None:
                column = batch[named["prediction"]]
                if meta is not None and needless and column.null_count:
                    return self._gather(source, replace(meta, finite=None))
                if logits is not None and column.null_count:
                    derived = column.is_null().to_numpy(zero_copy_only=False)
                    given = self._values(column.drop_null(), meta, path, named["prediction"], "prediction")
                    prediction = np.zeros((len(examples), *given.shape[1:]), dtype=given.dtype)
                    prediction[~derived] = given
                else:
                    prediction = self._values(column, meta, path, named["prediction"], "prediction")
            for seed, rows in by_seed(numbers):
                if logits is not None and not np.isfinite(logits[rows]).all():
                    broken.add(seed)
                if seed in broken:
                    seeds.pop(seed, None)
                    continue
                into = seeds.setdefault(seed, _Seed())
                into.examples.append(_compact(examples[rows]))
                if label is not None:
                    into.label.append(label[rows])
                some = derived is not None and derived[rows].any()
                if prediction is None or some:
                    assert logits is not None
                    assert meta is not None
                    made = decide(logits[rows], meta.task, meta.threshold_of(seed, self._threshold))
                    if meta.task == "multi-label" and is_wide(width):
                        made = packed(*np.divmod(np.flatnonzero(made), width), len(made))
                    kind = index_type(width) if meta.task == "single-label" else made.dtype
                    made = made.astype(kind if label is None else label.dtype, copy=False)
                    if prediction is not None and derived is not None:
                        mask = derived[rows].reshape(-1, *[1] * (made.ndim - 1))
                        made = np.where(mask, made, prediction[rows])
                else:
                    made = prediction[rows]
                if made.dtype == np.float32 and not np.isfinite(made).all():
                    broken.add(seed)
                    continue
                into.prediction.append(made)
        return seeds, broken

    def _examples(self, array: Any, path: Path, column: str) -> np.ndarray:
        if self._ids is None:
            return whole_numbers(array, path, column)
        found = pc.index_in(ids_of(array, path, column), value_set=self._ids)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)

    def _values(self, array: Any, meta: TableMeta | None, path: Path, column: str, role: str) -> np.ndarray:
        if meta is None:
            return self._vocabulary.encode(array, path, column, role)
        return values_of(array, meta, path, column)

    def _one_kind_of_model(self) -> None:
        for key in ("arch", "pruner"):
            named = {getattr(meta, key): path for path, meta in self.metas if getattr(meta, key) is not None}
            if len(named) > 1:
                (a, first), (b, second) = list(named.items())[:2]
                raise UserError(
                    f"{second}: {key} {b!r}, but {first} on the same side has {a!r}; "
                    "give one kind of model per side"
                )

    def forget_labels(self, paths: Collection[Path]) -> None:
        """These files of users' hold no labels."""
        for model in self.models:
            if model.coded and model.path in paths:
                model.label = None

    def predictions(
        self, task: str, classes: tuple[str, ...], meaning: np.ndarray | None, truth: Truth | None
    ) -> tuple[Predictions, Truth | None]:
        """Everything as arrays, checked against the examples and labels already seen.

        Args:
            meaning: (V, ...) what the codes of users' tables mean.
            truth: what earlier sides hold; None for the first one.

        Raises:
            UserError: examples or labels differ between files or seeds.
        """
        known: dict[int, np.ndarray] = {}
        self.models.sort(key=lambda model: model.seed)
        kept: np.ndarray | None = None
        for row, model in enumerate(self.models):
            label = None
            if model.label is not None:
                label = known.get(id(model.label))
                if label is None:
                    label = known[id(model.label)] = _final(model.label, model.coded, meaning, task, "label")
            if truth is None:
                truth = Truth(model.examples, model.path)
            if truth.label is None and label is not None:
                truth.label, truth.label_path = label, model.path
            _same(model, label, truth, self._ids)
            values = _final(model.prediction, model.coded, meaning, task, "prediction")
            if task == "tokens" and label is not None:
                _same_lengths(model, values, label)
            if kept is None:
                kept = np.empty((len(self.models), *values.shape), dtype=values.dtype)
            kept[row] = values
        examples = truth.examples if truth else np.zeros(0, dtype=np.int64)
        if kept is None:
            kept = np.zeros((0, len(examples)), dtype=np.int8)
        side = Predictions(
            task=task,
            classes=classes,
            seeds=np.array([model.seed for model in self.models], dtype=np.int64),
            examples=examples,
            label=np.zeros(0, dtype=np.int32) if truth is None or truth.label is None else truth.label,
            prediction=kept,
            diverged=tuple(sorted(self.diverged)),
            meta=self.metas[0][1] if self.metas else None,
            sources=tuple(path.as_posix() for path in self.paths),
        )
        self.models = []
        return side, truth


def open_table(path: Path, reading: Reading) -> Source:
    """A table of either kind; what the user says of CSV and JSON Lines applies."""
    return Source(path, reading.sep, reading.encoding)


def _positions(numbers: np.ndarray, rows_of: dict[int, int]) -> np.ndarray:
    """Each row's number among the rows of its seed; ``rows_of`` keeps count between batches."""
    examples = np.empty(len(numbers), dtype=np.int64)
    for seed, rows in by_seed(numbers):
        n = len(numbers[rows])
        start = rows_of.get(seed, 0)
        examples[rows] = np.arange(start, start + n)
        rows_of[seed] = start + n
    return examples


def agree(metas: Sequence[tuple[Path, TableMeta]]) -> None:
    """Raises: UserError: tables of different tasks, classes, data sets or splits."""
    for key in ("task", "classes", "dataset", "split"):
        seen: tuple[Path, Any] | None = None
        for path, meta in metas:
            value = getattr(meta, key)
            if value is None:
                continue
            if seen is None:
                seen = (path, value)
            elif value != seen[1]:
                here, there = (listed(v, 5) if key == "classes" else repr(v) for v in (value, seen[1]))
                raise UserError(
                    f"{path}: {key} {here}, but {seen[0]} has {there}; audit tables of one data set and split"
                )


def _compact(examples: np.ndarray) -> np.ndarray | range:
    start = int(examples[0])
    if np.array_equal(examples, np.arange(start, start + len(examples))):
        return range(start, start + len(examples))
    return examples


def name_of(ids: Any, example: int) -> object:
    """An example as the user calls it."""
    return example if ids is None else repr(ids[int(example)].as_py())


def _ordered(seed: int, path: Path, coded: bool, rows: _Seed, ids: Any) -> _Model:
    examples = np.concatenate(
        [np.arange(p.start, p.stop) if isinstance(p, range) else p for p in rows.examples]
    )
    label: np.ndarray | None = None
    if rows.label:
        wide = max((part.dtype for part in rows.label), key=lambda kind: kind.itemsize)
        label = np.concatenate([part.astype(wide, copy=False) for part in rows.label])
        if not coded and label.ndim == 1 and label.dtype.kind == "i" and len(label) and label.min() < 0:
            # Batches of -1 are let through: whether all are is known only here.
            if label.max() >= 0:
                raise UserError(
                    f"{path}: column 'label' holds class -1 beside others; -1 in every row means unlabelled"
                )
            label = None
    prediction = np.concatenate(rows.prediction)
    if np.any(np.diff(examples) <= 0):
        order = np.argsort(examples, kind="stable")
        examples, prediction = examples[order], prediction[order]
        label = None if label is None else label[order]
        twice = np.flatnonzero(np.diff(examples) == 0)
        if twice.size:
            raise UserError(
                f"{path}: seed {seed} has example {name_of(ids, examples[twice[0]])} twice; give each example once "
                "per model (several models need a 'seed' column)"
            )
    return _Model(seed, path, coded, examples, label, prediction)


def _final(values: np.ndarray, coded: bool, meaning: np.ndarray | None, task: str, column: str) -> np.ndarray:
    """Values in the form ``Predictions`` keeps them."""
    if coded:
        assert meaning is not None
        values = meaning[values]
    if column == "label" and task == "single-label":
        return values.astype(np.int32)
    if column == "label" and task in ("text", "span"):
        return objects([[value] if isinstance(value, str) else list(value) for value in values])
    return values


def _same(model: _Model, label: np.ndarray | None, truth: Truth, ids: Any) -> None:
    examples, path = truth.examples, truth.path
    if model.examples is not examples and not np.array_equal(model.examples, examples):
        odd = np.setxor1d(model.examples, examples)
        where = "only there" if odd[0] in model.examples else f"only in {path}"
        raise UserError(
            f"{model.path}: seed {model.seed} has {len(model.examples)} examples and {path} has "
            f"{len(examples)}; example {name_of(ids, odd[0])} is {where}; audit tables of the same examples"
        )
    labels = truth.label
    if label is not None and labels is not None and label is not labels and not _equal(label, labels):
        wrong = next(i for i in range(len(label)) if not _equal(label[i : i + 1], labels[i : i + 1]))
        raise UserError(
            f"{model.path}: seed {model.seed} labels example {name_of(ids, examples[wrong])} otherwise than "
            f"{truth.label_path} does; audit tables of the same data"
        )


def _same_lengths(model: _Model, values: np.ndarray, label: np.ndarray) -> None:
    for example, made, true in zip(model.examples, values, label, strict=True):
        if len(made) != len(true):
            raise UserError(
                f"{model.path}: seed {model.seed} has {len(made)} predictions for the {len(true)} tokens of "
                f"example {example}; give one class per token"
            )


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype == object or b.dtype == object:
        if len(a) != len(b):
            return False
        # Packed sets are texts of bytes, which ``array_equal`` would strip of zeros.
        return all(
            x == y if isinstance(x, bytes) else np.array_equal(x, y) for x, y in zip(a, b, strict=True)
        )
    return np.array_equal(a, b)
