"""Stages that draw and write pages; see ``workflow/rules/report.smk``."""

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
    add_processes,
    add_settings,
    listed_folders,
    parsed,
)


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    figures = add_command(
        commands,
        "figures",
        "draw all figures",
        "figures --cells results/cells.txt --tables results/tables --out results/figures",
        extras=("workflow",),
        reads=("cells", "tables"),
    )
    add_cells(figures)
    _add_tables(figures)
    add_folder(figures, "--out", "folder for the figures")
    add_processes(figures)
    figures.set_defaults(run=_figures)

    inputs = "--cells results/cells.txt --tables results/tables --figures results/figures --cards card.json"
    paper = add_command(
        commands,
        "paper",
        "write tables and figures as the papers print them",
        f"paper --settings JSON {inputs} --out results/paper",
        extras=("workflow",),
        reads=("cells", "tables", "figures", "cards"),
    )
    _report_arguments(paper)
    add_folder(paper, "--out", "folder for the papers' pages, tables and figures")
    paper.set_defaults(run=_paper)

    site = add_command(
        commands,
        "site",
        "write the study's pages",
        f"site --settings JSON {inputs} --out results/index.html",
        extras=("workflow",),
        reads=("cells", "tables", "figures", "cards"),
    )
    _report_arguments(site)
    add_file(site, "--out", "HTML file for the first page; the others go into `report` beside it")
    site.set_defaults(run=_site)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, "--settings", "the study")
    add_cells(parser)
    _add_tables(parser)
    add_folder(parser, "--figures", "folder of the figures, as `prunescope figures` writes it")
    add_files(parser, "--cards", "the data sets' cards (card.json)")


def _add_tables(parser: argparse.ArgumentParser) -> None:
    add_folder(parser, "--tables", "folder of the tables, as `prunescope tables` writes it")


def _figures(arguments: argparse.Namespace) -> int:
    from prunescope.figures.drawing import draw_all

    draw_all(arguments.tables, listed_folders(arguments.cells), arguments.out, arguments.processes)
    return 0


def _paper(arguments: argparse.Namespace) -> int:
    from prunescope.site.printed import build

    build(**_report_inputs(arguments))
    return 0


def _site(arguments: argparse.Namespace) -> int:
    from prunescope.site.build import build

    build(**_report_inputs(arguments))
    return 0


def _report_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    from prunescope.config.study import Study

    return {
        "study": parsed(TypeAdapter(Study), arguments.settings, "--settings"),
        "cells": listed_folders(arguments.cells),
        "tables": arguments.tables,
        "figures": arguments.figures,
        "cards": arguments.cards,
        "out": arguments.out,
    }
