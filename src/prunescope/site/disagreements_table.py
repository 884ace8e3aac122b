"""Table 1 of the PIE paper: examples on which the majority votes of pruned and dense models disagree."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis.pies.table import class_text, read_pies
from prunescope.files import atomic_path
from prunescope.papers.results import PrunedCell, Record, Results, Setup

#: Longer texts are cut.
MOST_CHARACTERS = 500

_COLUMNS = ["example", "label", "dense_vote", "pruned_vote", "is_pie", "dense_agreement", "pruned_agreement"]

Names = tuple[str, ...]

#: Long texts outgrow the usual page of a dictionary, and would be written once per cell.
_OPTIONS: dict[str, Any] = {
    "compression": "zstd", "dictionary_pagesize_limit": 1 << 30, "write_page_checksum": True
}  # fmt: skip

#: Where the names of a side's classes stand, joined.
_SIDES = {"true": "true_classes", "dense": "dense_vote", "pruned": "pruned_vote"}

_NAME = pa.dictionary(pa.int32(), pa.string())

#: The file's columns. Several classes are joined by ``|``, as in the tables that an audit reads; no class is an empty
#: field.
SCHEMA = pa.schema(
    [
        *((name, _NAME) for name in ("dataset", "arch", "pruner", "amount")),
        ("example", pa.int64()),
        *((name, _NAME) for name in ("text", *_SIDES.values())),
        *((name, pa.float64()) for name in ("dense_agreement", "pruned_agreement")),
    ]
)


class Disagreements(NamedTuple):
    """``total``: PIEs of all cells; ``shown``: those for pages, by cell, most agreed first.

    A record has the columns of ``SCHEMA``, its ``cell``, classes by name (``true``, ``dense``, ``pruned``), whether the
    votes are the label (``dense_right``, ``pruned_right``) and whether labels are classes (``has_classes``); no
    ``text`` where the data set has none.
    """

    total: int
    shown: Sequence[Record]

    def samples(self, per_setup: int) -> list[dict[str, Any]]:
        """A few examples of each setup for Table 1, each of another cell and with another text, most agreed first."""
        chosen: dict[Setup, list[Record]] = {row["cell"].setup: [] for row in self.shown}
        for row in sorted(self.shown, key=_agreed_first):
            own = chosen[row["cell"].setup]
            known = {one[name] for one in own for name in ("cell", "example")}
            if len(own) < per_setup and known.isdisjoint((row["cell"], row["example"])):
                own.append(row)
        return [
            {side: ", ".join(row[side]) or "(no class)" for side in _SIDES}
            | {"text": cut(row["text"] or "") or "(no text)"}
            | {"where": f"{row['cell'].text}, example {row['example']}"}
            for own in chosen.values()
            for row in own
        ]


def write(
    results: Results, texts: Callable[[str], Mapping[int, str] | None], path: Path, *, most: int
) -> Disagreements:
    """Write every PIE of every test split into ``path``, and keep some for pages.

    A row group holds those of one architecture on a data set, with each text once.

    Args:
        results: its cells' ``test/pies.parquet`` are read; a cell that has none has no rows.
        texts: texts of a data set's test split by example.
        path: the Parquet file to write, with the columns of ``SCHEMA``.
        most: rows to keep for pages. Cells share them evenly; others get what one does not use. Those of a
            cell come by the sum of both agreements, then by example.

    Raises:
        UserError: a cell's votes cannot be read.
    """
    crossed = (cell for setup in results.setups for cell in results.crossed(setup) if cell in results.found)
    files = ((cell, results.found[cell].folder / "test" / "pies.parquet") for cell in crossed)
    every = {cell: votes for cell, votes in files if votes.exists()}
    counts = [len(read_pies(votes, ["is_pie"]).table) for votes in every.values()]
    quotas = dict(zip(every, shares(counts, most), strict=True))
    shown: list[Record] = []
    known: Mapping[int, str] = {}
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, **_OPTIONS) as writer:
        dataset = ""
        for setup in results.setups:
            if setup.dataset != dataset:
                dataset, known = setup.dataset, texts(setup.dataset) or {}
            parts = []
            # One dictionary for all cells: texts are long, and every cell has many of them.
            dictionary = pa.array(list(known.values()), pa.string())
            positions = {example: position for position, example in enumerate(known)}
            for cell in (cell for cell in every if cell.setup == setup):
                rows = _rows(cell, every[cell], known)
                shown += heapq.nsmallest(quotas[cell], rows, key=_agreed_first)
                parts.append(_arrow(rows, positions, dictionary))
            if parts:
                whole = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
                writer.write_table(whole, row_group_size=max(len(whole), 1))
    return Disagreements(sum(counts), shown)


def shares(counts: Sequence[int], most: int) -> list[int]:
    """How many rows each of several lists gets of ``most``: evenly, but none more than it has.

    >>> shares([2, 100, 100], 52)
    [2, 25, 25]
    """
    left, found = most, [0] * len(counts)
    order = sorted(range(len(counts)), key=lambda index: (counts[index], index))
    for done, index in enumerate(order):
        found[index] = min(counts[index], left // (len(order) - done))
        left -= found[index]
    return found


def _agreed_first(row: Record) -> tuple[float, int]:
    return (-(row["dense_agreement"] + row["pruned_agreement"]), row["example"])


def _rows(cell: PrunedCell, votes: Path, texts: Mapping[int, str]) -> list[Record]:
    pies = read_pies(votes, _COLUMNS)
    shared = {
        **cell._asdict(),
        "cell": cell,
        "amount": cell.compression.text,
        "has_classes": pies.has_classes,
    }
    found: list[Record] = []
    for row in pies.table.to_pylist():
        said = {"true": row["label"], "dense": row["dense_vote"], "pruned": row["pruned_vote"]}
        known = {side: names(vote, pies.classes) for side, vote in said.items()}
        joined = {column: "|".join(known[side]) for side, column in _SIDES.items()}
        right = {f"{side}_right": pies.right(row["label"], said[side]) for side in ("dense", "pruned")}
        found.append(row | shared | {"text": texts.get(row["example"])} | known | joined | right)
    return found


def cut(text: str) -> str:
    """A text as pages show it."""
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def names(value: Any, classes: Names) -> Names:
    """A label or vote as names of classes; numbers and texts of other tasks as they are written."""
    if isinstance(value, list | tuple):
        return tuple(name for part in value for name in names(part, classes))
    return () if value is None else (class_text(value, classes),)


def _arrow(rows: Sequence[Record], positions: Mapping[int, int], texts: pa.Array) -> pa.Table:
    indices = pa.array([positions.get(row["example"]) for row in rows], pa.int32())
    place = SCHEMA.get_field_index("text")
    table = pa.Table.from_pylist([{**row, "text": None} for row in rows], schema=SCHEMA)
    return table.set_column(place, SCHEMA.field(place), pa.DictionaryArray.from_arrays(indices, texts))
