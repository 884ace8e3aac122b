"""Accuracy against recall distortion at moderate pruning: recall paper, figure 13 and appendix E."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from prunescope.analysis.alpha.cells import AlphaCell
from prunescope.analysis.stats import mean, standard_error
from prunescope.figures import layout
from prunescope.figures.cuts import NO_ALPHA, Measured
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import DENSE_COLOUR, look

COLUMNS = (
    "dataset", "arch", "pruner", "amount", "ratio", "accuracy", "accuracy_se", "alpha", "alpha_se", "n_seeds",
    "n_alphas",
)  # fmt: skip
#: The highest ratio shown, as reached: exact counts of weights give a little more or less than asked for.
HIGHEST = 10.0
_ROUNDING = 1.02


def draw(source: Source) -> Iterator[Figure]:
    """A figure per data set, a panel per architecture and pruner."""
    measured = Measured.of(source)
    for dataset in dict.fromkeys(cell.dataset for cell in source.cells):
        own = [(cell, alpha) for cell, alpha in measured.cells if cell.dataset == dataset]
        if not own:
            source.skip(f"accuracy and alpha, {dataset}", NO_ALPHA)
            continue
        curves = {
            (arch, pruner): curve(
                [(cell, alpha) for cell, alpha in own if (cell.arch, cell.pruner) == (arch, pruner)]
            )
            for arch, pruner in dict.fromkeys((cell.arch, cell.pruner) for cell, _ in _by_size(own))
        }
        shown = {key: table for key, table in curves.items() if len(table) > 1}
        for arch, pruner in curves:
            if (arch, pruner) not in shown:
                source.skip(
                    f"accuracy and alpha, {dataset} · {arch} · {pruner}",
                    f"no compression level up to ratio {HIGHEST:g} with a known ratio",
                )
        if shown:
            yield _figure(dataset, shown)


def curve(cells: Sequence[tuple[CellFiles, AlphaCell]]) -> pd.DataFrame:
    """``COLUMNS`` of one architecture and pruner by ratio, the dense models (ratio 1, no alpha) first.

    Means and standard errors are over seeds; the dense models are those of its cells. ``n_seeds`` of them
    have an accuracy, ``n_alphas`` a slope: models that are right nowhere have none.
    """
    first, _ = cells[0]
    key = (first.dataset, first.arch, first.pruner)
    dense: dict[int, float] = {}
    for _, alpha in cells:
        dense.update(alpha.accuracy_dense)
    before = [dense[seed] for seed in sorted(dense)]
    found: list[tuple[Any, ...]] = [
        (*key, None, 1.0, mean(before), standard_error(before), None, None, len(before), 0)
    ]
    for cell, alpha in cells:
        if alpha.ratio is not None and alpha.ratio <= HIGHEST * _ROUNDING:
            accuracies, alphas = list(alpha.accuracy_pruned.values()), list(alpha.alpha.values())
            spread = (mean(accuracies), standard_error(accuracies), mean(alphas), standard_error(alphas))
            found.append((*key, cell.compression.token, alpha.ratio, *spread, len(accuracies), len(alphas)))
    return pd.DataFrame(found, columns=list(COLUMNS)).sort_values("ratio", ignore_index=True, kind="stable")


def _by_size(own: Sequence[tuple[CellFiles, AlphaCell]]) -> list[tuple[CellFiles, AlphaCell]]:
    return sorted(own, key=lambda pair: (pair[1].parameters or 0, pair[0].arch))


def _figure(dataset: str, curves: dict[tuple[str, str], pd.DataFrame]) -> Figure:
    columns = 2 if len(curves) == 4 else 3
    figure, panels = layout.panels(len(curves), columns=columns, height=2.0)
    for panel, ((arch, pruner), table) in zip(panels, curves.items(), strict=True):
        _curves(panel, pruner, table)
        panel.set_title(f"{arch} · {pruner}")
    used = min(columns, len(curves))
    layout.outer_labels(panels, columns, "pruning ratio", "mean accuracy")
    for position, panel in enumerate(panels):
        if position % used == used - 1 or position == len(panels) - 1:
            panel.right.set_ylabel("mean α")
    layout.legend_below(
        figure,
        [
            layout.line_handle(
                "accuracy (left)", color=DENSE_COLOUR, marker="s", linewidth=1.3, markersize=3.4
            ),
            layout.line_handle(
                "α (right, in the pruner's colour)", color="#5f6368", marker="o", markersize=3.4
            ),
            layout.line_handle(
                "dense accuracy, and α = 1", color="#5f6368", linewidth=0.9, linestyle=(0, (3, 2))
            ),
        ],
        columns=3,
    )
    title = f"Accuracy against recall distortion at moderate pruning: {dataset}"
    figure.suptitle(title)
    data = pd.concat(curves.values(), ignore_index=True)
    fewer = bool((data["n_alphas"] < data["n_seeds"])[data["amount"].notna()].any())
    caption = (
        "Mean accuracy (left axis, from the dense models at ratio 1) and mean intensification α (right axis) "
        f"up to ratio {HIGHEST:g}, with standard errors over {seeds_text([float(n) for n in data['n_seeds']])}"
        f"{', fewer where a model has no α' if fewer else ''}. "
        "Dashed line: the accuracy before pruning, and α = 1. Accuracy above it and α below it: "
        "pruning improves both."
    )
    return Figure(dataset, title, caption, figure, data)


def _curves(panel: Any, pruner: str, table: pd.DataFrame) -> None:
    colour = look(pruner).colour
    right = panel.twinx()
    panel.right = right
    pruned = table[table["alpha"].notna()]
    panel.errorbar(
        table["ratio"], table["accuracy"], yerr=table["accuracy_se"].fillna(0), color=DENSE_COLOUR, marker="s",
        markersize=3.2, linewidth=1.3, capsize=2.2, elinewidth=0.9,
    )  # fmt: skip
    right.errorbar(
        pruned["ratio"], pruned["alpha"], yerr=pruned["alpha_se"].fillna(0), color=colour, marker="o",
        markersize=3.2, linewidth=1.3, capsize=2.2, elinewidth=0.9,
    )  # fmt: skip
    before = float(table["accuracy"].iloc[0])
    _centre(panel, before, table["accuracy"], table["accuracy_se"])
    _centre(right, 1.0, pruned["alpha"], pruned["alpha_se"])
    panel.axhline(before, color="#5f6368", linewidth=0.9, linestyle=(0, (3, 2)), zorder=1.5)
    panel.grid(False)
    right.grid(False)
    right.spines["right"].set_visible(True)
    right.spines["right"].set_color(colour)
    right.tick_params(axis="y", colors=colour)
    for axes in (panel, right):
        axes.locator_params(axis="y", nbins=5)
    ratios = [float(ratio) for ratio in table["ratio"]]
    panel.set_xticks(ratios, [f"{ratio:.3g}" for ratio in ratios])


def _centre(axes: Any, middle: float, values: pd.Series, errors: pd.Series) -> None:
    """A y axis with ``middle`` in its middle that shows every value with its error."""
    reach = float(((values - middle).abs() + errors.fillna(0)).max())
    reach = 1.12 * reach if reach > 0 else 0.01
    axes.set_ylim(middle - reach, middle + reach)
