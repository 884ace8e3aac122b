"""Table 1 of the PIE paper: examples on which the majority votes of pruned and dense models disagree."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prunescope.analysis.pies.votes import WITHOUT_CLASSES, is_right
from prunescope.errors import BadFileError
from prunescope.files import atomic_path
from prunescope.papers.results import PrunedCell, Record, Results, Setup

_COLUMNS = ["example", "label", "dense_vote", "pruned_vote", "is_pie", "dense_agreement", "pruned_agreement"]

Names = tuple[str, ...]

#: Long texts outgrow the usual page of a dictionary, and would be written once per cell.
_OPTIONS: dict[str, Any] = {
    "compression": "zstd", "dictionary_pagesize_limit": 1 << 30, "write_page_checksum": True
}  # fmt: skip

#: Longer texts are cut on pages.
MOST_CHARACTERS = 500


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
        chosen: dict[Setup, list[Record]] = {}
        for row in sorted(self.shown, key=_agreed_first):
            own = chosen.setdefault(row["cell"].setup, [])
            if len(own) < per_setup and all(
                row["cell"] != o["cell"] and row["example"] != o["example"] for o in own
            ):
                own.append(row)
        sides = ("dense", "pruned", "true")
        return [
            {
                "text": cut(row["text"] or "") or "(no text)",
                "where": f"{row['cell'].text}, example {row['example']}",
            }
            | {side: ", ".join(row[side]) or "(no class)" for side in sides}
            for setup in dict.fromkeys(row["cell"].setup for row in self.shown)
            for row in chosen[setup]
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
    every = {cell: results.found[cell].folder / "test" / "pies.parquet" for cell in crossed}
    every = {cell: votes for cell, votes in every.items() if votes.exists()}
    counts = [len(_pies(votes, ["is_pie"])) for votes in every.values()]
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


def cut(text: str) -> str:
    """A text as pages show it."""
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def _agreed_first(row: Record) -> tuple[float, int]:
    return (-(row["dense_agreement"] + row["pruned_agreement"]), row["example"])


def _pies(votes: Path, columns: list[str]) -> pa.Table:
    """The PIEs among a cell's votes."""
    try:
        # Not as a data set: the folders' names are no columns.
        table = pq.ParquetFile(votes).read(columns=columns)
        return table.filter(pc.fill_null(table["is_pie"], False))
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise BadFileError(votes, f"not a table of votes ({reason})") from None


def _rows(cell: PrunedCell, votes: Path, texts: Mapping[int, str]) -> list[Record]:
    table = _pies(votes, _COLUMNS)
    try:
        held = json.loads((table.schema.metadata or {}).get(b"prunescope", b"{}"))
        task, tolerance = str(held.get("task")), held.get("tolerance")
        classes = tuple(map(str, held.get("classes") or ()))
    except (ValueError, AttributeError):
        raise BadFileError(votes, "its 'prunescope' metadata cannot be read") from None
    found: list[Record] = []
    for row in table.to_pylist():
        votes_of = {"true": row["label"], "dense": row["dense_vote"], "pruned": row["pruned_vote"]}
        known = {side: names(vote, classes) for side, vote in votes_of.items()}
        found.append(
            row
            | {
                **cell._asdict(),
                "cell": cell,
                "amount": cell.compression.text,
                "text": texts.get(row["example"]),
            }
            | known
            | {column: "|".join(known[side]) for side, column in _SIDES.items()}
            | {
                f"{s}_right": is_right(task, row["label"], votes_of[s], tolerance)
                for s in ("dense", "pruned")
            }
            | {"has_classes": task not in WITHOUT_CLASSES}
        )
    return found


def names(value: Any, classes: Names) -> Names:
    """A label or vote as names of classes; numbers and texts of other tasks as they are written."""
    if isinstance(value, list | tuple):
        return tuple(name for part in value for name in names(part, classes))
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(classes):
        return (classes[value],)
    if isinstance(value, float):
        return (f"{value:.4g}",)
    return () if value is None else (str(value),)


def _arrow(rows: Sequence[Record], positions: Mapping[int, int], texts: pa.Array) -> pa.Table:
    indices = pa.array([positions.get(row["example"]) for row in rows], pa.int32())
    place = SCHEMA.get_field_index("text")
    table = pa.Table.from_pylist([{**row, "text": None} for row in rows], schema=SCHEMA)
    return table.set_column(place, SCHEMA.field(place), pa.DictionaryArray.from_arrays(indices, texts))
