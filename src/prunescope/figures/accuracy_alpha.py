"""Accuracy and recall distortion against the pruning ratio, up to 10: recall paper, figure 13 and appendix E."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from prunescope.analysis.alpha.cells import AlphaCell
from prunescope.analysis.stats import mean, standard_error
from prunescope.figures import layout
from prunescope.figures.cuts import NO_ALPHA, Measured
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source, seeds_text

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


#: What is drawn, and its columns.
_MEASURES = {"mean accuracy": ("accuracy", "accuracy_se"), "mean α": ("alpha", "alpha_se")}


def _figure(dataset: str, curves: dict[tuple[str, str], pd.DataFrame]) -> Figure:
    data = pd.concat(curves.values(), ignore_index=True)
    parts = []
    for measure, (value, error) in _MEASURES.items():
        spread = data[error].fillna(0.0)
        ends = {"low": data[value] - spread, "high": data[value] + spread}
        parts.append(data.assign(measure=measure, value=data[value], **ends)[data[value].notna()])
    shown = pd.concat(parts, ignore_index=True)
    figure, _ = layout.lines(
        shown,
        ("arch", "measure"),
        "ratio",
        "value",
        _scale,
        ("low", "high"),
        columns=2,
        under="pruning ratio",
    )
    title = f"Accuracy and recall distortion α up to ratio {HIGHEST:g}: {dataset}"
    fewer = bool((data["n_alphas"] < data["n_seeds"])[data["amount"].notna()].any())
    caption = (
        "Mean accuracy, from the dense models at ratio 1, and mean intensification α, up to ratio "
        f"{HIGHEST:g}, with standard errors over {seeds_text([float(n) for n in data['n_seeds']])}"
        f"{', fewer where a model has no α' if fewer else ''}. "
        "Black lines: the accuracy before pruning, and α = 1. Accuracy above it and α below it: "
        "pruning improves both. Grey lines: the pruners of the other panels."
    )
    return Figure(dataset, title, caption, figure, data)


def _scale(panel: Any, rows: pd.DataFrame, own: Sequence[str]) -> None:
    of_accuracy = rows["measure"].iloc[0] == next(iter(_MEASURES))
    layout.reference(panel, float(rows["value"].iloc[0]) if of_accuracy else 1.0)
    panel.set_xscale("log", base=2)
    ratios = [round(float(ratio), 1) for ratio in rows["ratio"]]
    last = math.log2(max(ratios)) or 1.0
    layout.spaced_ticks(panel, ratios, lambda ratio: math.log2(ratio) / last, lambda ratio: f"{ratio:.2g}")
    panel.set_xlim(0.95, 1.05 * max(ratios))
    if of_accuracy:
        layout.percent_axis(panel)
    panel.set_ylabel(rows["measure"].iloc[0])
