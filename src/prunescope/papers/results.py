"""A study's results by cell: the rows of the cross-study tables, found by what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from prunescope.analysis.csv_text import number, read_csv
from prunescope.analysis.stats import mean
from prunescope.config.compression import Compression
from prunescope.config.pruners import NO_PRUNER
from prunescope.config.study import Study
from prunescope.errors import UserError
from prunescope.figures.style import ordered
from prunescope.files import read_json
from prunescope.paths import CellFolder

#: Tables that the paper's are laid out from; one that is not there leaves its cells blank.
TABLES = (
    "effectiveness", "pie_share", "effectiveness_on_pies", "pie_intervals", "alpha", "recall_variance",
)  # fmt: skip

#: Reached sparsities of one network differ by far more than this between amounts.
_SAME = 1e-6


class Network(NamedTuple):
    """One architecture on one data set: a block of rows in the paper's tables."""

    dataset: str
    arch: str

    @property
    def text(self) -> str:
        return f"{self.dataset} · {self.arch}"


class Place(NamedTuple):
    """A pruned cell."""

    network: Network
    pruner: str
    compression: Compression


@dataclass(frozen=True)
class Results:
    """What there is, and what the study asks for.

    places: every pruned cell of the study, done or not, and any other that is done.
    folders: those that are analysed.
    rows: of the tables, by table and cell.
    unpruned: rows of the unpruned models, by table and network.
    """

    places: frozenset[Place]
    folders: Mapping[Place, Path]
    rows: Mapping[str, Mapping[Place, Mapping[str, str]]]
    dense: Mapping[str, Mapping[Network, Mapping[str, str]]]
    dense_folders: Mapping[Network, Path]
    order: tuple[Network, ...] = field(default=())

    @classmethod
    def read(cls, study: Study, datasets: Iterable[str], cells: Sequence[Path], tables: Path) -> Results:
        """Read the tables and find every cell's row.

        Args:
            study: its cells are the rows and columns of the paper's tables.
            datasets: the data sets to report.
            cells: cell folders ``.../<dataset>/<arch>/<pruner>/<amount>``, unpruned ones too.
            tables: folder of the cross-study tables.

        Raises:
            UserError: a table or a cell's ``models.json`` cannot be read.
        """
        known = set(datasets)
        asked = [cell for cell in study.cells if cell.dataset in known]
        found = [CellFolder.at(Path(path)) for path in cells]
        folders = {Place(Network(c.dataset, c.arch), c.pruner, c.compression): c.path for c in found}
        places = [Place(Network(c.dataset, c.arch), c.pruner, c.compression) for c in asked] + sorted(folders)
        read = {name: _by_network(tables / f"{name}.csv") for name in TABLES}
        pruned = {place: path for place, path in folders.items() if place.pruner != NO_PRUNER}
        sparsities = {place: _sparsity(place, path) for place, path in pruned.items()}
        return cls(
            frozenset(place for place in places if place.pruner != NO_PRUNER),
            pruned,
            {name: _by_place(table, sparsities) for name, table in read.items()},
            {
                name: {
                    network: row
                    for (network, pruner), rows in table.items()
                    if pruner == NO_PRUNER
                    for row in rows
                }
                for name, table in read.items()
            },
            {place.network: path for place, path in folders.items() if place.pruner == NO_PRUNER},
            tuple(dict.fromkeys(place.network for place in places)),
        )

    @cached_property
    def networks(self) -> list[Network]:
        """Those with pruned cells, as the study lists them."""
        there = {place.network for place in self.places}
        return [network for network in self.order if network in there]

    def pruners(self, network: Network) -> list[str]:
        """In the paper's order (Table 3), further ones by name."""
        return ordered(place.pruner for place in self.places if place.network == network)

    def compressions(self, network: Network | None = None) -> list[Compression]:
        """Of one network or of all, least pruned first."""
        return sorted({place.compression for place in self.places if network in (None, place.network)})

    def value(self, table: str, place: Place, column: str) -> float | None:
        """A number of a cell, or None where there is none."""
        return number(self.rows[table].get(place, {}).get(column, ""))

    def text(self, table: str, place: Place, column: str) -> str:
        return self.rows[table].get(place, {}).get(column, "")

    def of_dense(self, network: Network, column: str, table: str = "effectiveness") -> float | None:
        return number(self.dense[table].get(network, {}).get(column, ""))

    def metric(self, network: Network) -> str:
        """What the scores of a network are; empty where nothing is known of it."""
        rows = [row for place, row in self.rows["effectiveness"].items() if place.network == network]
        known = [self.dense["effectiveness"].get(network, {}), *rows]
        return next((row["metric"] for row in known if row.get("metric")), "")

    def scores(self, network: Network, compression: Compression) -> dict[str, float]:
        """Mean scores by pruner, of those that have one."""
        found = {
            pruner: self.value("effectiveness", Place(network, pruner, compression), "mean")
            for pruner in self.pruners(network)
        }
        return {pruner: score for pruner, score in found.items() if score is not None}


def _by_network(path: Path) -> dict[tuple[Network, str], list[dict[str, str]]]:
    """Rows of a table by network and pruner."""
    found: dict[tuple[Network, str], list[dict[str, str]]] = {}
    for row in read_csv(path) if path.exists() else []:
        try:
            found.setdefault((Network(row["dataset"], row["arch"]), row["pruner"]), []).append(row)
            number(row["sparsity"])
        except (KeyError, ValueError, TypeError):
            raise UserError(f"{path}: not a table of cells; delete it and run again") from None
    return found


def _by_place(
    table: Mapping[tuple[Network, str], Sequence[dict[str, str]]],
    sparsities: Mapping[Place, float | None],
) -> dict[Place, dict[str, str]]:
    """A ratio's cells stand in the tables by the sparsity that was reached."""
    found = {}
    for place, sparsity in sparsities.items():
        for row in table.get((place.network, place.pruner), ()):
            reached = number(row["sparsity"])
            if sparsity is not None and reached is not None and abs(reached - sparsity) < _SAME:
                found[place] = row
    return found


def _sparsity(place: Place, folder: Path) -> float | None:
    """The sparsity by which the tables know a cell; None where no model is left to tell it."""
    if place.compression.kind == "sparsity":
        return place.compression.value
    kept = [model for model in models(folder) if not model.get("diverged")]
    return mean([float(model["sparsity"]) for model in kept])


def models(folder: Path) -> list[dict[str, Any]]:
    """What is recorded of a cell's models; none without ``models.json``.

    Raises:
        UserError: the file cannot be read.
    """
    path = folder / "models.json"
    if not path.exists():
        return []
    value = read_json(path)
    try:
        return [dict(model) for model in value["models"]]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not a record of models; delete it and run again") from None
