"""Headless Chromium, and a results tree whose texts do what they can to break a page."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.analysis.readability import MEASURES
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.tables import write_table
from prunescope.figures.drawing import draw_all
from prunescope.report.audit_page import render
from prunescope.site.build import build
from prunescope.site.printed import build as build_paper
from tests.support.fake_study import audit_folder, results_tree, study, write_csv, write_json

#: Set where these tests must run, so that a browser that is missing is a failure and not a skip.
REQUIRED = "PRUNESCOPE_BROWSER_TESTS"

N = 260
GRID = [
    {"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP", "UP"], "ratios": [4, 10, 50]},
    {
        "datasets": ["docstrings"],
        "archs": ["bilstm"],
        "pruners": ["IMP-WR", "IMP-FT", "RP-AI"],
        "sparsities": [0.5, 0.9],
    },
]

HOSTILE = (
    '<script>window.broken = 1</script><img src=x onerror="window.broken = 1"></td></table>',
    "</script><!-- \u202eright to left\u202c and \u2066isolated\u2069 \u200f marks",
    "emoji 😀👩‍👩‍👧🏳️‍🌈 and \x00 \x07 control characters, \u2028 and \u2029 line ends",
    "long " * 20_000,
    "x" * 100_000,
    "javascript:alert(1) &amp; &lt;b&gt; ' \" ` ${window.broken = 1} {{ 7 * 7 }}",
)


@dataclass(frozen=True)
class Tree:
    """A results folder with its pages."""

    results: Path

    def page(self, name: str) -> str:
        file, mark, chosen = name.partition("#")
        return f"{(self.results / file).resolve().as_uri()}{mark}{chosen}"


def texts() -> list[str]:
    plain = [f"text number {i}, about {'arrays' if i % 2 else 'plots'} and needle{i}" for i in range(N)]
    return [f"{plain[i]} {HOSTILE[i // 7 % len(HOSTILE)] if i % 7 == 0 and i < 90 else ''}" for i in range(N)]


def _data_tables(results: Path, found: dict[str, list[Path]]) -> None:
    """Data tables that agree with the votes that were made up."""
    for cells, dataset in ((found["cells"], "digits"), (found["cells"], "docstrings")):
        folder = results / "data" / dataset
        for split in ("test", "train"):
            own = next(path for path in cells if dataset in path.parts)
            votes = pq.ParquetFile(own / split / "pies.parquet").read()
            classes = json.loads(votes.schema.metadata[b"prunescope"])["classes"]
            labels = votes["label"].to_numpy().astype(np.int32)
            if dataset == "digits":
                images = np.random.default_rng(0).integers(0, 17, (len(labels), 1, 8, 8)).astype(np.uint8)
                info = TableInfo(dataset, split, "single-label", tuple(classes), ("image",), (1, 8, 8), 16.0)
                write_table(folder / f"{split}.parquet", DataTable(info, labels, images=images))
                continue
            info = TableInfo(dataset, split, "single-label", tuple(classes), ("text",))
            held = (texts() * 2)[: len(labels)]
            write_table(folder / f"{split}.parquet", DataTable(info, labels, texts={"text": held}))
    scores = {name: np.linspace(1, 20, N) for name in MEASURES}
    pq.write_table(
        pa.table({"example": np.arange(N), **scores}), results / "data/docstrings/readability.parquet"
    )


def _labels_agree(found: dict[str, list[Path]]) -> None:
    """Every made-up cell has drawn labels of its own; those of a data set become those of its first."""
    for split in ("test", "train"):
        first: dict[str, Any] = {}
        for cell in found["cells"]:
            path = cell / split / "pies.parquet"
            table = pq.ParquetFile(path).read()
            label = first.setdefault(cell.parts[-4], table["label"])
            place = table.schema.get_field_index("label")
            pq.write_table(table.set_column(place, "label", label), path)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    results = tmp_path_factory.mktemp("browser") / "results"
    settings = study(grid=GRID)
    found = results_tree(results, settings, n=N)
    _labels_agree(found)
    _data_tables(results, found)
    record = found["cells"][0] / "models.json"
    value = json.loads(record.read_text())
    value["models"][1]["diverged"] = True
    write_json(record, value)
    write_csv(
        results / "tables" / "claims.csv",
        ("id", "statement", "verdict", "evidence"),
        [("PIE-01", "PIE share rises.", "holds", "9 of 9"), ("PIE-02", "There <b>always</b> are.", "fails", "0 of 1")],
    )  # fmt: skip
    numbers = ("paper", "table", "dataset", "arch", "pruner", "sparsity", "quantity", "published", "ours")
    write_csv(
        results / "tables" / "published.csv",
        (*numbers, "difference"),
        [
            ("PIE", "4", "docstrings", "bilstm", pruner, s, "pie_share", p, o, o - p)
            for pruner, p, o in (("IMP-WR", 0.1, 0.11), ("IMP-FT", 0.12, 0.2), ("RP-AI", 0.2, 0.5))
            for s in (0.5, 0.9)
        ],
    )
    files = {
        "study": settings,
        "cells": found["dense"] + found["cells"],
        "tables": results / "tables",
        "figures": results / "figures",
        "cards": found["cards"],
    }
    draw_all(results / "tables", found["cells"], results / "figures")
    build_paper(**files, out=results / "paper")
    build(**files, out=results / "index.html")
    audit = results / "audit"
    audit_folder(audit, n=N, early=True, texts=True, classes=("a", HOSTILE[0], "\u202eb", "c" * 300))
    (audit / "report.html").write_text(render(audit, texts()), encoding="utf-8")
    return Tree(results)


def _programs() -> tuple[str, str] | None:
    browser = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A selenium driver; its console is kept."""
    programs = _programs()
    if programs is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but chromium or chromedriver is not installed")
        pytest.skip("chromium or chromedriver is not installed")
    os.environ.setdefault("SE_AVOID_STATS", "true")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = programs[0]
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    driver.set_page_load_timeout(180)
    # axe takes its time where other tests run beside it.
    driver.set_script_timeout(180)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """The browser at 1280 px in light colours; a test that leaves errors on the console or asks the network fails."""
    look(chromium)
    # An address of the page that is open, with another #, would not be loaded anew.
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    yield chromium
    assert [line["message"] for line in chromium.get_log("browser")] == []
    asked = []
    for line in chromium.get_log("performance"):
        message = json.loads(line["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def look(driver: Any, width: int = 1280, dark: bool = False) -> None:
    """Change the window's width and the colours that pages are asked for."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    # A page that is still on its way to what was clicked cannot be clicked.
    still = {"name": "prefers-reduced-motion", "value": "reduce"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, still]})
