"""What declares a figure: the built-in families, and those of installed packages."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from prunescope.config import plugins
from prunescope.errors import UserError
from prunescope.figures import registry
from prunescope.figures.drawing import draw
from prunescope.figures.layout import Figure
from prunescope.figures.registry import BUILT_IN, Family, families
from prunescope.figures.source import Source

FURTHER = Family("A further figure", "One bar.", f"{__name__}:draw_further")


def draw_further(source: Source) -> Iterator[Figure]:
    figure, axes = plt.subplots()
    axes.bar([0], [1])
    yield Figure("bar", "A bar", "One bar, no seeds.", figure, pd.DataFrame({"value": [1]}))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, EntryPoint]]:
    """Entry points of ``prunescope.figures``, as if a package had been installed."""
    points: dict[str, EntryPoint] = {}
    for module in (plugins, registry):
        monkeypatch.setattr(module, "plugins", lambda group: points)
    families.cache_clear()
    yield points
    families.cache_clear()


def point(name: str, what: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{what}", "prunescope.figures")


def test_every_family_has_its_function() -> None:
    for family in BUILT_IN.values():
        module, function = family.draw.split(":")
        assert callable(getattr(importlib.import_module(module), function))
        assert family.caption.endswith(".")


def test_reading_the_declarations_imports_nothing_heavy() -> None:
    code = (
        "import sys, prunescope.figures.registry as r; r.families(); "
        "assert not {'numpy', 'pandas', 'matplotlib', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_package_adds_a_figure(installed: dict[str, EntryPoint], tmp_path: Path) -> None:
    installed["further"] = point("further", "FURTHER")
    assert list(families()) == [*BUILT_IN, "further"]
    index = draw("further", tmp_path, [], tmp_path / "further")
    assert (index["title"], [one["file"] for one in index["figures"]]) == ("A further figure", ["bar.svg"])
    assert (tmp_path / "further" / "bar.csv").exists()


@pytest.mark.parametrize(
    ("name", "what", "message"),
    [
        ("alpha", "FURTHER", "has the name of a built-in figure"),
        ("not-a-name", "FURTHER", "lower-case letters"),
        ("further", "draw_further", "is no prunescope.figures.registry.Family"),
        ("further", "NOTHING", "cannot be loaded"),
    ],
)
def test_a_package_with_a_wrong_figure_is_reported(
    installed: dict[str, EntryPoint], name: str, what: str, message: str
) -> None:
    installed[name] = point(name, what)
    with pytest.raises(UserError, match=message):
        families()
