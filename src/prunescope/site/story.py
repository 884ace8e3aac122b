"""What a study found, first and in sentences: each with its interval and the table it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.config.study import Study
from prunescope.report.sentences import count, is_share, metric_name, number, percent, score_text
from prunescope.site.findings import CellNumbers

#: When a pruner prunes, in a sentence.
_WHEN = {
    "at-init": "at initialization",
    "one-shot": "once after training",
    "iterative": "in rounds",
    "levels": "level by level",
    "gradual": "gradually while training",
}

#: Headlines on the page at most.
MOST = 4


@dataclass(frozen=True)
class Statement:
    """``text`` with the tables (name, columns' meaning) that its numbers are from, and the cell it is about."""

    text: str
    tables: tuple[str, ...]
    cell: CellNumbers | None = None


def pruner_words(study: Study, name: str) -> str:
    """``magnitude pruning in rounds (IMP-FT)``; the bare name of a pruner that has no such words."""
    pruner = study.all_pruners.get(name)
    if pruner is None:
        return name
    return f"{pruner.declared.words} {_WHEN[pruner.schedule]} ({name})"


def headlines(study: Study, cells: Sequence[CellNumbers], most: int = MOST) -> list[Statement]:
    """A sentence per data set, about the cell where the mean hides most: those it hides more from first.

    A cell hides much where the loss on the examples whose majority vote changes is large beside the mean loss, and
    these examples are more than the noise floor.
    """
    best: dict[str, CellNumbers] = {}
    for cell in cells:
        if _hidden(cell) > _hidden(best.get(cell.dataset)):
            best[cell.dataset] = cell
    chosen = sorted(best.values(), key=lambda cell: -_hidden(cell))[:most]
    return [headline(study, cell) for cell in chosen]


def _hidden(cell: CellNumbers | None) -> float:
    """Score lost on PIEs beyond the mean loss, weighted with how many examples these are beyond the noise floor."""
    if cell is None or cell.change is None:
        return 0.0
    on_pies = change_on_pies(cell)
    if on_pies is None:
        return 0.0
    floor = cell.summary.get("noise_floor")
    excess = floor.get("excess") if isinstance(floor, Mapping) else None
    share = cell.summary.get("pie_share") or 0.0
    return max(cell.change - on_pies, 0.0) * max(share if excess is None else excess, 0.0)


def change_on_pies(cell: CellNumbers) -> float | None:
    """Pruned minus dense mean score on the PIEs."""
    dense, pruned = (cell.summary.get(f"{side}_score_on_pies") for side in ("dense", "pruned"))
    return None if dense is None or pruned is None else pruned - dense


def headline(study: Study, cell: CellNumbers) -> Statement:
    """``At 90 % sparsity, … costs 3 points … and 41 points on the 16 % …; the noise floor is 4 %.``"""
    summary = cell.summary
    noun = (
        "texts"
        if cell.dataset in study.datasets and study.datasets[cell.dataset].input == "text"
        else "examples"
    )
    change, on_pies = cell.change or 0.0, change_on_pies(cell) or 0.0
    text = f"At {_compression(cell)}, {pruner_words(study, cell.pruner)} "
    shares = is_share(summary)
    text += f"{_costs(change, shares)} {metric_name(summary)} of {cell.arch} on {cell.dataset} on average"
    text += _interval(summary.get("change"), shares)
    share = percent(summary.get("pie_share"))
    text += (
        f", and {_costs(on_pies, shares, verb=False)} on the {share} of {noun} whose majority vote changes"
    )
    text += _interval(summary.get("change_on_pies"), shares, _share_interval(summary))
    floor = summary.get("noise_floor")
    tables = ["effectiveness.csv", "effectiveness_on_pies.csv", "pie_share.csv"]
    if isinstance(floor, Mapping) and floor.get("mean") is not None:
        text += f"; the noise floor is {percent(floor['mean'])}"
        if floor.get("low") is not None and floor.get("high") is not None:
            text += f" ({percent(floor['low'])} to {percent(floor['high'])} over ways to halve the seeds)"
        if floor.get("pie_share_half") is not None:
            text += f"; with as many pruned models the share is {percent(floor['pie_share_half'])}"
        tables.append("pie_intervals.csv")
    return Statement(f"{text}.", tuple(tables), cell)


def _compression(cell: CellNumbers) -> str:
    return (
        f"{cell.compression.text} sparsity" if cell.compression.kind == "sparsity" else cell.compression.text
    )


def _costs(change: float, shares: bool, verb: bool = True) -> str:
    """``shares``: whether scores are shares, whose changes are in points."""
    size = f"{abs(100 * change):.1f} points" if shares else f"{abs(change):.3f}"
    if change <= 0:
        return f"costs {size} of" if verb else size
    return f"gains {size} of" if verb else f"gains {size}"


def _interval(change: Any, shares: bool, more: str = "") -> str:
    """``(99% interval 1.0 to 4.2 points)`` of what is lost, with what else belongs in the brackets."""
    parts = []
    if isinstance(change, Mapping) and change.get("ci_low") is not None and change.get("ci_high") is not None:
        scale, unit, digits = (100, " points", 1) if shares else (1, "", 3)
        ends = sorted((-scale * change["ci_low"], -scale * change["ci_high"]))
        if (change.get("mean") or 0.0) > 0:
            ends = sorted(-end for end in ends)
        low, high = (f"{end:.{digits}f}".replace("-", "−") for end in ends)
        seeds = f", {count(change['n_seeds'], 'seed')}" if change.get("n_seeds") else ""
        parts.append(f"{100 * change['confidence']:g}% interval {low} to {high}{unit}{seeds}")
    elif isinstance(change, Mapping):
        parts.append("one seed, no interval")
    if more:
        parts.append(more)
    return f" ({'; '.join(parts)})" if parts else ""


def _share_interval(summary: Mapping[str, Any]) -> str:
    interval = summary.get("pie_interval")
    if not isinstance(interval, Mapping) or interval.get("centered_low") is None:
        return ""
    low, high = (percent(interval[name]) for name in ("centered_low", "centered_high"))
    return f"their share {low} to {high} by {100 * interval['confidence']:g}% bootstrap"


def above_the_floor(cells: Sequence[CellNumbers]) -> Statement | None:
    """In how many cells pruning changes more votes than other seeds."""
    known = [c for c in cells if isinstance(c.summary.get("noise_floor"), Mapping)]
    if not known:
        return None
    above = sum(cell.summary["noise_floor"].get("verdict") == ">" for cell in known)
    below = sum(cell.summary["noise_floor"].get("verdict") == "<" for cell in known)
    excess = [cell.summary["noise_floor"].get("excess") for cell in known]
    values = [value for value in excess if value is not None]
    text = (
        f"In {above} of {count(len(known), 'pruned cell')} pruning changes more majority votes than other seeds "
        f"alone, in {below} fewer; in the rest the two cannot be distinguished"
    )
    if values:
        low, high = (f"{100 * end:.1f}".replace("-", "−") for end in (min(values), max(values)))
        text += f". The excess over the noise floor ranges from {low} to {high} points of the examples"
    return Statement(f"{text}.", ("pie_intervals.csv",))


def distortion(cells: Sequence[CellNumbers]) -> Statement | None:
    """Where differences between classes grow most, with the interval."""
    known = [cell for cell in cells if cell.corrected is not None and cell.corrected.get("verdict") == ">"]
    if not known:
        return None
    worst = max(known, key=lambda cell: (cell.corrected or {})["mean"])
    alpha = worst.corrected or {}
    score = f"{score_text(worst.summary.get('pruned_score'), worst.summary)} {metric_name(worst.summary)}"
    interval = (
        f"{100 * alpha['confidence']:g}% interval {number(alpha['ci_low'])} to {number(alpha['ci_high'])}"
        if alpha["ci_high"] is not None
        else f"{100 * alpha['confidence']:g}% interval from {number(alpha['ci_low'])} on"
    )
    return Statement(
        f"Differences in recall between classes grow most under {worst.name} on {worst.dataset} with {worst.arch}: "
        f"recall distortion α, corrected for noise, is {number(alpha['mean'])} ({interval}; 1: no change), at {score}.",
        ("alpha.csv",),
        worst,
    )
