"""``prunescope audit``: its options, and what it reports on the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.predictions.logs.recognized import Files
    from prunescope.predictions.reading import Reading

from prunescope.analysis.conditions import LEVEL, NAMES, value_of
from prunescope.errors import UserError
from prunescope.files import write_text

#: Warnings printed; the page has all of them.
_MOST_WARNINGS = 20

#: Metrics of a log that are printed.
_MOST_METRICS = 6

#: Exit code where the models do not meet what ``--margin`` and ``--fail-on`` ask.
EXIT_MISSED = 3

_VERDICTS = {
    "<": "below 1, pruning narrows the gaps between the classes' recalls",
    ">": "above 1, pruning widens the gaps between the classes' recalls",
    "?": "not distinguished from 1",
}

_FLOORS = {
    ">": "pruning changes more votes than other seeds do",
    "<": "pruning changes fewer votes than other seeds do",
    "?": "not distinguished from what other seeds change",
}


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
        type=float,
        metavar="SHARE",
        help="how much of the score may be lost: exit code 3 unless the interval of its change ends above minus this",
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


def compare(
    args: argparse.Namespace, scored: Callable[[Mapping[str, Any]], None] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Write the audit; returns its summary, and a line for each demand that the models do not meet.

    ``scored``: as of ``analysis.audit.audit``; logs and suites do not call it.

    Raises:
        UserError: as ``analysis.audit.audit`` and ``analysis.matrix.suite``.
    """
    from prunescope.analysis import matrix, readability
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
        and matrix.one_task(dense, pruned[0], reading)
    ):
        summary = audit(dense.tables, pruned[0].tables, args.out, scored=scored, **options)
    else:
        if args.early:
            raise UserError("--early: belongs to one task of prediction tables; drop it for logs and suites")
        wanted = [*args.groups, *([args.clusters] if args.clusters else [])]
        cells = matrix.cells(dense, pruned, reading=reading, allow=_allowed(args.allow), groups=wanted)
        found = list(islice(cells, 2))
        if len(found) == 1:
            summary = matrix.audit_cell(found[0], args.out, **options)
        else:
            if args.texts:
                raise UserError("--texts: belongs to one task, but there are several; audit one alone for it")

            if args.clusters:
                raise UserError(
                    "--clusters: belongs to one task, but there are several; audit one alone for it"
                )

            def each(cell: matrix.Cell, of_cell: Mapping[str, Any]) -> None:
                missed.extend(f"{cell.model}, {cell.task}: {line}" for line in missed_demands(of_cell))

            summary = matrix.suite(
                chain(found, cells), args.out, suite_page=suite_page.render, each=each, **options
            )
    if args.safe_csv:
        make_safe(args.out)
    if args.markdown is not None:
        write_text(args.markdown, suite_page.markdown(summary))
    return summary, missed + ([] if summary.get("suite") else missed_demands(summary))


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from prunescope.report import sentences

    first: list[str] = []

    def scored(found: Mapping[str, Any]) -> None:
        """The first lines, while intervals and tests are computed."""
        first.extend(sentences.read_lines(found))
        sides = f"{_shown(found['dense_score'])} dense, {_shown(found['pruned_score'])} pruned"
        print("\n".join([*first, f"{found['metric']}: {sides}; intervals follow"]), flush=True)

    summary, missed = compare(args, scored)
    _print(summary, first)
    print(f"report: {args.out / 'report.html'}")
    for line in missed:
        print(line, file=sys.stderr)
    return EXIT_MISSED if missed else 0


def _print(summary: Mapping[str, Any], first: Collection[str]) -> None:
    """``first``: lines that are printed already."""
    from prunescope.report import sentences, suite_page, who

    for line in sentences.read_lines(summary):
        if line not in first:
            print(line)
    warnings = summary.get("warnings") or []
    for line in warnings[:_MOST_WARNINGS]:
        print(f"warning: {line}", file=sys.stderr)
    if len(warnings) > _MOST_WARNINGS:
        print(f"warning: {len(warnings) - _MOST_WARNINGS} more on the page", file=sys.stderr)
    if summary.get("suite"):
        for one in summary["overall"]:
            print(suite_page.headline(one))
            for line in who.slice_sentences(one["slices"]):
                print(f"  {line}")
        return
    print(headlines(summary))
    for line in [*sentences.group_sentences(summary), *who.slice_sentences(summary.get("slices"))]:
        print(line)


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
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = ["_".join(folder.resolve().parts[-2:]) for folder in folders]
    if len(set(names)) < len(names):
        raise UserError(f"{folders[0]}: two folders of compressed models have one name; rename one")
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


def headlines(summary: Mapping[str, Any]) -> str:
    """The headline numbers of ``summary.json`` in a few lines."""
    lines = [_changes(summary)]
    if summary.get("labelled") is False:
        return lines[0]
    own = {
        "dense": summary["dense_score"],
        "pruned": summary["pruned_score"],
        "n_scored": summary.get("n_scored"),
    }
    lines += [
        f"{name}: {_shown(one['dense'])} dense, {_shown(one['pruned'])} pruned{_of_pairs(one, summary)}"
        for name, one in {summary["metric"]: own, **(summary.get("task_metrics") or {})}.items()
    ]
    lines += [
        f"{one['metric']}: {_shown(one['dense'])} dense, {_shown(one['pruned'])} pruned (corrected p = "
        f"{one['p_corrected']:.2g})"
        for one in (summary.get("metrics") or ())[:_MOST_METRICS]
        if one["metric"] != summary["metric"] and one["p_corrected"] is not None
    ]
    lines[1:1] = _firmness(summary)
    lines += _harm(summary)
    alpha = summary.get("alpha")
    if alpha and alpha["mean"] is None:
        lines.append("alpha: undefined for every seed (accuracy 0, or equal recalls)")
    elif alpha:
        lines += _alphas(summary)
    return "\n".join(lines)


def _of_pairs(one: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """How many pairs of models a mean is over, where some have no score."""
    scored, all_ = one.get("n_scored"), summary["n_seeds"]
    return "" if scored is None or scored == all_ else f" ({scored} of {all_} pairs of models have a score)"


def _changes(summary: Mapping[str, Any]) -> str:
    """How many predictions, or majority votes of several seeds, change, and in which direction."""
    from prunescope.report.sentences import votes

    one = summary["n_seeds"] == 1
    dropped = f" ({summary['n_seeds_dropped']} dropped)" if summary["n_seeds_dropped"] else ""
    by = f" by more than {summary['tolerance']:.3g}" if "tolerance" in summary else ""
    line = (
        f"{summary['n_pies']} of {summary['n_examples']} {'predictions' if one else votes(summary)} changed{by} "
        f"({summary['pie_share']:.1%}), {summary['n_seeds']} seed{'' if one else 's'}{dropped}"
    )
    flips = summary.get("flips")
    if not flips:
        return line
    wrong, right = flips["to_wrong"], flips["to_right"]
    if one:
        return f"{line}: {wrong:.0f} became wrong, {right:.0f} became right"
    return f"{line}; mean over seeds: {wrong:.1f} predictions became wrong, {right:.1f} became right"


def _harm(summary: Mapping[str, Any]) -> list[str]:
    """Whether more answers become wrong than right, in which class most, and what the probabilities lose."""
    from prunescope.report.sentences import harm_test, votes

    lines = []
    found, change = summary.get("mcnemar"), summary.get("change")
    if found:
        whose = votes(summary, found["to_wrong"])
        lines.append(
            f"harm: {found['to_wrong']} {whose} became wrong, {found['to_right']} right ({harm_test(summary)}, "
            f"p = {found['p_value']:.2g})"
        )
    if change and change["ci_low"] is not None:
        lines.append(
            f"change: {change['mean']:+.4f}, {_percent(change['confidence'])} interval {change['ci_low']:+.4f} to "
            f"{change['ci_high']:+.4f}"
        )
    worst = summary.get("most_harmed")
    if worst and worst["harm"] > 0:
        firm = worst["p_corrected"] < LEVEL
        lines.append(
            f"most harmed class: {worst['class']}, {worst['harm']:.1%} of its examples net (p = "
            f"{worst['p_corrected']:.2g} corrected over the classes{'' if firm else ', within chance'})"
        )
    if summary.get("kl_mean") is not None:
        lines.append(
            f"probabilities: divergence {summary['kl_mean']:.4f} nats (KL), negative log-likelihood "
            f"{summary['nll_dense']:.4f} dense, {summary['nll_pruned']:.4f} pruned"
        )
    lines += [
        f"{len(seeds)} of {summary['n_seeds']} {side} models {'gives' if len(seeds) == 1 else 'give'} one answer to "
        "all examples"
        for side, seeds in (summary.get("constant") or {}).items()
        if seeds
    ]
    return lines


def _alphas(summary: Mapping[str, Any]) -> list[str]:
    """Alpha corrected for noise, and as the paper has it, with its null."""
    from prunescope.report.sentences import undecided

    alpha, corrected = summary["alpha"], summary.get("alpha_corrected")
    lines = []
    if corrected and (corrected["ci_low"] is not None or corrected["ci_high"] is not None):
        ends = f"{_shown(corrected['ci_low'])} to {_shown(corrected['ci_high'])}"
        lines.append(
            f"alpha, corrected for noise: {_shown(corrected['mean'])}, {_percent(alpha['confidence'])} interval "
            f"{ends}: {_VERDICTS[corrected['verdict']]}"
        )
    elif corrected:
        lines.append(f"alpha, corrected for noise: undecided, {undecided(summary)}")
    null = (summary.get("alpha_null") or {}).get("mean")
    against = "" if null is None else f"; {_shown(null)} between dense models of other seeds"
    if alpha["ci_low"] is None:
        return [*lines, f"alpha: {_shown(alpha['mean'])}; no interval with one seed"]
    said = {"<": "below 1", ">": "above 1"}.get(alpha["verdict"], _VERDICTS["?"]) if corrected else None
    ends = f"{_shown(alpha['ci_low'])} to {_shown(alpha['ci_high'])}"
    interval = f"{_percent(alpha['confidence'])} interval {ends}"
    return [
        *lines,
        f"alpha: {_shown(alpha['mean'])}, {interval}: {said or _VERDICTS[alpha['verdict']]}{against}",
    ]


def _firmness(summary: Mapping[str, Any]) -> list[str]:
    """Interval and noise floor of the share of PIEs, where there are any."""
    lines = []
    interval, floor = summary.get("pie_interval"), summary.get("noise_floor")
    if interval and interval["centered_low"] is not None:
        lines.append(
            f"  over resampled seeds: {interval['centered_low']:.1%} to {interval['centered_high']:.1%} "
            f"({_percent(interval['confidence'])} bootstrap interval, centred)"
        )
    if floor:
        models = f"{floor['n_models']} seed{'s' if floor['n_models'] != 1 else ''}"
        lines.append(
            f"  noise floor: {floor['mean']:.1%} between disjoint halves of the dense models ({models} each); "
            f"{floor['pie_share_half']:.1%} between dense and pruned halves: {_FLOORS[floor['verdict']]}"
        )
    elif summary.get("pie_interval"):
        lines.append(
            "  noise floor: not available with one seed; give at least two seeds a side to separate pruning from "
            "seed noise"
        )
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.12g}%"


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
