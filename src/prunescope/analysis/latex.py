"""Tables for LaTeX: ``\\input`` in a document that has ``\\usepackage{booktabs, longtable}``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prunescope.analysis.csv_text import read_csv
from prunescope.analysis.tables.declared import CELL, Declaration, columns
from prunescope.errors import one_line
from prunescope.files import atomic_directory

#: Letters across a page, in ``\\footnotesize``; wider tables are split into parts that begin with the same columns.
_WIDTH = 105
#: Columns of longer texts break their lines.
_LONG = 40

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
        cells = [len(row[at]) for row in rows for at in range(start, start + head.span)]
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
            )
        )
    return "% Needs \\usepackage{booktabs, longtable}.\n" + "\n".join(tables)


def _table(heads: Sequence[Head], rows: Sequence[Sequence[str]], caption: str) -> str:
    aligned = ""
    at = 0
    for head in heads:
        for column in range(at, at + head.span):
            longest = max((len(row[column]) for row in rows), default=0)
            aligned += r"p{0.3\linewidth}" if longest > _LONG else "r" if head.right else "l"
        at += head.span
    title = " & ".join(
        escaped(head.text) if head.span == 1 else rf"\multicolumn{{{head.span}}}{{c}}{{{escaped(head.text)}}}"
        for head in heads
    )
    lines = [
        r"\begingroup\footnotesize",
        rf"\begin{{longtable}}{{{aligned}}}",
        rf"{caption} \\",
        r"\toprule",
        rf"{title} \\",
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\end{longtable}",
        r"\endgroup",
    ]
    return "\n".join(lines) + "\n"


def write_latex(folder: Path, tables: Mapping[str, Declaration]) -> None:
    """Write ``latex/<name>.tex`` into the folder for each of these tables, whose CSV files are there.

    Raises:
        BadFileError: a CSV file is missing.
    """
    with atomic_directory(folder / "latex") as out:
        for name, table in tables.items():
            declared = columns(table.row)
            found = read_csv(folder / f"{name}.csv")
            rows = [[(escaped if c.kind is str else number)(row[c.name]) for c in declared] for row in found]
            # Columns in which nothing stands say nothing.
            kept = [
                at
                for at, c in enumerate(declared)
                if c.name in CELL or not rows or any(row[at] for row in rows)
            ]
            keys = sum(1 for at in kept if declared[at].name in CELL) or 1
            text = latex(
                [Head(declared[at].name, declared[at].kind is not str) for at in kept],
                [[row[at] for at in kept] for row in rows],
                table.caption.replace("`", ""),
                name.replace("_", "-"),
                keys,
            )
            (out / f"{name}.tex").write_text(text, encoding="utf-8")
