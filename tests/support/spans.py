"""Intervals that leave what their values can be, by the declared tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from prunescope.analysis.tables.declared import Declaration, columns, read_table

#: Of a pruned score so near to an end of its span, what a change can be depends on the error of the dense score.
_NEAR = 0.2


def beyond(folder: Path, tables: Mapping[str, Declaration]) -> Iterator[str]:
    """Every end of an interval in a folder of tables that its value cannot have."""
    for name, table in tables.items():
        declared = columns(table.row)
        rows: list[Any] = read_table(folder, table.row)
        for row in rows:
            for lower, upper in pairwise(declared):
                ends = getattr(row, lower.field), getattr(row, upper.field)
                if lower.within is None or None in ends:
                    continue
                least, most = lower.within.of(row)
                if lower.within.start and getattr(row, lower.within.start) is not None:
                    spare = [_NEAR if abs(end - row.change) < _NEAR else 0.0 for end in (least, most)]
                    least, most = least - spare[0], most + spare[1]
                if not least - 1e-9 <= ends[0] <= ends[1] <= most + 1e-9:
                    yield f"{name}.csv: {lower.name} to {upper.name} {ends} beyond {(least, most)}: {row}"
