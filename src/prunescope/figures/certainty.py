"""What probabilities lose, against sparsity: as the models are, and after temperature scaling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair
from prunescope.figures.style import look

COLUMNS = (
    "dataset", "arch", "pruner", "sparsity", "measure", "scaled", "dense", "pruned", "change", "ci_low", "ci_high",
    "confidence",
)  # fmt: skip

#: Measures that are drawn: divergence, and changes of the others.
MEASURES = {
    "kl": "KL, nats",
    "nll": "NLL, nats",
    "brier": "Brier score",
    "ece": "ECE",
}


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per measure."""
    table = source.table("certainty.csv", COLUMNS)
    table = table[table["measure"].isin(list(MEASURES))]
    if table.empty:
        source.skip("certainty", "no cell has logits")
        return
    for dataset, arch, rows in by_pair(table):
        yield _figure(source, dataset, arch, rows)


def _figure(source: Source, dataset: str, arch: str, table: pd.DataFrame) -> Figure:
    order = sorted(range(len(table)), key=lambda at: list(MEASURES).index(table["measure"].iloc[at]))
    by_measure = table.iloc[order]
    by_measure = by_measure.assign(measure=by_measure["measure"].map(MEASURES))
    scaled = by_measure[by_measure["scaled"] == 1]

    def scale(panel: Any, rows: pd.DataFrame, own: Sequence[str]) -> None:
        panel.axhline(0.0, color="#9aa0a6", linewidth=0.8, zorder=1)
        after = scaled[scaled["measure"] == rows["measure"].iloc[0]].sort_values("sparsity", kind="stable")
        for pruner, line in after[after["pruner"].isin(own)].groupby("pruner", sort=False):
            panel.plot(
                line["sparsity"], line["change"], color=look(str(pruner)).colour, linestyle=":", linewidth=1.1
            )
        layout.levels_axis(panel, source, rows)
        panel.locator_params(axis="y", nbins=5)

    raw = by_measure[by_measure["scaled"] != 1]
    figure, _ = layout.lines(
        raw,
        ("measure",),
        "sparsity",
        "change",
        scale,
        ("ci_low", "ci_high"),
        columns=4,
        height=1.7,
        under="sparsity",
    )
    title = f"What probabilities lose: {dataset} · {arch}"
    confidence = float(table["confidence"].iloc[0])
    caption = (
        "How the probabilities of pruned models differ from those of the dense models of the same seed, against "
        "sparsity: Kullback–Leibler divergence, and change of the negative log-likelihood (NLL), the Brier score and "
        "the expected calibration error (ECE; 0: no change); means over seeds and examples with their "
        f"{100 * confidence:g} % intervals. Dotted: after each model's logits are divided by the temperature that fits "
        "half of the examples best. What is left there is lost information; what goes away is lost scale. Grey lines: "
        "the pruners of the other panels."
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, table)
