"""One cell of a study as its folder has it: the audits of both splits and the records of its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from prunescope.analysis.audit_tables import OwnScore, Recall, Score
from prunescope.analysis.leading import led
from prunescope.analysis.stats import mean
from prunescope.analysis.tables.declared import CELL, Key, Row, read_rows, read_table
from prunescope.config.compression import Compression
from prunescope.config.pruners import CONTROL, NO_PRUNER
from prunescope.errors import BadFileError
from prunescope.files import read_json

R = TypeVar("R", bound=Row)

#: recalls of one seed by class, by seed
Recalls = dict[int, dict[str, float]]


@dataclass(frozen=True)
class CellResults:
    """One cell's folder ``.../<dataset>/<arch>/<pruner>/<amount>`` with ``test`` and ``train`` audits.

    ``models`` and ``settings``: the records of its models and of their job, as far as known.
    """

    folder: Path
    models: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]

    @cached_property
    def reached(self) -> Mapping[str, float]:
        """Mean ``sparsity`` and ``ratio`` of the models that did not diverge, as far as recorded."""
        kept = [model for model in self.models if not model["diverged"]]
        means = {name: mean([float(model[name]) for model in kept]) for name in ("sparsity", "ratio")}
        return {name: value for name, value in means.items() if value is not None}

    @property
    def dataset(self) -> str:
        return self.folder.parts[-4]

    @property
    def arch(self) -> str:
        return self.folder.parts[-3]

    @property
    def pruner(self) -> str:
        return self.folder.parts[-2]

    @cached_property
    def compression(self) -> Compression:
        return Compression.parse(self.folder.name)

    @property
    def dense(self) -> bool:
        return self.pruner == NO_PRUNER

    @property
    def control(self) -> bool:
        return self.pruner.startswith(CONTROL)

    @property
    def pair(self) -> tuple[str, str]:
        return (self.dataset, self.arch)

    @property
    def composition(self) -> Mapping[str, Any]:
        """How it was pruned; empty where that is not known."""
        return self.settings.get("composition") or {}

    @property
    def sparsity(self) -> float | None:
        """As asked for, so that tables join on it; for a ratio or a level the mean that was reached."""
        return self.compression.value if self.compression.kind == "sparsity" else self.reached.get("sparsity")

    @property
    def names(self) -> dict[str, Any]:
        """The values of the columns ``CELL`` of the cell's rows."""
        return {name: getattr(self, name) for name in CELL}

    @property
    def key(self) -> Key | None:
        """By which tables know it; None where its sparsity is unknown."""
        return None if self.sparsity is None else Key(**self.names)

    @property
    def order(self) -> tuple[Any, ...]:
        return (self.dataset, self.arch, not self.dense, self.pruner, self.compression)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The test audit's ``summary.json``.

        Raises:
            UserError: it cannot be read.
        """
        value = read_json(self.folder / "test" / "summary.json")
        if not isinstance(value, dict):
            raise BadFileError(self.folder / "test" / "summary.json", "not an audit's summary")
        return value

    @property
    def metric(self) -> str:
        """The data set's own metric if it has one, else the task's."""
        return str(led(self.summary)["metric"])

    @property
    def on_pies(self) -> tuple[float | None, float | None]:
        """Mean scores of dense and pruned models on the PIEs, by ``metric``."""
        summary = led(self.summary)
        return summary["dense_score_on_pies"], summary["pruned_score_on_pies"]

    def rows(self, row: type[R], split: str = "test") -> list[R]:
        """One of the audit's tables; no rows where the audit has none."""
        return read_table(self.folder / split, row)

    def metrics(self, side: str) -> dict[str, dict[int, float]]:
        """Test scores of a side by the data set's own metrics and seed; those without a value are left out."""
        found: dict[str, dict[int, float]] = {}
        for row in self.rows(OwnScore):
            scores = found.setdefault(row.metric, {})
            if (score := _side(row, "", side)) is not None:
                scores[row.seed] = score
        return found

    def scores(self, side: str) -> dict[int, float]:
        """Test scores of a side by seed, by ``metric``; those without one (no variation) are left out."""
        own = self.metrics(side)
        if own:
            return own[self.metric]
        rows = read_rows(self.folder / "test" / "scores.csv", Score)
        return {row.seed: score for row in rows if (score := _side(row, "score_", side)) is not None}

    def recalls(self, side: str) -> Recalls:
        """Recalls of a side by seed and class; empty where the task has none."""
        found: Recalls = {}
        for row in self.rows(Recall):
            recall = _side(row, "recall_", side)
            found.setdefault(row.seed, {})[row.class_] = float("nan") if recall is None else recall
        return found


def _side(row: Row, prefix: str, side: str) -> float | None:
    """The value of a column of ``dense`` or ``pruned`` models."""
    value: float | None = getattr(row, prefix + side)
    return value
