"""The grid of a study: blocks of combinations as settings, and the cells that they come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from prunescope.config.compression import Compression
from prunescope.config.pruners import CONTROL, NO_PRUNER
from prunescope.config.spec import Spec


class Grid(Spec):
    """A block of the study: every combination of what it lists."""

    datasets: tuple[str, ...] = Field(min_length=1)
    archs: tuple[str, ...] = Field(min_length=1)
    pruners: tuple[str, ...] = Field((), description="empty: dense models only")
    sparsities: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="fractions of the prunable weights that become zero"
    )
    ratios: tuple[Annotated[float, Field(gt=1)], ...] = Field(
        (), description="all parameters before over parameters left after; instead of sparsities"
    )
    levels: int | None = Field(
        None,
        ge=1,
        le=100,
        description="for pruners with `schedule: levels`: every level from 1 to this one",
    )
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] | None = Field(
        None, description="instead of the study's seeds"
    )
    controls: bool = Field(
        False,
        description="also train controls: models that train as the pruned ones do, of which nothing is pruned",
    )


@dataclass(frozen=True)
class Cell:
    """One (dataset, arch, pruner, compression) with its seeds; the dense one has pruner ``none``, a control
    (``config.controls``) sparsity 0.
    """

    dataset: str
    arch: str
    pruner: str
    compression: Compression
    seeds: tuple[int, ...]

    @property
    def dense(self) -> bool:
        return self.pruner == NO_PRUNER

    @property
    def control(self) -> bool:
        return self.pruner.startswith(CONTROL)


def grid_compressions(grid: Grid) -> tuple[Compression, ...]:
    """The compression levels of one grid entry, in its order."""
    return (
        *(Compression.of_sparsity(sparsity) for sparsity in grid.sparsities),
        *(Compression.of_ratio(ratio) for ratio in grid.ratios),
        *(Compression.of_level(number) for number in range(1, (grid.levels or 0) + 1)),
    )


def pruned_cells(grid: Grid) -> Iterator[tuple[str, str, str, Compression]]:
    """The (dataset, arch, pruner, compression) of one grid entry, without the dense ones."""
    for dataset in grid.datasets:
        for arch in grid.archs:
            for pruner in grid.pruners:
                for compression in grid_compressions(grid):
                    yield dataset, arch, pruner, compression
