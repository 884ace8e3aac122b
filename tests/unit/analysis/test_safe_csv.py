"""CSV files that spreadsheets may open."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from prunescope.cli import main

NAMES = ("=1+1", "@SUM(A1)", "+x", "-y", 'a"b', "plain")


@pytest.mark.parametrize("safe", [False, True])
def test_names_that_are_formulas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, safe: bool) -> None:
    monkeypatch.chdir(tmp_path)
    for side, step in (("dense", 0), ("pruned", 1)):
        with open(f"{side}.csv", "w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["example", "label", "prediction"])
            for n in range(60):
                changed = step * (n % 4 == 0)
                writer.writerow([n, NAMES[n % 6], NAMES[(n + changed) % 6]])
    options = ["--safe-csv"] if safe else []
    assert main(["audit", "--dense", "dense.csv", "--pruned", "pruned.csv", "--out", "out", *options]) == 0
    found = [
        text
        for path in Path("out").rglob("*.csv")
        for row in csv.reader(path.open(newline=""))
        for text in row
    ]
    for name in NAMES[:4]:
        assert (name in found) != safe
        assert (f"'{name}" in found) == safe
    assert "plain" in found
    # Numbers stay numbers.
    assert any(text.startswith("-") and float(text) < 0 for text in found if text[:2].strip("-").isdigit())
