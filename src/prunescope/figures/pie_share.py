"""Share of examples that are PIEs against sparsity: PIE paper, table 4 as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, seeds_text

CELL = ("dataset", "arch", "pruner", "sparsity")
COLUMNS = (*CELL, "n_examples", "n_pies", "pie_share")
INTERVALS = (
    "centered_low",
    "centered_high",
    "confidence",
    "noise_floor",
    "noise_floor_low",
    "noise_floor_high",
)


def draw(source: Source) -> Iterator[Figure]:
    """One figure, a panel per (dataset, arch), a line per pruner with its intervals, the noise floor."""
    table = source.table("pie_share.csv", COLUMNS)
    table = table[(table["pruner"] != "none") & table["pie_share"].notna()]
    if table.empty:
        source.skip("pie_share", "no pruned model was compared with its dense model")
        return
    table = _with_intervals(table, source.table("pie_intervals.csv", (*CELL, *INTERVALS)))
    scale = partial(_scale, source)
    ends = ("centered_low", "centered_high")
    figure, _ = layout.lines(
        table, ("dataset", "arch"), "sparsity", "pie_share", scale, ends, under="sparsity"
    )
    title = "How many examples pruning changes"
    yield Figure("pie_share", title, _caption(source, table), figure, table)


def _with_intervals(table: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """The shares with their intervals and noise floors, empty where there are none."""
    known = intervals[[*CELL, *INTERVALS]].drop_duplicates(list(CELL))
    merged = table.merge(known.astype({"sparsity": float}), how="left", on=list(CELL))
    return merged.astype(dict.fromkeys(INTERVALS, float))


def _scale(source: Source, panel: Any, rows: pd.DataFrame, own: Sequence[str]) -> None:
    """The axes, and the noise floor: an architecture's cells share their dense models, dropped seeds apart."""
    floor = rows[["noise_floor", "noise_floor_low", "noise_floor_high"]].mean()
    layout.reference(panel, *floor)
    layout.levels_axis(panel, source, rows)
    layout.percent_axis(panel)
    layout.from_zero([panel], rows[["pie_share", "centered_high", "noise_floor_high"]].max())
    panel.set_ylabel("PIEs (% of examples)")


def _counts(table: pd.DataFrame) -> str:
    """``361 (digits), 350 (docstrings)``."""
    largest = table.groupby("dataset", sort=False)["n_examples"].max()
    return ", ".join(f"{int(n):,} ({dataset})" for dataset, n in largest.items())


def _caption(source: Source, table: pd.DataFrame) -> str:
    seeds = [cell.n_seeds for cell in source.cells]
    over = f", majorities over {seeds_text(seeds)}" if seeds else ""
    caption = (
        "Share of test examples whose majority vote differs between pruned and dense models (PIEs, "
        f"pruning-identified exemplars) against sparsity{over}, of {_counts(table)} test examples. Grey lines: the "
        "pruners of the other panels."
    )
    confidence = table["confidence"].dropna()
    if len(confidence):
        caption += (
            f" Vertical lines: {100 * confidence.iloc[0]:g} % bootstrap interval over seeds, corrected for "
            "the bias of resampled majorities."
        )
    if table["noise_floor"].notna().any():
        caption += (
            " Black line: the noise floor, PIEs between two disjoint halves of the dense models (grey: the "
            "middle 95 % of the ways to halve them). Half as many models vote, so the floor is rather too high; "
            "their seeds differ, while a pruned model shares much with the dense model of its seed. A share above "
            "the floor exceeds noise; one below it need not be noise. pie_intervals.csv compares dense and pruned "
            "halves of other seeds."
        )
    return caption
