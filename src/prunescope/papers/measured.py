"""What a study measured, by cell: the frame that printed numbers and claims are held against."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from prunescope.analysis.audit_tables import ClassCount
from prunescope.analysis.tables import registry
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import CellRow, Key, read_table
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.recall import printed as recall
from prunescope.papers.recall.alpha_tests import AlphaTest, read_tests

K = TypeVar("K")
T = TypeVar("T")
C = TypeVar("C", bound=CellRow)

Role = Literal["BERT", "BiLSTM"]

#: The model of the PIE paper whose part a family of architectures plays.
ROLES: dict[str, Role] = {"encoder": "BERT", "bilstm": "BiLSTM"}

#: Families by the papers' names, for records without a family.
_FAMILY_OF_NAME = {"bert": "encoder", "bilstm": "bilstm", "LeNet": "lenet5"}

#: Quantities of a cell, and the table and field they are read from; of weights, the rows of whole models.
QUANTITIES: dict[str, tuple[type[CellRow], str]] = {
    **{f"score_{name}": (registry.Effectiveness, name) for name in ("mean", "std")},
    "pie_share": (registry.PieShare, "pie_share"),
    "noise_floor": (registry.PieInterval, "noise_floor"),
    "pie_verdict": (registry.PieInterval, "verdict"),
    **{f"{side}_score_on_pies": (registry.EffectivenessOnPies, side) for side in ("dense", "pruned")},
    **{name: (registry.RecallVariance, name) for name in ("ratio", "mean_recall_variance")},
    **{name: (registry.Alpha, name) for name in ("alpha", "alpha_null", "corrected_low", "corrected_high")},
    **{f"alpha_{name}": (registry.Alpha, name) for name in ("ratio", "accuracy", "verdict")},
    **{f"alpha_{end}": (registry.Alpha, f"ci_{end}") for end in ("low", "high")},
    **{name: (registry.Control, name) for name in ("change_from_control", "alpha_control")},
    **{f"change_from_control_{end}": (registry.Control, f"ci_{end}") for end in ("low", "high")},
    **{name: (registry.Weights, name) for name in ("rank", "row_gini", "row_gini_random")},
    **{name: (registry.Weights, name) for name in ("megabytes", "megabytes_float32")},
}

#: Tables with a row per cell and label, whose quantities are called ``<table>.<label>``: fields of label and value.
_LABELLED: dict[type[CellRow], tuple[str, str]] = {
    registry.TaskMetric: ("metric", "mean"),
    registry.Readability: ("measure", "ratio"),
}

#: A class or an EL2N bin, with how many examples and PIEs it has.
Part = ClassCount | registry.El2nBin


@dataclass(frozen=True)
class Measured:
    """A study's results by cell. A quantity that a cell does not have is absent.

    values: of ``QUANTITIES`` and ``<table>.<label>``, by quantity. ``ratio``: compression as reached.
    metrics: what the scores measure.
    classes, bins: of the test split in index order; EL2N bins, least influential first.
    losses: of the steps of gradual pruning, in order.
    tests: between alphas.
    families, depths: by architecture; sources: by data set; all as far as known.
    """

    metrics: Mapping[Key, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[Key, Any]] = field(default_factory=dict)
    classes: Mapping[Key, tuple[Part, ...]] = field(default_factory=dict)
    bins: Mapping[Key, tuple[Part, ...]] = field(default_factory=dict)
    losses: Mapping[Key, tuple[registry.PruningLoss, ...]] = field(default_factory=dict)
    tests: Sequence[AlphaTest] = ()
    families: Mapping[str, str] = field(default_factory=dict)
    depths: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, tables: Path, cells: Sequence[CellResults] = (), sources: Mapping[str, str] | None = None
    ) -> Measured:
        """From the cross-study tables in a folder, and from the cells' own. Cells of unknown sparsity have no values.

        Raises:
            UserError: a table is damaged.
        """

        def rows(kind: type[C]) -> list[tuple[Key, C]]:
            return [(row.key, row) for row in read_table(tables, kind) if row.key is not None]

        def recorded(setting: str) -> dict[str, Any]:
            """Of each architecture, from the first cell that records it."""
            settings = ((cell.arch, cell.settings.get("architecture") or {}) for cell in reversed(cells))
            return {arch: of[setting] for arch, of in settings if of.get(setting)}

        by_kind = {kind: rows(kind) for kind in {kind for kind, _ in QUANTITIES.values()} | {*_LABELLED}}
        values: dict[str, dict[Key, Any]] = {
            name: {key: getattr(row, column) for key, row in by_kind[kind] if not getattr(row, "layer", None)}
            for name, (kind, column) in QUANTITIES.items()
        }
        for kind, (label, column) in _LABELLED.items():
            for key, row in by_kind[kind]:
                values.setdefault(f"{kind.file}.{getattr(row, label)}", {})[key] = getattr(row, column)
        keys = {cell.folder: cell.key for cell in cells if cell.key is not None}
        return cls(
            metrics={key: row.metric for key, row in rows(registry.Effectiveness)},
            values={
                name: {key: value for key, value in of_cells.items() if value is not None}
                for name, of_cells in values.items()
            },
            classes=grouped(
                (key, row)
                for folder, key in keys.items()
                if key.pruner != NO_PRUNER
                for row in read_table(folder / "test", ClassCount)
            ),
            bins=grouped(rows(registry.El2nBin)),
            losses=grouped(rows(registry.PruningLoss)),
            tests=read_tests(tables, {"/".join(folder.parts[-4:]): key for folder, key in keys.items()}),
            families=recorded("family"),
            depths=recorded("depth"),
            sources=sources or {},
        )

    def __getitem__(self, quantity: str) -> Mapping[Key, Any]:
        """Values by cell; empty where no cell has the quantity. ``drop``: dense minus pruned score."""
        return self._drops if quantity == "drop" else self.values.get(quantity, {})

    @cached_property
    def _drops(self) -> dict[Key, float]:
        return {k: dense - score for k, score, dense in self.over("score_mean", "dense score_mean")}

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """Of all cells and dense models, in the order of the tables."""
        parts = (self.metrics, *self.values.values(), self.classes, self.bins, self.losses)
        return tuple(dict.fromkeys(key for part in parts for key in part))

    @cached_property
    def cells(self) -> list[Key]:
        """Pruned cells, sorted."""
        return sorted(key for key in self.keys if key.pruner != NO_PRUNER)

    def over(
        self, *quantities: str, where: Callable[[Key], bool] = lambda key: True
    ) -> list[tuple[Any, ...]]:
        """``(key, value, ...)`` of every pruned cell that has all of these quantities, sorted.

        A quantity that begins with ``dense `` is that of the cell's dense models.
        """
        columns = [(name.startswith("dense "), self[name.removeprefix("dense ")]) for name in quantities]
        found: Iterable[tuple[Any, ...]] = (
            (key, *(of.get(key.dense if dense else key) for dense, of in columns)) for key in self.cells
        )
        return [row for row in found if None not in row and where(row[0])]

    def only(self, keep: Callable[[Key], bool]) -> Measured:
        """The cells that ``keep`` accepts."""
        return self.part([key for key in self.keys if keep(key)])

    def part(self, keys: Collection[Key]) -> Measured:
        """These cells, in this order."""

        def kept(values: Mapping[Key, T]) -> dict[Key, T]:
            return {key: values[key] for key in keys if key in values}

        by_cell = {name: kept(getattr(self, name)) for name in ("metrics", "classes", "bins", "losses")}
        values = {name: kept(of_cells) for name, of_cells in self.values.items()}
        known = set(keys)
        tests = [test for test in self.tests if {test.a, test.b} <= known]
        return replace(self, **by_cell, values=values, tests=tests)  # type: ignore[arg-type]

    def metric(self, key: Key) -> str | None:
        """What the scores of a cell measure."""
        return self.metrics.get(key) or self.metrics.get(key.dense)

    def ratio(self, key: Key) -> float | None:
        """All parameters over those left, as reached; None where it is not known."""
        return 1.0 if key.pruner == NO_PRUNER else self["ratio"].get(key)

    def family(self, arch: str) -> str | None:
        """As recorded, else that of the papers' model of this name."""
        name = recall.arch_name(arch, None, None)
        named = _FAMILY_OF_NAME.get(name, "resnet") if name else _FAMILY_OF_NAME.get(arch.casefold())
        return self.families.get(arch) or named

    def role(self, arch: str) -> Role | None:
        """By the family of the architecture."""
        return ROLES.get(self.family(arch) or "")

    def playing(self, role: Role) -> str:
        """``BERT``, or ``BERT (here minilm)`` where other models play its part."""
        archs = sorted({key.arch for key in self.keys if self.role(key.arch) == role})
        others = [arch for arch in archs if arch.casefold() != role.casefold()]
        return f"{role} (here {', '.join(archs)})" if others else role

    def pairs(self, values: Mapping[Key, float]) -> list[tuple[Key, float, float]]:
        """BERT's key, BERT's and BiLSTM's value at equal data set, pruner and sparsity."""
        archs = sorted({key.arch for key in values if self.role(key.arch) == "BiLSTM"})
        berts = (key for key in sorted(values) if self.role(key.arch) == "BERT")
        both = ((key, key._replace(arch=arch)) for key in berts for arch in archs)
        return [(key, values[key], values[other]) for key, other in both if other in values]


def curves(values: Mapping[Key, float]) -> dict[tuple[str, str, str], list[float]]:
    """Values in order of sparsity by (dataset, arch, pruner); only where there are at least two."""
    found = grouped((key[:3], values[key]) for key in sorted(values))
    return {curve: list(along) for curve, along in found.items() if len(along) > 1}


def groups(values: Mapping[Key, T]) -> dict[tuple[str, str, float], dict[str, T]]:
    """Values by pruner for every (dataset, arch, sparsity)."""
    pairs = grouped(((k.dataset, k.arch, k.sparsity), (k.pruner, values[k])) for k in sorted(values))
    return {where: dict(of) for where, of in pairs.items()}


def grouped(pairs: Iterable[tuple[K, T]]) -> dict[K, tuple[T, ...]]:
    """Values by key, both in the order in which they occur."""
    found: dict[K, list[T]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}
