"""Claims that a single pruned network decides with its unpruned original, and how many of them hold there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers import tables
from prunescope.papers.claims.registry import PAPERS


class CellClaims(NamedTuple):
    """Ids of the claims that hold and that fail."""

    holds: tuple[str, ...]
    fails: tuple[str, ...]


def of_cell(study: StudyTables, key: Key) -> CellClaims:
    """Every claim judged as if the study had this network alone; claims about several are not measured then."""
    alone = study.only(lambda other: other == key or (other[:2] == key[:2] and other.pruner == NO_PRUNER))
    found: dict[str, list[str]] = {"holds": [], "fails": []}
    for paper in PAPERS.values():
        part = paper.scope(alone)
        if not part.cells:
            continue
        for name, judge in paper.judges.items():
            verdict = judge(part).verdict
            if verdict in found:
                found[verdict].append(name)
    return CellClaims(tuple(found["holds"]), tuple(found["fails"]))


def rows(study: StudyTables, compressions: Mapping[Key, str]) -> Iterator[tables.CellClaims]:
    """Rows of claims_by_cell.csv, for cells that decide at least one claim.

    Args:
        amounts: what each cell was pruned to, as its folder says; a sparsity alone does not tell a ratio.
    """
    for key in study.cells:
        found = of_cell(study, key)
        decided = len(found.holds) + len(found.fails)
        if decided and key in compressions:
            yield tables.CellClaims(
                *key,
                amount=compressions[key],
                n_hold=len(found.holds),
                n_decided=decided,
                holds="|".join(found.holds),
                fails="|".join(found.fails),
            )
