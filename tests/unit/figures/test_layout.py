"""Titles of panels stay within their panels."""

from itertools import pairwise

import pytest

from prunescope.figures import layout
from prunescope.figures.style import styled


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        ("MP · 50%", ["MP · 50%"]),
        ("fashion_mnist · lenet5 · ratio 20", ["fashion_mnist", "lenet5 · ratio 20"]),
    ],
)
def test_titles_of_five_panels_in_a_row_do_not_meet(title: str, lines: list[str]) -> None:
    with styled():
        figure, axes = layout.panels(5, columns=5)
        for panel in axes:
            layout.heading(panel, title, "α̂ 1.02")
        figure.canvas.draw()
        boxes = [panel._left_title.get_window_extent() for panel in axes]
    assert [line for line in axes[0].get_title("left").splitlines() if line] == lines
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
