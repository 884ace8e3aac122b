"""Tables 10 to 13 of the recall paper: accuracy, variance of recall, and what LTH and CHIP do to both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.analysis.alpha.cells import AlphaCell
from prunescope.analysis.stats import mean, std
from prunescope.config.compression import Compression
from prunescope.papers.recall import paper
from prunescope.papers.results import Network, Place, Results

#: The pruners that have a table of their own.
NUMBERS = {"LTH": "12", "CHIP": "13"}


@dataclass(frozen=True)
class Accuracy:
    """A row of Table 10: of the unpruned models that a pruner's cells are compared with."""

    network: Network
    pruner: str
    mean: float | None
    std: float | None
    n_seeds: int


@dataclass(frozen=True)
class Variances:
    """Table 11 for amounts of one kind. ``rows``: (network, pruner, before, by amount)."""

    compressions: tuple[Compression, ...]
    rows: tuple[tuple[Network, str, float | None, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class Step:
    """A row of Tables 12 and 13; the first is of the unpruned models, which have no amount and no alpha."""

    compression: Compression | None
    ratio: float | None
    accuracy: float | None
    alpha: float | None
    low: float | None
    high: float | None
    verdict: str


@dataclass(frozen=True)
class Steps:
    """Table 12 or 13, or the same of another pruner or network, which has no number."""

    number: str
    network: Network
    pruner: str
    steps: tuple[Step, ...]


def accuracies(results: Results, cells: Sequence[AlphaCell]) -> list[Accuracy]:
    """Table 10: a row per network and pruner that have an alpha."""
    by_pruner: dict[tuple[Network, str], dict[int, float]] = {}
    for cell in cells:
        key = (Network(cell.dataset, cell.arch), cell.pruner)
        by_pruner.setdefault(key, {}).update(cell.accuracy_dense)
    rows = []
    for network in results.networks:
        for pruner in results.pruners(network):
            found = by_pruner.get((network, pruner), {})
            values = [found[seed] for seed in sorted(found)]
            if values:
                rows.append(Accuracy(network, pruner, mean(values), std(values), len(values)))
    return rows


def variances(results: Results) -> list[Variances]:
    """Table 11, apart for ratios and sparsities; of networks whose unpruned models have recalls."""
    known = [
        network
        for network in results.networks
        if results.of_dense(network, "mean_recall_variance", "recall_variance") is not None
    ]
    found = []
    for kind in dict.fromkeys(str(compression.kind) for compression in results.compressions()):
        compressions = [compression for compression in results.compressions() if compression.kind == kind]
        rows = []
        for network in known:
            before = results.of_dense(network, "mean_recall_variance", "recall_variance")
            for pruner in results.pruners(network):
                places = [Place(network, pruner, compression) for compression in compressions]
                if not results.places.isdisjoint(places):
                    after = [results.value("recall_variance", p, "mean_recall_variance") for p in places]
                    rows.append((network, pruner, before, tuple(after)))
        if rows:
            there = {place.compression for place in results.places if place.network in known}
            kept = [number for number, compression in enumerate(compressions) if compression in there]
            found.append(
                Variances(
                    tuple(compressions[number] for number in kept),
                    tuple((*row[:3], tuple(row[3][number] for number in kept)) for row in rows),
                )
            )
    return found


def steps(results: Results) -> list[Steps]:
    """Tables 12 and 13 first, then every other network and pruner that has an alpha."""
    found = []
    for network in results.networks:
        for pruner in results.pruners(network):
            places = [
                place
                for compression in results.compressions(network)
                if (place := Place(network, pruner, compression)) in results.rows["alpha"]
            ]
            if places:
                first = Step(None, 1.0, results.of_dense(network, "mean"), None, None, None, "")
                own = sorted((_step(results, place) for place in places), key=_by_ratio)
                papers = paper.is_papers_network(*network)
                number = NUMBERS.get(pruner, "") if papers else ""
                found.append(Steps(number, network, pruner, (first, *own)))
    return sorted(found, key=lambda one: (one.number or "99", one.pruner not in NUMBERS))


def _step(results: Results, place: Place) -> Step:
    names = ("ratio", "accuracy", "alpha", "ci_low", "ci_high")
    ratio, accuracy, alpha, low, high = (results.value("alpha", place, name) for name in names)
    return Step(place.compression, ratio, accuracy, alpha, low, high, results.text("alpha", place, "verdict"))


def _by_ratio(step: Step) -> tuple[float, Any]:
    return (step.ratio or 0.0, step.compression)


def accuracies_csv(rows: Sequence[Accuracy]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of Table 10."""
    table = [
        [row.network.arch, row.network.dataset, row.pruner, row.mean, row.std, row.n_seeds] for row in rows
    ]
    return ["model", "dataset", "pruner", "accuracy", "std", "n_seeds"], table


def variances_csv(tables: Sequence[Variances]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of Table 11; the last columns say what is printed bold."""
    compressions = [compression for table in tables for compression in table.compressions]
    rows = []
    for table in tables:
        for network, pruner, before, after in table.rows:
            known = dict(zip(table.compressions, after, strict=True))
            values = [known.get(compression) for compression in compressions]
            rows.append([*network, pruner, before, *values, *(_yes(grew(before, v)) for v in values)])
    columns = ["dataset", "arch", "pruner", "before", *(a.text for a in compressions)]
    return columns + [f"{a.text} above before" for a in compressions], rows


def grew(before: float | None, after: float | None) -> bool:
    """Whether the variance of recall is greater after pruning than before: printed bold."""
    return before is not None and after is not None and after > before


def steps_csv(tables: Sequence[Steps]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of Tables 12 and 13 and the same of other pruners."""
    columns = [
        "table",
        "dataset",
        "arch",
        "pruner",
        "amount",
        "ratio",
        "accuracy",
        "alpha",
        "ci_low",
        "ci_high",
    ]
    rows = []
    for table in tables:
        for step in table.steps:
            compression = None if step.compression is None else step.compression.text
            numbers = (step.ratio, step.accuracy, step.alpha, step.low, step.high, step.verdict)
            rows.append([table.number, *table.network, table.pruner, compression, *numbers])
    return [*columns, "verdict"], rows


def _yes(value: bool) -> str:
    return "yes" if value else ""
