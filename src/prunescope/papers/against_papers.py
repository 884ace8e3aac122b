"""A study against what papers print and claim: published.csv, published_tests.csv, claims.csv, claims_by_cell.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.alpha.study_alphas import read_tests
from prunescope.analysis.csv_text import read_csv, write_csv
from prunescope.analysis.tables.study import Key, Part, StudyTables
from prunescope.config.pruners import NO_PRUNER
from prunescope.files import read_json
from prunescope.papers import comparison as published
from prunescope.papers import comparison_tests as published_tests
from prunescope.papers.claims import by_cell, registry

#: The files and their columns.
COLUMNS: dict[str, tuple[str, ...]] = {
    "published": published.COLUMNS,
    "published_tests": published_tests.COLUMNS,
    "claims": registry.COLUMNS,
    "claims_by_cell": by_cell.COLUMNS,
}


def write(
    out: Path,
    tables: Mapping[str, Sequence[Sequence[Any]]],
    cells: Sequence[tuple[tuple[Any, ...], Path]],
    sources: Mapping[str, str] | None = None,
) -> None:
    """Write them into ``out``, where ``alpha_tests.csv`` already is.

    Args:
        tables: rows of the cross-study tables by name, in the order of their columns.
        cells: dataset, arch, pruner and sparsity of every cell with its folder, the unpruned ones
            included.
        sources: the source of each data set, as far as known.
    """
    families, depths = _networks(cells)
    study = StudyTables.of(
        tables,
        _classes(cells),
        families,
        depths,
        read_tests(read_csv(out / "alpha_tests.csv"), _places(cells)),
        sources,
    )
    rows: dict[str, Sequence[Sequence[Any]]] = {
        "published": published.published_rows(study),
        "published_tests": published_tests.test_rows(study),
        "claims": registry.claim_rows(study),
        "claims_by_cell": list(by_cell.rows(study, _compressions(cells))),
    }
    for name, columns in COLUMNS.items():
        write_csv(out / f"{name}.csv", columns, rows[name])


def _places(cells: Sequence[tuple[tuple[Any, ...], Path]]) -> dict[str, Key]:
    """By place as ``alpha_tests.csv`` tells it: the end of the cell's folder."""
    return {"/".join(folder.parts[-4:]): Key(*key) for key, folder in cells if key[3] is not None}


def _compressions(cells: Sequence[tuple[tuple[Any, ...], Path]]) -> dict[Key, str]:
    return {Key(*key): folder.name for key, folder in cells if key[3] is not None}


def _classes(cells: Sequence[tuple[tuple[Any, ...], Path]]) -> dict[Key, tuple[Part, ...]]:
    """PIEs by class of the test split; a cell whose models all diverged has none."""
    found = {}
    for key, folder in cells:
        path = folder / "test" / "classes.csv"
        if key[2] != NO_PRUNER and key[3] is not None and path.exists():
            parts = (Part(r["class"], int(r["n_examples"]), int(r["n_pies"])) for r in read_csv(path))
            found[Key(*key)] = tuple(parts)
    return found


def _networks(cells: Sequence[tuple[tuple[Any, ...], Path]]) -> tuple[dict[str, str], dict[str, int]]:
    """The family of each arch, and the depth of those that have one, from the first cell that tells it."""
    families: dict[str, str] = {}
    depths: dict[str, int] = {}
    for (_, arch, *_), folder in cells:
        path = folder / "models.json"
        if arch not in families and path.exists():
            settings = read_json(path).get("settings") or {}
            network = settings.get("architecture") or {}
            if network.get("family"):
                families[arch] = str(network["family"])
            if network.get("depth"):
                depths[arch] = int(network["depth"])
    return families, depths
