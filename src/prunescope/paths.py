"""The names of all paths below a study's results folder, for the workflow and ``prunescope status``.

Braces are wildcards: ``{dataset}`` and so on are filled in by Snakemake, or by ``fill``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.config.pruners import NO_PRUNER
from prunescope.config.study import Study
from prunescope.errors import UserError

CELL = "{dataset}/{arch}/{pruner}/{amount}"


@dataclass(frozen=True)
class Layout:
    """``results``: the folder, as written in the study (relative paths stay relative)."""

    results: str

    def data(self, file: str) -> str:
        """A file of a data set: ``train.parquet``, ``card.json``, ..."""
        return f"{self.results}/data/{{dataset}}/{file}"

    @property
    def inputs(self) -> str:
        """A data set encoded for an arch."""
        return f"{self.results}/data/{{dataset}}/inputs/{{arch}}.safetensors"

    @property
    def pretrained(self) -> str:
        """What an arch's pretrained model was when it was fetched from the hub."""
        return f"{self.results}/pretrained/{{arch}}.json"

    def model(self, file: str) -> str:
        """A file of one block of seeds: ``test.parquet``, ``metrics.json``, ..."""
        return f"{self.results}/models/{CELL}/seeds-{{block}}/{file}"

    def cell(self, file: str = "") -> str:
        """A file of the analysis of one cell, or its folder."""
        return f"{self.results}/cells/{CELL}" + (f"/{file}" if file else "")

    @property
    def el2n(self) -> str:
        """EL2N scores of the training examples, over the dense models of some seeds (``seeds_name``)."""
        return f"{self.results}/cells/{{dataset}}/{{arch}}/el2n-seeds-{{seeds}}.parquet"

    def search(self, file: str) -> str:
        """A file of the search for one arch on one data set: ``trials.csv``, ``best.json``, ..."""
        return self.tuning(f"{{dataset}}/{{arch}}/{file}")

    def tuning(self, file: str) -> str:
        """A file that all searches lead to: ``tuned.yaml``, ``tuning.csv``."""
        return f"{self.results}/tuning/{file}"

    def log(self, rule: str, *wildcards: str) -> str:
        return "/".join([self.results, "logs", rule, *(f"{{{name}}}" for name in wildcards)]) + ".log"

    def scoped(self, file: str) -> str:
        """A cross-study file: of the whole study, or (``only/<dataset>/``) of one data set."""
        return f"{self.results}/{{scope}}{file}"


#: What follows the cells, in its order.
_STAGES = ("cells", "cells.txt", "tables", "figures", "paper", "index.html")


def target_of(name: str) -> str:
    """The output that the workflow knows whose job writes a file of the tree; both as named below the results folder.

    A job's folders hold more files than its rule lists.

    >>> target_of("cells/digits/lenet5/MP/sparsity-500permille/test/pies.parquet")
    'cells/digits/lenet5/MP/sparsity-500permille/test/summary.json'
    >>> target_of("only/digits/report/figures.html")
    'only/digits/index.html'
    """
    scope, parts = _scope(name)
    match parts:
        case ["cells", _, _, _, _, "test" | "train", *_]:
            return "/".join([*parts[:6], "summary.json"])
        case ["cells", _, _, _, _, "weights.json"]:
            return "/".join([*parts[:5], "models.json"])
        case ["data", dataset, "inputs", file] if file.endswith(".vocabulary.txt"):
            return f"data/{dataset}/inputs/{file.removesuffix('.vocabulary.txt')}.safetensors"
        case ["figures", family, _, *_]:
            parts = ["figures", family]
        case ["tables", "latex", *_]:
            parts = ["tables", "latex"]
        case ["paper", *_]:
            parts = ["paper", "index.html"]
        case ["report", *_]:
            parts = ["index.html"]
    return scope + "/".join(parts)


def folder_of(name: str) -> str | None:
    """The folder that appears as a whole and holds a file of the tree; None for a file that is written by itself.

    >>> folder_of("figures/alpha/digits.svg")
    'figures/alpha'
    """
    scope, parts = _scope(name)
    match parts:
        case ["cells", _, _, _, _, "test" | "train", _, *_]:
            return "/".join(parts[:6])
        case ["figures" | "report", _, _, *_] | ["tables", "latex", _, *_]:
            return scope + "/".join(parts[:2])
        case ["paper", _, *_]:
            return f"{scope}paper"
    return None


def stage_of(name: str) -> int:
    """Where in a study's order a file of the tree is made; levels and dense models first of the models."""
    _, parts = _scope(name)
    match parts:
        case ["models", *_, "weights.json"]:
            return 9_000
        case ["models", _, _, pruner, amount, *_]:
            compression = Compression.parse(amount)
            return 2_000 + (compression.units if compression.kind == "level" else pruner != NO_PRUNER)
        case ["data", _, "inputs" | "readability.parquet", *_]:
            return 1_500
        case ["cells", _, _, file]:
            return 9_500 if file.startswith("el2n-") else 10_000
        case [stage, *_]:
            return 10_000 + _STAGES.index(stage) if stage in _STAGES else 1_000
    return 0


def _scope(name: str) -> tuple[str, list[str]]:
    parts = name.split("/")
    return (f"only/{parts[1]}/", parts[2:]) if parts[0] == "only" and len(parts) > 2 else ("", parts)


def fill(template: str, cell: Cell, block: str | None = None) -> str:
    """A path of ``cell`` (and of a block of its seeds)."""
    return template.format(
        dataset=cell.dataset, arch=cell.arch, pruner=cell.pruner, amount=cell.compression.token, block=block
    )


@dataclass(frozen=True)
class CellFolder:
    """The folder of a cell's analysis, with what its path says."""

    path: Path
    dataset: str
    arch: str
    pruner: str
    compression: Compression

    @classmethod
    def at(cls, path: Path) -> Self:
        """Inverse of ``Layout.cell``; the cell's ``test`` or ``train`` folder will do as well.

        Raises:
            UserError: the path does not end as a cell's does.
        """
        folder = path.parent if path.name in ("test", "train") else path
        if len(folder.parts) < 4:
            raise UserError(f"{path}: not a cell; its path must end in <dataset>/<arch>/<pruner>/<amount>")
        dataset, arch, pruner, compression = folder.parts[-4:]
        return cls(folder, dataset, arch, pruner, Compression.parse(compression))


def block_name(first: int, last: int) -> str:
    return f"{first}-{last}"


def block_seeds(block: str) -> tuple[int, ...]:
    """Inverse of ``block_name``: every seed of the block."""
    first, last = block.split("-")
    return tuple(range(int(first), int(last) + 1))


def seed_blocks(seeds: tuple[int, ...], size: int) -> list[tuple[int, int]]:
    """Sorted seeds cut into runs of at most ``size`` consecutive numbers, as (first, last)."""
    blocks: list[tuple[int, int]] = []
    for seed in sorted(seeds):
        if blocks and seed == blocks[-1][1] + 1 and seed - blocks[-1][0] < size:
            blocks[-1] = (blocks[-1][0], seed)
        else:
            blocks.append((seed, seed))
    return blocks


def seeds_name(seeds: tuple[int, ...]) -> str:
    """A short name of any set of seeds: its runs, or, where these are many, how many seeds and a digest.

    >>> seeds_name((0, 1, 2, 3, 7))
    '0-3+7-7'
    """
    runs = "+".join(block_name(first, last) for first, last in seed_blocks(seeds, len(seeds)))
    if len(runs) <= 80:
        return runs
    return f"{len(seeds)}x{hashlib.sha256(runs.encode()).hexdigest()[:16]}"


def keeps_models(study: Study, pruner: str) -> bool:
    """Whether a pruner's models stay on disk.

    Those of a level are what the next one starts from, and so stay where either kind of model does.
    """
    return study.keep_models or (study.all_pruners[pruner].in_levels and study.keep_dense_checkpoints)


def cell_below(study: Study, cell: Cell) -> Cell:
    """The cell whose models ``cell``'s are pruned from: the level below, else the dense one."""
    if cell.compression.kind == "level" and cell.compression.units > 1:
        compression = Compression.of_level(cell.compression.units - 1)
        return study.cell_at[(cell.dataset, cell.arch, cell.pruner, compression)]
    return dense_cell(study, cell)


def dense_cell(study: Study, cell: Cell) -> Cell:
    """The dense cell that ``cell`` is compared with."""
    return study.dense_cells[(cell.dataset, cell.arch)]
