"""Stages that analyse cells and put them into tables; see ``workflow/rules/analysis.smk``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prunescope.commands.arguments import listed_folders, parsed


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    el2n = commands.add_parser(
        "el2n", help="stage: EL2N scores, shared by the cells with the same dense models"
    )
    el2n.add_argument("--early", required=True, nargs="+", type=Path, metavar="FILE")
    el2n.add_argument("--seeds", required=True, nargs="+", type=int, metavar="SEED")
    el2n.add_argument("--out", required=True, type=Path, metavar="FILE")
    el2n.set_defaults(run=_el2n)

    cell = commands.add_parser("cell", help="stage: analyse one cell of the grid")
    for name in ("dense-test", "pruned-test", "dense-train", "pruned-train", "metrics"):
        cell.add_argument(f"--{name}", required=True, nargs="+", type=Path, metavar="FILE")
    cell.add_argument("--el2n", nargs="*", default=[], type=Path, metavar="FILE")
    cell.add_argument("--readability", nargs="*", default=[], type=Path, metavar="FILE")
    cell.add_argument("--weights", nargs="*", default=[], type=Path, metavar="FILE")
    cell.add_argument("--seeds", required=True, nargs="+", type=int, metavar="SEED")
    cell.add_argument("--confidence", type=float, default=0.99, help="default: %(default)s")
    cell.add_argument("--bins", type=int, default=20, help="number of EL2N bins (default: %(default)s)")
    cell.add_argument("--out", required=True, type=Path, metavar="DIR")
    cell.set_defaults(run=_cell)

    tables = commands.add_parser("tables", help="stage: tables of all cells")
    tables.add_argument(
        "--cells",
        required=True,
        type=Path,
        metavar="FILE",
        help="file that lists the cells' folders, one a line",
    )
    tables.add_argument(
        "--analysis", default="{}", metavar="JSON", help="settings of the tests between cells"
    )
    tables.add_argument("--sources", default="{}", metavar="JSON", help="source of each data set, by name")
    tables.add_argument("--out", required=True, type=Path, metavar="DIR")
    tables.set_defaults(run=_tables)


def _el2n(arguments: argparse.Namespace) -> int:
    from prunescope.analysis.cells import without_pandas, write_el2n

    with without_pandas():
        write_el2n(arguments.early, arguments.out, arguments.seeds)
    return 0


def _cell(arguments: argparse.Namespace) -> int:
    from prunescope.analysis.cells import CellInputs, analyse, without_pandas

    inputs = CellInputs(
        dense_test=arguments.dense_test,
        pruned_test=arguments.pruned_test,
        dense_train=arguments.dense_train,
        pruned_train=arguments.pruned_train,
        el2n=arguments.el2n[0] if arguments.el2n else None,
        metrics=arguments.metrics,
        readability=arguments.readability[0] if arguments.readability else None,
        weights=arguments.weights,
    )
    with without_pandas():
        analyse(
            inputs, arguments.out, seeds=arguments.seeds, confidence=arguments.confidence, bins=arguments.bins
        )
    return 0


def _tables(arguments: argparse.Namespace) -> int:
    from prunescope.config.analysis import Analysis
    from prunescope.papers.against_papers import collect_all

    analysis = parsed(TypeAdapter(Analysis), arguments.analysis, "--analysis")
    sources = parsed(TypeAdapter(dict[str, str]), arguments.sources, "--sources")
    collect_all(listed_folders(arguments.cells), arguments.out, analysis, sources)
    return 0
