"""A study against what papers print and claim: published.csv, published_tests.csv, claims.csv, claims_by_cell.csv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prunescope.analysis.alpha.study_alphas import read_tests
from prunescope.analysis.audit_tables import ClassCount
from prunescope.analysis.tables import registry
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.collect import collect
from prunescope.analysis.tables.declared import Key, read_table, write_table
from prunescope.analysis.tables.results import read_cells
from prunescope.analysis.tables.study import Part, StudyTables
from prunescope.config.analysis import Analysis
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers import tables
from prunescope.papers.claims import by_cell
from prunescope.papers.claims.registry import claim_rows
from prunescope.papers.comparison import published_rows
from prunescope.papers.comparison_tests import test_rows
from prunescope.papers.numbers import pins


def collect_all(
    cells: Sequence[Path],
    out: Path,
    analysis: Analysis | None = None,
    sources: Mapping[str, str] | None = None,
) -> None:
    """Write all tables of a study into ``out``: the analysis' (``collect``), and from these the papers' (``write``).

    Raises:
        UserError: as ``collect``.
    """
    collect(cells, out, analysis=analysis, sources=sources, published=objective_score)
    write(out, cells, sources)


def write(out: Path, cells: Sequence[Path], sources: Mapping[str, str] | None = None) -> None:
    """Write the papers' tables into ``out``, where those of the analysis are.

    Args:
        cells: the cells' folders, those of the dense models included.
        sources: the source of each data set, as far as known.
    """
    found, _ = read_cells(cells)
    families, depths = _architectures(found)
    keys = {cell.folder: Key(**cell.names) for cell in found if cell.sparsity is not None}
    places = {"/".join(folder.parts[-4:]): key for folder, key in keys.items()}
    study = StudyTables.read(
        out,
        {key: _classes(folder) for folder, key in keys.items() if key.pruner != NO_PRUNER},
        families,
        depths,
        read_tests(read_table(out, registry.AlphaTest), places),
        sources,
    )
    write_table(out, tables.Published, published_rows(study))
    write_table(out, tables.PublishedTest, test_rows(study))
    write_table(out, tables.ClaimRow, claim_rows(study))
    write_table(out, tables.CellClaims, by_cell.rows(study, {key: f.name for f, key in keys.items()}))


def objective_score(
    dataset: str, source: str | None, arch: str, sparsity: float, objective: str, metric: str
) -> float | None:
    """The score of the PINS paper's Table 6 for a cell; ``source``: of its data set, as far as known."""
    row = {"task": pins.PLAIN, "distilled": pins.DISTILLED, "self-regularized": pins.PINS}.get(objective)
    names = (pins.dataset_name(dataset, source), pins.arch_name(arch), row)
    for n in pins.printed():
        same = n.table == "6" and (n.dataset, n.arch, n.pruner) == names
        if same and n.quantity == "score_mean" and n.metric == metric:
            return n.value if abs((n.sparsity or 0.0) - sparsity) < 1e-6 else None
    return None


def _classes(folder: Path) -> tuple[Part, ...]:
    """PIEs by class of the test split."""
    return tuple(
        Part(row.class_, row.n_examples, row.n_pies) for row in read_table(folder / "test", ClassCount)
    )


def _architectures(cells: Iterable[CellResults]) -> tuple[dict[str, str], dict[str, int]]:
    """The family of each arch, and the depth of those that have one, from the first cell that records them."""
    families: dict[str, str] = {}
    depths: dict[str, int] = {}
    for cell in cells:
        architecture = cell.settings.get("architecture") or {}
        if cell.arch not in families:
            if architecture.get("family"):
                families[cell.arch] = str(architecture["family"])
            if architecture.get("depth"):
                depths[cell.arch] = int(architecture["depth"])
    return families, depths
