"""A paper's table is one declaration: its section, its file and the lists of files follow from it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.support.fake_study import study
from tests.support.printed_pages import Page

from prunescope.config.compression import Compression
from prunescope.papers import layouts, render
from prunescope.papers.layout import Column, Csv, Figure, Paper, Table, View
from prunescope.papers.results import Record
from prunescope.site import printed

HALF, MOST = Compression.of_sparsity(0.5), Compression.of_sparsity(0.9)
RECORDS: list[Record] = [
    {"pruner": "MP", "arch": "a", "compression": MOST, "share": 0.25, "mark": "yes"},
    {"pruner": "MP", "arch": "a", "compression": HALF, "share": 0.125, "mark": ""},
    {"pruner": "RP", "arch": "a", "compression": MOST, "share": None, "mark": ""},
    {"pruner": "MP", "arch": "b", "compression": HALF, "share": 0.5, "mark": ""},
]
SHARE = Column("share", lambda r: r["share"] and str(r["share"]), styles={"mark": "strong"})
PRUNER = Column("pruner", lambda r: r["pruner"], "name")
VIEW = View([PRUNER], row="pruner", grid="arch", column="compression", cells=[SHARE])


def shown(view: View) -> list[list[list[str]]]:
    """The tables of a page: titles of columns, then rows."""
    return [
        [[head.text for head in grid.heads], *([cell.text for cell in row] for row in grid.rows)]
        for grid in render.grids(view, RECORDS)
    ]


def written(columns: Csv, path: Path) -> list[list[str]]:
    render.write(columns, path, RECORDS)
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_levels_ascend_and_gaps_are_blank() -> None:
    assert shown(VIEW) == [
        [["pruner", "50%", "90%"], ["MP", "0.125", "0.25"], ["RP", "", ""]],
        [["pruner", "50%"], ["MP", "0.5"]],
    ]
    assert [cell.style for cell in render.grids(VIEW, RECORDS)[0].rows[0]] == ["", "n", "n strong"]


def test_values_can_be_rows_and_an_empty_last_column_is_left_out() -> None:
    stacked = View(
        [PRUNER], row="pruner", grid="arch", column="compression", cells=[SHARE, SHARE], stacked=True
    )
    assert shown(stacked)[1] == [["pruner", "50%"], ["share", "0.5"], ["share", "0.5"]]
    trail = [Column("mark", lambda r: r["mark"])]
    heads = [table[0] for table in shown(View([PRUNER], row="pruner, compression", grid="arch", trail=trail))]
    assert heads == [["pruner", "mark"], ["pruner"]]


def test_files_spread_by_value_or_by_level(tmp_path: Path) -> None:
    values = {"": "share", "mark": "mark"}
    assert written(Csv("arch, pruner", values), tmp_path / "a.csv") == [
        ["arch", "pruner", "50%", "90%", "50% mark", "90% mark"],
        ["a", "MP", "0.125", "0.25", "", "yes"],
        ["a", "RP", "", "", "", ""],
        ["b", "MP", "0.5", "", "", ""],
    ]
    by_level = written(Csv("arch, pruner", values, by_value=False), tmp_path / "b.csv")
    assert by_level[0] == ["arch", "pruner", "50%", "50% mark", "90%", "90% mark"]
    assert written(Csv("pruner, share"), tmp_path / "c.csv")[1:] == [
        ["MP", "0.25"], ["MP", "0.125"], ["RP", ""], ["MP", "0.5"],
    ]  # fmt: skip


def test_a_table_is_added_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(
        "42", "made up", "table-42.csv", "nothing real", lambda _: RECORDS, VIEW, Csv("arch, pruner, share")
    )
    made = Paper("made", "recall", "Nobody", "About.", "Lead.", [table], has=lambda _: True)
    monkeypatch.setattr(printed, "PAPERS", (*layouts.PAPERS, made))
    printed.build(
        study=study(), cells=[], tables=tmp_path, figures=tmp_path, cards=[], out=tmp_path / "paper"
    )
    page = Page(tmp_path / "paper" / "made" / "index.html")
    assert "Table 42: made up" in page.text
    assert {"#table-42", "table-42.csv", "table-42.tex"} <= set(page.addresses)
    assert [("", "MP"), ("n", "0.125"), ("n strong", "0.25")] in page.rows
    assert (tmp_path / "paper" / "made" / "table-42.csv").exists()
    text = (tmp_path / "paper" / "made" / "table-42.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") > 0
    assert r"\label{tab:table-42-1}" in text
    assert "made/index.html" in Page(tmp_path / "paper" / "index.html").addresses
    # The files that the workflow waits for.
    assert layouts.files_of([made]) == (
        "index.html", "made/index.html", "made/table-42.csv", "made/table-42.tex",
    )  # fmt: skip


@pytest.mark.parametrize("paper", layouts.PAPERS, ids=lambda paper: paper.name)
def test_declarations_name_each_file_and_anchor_once(paper: Paper) -> None:
    assert len(paper.files) == 2 * len(paper.tables)
    anchors = [part.anchor for part in paper.contents]
    assert len(set(anchors)) == len(anchors)
    families = [part.family for part in paper.contents if isinstance(part, Figure)]
    assert len(set(families)) == len(families)
