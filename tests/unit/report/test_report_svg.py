"""Charts of the pages: bounded, whatever the numbers."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from prunescope.report.svg import interval
from prunescope.report.svg_lines import scatter

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


def test_points_fill_the_chart_and_their_names_do_not_touch() -> None:
    near = [(f"class {i}", 0.97, 0.94 - 0.0005 * i, "below") for i in range(4)]
    made = str(scatter(near, x_label="", y_label="", label=""))
    at = [
        (float(x), float(y))
        for x, y in re.findall(r'<circle class="dot below" cx="([^"]+)" cy="([^"]+)"', made)
    ]
    # 94 % to 93.85 % fill the height, which an axis from 0 to 1 would leave to a five-hundredth.
    assert at[-1][1] - at[0][1] > 0.6 * 338
    names = sorted(float(y) for y in re.findall(r'y="([^"]+)" text-anchor="start">class', made))
    assert len(names) == 4
    assert min(b - a for a, b in pairwise(names)) >= 13
    # Of many points, only some that lose are named; a name that has no room at its side stands at the other.
    many = [(f"class {i}", 0.9, 0.4 + 0.05 * i, "") for i in range(11)]
    made = str(scatter([*many, ("wide", 1.0, 0.5, "below")], x_label="", y_label="", label=""))
    assert re.findall(r'text-anchor="(start|end)">(class \d+|wide)<', made) == [
        ("end", "wide"), ("start", "class 2"), ("start", "class 1"), ("start", "class 0"),
    ]  # fmt: skip


def test_points_at_the_ends_of_the_scale_stay_on_it() -> None:
    made = str(scatter([("a", 1.0, 0.0, "below"), ("b", 1.0, 1.0, "")], x_label="", y_label="", label=""))
    assert all(26 <= float(y) <= 364.01 for y in re.findall(r'cy="([^"]+)"', made))
    assert scatter([("a", 1.0, 1.0, "")], x_label="", y_label="", label="").count("<circle") == 1
