"""The task loss during gradual pruning, by pruner: PINS paper, figure 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair, pruners_of, seeds_text
from prunescope.figures.style import DENSE_COLOUR, FULL_WIDTH, look

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "step", "reached", "mean", "std", "n_seeds")


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch, sparsity): losses above, the sparsity reached below."""
    table = source.table("pruning_loss.csv", COLUMNS)
    if table.empty:
        source.skip("pruning_loss", "no gradual pruner recorded its loss")
        return
    # Pruners that were asked for the same ratio reach it to within single weights.
    table = table.assign(at=table["sparsity"].round(3))
    for dataset, arch, own in by_pair(table):
        for at in sorted(set(own["at"])):
            rows = own[own["at"] == at]
            yield _figure(dataset, arch, at, rows.drop(columns="at"))


def _figure(dataset: str, arch: str, at: float, rows: pd.DataFrame) -> Figure:
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(
        2,
        1,
        figsize=(0.75 * FULL_WIDTH, 3.6),
        height_ratios=[3.2, 1],
        sharex=True,
        layout="constrained",
    )
    names = pruners_of(rows)
    layout.pruner_lines(above, rows, names, "step", "mean")
    for pruner, line in rows.groupby("pruner", sort=False):
        line = line.sort_values("step", kind="stable")
        spread = line["std"].fillna(0.0)
        above.fill_between(
            line["step"], line["mean"] - spread, line["mean"] + spread,
            color=look(str(pruner)).colour, alpha=0.15, linewidth=0,
        )  # fmt: skip
    above.set_ylabel("task loss")
    schedules = _schedules(rows, names)
    for shared, line in schedules:
        colour = DENSE_COLOUR if len(shared) > 1 else look(shared[0]).colour
        below.plot([0, *line["step"]], [0.0, *line["reached"]], color=colour)
    below.set(ylabel="sparsity", xlabel="training step", ylim=(0.0, 1.0))
    below.set_xlim(0, rows["step"].max())
    layout.percent_axis(below)
    below.locator_params(axis="y", nbins=4)
    layout.name_at_end(above, rows, names, "mean", "step")
    title = f"Loss during pruning to {100 * at:.4g}%: {dataset} · {arch}"
    caption = (
        "Task loss on training batches, until the sparsity is final; each point is the mean over the "
        f"steps since the previous one. Lines: means over {seeds_text(rows['n_seeds'].tolist())}; bands: one standard "
        "deviation. Other terms that a pruner minimizes (a teacher's answers, penalties) are not included. Below: "
        "the removed share of the prunable weights"
        f"{'; black where pruners share the schedule' if any(len(shared) > 1 for shared, _ in schedules) else ''}."
    )
    return Figure(f"{dataset}--{arch}--{100 * at:.4g}percent", title, caption, figure, rows)


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
