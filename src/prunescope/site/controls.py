"""What the pages say of a cell beside its control, which trains alike and is not pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.tables.declared import read_table
from prunescope.analysis.tables.registry import Control
from prunescope.errors import UserError
from prunescope.report.sentences import count, is_share, metric_name, number
from prunescope.report.sentences import signed_points as points


def read(tables: Path, problems: list[str]) -> list[Control]:
    """The rows of ``controls.csv``; none of a study without controls. A damaged file is added to ``problems``."""
    if not (tables / "controls.csv").exists():
        return []
    try:
        return read_table(tables, Control)
    except UserError as error:
        problems.append(str(error))
        return []


def sentence(row: Control, summary: Mapping[str, Any]) -> str | None:
    """A cell's change from the dense model and from its control, with the interval of the second."""
    if row.change_from_dense is None or row.change_from_control is None:
        return None

    def text(change: float) -> str:
        return points(change) if is_share(summary) else f"{change:+.3f}"

    interval = ""
    if row.ci_low is not None and row.ci_high is not None:
        interval = f" ({text(row.ci_low)} to {text(row.ci_high)})"
    unit = " points" if is_share(summary) else ""
    null = ""
    if row.alpha_control is not None:
        null = (
            f" The recall paper's α is {number(row.alpha_control)} between dense models and controls of the same seed, "
            "where nothing is pruned."
        )
    return (
        f"Change of {metric_name(summary)} from the dense model {text(row.change_from_dense)}{unit}, from the control, "
        f"which trains alike and is not pruned, {text(row.change_from_control)}{unit}{interval}.{null}"
    )


def headline(rows: Sequence[Control]) -> str | None:
    """How many cells score above the dense model, and how many of these still do beside their control."""
    known = [
        (row.change_from_dense, row.change_from_control)
        for row in rows
        if row.change_from_dense is not None and row.change_from_control is not None
    ]
    if not known:
        return None
    above = [from_control for from_dense, from_control in known if from_dense > 0]
    text = f"{len(above)} of {count(len(known), 'pruned cell')} score above their dense model"
    if above:
        still = sum(change > 0 for change in above)
        text += f", {still} of these also above their control, which trains alike and is not pruned"
    return f"{text}."
