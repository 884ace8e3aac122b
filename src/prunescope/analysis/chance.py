"""Dense models that are no better than the most frequent class: their pruned copies teach little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp, lgamma, log, log1p
from typing import Any

#: A model counts as better where so good a score, or a better one, is less likely of the constant answer.
LEVEL = 0.01


def no_better(right: int, total: int, share: float) -> float:
    """The probability that a constant answer, right for a share of all examples, is right on at least so many.

    The upper tail of the binomial distribution, exact, summed from ``right`` until what follows no longer counts.

    >>> no_better(8, 10, 0.5)  # (45 + 10 + 1) / 2**10
    0.0546875
    """
    if right <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    distance = right / total - share
    # Hoeffding's bound: far beyond the level nothing need be summed.
    if distance > 0 and -2 * total * distance**2 < log(LEVEL) - 20:
        return 0.0
    found = 0.0
    for k in range(right, total + 1):
        ways = lgamma(total + 1) - lgamma(k + 1) - lgamma(total - k + 1)
        term = exp(ways + k * log(share) + (total - k) * log1p(-share))
        found += term
        if k > share * total and term < 1e-12 * found:
            break
    return round(min(found, 1.0), 12)


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
