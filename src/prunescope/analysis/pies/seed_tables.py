"""Rows of the tables on seeds and agreement, from the cells' audits.

An audit made before these numbers were there has empty fields, or no rows where nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.analysis.tables.registry import Agreement, PieInterval, SpearmanPies
from prunescope.analysis.tables.results import StudyResults


def intervals(study: StudyResults) -> Iterator[PieInterval]:
    for cell in study.pruned:
        interval = cell.summary.get("pie_interval") or {}
        floor = cell.summary.get("noise_floor") or {}
        yield PieInterval(
            **cell.names,
            n_seeds=cell.summary.get("n_seeds"),
            pie_share=cell.summary.get("pie_share"),
            ci_low=interval.get("low"),
            ci_high=interval.get("high"),
            confidence=interval.get("confidence"),
            bootstrap_mean=interval.get("bootstrap_mean"),
            pie_share_half=floor.get("pie_share_half"),
            noise_floor=floor.get("mean"),
            noise_floor_low=floor.get("low"),
            noise_floor_high=floor.get("high"),
            excess=floor.get("excess"),
            verdict=floor.get("verdict"),
            centered_low=interval.get("centered_low"),
            centered_high=interval.get("centered_high"),
        )


def agreement(study: StudyResults) -> Iterator[Agreement]:
    for cell in study.pruned:
        loyalty, flips = cell.summary.get("loyalty") or {}, cell.summary.get("flips") or {}
        yield Agreement(
            **cell.names,
            loyalty_mean=loyalty.get("mean"),
            loyalty_std=loyalty.get("std"),
            loyalty_between_seeds=loyalty.get("between_seeds"),
            flips_mean=cell.summary.get("n_flips_mean"),
            flips_to_wrong=flips.get("to_wrong"),
            flips_to_right=flips.get("to_right"),
            n_seeds=cell.summary.get("n_seeds"),
            flips_share=flips.get("share"),
        )


def spearman(study: StudyResults) -> Iterator[SpearmanPies]:
    for cell in study.pruned:
        found = cell.summary.get("spearman")
        if found:
            counts = {name: found.get(name) for name in ("n_examples", "n_spearman_pies", "n_both")}
            yield SpearmanPies(**cell.names, **counts, mean_spearman=found.get("mean"))
