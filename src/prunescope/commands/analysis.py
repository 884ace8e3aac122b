"""Stages that analyse cells and put them into tables; see ``workflow/rules/analysis.smk``."""

from __future__ import annotations

import argparse
from typing import Any

from pydantic import TypeAdapter

from prunescope.commands.arguments import (
    add_cells,
    add_command,
    add_file,
    add_files,
    add_folder,
    add_settings,
    listed_folders,
    parsed,
)


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    el2n = add_command(
        commands,
        "el2n",
        "score examples by EL2N, for all cells with the same dense models",
        "el2n --early early.parquet --seeds 0 1 --out el2n.parquet",
        reads=("early",),
    )
    add_files(el2n, "--early", "predictions of the dense models early in training")
    add_files(el2n, "--final", "the same at its end, for the data map", required=False)
    _add_seeds(el2n)
    add_file(el2n, "--out", "Parquet file for the scores")
    el2n.set_defaults(run=_el2n)

    cell = add_command(
        commands,
        "cell",
        "analyse one cell of the grid",
        "cell --dense-test d/test.parquet --pruned-test p/test.parquet --dense-train d/train.parquet "
        "--pruned-train p/train.parquet --metrics p/metrics.json --seeds 0 1 --out cell",
        reads=(
            "dense_test",
            "pruned_test",
            "dense_train",
            "pruned_train",
            "metrics",
            "el2n",
            "readability",
            "weights",
        ),
    )
    for side in ("dense", "pruned"):
        for split, text in (("test", "test"), ("train", "training")):
            add_files(
                cell,
                f"--{side}-{split}",
                f"predictions of the {side} models on the {text} split, a file per block of seeds",
            )
    add_files(cell, "--metrics", "metrics of the pruned models (metrics.json), a file per block of seeds")
    add_files(cell, "--el2n", "EL2N scores, one file, as `prunescope el2n` writes it", required=False)
    add_files(cell, "--readability", "readability scores of the test split's texts, one file", required=False)
    add_files(
        cell, "--weights", "measures of the weights that are left, a file per block of seeds", required=False
    )
    add_files(cell, "--table", "the test examples' data, one file, for --groups", required=False)
    cell.add_argument(
        "--groups",
        nargs="*",
        default=[],
        metavar="COLUMN",
        help="columns of it by which examples are grouped",
    )
    _add_seeds(cell)
    cell.add_argument(
        "--confidence",
        type=float,
        default=0.99,
        metavar="SHARE",
        help="confidence of the intervals (default: %(default)s)",
    )
    cell.add_argument(
        "--bins", type=int, default=20, metavar="NUMBER", help="number of EL2N bins (default: %(default)s)"
    )
    add_folder(cell, "--out", "folder for the cell's tables")
    cell.set_defaults(run=_cell)

    tables = add_command(
        commands,
        "tables",
        "write the tables over all cells",
        "tables --cells results/cells.txt --out results/tables",
        reads=("cells",),
    )
    add_cells(tables)
    add_settings(tables, "--analysis", "settings of the tests between cells", "the defaults of `analysis`")
    add_settings(tables, "--sources", "source of each data set, by name", "none")
    add_folder(tables, "--out", "folder for the tables")
    tables.set_defaults(run=_tables)


def _add_seeds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seeds", required=True, nargs="+", type=int, metavar="SEED", help="seeds that are compared"
    )


def _el2n(arguments: argparse.Namespace) -> int:
    from prunescope.analysis.cells import without_pandas, write_el2n

    with without_pandas():
        write_el2n(arguments.early, arguments.out, arguments.seeds, arguments.final)
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
        groups=arguments.groups,
        table=arguments.table[0] if arguments.table else None,
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
