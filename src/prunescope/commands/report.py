"""Stages that draw and write pages; see ``workflow/rules/report.smk``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prunescope.commands.arguments import listed_folders, parsed


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    figures = commands.add_parser("figures", help="stage: all figures")
    figures.add_argument(
        "--cells",
        required=True,
        type=Path,
        metavar="FILE",
        help="file that lists the cells' folders, one a line",
    )
    figures.add_argument("--tables", required=True, type=Path, metavar="DIR")
    figures.add_argument("--out", required=True, type=Path, metavar="DIR")
    figures.set_defaults(run=_figures)

    paper = commands.add_parser("paper", help="stage: tables and figures as the papers print them")
    _report_arguments(paper)
    paper.add_argument("--out", required=True, type=Path, metavar="DIR")
    paper.set_defaults(run=_paper)

    site = commands.add_parser("site", help="stage: the pages that lead everywhere")
    _report_arguments(site)
    site.add_argument("--out", required=True, type=Path, metavar="FILE")
    site.set_defaults(run=_site)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", required=True, metavar="JSON", help="settings as JSON")
    parser.add_argument(
        "--cells",
        required=True,
        type=Path,
        metavar="FILE",
        help="file that lists the cells' folders, one a line",
    )
    parser.add_argument("--tables", required=True, type=Path, metavar="DIR")
    parser.add_argument("--figures", required=True, type=Path, metavar="DIR")
    parser.add_argument("--cards", required=True, nargs="+", type=Path, metavar="FILE")


def _figures(arguments: argparse.Namespace) -> int:
    from prunescope.figures.drawing import draw_all

    draw_all(arguments.tables, listed_folders(arguments.cells), arguments.out)
    return 0


def _paper(arguments: argparse.Namespace) -> int:
    from prunescope.papers.build import build

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
