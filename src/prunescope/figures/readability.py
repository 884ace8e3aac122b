"""How the text of PIEs differs from all text: PIE paper, figure 5."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair, pruners_of, seeds_text

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "measure", "all", "pies", "ratio")
#: The mean stands in the data beside a figure under this name.
_MEAN = "mean of all pruners"

#: Names as a reader knows them, in the order of columns.
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
    """A figure per (dataset, arch) of texts: a row per pruner and sparsity, a column per measure."""
    table = source.table("readability.csv", COLUMNS)
    table = table[table["pruner"] != "none"]
    if table["ratio"].notna().sum() == 0:
        source.skip("readability", "no texts, or no PIEs among them")
        return
    for dataset, arch, rows in by_pair(table):
        if rows["ratio"].notna().sum() == 0:
            source.skip(f"readability, {dataset} · {arch}", "there are no PIEs")
            continue
        yield _figure(source, dataset, arch, rows)


def _figure(source: Source, dataset: str, arch: str, rows: pd.DataFrame) -> Figure:
    names = pruners_of(rows)
    data = rows
    if len(names) > 1:
        data = pd.concat([rows, _means(rows)], ignore_index=True)
        names = [*names, _MEAN]
    measures = sorted(set(rows["measure"]), key=[*MEASURES, *rows["measure"]].index)
    # Pruners that were asked for the same ratio reach it to within single weights.
    key = [data["pruner"], data["sparsity"].round(3), "measure"]
    shown = data.groupby(key)["ratio"].mean().unstack()[measures].rename(columns=measure_name)
    shown = shown.loc[[at for name in names for at in shown.index if at[0] == name]]
    shown.index = [f"{pruner} · {100 * sparsity:.3g}%" for pruner, sparsity in shown.index]
    figure, _ = layout.heatmap(shown, "PIEs / all texts", center=1.0, form=".2f")
    title = f"How the text of PIEs differs: {dataset} · {arch}"
    seeds = [cell.n_seeds for cell in source.of_pair(dataset, arch)]
    caption = (
        "Mean over the PIEs divided by the mean over all test texts, for seven readability measures and the length in "
        "tokens, a row per pruner and sparsity. Above 1 (red), the text of PIEs is harder to read or longer than the "
        "average text; below 1 (blue), easier or shorter; empty: no PIEs."
        + (" Last rows: the mean of those pruners that have PIEs." if len(names) > 1 else "")
        + (f" PIEs are majorities over {seeds_text(seeds)}." if seeds else "")
    )
    return Figure(f"{dataset}--{arch}", title, caption, figure, data)


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean ratio of all pruners by measure and sparsity, in the columns of ``rows``."""
    key = ["dataset", "arch", rows["sparsity"].round(3), "measure"]
    found = rows.groupby(key, sort=True)[["all", "pies", "ratio"]].mean().reset_index()
    return found.assign(pruner=_MEAN).reindex(columns=rows.columns)
