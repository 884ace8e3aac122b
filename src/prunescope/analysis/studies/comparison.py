"""Two finished studies beside each other: what differs in settings, which cells moved, which conclusions changed.

The same cell of both is one thing measured twice. What of its numbers moved is decided as an audit decides what pruning
changes: paired by example and seed (docs/compare.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.studies.conclusions import conclusions
from prunescope.analysis.studies.quantities import QUANTITIES
from prunescope.analysis.studies.rows import (
    IDENTICAL,
    MOVED,
    NAMED,
    NOISE,
    SAME,
    UNTESTED,
    Conclusion,
    Files,
    Key,
    Moved,
    Setting,
)
from prunescope.analysis.studies.tree import Tree, equal, flat
from prunescope.analysis.ttests import holm
from prunescope.errors import UserError


@dataclass
class Comparison:
    """One tree against the first."""

    first: Tree
    other: Tree
    settings: list[Setting]
    cells: list[Moved]
    conclusions: list[Conclusion]
    files: list[Files]
    problems: list[str]

    @property
    def alone(self) -> tuple[list[Key], list[Key]]:
        """Cells of the first tree alone, and of the other."""
        mine, theirs = self.first.cells, self.other.cells
        return [key for key in mine if key not in theirs], [key for key in theirs if key not in mine]

    @property
    def uncompared(self) -> list[str]:
        """Cells of which a value could not be compared: what ``problems`` begin with."""
        return list(dict.fromkeys(line.partition(": ")[0] for line in self.problems))

    def states(self, quantity: str | None = None) -> dict[str, int]:
        """How many rows are in each state."""
        found = dict.fromkeys((MOVED, NOISE, UNTESTED, SAME, IDENTICAL), 0)
        for row in self.cells:
            found[row.state] += quantity in (None, row.quantity)
        return found

    @property
    def moved(self) -> list[Moved]:
        """The most certain first."""
        return sorted(
            (row for row in self.cells if row.state == MOVED), key=lambda row: row.p_corrected or 0.0
        )

    @property
    def predictions(self) -> Files:
        return next(row for row in self.files if row.kind == "predictions")

    @property
    def differences(self) -> dict[str, int]:
        """How many there are of what ``--fail-on`` can ask for."""
        first, other = self.alone
        return {
            "settings": len(self.settings),
            "moved": len({row.name for row in self.cells if row.state == MOVED}),
            "conclusions": len(self.conclusions),
            "cells": len(first) + len(other) + len(self.problems),
            "bytes": sum(row.n_both - row.n_identical + row.n_first + row.n_second for row in self.files),
        }

    @property
    def summary(self) -> dict[str, Any]:
        first, other = self.alone
        return {
            "first": self.first.name,
            "other": self.other.name,
            "n_cells": len({row.name for row in self.cells}),
            "only_first": ["/".join(key) for key in first],
            "only_other": ["/".join(key) for key in other],
            "differences": self.differences,
            "states": {name: self.states(name) for name in ("score", "pie_share", "alpha")},
            "files": {row.kind: {"both": row.n_both, "identical": row.n_identical} for row in self.files},
            "moved": [asdict(row) for row in self.moved],
            "problems": self.problems,
        }


#: What ``--fail-on`` can ask for, and what it means.
DEMANDS = {
    "settings": "settings, data or software differ",
    "moved": "a cell moved beyond noise",
    "conclusions": "a conclusion changed",
    "cells": "a cell is on one side only, or cannot be compared",
    "bytes": "a file is not the same to the byte",
}


def compare(first: Tree, other: Tree, confidence: float = 0.99) -> Comparison:
    """Compare a tree with the first.

    Raises:
        UserError: both are one folder, they share no cell, or a result file is damaged.
    """
    if first.root.resolve() == other.root.resolve():
        raise UserError(f"{other.root}: is given twice; give two results folders")
    common = [key for key in first.cells if key in other.cells]
    if not common:
        raise UserError(
            f"{other.root}: shares no cell with {first.root}; compare studies of the same data sets, architectures and "
            "pruners"
        )
    problems: list[str] = []
    rows: list[Moved] = []
    for key in common:
        for measure in QUANTITIES:
            try:
                row = measure(first, other, key, confidence)
            except UserError as error:
                problems.append(f"{'/'.join(key)}: {error}")
                continue
            if row is not None:
                rows.append(row)
    return Comparison(
        first,
        other,
        list(_settings(first, other, common)),
        _decided(rows),
        list(conclusions(first, other, common)),
        list(_same_files(first, other)),
        list(dict.fromkeys(problems)),
    )


def _decided(rows: Sequence[Moved]) -> list[Moved]:
    """The rows with corrected p-values and, where they are tested, their state.

    Only tests count: a cell without a difference could not have been significant, so that it costs the others nothing
    (Tarone, Biometrics 46, 1990).
    """
    corrected: dict[int, float | None] = {i: row.p_value for i, row in enumerate(rows)}
    for quantity in dict.fromkeys(row.quantity for row in rows):
        own = [
            i
            for i, row in enumerate(rows)
            if row.quantity == quantity and not row.state and row.p_value is not None
        ]
        corrected |= dict(zip(own, holm([rows[i].p_value for i in own]), strict=True))
    found = []
    for i, row in enumerate(rows):
        p = corrected[i]
        state = row.state or (UNTESTED if p is None else MOVED if p < LEVEL else NOISE)
        found.append(replace(row, p_corrected=p, state=state))
    return found


def _settings(first: Tree, other: Tree, common: Sequence[Key]) -> Iterator[Setting]:
    whole: list[tuple[dict[str, str], dict[str, str]]] = [(first.data(), other.data())]
    if first.study is not None and other.study is not None:
        studies = (first.study, other.study)
        mine, theirs = (flat(study.model_dump(mode="json", exclude={"results"})) for study in studies)
        whole.append((mine, theirs))
    for mine, theirs in whole:
        for key, one, two in _differing(mine, theirs):
            yield Setting(other.name, key, one, two, None, "")
    by_key: dict[tuple[str, str | None, str | None], list[str]] = defaultdict(list)
    for cell in common:
        for found in _differing(first.settings(cell), other.settings(cell)):
            by_key[found].append("/".join(cell))
    for (key, one, two), cells in sorted(by_key.items(), key=lambda item: (-len(item[1]), item[0][0])):
        yield Setting(other.name, key, one, two, len(cells), ", ".join(cells[:NAMED]))


def _differing(
    mine: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    for key in dict.fromkeys([*mine, *theirs]):
        if mine.get(key) != theirs.get(key):
            yield key, mine.get(key), theirs.get(key)


#: Files whose bytes follow from seeds and settings, by kind: patterns below the results folder. Records of times and
#: paths (metrics, summaries, logs) are left out.
_FILES = {
    "predictions": "models/**/*.parquet",
    "weights": "models/**/*.safetensors",
    "data": "data/**/*.parquet",
    "tables of cells": "cells/**/*.csv",
    "tables": "tables/*.csv",
    "tables as printed": "paper/**/*.csv",
    "figures": "figures/**/*.svg",
}


def _same_files(first: Tree, other: Tree) -> Iterator[Files]:
    for kind, pattern in _FILES.items():
        mine, theirs = (
            {path.relative_to(tree.root).as_posix() for path in tree.root.glob(pattern) if path.is_file()}
            for tree in (first, other)
        )
        both = sorted(mine & theirs)
        differing = [name for name in both if not equal(first.root / name, other.root / name)]
        yield Files(
            other.name, kind, len(both), len(both) - len(differing), len(mine - theirs), len(theirs - mine),
            ", ".join(differing[:NAMED]),
        )  # fmt: skip
