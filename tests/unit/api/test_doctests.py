"""The examples in docstrings and in docs/python.md say what happens."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["measures", "comparison", "study"])
def test_docstrings(name):
    found = doctest.testmod(import_module(f"prunescope.api.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_the_page_on_python(tmp_path, monkeypatch):
    """Every prompt stands in a block of its own kind, and all of them are one session."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert sum(block.count(">>> ") for block in blocks) == text.count(">>> ") > 10
    session = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "docs/python.md", None, None)
    assert doctest.DocTestRunner().run(session).failed == 0


def test_the_notebook_runs(tmp_path, monkeypatch):
    """Its cells, in order, in one namespace; the last expression of each is displayed, as Jupyter does."""
    import ast

    import nbformat

    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(ROOT / "examples" / "who-pays.ipynb", as_version=4)
    nbformat.validate(notebook)
    names: dict[str, object] = {}
    shown = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        assert not cell.outputs, "outputs are not kept in the repository"
        *body, last = ast.parse(cell.source).body
        if not isinstance(last, ast.Expr):
            body, last = [*body, last], None
        exec(compile(ast.Module(body, []), "cell", "exec"), names)  # noqa: S102
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
            to_html = getattr(value, "_repr_html_", None)
            shown.append(to_html() if to_html else repr(value))
    assert any("become wrong" in text for text in shown)
    assert any("<table" in text for text in shown)
    assert (tmp_path / "who-pays.html").stat().st_size > 10_000
