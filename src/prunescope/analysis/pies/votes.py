"""Majority votes over seeds, and the examples on which two of them differ.

Pruning-identified exemplars (PIEs) after Hooker et al. 2019; for several labels after the PIE
paper, section 4.1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from prunescope.analysis.paired import majority
from prunescope.errors import UserError
from prunescope.predictions.arrow import objects
from prunescope.predictions.scores import correct, normalized
from prunescope.predictions.sets import keys, packed
from prunescope.predictions.store import Predictions

#: Examples voted on at once: the predictions of 30 models fit into a processor's cache.
_BLOCK = 1 << 15

#: Classes.
_FEW = 32


@dataclass(frozen=True)
class Vote:
    """What a group of models decides.

    vote: (n,) int32 · (n, C) bool · (n,) float64 · (n,) object
    agreement: (n,) float64, share of the models that voted for the majority.
    """

    vote: np.ndarray
    agreement: np.ndarray


@dataclass(frozen=True)
class Pies:
    """Votes of both sides; ``differing`` counts the tokens (tokens) whose votes differ, per example."""

    dense: Vote
    pruned: Vote
    is_pie: np.ndarray
    differing: np.ndarray | None = None


def class_votes(prediction: np.ndarray) -> Vote:
    """The most frequent class of each column of (S, n); ties go to the lowest class."""
    seeds, n = prediction.shape
    vote = np.zeros(n, dtype=np.int32)
    count = np.zeros(n, dtype=np.int32)
    for start in range(0, n, _BLOCK):
        block = prediction[:, start : start + _BLOCK]
        best, most = vote[start : start + _BLOCK], count[start : start + _BLOCK]
        low, high = int(block.min()), int(block.max())
        if high - low >= _FEW:
            # Equal votes follow one another, the lowest class first.
            ordered, votes = np.sort(block, axis=0), np.zeros(block.shape[1], dtype=np.int32)
            for i, label in enumerate(ordered):
                votes = np.where(label == ordered[i - 1], votes + 1, 1) if i else votes + 1
                np.copyto(best, label, where=votes > most)
                np.maximum(most, votes, out=most)
            continue
        for label in range(low, high + 1):
            votes = np.count_nonzero(block == label, axis=0)
            np.copyto(best, label, where=votes > most)
            np.maximum(most, votes, out=most, casting="same_kind")
    return Vote(vote, count / seeds)


def set_votes(prediction: np.ndarray, n_classes: int) -> Vote:
    """The classes, of (S, n, C) or (S, n) packed sets, predicted by strictly more than half of the seeds.

    Agreement is the mean over classes of the share of seeds with the majority's yes or no.
    """
    seeds, n = prediction.shape[:2]
    if prediction.dtype == object:
        found, count = np.unique(
            np.concatenate([keys(one, n_classes) for one in prediction]), return_counts=True
        )
        rows, upper = found // n_classes, 2 * count > seeds
        # All seeds agree on the classes that none of them predicts.
        missing = np.bincount(rows, weights=seeds - np.where(upper, count, seeds - count), minlength=n)
        vote = packed(rows[upper], found[upper] % n_classes, n)
        return Vote(vote, (seeds * n_classes - missing) / (seeds * n_classes))
    counts = np.zeros((n, n_classes), dtype=np.int32)
    for one in prediction:
        counts += one
    vote = 2 * counts > seeds
    agreeing = np.where(vote, counts, seeds - counts)
    return Vote(vote, agreeing.sum(axis=1) / (seeds * max(1, n_classes)))


def median_votes(prediction: np.ndarray, tolerance: float) -> Vote:
    """The median of each column of (S, n), in float64; agreement: share within ``tolerance`` of it."""
    values = prediction.astype(np.float64)
    vote = np.median(values, axis=0)
    return Vote(vote, np.mean(np.abs(values - vote) <= tolerance, axis=0))


def token_votes(prediction: np.ndarray) -> Vote:
    """A class per token, ties to the lowest; agreement is the mean over an example's tokens."""
    lengths = np.array([len(row) for row in prediction[0]], dtype=np.int64)
    flat = class_votes(np.stack([np.concatenate([*row, np.zeros(0, np.int32)]) for row in prediction]))
    ends = np.cumsum(lengths)
    sums = np.add.reduceat(np.append(flat.agreement, 0.0), np.append(ends - lengths, ends[-1:]))[:-1]
    agreement = np.where(lengths > 0, sums / np.maximum(lengths, 1), 1.0)
    return Vote(objects(np.split(flat.vote, ends[:-1])), agreement)


def text_votes(prediction: np.ndarray) -> Vote:
    """The most frequent normalized string of each column of (S, n); ties go to the first seed."""
    seeds, n = prediction.shape
    vote, agreement = np.empty(n, dtype=object), np.zeros(n)
    for i in range(n):
        # most_common keeps the order of first appearance among equals.
        vote[i], count = Counter(normalized(text) for text in prediction[:, i]).most_common(1)[0]
        agreement[i] = count / seeds
    return Vote(vote, agreement)


def default_tolerance(label: np.ndarray) -> float:
    """A tenth of the labels' standard deviation (ddof = 1); 0 for a single example."""
    return float(np.std(label.astype(np.float64), ddof=1)) / 10 if len(label) > 1 else 0.0


def find_pies(
    dense: Predictions, pruned: Predictions, *, tolerance: float = 0.0, similarity: float | None = None
) -> Pies:
    """Vote on both sides and compare.

    Args:
        dense, pruned: paired predictions of the same seeds and examples.
        tolerance: regression: medians further apart than this make a PIE.
        similarity: text, span: strings less alike than this (0 to 1, difflib's ratio) make a
            PIE, instead of strings that differ at all.

    Raises:
        UserError: no seeds.
    """
    if not len(dense.seeds):
        raise UserError("no seed has usable predictions on both sides")
    task = dense.task
    if task == "single-label":
        a, b = class_votes(dense.prediction), class_votes(pruned.prediction)
        return Pies(a, b, a.vote != b.vote)
    if task == "multi-label":
        a, b = (set_votes(side.prediction, len(side.classes)) for side in (dense, pruned))
        unequal = np.asarray(a.vote != b.vote)
        return Pies(a, b, unequal if unequal.ndim == 1 else np.any(unequal, axis=1))
    if task == "regression":
        a, b = (median_votes(side.prediction, tolerance) for side in (dense, pruned))
        return Pies(a, b, np.abs(a.vote - b.vote) > tolerance)
    if task == "tokens":
        a, b = token_votes(dense.prediction), token_votes(pruned.prediction)
        differing = np.array(
            [np.count_nonzero(x != y) for x, y in zip(a.vote, b.vote, strict=True)], np.int64
        )
        return Pies(a, b, differing > 0, differing)
    a, b = text_votes(dense.prediction), text_votes(pruned.prediction)
    pairs = zip(a.vote, b.vote, strict=True)
    if similarity is None:
        differ = [x != y for x, y in pairs]
    else:
        differ = [SequenceMatcher(None, x, y, autojunk=False).ratio() < similarity for x, y in pairs]
    return Pies(a, b, np.array(differ, dtype=bool))


def voted_right(
    dense: Predictions, pruned: Predictions, pies: Pies | None = None, tolerance: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) bool of both sides: whether the answer is right, of several models the majority's.

    Where a harness judged every answer, whether it judged more than half of an example's to be right.

    Args:
        pies: what ``find_pies`` found, where that is known already.
    """
    if dense.right is not None and pruned.right is not None:
        return majority(dense.right), majority(pruned.right)
    if len(dense.seeds) > 1:
        pies = pies or find_pies(dense, pruned, tolerance=tolerance)
        dense = replace(dense, prediction=pies.dense.vote[None])
        pruned = replace(pruned, prediction=pies.pruned.vote[None])
    return correct(dense, tolerance)[0], correct(pruned, tolerance)[0]


#: Tasks whose labels are numbers or texts.
WITHOUT_CLASSES = ("regression", "span", "text")


def is_right(task: str, label: Any, vote: Any, tolerance: float | None) -> bool:
    """Whether ``vote`` is the label.

    regression: within ``tolerance`` of it, never where that is not known · span, text: one of the accepted answers,
    normalized as the vote is · else: the same class, the same set, the same class for every token · no label: never.
    """
    if label is None:
        return False
    if task == "regression":
        return tolerance is not None and abs(float(vote) - float(label)) <= tolerance
    if task in ("span", "text"):
        return vote in {normalized(answer) for answer in label}
    return bool(vote == label)
