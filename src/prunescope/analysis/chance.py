"""Dense models that are no better than the most frequent class: their pruned copies teach little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: A model counts as better where so good a score, or a better one, is less likely of the constant answer.
LEVEL = 0.01


def no_better(right: int, total: int, share: float) -> float:
    """The probability that a constant answer, right for a share of all examples, is right on at least so many.

    The upper tail of the binomial distribution, exact.

    >>> round(no_better(8, 10, 0.5), 7)  # (45 + 10 + 1) / 2**10
    0.0546875
    """
    from scipy.special import bdtrc

    return float(bdtrc(right - 1, total, share)) if right > 0 else 1.0


def warning(where: str, models: Iterable[Mapping[str, Any]], card: Mapping[str, Any]) -> str | None:
    """A sentence on dense models whose accuracy is not above the most frequent class's beyond noise; None without any.

    Args:
        where: data set and architecture.
        models: their records in ``metrics.json``. card: the data set's, ``card.json``.
    """
    try:
        if card["task"] != "single-label":
            return None
        total, share = (
            int(card["splits"]["test"]["n_examples"]),
            float(card["splits"]["test"]["majority_share"]),
        )
        scores = [float(m["scores"]["test"]["accuracy"]) for m in models if not m["diverged"]]
    except (KeyError, TypeError, ValueError):
        return None
    weak = [score for score in scores if no_better(round(score * total), total, share) >= LEVEL]
    if not weak:
        return None
    which = "the dense model is" if len(scores) == 1 else f"{len(weak)} of {len(scores)} dense models are"
    return (
        f"{where}: {which} no better than the most frequent class alone, as far as can be told: accuracy "
        f"{'' if len(weak) == 1 else 'up to '}{max(weak):.1%}, that class {share:.1%} of {total:,} test examples "
        f"(exact binomial test, level {LEVEL:.0%}). What pruning does to them says little; train longer, or otherwise."
    )
