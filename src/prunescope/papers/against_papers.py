"""A study's tables, with those that hold it against papers: published.csv, published_tests.csv, claims*.csv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from prunescope.analysis.latex import write_latex
from prunescope.analysis.tables import papers as tables
from prunescope.analysis.tables.collect import collect
from prunescope.analysis.tables.declared import Key, write_table
from prunescope.analysis.tables.registry import TABLES
from prunescope.analysis.tables.results import read_cells
from prunescope.config.analysis import Analysis
from prunescope.papers.claims import Finding
from prunescope.papers.comparison import published_rows, test_rows
from prunescope.papers.measured import Measured
from prunescope.papers.pie.claims import CLAIMS as PIE
from prunescope.papers.pins.claims import CLAIMS as PINS
from prunescope.papers.pins.printed import objective_score
from prunescope.papers.recall.claims import CLAIMS as RECALL

#: The claims of every paper.
CLAIMS = (PIE, PINS, RECALL)


def collect_all(
    cells: Sequence[Path],
    out: Path,
    analysis: Analysis | None = None,
    sources: Mapping[str, str] | None = None,
) -> None:
    """Write all tables of a study into ``out``: the analysis' (``collect``), and from these the papers' (``write``);
    and all of them for LaTeX into ``out/latex``.

    Raises:
        UserError: as ``collect``.
    """
    collect(cells, out, analysis=analysis, sources=sources, published=objective_score)
    write(out, cells, sources)
    write_latex(out, TABLES | tables.TABLES)


def write(out: Path, cells: Sequence[Path], sources: Mapping[str, str] | None = None) -> None:
    """Write the papers' tables into ``out``, where those of the analysis are.

    Args:
        cells: the cells' folders, those of the dense models included.
        sources: the source of each data set, by which papers' data sets are known; without one by name.
    """
    every, _ = read_cells(cells)
    found = [cell for cell in every if not cell.control]
    study = Measured.read(out, found, sources)
    levels = {cell.key: cell.folder.name for cell in found if cell.key is not None}
    write_table(out, tables.Published, published_rows(study))
    write_table(out, tables.PublishedTest, test_rows(study))
    write_table(out, tables.ClaimRow, claim_rows(study))
    write_table(out, tables.CellClaims, rows_by_cell(study, levels))


def findings(study: Measured) -> dict[str, Finding]:
    """Of every claim, by id."""
    return {name: finding for claims in CLAIMS for name, finding in claims.findings(study).items()}


def claim_rows(study: Measured) -> list[tables.ClaimRow]:
    found = findings(study)
    return [
        tables.ClaimRow(claim.id, claim.words.says, *found[claim.id])
        for claims in CLAIMS
        for claim in claims.claims
    ]


def rows_by_cell(study: Measured, levels: Mapping[Key, str]) -> Iterator[tables.CellClaims]:
    """For cells that decide at least one claim by themselves: every claim checked as if the study had no other cell.

    Claims about several cells are not measured then.

    Args:
        levels: the compression level that each cell was pruned to, as its folder is called.
    """
    for key in (key for key in study.cells if key in levels):
        found = findings(study.part([key.dense, key]))
        holds, fails = ([n for n, one in found.items() if one.verdict == v] for v in ("holds", "fails"))
        if holds or fails:
            counts = (len(holds), len(holds) + len(fails))
            yield tables.CellClaims(*key, levels[key], *counts, "|".join(holds), "|".join(fails))
