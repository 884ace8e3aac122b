"""Tables 5 and 6 of the PIE paper: parameters of every network, and how many of them are removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.config.compression import Compression
from prunescope.papers.results import Network, Results, models


@dataclass(frozen=True)
class Removed:
    """Shares of all parameters that are zero, over the models of every pruner at one amount."""

    mean: float
    low: float
    high: float
    remaining: float


@dataclass(frozen=True)
class Parameters:
    """A row of Tables 5 and 6; numbers are of the models' own records, None where there is none."""

    network: Network
    total: int | None
    prunable: int | None
    compressions: tuple[Compression, ...]
    removed: tuple[Removed | None, ...]


def parameters(results: Results) -> list[Parameters]:
    """A row per network.

    Raises:
        UserError: a cell's ``models.json`` cannot be read.
    """
    rows = []
    for network in results.networks:
        dense = results.dense_folders.get(network)
        known = _counted(dense) if dense is not None else []
        compressions = tuple(results.compressions(network))
        removed = []
        for compression in compressions:
            folders = [
                path
                for place, path in results.folders.items()
                if (place.network, place.compression) == (network, compression)
            ]
            found = [model for folder in folders for model in _counted(folder)]
            known += found
            removed.append(_removed(found))
        first = known[0] if known else {}
        rows.append(
            Parameters(network, first.get("parameters"), first.get("prunable"), compressions, tuple(removed))
        )
    return rows


def _counted(folder: Path) -> list[dict[str, Any]]:
    """Records of models that tell how many parameters they have, diverged ones left out."""
    found = [model for model in models(folder) if not model.get("diverged")]
    return [model for model in found if model.get("parameters") and model.get("prunable")]


def _removed(found: Sequence[dict[str, Any]]) -> Removed | None:
    if not found:
        return None
    shares = [1.0 - 1.0 / float(model["ratio"]) for model in found]
    remaining = [float(model["parameters"]) / float(model["ratio"]) for model in found]
    return Removed(
        sum(shares) / len(shares), min(shares), max(shares), float(round(sum(remaining) / len(remaining)))
    )


def parameters_csv(
    rows: Sequence[Parameters], compressions: Sequence[Compression]
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows; shares are of all parameters, remaining ones a mean over models."""
    columns = ["dataset", "arch", "parameters", "prunable"]
    columns += [f"{a.text} {what}" for what in ("removed", "remaining") for a in compressions]
    table = []
    for row in rows:
        known = dict(zip(row.compressions, row.removed, strict=True))
        cells = [known.get(compression) for compression in compressions]
        shares = [None if cell is None else cell.mean for cell in cells]
        left = [None if cell is None else int(cell.remaining) for cell in cells]
        table.append([*row.network, row.total, row.prunable, *shares, *left])
    return columns, table
