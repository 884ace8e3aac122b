"""The layout that CONTRIBUTING.md promises: imports go one way, without circles, in few floors."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "prunescope"

#: Rooms from the ground up: each imports from those above it in this list alone.
ROOMS = (
    ("errors", "seeds", "criteria"),
    ("files",),
    ("config", "predictions"),
    ("paths", "data", "analysis"),
    ("models", "figures"),
    ("pruning", "planning", "report", "papers"),
    ("training", "running"),
    ("tuning", "export", "site"),
    ("commands",),
    ("api", "cli"),
    ("__main__",),
)

#: What may lie flat beside the rooms.
FLAT = {"__init__", "__main__", "cli", "errors", "paths", "seeds"}


@cache
def imports() -> dict[str, set[str]]:
    """The modules that each module imports, anywhere in it: at its top, in functions, for types alone."""
    modules = {_name(path): path for path in SOURCE.rglob("*.py")}
    return {name: _imported(name, path, set(modules)) for name, path in modules.items()}


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path, modules: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & modules) - {name}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_only_the_ground_lies_flat() -> None:
    assert {path.stem for path in SOURCE.glob("*.py")} == FLAT


def test_every_room_has_its_floor() -> None:
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert folders | FLAT - {"__init__"} == {name for floor in ROOMS for name in floor}


@pytest.mark.parametrize("module", sorted(imports()))
def test_imports_go_one_way(module: str) -> None:
    floors = {name: number for number, floor in enumerate(ROOMS) for name in floor}
    if room(module) == "__init__":
        assert imports()[module] == set()
        return
    upwards = {
        other
        for other in imports()[module]
        if room(other) not in (room(module), "__init__") and floors[room(other)] >= floors[room(module)]
    }
    assert not upwards


def test_no_circles() -> None:
    above = {name: set(others) for name, others in imports().items()}
    while done := {name for name, others in above.items() if not others}:
        above = {name: others - done for name, others in above.items() if name not in done}
    assert not above, f"modules that import each other: {sorted(above)}"
