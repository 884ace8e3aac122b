"""Boxplots of alpha across sizes of a network and across data sets: recall paper, figures 2 to 4."""

from __future__ import annotations

from collections.abc import Iterator

from prunescope.figures.alpha import boxes
from prunescope.figures.cuts import across
from prunescope.figures.layout import Picture
from prunescope.figures.source import Source


def draw(source: Source) -> Iterator[Picture]:
    """A picture per pruner and kind of network that has several sizes, then per pruner on several data sets."""
    yield from map(boxes, across(source))
