"""Sets of very many classes are packed: every table and number of an audit is the same as of yes-and-no tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from prunescope.analysis.audit import audit
from prunescope.errors import UserError
from prunescope.predictions import sets
from prunescope.predictions.store import SeedBlock, TableMeta, read_sides, write_predictions

CLASSES, N, SEEDS = 30, 240, 4


def test_packed_sets_and_back() -> None:
    """Any order, repeats, empty sets, class 0 (whose bytes are zeros) and class 256 and above."""
    rows, classes = np.array([3, 0, 3, 3, 1]), np.array([300, 0, 2, 300, 299])
    packed = sets.packed(rows, classes, 5)
    assert [np.frombuffer(one, "<i4").tolist() for one in packed] == [[0], [299], [], [2, 300], []]
    assert sets.keys(packed, 301).tolist() == [0, 301 + 299, 3 * 301 + 2, 3 * 301 + 300]
    assert sets.class_sizes(packed, 301).sum() == 4
    table = sets.yes_no(packed, 301)
    assert (np.argwhere(table) == [[0, 0], [1, 299], [3, 2], [3, 300]]).all()
    assert (sets.packed(*np.nonzero(table), 5) == packed).all()


def test_the_set_of_class_0_is_not_empty() -> None:
    """numpy drops the last zeros of bytes where it may."""
    packed = sets.packed(np.array([0]), np.array([0]), 2)
    assert (packed == packed[::-1]).tolist() == [False, False]


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, list[Path]]:
    rng = np.random.default_rng(0)
    label = rng.random((N, CLASSES)) < 0.08
    label[:, 0] |= np.arange(N) % 3 == 0

    def blocks(noise: float) -> Iterator[SeedBlock]:
        for seed in range(SEEDS):
            logits = 4 * label - 2 + noise * rng.standard_normal((N, CLASSES))
            yield SeedBlock(seed, label, logits.astype(np.float32))

    meta = TableMeta("multi-label", tuple(f"c{i}" for i in range(CLASSES)))
    for name, noise in (("dense", 0.8), ("pruned", 1.6), ("early", 2.5)):
        write_predictions(tmp_path / f"{name}.parquet", meta, blocks(noise))
    return {name: [tmp_path / f"{name}.parquet"] for name in ("dense", "pruned", "early")}


def as_csv(tables: dict[str, list[Path]], folder: Path) -> dict[str, list[Path]]:
    for name, side in read_sides({k: tables[k] for k in ("dense", "pruned")}).items():
        lines = ["example,seed,label,prediction"]
        for seed, row in enumerate(side.prediction):
            for i in range(N):
                true, made = ("|".join(f"c{c}" for c in np.flatnonzero(v[i])) for v in (side.label, row))
                lines.append(f"{i},{seed},{true},{made}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return {name: [folder / f"{name}.csv"] for name in ("dense", "pruned")}


def summary_of(folder: Path) -> dict[str, object]:
    found = json.loads((folder / "summary.json").read_text())
    # Of very many labels only frequent ones are searched for slices.
    del found["slices"]["n_conditions"]
    # Sums over labels in another order.
    for key in (key for key in found if key.startswith("change")):
        numbers = {k: v for k, v in found[key].items() if isinstance(v, float)}
        found[key] |= {k: f"{v:.12g}" for k, v in numbers.items()}
    return dict(found)


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("seeds", [1, SEEDS])
def test_an_audit_is_the_same_to_the_byte(
    form: str, seeds: int, tables: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = tables.pop("early") if form == "parquet" else []
    if form == "csv":
        tables = as_csv(tables, tmp_path)
    folders = [tmp_path / "tables", tmp_path / "packed"]
    for folder, wide in zip(folders, (1024, 5), strict=True):
        monkeypatch.setattr(sets, "WIDE", wide)
        audit(tables["dense"], tables["pruned"], folder, early=early, seeds=range(seeds))
    assert read_sides({"": tables["dense"]})[""].label.dtype == object
    assert 0 < summary_of(folders[0])["n_pies"] < N  # type: ignore[operator]
    assert summary_of(folders[0]) == summary_of(folders[1])
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(path.name for path in folders[1].iterdir())
    for name in names:
        if name != "summary.json":
            assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_labels_that_differ_between_files_are_refused(
    tables: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = as_csv(tables, tmp_path)
    monkeypatch.setattr(sets, "WIDE", 5)
    lines = files["pruned"][0].read_text().splitlines()
    row = next(i for i, line in enumerate(lines) if line.split(",")[2] == "c0")
    index, seed, _, made = lines[row].split(",")
    lines[row] = f"{index},{seed},,{made}"
    files["pruned"][0].write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="labels example"):
        read_sides(files)
