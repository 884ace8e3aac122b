"""What claims of papers are declared and checked with.

``<paper>/claims.yaml`` has the words of a paper's claims: what it says, how that is decided, and what its own printed
numbers give by the same rule. ``<paper>/claims.py`` has a check for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

from prunescope.analysis.tables.declared import Key
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.measured import Measured
from prunescope.papers.printed import read_yaml

T = TypeVar("T")

#: How the evidence of a claim begins that a study has the numbers for, and too few models.
UNDECIDED = "undecided: too few differences are significant, which may be for lack of models"

Verdict = Literal["holds", "fails", "not measured"]


class Finding(NamedTuple):
    verdict: Verdict
    evidence: str


class Part(NamedTuple):
    """One thing that a claim says: whether it holds (None: it is reported only), and what was measured.

    open: it is neither shown nor refuted: only significance is lacking.
    """

    holds: bool | None
    text: str
    open: bool = False

    def left_open(self, lacking: bool) -> Part:
        """The same without a verdict, where only significance is ``lacking`` to it."""
        return Part(None, self.text, True) if lacking else self


#: The parts of a claim (None: nothing to report). It holds if none of them fails or is open. A check may stop after one
#: that fails.
Check = Callable[[Measured], Iterable[Part | None]]


class NotMeasured(Exception):
    """A study lacks what a claim is checked on."""


def needs(found: T) -> T:
    """``found``.

    Raises:
        NotMeasured: it is empty.
    """
    if not found:
        raise NotMeasured
    return found


class Words(BaseModel, extra="forbid"):
    """An entry of ``claims.yaml``. ``rule``: how the claim is decided. ``needs``: what a study must have for that."""

    says: str
    rule: str
    needs: str


class Claim(NamedTuple):
    """A statement of a paper, and how it is checked. ``further``: pruners that it is about, besides the paper's."""

    id: str
    words: Words
    check: Check
    further: Collection[str] = ()

    def finding(self, study: Measured) -> Finding:
        parts: list[Part] = []
        try:
            parts.extend(part for part in self.check(study) if part)
        except NotMeasured:
            texts = (f"needs {self.words.needs}", *(part.text for part in parts))
            return Finding("not measured", "; ".join(texts))
        found = verdict(parts)
        said = [UNDECIDED] if found == "not measured" else []
        return Finding(found, "; ".join([*said, *(part.text for part in parts)]))


def verdict(parts: Sequence[Part]) -> Verdict:
    """Of a claim that a study has the numbers for: one part that fails refutes it, one that is open leaves it open."""
    if any(part.holds is False for part in parts):
        return "fails"
    return "not measured" if any(part.open for part in parts) else "holds"


@dataclass(frozen=True)
class Claims:
    """A paper's claims, in its order. ``families``, ``pruners``: the part of a study that they are about."""

    paper: str
    families: Collection[str]
    pruners: Collection[str]
    claims: list[Claim] = field(default_factory=list)

    def check(self, id_: str, further: Collection[str] = ()) -> Callable[[Check], Check]:
        """Declare the decorated function as the check of a claim; ``further``: see :class:`Claim`."""

        def declare(check: Check) -> Check:
            self.claims.append(Claim(id_, self.words[id_], check, further))
            return check

        return declare

    @property
    def words(self) -> dict[str, Words]:
        return read_yaml(self.paper, "claims.yaml", dict[str, Words])

    def findings(self, study: Measured) -> dict[str, Finding]:
        """Of each claim, by id, in the part of the study that the paper speaks of."""

        def part(*further: str) -> Measured:
            pruners = {NO_PRUNER, *self.pruners, *further}
            return study.only(lambda key: study.family(key.arch) in self.families and key.pruner in pruners)

        parts = {tuple(claim.further): part(*claim.further) for claim in self.claims}
        return {claim.id: claim.finding(parts[tuple(claim.further)]) for claim in self.claims}


class Count(NamedTuple):
    """How many of some cases are as a claim says; prints as ``3 of 4``."""

    yes: int
    total: int

    @classmethod
    def of(cls, cases: Iterable[bool]) -> Count:
        known = list(cases)
        return cls(sum(known), len(known))

    def __str__(self) -> str:
        return f"{self.yes} of {self.total}"

    def all(self) -> bool:
        return self.yes == self.total

    def nearly_all(self) -> bool:
        """At most a fifth are not: "with few exceptions".

        The claims that the PIE paper states so have up to 16% of exceptions in its own printed numbers.
        """
        return 5 * self.yes >= 4 * self.total

    def most(self) -> bool:
        """More than half."""
        return 2 * self.yes > self.total

    def any(self) -> bool:
        return self.yes > 0


def tally(
    what: str,
    cases: Mapping[Any, bool] | Iterable[bool],
    need: Callable[[Count], bool] | None = None,
    of: str = "cells",
    more: str = "",
) -> Part | None:
    """``what`` is so in so many cases ``of`` some kind; ``more`` stands in brackets.

    Args:
        cases: whether it is so; of named ones those against it are listed, or those for it where ``any`` will do.
        need: how many must be so; without it the part is reported only, and None where there is no case.

    Raises:
        NotMeasured: there is no case of what is needed.
    """
    named = cases if isinstance(cases, Mapping) else {}
    found = Count.of(named.values() if isinstance(cases, Mapping) else cases)
    if not found.total:
        return needs(None) if need else None
    notes = [more] if more else []
    if listed := [name for name, case in named.items() if case is (need is Count.any)]:
        notes.append(("" if need is Count.any else "not in ") + some(listed, 8))
    return Part(need and need(found), f"{what} in {found} {of}" + (f" ({'; '.join(notes)})" if notes else ""))


def mean(values: Iterable[float]) -> float:
    """Their mean.

    Raises:
        NotMeasured: there are none.
    """
    kept = needs(list(values))
    return sum(kept) / len(kept)


def some(names: Collection[object], of: int = 4) -> str:
    """The first few, and how many more."""
    shown = [name.text if isinstance(name, Key) else str(name) for name in names][:of]
    return "; ".join(shown) + (f" and {len(names) - of} more" if len(names) > of else "")
