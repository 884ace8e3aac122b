"""With this folder on ``PYTHONPATH``, figures have their files, but nothing is laid out or painted.

As the fixture ``unpainted``, for processes that a test starts. Matplotlib is patched only where it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


def _savefig(self: Any, path: Path, **_: Any) -> None:
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')


PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "matplotlib.figure": lambda module: setattr(module.Figure, "savefig", _savefig),
    "matplotlib.layout_engine": lambda module: setattr(
        module.ConstrainedLayoutEngine, "execute", lambda self, figure: None
    ),
}


class Unpainted:
    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in PATCHES else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def patched(module: ModuleType) -> None:
            execute(module)
            PATCHES[name](module)

        spec.loader.exec_module = patched  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Unpainted)  # type: ignore[arg-type]
