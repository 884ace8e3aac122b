"""The report's section that puts a study beside the papers."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from prunescope.papers.tables import TABLES
from prunescope.site.build import build
from prunescope.site.papers_section import section
from tests.support.fake_study import results_tree, study, write_csv, write_json

PUBLISHED, CLAIMS = TABLES["published"].columns, TABLES["claims"].columns
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
    assert (share["mean"], share["unit"]) == ("6.5", "points")
    assert [share[name] for name in ("largest", "published", "ours")] == ["−10.0", "0.300", "0.200"]
    assert share["where"].sparsity == 0.9
    assert (score["cells"], score["largest"]) == (1, "−3.2")
    assert shown["doubtful"] == 0
    assert (shown["holds"], len(shown["measured"]), shown["n_open"]) == (1, 2, 1)
    assert [claim.id for claim in shown["open"]["no rule"]] == ["PINS-01"]
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


RECALL = [
    ("recall", "10", "mnist", "lenet5", "none", 0.0, "unpruned_accuracy_for_MP", 0.989, 0.98, -0.009),
    ("recall", "10", "cifar10", "resnet56", "none", 0.0, "unpruned_accuracy_for_GP", 0.896, 0.893, -0.003),
    ("recall", "11", "mnist", "lenet5", "none", 0.0, "unpruned_recall_variance_for_MP", 0.0038, 0.0038, 0.0),
    ("recall", "11", "mnist", "lenet5", "MP", 0.9, "mean_recall_variance", 0.0038, 0.0051, 0.0013),
    ("recall", "12", "cifar10", "resnet56", "LTH", 0.2, "alpha", 1.01, 0.99, -0.02),
    ("recall", "12", "cifar10", "resnet56", "LTH", 0.36, "alpha", 0.986, None, None),
    ("recall", "1", "mnist", "lenet5", "MP", 0.5, "significant at 0.05: ratio 2 < 4", 1.0, 0.0, -1.0),
    ("recall", "1", "mnist", "lenet5", "MP", 0.5, "sign of the difference: ratio 2 < 4", -1.0, -1.0, 0.0),
]


def test_in_the_unit_of_the_quantity(tmp_path: Path) -> None:
    """Accuracies in points, variances and alpha as they are; those of one quantity together; no tests."""
    shown = section(write(tmp_path, RECALL, JUDGED), tmp_path / "index.html")
    assert shown is not None
    names = ("table", "quantity", "unit", "cells", "mean", "largest", "ours", "published")
    assert [tuple(row[name] for name in names) for row in shown["numbers"]] == [
        ("10", "accuracy, dense", "points", 2, "0.6", "−0.9", "0.980", "0.989"),
        ("11", "variance of recall, dense", "", 1, "0.0000", "0.0000", "0.0038", "0.0038"),
        ("11", "variance of recall, pruned", "", 1, "0.0013", "+0.0013", "0.0051", "0.0038"),
        ("12", "intensification α", "", 1, "0.02", "−0.02", "0.990", "1.010"),
    ]
    assert shown["tests"] == []
    assert shown["links"] == [
        {"href": f"{name}.csv", "name": f"{name}.csv"} for name in ("published", "claims")
    ]


def row_of(table: str, a: str, b: str, **values: object) -> tuple[object, ...]:
    fields: dict[str, object] = dict.fromkeys(TABLES["published_tests"].columns)
    fields |= dict.fromkeys(("published_family_size", "ours_family_size", "n_a", "n_b"), 2)
    fields |= {"paper": "recall", "table": table, "cell_a": a, "cell_b": b, **values}
    return tuple(fields.values())


def outcome(p: float | None, printed: str) -> dict[str, object]:
    ours = None if p is None else str(p < 0.05).lower()
    significant = str(float(printed.removeprefix("<")) < 0.05).lower()
    return {
        "ours_p": p,
        "published_p": printed,
        "ours_significant": ours,
        "published_significant": significant,
    }


def test_printed_tests_by_table(tmp_path: Path) -> None:
    cells = [f"mnist/lenet5/MP/ratio-{t}00percent" for t in (2, 4, 10, 20, 50)]
    other = "fashion/lenet5/MP/ratio-200percent"
    rows = [
        row_of("3", *cells[0:2], **outcome(0.2, "0.389"), published_sign=-1, ours_sign=1),
        row_of("3", *cells[1:3], **outcome(0.0004, "1.000"), ours_sign=-1),
        row_of("3", *cells[2:4], **outcome(0.01, "0.071"), published_sign=-1, ours_sign=-1),
        row_of("3", *cells[3:5], **outcome(0.2, "<0.001"), published_sign=-1, ours_sign=-1),
        row_of("3", other, cells[0], **outcome(0.0499, "0.05")),
        row_of("3", cells[0], other, **outcome(0.051, "0.01")),
        row_of("7", *cells[0:2], **outcome(None, "0.001"), published_sign=-1),
    ]
    tables = write(tmp_path, RECALL, JUDGED)
    write_csv(tables / "published_tests.csv", TABLES["published_tests"].columns, rows)
    shown = section(tables, tmp_path / "index.html")
    assert shown is not None
    three, seven = shown["tests"]
    names = (
        "tests",
        "without",
        "same",
        "significant_here",
        "significant_printed",
        "signed",
        "same_sign",
        "more",
    )
    assert three["compared"] == "neighbouring levels, within each data set, MP"
    assert [three[name] for name in names] == [6, 0, 1, 3, 2, 3, 2, 2]
    assert three["apart"] == [
        "mnist · lenet5 · MP · ratio 4 against 10: p <0.001 here, 1.000 printed",
        "mnist · lenet5 · MP · ratio 10 against 20: p 0.010 here, 0.071 printed",
        "mnist · lenet5 · MP · ratio 20 against 50: p 0.200 here, <0.001 printed",
    ]
    assert [seven[name] for name in names] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert [link["name"] for link in shown["links"]] == ["published.csv", "published_tests.csv", "claims.csv"]


@pytest.mark.parametrize("measured", [True, False])
def test_on_the_page(tmp_path: Path, measured: bool) -> None:
    settings = study(
        grid=[{"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["IMP-WR"], "sparsities": [0.9]}]
    )
    found = results_tree(tmp_path, settings, n=60)
    tables = write(tmp_path / "tables", NUMBERS if measured else [], JUDGED if measured else OPEN)
    sides = "mnist/lenet5/MP/ratio-200percent", "mnist/lenet5/MP/ratio-400percent"
    tests = [row_of("3", *sides, **outcome(0.2, "0.01"), published_sign=-1, ours_sign=-1)] if measured else []
    write_csv(tables / "published_tests.csv", TABLES["published_tests"].columns, tests)
    write_json(tmp_path / "figures" / "figures.json", {})
    build(
        study=settings,
        cells=found["cells"],
        tables=tmp_path / "tables",
        figures=tmp_path / "figures",
        cards=found["cards"],
        out=tmp_path / "index.html",
    )
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    text = (tmp_path / "report" / "papers.html").read_text(encoding="utf-8")
    assert ('id="claims-table"' in text) is measured
    assert ("1 of the 2 claims of the papers that this study can decide hold in it" in index) is measured
    assert ("The recall paper's tests and ours</h3>" in text) is measured
    assert ('<a href="report/papers.html">Against the papers</a>' in index) is measured
    if not measured:
        return
    assert (
        "1 of the 2 claims that this study can decide hold in it; 1 more is undecided or not measured" in text
    )
    assert '<span class="badge holds">holds</span>' in text
    assert '<span class="badge fails">fails</span>' in text
    assert "Because: no rule" in text
    assert "mnist · lenet5 · MP · ratio 2 against 4: p 0.200 here, 0.01 printed" in text
    assert '0 of 1</td><td class="n">1 of 1</td>' in text
    # What a table says is text, not markup.
    assert "<always>" not in text
    assert "There is <always> one." in unescape(text)
    assert "imdb · bert · IMP-WR at 90%: 0.200 here, 0.300 printed" in text
    assert "imdb · bert · dense: 0.900 here, 0.932 printed" in text
    assert "−10.0" in text
