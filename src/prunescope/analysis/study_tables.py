"""What a study measured, by cell, for those who put it beside what others say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, TypeVar

from prunescope.pruners import UNPRUNED

T = TypeVar("T")

Role = Literal["BERT", "BiLSTM"]

#: The network of the papers whose part a family of architectures plays.
ROLES: dict[str, Role] = {"encoder": "BERT", "bilstm": "BiLSTM"}

#: Families by the papers' names, for records that do not tell the family.
_FAMILY_OF_NAME = {"bert": "encoder", "bilstm": "bilstm"}


class Key(NamedTuple):
    """A cell; unpruned models have pruner ``none`` and sparsity 0."""

    dataset: str
    arch: str
    pruner: str
    sparsity: float

    @property
    def text(self) -> str:
        return f"{self.dataset}, {self.arch}, {self.pruner} at {percent(self.sparsity)}"


@dataclass(frozen=True)
class Score:
    """Over seeds; None where no seed is left (``std``: fewer than two)."""

    metric: str
    mean: float | None
    std: float | None


@dataclass(frozen=True)
class OnPies:
    """Mean scores on the PIEs; None without PIEs."""

    dense: float | None
    pruned: float | None


@dataclass(frozen=True)
class Part:
    """A class or an EL2N bin: how many examples it has and how many PIEs."""

    name: str
    n_examples: int
    n_pies: int


@dataclass(frozen=True)
class StudyTables:
    """The cross-study tables by cell.

    ``bins``: EL2N bins, least influential first. ``ratios``: readability of PIEs over that of all
    texts, by measure. ``classes``: in index order. ``families``: family of each arch, as far as known.
    """

    scores: Mapping[Key, Score] = field(default_factory=dict)
    pie_shares: Mapping[Key, float] = field(default_factory=dict)
    on_pies: Mapping[Key, OnPies] = field(default_factory=dict)
    bins: Mapping[Key, tuple[Part, ...]] = field(default_factory=dict)
    ratios: Mapping[Key, Mapping[str, float]] = field(default_factory=dict)
    classes: Mapping[Key, tuple[Part, ...]] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tables: Mapping[str, Sequence[Sequence[Any]]],
        classes: Mapping[Key, tuple[Part, ...]],
        families: Mapping[str, str],
    ) -> StudyTables:
        """From rows of the tables, in the order of their columns; fields are numbers or their text."""
        rows = {
            name: [(Key(*row[:4]), row[4:]) for row in tables[name] if row[3] is not None]
            for name in ("effectiveness", "pie_share", "effectiveness_on_pies", "el2n_bins", "readability")
        }
        bins: dict[Key, list[Part]] = {}
        for key, (number, examples, pies, _) in rows["el2n_bins"]:
            bins.setdefault(key, []).append(Part(str(number), int(examples), int(pies)))
        ratios: dict[Key, dict[str, float]] = {}
        for key, (measure, _, _, ratio) in rows["readability"]:
            if ratio not in (None, ""):
                ratios.setdefault(key, {})[measure] = float(ratio)
        return cls(
            scores={key: Score(row[0], row[1], row[2]) for key, row in rows["effectiveness"]},
            pie_shares={key: row[2] for key, row in rows["pie_share"] if row[2] is not None},
            on_pies={key: OnPies(row[1], row[2]) for key, row in rows["effectiveness_on_pies"]},
            bins={key: tuple(parts) for key, parts in bins.items()},
            ratios=ratios,
            classes=classes,
            families=families,
        )

    def only(self, keep: Callable[[Key], bool]) -> StudyTables:
        """The cells that ``keep`` accepts."""
        kept = {
            part.name: {key: value for key, value in getattr(self, part.name).items() if keep(key)}
            for part in fields(self)
            if part.name != "families"
        }
        return replace(self, **kept)

    @property
    def cells(self) -> list[Key]:
        """Pruned cells, in order."""
        known = {*self.scores, *self.pie_shares, *self.on_pies, *self.bins, *self.ratios, *self.classes}
        return sorted(key for key in known if key.pruner != UNPRUNED)

    def metric(self, key: Key) -> str | None:
        """What the scores of a cell measure."""
        known = self.scores.get(key) or self.scores.get(self.unpruned(key))
        return known.metric if known else None

    def score(self, key: Key) -> float | None:
        known = self.scores.get(key)
        return known.mean if known else None

    def unpruned(self, key: Key) -> Key:
        return Key(key.dataset, key.arch, UNPRUNED, 0.0)

    def drops(self) -> dict[Key, float]:
        """Unpruned minus pruned score of every pruned cell that has both."""
        found = {}
        for key in self.cells:
            before, after = self.score(self.unpruned(key)), self.score(key)
            if before is not None and after is not None:
                found[key] = before - after
        return found

    def role(self, arch: str) -> Role | None:
        """By the family of the architecture, else by its name."""
        family = self.families.get(arch) or _FAMILY_OF_NAME.get(arch.casefold(), "")
        return ROLES.get(family)

    def playing(self, role: Role) -> str:
        """``BERT``, or ``BERT (here minilm)`` where other networks play its part."""
        archs = sorted({key.arch for key in (*self.cells, *self.scores) if self.role(key.arch) == role})
        others = [arch for arch in archs if arch.casefold() != role.casefold()]
        return f"{role} (here {', '.join(archs)})" if others else role

    def pairs(self, values: Mapping[Key, T]) -> list[tuple[Key, T, T]]:
        """BERT's key, BERT's and BiLSTM's value at equal data set, pruner and sparsity."""
        found = []
        for key in sorted(values):
            for other in sorted(values):
                same = (key.dataset, *key[2:]) == (other.dataset, *other[2:])
                if same and self.role(key.arch) == "BERT" and self.role(other.arch) == "BiLSTM":
                    found.append((key, values[key], values[other]))
        return found


def curves(values: Mapping[Key, float]) -> dict[tuple[str, str, str], list[float]]:
    """Values in order of sparsity by (dataset, arch, pruner); only where there are at least two."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for key in sorted(values):
        found.setdefault(key[:3], []).append(values[key])
    return {curve: along for curve, along in found.items() if len(along) > 1}


def groups(values: Mapping[Key, T]) -> dict[tuple[str, str, float], dict[str, T]]:
    """Values by pruner for every (dataset, arch, sparsity)."""
    found: dict[tuple[str, str, float], dict[str, T]] = {}
    for key in sorted(values):
        found.setdefault((key.dataset, key.arch, key.sparsity), {})[key.pruner] = values[key]
    return found


def percent(share: float) -> str:
    """``99%``, ``2.4%``."""
    return f"{round(100 * share, 1):g}%"
