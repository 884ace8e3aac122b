"""How long the pages of a study of the size of all papers take to make, and to open in a browser.

    python benchmarks/site.py [--config studies/full.yaml] [--share 1.0] [--out FILE] [--keep DIR]

Makes up a results tree of that grid, with as many examples as the papers' data sets (``--share`` of them), builds its
site, and opens its pages from disk in headless Chromium, each in a profile of its own. Times are from the start of the
navigation until what a reader came for is on the page. Fails where that takes 2 seconds or more.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import processor
from site_tree import make, write_rows

LIMIT_SECONDS = 2.0

#: By page: what is there when it can be used.
PAGES = {
    "index.html": ".marks a",
    "report/grid.html": "#grid-map td a",
    "report/classes.html": "main table",
    "report/examples.html": "#rows tbody tr",
    "report/examples.html#set=imdb--test": "#rows tbody tr",
    "report/examples.html#set=snli--train": "#rows tbody tr",
    "report/papers.html": "#cell-by-cell table",
    "report/figures.html": "main section",
    "CELL": "#pies-table tbody tr",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("studies/full.yaml"))
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="make the tree here and leave it")
    arguments = parser.parse_args()
    root = arguments.keep or Path(tempfile.mkdtemp(prefix="site-"))
    try:
        found = measure(arguments.config, arguments.share, root)
    finally:
        if arguments.keep is None:
            shutil.rmtree(root, ignore_errors=True)
    text = json.dumps(found, indent=2) + "\n"
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    print(text)
    slow = {page: one for page, one in found["pages"].items() if one["seconds"] >= LIMIT_SECONDS}
    if slow:
        print(f"not below {LIMIT_SECONDS:g} s: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


def measure(config: Path, share: float, root: Path) -> dict[str, Any]:
    from prunescope.config.load import load_study
    from prunescope.site.build import build

    study = load_study(config)
    results = root / "results"
    cells, cards = make(results, study, share)
    _against_papers(results / "tables")
    started = time.perf_counter()
    problems = build(
        study=study, cells=cells, tables=results / "tables", figures=results / "figures", cards=cards,
        out=results / "index.html",
    )  # fmt: skip
    seconds = time.perf_counter() - started
    pages = sorted((results / "report" / "cells").glob("imdb--bert--*.html"))
    files = [path for path in (results / "report").rglob("*") if path.is_file()]
    measured = {}
    for page, there in PAGES.items():
        file, mark, chosen = page.partition("#")
        place = pages[-1] if page == "CELL" else results / file
        name = f"report/cells/{pages[-1].name}" if page == "CELL" else page
        size = place.stat().st_size / 1e6
        measured[name] = {
            "seconds": opened(f"{place.resolve().as_uri()}{mark}{chosen}", there),
            "megabytes": round(size, 2),
        }
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "chromium": subprocess.run(
            ["chromium", "--version"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "config": str(config),
        "share_of_examples": share,
        "pruned_cells": sum(not cell.dense for cell in study.cells),
        "cell_pages": len(list((results / "report" / "cells").glob("*.html"))),
        "build_seconds": round(seconds, 1),
        "problems": len([line for line in problems if "figures" not in line]),
        "report_megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "largest_file_megabytes": round(max(path.stat().st_size for path in files) / 1e6, 1),
        "pages": measured,
    }


def _against_papers(tables: Path) -> None:
    """Every printed number with one of ours beside it."""
    from prunescope.analysis.tables.papers import TABLES
    from prunescope.papers.printed import numbers

    rows = [
        (n.paper, n.table, n.dataset, n.arch, n.pruner, n.sparsity or 1 - 1 / (n.ratio or 1), n.quantity, n.value,
         n.value * 1.1, n.value * 0.1)
        for n in (*numbers("PIE"), *numbers("recall"))
    ]  # fmt: skip
    write_rows(tables / "published.csv", TABLES["published"].columns, rows)
    write_rows(
        tables / "claims.csv",
        ("id", "statement", "verdict", "evidence"),
        [("PIE-02", "They exist.", "holds", "all")],
    )


def opened(url: str, there: str) -> float:
    """Seconds from the start of the navigation until an element ``there`` is on the page, the median of three."""
    os.environ.setdefault("SE_AVOID_STATS", "true")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as profile:
            options = Options()
            options.binary_location = shutil.which("chromium") or "chromium"
            options.page_load_strategy = "none"
            for argument in (
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                f"--user-data-dir={profile}",
            ):  # fmt: skip
                options.add_argument(argument)
            driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
            try:
                driver.get("about:blank")
                started = time.perf_counter()
                driver.get(url)
                ready = (
                    "return location.href !== 'about:blank' && document.readyState === 'complete' "
                    "&& document.querySelector(arguments[0]) !== null"
                )
                while not driver.execute_script(ready, there):
                    if time.perf_counter() - started > 60:
                        raise RuntimeError(f"{url}: {there} is not there after a minute")
                    time.sleep(0.01)
                times.append(time.perf_counter() - started)
            finally:
                driver.quit()
    return round(sorted(times)[1], 2)


if __name__ == "__main__":
    sys.exit(main())
