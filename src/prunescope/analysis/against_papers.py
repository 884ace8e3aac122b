"""published.csv and claims.csv: a study's tables against what papers print and claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis import published
from prunescope.analysis.claims import registry
from prunescope.analysis.csv_text import read_csv, write_csv
from prunescope.analysis.study_tables import Key, Part, StudyTables
from prunescope.files import read_json
from prunescope.pruners import UNPRUNED

#: The files and their columns.
COLUMNS: dict[str, tuple[str, ...]] = {"published": published.COLUMNS, "claims": registry.COLUMNS}


def write(
    out: Path, tables: Mapping[str, Sequence[Sequence[Any]]], cells: Sequence[tuple[tuple[Any, ...], Path]]
) -> None:
    """Write both into ``out``.

    Args:
        tables: rows of the cross-study tables by name, in the order of their columns.
        cells: dataset, arch, pruner and sparsity of every cell with its folder, the unpruned ones
            included.
    """
    study = StudyTables.of(tables, _classes(cells), _families(cells))
    rows: dict[str, Sequence[Sequence[Any]]] = {
        "published": published.published_rows(study),
        "claims": registry.claim_rows(study),
    }
    for name, columns in COLUMNS.items():
        write_csv(out / f"{name}.csv", columns, rows[name])


def _classes(cells: Sequence[tuple[tuple[Any, ...], Path]]) -> dict[Key, tuple[Part, ...]]:
    """PIEs by class of the test split; a cell whose models all diverged has none."""
    found = {}
    for key, folder in cells:
        path = folder / "test" / "classes.csv"
        if key[2] != UNPRUNED and key[3] is not None and path.exists():
            parts = (Part(r["class"], int(r["n_examples"]), int(r["n_pies"])) for r in read_csv(path))
            found[Key(*key)] = tuple(parts)
    return found


def _families(cells: Sequence[tuple[tuple[Any, ...], Path]]) -> dict[str, str]:
    """The family of each arch, from the first of its cells that tells it."""
    found: dict[str, str] = {}
    for (_, arch, *_), folder in cells:
        path = folder / "models.json"
        if arch not in found and path.exists():
            settings = read_json(path).get("settings", {})
            family = settings.get("architecture", {}).get("family")
            if family:
                found[arch] = str(family)
    return found
