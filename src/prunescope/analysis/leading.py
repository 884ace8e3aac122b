"""The score that tables and pages speak of: the data set's leading metric where it has one, else the task's score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What of an audit's summary is about its score, and what that is called among the data set's own metrics.
_ABOUT_THE_SCORE = {
    "dense_score": "dense",
    "pruned_score": "pruned",
    "dense_score_std": "dense_std",
    "pruned_score_std": "pruned_std",
    "n_scored": "n_scored",
    "n_scored_on_pies": "n_scored_on_pies",
    "dense_score_on_pies": "dense_on_pies",
    "pruned_score_on_pies": "pruned_on_pies",
    "change": "change",
    "change_on_pies": "change_on_pies",
}


def leading_name(summary: Mapping[str, Any]) -> str | None:
    """The first of the data set's own metrics, in whose order the audit has them; None where it has none."""
    own = summary.get("task_metrics")
    return next(iter(own), None) if isinstance(own, Mapping) else None


def led(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The summary with the leading metric instead of the task's score, which stays as ``task_metric``."""
    name = leading_name(summary)
    if name is None:
        return summary
    found = summary["task_metrics"][name]
    scores = {key: found.get(part) for key, part in _ABOUT_THE_SCORE.items()}
    return {**summary, **scores, "metric": name, "task_metric": summary.get("metric")}
