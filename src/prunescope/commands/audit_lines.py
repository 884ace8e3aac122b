"""What ``prunescope audit`` says on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TextIO

from prunescope.analysis.conditions import LEVEL
from prunescope.errors import one_line
from prunescope.report import sentences, suite_page, who

#: Warnings printed; the page has all of them.
_MOST_WARNINGS = 20

#: Metrics of a log that are printed.
_MOST_METRICS = 6

_VERDICTS = {"<": "below 1", ">": "above 1", "?": "not distinguished from 1"}

_FLOORS = {
    ">": "pruning changes more votes than other seeds do",
    "<": "pruning changes fewer votes than other seeds do",
    "?": "not distinguished from what other seeds change",
}


def first_lines(found: Mapping[str, Any]) -> list[str]:
    """How the sides were read, and their scores, which are known before intervals and tests."""
    lines = sentences.read_lines(found)
    if found["dense_score"] is None:
        return lines
    sides = f"{_shown(found['dense_score'])} dense, {_shown(found['pruned_score'])} pruned"
    return [*lines, f"{found['metric']}: {sides}; intervals follow"]


def say(lines: Iterable[str], out: TextIO | None = None) -> None:
    """Print lines that may hold names from data."""
    for line in lines:
        print(one_line(line), file=out or sys.stdout, flush=True)


def show(summary: Mapping[str, Any], first: Collection[str] = ()) -> None:
    """Print all lines but ``first``, which stand there already."""
    say(line for line in sentences.read_lines(summary) if line not in first)
    warnings = summary.get("warnings") or []
    say((f"warning: {line}" for line in warnings[:_MOST_WARNINGS]), sys.stderr)
    if len(warnings) > _MOST_WARNINGS:
        print(f"warning: {len(warnings) - _MOST_WARNINGS} more on the page", file=sys.stderr)
    if summary.get("suite"):
        for one in summary["overall"]:
            say([suite_page.headline(one), *(f"  {line}" for line in who.slice_sentences(one["slices"]))])
        return
    say([*headlines(summary).split("\n"), *sentences.group_sentences(summary)])
    say(who.slice_sentences(summary.get("slices")))


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
        f"{name}: no pair of models has one, labels or answers do not vary"
        if one.get("n_scored") == 0
        else f"{name}: {_shown(one['dense'])} dense, {_shown(one['pruned'])} pruned{_of_pairs(one, summary)}"
        for name, one in {summary["metric"]: own, **(summary.get("task_metrics") or {})}.items()
    ]
    lines += [
        f"{one['metric']}: {_shown(one['dense'])} dense, {_shown(one['pruned'])} pruned (corrected p = "
        f"{one['p_corrected']:.2g})"
        for one in (summary.get("metrics") or ())[:_MOST_METRICS]
        if one["metric"] != summary["metric"] and one["p_corrected"] is not None
    ]
    lines += filter(None, [sentences.unknown_scales(summary.get("metrics") or ())])
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
    one = summary["n_seeds"] == 1
    dropped = f" ({summary['n_seeds_dropped']} dropped)" if summary["n_seeds_dropped"] else ""
    by = f" by more than {summary['tolerance']:.3g}" if "tolerance" in summary else ""
    answers = "predictions" if one else sentences.votes(summary)
    line = (
        f"{summary['n_pies']} of {summary['n_examples']} {answers} changed{by} "
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
        whose, test = sentences.votes(summary, found["to_wrong"]), sentences.harm_test(summary)
        lines.append(
            f"harm: {found['to_wrong']} {whose} became wrong, {found['to_right']} right ({test}, "
            f"p = {found['p_value']:.2g})"
        )
    if change and change["ci_low"] is not None:
        lines.append(
            f"change: {change['mean']:+.4f}, {_percent(change['confidence'])} interval {change['ci_low']:+.4f} to "
            f"{change['ci_high']:+.4f}"
        )
    worst = summary.get("most_harmed")
    if worst and worst["harm"] > 0:
        chance = "" if worst["p_corrected"] < LEVEL else ", within chance"
        lines.append(
            f"most harmed class: {worst['class']}, {worst['harm']:.1%} of its examples net ("
            f"{sentences.harm_test(summary)}, p = {worst['p_corrected']:.2g} corrected over the classes{chance})"
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
        ends = sentences.between(corrected["ci_low"], corrected["ci_high"], 4)
        lines.append(
            f"alpha, corrected for noise: {_shown(corrected['mean'])}, {_percent(alpha['confidence'])} interval "
            f"{ends}: {_verdict(corrected)}"
        )
    elif corrected:
        lines.append(f"alpha, corrected for noise: undecided, {sentences.undecided(summary)}")
    null = (summary.get("alpha_null") or {}).get("mean")
    against = "" if null is None else f"; {_shown(null)} between dense models of other seeds"
    if alpha["ci_low"] is None:
        return [*lines, f"alpha: {_shown(alpha['mean'])}; no interval with one seed"]
    said = _VERDICTS[alpha["verdict"]] if corrected else _verdict(alpha)
    ends = f"{_shown(alpha['ci_low'])} to {_shown(alpha['ci_high'])}"
    interval = f"{_percent(alpha['confidence'])} interval {ends}"
    return [
        *lines,
        f"alpha: {_shown(alpha['mean'])}, {interval}: {said}{against}",
    ]


def _verdict(alpha: Mapping[str, Any]) -> str:
    """On which side of 1 alpha is, and what that means."""
    said = _VERDICTS[alpha["verdict"]]
    return said if alpha["verdict"] == "?" else f"{said}, {sentences.alpha_words(alpha)}"


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
