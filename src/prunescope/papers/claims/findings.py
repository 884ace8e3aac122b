"""What a judge says, and the words for it that judges share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from prunescope.analysis.tables.study import StudyTables

Verdict = Literal["holds", "fails", "not measured"]


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    evidence: str


Judge = Callable[[StudyTables], Finding]


def found(holds: bool, evidence: str) -> Finding:
    return Finding("holds" if holds else "fails", evidence)


def not_measured(why: str) -> Finding:
    return Finding("not measured", why)


def few_exceptions(supporting: int, of: int) -> bool:
    """At most a fifth of the cases speak against it.

    The claims that the PIE paper states with few exceptions, or none, have up to 16% of them in its
    own printed numbers.
    """
    return 5 * supporting >= 4 * of


def most(supporting: int, of: int) -> bool:
    """More than half."""
    return 2 * supporting > of


@dataclass(frozen=True)
class Steps:
    """Steps between neighbours along curves."""

    rise: int
    same: int
    fall: int

    @classmethod
    def along(cls, curves: Iterable[list[float]]) -> Steps:
        steps = [after - before for curve in curves for before, after in pairwise(curve)]
        rise, fall = sum(step > 0 for step in steps), sum(step < 0 for step in steps)
        return cls(rise, len(steps) - rise - fall, fall)

    @property
    def total(self) -> int:
        return self.rise + self.same + self.fall

    @property
    def text(self) -> str:
        return f"{self.rise} of {self.total} steps rise, {self.same} stay equal, {self.fall} fall"


def mean(values: Iterable[float]) -> float:
    """Of at least one value."""
    kept = list(values)
    return sum(kept) / len(kept)
