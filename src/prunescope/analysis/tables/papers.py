"""The tables that put a study beside the papers, declared as those of the analysis are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated as A

from prunescope.analysis.tables import shared
from prunescope.analysis.tables.declared import CellRow, Row, Tables

TABLES = Tables()


@TABLES.add("published")
@dataclass(frozen=True)
class Published(Row):
    """A row per printed number of a paper whose cell the study has run: ours beside it, fractions, never percent."""

    paper: shared.Paper
    table: shared.PaperTable
    dataset: A[str, "data set, as the study names it"]
    arch: A[str, "architecture, as the study names it"]
    pruner: A[str, "pruner; `none`: the dense models"]
    sparsity: A[float, "sparsity, as the study has it"]
    quantity: A[str, "what is printed"]
    published: A[float, "printed number"]
    ours: A[float | None, "the study's; empty where it does not exist, such as a deviation over one seed"]
    difference: A[
        float | None, "ours - published; empty for METEOR and ROUGE-L, which are other metrics of these names"
    ]


@TABLES.add("published_tests")
@dataclass(frozen=True)
class PublishedTest(Row):
    """A row per hypothesis test of the recall paper (Tables 1-9) that the study has made too."""

    paper: shared.Paper
    table: shared.PaperTable
    varied: shared.Varied
    cell_a: shared.CellA
    cell_b: shared.CellB
    alternative: A[str, "of mean alpha of a against b"]
    published_p: A[str, "corrected p-value as printed"]
    ours_p: A[float | None, "ours, corrected within our family"]
    published_significant: A[bool, "published_p < 0.05"]
    ours_significant: A[bool | None, "ours_p < 0.05"]
    published_sign: A[int | None, "printed sign of the difference, where there is one"]
    ours_sign: A[int | None, "sign of mean alpha of a - b"]
    published_family_size: A[int, "tests that the paper corrects together"]
    ours_family_size: A[int, "tests that the study corrects together"]
    n_a: A[int, "models of a"]
    n_b: A[int, "models of b"]
    note: A[str, "why there is no test of ours"]


@TABLES.add("claims")
@dataclass(frozen=True)
class ClaimRow(Row):
    """A row per claim of the papers: whether it holds in this study, and why."""

    id: A[str, "number of the claim"]
    statement: A[str, "what the paper says"]
    verdict: A[str, "`holds`, `fails` or `not measured` (also where only significance is lacking)"]
    evidence: A[str, "the numbers that decide it"]


@TABLES.add("claims_by_cell")
@dataclass(frozen=True)
class CellClaims(CellRow):
    """Claims that a pruned cell decides alone with its dense models, and how many of them hold there."""

    amount: A[str, "compression level, as the cell's folder is named"]
    n_hold: A[int, "claims that hold"]
    n_decided: A[int, "claims that the cell decides"]
    holds: A[str, "ids of those that hold, separated by `|`"]
    fails: A[str, "ids of those that fail"]
