"""By how much scores change from unpruned to pruned models, paired by seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from prunescope.analysis.stats import t_interval


def change_interval(dense: np.ndarray, pruned: np.ndarray, confidence: float) -> dict[str, Any] | None:
    """Mean of pruned minus unpruned score with its t interval, for ``summary.json``; None without a pair.

    Args:
        dense, pruned: (S,) scores of the same seeds; a seed that lacks one (no PIEs) is left out.
        confidence: of the interval, such as 0.99. Its ends are null with one seed.
    """
    differences = pruned - dense
    known = differences[np.isfinite(differences)]
    if not len(known):
        return None
    interval = t_interval(known, confidence)
    return {
        "mean": interval.mean,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "confidence": confidence,
        "n_seeds": len(known),
    }
