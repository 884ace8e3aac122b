"""Figures with layers along an axis and a line per pruner; the rank of weight matrices: PINS paper, figures 2 and 5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunescope.analysis.weights.names import short_names
from prunescope.config.pruners import NO_PRUNER
from prunescope.figures import layout
from prunescope.figures.layout import Figure
from prunescope.figures.source import Source, by_pair, pruners_of, seeds_text
from prunescope.figures.style import DENSE_COLOUR

COLUMNS = (
    *("dataset", "arch", "pruner", "sparsity", "layer", "layer_name", "matrix", "n_matrices", "n_seeds"),
    *("left_share", "left_share_std", "rank_share", "rank_share_std"),
)

#: Numbers of layers along an axis, at most; of more, every second has a label, or every third, and so on.
_NUMBERS = 13
#: Letters of names along an axis; more are set aslant.
_LETTERS = 34


def of_layers(source: Source) -> pd.DataFrame:
    """The rows of weights.csv that are of whole layers; an empty table where a study has none, which is noted."""
    path = source.tables / "weights.csv"
    table = source.table("weights.csv", COLUMNS)
    if table.empty and path.exists():
        source.skip("weights", "the study does not measure weights (weight_statistics)")
    return table[table["layer"].notna() & (table["matrix"] == "")]


def levels_of(rows: pd.DataFrame) -> list[float]:
    """Sparsities, ascending, of the pruned models in these rows."""
    return sorted({round(float(value), 3) for value in rows[rows["pruner"] != NO_PRUNER]["sparsity"]})


def at_level(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """The pruned models of a sparsity (reached ones differ in the last decimals), and the dense ones."""
    return rows[(rows["sparsity"].round(3) == level) | (rows["pruner"] == NO_PRUNER)]


def side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """With the columns ``x``, by which pruners stand apart a little, so that their spreads can be distinguished, and
    ``left_low`` to ``rank_high``, a standard deviation to either side."""
    names = pruners_of(rows)
    shift = rows["pruner"].map(
        {name: 0.24 * ((at + 0.5) / len(names) - 0.5) for at, name in enumerate(names)}
    )
    ends: dict[str, pd.Series] = {}
    for name in ("left", "rank"):
        spread = rows[f"{name}_share_std"].fillna(0.0)
        ends |= {
            f"{name}_low": rows[f"{name}_share"] - spread,
            f"{name}_high": rows[f"{name}_share"] + spread,
        }
    return rows.assign(x=rows["layer"] + shift.fillna(0.0), **ends)


def draw_layers(panel: Any, rows: pd.DataFrame, column: str) -> None:
    """The layers' axis of a panel, and the dense models' line."""
    dense = rows[rows["pruner"] == NO_PRUNER].sort_values("layer", kind="stable")
    panel.plot(dense["layer"], dense[column], color=DENSE_COLOUR, linewidth=1.1, clip_on=False, zorder=1.5)
    layer_axis(panel, rows)
    layout.percent_axis(panel)
    layout.from_zero([panel], [1.0])


def layer_axis(panel: Any, rows: pd.DataFrame) -> None:
    """An x axis of the layers of one architecture by their short names."""
    layers = rows.drop_duplicates("layer").sort_values("layer", kind="stable")
    positions = [int(layer) for layer in layers["layer"]]
    names = short_names([str(name) for name in layers["layer_name"]])
    words = [position for position, name in zip(positions, names, strict=True) if not name.isdecimal()]
    numbers = [position for position in positions if position not in words]
    step = next(n for n in range(1, len(positions) + 1) if len(numbers[::n]) <= _NUMBERS)
    # A word beside a number needs its room.
    crowded = len(positions) > _NUMBERS / 2
    kept = [n for n in numbers[::step] if not crowded or not any(abs(n - word) <= step for word in words)]
    shown = [
        (position, name)
        for position, name in zip(positions, names, strict=True)
        if position in (*words, *kept)
    ]
    panel.set_xticks([position for position, _ in shown], [name for _, name in shown])
    panel.set_xticks(positions, minor=True)
    panel.tick_params(axis="x", which="minor", length=1.5)
    if sum(len(names[position - positions[0]]) + 1 for position in words) > _LETTERS:
        panel.tick_params(axis="x", labelrotation=45)
        for label in panel.get_xticklabels():
            label.set_ha("right")
            label.set_rotation_mode("anchor")
    panel.set_xlim(positions[0] - 0.5, positions[-1] + 0.5)


def draw_rank(source: Source) -> Iterator[Figure]:
    """A figure per (dataset, arch), a panel per sparsity, a line per pruner."""
    table = of_layers(source)
    for dataset, arch, rows in by_pair(table):
        levels = levels_of(rows)
        if not levels:
            source.skip(f"weights_rank: {dataset} · {arch}", "no pruned model's weights were measured")
            continue
        shown = pd.concat(
            [at_level(rows, level).assign(level=f"{100 * level:.3g}% sparsity") for level in levels]
        )
        figure, axes = layout.lines(
            side_by_side(shown), ("level",), "x", "rank_share",
            lambda panel, rows, own: draw_layers(panel, rows, "rank_share"),
            ("rank_low", "rank_high"), under="layer",
        )  # fmt: skip
        layout.outer_labels(axes, 3, None, "mean rank (% of full)")
        title = f"Rank of weight matrices by layer: {dataset} · {arch}"
        most = int(rows["n_matrices"].max())
        caption = (
            f"Numerical rank of the prunable weight matrices of each layer (1 to {most} a layer), as a share of "
            "the highest that their shapes allow, averaged over a layer's matrices and over "
            f"{seeds_text(list(rows['n_seeds']))}; vertical lines: standard deviation over seeds. A panel per "
            "sparsity of the model, a line per pruner; black: the dense models. Singular values below "
            "the largest one times the longer side times 2^-23 count as zero."
        )
        yield Figure(f"{dataset}--{arch}", title, caption, figure, rows)
