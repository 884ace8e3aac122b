"""Prediction tables of true size without training: what made-up networks say of every example of a study.

Labels have the data set's classes; a network's logits are a margin for the true classes, minus how hard an example
is, plus noise of the example (all networks share it), of the cell (its seeds share it) and of the seed. More pruning
means less margin and more noise, so that some examples are PIEs and most are not. Numbers, row counts, files and
folders are those of a real run; the tables go through the writer that training uses.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis.readability import MEASURES
from prunescope.config.datasets import Declared, sources
from prunescope.config.grid import Cell
from prunescope.config.jobs import model_job
from prunescope.config.study import Study
from prunescope.data.card import card, card_text
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.splits import SPLITS
from prunescope.data.tables import write_table
from prunescope.paths import Layout, block_name, block_seeds, fill, seed_blocks
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions

#: Labels an example has on average, of data sets with several.
LABELS = {"reuters": 1.1, "aapd": 2.4}

#: What texts are made of.
WORDS = [
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


def generator(*names: object) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(str(name).encode()) for name in names])


@dataclass(frozen=True)
class Truth:
    """One split of a data set: labels as prediction tables have them, and what all networks find hard."""

    label: np.ndarray
    base: np.ndarray  # (n, C) float32

    @classmethod
    def of(cls, dataset: str, split: str, source: str, facts: Declared) -> Truth:
        rng = generator(dataset, split)
        n, classes = getattr(facts, split), facts.classes
        share = 1.0 / np.arange(1, classes + 1) ** 0.7
        share /= share.sum()
        if source in LABELS:
            label = rng.random((n, classes)) < np.minimum(0.95, share * LABELS[source])
            sign = np.where(label, np.float32(1), np.float32(-1))
        else:
            label = rng.choice(classes, size=n, p=share if classes > 3 else None).astype(np.int32)
            sign = np.zeros((n, classes), dtype=np.float32)
            sign[np.arange(n), label] = 1
        ease = (rng.standard_normal(n, dtype=np.float32) + np.float32(2))[:, None]
        noise = rng.standard_normal((n, classes), dtype=np.float32)
        # Of many classes one is wrong more easily than of a few.
        return cls(label, (3 if source in LABELS else 2) * ease * sign + noise)


def make_cell(
    study: Study, cell: Cell, root: Path, truths: dict[str, Truth], same_as: Cell | None = None
) -> None:
    """Write all that the blocks of a cell leave.

    ``same_as``: link the tables of a cell that is made already instead of making others. Metrics are its own.
    """
    layout = Layout(study.results)
    for first, last in seed_blocks(cell.seeds, study.archs[cell.arch].block):
        block = block_name(first, last)
        folder = (root / fill(layout.model("metrics.json"), cell, block)).parent
        folder.mkdir(parents=True, exist_ok=True)
        splits = {"test": "final", "train": "final", **({"early": "early"} if cell.dense else {})}
        for file, epoch in splits.items():
            truth = truths["test" if file == "test" else "train"]
            path = folder / f"{file}.parquet"
            if same_as is not None:
                os.link((root / fill(layout.model(path.name), same_as, block)), path)
            else:
                blocks = seeds_of(cell, file, truth, block_seeds(block))
                float16 = file != "early"
                write_predictions(path, meta(study, cell, file, epoch), blocks, float16=float16)
        for name in ("checkpoint.safetensors", "models.safetensors"):
            (folder / name).touch()
        (folder / "metrics.json").write_text(json.dumps(metrics(study, cell, block)), encoding="utf-8")


def seeds_of(cell: Cell, file: str, truth: Truth, seeds: tuple[int, ...]) -> Iterator[SeedBlock]:
    size = truth.base.shape
    pruned = 0.0 if cell.dense else cell.compression.value
    margin = np.float32((0.4 if file == "early" else 1.0) * (1 - 0.5 * pruned))
    own = generator(cell.dataset, cell.arch, cell.pruner, cell.compression.token, file)
    base = truth.base + np.float32(0.2 + pruned) * own.standard_normal(size, dtype=np.float32)
    base *= margin
    for seed in seeds:
        rng = generator(cell.dataset, cell.arch, cell.pruner, cell.compression.token, file, seed)
        logits = rng.standard_normal(size, dtype=np.float32)
        logits *= np.float32(0.7)
        logits += base
        yield SeedBlock(seed, truth.label, logits)


def meta(study: Study, cell: Cell, file: str, epoch: str) -> TableMeta:
    source = study.datasets[cell.dataset].source
    return TableMeta(
        task="multi-label" if source in LABELS else "single-label",
        classes=tuple(f"class {i}" for i in range(study.datasets[cell.dataset].declared().classes)),
        dataset=cell.dataset,
        arch=cell.arch,
        pruner=cell.pruner,
        sparsity=cell.compression.value,
        split="test" if file == "test" else "train",
        epoch=epoch,
        threshold={str(seed): 0.45 for seed in cell.seeds} if source in LABELS else None,
    )


def metrics(study: Study, cell: Cell, block: str) -> dict[str, object]:
    """As long as a real one: a record per layer, and the training curve."""
    source, value = study.datasets[cell.dataset].source, cell.compression.value
    job = model_job(study, cell, block_seeds(block))
    layers = {
        f"encoder.layer.{i}.weight": {"size": 589824, "zeros": round(589824 * value), "sparsity": value}
        for i in range(74)
    }
    epochs = [{"phase": "train", "epoch": i, "loss": 0.25, "validation_loss": 0.5} for i in range(12)]
    model = {
        "diverged": False,
        "parameters": 109483778,
        "prunable": 85524480,
        "sparsity_asked": value,
        "sparsity": value,
        "ratio": 109483778 / (109483778 - 85524480 * value),
        "layers": layers,
        "scores": {},
        "epochs": epochs,
        "seconds": 60.0,
        "samples_per_second": 1000.0,
        "peak_memory_mb": 4000.0,
    }
    return {
        **{
            "dataset": cell.dataset,
            "arch": cell.arch,
            "pruner": cell.pruner,
            "amount": cell.compression.token,
        },
        "task": "multi-label" if source in LABELS else "single-label",
        "classes": list(meta(study, cell, "test", "final").classes),
        "models": [{"seed": seed, **model} for seed in block_seeds(block)],
        "device": "none: made up",
        "versions": {},
        "revision": "none",
        "settings": job.model_dump(mode="json", exclude={"architecture": {"training", "block"}}),
    }


def make_data(study: Study, root: Path) -> None:
    """Data sets with made-up texts, which the report shows, their readability scores, and stand-ins for encodings."""
    layout = Layout(study.results)
    for dataset in dict.fromkeys(cell.dataset for cell in study.cells):
        source, facts = study.datasets[dataset].source, study.datasets[dataset].declared()
        tables = {split: data_table(dataset, split, source, facts) for split in SPLITS}
        for split, table in tables.items():
            path = root / layout.data(f"{split}.parquet").format(dataset=dataset)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_table(path, table)
        description = card(dataset, source, DataSet(tables, {}), published=sources()[source].published)
        path = root / layout.data("card.json").format(dataset=dataset)
        path.write_text(json.dumps(description), encoding="utf-8")
        path.with_suffix(".md").write_text(card_text(description), encoding="utf-8")
        for arch in dict.fromkeys(cell.arch for cell in study.cells if cell.dataset == dataset):
            touch(root / layout.inputs.format(dataset=dataset, arch=arch))
        scores = generator(dataset, "readability").gamma(4.0, 3.0, size=(len(MEASURES), facts.test))
        columns = dict(zip(MEASURES, scores, strict=True))
        path = root / layout.data("readability.parquet").format(dataset=dataset)
        pq.write_table(pa.table({"example": np.arange(facts.test), **columns}), path, compression="zstd")


def data_table(dataset: str, split: str, source: str, facts: Declared) -> DataTable:
    """One split, with the labels that prediction tables have and texts about as long as the data set's."""
    rng = generator(dataset, split, "texts")
    words = np.array(WORDS)
    lengths = rng.gamma(4.0, sources()[source].published.lengths.mean / 4, 4000).astype(int) + 3
    stock = [" ".join(words[rng.integers(0, len(words), length)]) for length in lengths]
    inputs = ("premise", "hypothesis") if source == "snli" else ("text",)
    task = "multi-label" if source in LABELS else "single-label"
    label = Truth.of(dataset, split, source, facts).label
    info = TableInfo(dataset, split, task, tuple(f"class {i}" for i in range(facts.classes)), inputs)
    texts = {name: [stock[chosen] for chosen in rng.integers(0, len(stock), len(label))] for name in inputs}
    return DataTable(info, label, texts=texts)


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
