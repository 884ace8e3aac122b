"""The PINS paper's Table 7: time, storage and accuracy on RTE, pruned at 80 % and not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from prunescope.analysis.tables.declared import read_table
from prunescope.analysis.tables.registry import TaskMetric, Weights
from prunescope.analysis.weights.tables import Storage
from prunescope.config.compression import Compression
from prunescope.config.pruners import NO_PRUNER
from prunescope.config.study import Study
from prunescope.papers.pins import printed as pins
from prunescope.paths import CELL

COLUMNS = (
    "table",
    "dataset",
    "arch",
    "pruner",
    "sparsity",
    "quantity",
    "published",
    "gain",
    "ours",
    "our_gain",
)

_DATASET, _ARCH = "RTE", "BERT-base"
_SAME = 1e-6
_T = TypeVar("_T")


@dataclass(frozen=True)
class Entry:
    """A number of the table. ``published``, ``gain``: of the paper's network; ours: None if not measured.

    A gain is how many times better than unpruned.
    """

    pruner: str
    sparsity: float
    quantity: str
    published: float | None
    gain: float | None
    ours: float | None
    our_gain: float | None = None


@dataclass(frozen=True)
class Table:
    """``number``: the paper's, empty for another network. ``export``: the command that says how large one is."""

    number: str
    dataset: str
    arch: str
    entries: Sequence[Entry]
    export: str

    @property
    def rows(self) -> list[tuple[str, float]]:
        return list(dict.fromkeys((one.pruner, one.sparsity) for one in self.entries))

    def of(self, pruner: str, sparsity: float, quantity: str) -> Entry | None:
        return next(
            (one for one in self.entries if (one.pruner, one.sparsity, one.quantity) == (pruner, sparsity, quantity)),
            None,
        )  # fmt: skip


def tables(study: Study, folder: Path) -> list[Table]:
    """A table for each network that was trained on RTE, from ``task_metrics.csv`` and ``weights.csv`` in ``folder``.

    Storage is that of the prunable weights: of an unpruned network in float32, of a pruned one as `prunescope export`
    writes them. It is known where the study measures weights (``weight_statistics``). Time is no part of a study's
    results: no job of it times networks.
    """
    rows = [row for row in read_table(folder, TaskMetric) if row.metric == "accuracy"]
    sources = {name: spec.source for name, spec in study.datasets.items()}
    ours = {
        (row.dataset, row.arch, row.pruner, row.sparsity or 0.0): row.mean
        for row in rows
        if pins.dataset_name(row.dataset, sources.get(row.dataset)) == _DATASET
    }
    storage = _storage(folder)
    found = []
    for dataset, arch in dict.fromkeys((key[0], key[1]) for key in ours):
        printed = pins.arch_name(arch) == _ARCH
        entries = [
            Entry(
                one.pruner,
                one.sparsity,
                one.quantity,
                one.value if printed else None,
                one.gain if printed else None,
                *_measured(one, _near(ours, dataset, arch, one), _near(storage, dataset, arch, one)),
            )
            for one in pins.efficiency()
        ]
        found.append(Table("7" if printed else "", dataset, arch, entries, _command(study, dataset, arch)))
    return found


def csv_rows(found: Iterable[Table]) -> tuple[tuple[str, ...], list[list[object]]]:
    """All tables in one, a row per number."""
    rows: list[list[object]] = []
    for table in found:
        for one in table.entries:
            place = [table.number, table.dataset, table.arch, one.pruner, one.sparsity]
            rows.append([*place, one.quantity, one.published, one.gain, one.ours, one.our_gain])
    return COLUMNS, rows


def _storage(folder: Path) -> dict[tuple[str, str, str, float], Storage]:
    found = {}
    for row in read_table(folder, Weights):
        storage = Storage.of(row)
        if storage is not None:
            found[row.dataset, row.arch, row.pruner, row.sparsity or 0.0] = storage
    return found


def _measured(
    one: pins.Efficiency, accuracy: float | None, storage: Storage | None
) -> tuple[float | None, float | None]:
    """The number, and how many times better than unpruned it is."""
    if one.quantity == "accuracy":
        return accuracy, None
    if one.quantity != "megabytes" or storage is None:
        return None, None
    return (storage.dense, 1.0) if one.pruner == NO_PRUNER else (storage.sparse, storage.gain)


def _near(
    ours: Mapping[tuple[str, str, str, float], _T], dataset: str, arch: str, one: pins.Efficiency
) -> _T | None:
    for key, value in ours.items():
        if key[:3] == (dataset, arch, one.pruner) and abs(key[3] - one.sparsity) < _SAME:
            return value
    return None


def _command(study: Study, dataset: str, arch: str) -> str:
    (sparsity,) = {one.sparsity for one in pins.efficiency() if one.pruner != NO_PRUNER}
    compression = Compression.of_sparsity(sparsity).token
    cell = CELL.format(dataset=dataset, arch=arch, pruner=pins.PINS, amount=compression)
    return (
        f"prunescope export {study.results}/models/{cell}/seeds-A-B/models.safetensors --seed A --inputs "
        f"{study.results}/data/{dataset}/inputs/{arch}.safetensors --out small.safetensors"
    )
