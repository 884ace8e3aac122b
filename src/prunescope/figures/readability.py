"""How the text of PIEs differs from all text: PIE paper, figure 5."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, pairs, pruners_of, seeds_text
from prunescope.figures.style import DENSE_COLOUR, MEAN_COLOUR, look

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "measure", "all", "pies", "ratio")
_PANELS = 4

#: The line of the mean stands in the data beside a figure under this name.
_MEAN = "mean of all pruners"
_MEAN_STYLE = {"color": MEAN_COLOUR, "linewidth": 2.6}

#: Names as a reader knows them, in the order of panels.
MEASURES = {
    "automated_readability_index": "Automated readability",
    "coleman_liau_index": "Coleman–Liau",
    "flesch_kincaid_grade": "Flesch–Kincaid",
    "linsear_write_formula": "Linsear Write",
    "gunning_fog": "Gunning fog",
    "dale_chall_readability_score": "Dale–Chall",
    "difficult_words": "Difficult words",
    "text_length": "Length in tokens",
}


def measure_name(measure: str) -> str:
    """A measure's reader-facing name."""
    return MEASURES.get(measure, measure.replace("_", " ").capitalize())


def draw(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch) of texts, a panel per measure, a line per pruner."""
    table = source.table("readability.csv", COLUMNS)
    table = table[table["pruner"] != "none"]
    if table["ratio"].notna().sum() == 0:
        source.skip("readability", "no texts, or no PIEs among them")
        return
    for dataset, arch in pairs(table):
        rows = table[(table["dataset"] == dataset) & (table["arch"] == arch)]
        if rows["ratio"].notna().sum() == 0:
            source.skip(f"readability, {dataset} · {arch}", "there are no PIEs")
            continue
        seeds = [float(cell.summary.get("n_seeds") or "nan") for cell in source.of_pair(dataset, arch)]
        yield _figure(dataset, arch, rows, seeds)


def _figure(dataset: str, arch: str, rows: pd.DataFrame, seeds: list[float]) -> Figure:
    present = list(dict.fromkeys(rows["measure"]))
    measures = [name for name in MEASURES if name in present] + [n for n in present if n not in MEASURES]
    names = pruners_of(rows)
    means = _means(rows) if len(names) > 1 else rows.iloc[:0]
    figure, axes = layout.panels(len(measures), columns=_PANELS, height=1.75)
    for panel, measure in zip(axes, measures, strict=True):
        panel.axhline(1.0, color=DENSE_COLOUR, linewidth=1.1, zorder=1.5)
        for pruner in names:
            line = rows[(rows["pruner"] == pruner) & (rows["measure"] == measure)]
            line = line.sort_values("sparsity", kind="stable")
            panel.plot(line["sparsity"], line["ratio"], **look(pruner).plot())
        if not means.empty:
            line = means[means["measure"] == measure]
            panel.plot(line["sparsity"], line["ratio"], zorder=3, **_MEAN_STYLE)
        layout.sparsity_axis(panel, rows["sparsity"], narrow=True)
        panel.locator_params(axis="y", nbins=5, steps=[1, 2, 5, 10])
        panel.yaxis.set_major_formatter("{x:.4g}")
        panel.set_title(measure_name(measure), fontsize=7.8)
    layout.outer_labels(axes, _PANELS, "sparsity", "PIEs / all texts")
    handles = [layout.line_handle(name, **look(name).plot()) for name in names]
    if not means.empty:
        handles.append(layout.line_handle(_MEAN, **_MEAN_STYLE))
    handles.append(layout.line_handle("equal", color=DENSE_COLOUR, linewidth=1.1))
    layout.legend_below(figure, handles)
    title = f"How the text of PIEs differs: {dataset} · {arch}"
    figure.suptitle(title)
    over = f" PIEs are majorities over {seeds_text(seeds)}." if seeds else ""
    caption = (
        "Mean over the PIEs divided by the mean over all test texts, for seven readability measures and "
        "the length in tokens, against sparsity. Above the black line at 1, the text of PIEs is harder to "
        "read or longer than the average text."
        + (" Turquoise: the mean of those pruners that have PIEs." if not means.empty else "")
        + over
    )
    data = rows if means.empty else pd.concat([rows, means], ignore_index=True)
    return Figure(f"{dataset}--{arch}", title, caption, figure, data)


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean ratio of all pruners by measure and sparsity, in the columns of ``rows``."""
    # Pruners that were asked for the same ratio reach it to within single weights.
    key = ["dataset", "arch", rows["sparsity"].round(3), "measure"]
    found = rows.groupby(key, sort=True)[["all", "pies", "ratio"]].mean().reset_index()
    return found.assign(pruner=_MEAN).reindex(columns=rows.columns)
