"""Tables that lie in another cell's folder, in trees whose files have no records."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from prunescope.analysis.cells import refuse_foreign
from prunescope.errors import DamagedFileError
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions


def table(root: Path, pruner: str, sparsity: float, name: str) -> Path:
    path = root / f"digits/lenet5/{pruner}/sparsity-{round(sparsity * 1000)}permille/seeds-0-1/{name}.parquet"
    meta = TableMeta("single-label", ("a", "b"), "digits", "lenet5", pruner, sparsity,
                     "test" if name == "test" else "train", "early" if name == "early" else "final")  # fmt: skip
    write_predictions(path, meta, [SeedBlock(0, np.zeros(3, dtype=int), np.zeros((3, 2)))])
    return path


def test_each_lies_where_it_says(tmp_path: Path) -> None:
    made = [
        table(tmp_path, pruner, s, name)
        for pruner in ("MP", "UP")
        for s in (0.5, 0.9)
        for name in ("test", "train")
    ]
    made.append(table(tmp_path, "none", 0.0, "early"))
    made.append(table(tmp_path, "none", 0.0, "train"))
    refuse_foreign(made)
    for path in made:
        for other in made:
            if other == path:
                continue
            kept = path.read_bytes()
            shutil.copyfile(other, path)
            with pytest.raises(DamagedFileError, match=r"says .*, but lies where .* is") as caught:
                refuse_foreign([path])
            assert caught.value.path == path
            path.write_bytes(kept)


def test_users_own_folders_are_not_looked_at(tmp_path: Path) -> None:
    path = table(tmp_path, "MP", 0.5, "test")
    shutil.copyfile(path, tmp_path / "train.parquet")
    refuse_foreign([tmp_path / "train.parquet"])
