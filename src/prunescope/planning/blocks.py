"""Which blocks of seeds make up a cell: those on disk, and new ones for the seeds that are missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.paths import Layout, block_name, block_seeds, fill, seed_blocks
from prunescope.planning.resources import block_size


def blocks(layout: Layout, study: Study, cell: Cell, workdir: Path = Path()) -> list[str]:
    """The blocks of seeds that make up a cell, by name.

    Blocks that are on disk already and hold wanted seeds stay as they are, so that adding or removing
    seeds, or another block size, trains only what is missing; the seeds that are left are cut into
    runs of ``resources.block_size``. (Seeds that a block holds beyond the wanted ones are not analysed.)
    A block that stands is either kept whole or cut again just as it was, so the answer does not
    change while a study runs. ``workdir``: what a relative results folder is below.
    """
    wanted = set(cell.seeds)
    covered: set[int] = set()
    kept: list[str] = []
    for name in _blocks_on_disk(workdir / Path(fill(layout.model("metrics.json"), cell, "*")).parents[1]):
        seeds = set(block_seeds(name))
        if seeds & wanted and not seeds & covered:
            kept.append(name)
            wanted -= seeds
            covered |= seeds
    size = block_size(study, cell)
    new = [block_name(first, last) for first, last in seed_blocks(tuple(sorted(wanted)), size)]
    return sorted(kept + new, key=lambda name: block_seeds(name)[0])


def _blocks_on_disk(folder: Path) -> Iterable[str]:
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        match = re.fullmatch(r"seeds-(\d+-\d+)", path.name)
        if match and (path / "metrics.json").is_file():
            found.append(match[1])
    # Largest first: of two that overlap, the one that spares more training is kept.
    return sorted(found, key=lambda name: (-len(block_seeds(name)), block_seeds(name)))
