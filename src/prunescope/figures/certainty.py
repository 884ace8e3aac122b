"""What probabilities lose, against sparsity: as the models are, and after temperature scaling."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, pairs, pruners_of
from prunescope.figures.style import look

COLUMNS = (
    "dataset", "arch", "pruner", "sparsity", "measure", "scaled", "dense", "pruned", "change", "ci_low", "ci_high",
    "confidence",
)  # fmt: skip

#: Measures that are drawn, and what their change is called.
MEASURES = {
    "kl": "KL divergence, nats",
    "nll": "change of NLL, nats",
    "brier": "change of Brier score",
    "ece": "change of ECE",
}

#: After temperature scaling.
_SCALED = (0, (1.2, 1.1))


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per measure."""
    table = source.table("certainty.csv", COLUMNS)
    table = table[table["measure"].isin(list(MEASURES))]
    if table.empty:
        source.skip("certainty", "no cell has logits")
        return
    for dataset, arch in pairs(table):
        yield _figure(dataset, arch, table[(table["dataset"] == dataset) & (table["arch"] == arch)])


def _figure(dataset: str, arch: str, table: pd.DataFrame) -> Figure:
    names = pruners_of(table)
    figure, axes = layout.panels(len(MEASURES), columns=2, height=2.1)
    for panel, (measure, text) in zip(axes, MEASURES.items(), strict=True):
        panel.axhline(0.0, color="#9aa0a6", linewidth=0.8, zorder=1)
        for pruner in names:
            rows = table[(table["measure"] == measure) & (table["pruner"] == pruner)]
            rows = rows.sort_values("sparsity", kind="stable")
            after = rows["scaled"] == 1
            raw, scaled = rows[~after], rows[after]
            ends = [(raw["change"] - raw["ci_low"]).fillna(0.0), (raw["ci_high"] - raw["change"]).fillna(0.0)]
            panel.errorbar(
                raw["sparsity"],
                raw["change"],
                yerr=[end.clip(lower=0.0) for end in ends],
                elinewidth=0.7,
                capsize=1.6,
                capthick=0.7,
                **look(pruner).plot(),
            )
            style = {**look(pruner).plot(), "linestyle": _SCALED, "markerfacecolor": "white"}
            panel.plot(scaled["sparsity"], scaled["change"], **style)
        layout.sparsity_axis(panel, table["sparsity"])
        panel.set_title(text)
    layout.outer_labels(axes, 2, "sparsity", None)
    handles = [layout.line_handle(name, **look(name).plot()) for name in names]
    handles.append(layout.line_handle("after temperature scaling", color="#555555", linestyle=_SCALED))
    layout.legend_below(figure, handles)
    title = f"What probabilities lose: {dataset} · {arch}"
    figure.suptitle(title)
    confidence = float(table["confidence"].iloc[0])
    caption = (
        "How the probabilities of pruned models differ from those of the dense models of the same seed, against "
        "sparsity: Kullback–Leibler divergence, and change of the negative log-likelihood, the Brier score and the "
        "expected calibration error (0: no change); means over seeds and examples with their "
        f"{100 * confidence:g} % intervals. Dotted: after each model's logits are divided by the temperature that fits "
        "half of the examples best. What is left there is lost information; what goes away is lost scale."
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, table)
