"""The data sets ``glue_*``: the tasks of GLUE (Wang et al. 2019).

GLUE keeps the labels of its test sets. Its validation set is the test set here, and a part of its training set
the validation set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from prunescope.config.datasets import Answers, Declared
from prunescope.data import local
from prunescope.data.corpus import Examples, assemble, from_hub
from prunescope.data.dataset import DataSet
from prunescope.data.numbers import assemble_numbers, number_of
from prunescope.data.settings import CUT, LOCAL_OR_HUB, REVISION, Corpus
from prunescope.data.splits import stratified
from prunescope.errors import UserError, listed
from prunescope.files import expanded

HUB = "nyu-mll/glue"

#: The commit of the hub's Parquet files that is read unless ``revision`` names another.
COMMIT = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"

#: Scores from 0 to this fall into strata of one each; the highest stratum holds it too.
_HIGHEST = 5

#: What hidden labels are.
_HIDDEN = ("-1", "-1.0")


@dataclass
class _Read:
    """What was read: examples by split, what explains their counts, and versions."""

    splits: dict[str, Examples] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GlueTask:
    """A task: its columns, classes, metrics and counts.

    ``config``: its name on the hub. ``folder``: what GLUE's own download calls it. ``columns``: per column the
    names it may have in files, ours (the hub's) first; the last one is the label. ``classes``: in the order of
    the hub's numbers, empty for a score. ``metrics``: the task's own first. ``counts``: labelled training and
    validation examples as published; of MNLI, both validation sets.
    """

    title: str
    config: str
    folder: str
    columns: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...]
    metrics: tuple[str, ...]
    counts: tuple[int, int]
    #: Names in the original files where these are others than the classes, by class number.
    written: tuple[str, ...] = ()
    #: Original files without a header: what their columns are.
    header: tuple[str, ...] = ()
    #: Parts of the validation set that are scored apart.
    parts: tuple[str, ...] = ()

    @property
    def task(self) -> Literal["single-label", "regression"]:
        return "single-label" if self.classes else "regression"

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(names[0] for names in self.columns[:-1])


_PAIR = (("sentence1",), ("sentence2",), ("label",))
_ENTAILED = ("entailment", "not_entailment")

TASKS: Mapping[str, GlueTask] = {
    "glue_cola": GlueTask(
        "CoLA",
        "cola",
        "CoLA",
        (("sentence",), ("label",)),
        ("unacceptable", "acceptable"),
        ("matthews", "accuracy"),
        (8_551, 1_043),
        header=("source", "label", "mark", "sentence"),
    ),
    "glue_sst2": GlueTask(
        "SST-2",
        "sst2",
        "SST-2",
        (("sentence",), ("label",)),
        ("negative", "positive"),
        ("accuracy",),
        (67_349, 872),
    ),
    "glue_mrpc": GlueTask(
        "MRPC",
        "mrpc",
        "MRPC",
        (("sentence1", "#1 String"), ("sentence2", "#2 String"), ("label", "Quality")),
        ("not_equivalent", "equivalent"),
        ("f1", "accuracy"),
        (3_668, 408),
    ),
    "glue_stsb": GlueTask(
        "STS-B",
        "stsb",
        "STS-B",
        (("sentence1",), ("sentence2",), ("label", "score")),
        (),
        ("pearson", "spearman"),
        (5_749, 1_500),
    ),
    "glue_rte": GlueTask("RTE", "rte", "RTE", _PAIR, _ENTAILED, ("accuracy",), (2_490, 277)),
    "glue_wnli": GlueTask(
        "WNLI", "wnli", "WNLI", _PAIR, ("not_entailment", "entailment"), ("accuracy",), (635, 71)
    ),
    "glue_qnli": GlueTask(
        "QNLI",
        "qnli",
        "QNLI",
        (("question",), ("sentence",), ("label",)),
        _ENTAILED,
        ("accuracy",),
        (104_743, 5_463),
    ),
    "glue_mnli": GlueTask(
        "MNLI",
        "mnli",
        "MNLI",
        (("premise", "sentence1"), ("hypothesis", "sentence2"), ("label", "gold_label")),
        ("entailment", "neutral", "contradiction"),
        ("mean_accuracy", "accuracy"),
        (392_702, 9_815 + 9_832),
        parts=("matched", "mismatched"),
    ),
    "glue_qqp": GlueTask(
        "QQP",
        "qqp",
        "QQP",
        (("question1",), ("question2",), ("label", "is_duplicate")),
        ("not_duplicate", "duplicate"),
        ("accuracy", "f1"),
        (363_846, 40_430),
    ),
}


class Glue(Corpus):
    """A task of GLUE (Wang et al. 2019): sentences or pairs of them, with a class or a score (STS-B).

    GLUE's validation set is the test set here, a part of its training set is validation.
    """

    paper = "pins"
    source: Literal[
        "glue_cola",
        "glue_sst2",
        "glue_mrpc",
        "glue_stsb",
        "glue_rte",
        "glue_wnli",
        "glue_qnli",
        "glue_mnli",
        "glue_qqp",
    ]
    path: str | None = Field(None, min_length=1, description=LOCAL_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=REVISION)
    max_tokens: int | None = Field(128, ge=4, description=CUT)
    validation: float = Field(
        0.1, gt=0, lt=1, description="share of GLUE's training set that becomes the validation set"
    )

    @property
    def task(self) -> GlueTask:
        return TASKS[self.source]

    @property
    def answers(self) -> Answers:
        return "classes" if self.task.classes else "number"

    def declared(self) -> Declared:
        train, test = self.task.counts
        validation = round(train * self.validation)
        return self.at_most(train - validation, validation, test, classes=max(1, len(self.task.classes)))

    def build(self, name: str) -> DataSet:
        """A task from ``path`` (GLUE's own TSV, Parquet, CSV, JSON lines) or the hub.

        Raises:
            UserError: a file is missing or unusable, or the hub cannot be reached.
        """
        import numpy as np

        task = self.task
        read = (
            _from_hub(task, self.revision or COMMIT)
            if self.path is None
            else _from_files(task, expanded(self.path))
        )
        train = read.splits["train"]
        numbers = stratified(
            train.contents(),
            [_stratum(task, label) for label in train.labels],
            (1 - self.validation, self.validation),
        )
        tests = {part: read.splits[part] for part in ("test", *task.parts) if part in read.splits}
        splits = {
            "train": train.rows(np.flatnonzero(numbers == 0).tolist()),
            "validation": train.rows(np.flatnonzero(numbers == 1).tolist()),
            "test": _joined(list(tests.values())),
        }
        read.reasons.append(
            f"{self.validation:.0%} of GLUE's training set is the validation set; its validation set is the test set."
        )
        parts = {part: len(examples) for part, examples in tests.items()} if len(tests) > 1 else {}
        metrics = task.metrics if parts or not task.parts else ("accuracy",)
        if not task.classes:
            return assemble_numbers(name, splits, self.max_examples, metrics, read.versions, read.reasons)
        return assemble(
            name,
            None,
            "single-label",
            task.classes,
            splits,
            self.max_examples,
            read.versions,
            read.reasons,
            metrics=metrics,
            parts=parts,
        )


def _stratum(task: GlueTask, label: tuple[float, ...]) -> int:
    # Of scores, bands: every score a stratum of its own would leave most of them without validation examples.
    return int(label[0]) if task.classes else min(int(label[0]), _HIGHEST - 1)


def _joined(parts: Sequence[Examples]) -> Examples:
    if len(parts) == 1:
        return parts[0]
    texts = {name: [text for part in parts for text in part.texts[name]] for name in parts[0].texts}
    return Examples(texts, [label for part in parts for label in part.labels])


def _from_hub(task: GlueTask, revision: str) -> _Read:
    names = {f"validation_{part}": part for part in task.parts} or {"validation": "test"}
    read = _Read()
    columns = [names[0] for names in task.columns]
    found, read.versions = from_hub(
        HUB,
        revision,
        lambda _, rows: _examples(task, rows),
        ("train", *names),
        columns,
        config=task.config,
    )
    read.splits = {names.get(split, split): examples for split, examples in found.items()}
    return read


def _from_files(task: GlueTask, folder: Path) -> _Read:
    if (folder / task.folder).is_dir():
        # As the original archive unpacks.
        folder = folder / task.folder
    read = _Read()
    read.splits["train"] = _split(task, folder, ("train", "train_subset"), read)
    parts = {part: (f"validation_{part}", f"dev_{part}") for part in task.parts}
    if task.parts and any(_found(folder, names) for names in parts.values()):
        for part, names in parts.items():
            read.splits[part] = _split(task, folder, names, read)
        return read
    read.splits["test"] = _split(task, folder, ("validation", "dev", "heldout_subset"), read)
    return read


def _split(task: GlueTask, folder: Path, names: Sequence[str], read: _Read) -> Examples:
    path = _found(folder, names)
    if path is None:
        forms = ", ".join((".tsv", *local.ENDINGS))
        raise UserError(
            f"{folder}: none of {', '.join(names)} with an ending of {forms}; put the task's files there"
        )
    if local.is_subset(path):
        read.reasons.append(f"{path.name} is a part of the data set only.")
    if path.suffix == ".tsv":
        rows, dropped = _tsv(path, task)
        if dropped:
            lines = "line" if dropped == 1 else "lines"
            read.reasons.append(f"{dropped:,} broken {lines} of {path.name} left out.")
    else:
        rows = local.read_rows(path, task.columns)
    return _examples(task, rows)


def _found(folder: Path, names: Sequence[str]) -> Path | None:
    forms = (".tsv", *local.ENDINGS)
    there = [path for name in names for ending in forms if (path := folder / f"{name}{ending}").is_file()]
    whole = [path for path in there if not local.is_subset(path)] or there
    if len(whole) > 1:
        raise UserError(
            f"{folder}: several files of one split: {listed(path.name for path in whole)}; keep one of them"
        )
    return whole[0] if whole else None


def _tsv(path: Path, task: GlueTask) -> tuple[local.Rows, int]:
    """Columns of one of GLUE's own files, and how many lines lack cells, as some of QQP's do.

    A tab parts cells and a line break rows, whatever quotation marks say.

    Raises:
        UserError: a column is missing, or there are no rows.
    """
    lines: Iterator[list[str]] = (line.rstrip("\r\n").split("\t") for line in local.text_lines(path))
    header: Sequence[str] = next(lines, [])
    if header and task.header and not all(set(header) & set(names) for names in task.columns):
        lines, header = chain([list(header)], lines), task.header
    positions = [list(header).index(local.column(path, header, names)) for names in task.columns]
    cells: dict[str, list[Any]] = {names[0]: [] for names in task.columns}
    dropped = 0
    for row in _nonempty(lines):
        if len(row) <= max(positions):
            dropped += 1
            continue
        for column, position in zip(cells.values(), positions, strict=True):
            column.append(row[position])
    if not next(iter(cells.values())):
        what = f"no rows of {len(header)} cells ({', '.join(header)})" if dropped else "no rows"
        raise UserError(f"{path}: has {what}; put the data set's file there")
    return local.Rows(str(path), cells), dropped


def _nonempty(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    return (row for row in lines if row != [""])


def _examples(task: GlueTask, rows: local.Rows) -> Examples:
    labels: list[tuple[float, ...]] = []
    for number, value in enumerate(rows.columns[task.columns[-1][0]], 1):
        where = f"{rows.path}: row {number}"
        if str(value) in _HIDDEN:
            raise UserError(
                f"{where}: its label is hidden ({value}), as in GLUE's test sets; give a set with labels"
            )
        labels.append(
            (local.class_number(value, task.classes, where) if task.classes else _score(value, where),)
        )
    # Some questions of QQP are empty; all of GLUE's own labelled rows count.
    texts = {column: _texts(rows, column) for column in task.inputs}
    return Examples(texts, labels)  # type: ignore[arg-type]


def _score(value: Any, where: str) -> float:
    score = number_of(value, where)
    if not 0 <= score <= _HIGHEST:
        raise UserError(f"{where}: label {value!r} is no score from 0 to {_HIGHEST}; correct the row")
    return score


def _texts(rows: local.Rows, column: str) -> list[str]:
    for number, value in enumerate(rows.columns[column], 1):
        if not isinstance(value, str):
            raise UserError(
                f"{rows.path}: row {number}: column {column!r} is {value!r}, not a text; correct the row"
            )
    return list(rows.columns[column])
