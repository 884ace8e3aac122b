"""How far apart a paper's own printed numbers are: what differences from them are measured by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prunescope.analysis.csv_text import number
from prunescope.analysis.stats import std

#: Fewer printed numbers than this have no spread to speak of.
_FEWEST = 3


class Spread(NamedTuple):
    """``over``: what it is the standard deviation over."""

    value: float
    over: str


def spreads(rows: Sequence[Mapping[str, str]]) -> list[Spread | None]:
    """Of each row of published.csv, the spread of its printed number; None where the paper has too few.

    A mean score has the standard deviation over seeds that is printed beside it. Other numbers are printed without one,
    and have the standard deviation of the printed numbers of all pruners at the same data set, network and sparsity,
    else that of all of the same network.
    """
    over_seeds = {_place(row): number(row["published"]) for row in rows if row["quantity"] == "score_std"}
    near: dict[tuple[str, ...], list[float]] = {}
    wide: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        printed = number(row["published"])
        if printed is not None:
            near.setdefault(_near(row), []).append(printed)
            wide.setdefault(_wide(row), []).append(printed)
    found: list[Spread | None] = []
    for row in rows:
        own = over_seeds.get(_place(row)) if row["quantity"] == "score_mean" else None
        if own:
            found.append(Spread(own, "seeds"))
            continue
        spread = None
        for values, over in ((near[_near(row)], "pruners"), (wide[_wide(row)], "pruners and amounts")):
            if spread is None and len(values) >= _FEWEST and (value := std(values)):
                spread = Spread(value, over)
        found.append(spread)
    return found


def _place(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("paper", "table", "dataset", "arch", "pruner", "sparsity"))


def _near(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("paper", "table", "quantity", "dataset", "arch", "sparsity"))


def _wide(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("paper", "table", "quantity", "dataset", "arch"))
