"""Tables for LaTeX: what they say, and that LaTeX can read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated as A

import pytest

from prunescope.analysis.csv_text import write_csv
from prunescope.analysis.latex import Head, escaped, latex, number, write_latex
from prunescope.analysis.tables.declared import CellRow, Tables


def check(text: str) -> list[list[str]]:
    """The cells of all rows of all tables.

    Balanced braces and environments, no letter that LaTeX reads as a command, and as many cells in each row as its
    table has columns.
    """
    text = re.sub(r"(?m)(?<!\\)%.*$", "", text)
    assert text.isascii() or not re.search(r"[^\x00-\u024f]", text)
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert sorted(re.findall(r"\\begin\{([\w*]+)\}", text)) == sorted(re.findall(r"\\end\{([\w*]+)\}", text))
    assert text.count(r"\begingroup") == text.count(r"\endgroup")
    outside = re.sub(r"(?<!\\)\$[^$]*(?<!\\)\$", "", text)
    assert not re.search(r"(?<!\\)[#_^~$]", outside)
    found = []
    for spec, body in re.findall(
        r"\\begin\{(?:longtable|tabular)\}\{([^\n]*)\}\n(.*?)\\end\{(?:longtable|tabular)\}", text, re.DOTALL
    ):
        count = len(re.sub(r"p\{[^}]*\}", "p", spec))
        for line in body.splitlines():
            if line.endswith(r"\\") and not line.startswith(r"\caption"):
                cells = re.split(r"(?<!\\)&", line[:-2])
                spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
                assert len(cells) + sum(spans) == count, line
                found.append([cell.strip() for cell in cells])
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.123456", "0.123"), ("-0.5", "$-0.5$"), ("12345.6", "12346"), ("120000", "120000"), ("", ""),
        ("1.234e-07", r"$1.23 \times 10^{-7}$"), ("-2e-05", r"$-2 \times 10^{-5}$"), ("1.0", "1"), ("a_b", r"a\_b"),
        ("true", "true"), ("nan", "nan"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(text: str, wanted: str) -> None:
    assert number(text) == wanted


def test_letters_that_latex_reads_otherwise() -> None:
    text = r"50% of {a_b} & c#1 $x^2$ ~ \n < α ≥ 1"
    assert escaped("50%") == r"50\%"
    assert check(latex([Head(text)], [[escaped(text)]], text))[1][0] == escaped(text)
    assert escaped(r"\{") == r"\textbackslash{}\{"


def test_a_wide_table_is_split_and_repeats_its_keys() -> None:
    heads = [Head("pruner"), *(Head(f"measure_{n:02d}", right=True) for n in range(20))]
    rows = [["MP", *map(str, range(20))], ["RP", *map(str, range(20, 40))]]
    text = latex(heads, rows, "Wide", "wide")
    found = check(text)
    assert text.count("tabular}{l") == text.count("(part ") == len(re.findall(r"\\label", text)) > 1
    parts = [row[1:] for row in found if row[0] == "MP"]
    assert [cell for part in parts for cell in part] == rows[0][1:]
    assert all(row[0] in ("pruner", "MP", "RP") for row in found)
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == len(parts)


def test_columns_below_a_shared_head() -> None:
    found = check(latex([Head("pruner"), Head("50%", span=2)], [["MP", "0.1", "0.2"]], "Spans"))
    assert found == [["pruner", r"\multicolumn{2}{c}{50\%}"], ["MP", "0.1", "0.2"]]


def test_declared_tables(tmp_path: Path) -> None:
    known = Tables()

    @known.add("some")
    @dataclass(frozen=True)
    class Some(CellRow):
        """What `a` says."""

        note: A[str, "text"]
        share: A[float | None, "number"]
        ci_low: A[float | None, "lower end"]
        ci_high: A[float | None, "upper end"]
        confidence: A[float, "confidence of the interval"]
        empty: A[float | None, "never there"] = None

    write_csv(
        tmp_path / "some.csv",
        (
            "dataset",
            "arch",
            "pruner",
            "sparsity",
            "note",
            "share",
            "ci_low",
            "ci_high",
            "confidence",
            "empty",
        ),
        [
            ("digits", "net", "MP", 0.9, "5", 0.123456, -0.5, 1.25, 0.95, None),
            ("digits", "net", "none", None, "a_b", None, None, None, 0.95, None),
        ],
    )
    write_latex(tmp_path, known)
    text = (tmp_path / "latex" / "some.tex").read_text(encoding="utf-8")
    assert check(text) == [
        ["dataset", "architecture", "pruner", "sparsity", "note", "share", r"95\% interval"],
        ["digits", "net", "MP", "0.9", "5", "0.123", "{[$-0.5$, 1.25]}"],
        ["digits", "net", "none", "", r"a\_b", "", ""],
    ]
    assert r"\begin{table*}" in text
    assert r"\caption{What a says.}\label{tab:some}" in text
    assert "{lllrlrr}" in text
    write_csv(tmp_path / "some.csv", known["some"].columns, [])
    write_latex(tmp_path, known)
    assert not (tmp_path / "latex" / "some.tex").exists()


def test_long_tables_break_over_pages() -> None:
    rows = [[str(n)] for n in range(46)]
    assert "longtable" in latex([Head("n")], rows, "Long").split("\n", 1)[1]
    assert "longtable" not in latex([Head("n")], rows[1:], "A page").split("\n", 1)[1]
