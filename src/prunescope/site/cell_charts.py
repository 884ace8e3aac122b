"""Charts of a cell's page: its pruner's curves among the other pruners', and the training losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from prunescope.figures.style import look, ordered
from prunescope.report import sentences, svg_lines
from prunescope.report.sentences import is_share, metric_name, number, percent
from prunescope.report.svg_lines import Line
from prunescope.site.findings import CellNumbers

Value = Callable[[CellNumbers], float | None]
Text = Callable[[float], str]

#: Epochs on a chart of losses; of longer training every n-th is drawn.
_MOST_EPOCHS = 240


def curves(cell: CellNumbers, study: Sequence[CellNumbers]) -> list[dict[str, Any]]:
    """Score, share of PIEs and α by compression level: this pruner in its colour, the others behind it.

    Empty where the pruner has a single compression level.
    """
    own = [c for c in study if (c.dataset, c.arch) == (cell.dataset, cell.arch)]
    own = [c for c in own if c.compression.kind == cell.compression.kind]
    compressions = sorted({c.compression for c in own})
    if len({c.compression for c in own if c.pruner == cell.pruner}) < 2:
        return []
    by_level = {(c.pruner, c.compression): c for c in own}
    pruners = sorted(ordered(c.pruner for c in own), key=lambda name: name != cell.pruner)
    summary = cell.summary
    scored = percent if is_share(summary) else number
    dense = summary.get("dense_score")
    measures: list[tuple[str, Value, Text, tuple[float, str] | None]] = [
        (
            metric_name(summary),
            lambda c: c.summary.get("pruned_score"),
            scored,
            (dense, "dense") if dense is not None else None,
        ),
        ("share of PIEs", lambda c: c.summary.get("pie_share"), percent, None),
        (
            "recall distortion α",
            lambda c: c.alpha["mean"] if c.alpha else None,
            number,
            (1.0, "1: no change"),
        ),
    ]
    found = []
    for name, value, text, reference in measures:
        drawn = [
            Line(
                pruner,
                [
                    value(by_level[pruner, compression]) if (pruner, compression) in by_level else None
                    for compression in compressions
                ],
                look(pruner).colour,
                faint=pruner != cell.pruner,
            )
            for pruner in pruners
        ]
        if all(one is None for one in drawn[0].values):
            continue
        said = ", ".join(
            f"{compression.text}: {text(one)}"
            for compression, one in zip(compressions, drawn[0].values, strict=True)
            if one is not None
        )
        found.append(
            {
                "name": name,
                "chart": svg_lines.lines(
                    drawn,
                    [compression.text for compression in compressions],
                    x_label=str(cell.compression.kind),
                    y_label=name,
                    label=f"{name} of {cell.pruner} by {cell.compression.kind}: {said}",
                    text=text,
                    from_zero=name == "share of PIEs",
                    here=compressions.index(cell.compression),
                    reference=reference,
                ),
            }
        )
    return found


def training(models: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Losses over epochs, a line per seed; None where they were not recorded."""
    recorded = [(model["seed"], model.get("epochs") or []) for model in models]
    longest = max((epochs for _, epochs in recorded), key=len, default=[])
    if len(longest) < 2:
        return None
    step = -(-len(longest) // _MOST_EPOCHS)
    names = [f"{epoch.get('phase', '')} {epoch.get('epoch', '')}".strip() for epoch in longest][::step]
    drawn = []
    for seed, epochs in recorded:
        for what, key, dashed in (("training", "loss", False), ("validation", "validation_loss", True)):
            values = [_loss(epoch.get(key)) for epoch in epochs][::step]
            if any(value is not None for value in values):
                values += [None] * (len(names) - len(values))
                drawn.append(Line(f"seed {seed}, {what} loss", values, dashed=dashed, marks=False))
    if not drawn:
        return None
    last = [line.values for line in drawn if not line.dashed]
    ends = [next((v for v in reversed(values) if v is not None), None) for values in last]
    known = [end for end in ends if end is not None]
    said = f", at the end {number(min(known), 3)} to {number(max(known), 3)}" if known else ""
    return svg_lines.lines(
        drawn,
        names,
        x_label="epoch, by phase",
        y_label="loss; dashed: validation",
        label=f"Loss of {sentences.count(len(recorded), 'model')} over {sentences.count(len(longest), 'epoch')}{said}",
        text=lambda value: number(value),
        from_zero=True,
    )


def _loss(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
