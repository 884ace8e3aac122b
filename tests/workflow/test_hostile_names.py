"""A study whose texts, classes, columns, file and title are hostile: they are carried to the pages as text."""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from prunescope.errors import visible
from tests.workflow.conftest import Workspace
from tests.workflow.test_mending import run

pytestmark = pytest.mark.workflow

SCRIPT = "<script>window.broken=1</script>"
CLASSES = [
    SCRIPT,
    "'\"><img src=broken onerror=broken()>",
    "../../etc/passwd",
    "\u202eevil\u202c",
    "=1+1",
    "-rf",
    "a: {b: [c](javascript:broken())",
    "日本語 العربية हिन्दी",
    "${x} {{ 7*7 }} `x` | y",
    "long " * 60 + "name",
    # No text of XML, and what a terminal obeys.
    "bell\x07 red\x1b[31m \x7f \x85 \ufffe",
    "two\nlines & <tab>\t",
]
FILE = "a' \"<b>ü.csv"
TEXT, LABEL, GROUPS = "te\"x't <b>&amp;", "la|bel\u202e", ["../gr", "</script><svg onload=broken()>"]


def study(folder: Path) -> Workspace:
    made = {
        "name": f"x</title>{SCRIPT}",
        "title": "<img src=broken onerror=broken()>",
        "seeds": [0, 1],
        "datasets": {
            "d.-_": {
                "source": "table",
                "path": FILE,
                "text": TEXT,
                "label": LABEL,
                "task": "single-label",
                "groups": GROUPS,
                "max_tokens": 16,
            }
        },
        "archs": {
            "n..": {
                "family": "bilstm",
                "hidden": 4,
                "layers": 1,
                "head": [4],
                "vectors": 8,
                "block": 2,
                "training": {"epochs": 1, "lr": 0.01},
            }
        },
        "grid": [{"datasets": ["d.-_"], "archs": ["n.."], "pruners": ["RP"], "sparsities": [0.5]}],
    }
    workspace = Workspace(folder, made)
    draw = random.Random(0)
    with (folder / FILE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([TEXT, LABEL, *GROUPS])
        for number in range(20 * len(CLASSES)):
            text = f"word {number} {SCRIPT} </script> ' \" \u2028 \u202e {draw.randrange(9)}"
            row = [text, CLASSES[number % len(CLASSES)], draw.choice(CLASSES), draw.choice([SCRIPT, "y"])]
            writer.writerow(row)
    return workspace


class Page(HTMLParser):
    """What a browser would run or load, and the text between the tags."""

    def __init__(self, page: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.live: list[str] = []
        self.shown = ""
        self.open: list[str] = []
        self.script = ""
        self.feed(page.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.script = tag if tag == "script" and dict(attrs).get("type") != "application/json" else ""
        for name, value in attrs:
            link = unquote(value or "").strip().lower()
            if name.startswith("on") or (
                name in ("src", "href") and link.startswith(("javascript:", "broken"))
            ):
                self.live.append(f"<{tag} {name}={value}>")

    def handle_data(self, data: str) -> None:
        if self.script and ("window.broken" in data or "broken()" in data):
            self.live.append(data[:200])
        self.shown += data

    def handle_endtag(self, tag: str) -> None:
        self.script = ""


def test_hostile_names_from_the_table_to_the_pages(tmp_path: Path) -> None:
    workspace = study(tmp_path / "run")
    done = run(workspace)
    assert done.returncode == 0, done.stderr
    assert "\u202e" not in done.stderr
    results = workspace.results
    # Nothing lies where a class or a column would lead.
    assert {path.name for path in workspace.folder.iterdir()} == {"study.yaml", FILE, "results", ".snakemake"}
    meta = pq.read_schema(next(results.glob("models/**/RP/**/test.parquet"))).metadata
    assert set(json.loads(meta[b"prunescope"])["classes"]) == set(CLASSES)
    with next(results.glob("cells/**/RP/**/test/recall.csv")).open(newline="") as file:
        assert {row["class"] for row in csv.DictReader(file)} == set(map(visible, CLASSES))
    pages = sorted(results.rglob("*.html"))
    assert len(pages) > 8
    shown = ""
    for path in pages:
        page = Page(path)
        assert page.live == [], path
        shown += page.shown
    for name in (SCRIPT, CLASSES[1], visible(CLASSES[10]), *GROUPS):
        assert name in shown, name
    # Markdown and SVG are read by browsers too.
    for path in [*results.rglob("*.md"), *results.rglob("*.svg")]:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"<script|<img src=broken|(?<!\\)\[c\]\(javascript", text) == [], path
    # The page's name leads nowhere either.
    packed = subprocess.run(
        [sys.executable, "-m", "prunescope", "pack"],
        cwd=workspace.folder, env=workspace.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert packed.returncode == 0, packed.stderr
    assert (workspace.folder / "x-title-script-window.broken-1-script--report.zip").is_file()
    drawn = sorted(results.rglob("*.svg"))
    assert len(drawn) > 4
    for path in drawn:
        ElementTree.parse(path)
    for path in results.rglob("*"):
        if path.suffix in (".html", ".svg", ".csv", ".tex", ".md", ".json", ".js"):
            assert visible(text := path.read_text(encoding="utf-8")) == text, path
