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

from prunescope.analysis import class_scores, el2n, readability
from prunescope.analysis.alpha.distortion import Distortion
from prunescope.analysis.class_scores import ClassScores
from prunescope.analysis.csv_text import write_csv
from prunescope.analysis.pies import classes, seed_stats
from prunescope.analysis.pies.classes import ClassCount
from prunescope.analysis.pies.seed_findings import SeedFindings
from prunescope.analysis.pies.votes import Pies
from prunescope.files import atomic_path
from prunescope.predictions.arrow import METADATA_KEY, Array
from prunescope.predictions.store import Predictions, column_of

RECALL_COLUMNS = (
    "seed",
    "class",
    "support",
    "recall_dense",
    "recall_pruned",
    "balance_dense",
    "balance_pruned",
    "intensification",
)
ALPHA_COLUMNS = ("seed", "accuracy_dense", "accuracy_pruned", "alpha")
SCORE_COLUMNS = ("seed", "score_dense", "score_pruned", "flips")
TASK_METRIC_COLUMNS = ("seed", "metric", "dense", "pruned")


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
    "el2n.csv",
    "el2n_scores.parquet",
    "readability.csv",
    "pie_share_by_seeds.csv",
    "spearman.parquet",
    "report.html",
)


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
    bins: int = 20
    readability: Sequence[tuple[Any, ...]] | None = None
    task_metrics: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def is_audit(folder: Path) -> bool:
    """Whether an audit wrote this folder, by the table that every audit writes."""
    try:
        with open(folder / "scores.csv", encoding="utf-8") as stream:
            return stream.readline().strip() == ",".join(SCORE_COLUMNS)
    except (OSError, ValueError):
        return False


def write(folder: Path, results: Results) -> None:
    """Write all tables into ``folder``: the same results give the same bytes."""
    _write_pies(folder / "pies.parquet", results)
    seeds = results.dense.seeds.tolist()
    write_csv(folder / "scores.csv", SCORE_COLUMNS, zip(seeds, *results.scores, strict=True))
    if results.task_metrics:
        write_csv(
            folder / "task_metrics.csv",
            TASK_METRIC_COLUMNS,
            (
                [seed, metric, dense[s], pruned[s]]
                for metric, (dense, pruned) in results.task_metrics.items()
                for s, seed in enumerate(seeds)
            ),
        )
    rows = ([c.name, c.n_examples, c.share_of_examples, c.n_pies, c.share_of_pies] for c in results.classes)
    write_csv(folder / "classes.csv", classes.COLUMNS, rows)
    if results.distortion is not None:
        _write_distortion(folder, seeds, results.dense.classes, results.distortion)
    if results.class_scores is not None:
        supported = np.flatnonzero(np.bincount(results.dense.label)).tolist()
        _write_class_scores(folder, seeds, results.dense.classes, supported, results.class_scores)
    if results.el2n is not None:
        held = {"example": pa.array(results.dense.examples), "el2n": pa.array(results.el2n)}
        _write_parquet(folder / "el2n_scores.parquet", pa.table(held))
        rows_el2n = el2n.bin_rows(results.el2n, results.pies.is_pie, results.bins)
        write_csv(folder / "el2n.csv", el2n.COLUMNS, rows_el2n)
    if results.readability is not None:
        write_csv(folder / "readability.csv", readability.COLUMNS, results.readability)
    if results.seeds is not None:
        _write_seeds(folder, results, results.seeds)


def _write_seeds(folder: Path, results: Results, found: SeedFindings) -> None:
    if found.stats is not None:
        write_csv(folder / "pie_share_by_seeds.csv", seed_stats.COLUMNS, found.stats.by_seeds)
    if found.spearman is not None:
        correlation = found.spearman.correlation
        held = {
            "example": pa.array(results.dense.examples),
            "spearman": pa.array(correlation, mask=np.isnan(correlation)),
            "is_spearman_pie": pa.array(found.spearman.is_pie),
            "is_pie": pa.array(results.pies.is_pie),
        }
        _write_parquet(folder / "spearman.parquet", pa.table(held))


def _write_distortion(folder: Path, seeds: list[int], names: Sequence[str], found: Distortion) -> None:
    supported = np.flatnonzero(found.support).tolist()
    write_csv(
        folder / "recall.csv",
        RECALL_COLUMNS,
        (
            [
                seed,
                names[c],
                found.support[c],
                found.recall_dense[s, c],
                found.recall_pruned[s, c],
                found.balance_dense[s, c],
                found.balance_pruned[s, c],
                found.intensification[s, c],
            ]
            for s, seed in enumerate(seeds)
            for c in supported
        ),
    )
    columns = (seeds, found.accuracy_dense, found.accuracy_pruned, found.alpha)
    write_csv(folder / "alpha.csv", ALPHA_COLUMNS, zip(*columns, strict=True))


def _write_class_scores(
    folder: Path, seeds: list[int], names: Sequence[str], supported: list[int], found: ClassScores
) -> None:
    columns = (found.precision_dense, found.precision_pruned, found.f1_dense, found.f1_pruned)
    write_csv(
        folder / "class_scores.csv",
        class_scores.COLUMNS,
        (
            [seed, names[c], *(column[s, c] for column in columns)]
            for s, seed in enumerate(seeds)
            for c in supported
        ),
    )


def _write_pies(path: Path, results: Results) -> None:
    dense, pies = results.dense, results.pies
    label, vote = _types(dense.task)
    columns = {
        "example": pa.array(dense.examples),
        "label": column_of(dense.label, label),
        "dense_vote": column_of(pies.dense.vote, vote),
        "pruned_vote": column_of(pies.pruned.vote, vote),
        "is_pie": pa.array(pies.is_pie),
        "dense_agreement": pa.array(pies.dense.agreement),
        "pruned_agreement": pa.array(pies.pruned.agreement),
    }
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
