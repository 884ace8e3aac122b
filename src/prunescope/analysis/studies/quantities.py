"""The score, PIE share and alpha of a cell that two studies have, compared as one thing measured twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from prunescope.analysis.audit_tables import SeedAlpha
from prunescope.analysis.leading import leading_name, led
from prunescope.analysis.paired import Changes, Crossed, mcnemar, of_outcomes
from prunescope.analysis.pairs import Pair, paired_sides
from prunescope.analysis.pies.table import read_is_pie
from prunescope.analysis.spans import ANY, SHARE, Span, span_of
from prunescope.analysis.stats import change_span
from prunescope.analysis.studies.rows import IDENTICAL, SAME, UNTESTED, Key, Moved
from prunescope.analysis.studies.tree import Tree, equal, same_bytes
from prunescope.analysis.ttests import independent, paired
from prunescope.config.pruners import CONTROL, NO_PRUNER
from prunescope.errors import UserError
from prunescope.predictions.scores import correct, scores
from prunescope.predictions.store import read_sides
from prunescope.predictions.task_metrics import own_metrics, task_scores


def _row(other: Tree, key: Key, quantity: str, confidence: float, **values: Any) -> Moved:
    nothing = dict.fromkeys(
        ("n_examples", "n_seeds", "change", "ci_low", "ci_high", "p_value", "p_corrected")
    )
    given = {**nothing, "metric": "", "test": "", "state": "", **values}
    return Moved(other.name, *key, quantity=quantity, confidence=confidence, **given)


def _score(first: Tree, other: Tree, key: Key, confidence: float) -> Moved | None:
    """Of the pruned models, on the examples and seeds of both, from their predictions; else from scores by seed."""
    a, b = first.cells[key], other.cells[key]
    one, two = (led(cell.summary).get("pruned_score") for cell in (a, b))
    values: dict[str, Any] = {"metric": a.metric, "first": one, "second": two}
    if a.metric != b.metric:
        raise UserError(f"the score is {a.metric} in one tree and {b.metric} in the other")
    for tree, cell in ((first, a), (other, b)):
        if not cell.models and (a.models or b.models):
            raise UserError(f"models.json of {tree.name} is missing or lists no models")
    if same_bytes(first.predictions(key), other.predictions(key)):
        values |= {"n_examples": a.summary.get("n_examples"), "n_seeds": a.summary.get("n_seeds")}
        return _row(other, key, "score", confidence, change=0.0, p_value=1.0, state=IDENTICAL, **values)
    pair = _pair(first, other, key)
    if pair is None:
        of = a.scores("pruned"), b.scores("pruned")
        return _by_seed(other, key, "score", confidence, *of, values, span_of(a.metric))
    tolerance = float(a.summary.get("tolerance") or 0.0)
    right = correct(pair.dense, tolerance), correct(pair.pruned, tolerance)
    changes = Changes(pair.dense, pair.pruned, right, confidence, tolerance, tested=True)
    name = leading_name(a.summary)
    if name is None:
        before, after = (
            scores(side, its) for side, its in zip((pair.dense, pair.pruned), right, strict=True)
        )
        found = changes.of_score(before, after)
    else:
        _, parts = own_metrics(pair.dense)
        before, after = (task_scores(side, [name], parts)[name] for side in (pair.dense, pair.pruned))
        found = changes.of_metric(name, parts, before, after)
    values |= {"n_examples": len(pair.dense.examples), "n_seeds": len(pair.dense.seeds)}
    if found is None:
        return _row(other, key, "score", confidence, test="no seed has a score on both sides", **values)
    scored = np.isfinite(after - before)
    values |= {"first": float(before[scored].mean()), "second": float(after[scored].mean())}
    if _same_answers(pair):
        return _row(other, key, "score", confidence, change=0.0, p_value=1.0, state=SAME, **values)
    interval = {"change": found["mean"], "ci_low": found["ci_low"], "ci_high": found["ci_high"]}
    return _row(
        other, key, "score", confidence, test="paired by example and seed", p_value=found["p_value"],
        **interval, **values,
    )  # fmt: skip


#: Why a value is not tested though its files are the same.
_OLDER = "the analysis is older than the predictions"


def _older(first: Tree, other: Tree, key: Key) -> bool:
    """Whether answers differ, of the cell or its dense models, so that an analysis that is the same is an older one.

    Votes with their agreement, and alpha, follow from the answers.
    """
    dense = [one for one in first.cells if one[:2] == key[:2] and one[2] == NO_PRUNER and one in other.cells]
    for one in (key, *dense):
        pair = (
            None if same_bytes(first.predictions(one), other.predictions(one)) else _pair(first, other, one)
        )
        if pair is not None and not _same_answers(pair):
            return True
    return False


def _pair(first: Tree, other: Tree, key: Key) -> Pair | None:
    """Answers of a cell's models on the examples and seeds of both trees; None where a tree lacks its tables."""
    tables = (first.predictions(key), other.predictions(key))
    seeds = set(first.seeds(key)) & set(other.seeds(key))
    if not (all(tables) and seeds):
        return None
    sides = read_sides({"dense": tables[0], "pruned": tables[1]})
    return paired_sides(sides["dense"], sides["pruned"], seeds)


def _same_answers(pair: Pair) -> bool:
    sides = zip(pair.dense.prediction, pair.pruned.prediction, strict=True)
    pairs = ((one, two) for a, b in sides for one, two in zip(a, b, strict=True))
    return all(np.array_equal(one, two) for one, two in pairs)


def _by_seed(
    other: Tree, key: Key, quantity: str, confidence: float, first: Mapping[int, float], second: Mapping[int, float],
    values: Mapping[str, Any], span: Span = ANY,
) -> Moved:  # fmt: skip
    """A t test over seeds: paired where both trees have the same ones."""
    both = first.keys() & second.keys()
    if both and all(first[seed] == second[seed] for seed in both):
        same = {**values, "n_seeds": len(both)}
        return _row(other, key, quantity, confidence, change=0.0, p_value=1.0, state=SAME, **same)
    if both:
        found, test = paired(second, first, "two-sided", confidence), "t test paired by seed"
    else:
        mine, theirs = list(first.values()), list(second.values())
        found, test = independent(theirs, mine, "two-sided", confidence), "Welch's t test, other seeds"
    change = found.difference
    if change.low is not None:
        mine, theirs = ([side[seed] for seed in both or side] for side in (first, second))
        change = change.within(change_span(mine, theirs, span, confidence))
    return _row(
        other, key, quantity, confidence, change=change.mean, ci_low=change.low, ci_high=change.high,
        test=found.note or test, p_value=found.p_value, **{**values, "n_seeds": min(found.n_a, found.n_b)},
    )  # fmt: skip


def _pie_share(first: Tree, other: Tree, key: Key, confidence: float) -> Moved | None:
    """McNemar's test of which examples are PIEs, and the seeds' share of the noise from the bootstrap intervals.

    The larger of the two p-values counts: a share moves where neither other examples nor other seeds explain it.
    """
    a, b = first.cells[key], other.cells[key]
    one, two = a.summary.get("pie_share"), b.summary.get("pie_share")
    if a.dense or a.pruner.startswith(CONTROL) or one is None or two is None:
        return None
    values: dict[str, Any] = {"first": one, "second": two, "n_examples": a.summary.get("n_examples")}
    values["n_seeds"] = min(a.summary.get("n_seeds") or 0, b.summary.get("n_seeds") or 0)
    paths = [cell.folder / "test" / "pies.parquet" for cell in (a, b)]
    if equal(*paths):
        if _older(first, other, key):
            return _row(other, key, "pie_share", confidence, test=_OLDER, state=UNTESTED, **values)
        return _row(other, key, "pie_share", confidence, change=0.0, p_value=1.0, state=IDENTICAL, **values)
    (numbers, before), (theirs, after) = map(read_is_pie, paths)
    if not np.array_equal(numbers, theirs):
        raise UserError("other examples are voted on; the trees are of other data")
    if np.array_equal(before, after):
        return _row(other, key, "pie_share", confidence, change=0.0, p_value=1.0, state=SAME, **values)
    more, fewer = int(np.count_nonzero(after & ~before)), int(np.count_nonzero(before & ~after))
    by_example = of_outcomes(before[None], after[None])
    change = float(np.mean(after) - np.mean(before))
    spread = sum(_seed_variance(cell.summary) for cell in (a, b))
    both = Crossed(change, by_example.variance + spread, len(before) - 1)
    ends = both.interval(confidence, change_span([one], [two], SHARE, confidence, len(before)))
    return _row(
        other, key, "pie_share", confidence, change=change, ci_low=ends.low, ci_high=ends.high,
        p_value=max(float(mcnemar(fewer, more)), both.p_value),
        test=f"{more} examples become PIEs and {fewer} no longer are (McNemar, and the spread over seeds)", **values,
    )  # fmt: skip


def _seed_variance(summary: Mapping[str, Any]) -> float:
    """Of a share of PIEs, over resampled seeds; 0 where one seed says nothing of others."""
    from scipy.special import ndtri

    interval = summary.get("pie_interval") or {}
    if interval.get("centered_low") is None:
        return 0.0
    z = float(ndtri((1 + interval["confidence"]) / 2))
    low, high = interval["centered_low"], interval["centered_high"]
    # An end may be cut off at 0.
    reach = (high - low) / 2 if low > 0 else high - summary["pie_share"]
    return float((reach / z) ** 2)


def _alpha(first: Tree, other: Tree, key: Key, confidence: float) -> Moved | None:
    a, b = first.cells[key], other.cells[key]
    if a.dense or a.pruner.startswith(CONTROL):
        return None
    of = [{row.seed: row.alpha for row in cell.rows(SeedAlpha) if row.alpha is not None} for cell in (a, b)]
    if not all(of):
        return None
    one, two = (math.fsum(values.values()) / len(values) for values in of)
    values: dict[str, Any] = {"first": one, "second": two, "n_examples": a.summary.get("n_examples")}
    if equal(a.folder / "test" / "alpha.csv", b.folder / "test" / "alpha.csv"):
        values |= {"n_seeds": len(of[0])}
        if _older(first, other, key):
            return _row(other, key, "alpha", confidence, test=_OLDER, state=UNTESTED, **values)
        return _row(other, key, "alpha", confidence, change=0.0, p_value=1.0, state=IDENTICAL, **values)
    return _by_seed(other, key, "alpha", confidence, of[0], of[1], values)


#: How each is compared; None where a cell does not have it. A UserError says why they cannot be compared.
QUANTITIES: tuple[Callable[[Tree, Tree, Key, float], Moved | None], ...] = (_score, _pie_share, _alpha)
