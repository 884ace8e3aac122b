"""What a study measured, by cell, for those who put it beside what others say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from prunescope.analysis.alpha.study_alphas import Alpha, AlphaTest
from prunescope.analysis.pruning_loss import LossPoint
from prunescope.analysis.tables.keys import Key, percent
from prunescope.analysis.weights.tables import Spread, Storage
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.numbers import recall

__all__ = ["Key", "OnPies", "Part", "Score", "StudyTables", "curves", "groups", "percent"]

T = TypeVar("T")

Role = Literal["BERT", "BiLSTM"]

#: The network of the papers whose part a family of architectures plays.
ROLES: dict[str, Role] = {"encoder": "BERT", "bilstm": "BiLSTM"}

#: Families by the papers' names, for records that do not tell the family.
_FAMILY_OF_NAME = {"bert": "encoder", "bilstm": "bilstm"}

#: The tables that are read.
_READ = (
    "effectiveness",
    "pie_share",
    "effectiveness_on_pies",
    "el2n_bins",
    "readability",
    "alpha",
    "recall_variance",
    "task_metrics",
    "pruning_loss",
    "weights",
)

#: Fields of ``StudyTables`` that are not values by cell.
_NOT_BY_CELL = frozenset({"tests", "families", "depths", "sources"})


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

    ``own``: mean scores by the data sets' own metrics. ``bins``: EL2N bins, least influential first. ``ratios``:
    readability of PIEs over that of all texts, by measure. ``classes``: in index order. ``variances``: of recall
    over classes, mean over models.
    ``pruning_ratios``: as reached. ``losses``: while pruned gradually, by step. ``weights``, ``storage``: of whole
    networks.
    ``tests``: between alphas. As far as known: ``families`` and ``depths`` by arch, ``sources`` by data set.
    """

    scores: Mapping[Key, Score] = field(default_factory=dict)
    pie_shares: Mapping[Key, float] = field(default_factory=dict)
    own: Mapping[Key, Mapping[str, float]] = field(default_factory=dict)
    on_pies: Mapping[Key, OnPies] = field(default_factory=dict)
    bins: Mapping[Key, tuple[Part, ...]] = field(default_factory=dict)
    ratios: Mapping[Key, Mapping[str, float]] = field(default_factory=dict)
    classes: Mapping[Key, tuple[Part, ...]] = field(default_factory=dict)
    alphas: Mapping[Key, Alpha] = field(default_factory=dict)
    variances: Mapping[Key, float] = field(default_factory=dict)
    pruning_ratios: Mapping[Key, float] = field(default_factory=dict)
    losses: Mapping[Key, tuple[LossPoint, ...]] = field(default_factory=dict)
    weights: Mapping[Key, Spread] = field(default_factory=dict)
    storage: Mapping[Key, Storage] = field(default_factory=dict)
    tests: Sequence[AlphaTest] = ()
    families: Mapping[str, str] = field(default_factory=dict)
    depths: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tables: Mapping[str, Sequence[Sequence[Any]]],
        classes: Mapping[Key, tuple[Part, ...]],
        families: Mapping[str, str],
        depths: Mapping[str, int] | None = None,
        tests: Sequence[AlphaTest] = (),
        sources: Mapping[str, str] | None = None,
    ) -> StudyTables:
        """From rows of the tables, in the order of their columns; fields are numbers or their text."""
        rows = {
            name: [(Key(*row[:4]), row[4:]) for row in tables.get(name, ()) if row[3] is not None]
            for name in _READ
        }
        bins: dict[Key, list[Part]] = {}
        for key, (number, examples, pies, _) in rows["el2n_bins"]:
            bins.setdefault(key, []).append(Part(str(number), int(examples), int(pies)))
        losses: dict[Key, list[LossPoint]] = {}
        for key, (step, reached, mean, *_) in rows["pruning_loss"]:
            losses.setdefault(key, []).append(LossPoint(int(step), float(reached), float(mean)))
        own: dict[Key, dict[str, float]] = {}
        for key, (metric, mean, *_) in rows["task_metrics"]:
            if mean not in (None, ""):
                own.setdefault(key, {})[metric] = float(mean)
        ratios: dict[Key, dict[str, float]] = {}
        for key, (measure, _, _, ratio) in rows["readability"]:
            if ratio not in (None, ""):
                ratios.setdefault(key, {})[measure] = float(ratio)
        return cls(
            scores={key: Score(row[0], row[1], row[2]) for key, row in rows["effectiveness"]},
            pie_shares={key: row[2] for key, row in rows["pie_share"] if row[2] is not None},
            own=own,
            on_pies={key: OnPies(row[1], row[2]) for key, row in rows["effectiveness_on_pies"]},
            bins={key: tuple(parts) for key, parts in bins.items()},
            ratios=ratios,
            classes=classes,
            alphas={key: Alpha.of(row) for key, row in rows["alpha"] if row[1] is not None},
            variances={key: row[1] for key, row in rows["recall_variance"] if row[1] is not None},
            pruning_ratios={
                key: row[0]
                for name in ("alpha", "recall_variance")
                for key, row in rows[name]
                if row[0] is not None
            },
            losses={key: tuple(points) for key, points in losses.items()},
            weights={key: found for key, row in rows["weights"] if (found := Spread.of(row)) is not None},
            storage={key: size for key, row in rows["weights"] if (size := Storage.of(row)) is not None},
            tests=tests,
            families=families,
            depths=depths or {},
            sources=sources or {},
        )

    def only(self, keep: Callable[[Key], bool]) -> StudyTables:
        """The cells that ``keep`` accepts."""
        kept: dict[str, Any] = {
            part.name: {key: value for key, value in getattr(self, part.name).items() if keep(key)}
            for part in fields(self)
            if part.name not in _NOT_BY_CELL
        }
        kept["tests"] = [test for test in self.tests if keep(test.a) and keep(test.b)]
        return replace(self, **kept)

    @property
    def cells(self) -> list[Key]:
        """Pruned cells, in order."""
        known: set[Key] = set()
        for part in fields(self):
            if part.name not in _NOT_BY_CELL:
                known |= set(getattr(self, part.name))
        return sorted(key for key in known if key.pruner != NO_PRUNER)

    def metric(self, key: Key) -> str | None:
        """What the scores of a cell measure."""
        known = self.scores.get(key) or self.scores.get(self.dense(key))
        return known.metric if known else None

    def score(self, key: Key) -> float | None:
        known = self.scores.get(key)
        return known.mean if known else None

    def dense(self, key: Key) -> Key:
        return Key(key.dataset, key.arch, NO_PRUNER, 0.0)

    def drops(self) -> dict[Key, float]:
        """Unpruned minus pruned score of every pruned cell that has both."""
        found = {}
        for key in self.cells:
            before, after = self.score(self.dense(key)), self.score(key)
            if before is not None and after is not None:
                found[key] = before - after
        return found

    def ratio(self, key: Key) -> float | None:
        """All parameters over those left, as reached; None where it is not known."""
        return 1.0 if key.pruner == NO_PRUNER else self.pruning_ratios.get(key)

    def family(self, arch: str) -> str | None:
        """As recorded, else that of the papers' network of this name."""
        known = self.families.get(arch) or _FAMILY_OF_NAME.get(arch.casefold())
        name = recall.arch_name(arch, None, None)
        if known is None and name is not None:
            return "lenet5" if name == "LeNet" else "resnet"
        return known

    def role(self, arch: str) -> Role | None:
        """By the family of the architecture."""
        return ROLES.get(self.family(arch) or "")

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
