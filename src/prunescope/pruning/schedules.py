"""Schedules: how many weights are zero after each pruning round, or how many filters are gone."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from prunescope.config.compression import Compression
from prunescope.config.pruners import Pruner

#: Zeros after a round: per layer, or one number over all layers together.
Zeros = Mapping[str, int] | int


def zeros_by_round(
    pruner: Pruner, compression: Compression, sizes: Mapping[str, int], total: int
) -> list[Zeros]:
    """Zeros after each of the pruner's rounds; one round unless the schedule is iterative.

    A level is one round that counts in what the levels below it pruned.

    Args:
        sizes: weights of each prunable layer.
        total: parameters of the whole model, which a ratio counts.

    The last entry is exactly round(share * size) for each pool of weights, halves to even; a pool is
    a layer, or all of them in global scope. Earlier rounds remove the same fraction p of what is left
    each time, 1 - (1 - p)^rounds = share (PIE paper, appendix A.3), rounded to exact counts.

    Raises:
        UserError: a ratio that the prunable weights cannot reach.
    """
    share = compression.share(total, sum(sizes.values()), pruner.step)
    if pruner.scope == "global":
        size = sum(sizes.values())
        return [_zeros(size, share, r, pruner.rounds) for r in range(1, pruner.rounds + 1)]
    return [
        {name: _zeros(size, share, r, pruner.rounds) for name, size in sizes.items()}
        for r in range(1, pruner.rounds + 1)
    ]


def _zeros(size: int, share: Fraction, round_: int, rounds: int) -> int:
    final = round(share * size)
    if round_ == rounds:
        return final
    return min(round(size * (1 - float(1 - share) ** (round_ / rounds))), final)
