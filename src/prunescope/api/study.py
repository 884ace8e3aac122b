"""``prunescope.load_study``: a study's tables and predictions from its results folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.papers import TABLES as PAPER_TABLES
from prunescope.analysis.tables.registry import TABLES
from prunescope.api.comparison import AuditResult
from prunescope.api.frames import pandas, read_frame
from prunescope.errors import UserError, listed
from prunescope.files import read_json
from prunescope.predictions.arrow import Source
from prunescope.predictions.metadata import meta_of

if TYPE_CHECKING:
    import pandas as pd

#: What names a prediction table.
_KEYS = ["dataset", "arch", "pruner", "sparsity", "split"]

#: Sparsities that differ by less are one.
_CLOSE = 1e-6


def load_study(results: Path | str) -> Study:
    """The tables and predictions of a study.

    Args:
        results: its results folder, or ``results/only/<dataset>`` of a run of one data set.

    Raises:
        UserError: the folder is not there, or holds no study.

    >>> import prunescope as ps
    >>> ps.load_study("nowhere")
    Traceback (most recent call last):
    prunescope.errors.UserError: nowhere: no such folder; give a study's results folder
    """
    folder = Path(results)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a study's results folder")
    if not any((folder / name).is_dir() for name in ("tables", "models", "cells")):
        raise UserError(f"{folder}: holds no tables and no models; give a study's results folder")
    return Study(folder)


class Study:
    """A study's results. Tables are attributes, and items: ``study.pie_share``, ``study["pie_share"]``.

    Each table is a DataFrame with a row per cell, its columns in ``docs/tables.md``; it is read when it is asked for.
    ``tables`` names those that are there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._frames: dict[str, Any] = {}

    @property
    def tables(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "tables").glob("*.csv"))

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._frames:
            if name not in self.tables:
                there = listed(self.tables, 40)
                raise KeyError(f"{name}: no such table in {self.folder / 'tables'}; there are {there}")
            declared = TABLES.get(name) or PAPER_TABLES.get(name)
            path = self.folder / "tables" / f"{name}.csv"
            self._frames[name] = read_frame(path, declared.row if declared else None)
        return self._frames[name]

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(str(error.args[0])) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tables]

    def __repr__(self) -> str:
        cells = len(self.models.drop_duplicates(_KEYS[:4]))
        return (
            f"Study({str(self.folder)!r}): {len(self.tables)} tables, predictions of {cells} kinds of models"
        )

    @cached_property
    def models(self) -> pd.DataFrame:
        """The prediction tables that are there: dataset, arch, pruner, sparsity, split (``early``: that of EL2N), path.

        Only their metadata is read.
        """
        rows = []
        for path in sorted((self.folder / "models").glob("*/*/*/*/seeds-*/*.parquet")):
            meta = meta_of(Source(path))
            if meta is not None:
                split = "early" if meta.epoch == "early" else meta.split
                rows.append((meta.dataset, meta.arch, meta.pruner, meta.sparsity, split, path))
        return pandas().DataFrame(rows, columns=[*_KEYS, "path"])

    def predictions(
        self,
        dataset: str | None = None,
        arch: str | None = None,
        pruner: str | None = None,
        sparsity: float | None = None,
        *,
        split: str | None = "test",
    ) -> pd.DataFrame:
        """What models say of every example: a row per (model, seed, example), with ``label``, ``logits`` or
        ``prediction``, and which model it is. What is not named is all of it; dense models have pruner ``none``.

        Raises:
            UserError: there are none; they are not kept, or the study has no such models.
        """
        chosen = self.models
        named = {"dataset": dataset, "arch": arch, "pruner": pruner, "split": split, "sparsity": sparsity}
        for key, value in named.items():
            if value is None:
                continue
            column = chosen[key]
            kept = (
                (column - sparsity).abs() < _CLOSE
                if key == "sparsity" and sparsity is not None
                else column == value
            )
            if not kept.any():
                raise UserError(
                    f"{key} {value!r}: no predictions; there are {listed(sorted(set(column.dropna())))}"
                )
            chosen = chosen[kept]
        frames = []
        for row in chosen.itertuples(index=False):
            frame = pq.read_table(row.path).to_pandas()
            for position, key in enumerate(_KEYS):
                frame.insert(position, key, getattr(row, key))
            frames.append(frame)
        return pandas().concat(frames, ignore_index=True)

    def audit(
        self, dataset: str, arch: str, pruner: str, sparsity: float, *, split: str = "test"
    ) -> AuditResult:
        """The audit of one cell, pruned against dense models, as the study made it.

        Raises:
            UserError: the study has no such cell.
        """
        there = {}
        for path in sorted((self.folder / "cells").glob(f"{dataset}/{arch}/{pruner}/*/{split}/summary.json")):
            record = read_json(path.parents[1] / "models.json")
            cell = CellResults(path.parents[1], record["models"], {})
            if cell.sparsity is not None:
                there[cell.sparsity] = AuditResult(path.parent, read_json(path))
        found = [result for reached, result in there.items() if abs(reached - sparsity) < _CLOSE]
        if not found:
            raise UserError(
                f"{dataset}, {arch}, {pruner} at {sparsity:g}: no such cell; "
                f"there are sparsities {listed(there) or 'none'}"
            )
        return found[0]
