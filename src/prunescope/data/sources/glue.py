"""The data sets ``glue_*``: the tasks of GLUE (Wang et al. 2019).

GLUE keeps the labels of its test sets. Its validation set is the test set here, and a part of its training set
the validation set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from prunescope.config.datasets import Answers, Declared
from prunescope.data import local
from prunescope.data.corpus import Examples, Preset, assemble, joined
from prunescope.data.dataset import DataSet
from prunescope.data.settings import CUT, LOCAL_OR_HUB, REVISION, Corpus
from prunescope.errors import UserError
from prunescope.files import expanded

HUB = "nyu-mll/glue"

#: The commit of the hub's Parquet files that is read unless ``revision`` names another.
COMMIT = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"

#: Scores from 0 to this fall into strata of one each; the highest stratum holds it too.
_HIGHEST = 5

#: What hidden labels are.
_HIDDEN = ("-1", "-1.0")


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

    def preset(self, parts: Sequence[str]) -> Preset:
        """``parts``: of the validation set, where they are read apart."""
        tests = {part: (f"validation_{part}", f"dev_{part}") for part in parts}
        return Preset(
            self.columns,
            {
                "train": ("train", "train_subset"),
                **(tests or {"test": ("validation", "dev", "heldout_subset")}),
            },
            folder=self.folder,
            hub=(HUB, COMMIT, self.config),
            on_hub={"test": "validation", **{part: names[0] for part, names in tests.items()}},
            part="the data set",
        )


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
        task, parts = self.task, self.task.parts
        if self.path is not None:
            folder = expanded(self.path)
            places = (folder, folder / task.folder)
            files = [file for part in parts for place in places for file in place.glob(f"[dv]*_{part}.*")]
            parts = parts if files else ()
        found = task.preset(parts).read(
            self.path,
            self.revision,
            lambda rows: _examples(task, rows),
            tsv=lambda *read: _tsv(task, *read),
        )
        tests = [found.splits[part] for part in parts or ("test",)]
        train = found.splits["train"]
        found.splits = {
            **train.parted(self.validation, [_stratum(task, label) for label in train.labels]),
            "test": joined(tests),
        }
        found.reasons.append(
            f"{self.validation:.0%} of GLUE's training set is the validation set; its validation set is the test set."
        )
        metrics = task.metrics if parts or not task.parts else ("accuracy",)
        counts = dict(zip(parts, map(len, tests), strict=True)) if parts else {}
        return assemble(name, task.task, task.classes, found, self.max_examples, metrics, counts)


def _stratum(task: GlueTask, label: tuple[float, ...]) -> int:
    # Of scores, bands: every score a stratum of its own would leave most of them without validation examples.
    return int(label[0]) if task.classes else min(int(label[0]), _HIGHEST - 1)


def _tsv(task: GlueTask, path: Path, reasons: list[str]) -> local.Rows:
    """Columns of one of GLUE's own files without the lines that lack cells, as some of QQP's do.

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
    for row in (row for row in lines if row != [""]):
        if len(row) <= max(positions):
            dropped += 1
            continue
        for column, position in zip(cells.values(), positions, strict=True):
            column.append(row[position])
    if not next(iter(cells.values())):
        what = f"no rows of {len(header)} cells ({', '.join(header)})" if dropped else "no rows"
        raise UserError(f"{path}: has {what}; put the data set's file there")
    if dropped:
        reasons.append(f"{dropped:,} broken {'line' if dropped == 1 else 'lines'} of {path.name} left out.")
    return local.Rows(str(path), cells)


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
    return Examples(texts, labels)


def _score(value: Any, where: str) -> float:
    """
    Raises:
        UserError: it is no number, or outside the scale.
    """
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise UserError(f"{where}: label {value!r} is not a number; correct the row")
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
