"""What a study concludes, and which verdicts differ in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.leading import led
from prunescope.analysis.studies.rows import Conclusion, Key
from prunescope.analysis.studies.tree import Tree
from prunescope.analysis.tables.declared import read_table
from prunescope.analysis.tables.papers import ClaimRow
from prunescope.analysis.tables.registry import AlphaTest
from prunescope.config.pruners import CONTROL

_UNDECIDED = "undecided"


Verdicts = dict[tuple[str, str], str]


def conclusions(first: Tree, other: Tree, common: Sequence[Key]) -> Iterator[Conclusion]:
    mine, theirs = _verdicts(first, common), _verdicts(other, common)
    for (about, subject), one in mine.items():
        two = theirs.get((about, subject), one)
        if one != two:
            kind = "gained" if one == _UNDECIDED else "lost" if two == _UNDECIDED else "changed"
            yield Conclusion(other.name, about, subject, one, two, kind)


def _verdicts(tree: Tree, common: Sequence[Key]) -> Verdicts:
    """What a tree concludes: of its cells, of the papers' claims, of pairs of pruners."""
    found: Verdicts = {}
    for key in common:
        cell = tree.cells[key]
        if cell.dense or cell.pruner.startswith(CONTROL):
            continue
        for about, of_cell in _OF_CELLS.items():
            found[about, " · ".join(key)] = of_cell(led(cell.summary))
    for claim in read_table(tree.root / "tables", ClaimRow):
        verdict = _UNDECIDED if claim.verdict == "not measured" else claim.verdict
        found["claim of a paper", f"{claim.id}: {claim.statement}"] = verdict
    for test in read_table(tree.root / "tables", AlphaTest):
        sign = test.mean_difference or 0.0
        lower = test.a if sign < 0 else test.b
        verdict = f"{lower} is lower" if test.significant and sign else _UNDECIDED
        found["alpha of two cells", f"{test.fixed}: {test.a} and {test.b}"] = verdict
    return found


def _of_change(summary: Mapping[str, Any]) -> str:
    change = summary.get("change") or {}
    if (change.get("ci_high") or 0.0) < 0:
        return "falls"
    return "rises" if (change.get("ci_low") or 0.0) > 0 else _UNDECIDED


def _of_interval(name: str, below: str, above: str) -> Callable[[Mapping[str, Any]], str]:
    def verdict(summary: Mapping[str, Any]) -> str:
        return {"<": below, ">": above}.get(str((summary.get(name) or {}).get("verdict")), _UNDECIDED)

    return verdict


def _of_harm(summary: Mapping[str, Any]) -> str:
    worst = summary.get("most_harmed") or {}
    sure = worst.get("harm", 0.0) > 0 and worst.get("p_corrected", 1.0) < LEVEL
    return f"class {worst['class']}" if sure else _UNDECIDED


_OF_CELLS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "score after pruning": _of_change,
    "class that pays most": _of_harm,
    "changed votes against the noise floor": _of_interval("noise_floor", "below", "above"),
    "alpha": _of_interval("alpha", "below 1", "above 1"),
    "alpha, corrected for noise": _of_interval("alpha_corrected", "below 1", "above 1"),
}
