"""Boxplots of alpha over seeds with the verdict of its interval: recall paper, figures 1-4."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Picture
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH, look, ordered

COLUMNS = ("seed", "accuracy_dense", "accuracy_pruned", "alpha")
#: Beyond this range the axis is compressed away from zero, or one box would flatten all others.
_WIDE = 25.0


def draw(source: Source) -> Iterator[Picture]:
    """A picture per (dataset, arch): boxes grouped by amount, one per pruner."""
    for dataset, arch in source.networks():
        found = []
        for cell in source.of_network(dataset, arch):
            table = cell.table("alpha.csv", COLUMNS)
            if table is not None and table["alpha"].notna().any():
                found.append((cell, table))
        if not found:
            source.skip(f"alpha, {dataset} · {arch}", "alpha is defined for single-label tasks only")
            continue
        yield _picture(dataset, arch, found)


def _picture(dataset: str, arch: str, found: list[tuple[CellFiles, pd.DataFrame]]) -> Picture:
    import matplotlib.pyplot as plt

    amounts = sorted({cell.amount for cell, _ in found})
    names = ordered(cell.pruner for cell, _ in found)
    at = {(cell.pruner, cell.amount): (cell, table) for cell, table in found}
    figure, panel = plt.subplots(figsize=(FULL_WIDTH, 3.5), layout="constrained")
    panel.axhline(1.0, color=DENSE_COLOUR, linewidth=1.0, zorder=1.5)
    marks: list[tuple[float, str]] = []
    centres: list[float] = []
    parts: list[pd.DataFrame] = []
    values: list[np.ndarray] = []
    place = 0.0
    for amount in amounts:
        start = place
        for name in names:
            if (name, amount) not in at:
                continue
            cell, table = at[name, amount]
            alphas = table["alpha"].dropna().to_numpy(dtype=float)
            _box(panel, place, alphas, look(name).colour, look(name).marker)
            summary = cell.summary.get("alpha") or {}
            marks.append((place, str(summary.get("verdict") or "?")))
            parts.append(
                table.assign(pruner=name, amount=amount.token, verdict=summary.get("verdict"))[
                    ["pruner", "amount", "verdict", *COLUMNS]
                ]
            )
            values.append(alphas)
            place += 1.0
        centres.append((start + place - 1.0) / 2)
        if amount != amounts[-1]:
            panel.axvline(place + 0.25, color="#dcdfe3", linewidth=0.8)
        place += 1.5
    everything = np.concatenate(values)
    if np.abs(everything).max() > _WIDE:
        panel.set_yscale("symlog", linthresh=2.0)
        # Plain numbers: powers of ten are set as mathematics, which text as text does not show.
        panel.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
    for where, mark in marks:
        panel.text(
            where, 1.02, mark, transform=panel.get_xaxis_transform(), ha="center", va="bottom", fontsize=8.5,
            color={"<": "#0072B2", ">": "#B23A00"}.get(mark, "#5f6368"), weight="bold",
        )  # fmt: skip
    panel.set_xlim(-0.9, place - 1.5 + 0.4)
    panel.set_xticks(centres, [amount.text for amount in amounts])
    panel.tick_params(axis="x", length=0)
    kinds = {amount.kind for amount in amounts}
    panel.set_xlabel(
        "sparsity" if kinds == {"sparsity"} else "compression" if len(kinds) > 1 else "pruning ratio"
    )
    panel.set_ylabel("α of each seed")
    handles = [
        layout.line_handle(
            name, color=look(name).colour, marker=look(name).marker, linestyle="", markersize=5
        )
        for name in names
    ]
    layout.legend_below(figure, handles, columns=8)
    panel.set_title(
        "> interval of the mean wholly above 1     < wholly below 1     ? includes 1",
        pad=17, fontsize=7.2, weight="normal", color="#3c4043",
    )  # fmt: skip
    title = f"Do differences between classes grow? α: {dataset} · {arch}"
    figure.suptitle(title)
    confidence = next(
        (c.summary["alpha"].get("confidence") for c, _ in found if c.summary.get("alpha")), None
    )
    interval = f"{100 * confidence:g} % t interval" if confidence is not None else "t interval"
    counts = [float(table["alpha"].notna().sum()) for _, table in found]
    caption = (
        "Intensification α of each seed's model (points) with its quartiles (boxes; whiskers to the "
        f"extremes), {seeds_text(counts)} per box. α above 1: classes recalled better or worse than average "
        "move further away from it; below 1: closer to it; below 0: to its other side. Marks above the "
        f"panel: the {interval} of the mean is wholly above 1 (>), wholly below 1 (<), or includes it (?)."
    )
    return Picture(f"{dataset}--{arch}", title, caption, figure, pd.concat(parts, ignore_index=True))


def _box(panel: object, place: float, alphas: np.ndarray, colour: str, marker: str) -> None:
    panel.boxplot(  # type: ignore[attr-defined]
        [alphas],
        positions=[place],
        widths=0.68,
        whis=(0, 100),
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "alpha": 0.3, "edgecolor": colour, "linewidth": 1.0},
        medianprops={"color": colour, "linewidth": 1.8},
        whiskerprops={"color": colour, "linewidth": 0.9},
        capprops={"color": colour, "linewidth": 0.9},
        zorder=2,
    )
    # Points side by side instead of at random: the same picture every time.
    offsets = np.linspace(-0.2, 0.2, len(alphas)) if len(alphas) > 1 else np.zeros(1)
    panel.plot(  # type: ignore[attr-defined]
        place + offsets, alphas, linestyle="", marker=marker, color=colour, markersize=2.6, zorder=3
    )
