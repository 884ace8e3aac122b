"""Tables for LaTeX: ``\\input`` in a document that has ``\\usepackage{booktabs, longtable}``.

A table of up to a page is a float over both columns of a paper; longer ones break over pages, in one column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prunescope.analysis.csv_text import read_csv
from prunescope.analysis.tables.declared import CELL, Column, Declaration, columns
from prunescope.errors import one_line
from prunescope.files import atomic_directory

#: Letters across a page, in ``\\footnotesize``; wider tables are split into parts that begin with the same columns.
_WIDTH = 105
#: Columns of longer texts break their lines.
_LONG = 36
#: Rows of a page, in ``\\footnotesize``.
_ROWS = 45
#: Parts of one table that LaTeX can keep waiting for a page.
_FLOATS = 9

#: Words of columns' names that stand for others; ``n_`` counts what follows.
_WORDS = {
    "arch": "architecture", "ci": "", "std": "SD", "p_value": "p", "p": "p,", "pie": "PIE", "pies": "PIEs",
    "el2n": "EL2N", "alpha": "α", "csr": "CSR", "gini": "Gini", "df": "d.f.",
}  # fmt: skip

_ESCAPED = {
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': r"\textquotedbl{}",
    "\u2212": r"$-$", "–": "--", "—": "---", "·": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$", "≥": r"$\geq$",
    "≤": r"$\leq$", "≈": r"$\approx$", "→": r"$\rightarrow$", "…": r"\ldots{}", "²": r"$^2$", "α": r"$\alpha$",
    "’": "'",
}  # fmt: skip


class Head(NamedTuple):
    """The title of a column, or of ``span`` columns side by side; ``right``: its numbers are set to the right."""

    text: str
    right: bool = False
    span: int = 1


def escaped(text: str) -> str:
    """A text as LaTeX sets it, also pdfLaTeX, which knows Latin letters only beside what stands in for others here."""
    return "".join(_ESCAPED.get(letter, letter) for letter in one_line(text))


def number(text: str) -> str:
    """A number of a CSV file with three digits, or all of an integer; other texts as they are."""
    if not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text):
        return escaped(text)
    value = float(text)
    shown = text if re.fullmatch(r"-?\d+", text) else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    mantissa, _, exponent = shown.partition("e")
    if exponent:
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
    return f"${shown}$" if shown.startswith("-") else shown


def heading(name: str) -> str:
    """The title of a column.

    >>> heading("n_pies_reference"), heading("p_corrected"), heading("alpha_null"), heading("mean_difference")
    ('PIEs reference', 'p, corrected', 'α null', 'mean difference')
    """
    words = [name] if name in _WORDS else re.sub("^n_(?=..)", "", name).split("_")
    return " ".join(_WORDS.get(word, word) for word in words).strip()


def latex(
    heads: Sequence[Head], rows: Sequence[Sequence[str]], caption: str, label: str = "", keys: int = 1
) -> str:
    """A table over as many pages as it needs, with booktabs' rules.

    Args:
        heads: of the columns.
        rows: cells, escaped.
        keys: columns that every part of a wide table begins with.
    """
    starts = [sum(head.span for head in heads[:at]) for at in range(len(heads))]
    widths = []
    for head, start in zip(heads, starts, strict=True):
        cells = [_letters(row[at]) for row in rows for at in range(start, start + head.span)]
        widths.append(max(len(head.text), head.span * min(_LONG, max(cells, default=0))) + 2 * head.span)
    first = [at for at, start in enumerate(starts) if start < keys]
    parts: list[list[int]] = [[]]
    for at in range(len(first), len(heads)):
        used = sum(widths[n] for n in (*first, *parts[-1]))
        if parts[-1] and used + widths[at] > _WIDTH:
            parts.append([])
        parts[-1].append(at)
    tables = []
    for part, own in enumerate(parts):
        shown = [*first, *own]
        chosen = [at for n in shown for at in range(starts[n], starts[n] + heads[n].span)]
        note = f" (part {part + 1} of {len(parts)})" if len(parts) > 1 else ""
        tag = f"\\label{{tab:{label}{f'-{part + 1}' if part else ''}}}" if label else ""
        tables.append(
            _table(
                [heads[n] for n in shown],
                [[row[at] for at in chosen] for row in rows],
                f"\\caption{{{escaped(caption)}{note}}}{tag}",
                len(parts) <= _FLOATS,
            )
        )
    return "% Needs \\usepackage{booktabs, longtable}.\n" + "\n".join(tables)


def _letters(cell: str) -> int:
    """Letters of a cell as it is printed."""
    return len(re.sub(r"\\[a-z]+|[${}\\]", "", cell))


def _table(heads: Sequence[Head], rows: Sequence[Sequence[str]], caption: str, float_: bool) -> str:
    aligned = ""
    at = 0
    for head in heads:
        for column in range(at, at + head.span):
            longest = max((_letters(row[column]) for row in rows), default=0)
            aligned += r"p{0.3\linewidth}" if longest > _LONG else "r" if head.right else "l"
        at += head.span
    title = " & ".join(
        escaped(head.text) if head.span == 1 else rf"\multicolumn{{{head.span}}}{{c}}{{{escaped(head.text)}}}"
        for head in heads
    )
    titles = [r"\toprule", rf"{title} \\", r"\midrule"]
    body = [" & ".join(row) + r" \\" for row in rows]
    if float_ and sum(1 + max(map(_letters, row)) // _LONG for row in rows) <= _ROWS:
        lines = [
            r"\begin{table*}",
            r"\centering\footnotesize",
            caption,
            rf"\begin{{tabular}}{{{aligned}}}",
            *titles,
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
        ]
    else:
        lines = [
            "% Over several pages: in a two-column document between \\onecolumn and \\twocolumn.",
            r"\begingroup\footnotesize",
            rf"\begin{{longtable}}{{{aligned}}}",
            rf"{caption} \\",
            *titles,
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
            *body,
            r"\end{longtable}",
            r"\endgroup",
        ]
    return "\n".join(lines) + "\n"


def write_latex(folder: Path, tables: Mapping[str, Declaration]) -> None:
    """Write ``latex/<name>.tex`` into the folder for each of these tables that has rows; their CSV files are there.

    The ends of an interval are one column, in whose title its confidence stands where that is one for all rows.

    Raises:
        BadFileError: a CSV file is missing.
    """
    with atomic_directory(folder / "latex") as out:
        for name, table in tables.items():
            if found := read_csv(folder / f"{name}.csv"):
                heads, rows, keys = _shown(columns(table.row), found)
                text = latex(heads, rows, table.caption.replace("`", ""), name.replace("_", "-"), keys)
                (out / f"{name}.tex").write_text(text, encoding="utf-8")


def _shown(
    declared: Sequence[Column], found: Sequence[Mapping[str, str]]
) -> tuple[list[Head], list[list[str]], int]:
    """Titles, rows, and how many columns say which cell a row is of."""
    levels = {
        column.name: {row[column.name] for row in found} - {""}
        for column in declared
        if column.meaning.startswith("confidence of")
    }
    (level,) = sharing if len(sharing := set().union(*levels.values())) == 1 else ("",)
    named = {column.name for column in declared}
    heads, cells, keys = [], [], 0
    for column in declared:
        name, stem = column.name, column.name.rpartition("low")[0]
        ends = (name, f"{stem}high")
        # Columns in which nothing stands say nothing.
        if (name not in CELL and not any(row[name] for row in found)) or (level and name in levels):
            continue
        if name.endswith("high") and f"{name[:-4]}low" in named:
            continue
        keys += name in CELL
        if name.endswith("low") and ends[1] in named:
            of = heading(stem.strip("_"))
            what = f"{100 * float(level):g}% interval" if level else "interval"
            heads.append(Head(f"{of}, {what}" if of else what, True))
            cells.append([_interval(row[ends[0]], row[ends[1]]) for row in found])
        else:
            heads.append(Head(heading(name), column.kind is not str))
            cells.append([(escaped if column.kind is str else number)(row[name]) for row in found])
    return heads, [list(row) for row in zip(*cells, strict=True)], keys or 1


def _interval(low: str, high: str) -> str:
    # Braces: a bracket after the end of a row would be an argument of that.
    return f"{{[{number(low) or '--'}, {number(high) or '--'}]}}" if low or high else ""
