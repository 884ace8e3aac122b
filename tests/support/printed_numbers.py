"""Finds a number among those that a paper prints."""

from __future__ import annotations

import pytest

from prunescope.papers.printed import numbers


def printed(
    paper: str, table: str, dataset: str, arch: str, pruner: str, compression: float, quantity: str
) -> float:
    """``compression``: a ratio, or what cells without one have, a sparsity."""
    (found,) = [
        n.value
        for n in numbers(paper)
        if (n.table, n.dataset, n.arch, n.pruner, n.quantity) == (table, dataset, arch, pruner, quantity)
        and compression == pytest.approx(n.sparsity if n.ratio is None else n.ratio)
    ]
    return found
