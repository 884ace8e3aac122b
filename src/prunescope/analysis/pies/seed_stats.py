"""How firm a PIE share is, given that the seeds are a sample: interval, noise floor, number of seeds.

One label and several; other tasks have votes that weights of seeds do not give (medians, strings).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from prunescope.analysis.audit_tables import PieShareBySeeds
from prunescope.analysis.pies.choices import bootstrap, splits, subsets
from prunescope.analysis.pies.weighted_votes import TASKS, WeightedVotes
from prunescope.analysis.stats import Verdict
from prunescope.predictions.store import Predictions

#: Coverage of the percentiles over splits and subsets.
_SPREAD = 0.95


@dataclass(frozen=True)
class ShareInterval:
    """Bootstrap percentile interval of the PIE share; the ends are null with one seed.

    ``bootstrap_mean`` lies above the share itself as a rule: a resample of S seeds holds about
    0.63 S distinct models, so its majorities vary more, and differ more between the sides, than
    those of S models. The percentiles are biased upwards with it, and may leave out the share.
    ``centered_low`` and ``centered_high`` lie around the share: as many of the bootstrap's standard deviations away as
    the normal distribution has it, within 0 and 1. They are the ones to draw.
    """

    low: float | None
    high: float | None
    confidence: float
    bootstrap_mean: float | None
    centered_low: float | None
    centered_high: float | None


@dataclass(frozen=True)
class NoiseFloor:
    """PIE shares between disjoint halves of the seeds (``n_models`` each), over ``n_splits`` splits.

    mean, low, high: of two halves A and B, both dense: what seeds alone do.
    pie_share_half: of dense A and pruned B, and of dense B and pruned A, their mean: what
        seeds and pruning do, with as many voters.
    excess: what is due to pruning, pie_share_half - mean; low and high are percentiles over
        splits, which share models and are no independent samples.
    verdict: ``>`` where excess_low > 0 and single models say so too (``excess_of_pairs``), ``<`` where both are below
        0, else ``?``; ``?`` too with fewer than three seeds. Percentiles over a few splits of the same models alone
        would call every second pair of equal sides different.
    """

    mean: float
    low: float | None
    high: float | None
    pie_share_half: float
    excess: float
    excess_low: float | None
    excess_high: float | None
    verdict: Verdict
    n_models: int
    n_splits: int


@dataclass(frozen=True)
class SeedStats:
    """What depends on the seeds alone; ``by_seeds`` has the rows of ``pie_share_by_seeds.csv``."""

    interval: ShareInterval
    floor: NoiseFloor | None
    by_seeds: list[PieShareBySeeds]


def seed_stats(
    dense: Predictions,
    pruned: Predictions,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    most_splits: int = 200,
    most_subsets: int = 100,
) -> SeedStats | None:
    """Of paired sides; None for tasks other than single-label and multi-label.

    Args:
        dense, pruned: the same S seeds and n examples on both sides.
        confidence: of the bootstrap interval.
        resamples: of the bootstrap; seeds are drawn jointly for both sides, since models pair by seed.
        most_splits: splits of the seeds for the noise floor; all where there are no more.
        most_subsets: subsets of each size for ``by_seeds``; all where there are no more.
    """
    if dense.task not in TASKS:
        return None
    across, within = WeightedVotes.of(dense, pruned), WeightedVotes.of(dense, dense)
    # Products of thin matrices: several threads take the processor twice the time and end no sooner.
    with threadpool_limits(1, user_api="blas"):
        floor = noise_floor(across, within, len(dense.seeds), most_splits)
        return SeedStats(
            share_interval(across, len(dense.seeds), confidence, resamples),
            floor,
            shares_by_seeds(across, within, len(dense.seeds), most_subsets, floor),
        )


def share_interval(across: WeightedVotes, n_seeds: int, confidence: float, resamples: int) -> ShareInterval:
    """Percentile interval (Efron 1979) of the PIE share over joint resamples of the seeds, and one around the share."""
    from scipy.special import ndtri

    if n_seeds < 2:
        return ShareInterval(None, None, confidence, None, None, None)
    drawn = bootstrap(n_seeds, resamples)
    found = across.pies(drawn, drawn)
    low, high = _ends(found, across.n_examples, confidence)
    center = _share(found, across.n_examples)
    everyone = np.ones((1, n_seeds), dtype=np.int64)
    share = _share(across.pies(everyone, everyone), across.n_examples)
    reach = float(ndtri((1 + confidence) / 2)) * float(np.std(found)) / across.n_examples
    ends = max(0.0, share - reach), min(1.0, share + reach)
    return ShareInterval(low, high, confidence, center, *ends)


def noise_floor(across: WeightedVotes, within: WeightedVotes, n_seeds: int, most: int) -> NoiseFloor | None:
    """PIE shares between halves of floor(S / 2) seeds; None with one seed.

    Args:
        across: dense against pruned models.
        within: the dense models against themselves.
    """
    if n_seeds < 2:
        return None
    half, n = n_seeds // 2, across.n_examples
    a, b = splits(n_seeds, half, most)
    alone = within.pies(a, b)
    # Both ways round, doubled: a split has no first half, and whole numbers compare exactly.
    crossed = across.pies(a, b) + across.pies(b, a)
    excess = crossed - 2 * alone
    verdict: Verdict = "?"
    ends: list[tuple[float | None, float | None]] = [(None, None), (None, None)]
    if len(a) > 1:
        low, high = _ends(excess, 2 * n, _SPREAD)
        tested_low, tested_high = excess_of_pairs(across, within, n_seeds)
        verdict = ">" if min(low, tested_low) > 0 else "<" if max(high, tested_high) < 0 else "?"
        ends = [_ends(alone, n, _SPREAD), (low, high)]
    return NoiseFloor(
        _share(alone, n), *ends[0], _share(crossed, 2 * n), _share(excess, 2 * n), *ends[1], verdict, half, len(a)
    )  # fmt: skip


def excess_of_pairs(across: WeightedVotes, within: WeightedVotes, n_seeds: int) -> tuple[float, float]:
    """Interval, over seeds, of how much more a dense and a pruned model of other seeds differ than two dense ones.

    The mean over pairs of seeds is a U statistic; the jackknife over seeds (Arvesen 1969), whose variance is too large
    rather than too small (Efron and Stein 1981), with Student's t of S - 1 degrees of freedom. Needs three seeds.
    """
    from scipy.special import stdtrit

    s, t = np.triu_indices(n_seeds, 1)
    one = np.eye(n_seeds, dtype=np.int64)
    crossed = across.pies(one[s], one[t]) + across.pies(one[t], one[s])
    more = np.zeros((n_seeds, n_seeds))
    more[s, t] = more[t, s] = (crossed / 2 - within.pies(one[s], one[t])) / across.n_examples
    total, own = float(more.sum()), more.sum(axis=0)
    mean = total / (n_seeds * (n_seeds - 1))
    without = (total - 2 * own) / ((n_seeds - 1) * (n_seeds - 2))
    error = np.sqrt((n_seeds - 1) / n_seeds * np.sum((without - without.mean()) ** 2))
    reach = float(stdtrit(n_seeds - 1, (1 + _SPREAD) / 2) * error)
    return mean - reach, mean + reach


def shares_by_seeds(
    across: WeightedVotes, within: WeightedVotes, n_seeds: int, most: int, floor: NoiseFloor | None
) -> list[PieShareBySeeds]:
    """A row for each m = 1 .. S seeds, the same ones on both sides.

    The share is the mean over subsets, low and high their percentiles; with m = S it is the PIE
    share itself. The noise floor is between two disjoint groups of m dense models each, and
    null where there are fewer than 2 m of them.
    """
    n = across.n_examples
    rows = []
    for m in range(1, n_seeds + 1):
        chosen = subsets(n_seeds, m, most)
        found = across.pies(chosen, chosen)
        control: float | None = None
        if floor is not None and m == floor.n_models:
            control = floor.mean
        elif 2 * m <= n_seeds:
            control = _share(within.pies(*splits(n_seeds, m, most)), n)
        low, high = _ends(found, n, _SPREAD)
        rows.append(PieShareBySeeds(m, _share(found, n), low, high, control))
    return rows


def _share(counts: np.ndarray, n: int) -> float:
    return int(counts.sum()) / (len(counts) * n)


def _ends(counts: np.ndarray, n: int, coverage: float) -> tuple[float, float]:
    """Lower and upper percentile of counts / n, interpolated between neighbours."""
    tail = (1 - coverage) / 2
    low, high = np.quantile(counts, [tail, 1 - tail])
    return float(low) / n, float(high) / n
