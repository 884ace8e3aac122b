"""The task loss during gradual pruning, by pruner: PINS paper, figure 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, pairs, pruners_of, seeds_text
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH, look

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "step", "reached", "mean", "std", "n_seeds")
#: Markers along a curve; its points are many more.
_MARKERS = 9


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch, sparsity): losses above, the sparsity reached below."""
    table = source.table("pruning_loss.csv", COLUMNS)
    if table.empty:
        source.skip("pruning_loss", "no gradual pruner recorded its loss")
        return
    # Pruners that were asked for the same ratio reach it to within single weights.
    table = table.assign(at=table["sparsity"].round(3))
    for (dataset, arch), at in [(pair, at) for pair in pairs(table) for at in sorted(set(table["at"]))]:
        rows = table[(table["dataset"] == dataset) & (table["arch"] == arch) & (table["at"] == at)]
        if not rows.empty:
            yield _figure(dataset, arch, at, rows.drop(columns="at"))


def _figure(dataset: str, arch: str, at: float, rows: pd.DataFrame) -> Figure:
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(
        2,
        1,
        figsize=(FULL_WIDTH * 0.85, 4.3),
        height_ratios=[3.2, 1],
        sharex=True,
        layout="constrained",
    )
    names = pruners_of(rows)
    for pruner in names:
        line, style = rows[rows["pruner"] == pruner].sort_values("step", kind="stable"), look(pruner)
        above.plot(
            line["step"], line["mean"], **_plain(pruner), markevery=max(1, len(line) // _MARKERS), zorder=3
        )
        spread = line["std"].fillna(0.0)
        above.fill_between(
            line["step"],
            line["mean"] - spread,
            line["mean"] + spread,
            color=style.colour,
            alpha=0.15,
            linewidth=0,
        )
    above.set_ylabel("task loss")
    above.locator_params(axis="y", nbins=7)
    for shared, line in _schedules(rows, names):
        below.plot(
            [0, *line["step"]],
            [0.0, *line["reached"]],
            color=DENSE_COLOUR if len(shared) > 1 else look(shared[0]).colour,
            linewidth=1.3,
        )
    below.set_ylabel("sparsity")
    below.set_xlabel("training step")
    below.set_ylim(0.0, 1.0)
    below.set_xlim(left=0)
    layout.percent_axis(below)
    below.locator_params(axis="y", nbins=4)
    layout.legend_below(figure, [layout.line_handle(name, **_plain(name)) for name in names])
    title = f"Loss during pruning to {100 * at:.4g}%: {dataset} · {arch}"
    figure.suptitle(title)
    caption = (
        "Task loss on training batches, until the sparsity is final; each point is the mean over the "
        f"steps since the previous one. Lines: means over {seeds_text(rows['n_seeds'].tolist())}; bands: one standard "
        "deviation. Other terms that a pruner minimizes (a teacher's answers, penalties) are not included. Below: "
        "the removed share of the prunable weights"
        f"{'; black where pruners share the schedule' if _shared(rows, names) else ''}."
    )
    return Figure(f"{dataset}--{arch}--{100 * at:.4g}percent", title, caption, figure, rows)


def _plain(pruner: str) -> dict[str, Any]:
    """A look with a solid line: dashes are longer than what a curve of so many points shows."""
    return {**look(pruner).plot(), "linestyle": "-", "linewidth": 1.1}


def _schedules(rows: pd.DataFrame, names: list[str]) -> list[tuple[list[str], Any]]:
    """Distinct courses of the sparsity, with the pruners that share them."""
    found: list[tuple[list[str], pd.DataFrame]] = []
    for pruner in names:
        own = rows.loc[rows["pruner"] == pruner, ["step", "reached"]].sort_values("step", kind="stable")
        own = own.reset_index(drop=True)
        for shared, line in found:
            if len(own) == len(line) and bool((abs(own - line) < 1e-3).all(axis=None)):
                shared.append(pruner)
                break
        else:
            found.append(([pruner], own))
    return found


def _shared(rows: pd.DataFrame, names: list[str]) -> bool:
    return any(len(shared) > 1 for shared, _ in _schedules(rows, names))
