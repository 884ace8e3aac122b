"""``prunescope compare``: what differs between finished studies."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from prunescope.commands import audit_lines
from prunescope.commands.audit import EXIT_MISSED
from prunescope.errors import UserError, listed

#: What ``--fail-on`` can ask for: ``DEMANDS`` of the comparison, which is not imported where commands are parsed.
FAIL_ON = ("settings", "moved", "conclusions", "cells", "bytes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "trees",
        nargs="+",
        type=Path,
        metavar="TREE",
        help="a results folder, or a study's YAML file; the first is what the others are compared with",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for report.html, tables and summary.json"
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.99,
        metavar="SHARE",
        help="confidence of the intervals (default: %(default)s)",
    )
    parser.add_argument(
        "--fail-on",
        nargs="+",
        action="extend",
        default=[],
        choices=FAIL_ON,
        metavar="WHAT",
        help=f"exit code 3 where one of these differs: {', '.join(FAIL_ON)}; "
        "`bytes` checks a refactoring, `moved` another machine",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from prunescope.analysis.studies.comparison import compare
    from prunescope.analysis.studies.rows import COMPARED
    from prunescope.analysis.studies.tree import Tree
    from prunescope.analysis.tables.declared import write_table
    from prunescope.files import atomic_directory, write_json, write_text
    from prunescope.report import compare_page

    if len(args.trees) < 2:
        raise UserError("compare: one tree has nothing to be compared with; give two or more")
    if not 0 < args.confidence < 1:
        raise UserError(f"--confidence: {args.confidence:g} is not between 0 and 1; try 0.99")
    if args.out is not None:
        _check_free(args.out, [f"{name}.csv" for name in COMPARED])
    trees = [Tree.at(path, name) for path, name in zip(args.trees, names(args.trees), strict=True)]
    found = [compare(trees[0], other, args.confidence) for other in trees[1:]]
    missed = []
    for one in found:
        audit_lines.say(compare_page.lines(one))
        missed += compare_page.missed(one, args.fail_on)
    if args.out is not None:
        with atomic_directory(args.out.resolve()) as folder:
            for name, declaration in COMPARED.items():
                write_table(folder, declaration.row, [row for one in found for row in getattr(one, name)])
            summary = {"comparisons": [one.summary for one in found], "failed": missed}
            write_json(folder / "summary.json", summary)
            write_text(folder / "report.html", compare_page.render(found))
        print(f"report: {args.out / 'report.html'}")
    audit_lines.say(missed, sys.stderr)
    return EXIT_MISSED if missed else 0


def names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart, without a last ``results``.

    >>> names([Path("old/results"), Path("new/results")]), names([Path("x/a"), Path("y/a")])
    (['old', 'new'], ['x/a', 'y/a'])
    """
    parts = [tuple(part for part in path.resolve().parts if part != "results") for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        found = ["/".join(one[-length:]) for one in parts]
        if len(set(found)) == len(found):
            return found
    twice = next(path for path in paths if sum(path.resolve() == other.resolve() for other in paths) > 1)
    raise UserError(f"{twice}: is given twice; give different trees")


def _check_free(out: Path, tables: Sequence[str]) -> None:
    """Raises: UserError: ``out`` holds something other than a comparison."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; choose another --out folder")
    held = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    foreign = set(held) - {*tables, "summary.json", "report.html"}
    if foreign:
        raise UserError(
            f"{out}: holds something other than a comparison ({listed(sorted(foreign), 3)}); choose another --out "
            "folder or empty it"
        )
