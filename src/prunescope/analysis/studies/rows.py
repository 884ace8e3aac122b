"""The tables of a comparison of studies, and what a difference can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated as A

from prunescope.analysis.tables import shared
from prunescope.analysis.tables.declared import Row, Tables

COMPARED = Tables()


#: Of a cell: data set, architecture, pruner, compression level.
Key = tuple[str, str, str, str]


#: Names of cells or files that a row gives as examples.
NAMED = 3


#: What a difference can be, from none to one that chance does not explain.
IDENTICAL, SAME, NOISE, UNTESTED, MOVED = "identical", "same", "within noise", "not tested", "moved"


@COMPARED.add("settings")
@dataclass(frozen=True)
class Setting(Row):
    """Settings, data and software that differ."""

    other: A[str, "the tree that is compared with the first"]
    key: A[str, "key of the setting, from the outside in, joined by dots"]
    first: A[str | None, "its value in the first tree, as JSON; empty: it is not there"]
    second: A[str | None, "its value in the other tree"]
    n_cells: A[int | None, "cells that it differs for; empty: a setting of the whole study"]
    cells: A[str, "the first of them"]


@COMPARED.add("cells")
@dataclass(frozen=True)
class Moved(Row):
    """Score, PIE share and alpha of every cell that both trees have."""

    other: A[str, "the tree that is compared with the first"]
    dataset: A[str, "data set"]
    arch: A[str, "architecture"]
    pruner: A[str, "pruner; `none`: the dense models"]
    amount: A[str, "compression level, as in paths"]
    quantity: A[str, "`score`, `pie_share` or `alpha`"]
    metric: A[str, "metric of a score"]
    n_examples: A[int | None, "examples of both"]
    n_seeds: A[int | None, "seeds of both"]
    first: A[float | None, "value in the first tree"]
    second: A[float | None, "value in the other tree"]
    change: A[float | None, "second - first, over the seeds of both"]
    ci_low: shared.Low
    ci_high: shared.High
    confidence: A[float, "confidence of the interval"]
    test: A[str, "what the p-value is of; why there is none"]
    p_value: A[float | None, "two-sided, that nothing moved"]
    p_corrected: A[float | None, "by Holm's method over the cells tested, for each quantity and tree"]
    state: A[
        str,
        "`identical` to the byte, `same` answers or values, `within noise`, `not tested`, or `moved` beyond noise",
    ]

    @property
    def name(self) -> str:
        return " · ".join((self.dataset, self.arch, self.pruner, self.amount))


@COMPARED.add("conclusions")
@dataclass(frozen=True)
class Conclusion(Row):
    """Verdicts that differ."""

    other: A[str, "the tree that is compared with the first"]
    about: A[str, "what is concluded"]
    subject: A[str, "the cell, the claim or the pair of cells"]
    first: A[str, "the first tree's verdict"]
    second: A[str, "the other tree's"]
    kind: A[str, "`changed`; `lost` or `gained`: one side leaves it undecided"]


@COMPARED.add("files")
@dataclass(frozen=True)
class Files(Row):
    """Files of both trees, compared byte by byte."""

    other: A[str, "the tree that is compared with the first"]
    kind: A[str, "kind of files"]
    n_both: A[int, "files that both have"]
    n_identical: A[int, "of them, identical ones"]
    n_first: A[int, "files of the first tree alone"]
    n_second: A[int, "files of the other tree alone"]
    differing: A[str, "the first of those that differ"]
