"""What a study measured, by cell, for those who put it beside what others say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from prunescope.analysis.alpha.study_alphas import Alpha, AlphaTest
from prunescope.analysis.pruning_loss import LossPoint
from prunescope.analysis.tables import registry
from prunescope.analysis.tables.declared import CellRow, Key, percent, read_table
from prunescope.analysis.weights.tables import Spread, Storage
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.numbers import recall

__all__ = ["Key", "OnPies", "Part", "Score", "StudyTables", "curves", "groups", "percent"]

T = TypeVar("T")
C = TypeVar("C", bound=CellRow)

Role = Literal["BERT", "BiLSTM"]

#: The network of the papers whose part a family of architectures plays.
ROLES: dict[str, Role] = {"encoder": "BERT", "bilstm": "BiLSTM"}

#: Families by the papers' names, for records that do not tell the family.
_FAMILY_OF_NAME = {"bert": "encoder", "bilstm": "bilstm"}

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
    def read(
        cls,
        folder: Path,
        classes: Mapping[Key, tuple[Part, ...]] | None = None,
        families: Mapping[str, str] | None = None,
        depths: Mapping[str, int] | None = None,
        tests: Sequence[AlphaTest] = (),
        sources: Mapping[str, str] | None = None,
    ) -> StudyTables:
        """From the tables in a folder. Tables that are not there, and cells of unknown sparsity, have no values.

        Raises:
            UserError: a table is damaged.
        """

        def rows(kind: type[C]) -> list[tuple[Key, C]]:
            return [(row.key, row) for row in read_table(folder, kind) if row.key is not None]

        bins, losses = defaultdict[Key, list[Part]](list), defaultdict[Key, list[LossPoint]](list)
        for key, one in rows(registry.El2nBin):
            bins[key].append(Part(str(one.bin), one.n_examples, one.n_pies))
        for key, point in rows(registry.PruningLoss):
            losses[key].append(LossPoint(point.step, point.reached, point.mean))
        own, ratios = defaultdict[Key, dict[str, float]](dict), defaultdict[Key, dict[str, float]](dict)
        for key, score in rows(registry.TaskMetric):
            if score.mean is not None:
                own[key][score.metric] = score.mean
        for key, text in rows(registry.Readability):
            if text.ratio is not None:
                ratios[key][text.measure] = text.ratio
        alphas, variances = rows(registry.Alpha), rows(registry.RecallVariance)
        reached = [(key, r.ratio) for key, r in alphas] + [(key, r.ratio) for key, r in variances]
        weights = rows(registry.Weights)
        return cls(
            scores={key: Score(r.metric, r.mean, r.std) for key, r in rows(registry.Effectiveness)},
            pie_shares={key: r.pie_share for key, r in rows(registry.PieShare) if r.pie_share is not None},
            own=dict(own),
            on_pies={key: OnPies(r.dense, r.pruned) for key, r in rows(registry.EffectivenessOnPies)},
            bins={key: tuple(parts) for key, parts in bins.items()},
            ratios=dict(ratios),
            classes=classes or {},
            alphas={key: Alpha(r.alpha, r.ci_low, r.ci_high) for key, r in alphas if r.alpha is not None},
            variances={
                key: r.mean_recall_variance for key, r in variances if r.mean_recall_variance is not None
            },
            pruning_ratios={key: ratio for key, ratio in reached if ratio is not None},
            losses={key: tuple(points) for key, points in losses.items()},
            weights={key: spread for key, r in weights if (spread := Spread.of(r)) is not None},
            storage={key: size for key, r in weights if (size := Storage.of(r)) is not None},
            tests=tests,
            families=families or {},
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
