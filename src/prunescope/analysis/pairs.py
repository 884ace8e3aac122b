"""The dense and the pruned models of an audit, paired by seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prunescope.errors import UserError, listed
from prunescope.predictions.store import Predictions


class NothingToCompareError(UserError):
    """Every seed is missing or diverged on one side at least."""


@dataclass(frozen=True)
class Pair:
    """Both sides with the same seeds; how many seeds were dropped for it, and which diverged."""

    dense: Predictions
    pruned: Predictions
    n_dropped: int
    diverged: Mapping[str, Sequence[int]]


def paired_sides(dense: Predictions, pruned: Predictions, seeds: Collection[int] | None) -> Pair:
    dense, pruned = dense.chosen(seeds), pruned.chosen(seeds)
    common = np.intersect1d(dense.seeds, pruned.seeds)
    diverged = set(dense.diverged) | set(pruned.diverged)
    common = common[~np.isin(common, sorted(diverged))]
    named = set(dense.seeds.tolist()) | set(pruned.seeds.tolist()) | diverged
    if not len(common):
        lines = [
            f"{name} {listed(side.seeds.tolist()) or 'none'}"
            + (f" (diverged: {listed(side.diverged)})" if side.diverged else "")
            for name, side in (("dense", dense), ("pruned", pruned))
        ]
        raise NothingToCompareError(
            f"{pruned.sources[0]}: no seed has usable predictions on both sides ({'; '.join(lines)}); "
            "models pair by seed"
        )
    return Pair(
        dense.only(common),
        pruned.only(common),
        len(named) - len(common),
        {"dense": list(dense.diverged), "pruned": list(pruned.diverged)},
    )
