"""Whether a majority vote is right: what an audit counts, of the values in ``pies.parquet``."""

from __future__ import annotations

from typing import Any

from prunescope.analysis.pies.votes import normalized

#: Tasks whose labels are numbers or texts.
WITHOUT_CLASSES = ("regression", "span", "text")


def is_right(task: str, label: Any, vote: Any, tolerance: float | None) -> bool:
    """Whether ``vote`` is the label.

    regression: within ``tolerance`` of it, never where that is not known · span, text: one of the accepted answers,
    normalized as the vote is · else: the same class, the same set, the same class for every token.
    """
    if task == "regression":
        return tolerance is not None and abs(float(vote) - float(label)) <= tolerance
    if task in ("span", "text"):
        return vote in {normalized(answer) for answer in label}
    return bool(vote == label)
