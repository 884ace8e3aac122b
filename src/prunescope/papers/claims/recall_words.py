"""What the judges of the recall paper's claims share: which ratios are low and high, and how tests are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prunescope.analysis.alpha.study_alphas import AlphaTest
from prunescope.analysis.tables.study import StudyTables
from prunescope.papers.numbers.recall import SAME_RATIO

#: Low ratios end here (2 and 4 of the paper's grid), moderate ones at ``MODERATE``, and high ones begin at
#: ``HIGH`` (20 and 50; from 18.19 and 19.11 on with LTH and CHIP).
LOW, MODERATE, HIGH = 4.0, 10.0, 15.0

RANDOM = "RP"

#: The pruners that the claims about rising distortion are about.
SELECTIVE = ("MP", "GP", "UP")


def at_most(ratio: float, bound: float) -> bool:
    """Up to what rounding to whole weights adds."""
    return ratio <= bound * (1 + SAME_RATIO)


def at_least(ratio: float, bound: float) -> bool:
    return ratio >= bound * (1 - SAME_RATIO)


def with_outcome(
    study: StudyTables, varied: Iterable[str], keep: Callable[[AlphaTest], bool] = lambda _: True
) -> list[AlphaTest]:
    """Tests of what ``varied`` says that have a p-value."""
    kinds = frozenset(varied)
    return [t for t in study.tests if t.varied in kinds and t.p_value is not None and keep(t)]


def count(tests: Sequence[AlphaTest]) -> str:
    """``3 of 4`` significant."""
    return f"{sum(test.significant for test in tests)} of {len(tests)}"


def models(tests: Iterable[AlphaTest]) -> str:
    """How many models a side the tests rest on, which their power depends on."""
    sizes = {n for test in tests for n in (test.n_a, test.n_b)}
    low, high = min(sizes), max(sizes)
    return f"{low} models a side" if low == high else f"{low} to {high} models a side"


def some(names: Sequence[str], of: int = 4) -> str:
    """The first few, and how many more."""
    return ", ".join(names[:of]) + (f" and {len(names) - of} more" if len(names) > of else "")
