"""Everything an audit says about the seeds themselves, and about agreement model by model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.pies.agreement import Loyalty, loyalty
from prunescope.analysis.pies.seed_stats import SeedStats, seed_stats
from prunescope.analysis.pies.spearman import SpearmanPies, find_spearman_pies
from prunescope.predictions.store import Predictions


@dataclass(frozen=True)
class SeedFindings:
    """What has no meaning for the task, or cannot be had from its tables, is None."""

    stats: SeedStats | None
    loyalty: Loyalty | None
    spearman: SpearmanPies | None

    def summary(self, is_pie: np.ndarray) -> dict[str, Any]:
        """Keys for ``summary.json``; ``spearman`` only where there is one."""
        stats, found = self.stats, self.spearman
        keys: dict[str, Any] = {
            "pie_interval": asdict(stats.interval) if stats else None,
            "noise_floor": asdict(stats.floor) if stats and stats.floor else None,
            "loyalty": asdict(self.loyalty) if self.loyalty else None,
        }
        if found is not None:
            known = found.correlation[~np.isnan(found.correlation)]
            keys["spearman"] = {
                "mean": float(known.mean()) if len(known) else None,
                "n_examples": len(known),
                "n_spearman_pies": int(found.is_pie.sum()),
                "n_both": int((found.is_pie & is_pie).sum()),
            }
        return keys


def seed_findings(
    dense: Predictions, pruned: Predictions, dense_paths: Sequence[Path], pruned_paths: Sequence[Path]
) -> SeedFindings:
    """Of paired sides; the files are read again for their logits.

    Raises:
        UserError: a file cannot be read.
    """
    return SeedFindings(
        seed_stats(dense, pruned),
        loyalty(dense, pruned),
        find_spearman_pies(dense_paths, dense, pruned_paths, pruned),
    )
