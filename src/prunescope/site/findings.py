"""What a study found, in sentences made from its cells' numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.analysis.layer_collapse import Collapsed
from prunescope.config.compression import Compression
from prunescope.report.sentences import SAME_POINTS, count, is_share, metric_name, percent, score_text

#: Why no seed of a cell has an alpha.
NO_ALPHA = "in every seed, all classes have the same recall before pruning, or no prediction is right"


@dataclass(frozen=True)
class CellNumbers:
    """One pruned cell with the summary of its test split."""

    dataset: str
    arch: str
    pruner: str
    compression: Compression
    summary: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.pruner} at {self.compression.text}"

    @property
    def page(self) -> str:
        """File name of its page."""
        return f"{self.dataset}--{self.arch}--{self.pruner}--{self.compression.token}.html"

    @property
    def change(self) -> float | None:
        """Pruned minus dense mean score."""
        dense, pruned = self.summary.get("dense_score"), self.summary.get("pruned_score")
        return None if dense is None or pruned is None else pruned - dense

    @property
    def corrected(self) -> Mapping[str, Any] | None:
        """The summary's alpha corrected for noise, where it has a value."""
        value = self.summary.get("alpha_corrected")
        return value if isinstance(value, Mapping) and value.get("mean") is not None else None

    @property
    def alpha(self) -> Mapping[str, Any] | None:
        """The summary's alpha, where it has a value."""
        value = self.summary.get("alpha")
        return value if isinstance(value, Mapping) and value.get("mean") is not None else None


def architecture_sentences(cells: Sequence[CellNumbers], constant: float | None = None) -> list[str]:
    """About the cells of one (dataset, arch); ``constant`` is the task's score of a constant answer."""
    found: list[str] = []
    scored = [cell for cell in cells if cell.change is not None]
    if scored:
        metric = metric_name(scored[0].summary)
        by_task = scored[0].summary.get("task_metric") in (None, scored[0].summary.get("metric"))
        best = max(scored, key=lambda cell: cell.change or 0.0)
        worst = min(scored, key=lambda cell: cell.change or 0.0)
        text = f"Dense {metric}: {_range([c.summary['dense_score'] for c in scored], scored[0].summary)}"
        text += (
            f" (a constant answer: {score_text(constant, scored[0].summary)}). "
            if constant is not None and by_task
            else ". "
        )
        if best is worst:
            text += f"Pruned, {score_text(best.summary['pruned_score'], best.summary)} ({best.name})."
        else:
            text += (
                f"Pruned, from {score_text(worst.summary['pruned_score'], worst.summary)} ({worst.name}) to "
                f"{score_text(best.summary['pruned_score'], best.summary)} ({best.name})."
            )
        found.append(text)
    shared = [cell for cell in cells if cell.summary.get("pie_share") is not None]
    if len(shared) > 1:
        least = min(shared, key=lambda cell: cell.summary["pie_share"])
        most = max(shared, key=lambda cell: cell.summary["pie_share"])
        found.append(
            f"Majority votes change for {percent(least.summary['pie_share'])} of the examples "
            f"({least.name}) to {percent(most.summary['pie_share'])} ({most.name})."
        )
    elif shared:
        found.append(f"Majority votes change for {percent(shared[0].summary['pie_share'])} of the examples.")
    hidden = [
        cell
        for cell in scored
        if is_share(cell.summary)
        and abs(100 * (cell.change or 0.0)) < 1
        and (cell.summary.get("n_pies") or 0) > 0
    ]
    if hidden:
        most = max(hidden, key=lambda cell: cell.summary["pie_share"])
        found.append(
            f"{most.name} moves the mean by less than a point, yet changes the majority vote of "
            f"{count(most.summary['n_pies'], 'example')} ({percent(most.summary['pie_share'])})."
        )
    return found + [text for text in (_on_pies(cells), _alphas(cells)) if text]


def collapse_sentences(cells: Iterable[tuple[str, Sequence[Collapsed]]], of: int = 4) -> list[str]:
    """About empty layers in cells of one (dataset, arch): none, or one sentence that names ``of`` of the cells."""
    found = [(name, layers) for name, layers in cells if layers]
    if not found:
        return []
    named = [f"{name} ({_layers(layers)})" for name, layers in found[:of]]
    more = f", and {len(found) - of} more" if len(found) > of else ""
    return [f"Layer collapse: pruning removes every weight of a layer under {', '.join(named)}{more}."]


def _layers(found: Sequence[Collapsed]) -> str:
    first = found[0].layer.removesuffix(".weight")
    return first if len(found) == 1 else f"{first} and {count(len(found) - 1, 'other')}"


def overall(cells: Sequence[CellNumbers]) -> list[tuple[str, tuple[str, ...]]]:
    """About all cells together, each sentence with the tables that its numbers are in."""
    if not cells:
        return [("No cell is analysed yet.", ())]
    scored = [cell for cell in cells if cell.change is not None]
    lower = sum(100 * (cell.change or 0.0) <= -SAME_POINTS for cell in scored)
    affected = sum((cell.summary.get("n_pies") or 0) > 0 for cell in cells)
    compared = (
        f"{count(len(cells), 'pruned cell was', 'pruned cells were')} compared with "
        f"{'its' if len(cells) == 1 else 'their'} dense models: the mean score is lower in {lower} of "
        f"{len(scored)}, and majority votes of single examples change in {affected} of {len(cells)}."
    )
    found: list[tuple[str | None, tuple[str, ...]]] = [
        (compared, ("effectiveness.csv", "pie_share.csv")),
        (_on_pies(cells), ("effectiveness_on_pies.csv",)),
        (_alphas(cells), ("alpha.csv",)),
    ]
    return [(text, tables) for text, tables in found if text]


def _on_pies(cells: Sequence[CellNumbers]) -> str | None:
    both = [
        cell
        for cell in cells
        if cell.summary.get("dense_score_on_pies") is not None and cell.summary.get("dense_score") is not None
    ]
    if not both:
        return None
    harder = sum(cell.summary["dense_score_on_pies"] < cell.summary["dense_score"] for cell in both)
    return (
        f"In {harder} of {count(len(both), 'comparison')} with PIEs, these examples were harder than the "
        "rest before pruning: the dense models score lower on them than on all examples."
    )


def _alphas(cells: Sequence[CellNumbers]) -> str | None:
    asked = [cell for cell in cells if isinstance(cell.summary.get("alpha"), Mapping)]
    known = [cell.alpha for cell in asked if cell.alpha is not None]
    if not asked:
        return None
    without = len(asked) - len(known)
    none = "" if not without else f" {count(without, 'cell has', 'cells have')} no α: {NO_ALPHA}."
    if not known:
        return none.strip()
    found = [cell.summary.get("alpha_corrected") for cell in asked if cell.alpha is not None]
    corrected = [alpha for alpha in found if isinstance(alpha, Mapping)]
    above, below = (sum(alpha.get("verdict") == mark for alpha in known) for mark in (">", "<"))
    if len(corrected) < len(known):
        return (
            f"Differences in recall between classes grow in {above} of {len(known)}, shrink in "
            f"{below}, and are undecided in {len(known) - above - below} (recall distortion α against 1).{none}"
        )
    grown, shrunk = (sum(alpha.get("verdict") == mark for alpha in corrected) for mark in (">", "<"))
    return (
        f"Differences in recall between classes grow in {grown} of {len(corrected)}, shrink in {shrunk}, and are "
        f"undecided in {len(corrected) - grown - shrunk} (recall distortion α corrected for noise, against 1). "
        f"Computed as the paper does, α is above 1 in {above} of {len(known)} and below 1 in {below}; noise in the "
        f"recalls pulls it below 1.{none}"
    )


def _range(values: Sequence[float], summary: Mapping[str, Any]) -> str:
    low, high = score_text(min(values), summary), score_text(max(values), summary)
    return low if low == high else f"{low} to {high}"
