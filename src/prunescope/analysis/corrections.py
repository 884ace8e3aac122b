"""Corrections for testing several hypotheses at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Correction = Literal["bonferroni", "holm"]


def bonferroni(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p-value times the number of tests planned, at most 1.

    The recall paper multiplies by the number of rows of a table's column (section 6.2). Tests without
    a p-value (None) count among those planned, so that the correction does not depend on outcomes.
    """
    return [None if p is None else min(1.0, p * len(p_values)) for p in p_values]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979), at most 1.

    The k-th smallest of m p-values is multiplied by m - k + 1 and is not less than the corrected one
    before it. Tests without a p-value (None) count as planned and come last.
    """
    corrected: list[float | None] = [None] * len(p_values)
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    least = 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, p * (len(p_values) - rank)))
        corrected[place] = least
    return corrected
