"""Damage that the chosen class hides: how the probabilities of paired models differ.

From logits, of tasks with one or several labels. Several labels are as many yes-or-no answers, whose divergences and
losses are summed. Logarithms are natural. Each measure is there twice: as the models are, and after temperature
scaling (Guo et al. 2017), which tells a lost scale of the logits, which a single number repairs, from lost information.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.audit_tables import Certainty
from prunescope.analysis.paired import Crossed, by_cluster, clusters_of, crossed, of_pseudo_values
from prunescope.analysis.pies.spearman import has_logits
from prunescope.analysis.spans import Span, span_of
from prunescope.predictions.sets import yes_no
from prunescope.predictions.store import Predictions, iter_logits
from prunescope.seeds import stream

#: Of one example: the first two of the pair, the others of each side.
_OF_PAIRS = ("kl", "js")
_OF_SIDES = ("nll", "brier", "true_probability", "margin")

#: Bins of equal size for the calibration error (adaptive; Nixon et al. 2019); parts of the examples for its interval.
_BINS, _PARTS = 15, 20

#: Examples at most that a temperature is fitted to: these settle it to a percent or two.
_FITTED = 4_000

#: Logits at most of one side: of larger tables, examples drawn at random stand for all (``n_examples`` says how many).
_MOST_LOGITS = 3_000_000

#: With more classes there are no rows by class.
_MOST_CLASSES = 1_000

#: Models whose confidence is looked at for slices.
_MOST_SURE = 3

#: Numbers held at once for one side.
_CELLS = 1 << 20


def certainty(
    dense_paths: Sequence[Path],
    dense: Predictions,
    pruned_paths: Sequence[Path],
    pruned: Predictions,
    confidence: float,
    clusters: np.ndarray | None = None,
) -> list[Certainty]:
    """Rows over all examples, then by class (single-label); none for other tasks and for tables without logits.

    Args:
        clusters: (n,) what examples are drawn together, if any.

    Raises:
        UserError: a file cannot be read.
    """
    if dense.task not in ("single-label", "multi-label") or not has_logits([*dense_paths, *pruned_paths]):
        return []
    rng = np.random.default_rng(stream(0, "resample", "halves", len(dense.examples)))
    order = rng.permutation(len(dense.examples))
    order = order[: max(_FITTED, _MOST_LOGITS // (len(dense.seeds) * len(dense.classes)))]
    chosen = np.sort(order)
    halves = np.split(np.searchsorted(chosen, order), [len(order) // 2])
    dense = replace(
        dense, examples=dense.examples[chosen], label=yes_no(dense.label[chosen], len(dense.classes))
    )
    pruned = replace(pruned, examples=dense.examples)
    if clusters is not None:
        clusters = clusters_of(clusters[chosen])
    collected = [_Collector(dense, confidence, clusters) for _ in range(2)]
    for first, second in _pairs(dense_paths, dense, pruned_paths, pruned):
        collected[0].add(dense.label, first, second)
        scaled = [_scaled(logits, dense.label, halves, dense.task) for logits in (first, second)]
        collected[1].add(dense.label, *scaled)
    return [row for scaled, one in enumerate(collected) for row in one.rows(bool(scaled))]


def sureness(paths: Sequence[Path], side: Predictions) -> np.ndarray | None:
    """(n,) probability of the likeliest class, mean over the first models; None for other tasks and without logits."""
    if side.task != "single-label" or not paths or not has_logits(list(paths)):
        return None
    models = _models(paths, side.only(side.seeds[:_MOST_SURE]))
    found = [np.exp(log_probabilities(logits.T.astype(np.float64)).max(axis=0)) for _, logits in models]
    return np.asarray(np.mean(found, axis=0))


def summary_of(rows: Sequence[Certainty]) -> dict[str, Any]:
    """Keys for ``summary.json``; none without rows."""
    every = {(row.measure, row.scaled): row for row in rows if row.class_ is None}
    if not every:
        return {}
    found: dict[str, Any] = {f"{name}_mean": every[name, False].change for name in _OF_PAIRS}
    for name in ("nll", "brier", "ece"):
        found |= {f"{name}_dense": every[name, False].dense, f"{name}_pruned": every[name, False].pruned}
    return found


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Log softmax over the first axis of (C, n), in float64."""
    shifted = logits - logits.max(axis=0)
    shifted -= np.log(np.exp(shifted).sum(axis=0))
    return np.asarray(shifted)


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """What to divide logits by for the smallest negative log-likelihood, from 1/100 to 100; by Newton's method.

    Args:
        logits: (n, C). label: (n,) classes.
    """
    values = np.ascontiguousarray(logits.T, dtype=np.float64)
    values -= values.max(axis=0)
    true = values[label, np.arange(len(label))]
    # The likelihood is convex in the inverse; in its logarithm steps stay positive.
    low, high, log_scale = -np.log(100.0), np.log(100.0), 0.0
    for _ in range(60):
        scale = np.exp(log_scale)
        weight = np.exp(scale * values)
        weight /= weight.sum(axis=0)
        mean = (weight * values).sum(axis=0)
        slope = float(np.mean(mean - true))
        if slope == 0:
            break
        if slope > 0:
            high = log_scale
        else:
            low = log_scale
        bend = float(np.mean((weight * values**2).sum(axis=0) - mean**2))
        step = -slope / (bend * scale + slope) if bend * scale + slope > 0 else 0.0
        wanted = log_scale + step
        next_scale = wanted if low < wanted < high and step else (low + high) / 2
        if abs(next_scale - log_scale) < 1e-9:
            break
        log_scale = next_scale
    return float(np.exp(-log_scale))


def calibration_errors(
    sure: np.ndarray, right: np.ndarray, part: np.ndarray, bins: int = _BINS
) -> np.ndarray:
    """(1 + parts,): mean gap between confidence and accuracy over bins of as many answers each, weighted by their size;
    then the same without each part, in the bins of all.

    Args:
        sure: (m,) probabilities of what was chosen. right: (m,) bool. part: (m,) int, from 0.
    """
    m = len(sure)
    bins = min(bins, m)
    place = np.empty(m, dtype=np.int64)
    place[np.argsort(sure, kind="stable")] = np.arange(m) * bins // m
    parts = int(part.max()) + 1
    gaps = np.bincount(place * parts + part, weights=sure - right, minlength=bins * parts).reshape(
        bins, parts
    )
    whole = gaps.sum(axis=1)
    found = [np.abs(whole).sum() / m]
    if parts > 1:
        left = m - np.bincount(part, minlength=parts)
        found += (np.abs(whole[:, None] - gaps).sum(axis=0) / left).tolist()
    return np.array(found)


def _scaled(logits: np.ndarray, label: np.ndarray, halves: Sequence[np.ndarray], task: str) -> np.ndarray:
    """Logits over the temperature that fits the other half of the examples best."""
    scaled = logits.astype(np.float32)
    for members, rest in (halves, halves[::-1]):
        rest = rest[:_FITTED]
        if not len(rest):
            continue
        if task == "single-label":
            found = temperature(logits[rest], label[rest])
        else:
            # A sigmoid is a softmax of the logit and 0.
            flat = logits[rest].astype(np.float64).ravel()
            found = temperature(
                np.stack([np.zeros_like(flat), flat], axis=1), label[rest].ravel().astype(np.int64)
            )
        scaled[members] /= np.float32(found)
    return scaled


def _pairs(
    dense_paths: Sequence[Path], dense: Predictions, pruned_paths: Sequence[Path], pruned: Predictions
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both sides' logits (n, C), seed by seed; of files in one order, two models are in memory."""
    sides = (_models(dense_paths, dense), _models(pruned_paths, pruned))
    held: tuple[dict[int, np.ndarray], dict[int, np.ndarray]] = ({}, {})
    for seed in dense.seeds.tolist():
        for side, known in zip(sides, held, strict=True):
            while seed not in known:
                found, logits = next(side)
                known[found] = logits
        yield held[0].pop(seed), held[1].pop(seed)


def _models(paths: Sequence[Path], side: Predictions) -> Iterator[tuple[int, np.ndarray]]:
    wanted, n = set(side.seeds.tolist()), len(side.examples)
    parts: dict[int, tuple[np.ndarray, int]] = {}
    for seed, examples, logits in iter_logits(paths):
        if seed not in wanted:
            continue
        whole, count = parts.pop(seed, (np.empty((n, logits.shape[1]), np.float32), 0))
        at = np.searchsorted(side.examples, examples)
        known = side.examples[np.minimum(at, n - 1)] == examples
        whole[at[known]] = logits[known]
        count += int(np.count_nonzero(known))
        if count == n:
            yield seed, whole
        else:
            parts[seed] = whole, count


class _Collector:
    """Sums over pairs of models."""

    def __init__(self, side: Predictions, confidence: float, clusters: np.ndarray | None) -> None:
        self.side, self.confidence, self.clusters = side, confidence, clusters
        single = side.task == "single-label"
        self.single, self.classes = (
            single,
            len(side.classes) if single and len(side.classes) <= _MOST_CLASSES else 0,
        )
        n = len(side.examples)
        self.examples: dict[tuple[str, int], np.ndarray] = {}
        self.by_seed: dict[tuple[str, int], list[np.ndarray]] = {}
        self.squares: dict[str, np.ndarray] = {}
        self.errors: list[list[np.ndarray]] = []
        #: with clusters, the values of every pair of models
        self.values: dict[str, list[np.ndarray]] = {}
        drawn = np.arange(n) if clusters is None else clusters
        count = int(drawn.max()) + 1
        rng = np.random.default_rng(stream(0, "resample", "parts", count))
        self.part = (rng.permutation(count) % min(_PARTS, count))[drawn]

    def add(self, label: np.ndarray, dense: np.ndarray, pruned: np.ndarray) -> None:
        n = len(label)
        values = {(name, 0): np.empty(n) for name in _OF_PAIRS}
        values |= {(name, side): np.empty(n) for name in _OF_SIDES for side in (0, 1)}
        sure = [np.empty((n, 1 if self.single else dense.shape[1])) for _ in range(2)]
        right = [np.empty(one.shape, dtype=bool) for one in sure]
        step = max(1, _CELLS // dense.shape[1])
        for start in range(0, n, step):
            at = slice(start, start + step)
            logs = [self._logs(one[at]) for one in (dense, pruned)]
            for key, found in _measured(logs[0], logs[1], label[at]).items():
                values[key][at] = found
            for side, log in enumerate(logs):
                sure[side][at], right[side][at] = _sure(log, label[at])
        for key, found in values.items():
            self._keep(key, found)
        for name in _OF_SIDES:
            self._square(name, values[name, 1] - values[name, 0])
        for name in _OF_PAIRS:
            self._square(name, values[name, 0])
        self.errors.append([self._calibration(s, r) for s, r in zip(sure, right, strict=True)])

    def _logs(self, logits: np.ndarray) -> np.ndarray:
        """(options, n, answers) log probabilities."""
        if self.single:
            return log_probabilities(np.ascontiguousarray(logits.T, dtype=np.float64))[:, :, None]
        flat = logits.astype(np.float64)
        return np.stack([-np.logaddexp(0, flat), -np.logaddexp(0, -flat)])

    def _keep(self, key: tuple[str, int], found: np.ndarray) -> None:
        known = self.examples.setdefault(key, np.zeros(len(found)))
        known += found
        self.by_seed.setdefault(key, []).append(self._by_class(found))

    def _square(self, name: str, found: np.ndarray) -> None:
        if self.clusters is not None:
            self.values.setdefault(name, []).append(found)
        known = self.squares.setdefault(name, np.zeros(self.classes + 1))
        known += self._by_class(found * found)

    def _by_class(self, values: np.ndarray) -> np.ndarray:
        """(1 + C,) sums over all examples, and over those of each class."""
        if not self.classes:
            return np.array([values.sum()])
        parts = np.bincount(self.side.label, weights=values, minlength=self.classes)
        return np.concatenate([[values.sum()], parts])

    def _calibration(self, sure: np.ndarray, right: np.ndarray) -> np.ndarray:
        return calibration_errors(sure.ravel(), right.ravel(), np.repeat(self.part, sure.shape[1]))

    def rows(self, scaled: bool) -> Iterator[Certainty]:
        counts = np.bincount(self.side.label, minlength=self.classes) if self.classes else np.zeros(0, int)
        n = len(self.side.examples)
        by_class = (
            np.split(np.argsort(self.side.label, kind="stable"), np.cumsum(counts)[:-1])
            if self.classes
            else []
        )
        for c, chosen in enumerate([np.arange(n), *by_class]):
            size = len(chosen)
            if size:
                for name in (*_OF_PAIRS, *_OF_SIDES):
                    yield self._row(name, c, size, chosen, scaled)
            if c == 0:
                yield self._error_row(size, scaled)

    def _row(self, name: str, c: int, size: int, chosen: np.ndarray, scaled: bool) -> Certainty:
        seeds = len(self.side.seeds)
        keys = [(name, side) for side in (0, 1) if (name, side) in self.examples]
        means = [np.array([one[c] for one in self.by_seed[key]]) / size for key in keys]
        sums = [self.examples[key][chosen] / seeds for key in keys]
        by_seed, by_example = (
            (means[1] - means[0], sums[1] - sums[0]) if len(means) > 1 else (means[0], sums[0])
        )
        found = None
        if self.clusters is not None:
            of = clusters_of(self.clusters[chosen])
            found = by_cluster(np.stack(self.values[name])[:, chosen], of) if of.any() else None
        elif size > 1:
            found = crossed(by_example, by_seed, float(self.squares[name][c]))
        return self._entry(name, c, size, scaled, means, float(by_seed.mean()), found)

    def _error_row(self, size: int, scaled: bool) -> Certainty:
        found = np.array(self.errors)
        whole, rest = found[:, :, 0], found[:, :, 1:]
        change = whole[:, 1] - whole[:, 0]
        count = rest.shape[2]
        pseudo = count * change[:, None] - (count - 1) * (rest[:, 1] - rest[:, 0])
        spread = of_pseudo_values(float(change.mean()), pseudo) if count else None
        return self._entry("ece", 0, size, scaled, list(whole.T), float(change.mean()), spread)

    def _span(self, name: str) -> Span:
        """What a measure can be; several answers to one example are summed."""
        answers = 1 if self.single else len(self.side.classes)
        most = {"js": answers * np.log(2), "brier": 2.0 * answers}
        return Span(span_of(name).low, most.get(name, span_of(name).high))

    def _entry(
        self,
        name: str,
        c: int,
        size: int,
        scaled: bool,
        of_sides: Sequence[np.ndarray],
        change: float,
        found: Crossed | None,
    ) -> Certainty:
        """``of_sides``: (S,) values of dense and pruned models; or those of the pairs alone."""
        span = self._span(name)
        sides: list[Any] = [None, None]
        if len(of_sides) > 1:
            before, after = (float(one.mean()) for one in of_sides)
            sides = [before, after]
            # Probabilities do not come to the ends of what they can be, so the dense side's error does not count.
            span = Span(span.low - before, span.high - before)
        interval = found.interval(self.confidence, span) if found else None
        return Certainty(
            measure=name,
            class_=self.side.classes[c - 1] if c else None,
            scaled=scaled,
            n_examples=size,
            dense=sides[0],
            pruned=sides[1],
            change=change,
            ci_low=interval.low if interval else None,
            ci_high=interval.high if interval else None,
            confidence=self.confidence,
        )


def _measured(dense: np.ndarray, pruned: np.ndarray, label: np.ndarray) -> dict[tuple[str, int], np.ndarray]:
    """Measures (n,) of log probabilities (options, n, answers): sums over the answers, means of probabilities."""
    first, second = np.exp(dense), np.exp(pruned)
    middle = np.log(np.maximum((first + second) / 2, np.finfo(float).tiny))
    js = (first * (dense - middle) + second * (pruned - middle)).sum(axis=0).sum(axis=1) / 2
    found = {("kl", 0): (first * (dense - pruned)).sum(axis=0).sum(axis=1), ("js", 0): np.maximum(js, 0)}
    true = _true(label)[None]
    for side, (log, probability) in enumerate(((dense, first), (pruned, second))):
        of_true = np.take_along_axis(probability, true, axis=0)[0]
        found["nll", side] = -np.take_along_axis(log, true, axis=0)[0].sum(axis=1)
        squares = (probability * probability).sum(axis=0) - 2 * of_true + 1
        found["brier", side] = squares.sum(axis=1)
        found["true_probability", side] = of_true.mean(axis=1)
        others = probability.copy()
        np.put_along_axis(others, true, -1.0, axis=0)
        found["margin", side] = (of_true - others.max(axis=0)).mean(axis=1)
    return found


def _true(label: np.ndarray) -> np.ndarray:
    """(n, answers): the true option of each answer."""
    return (label[:, None] if label.ndim == 1 else label).astype(np.int64)


def _sure(log: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, answers): probability of the likeliest option, and whether it is the true one."""
    return np.exp(log.max(axis=0)), log.argmax(axis=0) == _true(label)
