"""``prunescope compare``: what of two trees differs, on trees whose differences are known."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.support import fake_study

from prunescope.analysis.paired import mcnemar
from prunescope.analysis.studies.comparison import Comparison, compare
from prunescope.analysis.studies.rows import MOVED, Moved
from prunescope.analysis.studies.tree import Tree, flat
from prunescope.cli import main
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions

CELL = "d/net/MP/sparsity-500permille"
N, SEEDS = 400, 4


def write_cell(root: Path, said: np.ndarray, label: np.ndarray, cell: str = CELL) -> None:
    """A cell with its prediction table: (S, n) predictions of three classes."""
    dataset, arch, pruner, amount = cell.split("/")
    block = root / "models" / cell / f"seeds-0-{len(said) - 1}"
    block.mkdir(parents=True)
    meta = TableMeta(task="single-label", classes=("a", "b", "c"), dataset=dataset, split="test")
    blocks = [SeedBlock(seed, label, prediction=one) for seed, one in enumerate(said)]
    write_predictions(block / "test.parquet", meta, blocks)
    models = [
        {"seed": s, "diverged": False, "file": f"results/{block.name}/metrics.json"} for s in range(len(said))
    ]
    settings = {"dataset": dataset, "training": {"lr": 0.1, "epochs": 2}}
    record = {
        "dataset": dataset, "arch": arch, "pruner": pruner, "amount": amount, "settings": settings, "models": models,
        "devices": ["cpu"], "versions": [{"torch": "2.6"}], "revisions": ["abc"],
    }  # fmt: skip
    folder = root / "cells" / cell
    fake_study.write_json(folder / "models.json", record)
    score = float((said == label).mean())
    summary = {"task": "single-label", "metric": "accuracy", "pruned_score": score, "n_examples": len(label)}
    fake_study.write_json(folder / "test" / "summary.json", summary)


def simulated(
    root: Path, rng: np.random.Generator, wrong: float, hard: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Models of unlike quality around ``wrong``, on examples that are unlike ``hard``."""
    quality = wrong * (1 + 0.2 * rng.standard_normal((SEEDS, 1)))
    said = np.where(rng.random((SEEDS, len(label))) < quality * hard, (label + 1) % 3, label)
    write_cell(root, said, label)
    return said


def only(found: Comparison, quantity: str = "score") -> Moved:
    (row,) = [row for row in found.cells if row.quantity == quantity]
    return row


def test_identical_to_the_byte(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label, hard = rng.integers(0, 3, N), rng.random(N)
    simulated(tmp_path / "a", rng, 0.4, hard, label)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    found = compare(Tree.at(tmp_path / "a", "a"), Tree.at(tmp_path / "b", "b"))
    assert only(found).state == "identical"
    assert found.differences == dict.fromkeys(("settings", "moved", "conclusions", "cells", "bytes"), 0)


def test_the_same_answers_in_other_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label, hard = rng.integers(0, 3, N), rng.random(N)
    said = simulated(tmp_path / "a", rng, 0.4, hard, label)
    write_cell(tmp_path / "b", said, label)
    table = next((tmp_path / "b").glob("models/**/test.parquet"))
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(table), table, compression="gzip")
    found = compare(Tree.at(tmp_path / "a", "a"), Tree.at(tmp_path / "b", "b"))
    assert (only(found).state, only(found).change) == ("same", 0.0)
    assert found.differences["moved"] == 0
    assert found.differences["bytes"] == 1


def test_a_change_is_that_of_the_means_and_moves(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    label, hard = rng.integers(0, 3, N), rng.random(N)
    before = simulated(tmp_path / "a", rng, 0.2, hard, label)
    after = simulated(tmp_path / "b", rng, 0.6, hard, label)
    row = only(compare(Tree.at(tmp_path / "a", "a"), Tree.at(tmp_path / "b", "b")))
    by_hand = (after == label).mean() - (before == label).mean()
    assert row.change == pytest.approx(by_hand)
    assert row.state == MOVED
    assert row.ci_high is not None
    assert row.ci_high < 0


def test_equal_models_seldom_move(tmp_path: Path) -> None:
    """Of 100 comparisons of models drawn alike, about 5 have p < 0.05."""
    rng = np.random.default_rng(2)
    p_values = []
    for number in range(100):
        label, hard = rng.integers(0, 3, N), rng.random(N)
        for side in "ab":
            simulated(tmp_path / f"{number}{side}", rng, 0.4, hard, label)
        row = only(compare(*(Tree.at(tmp_path / f"{number}{side}", side) for side in "ab")))
        p_values.append(row.p_value or 0.0)
    assert sum(p < 0.05 for p in p_values) <= 11  # more has a chance of 0.4 % at a rate of 5 %
    assert np.median(p_values) == pytest.approx(0.5, abs=0.2)


def test_cells_without_a_difference_do_not_hide_one(tmp_path: Path) -> None:
    """One cell changed beside 60 identical ones: its corrected p-value is its own."""
    rng = np.random.default_rng(1)
    label, hard = rng.integers(0, 3, N), rng.random(N)
    before = simulated(tmp_path / "a", rng, 0.3, hard, label)
    for number in range(60):
        write_cell(tmp_path / "a", before, label, f"d/net{number}/MP/sparsity-500permille")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for part in ("models", "cells"):
        shutil.rmtree(tmp_path / "b" / part / CELL)
    lost = np.where(rng.random(before.shape) < 0.012, (label + 1) % 3, before)
    write_cell(tmp_path / "b", lost, label)
    found = compare(Tree.at(tmp_path / "a", "a"), Tree.at(tmp_path / "b", "b"))
    assert found.states("score")["identical"] == 60
    (row,) = found.moved
    assert row.p_value is not None
    assert row.p_value > 0.05 / 61  # corrected over all cells it would be noise
    assert row.p_corrected == row.p_value


def fake_trees(folder: Path, change: Callable[[Path], Any]) -> Comparison:
    """Trees of cells alone, without predictions; ``change`` alters the second."""
    fake_study.results_tree(folder / "a", fake_study.study())
    shutil.copytree(folder / "a", folder / "b")
    change(folder / "b")
    return compare(Tree.at(folder / "a", "a"), Tree.at(folder / "b", "b"))


FAKE = "cells/digits/lenet5/MP/ratio-4"


def fake_cell(root: Path) -> Path:
    return next(root.glob("cells/digits/lenet5/MP/*"))


def test_settings_by_key_and_cell(tmp_path: Path) -> None:
    def change(root: Path) -> None:
        path = fake_cell(root) / "models.json"
        record = json.loads(path.read_text())
        record["settings"] = {"training": {"lr": 0.2}}
        record["versions"] = [{"torch": "2.7.0"}]
        path.write_text(json.dumps(record))
        (root / "data" / "digits" / "card.json").write_text(
            json.dumps({"splits": {"train": {"sha256": "cd"}}})
        )

    found = fake_trees(tmp_path, change)
    rows = {row.key: row for row in found.settings}
    assert (rows["training.lr"].first, rows["training.lr"].second, rows["training.lr"].n_cells) == (
        None,
        "0.2",
        1,
    )
    assert rows["software.torch"].second == '["2.7.0"]'
    assert (rows["data.digits.train"].second, rows["data.digits.train"].n_cells) == ('"cd"', None)
    assert found.differences["moved"] == 0


def test_a_whole_study_is_compared_key_by_key(tmp_path: Path) -> None:
    for name, seeds in (("a", [0, 1, 2, 3]), ("b", [0, 1, 2, 3, 4])):
        settings = {**fake_study.STUDY, "seeds": seeds, "results": f"{tmp_path}/{name}/results"}
        fake_study.results_tree(tmp_path / name / "results", fake_study.study(seeds=seeds))
        (tmp_path / name / "study.yaml").write_text(yaml.safe_dump(settings))
    trees = [Tree.at(tmp_path / name / "study.yaml", name) for name in "ab"]
    rows = {row.key: row for row in compare(*trees).settings}
    assert (rows["seeds"].first, rows["seeds"].second) == ("[0, 1, 2, 3]", "[0, 1, 2, 3, 4]")
    assert "results" not in rows


def test_conclusions(tmp_path: Path) -> None:
    def change(root: Path) -> None:
        path = fake_cell(root) / "test" / "summary.json"
        summary = json.loads(path.read_text())
        summary["alpha"]["verdict"] = {"?": ">"}.get(summary["alpha"]["verdict"], "?")
        path.write_text(json.dumps(summary))

    found = fake_trees(tmp_path, change)
    (one,) = found.conclusions
    assert one.about == "alpha"
    assert one.kind in ("gained", "lost")
    assert "MP" in one.subject


def test_pie_share_counts_examples_and_seeds(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    moved: dict[str, int] = {}

    def change(root: Path) -> None:
        path = fake_cell(root) / "test" / "pies.parquet"
        table = pq.read_table(path)
        is_pie = table["is_pie"].to_numpy(zero_copy_only=False).copy()
        fresh = np.flatnonzero(~is_pie)[:60]
        is_pie[fresh] = True
        place = table.schema.get_field_index("is_pie")
        pq.write_table(table.set_column(place, "is_pie", pa.array(is_pie)), path)
        summary = json.loads((path.parent / "summary.json").read_text())
        summary["pie_share"] = float(is_pie.mean())
        (path.parent / "summary.json").write_text(json.dumps(summary))
        moved["n"] = len(fresh)

    found = fake_trees(tmp_path, change)
    (row,) = [row for row in found.cells if row.quantity == "pie_share" and row.state != "identical"]
    assert row.change == pytest.approx(60 / 200)
    assert "60 examples become PIEs and 0 no longer" in row.test
    assert row.p_value is not None
    assert row.p_value >= mcnemar(0, 60)
    assert row.state == MOVED


def test_cells_on_one_side(tmp_path: Path) -> None:
    found = fake_trees(tmp_path, lambda root: shutil.rmtree(fake_cell(root)))
    first, other = found.alone
    assert len(first) == 1
    assert not other
    assert found.differences["cells"] == 1


def test_other_data_are_not_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name, n in (("a", 300), ("b", 301)):
        simulated(tmp_path / name, rng, 0.3, rng.random(n), rng.integers(0, 3, n))
    found = compare(Tree.at(tmp_path / "a", "a"), Tree.at(tmp_path / "b", "b"))
    assert not found.cells
    assert len(found.problems) == 1
    assert CELL in found.problems[0]


def test_flat() -> None:
    assert flat({"a": {}, "b": [1], "c": [{"d": None}]}) == {"a": "{}", "b": "[1]", "c.0.d": "null"}


def test_an_analysis_that_is_older_than_its_predictions_is_not_tested(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 3, N)

    def change(root: Path) -> None:
        for name, tree in (("a", root.parent / "a"), ("b", root)):
            said = np.where(rng.random((SEEDS, N)) < {"a": 0.2, "b": 0.6}[name], (label + 1) % 3, label)
            of_models = tree / "cells" / CELL
            of_models.mkdir(parents=True)
            shutil.copytree(fake_cell(tree) / "test", of_models / "test")
            kept = (of_models / "test" / "summary.json").read_text()
            write_cell(tree, said, label)
            (of_models / "test" / "summary.json").write_text(kept)

    rows = {row.quantity: row for row in fake_trees(tmp_path, change).cells if row.arch == "net"}
    assert rows["score"].state == MOVED
    for name in ("pie_share", "alpha"):
        assert (rows[name].state, rows[name].change, rows[name].p_value) == ("not tested", None, None)
        assert "older than the predictions" in rows[name].test


@pytest.mark.parametrize("lost", ["table", "record"])
def test_a_cell_that_cannot_be_compared_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    rng = np.random.default_rng(1)
    label, hard = rng.integers(0, 3, N), rng.random(N)
    said = simulated(tmp_path / "a", rng, 0.2, hard, label)
    write_cell(tmp_path / "a", said, label, "d/net/GP/sparsity-500permille")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    if lost == "record":
        (tmp_path / "b" / "cells" / CELL / "models.json").unlink()
    else:
        table = next((tmp_path / "b" / "models" / CELL).glob("*/test.parquet"))
        table.write_bytes(table.read_bytes()[:-20])
    for demand in ("moved", "cells"):
        assert run(tmp_path / "a", tmp_path / "b", "--fail-on", demand) == 3
        captured = capsys.readouterr()
        assert captured.out.startswith("a and b: 1 cell was not compared")
        assert f"--fail-on {demand}: " in captured.err


# The command


def run(*arguments: object) -> int:
    return main(["compare", *map(str, arguments)])


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    label, hard = rng.integers(0, 3, N), rng.random(N)
    simulated(tmp_path / "a", rng, 0.2, hard, label)
    simulated(tmp_path / "b", rng, 0.6, hard, label)
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    out = tmp_path / "out"
    assert run(tmp_path / "a", tmp_path / "b", tmp_path / "c", "--out", out) == 0
    told = capsys.readouterr().out
    assert "1 of 1 cell moved beyond noise in b" in told
    assert "Identical: 1 prediction table of c is the same to the byte." in told
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "MP" in page
    first, second = json.loads((out / "summary.json").read_text())["comparisons"]
    assert (first["differences"]["moved"], second["differences"]["moved"]) == (1, 0)
    with open(out / "cells.csv", newline="", encoding="utf-8") as stream:
        assert [row["state"] for row in csv.DictReader(stream)] == ["moved", "identical"]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run(tmp_path / "a", tmp_path / "b", tmp_path / "c", "--out", out) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    label, hard = rng.integers(0, 3, N), rng.random(N)
    simulated(tmp_path / "a", rng, 0.2, hard, label)
    shutil.copytree(tmp_path / "a", tmp_path / "same")
    simulated(tmp_path / "b", rng, 0.6, hard, label)
    assert run(tmp_path / "a", tmp_path / "same", "--fail-on", "bytes", "moved") == 0
    assert run(tmp_path / "a", tmp_path / "b", "--fail-on", "conclusions") == 0
    assert run(tmp_path / "a", tmp_path / "b", "--fail-on", "moved") == 3
    assert "--fail-on moved: a cell moved beyond noise in b (1)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "one tree has nothing to be compared with"),
        (["a", "a"], "is given twice"),
        (["a", "nowhere"], "no such file or folder"),
        (["a", "empty"], "holds no analysed cell"),
        (["a", "other"], "shares no cell"),
        (["a", "b", "--confidence", "2"], "not between 0 and 1"),
        (["a", "b", "--out", "full"], "holds something other than a comparison (mine.txt)"),
    ],
)
def test_refusals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    label = rng.integers(0, 3, 30)
    for name in "ab":
        simulated(Path(name), rng, 0.2, rng.random(30), label)
    write_cell(Path("other"), label[None], label, "e/net/MP/sparsity-500permille")
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/mine.txt").write_text("keep me")
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert Path("full/mine.txt").read_text() == "keep me"
