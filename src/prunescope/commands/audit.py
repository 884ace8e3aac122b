"""``prunescope audit``: its options, and what it reports on the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunescope.analysis.conditions import LEVEL, NAMES, value_of

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
        "predictions of the dense models: CSV or Parquet with the columns example, label, prediction and, for several "
        "models, seed; or prediction tables with logits",
        required=True,
    )
    files("--pruned", "predictions of the compressed models, in the same form; paired by seed", required=True)
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


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        UserError: as ``analysis.audit.audit``.
    """
    from prunescope.analysis import readability
    from prunescope.analysis.audit import audit
    from prunescope.report.audit_page import render

    summary = audit(
        args.dense,
        args.pruned,
        args.out,
        early=args.early,
        texts=args.texts,
        text_columns=args.text_column,
        confidence=args.confidence,
        bins=args.bins,
        margin=args.margin,
        fail_on=args.fail_on,
        page=render,
        processes=readability.available_processes(),
    )
    print(headlines(summary))
    print(f"report: {args.out / 'report.html'}")
    missed = missed_demands(summary)
    for line in missed:
        print(line, file=sys.stderr)
    return EXIT_MISSED if missed else 0


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


def headlines(summary: Mapping[str, Any]) -> str:
    """The headline numbers of ``summary.json`` in a few lines."""
    lines = [
        _changes(summary),
        f"{summary['metric']}: {_shown(summary['dense_score'])} dense, {_shown(summary['pruned_score'])} pruned",
    ]
    lines += [
        f"{name}: {_shown(own['dense'])} dense, {_shown(own['pruned'])} pruned"
        for name, own in (summary.get("task_metrics") or {}).items()
        if name != summary["metric"]
    ]
    lines[1:1] = _firmness(summary)
    lines += _harm(summary)
    alpha = summary.get("alpha")
    if alpha and alpha["mean"] is None:
        lines.append("alpha: undefined for every seed (accuracy 0, or equal recalls)")
    elif alpha:
        lines += _alphas(summary)
    return "\n".join(lines)


def _changes(summary: Mapping[str, Any]) -> str:
    """How many predictions, or majority votes of several seeds, change, and in which direction."""
    one = summary["n_seeds"] == 1
    dropped = f" ({summary['n_seeds_dropped']} dropped)" if summary["n_seeds_dropped"] else ""
    by = f" by more than {summary['tolerance']:.3g}" if "tolerance" in summary else ""
    line = (
        f"{summary['n_pies']} of {summary['n_examples']} {'predictions' if one else 'majority votes'} changed{by} "
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
    lines = []
    found, change = summary.get("mcnemar"), summary.get("change")
    if found:
        whose = "answer" if summary["n_seeds"] == 1 else "majority vote"
        whose += "" if found["to_wrong"] == 1 else "s"
        lines.append(
            f"harm: {found['to_wrong']} {whose} became wrong, {found['to_right']} right (exact McNemar test, "
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
    alpha, corrected = summary["alpha"], summary.get("alpha_corrected")
    lines = []
    if corrected and (corrected["ci_low"] is not None or corrected["ci_high"] is not None):
        ends = f"{_shown(corrected['ci_low'])} to {_shown(corrected['ci_high'])}"
        lines.append(
            f"alpha, corrected for noise: {_shown(corrected['mean'])}, {_percent(alpha['confidence'])} interval "
            f"{ends}: {_VERDICTS[corrected['verdict']]}"
        )
    elif corrected:
        lines.append("alpha, corrected for noise: undecided, the dense models' recalls differ within noise")
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
