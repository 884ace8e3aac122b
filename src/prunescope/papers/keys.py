"""What a cell of a study is called."""

from __future__ import annotations

from typing import NamedTuple

from prunescope.config.pruners import NO_PRUNER


class Key(NamedTuple):
    """A cell; dense models have pruner ``none`` and sparsity 0."""

    dataset: str
    arch: str
    pruner: str
    sparsity: float

    @property
    def dense(self) -> Key:
        """The dense models that the cell's were pruned from."""
        return Key(self.dataset, self.arch, NO_PRUNER, 0.0)

    @property
    def text(self) -> str:
        return f"{self.dataset}, {self.arch}, {self.pruner} at {percent(self.sparsity)}"


def percent(share: float) -> str:
    """``99%``, ``2.4%``."""
    return f"{round(100 * share, 1):g}%"
