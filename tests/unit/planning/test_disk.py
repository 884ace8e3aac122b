"""Sizes of tables as estimated before they are made, against tables that are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunescope.config.datasets import Dataset
from prunescope.planning.disk import (
    Stored,
    bytes_per_answer,
    bytes_per_number,
    bytes_per_row,
)
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions


@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize(("classes", "several"), [(2, False), (10, False), (54, True)])
def test_a_table_is_about_as_large_as_estimated(
    tmp_path: Path, classes: int, several: bool, stored: Stored
) -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    if several:
        label = rng.random((n, classes)) < 2 / classes
        logits = np.where(label, 1.5, -4.0) + rng.normal(size=(n, classes))
    else:
        label = rng.integers(0, classes, n).astype(np.int32)
        logits = 3.0 * (np.arange(classes) == label[:, None]) + rng.normal(size=(n, classes))
    task = "multi-label" if several else "single-label"
    path = tmp_path / "table.parquet"
    blocks = [SeedBlock(0, label, logits.astype(np.float32))]
    write_predictions(
        path, TableMeta(task, tuple(map(str, range(classes)))), blocks, float16=stored == "float16"
    )
    assert path.stat().st_size / n == pytest.approx(bytes_per_row(classes, several, stored), rel=0.15)


@pytest.mark.parametrize("stored", ["float32", "float16"])
def test_a_table_of_numbers_is_about_as_large_as_estimated(tmp_path: Path, stored: Stored) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 26, 6000).astype(np.float32) / 5
    logits = (label + rng.normal(size=6000))[:, None].astype(np.float32)
    path = tmp_path / "table.parquet"
    write_predictions(
        path, TableMeta("regression", ()), [SeedBlock(0, label, logits)], float16=stored == "float16"
    )
    assert path.stat().st_size / 6000 == pytest.approx(bytes_per_number(stored), rel=0.2)


def test_a_table_of_tags_is_about_as_large_as_estimated(tmp_path: Path) -> None:
    """Of 17 % of words in names of one to three words, as CoNLL-2003 has; 3 % of the model's tags are wrong."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.gamma(2.0, 7.2, 6000).astype(int), 1, 113)
    tags = np.zeros(lengths.sum(), dtype=np.int32)
    for start in np.flatnonzero(rng.random(len(tags)) < 0.11):
        kind, words = rng.choice([1, 3, 5, 7]), rng.geometric(0.65)
        tags[start : start + words] = kind + 1
        tags[start] = kind
    made = np.where(rng.random(len(tags)) < 0.03, rng.integers(0, 9, len(tags)), tags).astype(np.int32)
    label, prediction = (np.array(np.split(all_, np.cumsum(lengths)[:-1]), object) for all_ in (tags, made))
    path = tmp_path / "table.parquet"
    meta = TableMeta("tokens", tuple("abcdefghi"))
    write_predictions(path, meta, [SeedBlock(0, label, prediction=prediction)])
    told = bytes_per_answer("tokens", float(lengths.mean()))
    assert path.stat().st_size / 6000 == pytest.approx(told, rel=0.2)


@pytest.mark.parametrize("source", ["squad", "e2e"])
def test_a_table_of_words_is_about_as_large_as_estimated(tmp_path: Path, source: str) -> None:
    """English prose, cut into answers of the data set's length; of spans, more than half are the same."""
    from pydoc_data.topics import topics

    rng = np.random.default_rng(0)
    prose = " ".join(" ".join(topics.values()).split())
    n, facts = 2000, Dataset.model_validate({"source": source, "path": "somewhere"}).declared()
    task: Any = "span" if source == "squad" else "text"

    def answer() -> str:
        size = int(rng.gamma(4.0, facts.answer_length / 4)) + 1
        start = rng.integers(0, len(prose) - size)
        return prose[start : start + size]

    label, prediction = [], []
    for _ in range(n):
        first = answer()
        again = [
            first if task == "span" and rng.random() < 0.6 else answer()
            for _ in range(round(facts.accepted_answers) - 1)
        ]
        label.append([first, *again])
        prediction.append(first if task == "span" and rng.random() < 0.7 else answer())
    path = tmp_path / "table.parquet"
    write_predictions(path, TableMeta(task, ()), [SeedBlock(0, label, prediction=prediction)])
    assert path.stat().st_size / n == pytest.approx(
        bytes_per_answer(task, facts.answer_length, facts.accepted_answers), rel=0.35
    )
