"""Models, cells and scores that a study no longer names: ``prunescope clean``, and what each run removes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prunescope.config.study import Study
from prunescope.files import remove, sweep
from prunescope.files.ledger import Ledger
from prunescope.running.results_lock import ResultsLock
from prunescope.running.workflow import WorkflowGrid

#: Folders below ``models`` and ``cells`` down to what is one block of models, or one cell.
_DEPTH = {"models": 5, "cells": 4}


def leftovers(study: Study) -> list[tuple[Path, int]]:
    """(path, bytes) of blocks of models, cells and EL2N scores that the study has no use for."""
    results = Path(study.results)
    named = set(WorkflowGrid(study).outputs())
    kept = {"/".join(name.split("/")[: 1 + _DEPTH.get(name.split("/")[0], 0)]) for name in named}
    found = []
    for room, depth in _DEPTH.items():
        for path in _below(results / room, depth):
            name = str(path.relative_to(results))
            if name not in (named if _is_scores(path) else kept):
                found.append((path, _size(path)))
    return sorted(found)


def clean(study: Study) -> list[tuple[Path, int]]:
    """Remove them; what was removed. Links are not followed.

    Raises:
        UserError: a run is in progress.
    """
    results = Path(study.results)
    lock = ResultsLock(results)
    lock.take()
    try:
        sweep(results)
        found = leftovers(study)
        for path, _ in found:
            _remove(results, path)
        return found
    finally:
        lock.release()


def remove_old_scores(study: Study) -> None:
    """Remove EL2N scores of other seeds than the study has now; whoever calls holds the results tree."""
    results = Path(study.results)
    found = [path for path in _below(results / "cells", _DEPTH["cells"]) if _is_scores(path)]
    named = set(WorkflowGrid(study).outputs()) if found else set()
    for path in found:
        if str(path.relative_to(results)) not in named:
            _remove(results, path)


def _is_scores(path: Path) -> bool:
    return path.name.startswith("el2n-seeds-")


def _remove(results: Path, path: Path) -> None:
    """Remove a file or folder with its record, and the folders that are then empty."""
    records = Ledger(results).records
    remove(path)
    remove(records / path.relative_to(results))
    for parent in path.relative_to(results).parents[:-2]:
        for place in (results, records):
            with suppress(OSError):
                (place / parent).rmdir()


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """What lies ``depth`` folders below, and EL2N scores on the way there; links are ends, not ways."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if depth == 1 or _is_scores(path):
            yield path
        else:
            yield from _below(path, depth - 1)


def _size(path: Path) -> int:
    size = path.lstat().st_size
    if path.is_dir() and not path.is_symlink():
        for place, _, files in os.walk(path):
            size += sum(Path(place, file).lstat().st_size for file in files)
    return size
