"""``prunescope audit``: its options, and what it reports on the terminal."""

from __future__ import annotations

import argparse
import filecmp
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.predictions.logs.recognized import Files
    from prunescope.predictions.reading import Reading

from prunescope.analysis.conditions import NAMES, value_of
from prunescope.errors import UserError, visible
from prunescope.files import write_text

#: Exit code where the models do not meet what ``--margin`` and ``--fail-on`` ask.
EXIT_MISSED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``prunescope audit``."""

    def files(name: str, text: str, required: bool = False) -> None:
        parser.add_argument(
            name,
            nargs="+",
            action="extend",
            type=Path,
            metavar="FILE",
            required=required,
            default=[],
            help=text,
        )

    files(
        "--dense",
        "the dense models: tables (CSV, Parquet, JSON Lines) with the columns example, label, prediction and, for "
        "several models, seed; prediction tables with logits; logs of evaluation harnesses; or folders of them",
        required=True,
    )
    files(
        "--pruned",
        "the compressed models, in the same form; several folders are several models",
        required=True,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    files("--early", "prediction tables of the dense models early in training, for EL2N scores")
    parser.add_argument(
        "--texts",
        type=Path,
        metavar="FILE",
        help="texts of the examples (CSV, Parquet, JSON Lines), for readability and the report",
    )
    parser.add_argument(
        "--text-column",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="columns of the texts, joined by a space (default: text, or premise and hypothesis)",
    )
    for option, text in {
        "--task": "what predictions are: single-label, multi-label, regression, text (default: as the values look)",
        "--classes": "names of the classes in the order of their indices, as a,b,c or a file with a name a line",
        "--id": "column of the examples, numbers or texts (default: example, or a usual name of it)",
        "--label": "column of the labels (default: label, or a usual name of it)",
        "--prediction": "column of the predictions (default: prediction, or a usual name of it)",
        "--seed-column": "column of the seeds (default: seed)",
        "--sep": "what separates the fields of CSV (default: comma, tab, semicolon or |, as the header shows)",
        "--language": "of the texts, as en or de: readability formulas are for English (default: found)",
        "--encoding": "encoding of CSV and JSON Lines (default: UTF-8, or UTF-16 as the bytes show)",
    }.items():
        parser.add_argument(option, metavar=option.strip("-").partition("-")[0].upper(), help=text)
    parser.add_argument(
        "--groups",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="columns by whose values examples are grouped, in the predictions or logs, the texts or --metadata",
    )
    parser.add_argument(
        "--clusters",
        metavar="COLUMN",
        help="column of what examples are drawn together, such as the passage of several questions: tests and "
        "intervals then count clusters, not examples",
    )
    parser.add_argument(
        "--metadata",
        type=Path,
        metavar="FILE",
        help="a table of more columns by example, for --groups and --clusters",
    )
    parser.add_argument(
        "--allow",
        nargs="*",
        metavar="NAME",
        help="compare logs although this differs between the sides: prompts, fewshot, filters, harness, ... (default: "
        "refuse; without a name: whatever differs)",
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="a summary for a pull request or a model card"
    )
    parser.add_argument(
        "--safe-csv",
        action="store_true",
        help="put ' before texts in CSV files that begin with = + - @, which spreadsheets run as formulas",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.99,
        metavar="SHARE",
        help="confidence of the intervals, of alpha and of the score's change (default: %(default)s)",
    )
    parser.add_argument(
        "--bins", type=int, default=20, metavar="NUMBER", help="number of EL2N bins (default: %(default)s)"
    )
    parser.add_argument(
        "--margin",
        type=_share,
        metavar="SHARE",
        help="how much of the score may be lost, as 0.05 or 5%%: exit code 3 unless the interval of its change ends "
        "above minus this",
    )
    parser.add_argument(
        "--fail-on",
        nargs="+",
        action="extend",
        default=[],
        metavar="CONDITION",
        help='exit code 3 where one of these holds, such as "harm > 0.02" or "class_harm > 5%%"; names: '
        + ", ".join(NAMES),
    )


def _share(text: str) -> float:
    """``0.05`` or ``5%``."""
    number = text.strip().removesuffix("%")
    try:
        return float(number) / (1 if number == text.strip() else 100)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write one like 0.05 or 5%") from None


def compare(
    args: argparse.Namespace, scored: Callable[[Mapping[str, Any]], None] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Write the audit; returns its summary, and a line for each demand that the models do not meet.

    ``scored``: as of ``analysis.audit.audit``; logs and suites do not call it.

    Raises:
        UserError: as ``analysis.audit.audit`` and ``analysis.matrix.suite``.
    """
    from prunescope.analysis import matrix, readability, suite_tasks
    from prunescope.analysis.audit import audit
    from prunescope.analysis.csv_text import make_safe
    from prunescope.report import suite_page
    from prunescope.report.audit_page import render

    if args.texts is not None and not args.texts.exists():
        raise UserError(f"{args.texts}: no such file")
    reading = reading_of(args)
    dense, pruned = _models(args)
    options: dict[str, Any] = {
        "early": args.early,
        "texts": args.texts,
        "text_columns": args.text_column,
        "confidence": args.confidence,
        "bins": args.bins,
        "margin": args.margin,
        "fail_on": args.fail_on,
        "processes": readability.available_processes(),
        "reading": reading,
        "page": render,
        "groups": args.groups,
        "clusters": args.clusters,
        "metadata": args.metadata,
        "language": args.language,
    }
    missed: list[str] = []
    if (
        not dense.logs
        and len(pruned) == 1
        and not pruned[0].logs
        and suite_tasks.one_task(dense, pruned[0], reading)
    ):
        said = {"more_warnings": _same(dense, pruned[0])}
        summary = audit(dense.tables, pruned[0].tables, args.out, scored=scored, said=said, **options)
    else:
        if args.early:
            raise UserError("--early: belongs to one task of prediction tables; drop it for logs and suites")
        wanted = [*args.groups, *([args.clusters] if args.clusters else [])]
        cells = suite_tasks.cells(dense, pruned, reading=reading, allow=_allowed(args.allow), groups=wanted)
        found = list(islice(cells, 2))
        if len(found) == 1:
            summary = matrix.audit_cell(found[0], args.out, **options)
        else:
            if args.texts:
                raise UserError("--texts: belongs to one task, but there are several; audit one alone for it")

            def each(cell: suite_tasks.Cell, of_cell: Mapping[str, Any]) -> None:
                missed.extend(f"{cell.model}, {cell.task}: {line}" for line in missed_demands(of_cell))

            summary = matrix.suite(
                chain(found, cells), args.out, suite_page=suite_page.render, each=each, **options
            )
        summary["warnings"] = [
            *(summary.get("warnings") or ()),
            *(line for model in pruned for line in _same(dense, model)),
        ]
    if args.safe_csv:
        make_safe(args.out)
    if args.markdown is not None:
        write_text(args.markdown, visible(suite_page.markdown(summary)))
    return summary, missed + ([] if summary.get("suite") else missed_demands(summary))


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from prunescope.commands import audit_lines

    first: list[str] = []

    def scored(found: Mapping[str, Any]) -> None:
        """The first lines, while intervals and tests are computed."""
        first.extend(audit_lines.first_lines(found))
        audit_lines.say(first)

    summary, missed = compare(args, scored)
    audit_lines.show(summary, first)
    print(f"report: {args.out / 'report.html'}")
    audit_lines.say(missed, sys.stderr)
    return EXIT_MISSED if missed else 0


def _same(dense: Files, pruned: Files) -> list[str]:
    """A warning for each file that is given on both sides, as itself or as a copy."""
    sides = [[*side.tables, *(path for path, _ in side.logs)] for side in (dense, pruned)]
    return [
        f"dense and pruned are the same file: {a}"
        if a.samefile(b)
        else f"dense and pruned are the same to the byte: {a} and {b}"
        for a in sides[0]
        for b in sides[1]
        if a.is_file() and b.is_file() and filecmp.cmp(a, b, shallow=False)
    ]


def _models(args: argparse.Namespace) -> tuple[Files, list[Files]]:
    """The dense model's files, and those of each compressed model: a folder each, or all files together one."""
    from prunescope.predictions.logs.recognized import files_of

    folders = [path for path in args.pruned if path.is_dir()]
    if folders and len(folders) < len(args.pruned):
        file = next(path for path in args.pruned if not path.is_dir())
        raise UserError(
            f"{file}: a file beside the folder {folders[0]}; give a folder for each compressed model"
        )
    dense = files_of("dense", args.dense)
    if len(folders) < 2:
        name = folders[0].resolve().name if folders else "pruned"
        return dense, [files_of(name, args.pruned)]
    paths = [folder.resolve().parts for folder in folders]
    if len(set(paths)) < len(paths):
        twice = next(folder for folder, path in zip(folders, paths, strict=True) if paths.count(path) > 1)
        raise UserError(f"{twice}: given twice; give each compressed model's folder once")
    # As much of the paths as tells them apart.
    lengths = range(1, max(map(len, paths)) + 1)
    named = (["_".join(path[-length:]) for path in paths] for length in lengths)
    names = next(names for names in named if len(set(names)) == len(names))
    return dense, [files_of(name, [folder]) for name, folder in zip(names, folders, strict=True)]


def _allowed(names: Sequence[str] | None) -> Sequence[str] | None:
    """What may differ: nothing by default, everything where ``--allow`` names nothing (None)."""
    from prunescope.predictions.logs.pairing import DIFFERENCES

    if names is None:
        return ()
    unknown = [name for name in names if name not in DIFFERENCES]
    if unknown:
        raise UserError(f"--allow: {unknown[0]!r} is unknown; there are {', '.join(DIFFERENCES)}")
    return names or None


def missed_demands(summary: Mapping[str, Any]) -> list[str]:
    """A line for each demand of ``--margin`` and ``--fail-on`` that the models do not meet."""
    found = [
        f"--fail-on {text!r}: holds, {name} is {value_of(name, summary):.4g}"
        for text in summary.get("failed", ())
        for name in [text.split()[0]]
    ]
    margin = summary.get("margin")
    if margin and not margin["met"]:
        low = value_of("change_low", summary)
        found.insert(
            0, f"--margin {margin['margin']:g}: not met, the score's change may be as low as {low:+.4f}"
        )
    return found


def reading_of(args: argparse.Namespace) -> Reading:
    """What the options say of users' tables.

    Raises:
        UserError: a value is none.
    """
    from prunescope.predictions import reading

    columns = {
        role: named
        for role, option in reading.OPTIONS.items()
        if (named := getattr(args, option.strip("-").replace("-", "_"))) is not None
    }
    return reading.Reading(
        task=args.task,
        classes=None if args.classes is None else reading.class_names(args.classes),
        columns=columns,
        sep=None if args.sep is None else reading.separator(args.sep),
        encoding=args.encoding,
    )
