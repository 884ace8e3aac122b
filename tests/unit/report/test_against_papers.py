"""The report's section that puts a study beside the papers."""

from __future__ import annotations

import sys
from html import unescape
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_study import results_tree, study, write_csv, write_json

from prunescope.analysis import against_papers
from prunescope.report.against_papers import section
from prunescope.report.site import build

PUBLISHED, CLAIMS = against_papers.COLUMNS["published"], against_papers.COLUMNS["claims"]
NUMBERS = [
    # A number of ours is missing in the second.
    ("PIE", "4", "imdb", "bert", "IMP-WR", 0.5, "pie_share", 0.1, 0.13, 0.03),
    ("PIE", "9", "imdb", "bert", "MP-AI", 0.7, "score_std", 0.004, None, None),
    ("PIE", "4", "imdb", "bert", "IMP-WR", 0.9, "pie_share", 0.3, 0.2, -0.1),
    ("PIE", "9", "imdb", "bert", "none", 0.0, "score_mean", 0.932, 0.9, -0.032),
]
JUDGED = [
    ("PIE-01", "It rises & rises.", "holds", "2 of 2 steps rise"),
    ("PIE-02", "There is <always> one.", "fails", "0 of 1"),
    ("PINS-01", "Best of all.", "not measured", "no rule"),
]
OPEN = [(name, statement, "not measured", why) for name, statement, _, why in JUDGED]


def write(tables: Path, numbers: list[tuple[object, ...]], claims: list[tuple[str, ...]]) -> Path:
    write_csv(tables / "published.csv", PUBLISHED, numbers)
    write_csv(tables / "claims.csv", CLAIMS, claims)
    return tables


def test_summary_of_differences(tmp_path: Path) -> None:
    shown = section(write(tmp_path / "tables", NUMBERS, JUDGED), tmp_path / "index.html")
    assert shown is not None
    share, score = shown["numbers"]
    assert (share["table"], share["quantity"], share["cells"]) == ("4", "share of PIEs", 2)
    # (0.03 + 0.1) / 2
    assert share["mean"] == pytest.approx(0.065)
    assert (share["largest"], share["sparsity"], share["published"], share["ours"]) == (-0.1, 0.9, 0.3, 0.2)
    assert (score["cells"], score["largest"]) == (1, -0.032)
    assert shown["doubtful"] == 0
    assert (shown["holds"], len(shown["measured"]), shown["n_open"]) == (1, 2, 1)
    assert [c["id"] for c in shown["open"]["no rule"]] == ["PINS-01"]
    assert [link["href"] for link in shown["links"]] == ["tables/published.csv", "tables/claims.csv"]


def test_inferred_numbers_are_counted(tmp_path: Path) -> None:
    row = ("PIE", "9", "imdb", "bert", "MP-AI", 0.7, "score_std", 0.004, 0.01, 0.006)
    shown = section(write(tmp_path, [row, *NUMBERS], JUDGED), tmp_path / "index.html")
    assert shown is not None
    assert shown["doubtful"] == 1


def test_no_section_where_nothing_is_measured(tmp_path: Path) -> None:
    assert section(tmp_path, tmp_path / "index.html") is None
    assert section(write(tmp_path, [], OPEN), tmp_path / "index.html") is None
    assert section(write(tmp_path, NUMBERS, OPEN), tmp_path / "index.html") is not None
    assert section(write(tmp_path, [], JUDGED), tmp_path / "index.html") is not None


@pytest.mark.parametrize("measured", [True, False])
def test_on_the_page(tmp_path: Path, measured: bool) -> None:
    settings = study(
        grid=[{"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["IMP-WR"], "sparsities": [0.9]}]
    )
    found = results_tree(tmp_path, settings, n=60)
    write(tmp_path / "tables", NUMBERS if measured else [], JUDGED if measured else OPEN)
    write_json(tmp_path / "figures" / "figures.json", {})
    build(
        study=settings,
        cells=found["cells"],
        tables=tmp_path / "tables",
        figures=tmp_path / "figures",
        cards=found["cards"],
        out=tmp_path / "index.html",
    )
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert ('<section id="papers"' in text) is measured
    assert ('<a href="#papers">Against the papers</a>' in text) is measured
    if not measured:
        return
    assert "1 of the 2 claims that this study can decide hold in it; 1 more are not measured" in text
    assert '<span class="badge holds">holds</span>' in text
    assert '<span class="badge fails">fails</span>' in text
    assert "Because: no rule" in text
    # What a table says is text, not markup.
    assert "<always>" not in text
    assert "There is <always> one." in unescape(text)
    assert "imdb · bert · IMP-WR at 90%: 0.200 here, 0.300 printed" in text
    assert "imdb · bert · unpruned: 0.900 here, 0.932 printed" in text
    assert "−10.0" in text
