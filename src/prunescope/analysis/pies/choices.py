"""Which seeds vote: bootstrap resamples, subsets and disjoint groups, as rows of weights.

All of them where they are few, else distinct ones at random, the same for the same number of seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

from prunescope.seeds import stream


def bootstrap(n_seeds: int, resamples: int) -> np.ndarray:
    """(resamples, n_seeds) int: how often each seed is drawn, with replacement, in a sample of n_seeds."""
    rng = _generator("bootstrap", n_seeds, resamples)
    return np.asarray(rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=resamples))


def subsets(n_seeds: int, size: int, most: int) -> np.ndarray:
    """(R, n_seeds) int, 1 for the members of a subset of ``size`` seeds; R <= most."""
    if comb(n_seeds, size) <= most:
        return _weights([list(chosen) for chosen in combinations(range(n_seeds), size)], n_seeds)
    rng = _generator("subsets", n_seeds, size)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < most:
        found[tuple(sorted(rng.permutation(n_seeds)[:size].tolist()))] = None
    return _weights([list(chosen) for chosen in found], n_seeds)


def splits(n_seeds: int, size: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint groups of ``size`` seeds each, whichever comes first: two (R, n_seeds) int; R <= most.

    Args:
        size: at least 1, at most half of n_seeds; what is left over votes on neither side.
    """
    if comb(n_seeds, size) * comb(n_seeds - size, size) // 2 <= most:
        pairs = list(_all_splits(n_seeds, size))
    else:
        rng = _generator("splits", n_seeds, size)
        found: dict[tuple[tuple[int, ...], ...], None] = {}
        while len(found) < most:
            order = rng.permutation(n_seeds).tolist()
            found[tuple(sorted((tuple(sorted(order[:size])), tuple(sorted(order[size : 2 * size])))))] = None
        pairs = [(list(a), list(b)) for a, b in found]
    return _weights([a for a, _ in pairs], n_seeds), _weights([b for _, b in pairs], n_seeds)


def _all_splits(n_seeds: int, size: int) -> Iterator[tuple[list[int], list[int]]]:
    for chosen in combinations(range(n_seeds), 2 * size):
        # The first seed is in the first group: each split once.
        first, rest = chosen[0], chosen[1:]
        for others in combinations(rest, size - 1):
            yield [first, *others], [seed for seed in rest if seed not in others]


def _weights(groups: list[list[int]], n_seeds: int) -> np.ndarray:
    weights = np.zeros((len(groups), n_seeds), dtype=np.int64)
    np.put_along_axis(weights, np.array(groups, dtype=np.int64), 1, axis=1)
    return weights


def _generator(kind: str, *where: int) -> np.random.Generator:
    # No model's seed: every cell of a study is resampled alike, so that cells compare.
    return np.random.default_rng(stream(0, "resample", kind, *where))
