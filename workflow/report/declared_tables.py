"""Writes what follows from the declarations of tables: their captions in the Snakemake report, and docs/tables.md.

Run from the repository: ``python workflow/report/declared_tables.py``. A test compares the files with the declarations.
"""

from __future__ import annotations

from pathlib import Path

from prunescope.analysis.audit_tables import AUDIT_TABLES
from prunescope.analysis.studies.rows import COMPARED
from prunescope.analysis.tables.declared import Declaration, Tables, columns
from prunescope.analysis.tables.papers import TABLES as PAPER_TABLES
from prunescope.analysis.tables.registry import TABLES

ROOT = Path(__file__).parents[2]

_HEAD = """# Tables

Generated from the declarations in `src/prunescope/analysis`: `tables/registry.py`, `tables/papers.py`,
`audit_tables.py` and `studies/rows.py`; after a change there, run
`python workflow/report/declared_tables.py`.

Scores and shares are fractions. Means and standard deviations (n - 1) are over seeds; intervals are Student's t
intervals of the mean at the study's `confidence` unless a column says otherwise. An empty field has no value. Read
columns by their names: later versions may add some.
"""

#: Every caption in the report ends with it.
_STUDY = """
{% set c = snakemake.config %}
Study {{ c["name"] }}, {{ c["seeds"]|length }} seed{{ "s" if c["seeds"]|length != 1 }}.
Scores and shares are fractions of the test split unless said otherwise.
Dense models have the pruner ``none``, sparsity 0 and ratio 1.
"""


def documents() -> dict[Path, str]:
    """The text of every generated file, by path."""
    captions = {
        ROOT / "workflow" / "report" / "tables" / f"{name}.rst": _rst(table.caption) + _STUDY
        for name, table in (TABLES | PAPER_TABLES).items()
    }
    parts = (
        ("Of a study: `results/tables/`", TABLES),
        ("Of a study beside the papers: `results/tables/`", PAPER_TABLES),
        ("Of an audit: the `--out` folder, and `test/` and `train/` of a cell", AUDIT_TABLES),
        ("Of a comparison of studies: the `--out` folder of `prunescope compare`", COMPARED),
    )
    return captions | {ROOT / "docs" / "tables.md": "\n".join([_HEAD, *(_part(*part) for part in parts)])}


def _part(title: str, tables: Tables) -> str:
    return "\n".join([f"## {title}\n", *(_table(table) for table in tables.values())])


def _table(table: Declaration) -> str:
    rows = []
    for column in columns(table.row):
        kind = column.kind.__name__ + (", or empty" if column.optional else "")
        rows.append(f"| `{column.name}` | {kind} | {column.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(
        [
            f"### `{table.name}.csv`\n",
            f"{table.caption}\n",
            "| column | type | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _rst(text: str) -> str:
    return text.replace("`", "``") + "\n"


if __name__ == "__main__":
    for path, text in documents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
