"""A results tree of the size of a whole study, its votes made up: what benchmarks/site.py builds pages from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis.readability import MEASURES
from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.tables import write_table

#: Test and training examples and classes of the papers' data sets.
SIZES = {
    "imdb": (25_000, 25_000, 2),
    "snli": (9_824, 549_367, 3),
    "reuters": (3_019, 7_769, 90),
    "aapd": (1_000, 53_840, 54),
    "mnist": (10_000, 60_000, 10),
    "fashion_mnist": (10_000, 60_000, 10),
    "cifar10": (10_000, 50_000, 10),
    "cifar100": (10_000, 50_000, 100),
}
#: Characters of a text, about.
LENGTHS = {"imdb": 1_300, "snli": 110, "reuters": 800, "aapd": 1_000}
_WORDS = [
    "pruning",
    "keeps",
    "the",
    "mean",
    "and",
    "moves",
    "who",
    "pays",
    "for",
    "it",
    "among",
    "all",
    "classes",
]


def make(root: Path, study: Study, share: float) -> tuple[list[Path], list[Path]]:
    """Write cells, tables and data sets; returns the cells' folders and the data cards.

    Args:
        share: of the examples of every data set, such as 1.0.
    """
    rng = np.random.default_rng(0)
    hardness: dict[tuple[str, str], np.ndarray] = {}
    labels: dict[tuple[str, str], np.ndarray] = {}
    cards = []
    for dataset in study.datasets:
        *sizes, n_classes = SIZES[dataset]
        for split, size in zip(("test", "train"), sizes, strict=True):
            n = max(int(size * share), 50)
            hardness[dataset, split] = rng.beta(0.5, 4.0, n)
            labels[dataset, split] = rng.integers(0, n_classes, n).astype(np.int32)
        cards.append(_data(root, study, dataset, labels, n_classes, rng))
    cells: list[Path] = []
    rows: dict[str, list[list[Any]]] = {name: [] for name in _COLUMNS}
    for cell in study.cells:
        folder = root / "cells" / cell.dataset / cell.arch / cell.pruner / cell.compression.token
        cells.append(folder)
        _models(folder, cell)
        if cell.dense:
            continue
        classes = [f"class {i}" for i in range(SIZES[cell.dataset][2])]
        damage = 0.03 + 0.25 * _sparsity(cell.compression) ** 6
        for split in ("test", "train"):
            key = (cell.dataset, split)
            n_pies = _votes(folder / split, hardness[key], labels[key], classes, damage, split, rng)
            _summary(folder / split, cell, len(labels[key]), n_pies, damage, classes, rng)
        for name, row in _rows(cell, damage):
            rows[name].append([cell.dataset, cell.arch, cell.pruner, _sparsity(cell.compression), *row])
    for name, columns in _COLUMNS.items():
        own = rows[name]
        write_rows(root / "tables" / f"{name}.csv", ("dataset", "arch", "pruner", "sparsity", *columns), own)
    return cells, cards


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


_COLUMNS = {
    "effectiveness": ("metric", "mean", "std", "n_seeds"),
    "pie_share": ("n_examples", "n_pies", "pie_share"),
    "effectiveness_on_pies": ("metric", "dense", "pruned", "n_pies"),
}


def _sparsity(compression: Compression) -> float:
    if compression.kind == "level":
        return float(1 - 0.8**compression.value)
    return float(compression.value if compression.kind == "sparsity" else 1 - 1 / compression.value)


def _text(rng: np.random.Generator, characters: int) -> str:
    words = rng.integers(0, len(_WORDS), max(characters // 5, 3))
    return " ".join(_WORDS[word] for word in words)


def _data(
    root: Path,
    study: Study,
    dataset: str,
    labels: dict[tuple[str, str], np.ndarray],
    n_classes: int,
    rng: Any,
) -> Path:
    folder = root / "data" / dataset
    names = tuple(f"class {i}" for i in range(n_classes))
    for split in ("test", "train"):
        own = labels[dataset, split]
        if study.datasets[dataset].input == "image":
            shape = (3, 32, 32) if dataset.startswith("cifar") else (1, 28, 28)
            info = TableInfo(dataset, split, "single-label", names, ("image",), shape, 255.0)
            images = rng.integers(0, 256, (len(own), *shape), dtype=np.uint8)
            write_table(folder / f"{split}.parquet", DataTable(info, own, images=images))
            continue
        info = TableInfo(dataset, split, "single-label", names, ("text",))
        # Some thousand texts, over and over: what a page holds depends on their length alone.
        stock = [_text(rng, int(size)) for size in rng.gamma(4.0, LENGTHS[dataset] / 4.0, 4_000)]
        texts = [f"{i} {stock[i % len(stock)]}" for i in range(len(own))]
        write_table(folder / f"{split}.parquet", DataTable(info, own, texts={"text": texts}))
        if split == "test":
            scores = {name: rng.gamma(9.0, 1.0, len(own)) for name in MEASURES}
            pq.write_table(
                pa.table({"example": np.arange(len(own)), **scores}), folder / "readability.parquet"
            )
    card = folder / "card.json"
    card.write_text(json.dumps({"dataset": dataset}), encoding="utf-8")
    return card


def _votes(
    folder: Path,
    hard: np.ndarray,
    label: np.ndarray,
    classes: Sequence[str],
    damage: float,
    split: str,
    rng: np.random.Generator,
) -> int:
    """Votes of which about ``damage`` differ, the hard examples' above all; returns how many."""
    n = len(label)
    changed = rng.random(n) < np.minimum(damage * hard / hard.mean(), 0.95)
    wrong = ((label + 1) % len(classes)).astype(np.int32)
    dense = np.where(rng.random(n) < hard, wrong, label).astype(np.int32)
    pruned = np.where(changed, np.where(dense == label, wrong, label), dense).astype(np.int32)
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "example": np.arange(n, dtype=np.int64),
            "label": label,
            "dense_vote": dense,
            "pruned_vote": pruned,
            "is_pie": dense != pruned,
            "dense_agreement": np.round(1 - 0.5 * hard, 3),
            "pruned_agreement": np.round(1 - 0.6 * hard, 3),
        }
    )
    meta = {"prunescope": json.dumps({"task": "single-label", "classes": list(classes)})}
    pq.write_table(table.replace_schema_metadata(meta), folder / "pies.parquet", compression="zstd")
    if split == "train":
        scores = pa.table({"example": np.arange(n, dtype=np.int64), "el2n": hard})
        pq.write_table(scores, folder / "el2n_scores.parquet", compression="zstd")
        bins = [
            (b, n // 20, int(n * damage / 20), damage * b / 10, b / 20, (b + 1) / 20) for b in range(1, 21)
        ]
        write_rows(
            folder / "el2n.csv", ("bin", "n_examples", "n_pies", "pie_share", "score_low", "score_high"), bins
        )
    return int((dense != pruned).sum())


def _summary(
    folder: Path,
    cell: Cell,
    n: int,
    n_pies: int,
    damage: float,
    classes: Sequence[str],
    rng: np.random.Generator,
) -> None:
    seeds = len(cell.seeds)
    interval = {"ci_low": -damage - 0.02, "ci_high": -damage + 0.02, "confidence": 0.99, "n_seeds": seeds}
    share = n_pies / n
    summary = {
        "task": "single-label", "metric": "accuracy", "n_examples": n, "n_seeds": seeds, "n_seeds_dropped": 0,
        "n_classes": len(classes), "n_pies": n_pies, "pie_share": share, "dense_score": 0.9,
        "pruned_score": 0.9 - damage / 3, "dense_score_on_pies": 0.6, "pruned_score_on_pies": 0.6 - 2 * damage,
        "n_flips_mean": 1.5 * n_pies, "change": {"mean": -damage / 3, **interval},
        "change_on_pies": {"mean": -2 * damage, **interval},
        "alpha": {
            "mean": 1 + damage, "ci_low": 0.99, "ci_high": 1.2, "confidence": 0.99, "verdict": "?", "n_left_out": 0,
        },
        "pie_interval": {"centered_low": share * 0.9, "centered_high": share * 1.1, "confidence": 0.95},
        "noise_floor": {
            "mean": 0.04, "low": 0.03, "high": 0.05, "pie_share_half": share, "excess": share - 0.04, "verdict": ">",
            "n_models": seeds // 2,
        },
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    write_rows(
        folder / "scores.csv",
        ("seed", "score_dense", "score_pruned", "flips"),
        [(seed, 0.9, 0.9 - damage / 3, n_pies) for seed in cell.seeds],
    )
    k = len(classes)
    write_rows(
        folder / "classes.csv",
        ("class", "n_examples", "share_of_examples", "n_pies", "share_of_pies"),
        [(name, n // k, 1 / k, n_pies // k, 1 / k) for name in classes],
    )
    recalls = [
        (seed, name, n // k, float(before), float(before * (1 - damage)), 0.0, 0.0, "")
        for seed in cell.seeds
        for name, before in zip(classes, rng.uniform(0.6, 1.0, k), strict=True)
    ]
    columns = ("seed", "class", "support", "recall_dense", "recall_pruned", "balance_dense", "balance_pruned")
    write_rows(folder / "recall.csv", (*columns, "intensification"), recalls)
    write_rows(
        folder / "alpha.csv",
        ("seed", "accuracy_dense", "accuracy_pruned", "alpha"),
        [(seed, 0.9, 0.9 - damage / 3, 1 + damage + 0.01 * (seed % 5)) for seed in cell.seeds],
    )
    if cell.dataset in LENGTHS:
        rows = [(name, 10.0, 10.0 + damage, 1 + damage / 10) for name in MEASURES]
        write_rows(folder / "readability.csv", ("measure", "all", "pies", "ratio"), rows)


def _rows(cell: Cell, damage: float) -> Iterator[tuple[str, list[Any]]]:
    seeds = len(cell.seeds)
    yield "effectiveness", ["accuracy", 0.9 - damage / 3, 0.01, seeds]
    yield "pie_share", [SIZES[cell.dataset][0], int(SIZES[cell.dataset][0] * damage), damage]
    yield "effectiveness_on_pies", ["accuracy", 0.6, 0.6 - 2 * damage, 100]


def _models(folder: Path, cell: Cell) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    epochs = [
        {"phase": "train", "epoch": i + 1, "loss": 2 / (i + 1), "validation_loss": 2.2 / (i + 1)}
        for i in range(40)
    ]
    names = ("dataset", "arch", "pruner")
    value = {name: getattr(cell, name) for name in names} | {"amount": cell.compression.token}
    models = [
        {
            "seed": seed,
            "diverged": False,
            "sparsity": _sparsity(cell.compression),
            "ratio": 2.0,
            "epochs": epochs,
            "seconds": 60.0,
        }
        for seed in cell.seeds
    ]
    (folder / "models.json").write_text(json.dumps({**value, "models": models}), encoding="utf-8")
