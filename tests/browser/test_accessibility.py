"""axe finds nothing serious on any kind of page, in light and dark, wide and narrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from .conftest import Tree, look

pytestmark = pytest.mark.browser

PAGES = [
    "index.html",
    "report/grid.html",
    "report/classes.html",
    "report/data.html",
    "report/examples.html#set=docstrings--test",
    "report/papers.html",
    "report/figures.html",
    "report/often/digits.html",
    "report/cells/docstrings--bilstm--RP-AI--sparsity-900permille.html",
    "report/cells/digits--lenet5--RP--ratio-5000percent.html",
    "audit/report.html",
    "paper/index.html",
    "paper/pie/index.html",
    "paper/pie/disagreements.html",
    "paper/recall/index.html",
]


@pytest.fixture(scope="module")
def axe() -> str:
    import axe_core_python

    return (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
@pytest.mark.parametrize("page", PAGES)
def test_no_serious_finding(browser: Any, tree: Tree, axe: str, page: str, width: int, dark: bool) -> None:
    look(browser, width, dark)
    browser.get(tree.page(page))
    if "examples" in page:
        WebDriverWait(browser, 60).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#rows tbody tr"))
    browser.execute_script(
        "for (const one of document.querySelectorAll('details:not(.long)')) one.open = true"
    )
    browser.execute_script(axe)
    # The whole of a text of 100 kB, folded away, takes axe half a minute and looks as its beginning does.
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run({include: [['html']], exclude: [['details.long > bdi']]}, {resultTypes: ['violations']})"
        ".then((result) => done(JSON.stringify(result.violations)))"
    )
    serious = [
        (one["id"], one["impact"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:300])
        for one in json.loads(found)
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
