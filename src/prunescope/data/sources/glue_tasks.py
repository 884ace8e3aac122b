"""The tasks of GLUE (Wang et al. 2019): columns, classes, counts and metrics, by source name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GlueTask:
    """One task.

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
