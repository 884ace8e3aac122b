"""What claims of papers are declared and checked with.

A paper's claims stand in ``<paper>/claims.py``: a function each, from a study's results to whether they bear the claim
out and the evidence in words. The function's docstring says how that is decided, and what the paper's own printed
numbers give by the same rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.measured import Measured

T = TypeVar("T")

Verdict = Literal["holds", "fails", "not measured"]

#: Whether a claim holds, and the evidence.
Check = Callable[[Measured], tuple[bool, str]]


class Finding(NamedTuple):
    verdict: Verdict
    evidence: str


class NotMeasured(Exception):
    """A study lacks what a claim is checked on."""


def needs(found: T, what: str) -> T:
    """``found``; where it is empty the check stops, and the evidence says ``what`` is missing.

    Raises:
        NotMeasured: it is empty.
    """
    if not found:
        raise NotMeasured(what)
    return found


class Claim(NamedTuple):
    """A statement of a paper, and how it is checked. ``further``: pruners that it is about, besides the paper's."""

    id: str
    statement: str
    check: Check
    further: Collection[str] = ()

    def finding(self, study: Measured) -> Finding:
        try:
            holds, evidence = self.check(study)
        except NotMeasured as missing:
            return Finding("not measured", str(missing))
        return Finding("holds" if holds else "fails", evidence)


@dataclass(frozen=True)
class Claims:
    """A paper's claims, in its order. ``families``, ``pruners``: the part of a study that they are about."""

    paper: str
    families: Collection[str]
    pruners: Collection[str]
    claims: list[Claim] = field(default_factory=list)

    def claim(self, id_: str, statement: str, further: Collection[str] = ()) -> Callable[[Check], Check]:
        """Declare the decorated function as the check of a claim."""

        def declare(check: Check) -> Check:
            self.claims.append(Claim(id_, statement, check, further))
            return check

        return declare

    def findings(self, study: Measured) -> dict[str, Finding]:
        """Of each claim, by id, in the part of the study that the paper speaks of."""

        def part(further: Collection[str]) -> Measured:
            pruners = {NO_PRUNER, *self.pruners, *further}
            return study.only(lambda key: study.family(key.arch) in self.families and key.pruner in pruners)

        common = part(())
        return {
            claim.id: claim.finding(part(claim.further) if claim.further else common) for claim in self.claims
        }


class Count(NamedTuple):
    """How many of some cases are as a claim says; prints as ``3 of 4``."""

    yes: int
    total: int

    def __str__(self) -> str:
        return f"{self.yes} of {self.total}"

    @property
    def all(self) -> bool:
        return self.yes == self.total

    @property
    def nearly_all(self) -> bool:
        """At most a fifth are not: "with few exceptions".

        The claims that the PIE paper states so have up to 16% of exceptions in its own printed numbers.
        """
        return 5 * self.yes >= 4 * self.total

    @property
    def most(self) -> bool:
        """More than half."""
        return 2 * self.yes > self.total


def count(cases: Iterable[bool]) -> Count:
    known = list(cases)
    return Count(sum(known), len(known))


class Steps(NamedTuple):
    """Steps between neighbours along curves."""

    rise: int
    same: int
    fall: int

    @classmethod
    def along(cls, curves: Iterable[Collection[float]]) -> Steps:
        steps = [after - before for curve in curves for before, after in pairwise(curve)]
        rise, fall = sum(step > 0 for step in steps), sum(step < 0 for step in steps)
        return cls(rise, len(steps) - rise - fall, fall)

    def __str__(self) -> str:
        return f"{self.rise} of {sum(self)} steps rise, {self.same} stay equal, {self.fall} fall"


def mean(values: Iterable[float]) -> float:
    """Of at least one value."""
    kept = list(values)
    return sum(kept) / len(kept)


def some(names: Collection[str], of: int = 4) -> str:
    """The first few, and how many more."""
    shown = list(names)[:of]
    return ", ".join(shown) + (f" and {len(names) - of} more" if len(names) > of else "")
