"""EL2N scores in a file of their own: computed once, for every cell whose models start from the same dense ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis.data_map import DataMap, measure
from prunescope.analysis.el2n import el2n
from prunescope.errors import BadFileError, UserError
from prunescope.files import atomic_path
from prunescope.predictions.arrow import METADATA_KEY, Source
from prunescope.predictions.sets import flat
from prunescope.predictions.store import Predictions, read_predictions

#: Columns of the data map.
_OF_MAP = ("confidence", "variability", "correctness")


@dataclass(frozen=True)
class About:
    """What the scores are of.

    truth: ``digest`` of examples and labels. seeds: of the tables, those that were not asked for included.
    described: as ``Predictions.described``. sources: the tables.
    """

    truth: str
    seeds: list[int]
    described: dict[str, Any]
    sources: list[str]


@dataclass(frozen=True)
class Scores:
    """el2n: (n,) float64, in the order of the examples. map: over the early tables and later ones."""

    about: About
    el2n: np.ndarray
    map: DataMap | None = None


def digest(side: Predictions) -> str:
    """Of task, classes, examples and labels: what two sides must have in common to be compared."""
    found = hashlib.sha256(json.dumps([side.task, side.classes, side.label.shape]).encode())
    found.update(np.ascontiguousarray(side.examples, dtype=np.int64).data)
    if side.label.dtype == object:
        found.update(np.concatenate(flat(side.label)).astype(np.int64).data)
    else:
        found.update(np.ascontiguousarray(side.label).data)
    return found.hexdigest()


def scores_of(
    paths: Sequence[Path],
    early: Predictions,
    seeds: Collection[int] | None,
    later: Sequence[Sequence[Path]] = (),
) -> Scores:
    """Scores over some of the seeds of tables that are read already; None: over all.

    Args:
        later: tables of the same models at later epochs, by epoch, for the data map.

    Raises:
        UserError: as ``el2n.el2n`` and ``data_map.measure``.
    """
    chosen = early.chosen(seeds)
    found = el2n(paths, chosen)
    about = About(digest(early), early.seeds.tolist(), early.described, list(early.sources))
    return Scores(about, found, measure([paths, *later], chosen) if later else None)


def write_scores(
    paths: Sequence[Path], out: Path, seeds: Collection[int], later: Sequence[Sequence[Path]] = ()
) -> None:
    """Compute scores over ``seeds`` and write them: Parquet with ``example``, ``el2n`` and the data map.

    Where every seed diverged there are no rows.

    Raises:
        UserError: a table is refused.
    """
    early = read_predictions(paths)
    if len(early.chosen(seeds).seeds):
        scores = scores_of(paths, early, seeds, later)
        columns = {"example": pa.array(early.examples), "el2n": pa.array(scores.el2n)}
        if scores.map is not None:
            columns |= {name: pa.array(getattr(scores.map, name)) for name in _OF_MAP}
            columns["n_epochs"] = pa.array(np.full(len(early.examples), scores.map.n_epochs, np.int32))
    else:
        scores = Scores(About("", [], early.described, list(early.sources)), np.zeros(0))
        columns = {"example": pa.array([], pa.int64()), "el2n": pa.array([], pa.float64())}
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(asdict(scores.about))})
    with atomic_path(out) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read_scores(path: Path, side: Predictions) -> Scores:
    """Scores of the examples of ``side``.

    Raises:
        UserError: the file is missing, damaged, of other examples, or every seed diverged.
    """
    source = Source(path)
    try:
        about = About(**(source.metadata or {}))
    except TypeError:
        raise BadFileError(path, "no EL2N scores") from None
    if not about.seeds:
        raise UserError(f"{path}: every seed diverged; EL2N needs one that did not")
    if about.truth != digest(side):
        raise BadFileError(path, "EL2N scores of other examples or labels")
    names = ["el2n", *((*_OF_MAP, "n_epochs") if "n_epochs" in source.columns else ())]
    batches = list(source.batches(names))
    found = {name: np.concatenate([batch[name].to_numpy() for batch in batches]) for name in names}
    scores = found.pop("el2n")
    if not found:
        return Scores(about, scores)
    n_epochs = int(found.pop("n_epochs")[0])
    return Scores(about, scores, DataMap(**found, n_epochs=n_epochs))
