"""The CSV tables of one audit folder: columns with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated as A

from prunescope.analysis.spans import POSITIVE, SHARE, Within
from prunescope.analysis.tables import shared
from prunescope.analysis.tables.declared import Row, Tables

AUDIT_TABLES = Tables()


@AUDIT_TABLES.add("scores")
@dataclass(frozen=True)
class Score(Row):
    """Score and flips of each seed."""

    seed: shared.Seed
    score_dense: shared.SeedDense
    score_pruned: shared.SeedPruned
    flips: A[int, "examples whose correctness changes"]


@AUDIT_TABLES.add("task_metrics")
@dataclass(frozen=True)
class OwnScore(Row):
    """Scores of each seed by the data set's own metrics."""

    seed: shared.Seed
    metric: A[str, "metric"]
    dense: shared.SeedDense
    pruned: shared.SeedPruned


@AUDIT_TABLES.add("classes")
@dataclass(frozen=True)
class ClassCount(Row):
    """Examples and PIEs by true class: counts of label occurrences; what pruning does to it, of single-label tasks."""

    class_: shared.Class
    n_examples: A[int, "occurrences of the label"]
    share_of_examples: A[float | None, "share of all occurrences"]
    n_pies: A[int, "occurrences in PIEs"]
    share_of_pies: A[float | None, "share of all occurrences in PIEs; empty without PIEs"]
    recall_dense: A[float | None, "recall of the dense models, mean over seeds"] = None
    recall_pruned: A[float | None, "recall of the pruned models"] = None
    to_wrong: A[int | None, "examples whose answer, of several models the majority's, becomes wrong"] = None
    to_right: A[int | None, "examples whose answer becomes right"] = None
    p_value: shared.McNemar = None
    p_corrected: shared.HolmOfClasses = None
    p_fdr: A[float | None, "by Benjamini and Hochberg's method over the classes"] = None
    pies_p_value: A[
        float | None, "Fisher's exact test that PIEs are as frequent in this class as elsewhere"
    ] = None
    pies_p_corrected: shared.HolmOfClasses = None


@AUDIT_TABLES.add("recall")
@dataclass(frozen=True)
class Recall(Row):
    """Recall and normalized recall balance of each class and seed; single-label tasks."""

    seed: shared.Seed
    class_: shared.Class
    support: A[int, "examples of the class"]
    recall_dense: A[float | None, "recall of the dense model"]
    recall_pruned: A[float | None, "recall of the pruned model"]
    balance_dense: A[float | None, "(recall - accuracy) / accuracy of the dense model"]
    balance_pruned: A[float | None, "the same of the pruned model"]
    intensification: A[float | None, "balance_pruned / balance_dense"]


@AUDIT_TABLES.add("alpha")
@dataclass(frozen=True)
class SeedAlpha(Row):
    """Accuracy and recall distortion alpha of each seed; single-label tasks."""

    seed: shared.Seed
    accuracy_dense: A[float | None, "accuracy of the dense model"]
    accuracy_pruned: A[float | None, "accuracy of the pruned model"]
    alpha: A[float | None, "slope of the pruned over the dense balances"]


@AUDIT_TABLES.add("class_scores")
@dataclass(frozen=True)
class ClassScore(Row):
    """Precision and F1 of each class and seed; single-label tasks."""

    seed: shared.Seed
    class_: shared.Class
    precision_dense: A[float | None, "precision of the dense model; empty where it never predicts the class"]
    precision_pruned: A[float | None, "precision of the pruned model"]
    f1_dense: A[float | None, "F1 of the dense model"]
    f1_pruned: A[float | None, "F1 of the pruned model"]


@AUDIT_TABLES.add("certainty")
@dataclass(frozen=True)
class Certainty(Row):
    """How the models' probabilities differ, from logits: overall and by true class."""

    measure: shared.CertaintyMeasure
    class_: A[str | None, "true class; empty: all examples"]
    scaled: shared.Scaled
    n_examples: A[int, "examples"]
    dense: shared.DenseCertainty
    pruned: shared.PrunedCertainty
    change: shared.CertaintyChange
    ci_low: shared.LowOfCertainty
    ci_high: shared.High
    confidence: shared.Confidence


@dataclass(frozen=True)
class Bin(Row):
    """Examples and PIEs of a bin of EL2N scores."""

    bin: A[int, "1: the least influential examples"]
    n_examples: A[int, "examples in the bin"]
    n_pies: shared.Pies
    pie_share: A[float | None, "n_pies / n_examples; empty without examples"]


@AUDIT_TABLES.add("el2n")
@dataclass(frozen=True)
class El2nBin(Bin):
    """PIEs by EL2N score, in bins of equal size."""

    score_low: A[float | None, "lowest score in the bin", Within(POSITIVE)]
    score_high: A[float | None, "highest score"]


@AUDIT_TABLES.add("data_map")
@dataclass(frozen=True)
class DataMapRow(Row):
    """PIEs on the data map: how sure the dense models are of the truth over epochs, and how much that varies."""

    confidence: A[float, "lower end: mean probability of what is true, over epochs and seeds; a tenth wide"]
    variability: A[float, "lower end: its standard deviation over epochs, mean over seeds; a twentieth wide"]
    n_examples: A[int, "examples in this part of the map"]
    n_pies: shared.Pies
    pie_share: shared.PieShare
    correctness: A[float, "mean share of epochs at which they are answered right"]
    el2n: A[float | None, "their mean EL2N score"]
    n_epochs: A[int, "epochs: early in training, and its end"]


@AUDIT_TABLES.add("readability")
@dataclass(frozen=True)
class Readability(Row):
    """Readability and length of the PIEs beside all texts."""

    measure: A[str, "readability formula, or `text_length` in tokens"]
    all: A[float | None, "mean over all texts"]
    pies: A[float | None, "mean over the PIEs"]
    ratio: A[float | None, "pies / all; empty where a mean is not positive"]
    difference: A[float | None, "mean over the PIEs less mean over the other texts"] = None
    ci_low: A[float | None, "lower end of its interval (Welch)", Within(by="measure", change=True)] = None
    ci_high: shared.High = None
    p_value: A[float | None, "permutation test that PIEs are texts like the others"] = None
    p_corrected: A[float | None, "by Holm's method over the measures"] = None
    n_texts: A[int | None, "texts; empty ones are left out"] = None
    n_empty: A[int | None, "empty texts"] = None


@AUDIT_TABLES.add("pie_share_by_seeds")
@dataclass(frozen=True)
class PieShareBySeeds(Row):
    """Share of PIEs and noise floor by the number of models that vote."""

    n_models: A[int, "models that vote on each side"]
    pie_share: A[float | None, "mean share over subsets of so many seeds"]
    low: A[float | None, "lower percentile over subsets", Within(SHARE)]
    high: A[float | None, "upper percentile"]
    noise_floor: A[float | None, "share between two disjoint groups of so many dense models"]


@AUDIT_TABLES.add("matrix")
@dataclass(frozen=True)
class MatrixRow(Row):
    """Every metric of every task and compressed model of a suite, against the same dense model."""

    model: A[str, "compressed model"]
    task: A[str, "task"]
    metric: A[str, "metric, as the harness calls it; with several filters, the filter behind a comma"]
    n_examples: A[int, "examples that both models answered"]
    dense: A[float | None, "mean of the dense model"]
    pruned: A[float | None, "mean of the compressed model"]
    change: A[float | None, "pruned - dense"]
    ci_low: A[float | None, "lower end of its interval", Within(by="metric", start="dense", known="to_wrong")]
    ci_high: shared.High
    to_wrong: A[int | None, "examples that become wrong; of metrics that are right or wrong"]
    to_right: A[int | None, "examples that become right"]
    p_value: A[
        float | None,
        "exact McNemar test of the two, two-sided; of other metrics, t test of paired differences",
    ]
    p_corrected: A[float | None, "corrected by Holm's method over the whole matrix"]


@AUDIT_TABLES.add("groups")
@dataclass(frozen=True)
class GroupRow(Row):
    """Score, its change and harm of every group of examples, and of every pair of groups of two columns."""

    column: A[str, "column of the groups; of pairs, two columns"]
    group: A[str, "value; of pairs, two values"]
    n_examples: A[int, "examples in the group"]
    score_dense: A[float | None, "share right of the dense models, mean over seeds"]
    score_pruned: A[float | None, "the same of the pruned models"]
    change: A[float | None, "score_pruned - score_dense"]
    ci_low: A[
        float | None,
        "lower end of its interval, simultaneous over all groups; none of fewer than 20 examples",
        Within(SHARE, start="score_dense"),
    ]
    ci_high: shared.High
    to_wrong: A[int, "examples that become wrong, by majority of the seeds"]
    to_right: A[int, "examples that become right"]
    p_value: A[float | None, "exact McNemar test of the two, two-sided"]
    p_corrected: A[float | None, "corrected by Holm's method over all groups"]


@dataclass(frozen=True)
class Slice(Row):
    """Examples of a slice, and the harm in it."""

    slice: A[str, "what its examples have in common, in words"]
    n_examples: A[int, "examples in the slice, of both halves"]
    harm: A[
        float,
        "share of its examples that become wrong less share that become right, by majority of the seeds; in the half "
        "that confirms",
    ]
    harm_elsewhere: A[float, "the same of all other examples of that half"]
    p_value: A[float, "one-sided Welch test that harm is no larger in the slice than elsewhere"]
    p_corrected: A[float, "corrected by Holm's method over all slices tested"]
    n_confirming: A[int, "examples of the slice in the half that confirms"]
    to_wrong: A[int, "those of them that become wrong"]
    to_right: A[int, "those that become right"]


@AUDIT_TABLES.add("slices")
@dataclass(frozen=True)
class SliceRow(Slice):
    """Slices whose examples are harmed beyond the rest: searched on one half of the examples, tested on the other."""

    model: A[str | None, "compressed model, in a suite"] = None
