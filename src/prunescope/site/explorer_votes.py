"""PIEs of one split of a data set over all pruned models, with their votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.el2n import bin_of
from prunescope.analysis.pies.table import Pies, class_text, read_pies
from prunescope.errors import UserError

_SIDES = ("dense_vote", "pruned_vote")
_COLUMNS = ("example", "label", "dense_vote", "pruned_vote", "is_pie", "dense_agreement", "pruned_agreement")


@dataclass
class Codes:
    """Labels and votes as numbers: ``sets`` are lists of positions in ``names``, one for each label or vote."""

    names: dict[str, int] = field(default_factory=dict)
    sets: dict[tuple[int, ...], int] = field(default_factory=dict)

    def of(self, value: Any, classes: Sequence[str]) -> int:
        """The number of one label or vote; several classes and none are sets too."""
        parts = value if isinstance(value, list | tuple) else () if value is None else (value,)
        found = tuple(
            self.names.setdefault(class_text(part, list(classes)), len(self.names)) for part in parts
        )
        return self.sets.setdefault(found, len(self.sets))

    def column(self, column: Any, classes: Sequence[str]) -> np.ndarray:
        """A column of labels or votes as numbers."""
        import pyarrow as pa

        if pa.types.is_integer(column.type):
            values, indices = np.unique(column.to_numpy(zero_copy_only=False), return_inverse=True)
            return np.array([self.of(int(value), classes) for value in values], dtype=np.int64)[indices]
        known: dict[Any, int] = {}
        found = []
        for value in column.to_pylist():
            key = tuple(value) if isinstance(value, list) else value
            if key not in known:
                known[key] = self.of(value, classes)
            found.append(known[key])
        return np.array(found, dtype=np.int64)


@dataclass(frozen=True)
class Votes:
    """One entry per (PIE, pruned model), by example, then by model.

    example, cell, dense, pruned, label: (m,) int; ``cell`` counts the models in the order given, the last three
    are codes · dense_agreement, pruned_agreement: (m,) whole percent, -1 where there is none · dense_right,
    pruned_right: (m,) bool, whether the vote is the label · has_classes: whether labels are classes.
    """

    example: np.ndarray
    cell: np.ndarray
    label: np.ndarray
    dense: np.ndarray
    pruned: np.ndarray
    dense_agreement: np.ndarray
    pruned_agreement: np.ndarray
    dense_right: np.ndarray
    pruned_right: np.ndarray
    codes: Codes
    has_classes: bool


def read_votes(tables: Sequence[Path], problems: list[str]) -> Votes:
    """The PIEs of every table of votes; one that is missing or cannot be read is noted in ``problems``.

    Args:
        tables: ``pies.parquet`` of each pruned model.
    """
    codes = Codes()
    has_classes = True
    parts: list[tuple[np.ndarray, ...]] = []
    for number, path in enumerate(tables):
        try:
            pies = read_pies(path, _COLUMNS)
        except UserError as error:
            problems.append(str(error))
            continue
        has_classes, of = pies.has_classes, {name: _flat(pies.table[name]) for name in _COLUMNS}
        example = of["example"].to_numpy(zero_copy_only=False).astype(np.int64)
        label, *votes = (codes.column(of[name], pies.classes) for name in ("label", *_SIDES))
        parts.append(
            (
                example,
                np.full(len(example), number, dtype=np.int64),
                label,
                *votes,
                *(_percent(of[name]) for name in ("dense_agreement", "pruned_agreement")),
                *(
                    vote == label if has_classes else _right(pies, name)
                    for name, vote in zip(_SIDES, votes, strict=True)
                ),
            )
        )
    if not parts:
        parts = [
            (*(np.zeros(0, dtype=np.int64) for _ in range(7)), *(np.zeros(0, dtype=bool) for _ in range(2)))
        ]
    whole = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.lexsort((whole[1], whole[0]))
    example, cell, label, dense, pruned, before, after, dense_right, pruned_right = (
        column[order] for column in whole
    )
    return Votes(
        example, cell, label, dense, pruned, before, after, dense_right, pruned_right, codes, has_classes
    )


def _right(pies: Pies, side: str) -> np.ndarray:
    """Whether each vote of a side is the label."""
    pairs = zip(pies.table["label"].to_pylist(), pies.table[side].to_pylist(), strict=True)
    return np.array([pies.right(label, vote) for label, vote in pairs], dtype=bool)


def _flat(column: Any) -> Any:
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def _percent(column: Any) -> np.ndarray:
    shares = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.where(np.isnan(shares), -1, np.rint(100 * np.nan_to_num(shares))).astype(np.int64)


@dataclass(frozen=True)
class Ranked:
    """Examples that are a PIE of any pruned model, by the number of models, then of pruners, then by agreement.

    example, start, stop, n_models, n_pruners: (k,) int; the entries of an example are ``start`` to ``stop`` of the
    votes.
    """

    example: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    n_models: np.ndarray
    n_pruners: np.ndarray

    def __len__(self) -> int:
        return len(self.example)

    def only(self, positions: np.ndarray) -> Ranked:
        return Ranked(*(getattr(self, name)[positions] for name in self.__dataclass_fields__))


def ranked(votes: Votes, pruner_of_cell: np.ndarray) -> Ranked:
    """Count models and pruners of every example.

    Args:
        pruner_of_cell: (models,) a number for the pruner of each.
    """
    example, start, n_models = np.unique(votes.example, return_index=True, return_counts=True)
    stop = start + n_models
    pruner = pruner_of_cell[votes.cell] if len(votes.cell) else votes.cell
    pairs = np.unique(np.stack([votes.example, pruner], axis=1), axis=0) if len(pruner) else np.zeros((0, 2))
    n_pruners = np.unique(pairs[:, 0], return_counts=True)[1] if len(pairs) else np.zeros(0, dtype=np.int64)
    agreement = votes.dense_agreement + votes.pruned_agreement
    sums = np.add.reduceat(agreement, start) if len(start) else agreement
    means = sums / np.maximum(n_models, 1)
    order = np.lexsort((example, -means, -n_pruners, -n_models))
    return Ranked(example[order], start[order], stop[order], n_models[order], n_pruners[order])


def chosen(found: Ranked, most: int) -> Ranked:
    """At most so many examples, two thirds the PIEs of most models, the rest those of one pruner only.

    Both ends are what a reader asks for: who pays under many pruners, and who under one alone.
    """
    if len(found) <= most:
        return found
    first = np.arange(len(found)) < most - most // 3
    alone = np.flatnonzero(~first & (found.n_pruners == 1))[: most // 3]
    rest = np.flatnonzero(~first)
    kept = np.union1d(np.flatnonzero(first), alone)
    kept = np.union1d(kept, np.setdiff1d(rest, alone)[: most - len(kept)])
    return found.only(kept)


def el2n_bins(path: Path, bins: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Examples and their EL2N bin, from ``el2n_scores.parquet``; None where it is missing or cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(columns=["example", "el2n"])
    except (pa.ArrowException, OSError, KeyError):
        return None
    return table["example"].to_numpy(), bin_of(table["el2n"].to_numpy(), bins)
