"""The PIEs of ``pies.parquet``: examples on which the majority votes of dense and pruned models differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prunescope.analysis.pies.votes import WITHOUT_CLASSES, is_right
from prunescope.errors import BadFileError, UserError

#: Columns that only audits of logs have.
_JUDGED = ("dense_right", "pruned_right")


class Pies(NamedTuple):
    """``table``: a row per PIE, its place among all examples in ``row``; ``dense_right``, ``pruned_right`` where a
    harness judged the answers. ``classes``: their names, empty where labels are none or have no names."""

    table: pa.Table
    task: str
    tolerance: float | None
    classes: tuple[str, ...]

    @property
    def has_classes(self) -> bool:
        return self.task not in WITHOUT_CLASSES

    def right(self, label: Any, vote: Any) -> bool:
        return is_right(self.task, label, vote, self.tolerance)

    def judged(self, row: Mapping[str, Any], side: str) -> bool:
        """Whether a side's vote is right: as a harness judged it, else by label and vote."""
        own = row.get(f"{side}_right")
        return self.right(row["label"], row[f"{side}_vote"]) if own is None else bool(own)


def read_pies(path: Path, columns: Sequence[str]) -> Pies:
    """These columns of the PIEs, ``is_pie`` among them, and those of ``Pies``.

    Raises:
        UserError: the file is missing or no table of votes.
    """
    with _votes_of(path) as file:
        wanted = [*columns, *(name for name in _JUDGED if name in file.schema_arrow.names)]
        table = file.read(columns=wanted).select(wanted)
        table = table.append_column("row", pa.array(range(len(table)), pa.int64()))
        said = dict(json.loads((table.schema.metadata or {}).get(b"prunescope", b"{}")))
        kept = table.filter(pc.fill_null(table["is_pie"], False)).combine_chunks()
        classes = tuple(map(str, said.get("classes") or ()))
        return Pies(kept, str(said.get("task")), said.get("tolerance"), classes)


def read_is_pie(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """All examples that were voted on, and whether each is a PIE: (n,) and (n,) bool.

    Raises:
        UserError: the file is missing or no table of votes.
    """
    with _votes_of(path) as file:
        table = file.read(columns=["example", "is_pie"])
        return table["example"].to_numpy(), table["is_pie"].to_numpy(zero_copy_only=False).astype(bool)


@contextmanager
def _votes_of(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # Not as a data set: the folders' names are no columns.
        yield pq.ParquetFile(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError, KeyError, ValueError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise BadFileError(path, f"not a table of votes ({reason})") from None


def class_text(value: Any, classes: list[str] | tuple[str, ...]) -> str:
    """A label or vote as text: class names for indices, several joined by commas, several answers by ``|``."""
    if isinstance(value, list | tuple):
        mark = " | " if any(isinstance(part, str) for part in value) else ", "
        return mark.join(class_text(part, classes) for part in value) if value else "(no class)"
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(classes):
        return str(classes[value])
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)
