"""Sizes of tables as told before they are made, against tables that are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunescope.artifacts import SeedBlock, TableMeta, write_predictions
from prunescope.disk import Stored, bytes_per_row


@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize(("classes", "several"), [(2, False), (10, False), (54, True)])
def test_a_table_is_about_as_large_as_told(
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
