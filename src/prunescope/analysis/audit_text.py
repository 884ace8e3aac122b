"""What ``prunescope audit`` says on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_VERDICTS = {
    "<": "below 1, pruning narrows the gaps between the classes' recalls",
    ">": "above 1, pruning widens the gaps between the classes' recalls",
    "?": "not told apart from 1",
}


_FLOORS = {
    ">": "pruning changes more votes than other seeds do",
    "<": "pruning changes fewer votes than other seeds do",
    "?": "not told apart from what other seeds change",
}


def told(summary: Mapping[str, Any]) -> str:
    """The headline numbers of ``summary.json`` in a few lines."""
    seeds = f"{summary['n_seeds']} seed{'s' if summary['n_seeds'] != 1 else ''}"
    dropped = f" ({summary['n_seeds_dropped']} dropped)" if summary["n_seeds_dropped"] else ""
    lines = [
        f"{summary['n_pies']} of {summary['n_examples']} examples ({summary['pie_share']:.1%}) are voted on "
        f"differently over {seeds}{dropped}",
        f"{summary['metric']}: {_shown(summary['dense_score'])} dense, {_shown(summary['pruned_score'])} pruned",
    ]
    lines += [
        f"{name}: {_shown(own['dense'])} dense, {_shown(own['pruned'])} pruned"
        for name, own in (summary.get("task_metrics") or {}).items()
        if name != summary["metric"]
    ]
    lines[1:1] = _firmness(summary)
    alpha = summary.get("alpha")
    if alpha and alpha["mean"] is None:
        lines.append("alpha: has no value for any seed (an accuracy of 0, or all recalls alike)")
    elif alpha and alpha["ci_low"] is None:
        lines.append(f"alpha: {_shown(alpha['mean'])}; one seed gives no interval")
    elif alpha:
        lines.append(
            f"alpha: {_shown(alpha['mean'])}, {alpha['confidence']:.12g} interval {_shown(alpha['ci_low'])} to "
            f"{_shown(alpha['ci_high'])}: {_VERDICTS[alpha['verdict']]}"
        )
    return "\n".join(lines)


def _firmness(summary: Mapping[str, Any]) -> list[str]:
    """Interval and noise floor of the share of PIEs, where there are any."""
    lines = []
    interval, floor = summary.get("pie_interval"), summary.get("noise_floor")
    if interval and interval["centered_low"] is not None:
        lines.append(
            f"  over resampled seeds: {interval['centered_low']:.1%} to {interval['centered_high']:.1%} "
            f"({interval['confidence']:.12g} bootstrap interval, centred)"
        )
    if floor:
        models = f"{floor['n_models']} seed{'s' if floor['n_models'] != 1 else ''}"
        lines.append(
            f"  noise floor: {floor['mean']:.1%} between disjoint halves of the dense models ({models} each); "
            f"{floor['pie_share_half']:.1%} between dense and pruned halves: {_FLOORS[floor['verdict']]}"
        )
    elif summary.get("pie_interval"):
        lines.append("  noise floor: one seed has none; with more seeds, votes can be told from noise")
    return lines


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
