"""The tables that compare the cells of a study, written from the cells' audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from prunescope.analysis.tables.declared import CellRow, Row, write_table
from prunescope.analysis.tables.registry import TABLES
from prunescope.analysis.tables.results import Published, StudyResults, nothing_published, read_cells
from prunescope.config.analysis import Analysis
from prunescope.config.pruners import NO_PRUNER


def collect(
    cells: Sequence[Path],
    out: Path,
    metrics: Sequence[Path] = (),
    analysis: Analysis | None = None,
    sources: Mapping[str, str] | None = None,
    published: Published = nothing_published,
) -> None:
    """Write every table of ``registry.TABLES`` into ``out``.

    Rows of dense models (effectiveness, task_metrics, recall_variance) come from their own cell where there is one,
    else from the dense side of all cells of the architecture.

    Args:
        cells: the cells' folders.
        metrics: records of models, for cells without a ``models.json`` (``results.read_cells``).
        analysis: settings of the tests between cells; by default their defaults.
        sources: of the data sets, by name, as far as known.
        published: the scores that papers print, for the column of this name in ``objectives``.

    Raises:
        UserError: a cell has no audit, or a path does not end as a cell's does.
    """
    found, dense = read_cells(cells, metrics)
    cells_, controls = ([cell for cell in found if cell.control is control] for control in (False, True))
    study = StudyResults(cells_, dense, analysis or Analysis(), sources or {}, published, controls)
    for table in TABLES.values():
        module, _, name = table.maker.partition(":")
        rows: list[Row] = list(getattr(import_module(module), name)(study))
        if issubclass(table.row, CellRow):
            rows.sort(key=_order)
        write_table(out, table.row, rows)


def _order(row: Row) -> tuple[object, ...]:
    """Dense models first; otherwise rows stay as they are made."""
    return (row.dataset, row.arch, row.pruner != NO_PRUNER) if isinstance(row, CellRow) else ()
