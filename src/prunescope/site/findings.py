"""One pruned cell's numbers: its mean, the part of its examples that pays most, and what is left empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.layer_collapse import Collapsed
from prunescope.analysis.spans import SHARE
from prunescope.analysis.stats import t_interval_of_change
from prunescope.config.compression import Compression
from prunescope.report.audit_files import AuditFiles
from prunescope.report.sentences import count


@dataclass(frozen=True)
class Part:
    """A class or a group of a cell's test examples, or those whose majority vote changes.

    kind: ``class``, ``group`` or ``changed`` · change: of its recall or score, pruned less dense, mean over seeds ·
    low, high: its interval, simultaneous over the parts · p: of the exact McNemar test that its answers become wrong as
    often as right, corrected by Holm's method over the parts; None where nothing is tested or nothing is lost.
    """

    kind: str
    name: str
    n: int
    change: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def words(self) -> str:
        return "the examples whose vote changes" if self.kind == "changed" else f"{self.kind} “{self.name}”"


@dataclass(frozen=True)
class CellNumbers:
    """One pruned cell with the summary of its test split, and the classes and groups that its audit tests."""

    dataset: str
    arch: str
    pruner: str
    compression: Compression
    summary: Mapping[str, Any]
    parts: Sequence[Part] = ()

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

    @property
    def floor(self) -> Mapping[str, Any] | None:
        """What a change of seeds alone changes, where it is known."""
        value = self.summary.get("noise_floor")
        return value if isinstance(value, Mapping) else None

    @property
    def above_floor(self) -> bool:
        return self.floor is not None and self.floor.get("verdict") == ">"

    @property
    def is_constant(self) -> bool:
        """Whether a pruned model gives the same answer to every example."""
        found = self.summary.get("constant")
        return bool(isinstance(found, Mapping) and found.get("pruned"))

    @cached_property
    def worst(self) -> Part | None:
        """The class or group that loses most; where none is known, the examples whose majority vote changes."""
        if self.parts:
            return min(self.parts, key=lambda part: part.change)
        dense, pruned = (self.summary.get(f"{side}_score_on_pies") for side in ("dense", "pruned"))
        if dense is None or pruned is None:
            return None
        interval = self.summary.get("change_on_pies") or {}
        return Part(
            "changed",
            "",
            int(self.summary.get("n_pies") or 0),
            pruned - dense,
            interval.get("ci_low"),
            interval.get("ci_high"),
        )


def parts_of(audit: AuditFiles) -> list[Part]:
    """Classes with their recall, and the groups of a study that has some."""
    classes = [row for row in audit.classes if row.name in audit.recalls and row.n_examples]
    confidence = (audit.summary.get("change") or {}).get("confidence") or 0.99
    simultaneous = 1 - (1 - confidence) / max(len(classes), 1)
    found = []
    for row in classes:
        dense, pruned = zip(*audit.recalls[row.name], strict=True)
        change = t_interval_of_change(dense, pruned, simultaneous, SHARE)
        p = row.p_corrected if row.harm > 0 else None
        found.append(Part("class", row.name, row.n_examples, change.mean or 0.0, change.low, change.high, p))
    for group in audit.groups:
        if group.change is not None and group.ci_low is not None:
            p = group.p_corrected if group.to_wrong > group.to_right else None
            name = f"{group.column}: {group.group}"
            found.append(Part("group", name, group.n_examples, group.change, group.ci_low, group.ci_high, p))
    return found


@dataclass(frozen=True)
class Payer:
    """A part of a cell; ``p``: that part's, by Bonferroni's method corrected over all cells as well."""

    cell: CellNumbers
    part: Part
    p: float | None

    @property
    def is_sure(self) -> bool:
        """Whether the part loses more than chance explains."""
        return self.p is not None and self.p < LEVEL and self.part.change < 0

    @property
    def beyond(self) -> float:
        """What the part loses beyond the mean."""
        return (self.cell.change or 0.0) - self.part.change


def compared(cells: Sequence[CellNumbers]) -> list[CellNumbers]:
    """Cells whose classes or groups are compared: those that give one answer to every example say nothing of them."""
    return [cell for cell in cells if cell.parts and not cell.is_constant]


def losses(cells: Sequence[CellNumbers]) -> list[Payer]:
    """Every class and group of the cells that are compared: what the pages count, by one rule."""
    own = compared(cells)
    return [Payer(cell, part, _over_models(part.p, len(own))) for cell in own for part in cell.parts]


def payers(cells: Sequence[CellNumbers]) -> list[Payer]:
    """Every cell with a score and a worst part, in their order."""
    known = [(cell, cell.worst) for cell in cells if cell.change is not None and cell.worst is not None]
    models = len(compared(cells)) or len(known)
    return [Payer(cell, part, _over_models(part.p, models)) for cell, part in known]


def _over_models(p: float | None, models: int) -> float | None:
    return None if p is None else min(1.0, p * models)


def left_out(cells: Sequence[CellNumbers]) -> str:
    """A sentence about the cells with classes or groups that are not compared; empty where there are none."""
    n = sum(bool(cell.parts) for cell in cells) - len(compared(cells))
    if not n:
        return ""
    gives = count(n, "model that gives", "models that give")
    return f"Left out: {gives} one answer to every example in a seed."


def emptied(found: Iterable[Collapsed]) -> list[Collapsed]:
    """Layers without weights; an empty bias leaves its layer's weights."""
    return [one for one in found if not one.layer.rpartition(".")[2].startswith("bias")]


def collapse_sentences(cells: Iterable[tuple[str, Sequence[Collapsed]]], of: int = 4) -> list[str]:
    """About empty layers in cells of one (dataset, arch): none, or one sentence that names ``of`` of the cells."""
    found = [(name, layers) for name, collapsed in cells if (layers := emptied(collapsed))]
    if not found:
        return []
    named = [f"{name} ({_layers(layers)})" for name, layers in found[:of]]
    more = f", and {len(found) - of} more" if len(found) > of else ""
    return [f"Layer collapse: pruning removes every weight of a layer under {', '.join(named)}{more}."]


def _layers(found: Sequence[Collapsed]) -> str:
    most = max(found, key=lambda one: one.n_collapsed)
    first = f"{most.layer} in {most.n_collapsed} of {count(most.n_seeds, 'model')}"
    return first if len(found) == 1 else f"{first} and {count(len(found) - 1, 'other')}"
