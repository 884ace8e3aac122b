"""The files of an audit, as other tools and people find them (columns as documented)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis import data_map, el2n
from prunescope.analysis.alpha.distortion import Distortion
from prunescope.analysis.audit_tables import (
    Certainty,
    ClassCount,
    ClassScore,
    DataMapRow,
    El2nBin,
    GroupRow,
    MatrixRow,
    OwnScore,
    PieShareBySeeds,
    Readability,
    Recall,
    Score,
    SeedAlpha,
    SliceRow,
)
from prunescope.analysis.class_scores import ClassScores
from prunescope.analysis.data_map import DataMap
from prunescope.analysis.paired import majority
from prunescope.analysis.pies.seed_findings import SeedFindings
from prunescope.analysis.pies.votes import Pies
from prunescope.analysis.slices import Found
from prunescope.analysis.tables.declared import header, write_table
from prunescope.errors import UserError, listed
from prunescope.files import atomic_path
from prunescope.predictions.arrow import METADATA_KEY, Array
from prunescope.predictions.store import Predictions, column_of

#: Every name a folder of an audit can hold.
FILES = (
    "summary.json",
    "scores.csv",
    "task_metrics.csv",
    "pies.parquet",
    "recall.csv",
    "alpha.csv",
    "class_scores.csv",
    "classes.csv",
    "certainty.csv",
    "el2n.csv",
    "el2n_scores.parquet",
    "data_map.csv",
    "data_map.parquet",
    "readability.csv",
    "pie_share_by_seeds.csv",
    "spearman.parquet",
    "matrix.csv",
    "groups.csv",
    "slices.csv",
    "report.html",
)


#: What workflow tools and file managers leave in a folder.
_HOUSEKEEPING = (".snakemake", ".DS_Store", ".nfs")


@dataclass
class Results:
    """Everything an audit found; what was not asked for, or has no meaning for the task, is None.

    scores: (S,) dense scores, pruned scores, flips. el2n: (n,) scores. task_metrics: by metric of the data
    set's own, (S,) dense and pruned.
    """

    summary: dict[str, Any]
    dense: Predictions
    pruned: Predictions
    pies: Pies
    scores: tuple[np.ndarray, np.ndarray, np.ndarray]
    classes: list[ClassCount]
    distortion: Distortion | None
    seeds: SeedFindings | None = None
    class_scores: ClassScores | None = None
    el2n: np.ndarray | None = None
    map: DataMap | None = None
    bins: int = 20
    readability: Sequence[Readability] | None = None
    metrics: Sequence[MatrixRow] = ()
    groups: Sequence[GroupRow] = ()
    slices: Found | None = None
    certainty: Sequence[Certainty] = ()
    task_metrics: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def is_audit(folder: Path) -> bool:
    """Whether an audit wrote this folder, by the table that every audit writes."""
    try:
        with open(folder / "scores.csv", encoding="utf-8") as stream:
            return set(header(Score)) <= set(stream.readline().strip().split(","))
    except (OSError, ValueError):
        return False


def suite_folders(folder: Path) -> list[str] | None:
    """The folders of models in a suite's folder; None where it is none."""
    try:
        with open(folder / "matrix.csv", encoding="utf-8") as stream:
            if not set(header(MatrixRow)) <= set(stream.readline().strip().split(",")):
                return None
        value = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        return list(map(str, value["folders"])) if value.get("suite") else None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def check_free(out: Path) -> None:
    """Raises: UserError: ``out`` holds something other than an audit or a suite of audits."""
    try:
        if not out.is_dir():
            if out.exists():
                raise UserError(f"{out}: is a file; choose another --out folder")
            return
        held = sorted(path.name for path in out.iterdir())
    except OSError as error:
        raise UserError(f"{out}: cannot be used ({error.strerror}); choose another --out folder") from None
    folders = suite_folders(out)
    foreign = [
        name for name in held if name not in (*FILES, *(folders or ())) and not name.startswith(_HOUSEKEEPING)
    ]
    # The folder is replaced as a whole, so nothing of the user's may stand in it. What marks it as
    # ours is not the summary: workflow tools remove their outputs before they run a job again.
    if foreign or (held and folders is None and not is_audit(out)):
        raise UserError(
            f"{out}: holds something other than an audit ({listed(foreign or held, 3)}); "
            "choose another --out folder or empty it"
        )


def write(folder: Path, results: Results) -> None:
    """Write all tables into ``folder``: the same results give the same bytes."""
    _write_pies(folder / "pies.parquet", results)
    seeds = results.dense.seeds.tolist()
    names = results.dense.classes
    supported = np.flatnonzero(np.bincount(results.dense.label)).tolist() if results.distortion else []
    write_table(folder, Score, (Score(*row) for row in zip(seeds, *results.scores, strict=True)))
    if results.task_metrics:
        own = (
            OwnScore(seed=seed, metric=metric, dense=dense[s], pruned=pruned[s])
            for metric, (dense, pruned) in results.task_metrics.items()
            for s, seed in enumerate(seeds)
        )
        write_table(folder, OwnScore, own)
    write_table(folder, ClassCount, results.classes)
    if (found := results.distortion) is not None:
        intensification = found.intensification
        recalls = (
            Recall(
                seed=seed,
                class_=names[c],
                support=int(found.support[c]),
                recall_dense=found.recall_dense[s, c],
                recall_pruned=found.recall_pruned[s, c],
                balance_dense=found.balance_dense[s, c],
                balance_pruned=found.balance_pruned[s, c],
                intensification=intensification[s, c],
            )
            for s, seed in enumerate(seeds)
            for c in supported
        )
        write_table(folder, Recall, recalls)
        columns = (seeds, found.accuracy_dense, found.accuracy_pruned, found.alpha)
        write_table(folder, SeedAlpha, (SeedAlpha(*row) for row in zip(*columns, strict=True)))
    if (by_class := results.class_scores) is not None:
        rows = (
            ClassScore(
                seed=seed, class_=names[c], **{name: values[s, c] for name, values in vars(by_class).items()}
            )
            for s, seed in enumerate(seeds)
            for c in supported
        )
        write_table(folder, ClassScore, rows)
    if results.certainty:
        write_table(folder, Certainty, results.certainty)
    if results.el2n is not None:
        held = {"example": pa.array(results.dense.keys), "el2n": pa.array(results.el2n)}
        _write_parquet(folder / "el2n_scores.parquet", pa.table(held))
        write_table(folder, El2nBin, el2n.bin_rows(results.el2n, results.pies.is_pie, results.bins))
    if results.map is not None:
        of_map = {name: getattr(results.map, name) for name in ("confidence", "variability", "correctness")}
        held = {"example": pa.array(results.dense.keys), **{k: pa.array(v) for k, v in of_map.items()}}
        _write_parquet(folder / "data_map.parquet", pa.table(held))
        write_table(folder, DataMapRow, data_map.rows(results.map, results.pies.is_pie, results.el2n))
    if results.readability is not None:
        write_table(folder, Readability, results.readability)
    if results.metrics:
        write_table(folder, MatrixRow, results.metrics)
    if results.groups:
        write_table(folder, GroupRow, results.groups)
    if results.slices is not None:
        write_table(folder, SliceRow, results.slices.rows)
    if results.seeds is not None:
        _write_seeds(folder, results, results.seeds)


def _write_seeds(folder: Path, results: Results, found: SeedFindings) -> None:
    if found.stats is not None:
        write_table(folder, PieShareBySeeds, found.stats.by_seeds)
    if found.spearman is not None:
        correlation = found.spearman.correlation
        held = {
            "example": pa.array(results.dense.keys),
            "spearman": pa.array(correlation, mask=np.isnan(correlation)),
            "is_spearman_pie": pa.array(found.spearman.is_pie),
            "is_pie": pa.array(results.pies.is_pie),
        }
        _write_parquet(folder / "spearman.parquet", pa.table(held))


def _write_pies(path: Path, results: Results) -> None:
    dense, pies = results.dense, results.pies
    label, vote = _types(dense.task)
    columns = {
        "example": pa.array(dense.keys),
        "label": column_of(dense.label, label) if dense.labelled else pa.nulls(len(dense.keys), label),
        "dense_vote": column_of(pies.dense.vote, vote),
        "pruned_vote": column_of(pies.pruned.vote, vote),
        "is_pie": pa.array(pies.is_pie),
        "dense_agreement": pa.array(pies.dense.agreement),
        "pruned_agreement": pa.array(pies.pruned.agreement),
    }
    for name, side in (("dense", dense), ("pruned", results.pruned)):
        # The harness's judgement does not follow from label and vote: the label of gsm8k is the whole solution.
        if side.right is not None:
            columns[f"{name}_right"] = pa.array(majority(side.right))
    if pies.differing is not None:
        columns["n_tokens_differing"] = pa.array(pies.differing)
    said = {"task": dense.task, "classes": list(dense.classes)}
    if "tolerance" in results.summary:
        said["tolerance"] = results.summary["tolerance"]
    meta = json.dumps(said)
    _write_parquet(path, pa.table(columns).replace_schema_metadata({METADATA_KEY: meta}))


def _types(task: str) -> tuple[Array, Array]:
    """Arrow types of labels and of votes."""
    if task == "single-label":
        return pa.int32(), pa.int32()
    if task == "regression":
        return pa.float32(), pa.float64()
    if task in ("multi-label", "tokens"):
        return pa.list_(pa.int32()), pa.list_(pa.int32())
    return pa.list_(pa.string()), pa.string()


def _write_parquet(path: Path, table: pa.Table) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
