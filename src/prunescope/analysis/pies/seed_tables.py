"""Rows of the cross-study tables on seeds and agreement, from one cell's audit.

An audit made before these numbers were there has empty fields, or no rows where nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunescope.analysis.csv_text import read_csv
from prunescope.analysis.pies import seed_stats

#: The columns after those of the cell, by file.
COLUMNS: dict[str, tuple[str, ...]] = {
    "pie_intervals": (
        "n_seeds",
        "pie_share",
        "ci_low",
        "ci_high",
        "confidence",
        "bootstrap_mean",
        "pie_share_half",
        "noise_floor",
        "noise_floor_low",
        "noise_floor_high",
        "excess",
        "verdict",
        "centered_low",
        "centered_high",
    ),
    "pie_share_by_seeds": seed_stats.COLUMNS,
    "agreement": (
        "loyalty_mean",
        "loyalty_std",
        "loyalty_between_seeds",
        "flips_mean",
        "flips_to_wrong",
        "flips_to_right",
        "n_seeds",
        "flips_share",
    ),
    "spearman_pies": ("n_examples", "n_spearman_pies", "n_both", "mean_spearman"),
}


def rows(summary: Mapping[str, Any], folder: Path) -> dict[str, list[list[Any]]]:
    """By table of ``COLUMNS``.

    Args:
        summary: the audit's ``summary.json``.
        folder: the audit's folder.
    """
    interval = summary.get("pie_interval") or {}
    floor = summary.get("noise_floor") or {}
    loyalty = summary.get("loyalty") or {}
    flips = summary.get("flips") or {}
    spearman = summary.get("spearman")
    by_seeds = folder / "pie_share_by_seeds.csv"
    return {
        "pie_intervals": [
            [
                summary.get("n_seeds"),
                summary.get("pie_share"),
                *(interval.get(name) for name in ("low", "high", "confidence", "bootstrap_mean")),
                *(floor.get(name) for name in ("pie_share_half", "mean", "low", "high", "excess", "verdict")),
                *(interval.get(name) for name in ("centered_low", "centered_high")),
            ]
        ],
        "pie_share_by_seeds": [
            [row[name] for name in COLUMNS["pie_share_by_seeds"]]
            for row in (read_csv(by_seeds) if by_seeds.exists() else [])
        ],
        "agreement": [
            [
                *(loyalty.get(name) for name in ("mean", "std", "between_seeds")),
                summary.get("n_flips_mean"),
                *(flips.get(name) for name in ("to_wrong", "to_right")),
                summary.get("n_seeds"),
                flips.get("share"),
            ]
        ],
        "spearman_pies": [
            [spearman.get(name) for name in ("n_examples", "n_spearman_pies", "n_both", "mean")]
        ]
        if spearman
        else [],
    }
