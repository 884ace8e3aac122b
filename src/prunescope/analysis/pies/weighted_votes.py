"""PIE shares under many choices of seeds at once: the vote counted for every weighting of the models.

A choice of seeds (a bootstrap resample, a half, a subset) is a row of non-negative weights, one per
seed. The rules of the vote are those of ``votes``: one label, the class of the greatest weight, ties
to the lowest class; several labels, the classes of strictly more than half of the weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunescope.predictions.sets import keys
from prunescope.predictions.store import Predictions

#: Tasks whose votes can be counted by weight.
TASKS = ("single-label", "multi-label")

#: Numbers held at once for one side: choices times decisions; as many as a processor's cache holds.
_CELLS = 1 << 19


@dataclass(frozen=True)
class _YesNo:
    """Decisions between two answers.

    first, second: (S, m) float32, +1 for the upper answer, -1 for the lower one, which wins ties.
    starts: where an example's decisions begin; an example differs where any of its decisions does.
    """

    first: np.ndarray
    second: np.ndarray
    starts: np.ndarray

    def differing(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(R,) examples whose votes differ under the weights (R, S) of both sides."""
        found = np.zeros(len(first), dtype=np.int64)
        m = self.first.shape[1]
        single = len(self.starts) == m
        for columns, examples in _slices(self.starts, m, max(1, _CELLS // max(1, len(first)))):
            upper = first @ self.first[:, columns] > 0
            np.not_equal(upper, second @ self.second[:, columns] > 0, out=upper)
            if not single:
                upper = np.logical_or.reduceat(upper, self.starts[examples] - columns.start, axis=1)
            found += np.count_nonzero(upper, axis=1)
        return found


@dataclass(frozen=True)
class _Choice:
    """Examples on which ``classes`` (three or more) classes get votes, renumbered in their order.

    first, second: (S, m) small int.
    """

    first: np.ndarray
    second: np.ndarray
    classes: int

    def differing(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(R,) examples whose votes differ under the weights (R, S) of both sides."""
        found = np.zeros(len(first), dtype=np.int64)
        m = self.first.shape[1]
        step = max(1, _CELLS // max(1, len(first)))
        for start in range(0, m, step):
            part = slice(start, start + step)
            votes = self._votes(first, self.first[:, part])
            found += np.count_nonzero(votes != self._votes(second, self.second[:, part]), axis=1)
        return found

    def _votes(self, weights: np.ndarray, answers: np.ndarray) -> np.ndarray:
        shape = (len(weights), answers.shape[1])
        best, most = np.zeros(shape, dtype=np.int16), weights @ (answers == 0).astype(np.float32)
        for c in range(1, self.classes):
            weight = weights @ (answers == c).astype(np.float32)
            np.copyto(best, np.int16(c), where=weight > most)
            np.maximum(most, weight, out=most)
        return best


@dataclass(frozen=True)
class WeightedVotes:
    """The predictions of two sides of S seeds each, ready to be voted on again and again.

    Where all models of both sides agree, no choice of seeds changes anything: those examples are
    not counted again. ``fixed`` are those that differ under every choice.
    """

    n_examples: int
    fixed: int
    contests: tuple[_YesNo | _Choice, ...]

    @classmethod
    def of(cls, first: Predictions, second: Predictions) -> WeightedVotes:
        """Of two sides with the same examples; the seeds need not be the same ones.

        Raises:
            ValueError: the task has no vote by weight.
        """
        if first.task == "single-label":
            return _of_classes(first.prediction, second.prediction)
        if first.task == "multi-label":
            return _of_sets(first.prediction, second.prediction, len(first.classes))
        raise ValueError(f"task {first.task!r} has no vote by weight")

    def pies(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(R,) int: examples on which the votes of the two sides differ.

        Args:
            first, second: (R, S) weights of the models of either side; every row has one above 0.
        """
        # Sums of small whole numbers are exact in float32.
        a, b = first.astype(np.float32), second.astype(np.float32)
        found = np.full(len(a), self.fixed, dtype=np.int64)
        for contest in self.contests:
            found += contest.differing(a, b)
        return found


def _of_classes(first: np.ndarray, second: np.ndarray) -> WeightedVotes:
    n = first.shape[1]
    a, b = first[0], second[0]
    calm = np.all(first == a, axis=0) & np.all(second == b, axis=0)
    fixed = int(np.count_nonzero(calm & (a != b)))
    both = np.concatenate([first[:, ~calm], second[:, ~calm]])
    # Classes renumbered for each example, in their order, so that ties still go to the lowest.
    order = np.argsort(both, axis=0, kind="stable")
    steps = np.diff(np.take_along_axis(both, order, axis=0), axis=0) != 0
    ranks = np.zeros(both.shape, dtype=np.int16)
    np.cumsum(steps, axis=0, out=ranks[1:])
    local = np.empty_like(ranks)
    np.put_along_axis(local, order, ranks, axis=0)
    counts = ranks[-1] + 1
    contests: list[_YesNo | _Choice] = []
    for count in np.unique(counts).tolist():
        here = local[:, counts == count]
        one, other = here[: len(first)], here[len(first) :]
        if count == 2:
            contests.append(_YesNo(_signs(one > 0), _signs(other > 0), np.arange(here.shape[1])))
        else:
            contests.append(_Choice(one, other, count))
    return WeightedVotes(n, fixed, tuple(contests))


def _of_sets(first: np.ndarray, second: np.ndarray, n_classes: int) -> WeightedVotes:
    n = first.shape[1]
    sides = (first, second)
    if first.dtype == object:
        found = [[keys(one, n_classes) for one in side] for side in sides]
        # The labels that any model gives, by example; the others are never contested.
        every = np.unique(np.concatenate([*found[0], *found[1]]))
        at = every // n_classes
        first, second = (
            np.stack([np.isin(every, one, assume_unique=True) for one in side]) for side in found
        )
    a, b = first[0], second[0]
    calm = np.all(first == a, axis=0) & np.all(second == b, axis=0)
    # One class on which both sides are of one mind, each its own, decides the example.
    opposed = calm & (a != b)
    if opposed.ndim == 1:
        settled = np.zeros(n, dtype=bool)
        settled[at[opposed]] = True
        chosen = np.nonzero(~calm & ~settled[at])
        example = at[chosen]
    else:
        settled = np.any(opposed, axis=1)
        chosen = np.nonzero(~calm & ~settled[:, None])
        example = chosen[0]
    starts = np.flatnonzero(np.diff(example, prepend=-1))
    contests: tuple[_YesNo, ...] = ()
    if len(example):
        contested: Any = (slice(None), *chosen)
        contests = (_YesNo(_signs(first[contested]), _signs(second[contested]), starts),)
    return WeightedVotes(n, int(np.count_nonzero(settled)), contests)


def _signs(yes: np.ndarray) -> np.ndarray:
    return np.where(yes, np.float32(1), np.float32(-1))


def _slices(starts: np.ndarray, m: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Whole examples, about ``size`` decisions at once: slices of decisions and of examples."""
    first = 0
    while first < len(starts):
        begin = int(starts[first])
        last = max(first + 1, int(np.searchsorted(starts, begin + size)))
        end = int(starts[last]) if last < len(starts) else m
        yield slice(begin, end), slice(first, last)
        first = last
