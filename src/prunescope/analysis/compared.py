"""What an audit says of paired models from their answers: scores, votes, flips, harm, recall, with their tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunescope.analysis.alpha.corrected import Corrected
from prunescope.analysis.alpha.distortion import Distortion, distortion
from prunescope.analysis.class_scores import class_scores
from prunescope.analysis.csv_text import null
from prunescope.analysis.outputs import Results
from prunescope.analysis.paired import Changes, harm_tests
from prunescope.analysis.pairs import Pair
from prunescope.analysis.pies.agreement import flips_by_direction
from prunescope.analysis.pies.classes import class_counts, most_harmed, with_tests
from prunescope.analysis.pies.votes import Pies, find_pies, voted_right
from prunescope.analysis.stats import Interval, mean, std
from prunescope.predictions.scores import correct, flips, score_name, scores
from prunescope.predictions.sets import class_sizes
from prunescope.predictions.store import Predictions
from prunescope.predictions.task_metrics import own_metrics, task_scores


def compared(
    pair: Pair,
    confidence: float,
    tolerance: float,
    similarity: float | None,
    clusters: np.ndarray | None,
    scored: Callable[[dict[str, Any]], None],
) -> Results:
    """Everything that is told from the answers of both sides.

    Args:
        confidence: of the intervals. tolerance, similarity: as ``votes.find_pies`` has them.
        clusters: (n,) what examples are drawn together, if any.
        scored: called with counts and both scores before what takes long.
    """
    dense, pruned = pair.dense, pair.pruned
    pies = find_pies(dense, pruned, tolerance=tolerance, similarity=similarity)
    if not dense.labelled:
        return _unlabelled(pair, pies, tolerance, similarity)
    right = correct(dense, tolerance), correct(pruned, tolerance)
    flipped = flips(*right)
    every = _Scores(scores(dense, right[0]), scores(pruned, right[1]))
    scored({**_counts(pair, pies), **every.means("{}_score")})
    on_pies = _Scores(scores(dense, right[0], pies.is_pie), scores(pruned, right[1], pies.is_pie))
    changes = Changes(dense, pruned, right, confidence, clusters=clusters)
    summary: dict[str, Any] = {
        **_counts(pair, pies),
        "n_scored": every.n,
        **every.means("{}_score"),
        **every.spreads("{}_score_std"),
        "n_scored_on_pies": on_pies.n,
        **on_pies.means("{}_score_on_pies"),
        "change": changes.of_score(every.dense, every.pruned),
        "change_on_pies": changes.of_score(on_pies.dense, on_pies.pruned, pies.is_pie),
        "n_flips_mean": float(np.mean(flipped)),
        "flips": vars(flips_by_direction(*right)),
        "mcnemar": _mcnemar(pair, pies, tolerance, clusters),
    }
    own, told = _own_metrics(pair, pies, changes)
    if told:
        summary["task_metrics"] = told
    summary |= _particulars(dense, pies, tolerance, similarity)
    summary["constant"] = {name: _constant(side) for name, side in (("dense", dense), ("pruned", pruned))}
    classes = class_counts(dense, pies)
    recall = None
    if dense.task == "single-label":
        recall = distortion(dense, pruned, *right)
        summary |= _alpha(recall, confidence, clusters is None)
        classes = with_tests(classes, dense, pies, recall, clusters)
        summary["most_harmed"] = most_harmed(classes)
    return Results(
        summary=summary,
        dense=dense,
        pruned=pruned,
        pies=pies,
        scores=(every.dense, every.pruned, flipped),
        classes=classes,
        distortion=recall,
        class_scores=None if recall is None else class_scores(dense, pruned, *right),
        task_metrics=own,
    )


@dataclass(frozen=True)
class _Scores:
    """(S,) scores of both sides. Means are over the pairs that both have one, as their difference is."""

    dense: np.ndarray
    pruned: np.ndarray

    @property
    def _known(self) -> np.ndarray:
        return np.asarray(np.isfinite(self.pruned - self.dense))

    @property
    def n(self) -> int:
        return int(np.count_nonzero(self._known))

    def means(self, name: str) -> dict[str, float | None]:
        return {name.format(side): _mean(getattr(self, side)[self._known]) for side in ("dense", "pruned")}

    def spreads(self, name: str) -> dict[str, float | None]:
        return {name.format(side): _std(getattr(self, side)[self._known]) for side in ("dense", "pruned")}


def _own_metrics(
    pair: Pair, pies: Pies, changes: Changes
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, Any]]:
    """By metric of the data set's own, (S,) scores of both sides; and what the summary says of each."""
    sides = (pair.dense, pair.pruned)
    metrics, parts = own_metrics(pair.dense)
    before, after = (task_scores(side, metrics, parts) for side in sides)
    if not before:
        return {}, {}
    there = [task_scores(side, metrics, parts, pies.is_pie) for side in sides]
    told = {}
    for name in before:
        every, on_pies = _Scores(before[name], after[name]), _Scores(there[0][name], there[1][name])
        told[name] = {
            **every.means("{}"),
            **every.spreads("{}_std"),
            "n_scored": every.n,
            **on_pies.means("{}_on_pies"),
            "n_scored_on_pies": on_pies.n,
            "change": changes.of_metric(name, parts, every.dense, every.pruned),
            "change_on_pies": changes.of_metric(name, parts, on_pies.dense, on_pies.pruned, pies.is_pie),
        }
    return {name: (before[name], after[name]) for name in before}, told


def _constant(side: Predictions) -> list[int]:
    """Seeds of the models that give one answer to all examples; tokens are not looked at."""
    if side.task == "tokens" or len(side.examples) < 2:
        return []
    return [
        int(seed) for seed, row in zip(side.seeds, side.prediction, strict=True) if (row == row[:1]).all()
    ]


def _counts(pair: Pair, pies: Pies) -> dict[str, Any]:
    """What an audit has of every task, with or without labels."""
    n, n_pies = len(pair.dense.examples), int(pies.is_pie.sum())
    return {
        "task": pair.dense.task,
        "metric": pair.dense.metric or score_name(pair.dense.task),
        "n_examples": n,
        "n_seeds": len(pair.dense.seeds),
        "n_seeds_dropped": pair.n_dropped,
        "seeds": pair.dense.seeds.tolist(),
        "diverged": pair.diverged,
        "n_classes": len(pair.dense.classes),
        "n_pies": n_pies,
        "pie_share": n_pies / n,
    }


def _unlabelled(pair: Pair, pies: Pies, tolerance: float, similarity: float | None) -> Results:
    """Without labels a flip is a prediction that changes; there are no scores."""
    dense, pruned = pair.dense, pair.pruned
    changed = [
        int(
            find_pies(
                dense.only(seed), pruned.only(seed), tolerance=tolerance, similarity=similarity
            ).is_pie.sum()
        )
        for seed in dense.seeds[:, None]
    ]
    scores_ = ("dense_score", "pruned_score", "dense_score_on_pies", "pruned_score_on_pies", "change")
    none = np.full(len(dense.seeds), np.nan)
    return Results(
        summary={
            **_counts(pair, pies),
            "labelled": False,
            **dict.fromkeys(scores_),
            "n_flips_mean": float(np.mean(changed)),
            **_particulars(dense, pies, tolerance, similarity),
        },
        dense=dense,
        pruned=pruned,
        pies=pies,
        scores=(none, none, np.array(changed)),
        classes=[],
        distortion=None,
    )


def _mcnemar(pair: Pair, pies: Pies, tolerance: float, clusters: np.ndarray | None) -> dict[str, Any]:
    """Of one model a side, or of the majority votes of several; by cluster where examples are drawn in clusters."""
    dense, pruned = voted_right(pair.dense, pair.pruned, pies, tolerance)
    everything = np.zeros(len(dense), dtype=np.int64)
    (to_wrong,), (to_right,), (p_value,) = harm_tests(
        dense & ~pruned, ~dense & pruned, everything, 1, clusters
    )
    return {"to_wrong": int(to_wrong), "to_right": int(to_right), "p_value": p_value}


def _particulars(side: Predictions, pies: Pies, tolerance: float, similarity: float | None) -> dict[str, Any]:
    """What only some tasks have."""
    if side.task == "multi-label":
        return {
            "n_classes_without_label": int(np.count_nonzero(class_sizes(side.label, len(side.classes)) == 0))
        }
    if side.task == "regression":
        return {"tolerance": tolerance}
    if side.task == "tokens" and pies.differing is not None:
        return {"n_tokens": sum(map(len, side.prediction[0])), "n_token_pies": int(pies.differing.sum())}
    if side.task in ("span", "text"):
        return {"similarity": similarity}
    return {}


def _alpha(recall: Distortion, confidence: float, independent: bool) -> dict[str, Any]:
    """``independent``: examples are drawn one by one, which the interval of the corrected alpha rests on."""
    interval = recall.interval(confidence)
    left_out = int(np.isnan(recall.alpha).sum())
    null, pairs = recall.null()
    corrected = recall.corrected(confidence)
    if not independent:
        corrected = Corrected(corrected.mean, None, None)
    return {
        "alpha": {
            **_entry(interval, confidence),
            "n_seeds": len(recall.alpha) - left_out,
            "n_left_out": left_out,
        },
        "alpha_null": {"mean": null, "n": pairs},
        "alpha_corrected": _entry(corrected, confidence),
    }


def _entry(found: Interval | Corrected, confidence: float) -> dict[str, Any]:
    ends = {"mean": found.mean, "ci_low": found.low, "ci_high": found.high}
    return {**ends, "confidence": confidence, "verdict": found.verdict}


def _mean(values: np.ndarray) -> float | None:
    """Mean over models; null of none, and where one of them has no score."""
    center = mean(values)
    return None if center is None else null(center)


def _std(values: np.ndarray) -> float | None:
    spread = std(values)
    return None if spread is None else null(spread)
