"""What the pages of a study are made from: its cells' results, and what is missing or cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunescope.config.grid import Cell
from prunescope.config.pruners import CONTROL, NO_PRUNER
from prunescope.config.study import Study
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json
from prunescope.paths import CellFolder
from prunescope.report import page
from prunescope.report.audit_files import AuditFiles
from prunescope.report.images import ImageTable
from prunescope.site import explorer
from prunescope.site.findings import CellNumbers, parts_of
from prunescope.site.often import Tally
from prunescope.site.state import CellCount, Key, ModelsFile


@dataclass
class Gathered:
    """A study's results.

    found: pruned cells with their folders, in the study's order · records: by (data set, architecture, pruner,
    compression level) · problems: a line for each file that is missing or cannot be read.
    """

    found: list[tuple[CellNumbers, Path]] = field(default_factory=list)
    records: dict[Key, ModelsFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def gather(study: Study, cells: Sequence[Path]) -> Gathered:
    """Read the summaries and records of cell folders; a missing file is noted, not an error.

    Raises:
        UserError: a path is not that of a cell.
    """
    got = Gathered()
    for path in cells:
        folder = CellFolder.at(Path(path))
        if folder.pruner.startswith(CONTROL):
            continue
        key = (folder.dataset, folder.arch, folder.pruner, folder.compression.token)
        try:
            record = read_json(folder.path / "models.json")
            if not isinstance(record, dict):
                raise BadFileError(folder.path / "models.json", "not a JSON object")
            got.records[key] = ModelsFile(folder.path / "models.json", record)
        except UserError as error:
            got.problems.append(str(error))
        if folder.pruner == NO_PRUNER:
            continue
        try:
            audit = AuditFiles(folder.path / "test", lenient=True)
            summary = audit.summary
        except UserError as error:
            got.problems.append(str(error))
            continue
        numbers = CellNumbers(
            folder.dataset, folder.arch, folder.pruner, folder.compression, summary, parts_of(audit)
        )
        got.found.append((numbers, folder.path))
    got.found.sort(key=_order(study))
    return got


def _order(study: Study) -> Any:
    """Sorts cells as the study lists its data sets, architectures and pruners."""
    datasets, archs, pruners = list(study.datasets), list(study.archs), list(study.all_pruners)

    def position(names: list[str], name: str) -> tuple[int, str]:
        return (names.index(name), "") if name in names else (len(names), name)

    def key(entry: tuple[CellNumbers, Path]) -> Any:
        cell = entry[0]
        return (
            position(datasets, cell.dataset),
            position(archs, cell.arch),
            position(pruners, cell.pruner),
            cell.compression,
        )

    return key


@dataclass
class Site:
    """What all pages are made from. ``out``: the study's page, to which all others are relative."""

    study: Study
    scope: list[Cell]
    got: Gathered
    counts: list[CellCount]
    tables: Path
    figures: Path
    cards: list[Path]
    out: Path
    data: dict[str, Path]
    often: list[tuple[Tally, ImageTable | None]] = field(default_factory=list)
    splits: list[explorer.Split] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.study.title or self.study.name

    @property
    def report(self) -> Path:
        return self.out.parent / "report"

    @property
    def cells(self) -> Path:
        return self.report / "cells"

    @property
    def numbers(self) -> list[CellNumbers]:
        return [cell for cell, _ in self.got.found]

    def navigation(self, where: Path) -> list[page.Link]:
        """The pages that every page leads to."""
        return page.bar(self.out.parent, where)
