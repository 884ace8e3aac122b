"""Finding installed libraries and reading their docstrings without importing them."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prunescope.errors import UserError

#: Folders that hold tests, copies of other people's libraries or generated code.
_SKIPPED = frozenset(
    {
        "tests",
        "test",
        "testing",
        "_testing",
        "_vendor",
        "vendor",
        "vendored",
        "_vendored",
        "externals",
        "extern",
    }
    | {"_external", "third_party", "thirdparty", "benchmarks", "__pycache__", "conftest", "array_api_compat"}
    | {"array_api_extra", "array_api_strict"}
)

_TEST_FILE = re.compile(r"(test_.*|.*_test|conftest)\.py")

_GENERATED = re.compile(r"automatically generated|auto-?generated|do not edit", re.IGNORECASE)

#: Larger files are generated tables more often than documentation.
_LARGEST_FILE = 1_000_000


@dataclass(frozen=True)
class Library:
    """An installed library: where its source is, what it is called, which version it has."""

    name: str
    root: Path
    distribution: str
    version: str
    modules: frozenset[str]


def find_library(name: str) -> Library:
    """Locate an installed top-level package or module; nothing of it is executed.

    Raises:
        UserError: it is not installed, or has no Python source.
    """
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise UserError(f"libraries: {name!r} is not installed here; install it or take it out of the list")
    if spec.submodule_search_locations:
        root = Path(next(iter(spec.submodule_search_locations)))
        modules = frozenset(_top_modules(root))
    elif spec.origin and spec.origin.endswith(".py"):
        root = Path(spec.origin)
        modules = frozenset()
    else:
        raise UserError(f"libraries: {name!r} has no Python source to read; take it out of the list")
    distribution = _distribution(name)
    version = "unknown"
    if distribution is not None:
        version = importlib.metadata.version(distribution)
    return Library(name, root, distribution or name, version, modules)


def source_files(library: Library) -> list[Path]:
    """Its Python files without tests and vendored packages, in an order fixed by their names' hashes.

    The order spreads a scan that stops early over the whole library, the same way everywhere.
    """
    if library.root.is_file():
        return [library.root]
    found: list[tuple[str, Path]] = []
    for folder, folders, files in os.walk(library.root):
        folders[:] = [f for f in folders if f not in _SKIPPED]
        for file in files:
            if not file.endswith(".py") or _TEST_FILE.fullmatch(file):
                continue
            path = Path(folder, file)
            relative = path.relative_to(library.root).as_posix()
            found.append((hashlib.sha256(relative.encode()).hexdigest(), path))
    return [path for _, path in sorted(found)]


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of the public module, classes and functions of one source file, in source order.

    Files that are generated, too large to be written by hand, or not valid Python have none.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if ('"""' not in source and "'''" not in source) or _GENERATED.search(source[:2000]):
        return
    try:
        with warnings.catch_warnings():
            # Invalid escapes in other people's strings are not our users' concern.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    yield from _docstrings(tree)


def _docstrings(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    text = ast.get_docstring(node)
    if text:
        yield text
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings(child)


def _top_modules(root: Path) -> Iterator[str]:
    for entry in root.iterdir():
        is_module = entry.suffix == ".py" or (entry / "__init__.py").is_file()
        if is_module and not entry.name.startswith("_") and entry.stem not in _SKIPPED:
            yield entry.stem


def _distribution(name: str) -> str | None:
    """The distribution a top-level package comes from: scikit-learn for sklearn."""
    try:
        importlib.metadata.version(name)
        return name
    except importlib.metadata.PackageNotFoundError:
        pass
    owners = importlib.metadata.packages_distributions().get(name)
    return sorted(owners)[0] if owners else None
