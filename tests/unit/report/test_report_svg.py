"""Charts of the pages: bounded, whatever the numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prunescope.report.svg import interval

NUMBERS = st.floats(min_value=-1e12, max_value=1e12)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_an_interval_has_a_handful_of_ticks(values: list[float]) -> None:
    chart = str(interval(values, values[0], min(values), max(values), label="alpha"))
    assert 1 <= chart.count('class="tick"') <= 12
    assert "nan" not in chart


def test_values_that_differ_by_rounding_alone() -> None:
    # 1 + 2e-16: a tick as small as their difference would never get from one to the other.
    chart = str(interval([1.0, 1.0 + 2.3e-16], 1.0, 1.0 - 1e-16, 1.0 + 1e-16, label="alpha"))
    assert 1 <= chart.count('class="tick"') <= 12
