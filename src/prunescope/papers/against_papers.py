"""A study's tables, with those that hold it against papers: published.csv, published_tests.csv, claims*.csv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.csv_text import write_csv
from prunescope.analysis.tables.collect import collect
from prunescope.config.analysis import Analysis
from prunescope.papers import comparison
from prunescope.papers.claims import Finding
from prunescope.papers.keys import Key
from prunescope.papers.measured import Measured
from prunescope.papers.pie.claims import CLAIMS as PIE
from prunescope.papers.pins.claims import CLAIMS as PINS
from prunescope.papers.pins.printed import objective_score
from prunescope.papers.recall.claims import CLAIMS as RECALL

#: The claims of every paper.
CLAIMS = (PIE, PINS, RECALL)

#: The files and their columns.
COLUMNS: dict[str, tuple[str, ...]] = {
    "published": comparison.COLUMNS,
    "published_tests": comparison.TEST_COLUMNS,
    "claims": ("id", "statement", "verdict", "evidence"),
    "claims_by_cell": (*Key._fields, "amount", "n_hold", "n_decided", "holds", "fails"),
}


def collect_all(
    cells: Sequence[Path],
    out: Path,
    analysis: Analysis | None = None,
    sources: Mapping[str, str] | None = None,
) -> None:
    """Write the cross-study tables into ``out``, and the study against the papers (``COLUMNS``).

    Args:
        cells: the cells' folders.
        sources: of the data sets, by which papers' data sets are known; those without one are known by name.

    Raises:
        UserError: a cell has no audit, or a path does not end as a cell's does.
    """
    found = collect(cells, out, analysis=analysis, sources=sources, published=objective_score)
    write(out, [(Key(*cell.key), cell.folder) for cell in found if cell.sparsity is not None], sources)


def write(out: Path, cells: Sequence[tuple[Key, Path]], sources: Mapping[str, str] | None = None) -> None:
    """Write ``COLUMNS`` into ``out``, where the cross-study tables of these cells already are."""
    study = Measured.read(out, cells, sources)
    rows: dict[str, Sequence[Sequence[Any]]] = {
        "published": comparison.published_rows(study),
        "published_tests": comparison.test_rows(study),
        "claims": claim_rows(study),
        "claims_by_cell": list(rows_by_cell(study, {key: folder.name for key, folder in cells})),
    }
    for name, columns in COLUMNS.items():
        write_csv(out / f"{name}.csv", columns, rows[name])


def findings(study: Measured) -> dict[str, Finding]:
    """Of every claim, by id."""
    return {name: finding for claims in CLAIMS for name, finding in claims.findings(study).items()}


def claim_rows(study: Measured) -> list[tuple[str, ...]]:
    found = findings(study)
    return [(claim.id, claim.statement, *found[claim.id]) for claims in CLAIMS for claim in claims.claims]


def rows_by_cell(study: Measured, levels: Mapping[Key, str]) -> Iterator[tuple[object, ...]]:
    """For cells that decide at least one claim by themselves: every claim checked as if the study had no other cell.

    Claims about several cells are not measured then.

    Args:
        levels: the compression level that each cell was pruned to, as its folder is called.
    """
    for key in study.cells:
        if key in levels:
            found = findings(study.part([key.dense, key]))
            holds, fails = (
                [name for name, finding in found.items() if finding.verdict == verdict]
                for verdict in ("holds", "fails")
            )
            if holds or fails:
                lists = ("|".join(holds), "|".join(fails))
                yield (*key, levels[key], len(holds), len(holds) + len(fails), *lists)
