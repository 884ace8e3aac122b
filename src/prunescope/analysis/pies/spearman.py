"""PIEs by rank: the examples whose classes pruned and dense models rank most differently.

After Holste et al. 2023 as the PIE paper's section 2 reports it: "For each data point, they compute the
average prediction over all initializations", rank by it, and measure agreement as the Spearman
rank correlation of the rankings of pruned and dense models. Read here, as in their paper: the
classes of one example are ranked by their mean probability over seeds. The twentieth of the examples
that agrees least are PIEs, however much they agree: unlike majority PIEs, their number says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.predictions.arrow import Source
from prunescope.predictions.metadata import meta_of
from prunescope.predictions.store import Predictions, iter_logits

#: Probabilities are summed as whole multiples of this, so that the order of files does not matter.
_UNIT = 2.0**-50


@dataclass(frozen=True)
class SpearmanPies:
    """correlation: (n,) float64, NaN where one side gives all classes the same probability.

    is_pie: (n,) bool, the ceil(5 %) of the examples with a correlation that have the lowest one,
    in the order of (correlation, example).
    """

    correlation: np.ndarray
    is_pie: np.ndarray


def has_logits(paths: Sequence[Path]) -> bool:
    """Whether all files are prediction tables with logits."""
    sources = [Source(Path(path)) for path in paths]
    return all("logits" in source.columns and meta_of(source) is not None for source in sources)


def mean_probabilities(paths: Sequence[Path], side: Predictions) -> np.ndarray:
    """Mean over seeds of the classes' sigmoids, (n, C) float64, of the seeds and examples of ``side``.

    Raises:
        UserError: a file has no logits.
    """
    sums = np.zeros((len(side.examples), len(side.classes)), dtype=np.int64)
    kept = set(side.seeds.tolist())
    for seed, examples, logits in iter_logits(paths):
        if seed in kept:
            with np.errstate(over="ignore"):
                probability = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
            sums[np.searchsorted(side.examples, examples)] += np.rint(probability / _UNIT).astype(np.int64)
    return sums * (_UNIT / len(side.seeds))


def double_ranks(rows: np.ndarray) -> np.ndarray:
    """Twice the 1-based mean rank of each value in its row of (n, C): (n, C) int64.

    Whole numbers, so that equal rankings give equal bits. (scipy.stats.rankdata gives their halves; loading
    scipy.stats takes longer than all else that a cell does with a small data set.)
    """
    order = np.argsort(rows, axis=1, kind="stable")
    ascending = np.take_along_axis(rows, order, axis=1)
    offset = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    starts = np.diff(ascending, axis=1, prepend=-np.inf) != 0
    ends = np.diff(ascending, axis=1, append=np.inf) != 0
    first = np.maximum.accumulate(np.where(starts, offset, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, offset, rows.shape[1])[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(rows.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, first + last + 2, axis=1)
    return ranks


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each pair of rows of (n, C), ties sharing their mean rank; (n,) float64.

    NaN where a row does not vary.
    """
    x, y = (double_ranks(rows) - (rows.shape[1] + 1) for rows in (first, second))
    products = (x * y).sum(axis=1)
    norm = np.sqrt((x * x).sum(axis=1).astype(np.float64) * (y * y).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(np.where(norm > 0, products / norm, np.nan), -1.0, 1.0)


def spearman_pies(correlation: np.ndarray) -> SpearmanPies:
    """The ceil(n / 20) lowest of the n correlations that are numbers."""
    known = np.flatnonzero(~np.isnan(correlation))
    lowest = known[np.argsort(correlation[known], kind="stable")][: -(-len(known) // 20)]
    is_pie = np.zeros(len(correlation), dtype=bool)
    is_pie[lowest] = True
    return SpearmanPies(correlation, is_pie)


def find_spearman_pies(
    dense_paths: Sequence[Path], dense: Predictions, pruned_paths: Sequence[Path], pruned: Predictions
) -> SpearmanPies | None:
    """Of paired sides with several labels; None for other tasks and for tables without logits.

    Raises:
        UserError: a file cannot be read.
    """
    if dense.task != "multi-label" or not has_logits([*dense_paths, *pruned_paths]):
        return None
    first = mean_probabilities(dense_paths, dense)
    return spearman_pies(rank_correlation(first, mean_probabilities(pruned_paths, pruned)))
