"""The command from end to end: its files, its refusals, and that nothing half-done is left."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.analysis import audit as audit_module
from prunescope.analysis.audit import audit
from prunescope.cli import main
from prunescope.errors import UserError
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions

N, CLASSES = 60, ("ant", "bee", "cat")
LABEL = np.random.default_rng(0).integers(0, 3, N).astype(np.int32)
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "while",
    "considerable",
    "deliberation",
    "continued",
    "elsewhere",
]


def logits(seed: int, noise: float) -> np.ndarray:
    shared = np.random.default_rng(1).normal(size=(N, 3))
    shared[np.arange(N), LABEL] += 1.5
    return (shared + noise * np.random.default_rng([seed, 2]).normal(size=(N, 3))).astype(np.float32)


def table(path: Path, seeds: range, noise: float, split: str = "test", epoch: str = "final") -> Path:
    meta = TableMeta("single-label", CLASSES, dataset="zoo", split=split, epoch=epoch)
    write_predictions(path, meta, (SeedBlock(s, LABEL, logits(s, noise)) for s in seeds))
    return path


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    return (
        table(tmp_path / "dense.parquet", range(4), 0.3),
        table(tmp_path / "pruned.parquet", range(4), 1.5),
    )


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"text": [" ".join(rng.choice(WORDS, 3 + i % 9)) + "." for i in range(N)]})
    frame.to_csv(path, index=False)
    return path


def columns(path: Path) -> list[str]:
    with open(path, newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "summary.json"}


def test_every_file_and_column_is_there(tmp_path: Path, sides: tuple[Path, Path], texts: Path) -> None:
    early = table(tmp_path / "early.parquet", range(4), 2.0, epoch="early")
    out = tmp_path / "out"
    options = ["--early", str(early), "--texts", str(texts), "--bins", "5"]
    assert (
        main(["audit", "--dense", str(sides[0]), "--pruned", str(sides[1]), "--out", str(out), *options]) == 0
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "alpha.csv",
        "certainty.csv",
        "class_scores.csv",
        "classes.csv",
        "data_map.csv",
        "data_map.parquet",
        "el2n.csv",
        "el2n_scores.parquet",
        "pie_share_by_seeds.csv",
        "pies.parquet",
        "readability.csv",
        "recall.csv",
        "report.html",
        "scores.csv",
        "slices.csv",
        "summary.json",
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert {
        "task",
        "n_examples",
        "n_seeds",
        "n_seeds_dropped",
        "n_pies",
        "pie_share",
        "dense_score",
        "pruned_score",
        "dense_score_on_pies",
        "pruned_score_on_pies",
        "n_flips_mean",
        "alpha",
        "alpha_null",
        "alpha_corrected",
        "mcnemar",
        "change",
        "kl_mean",
        "js_mean",
        "nll_dense",
        "nll_pruned",
        "ece_dense",
        "ece_pruned",
    } <= summary.keys()
    assert {"mean", "ci_low", "ci_high", "confidence", "verdict"} <= summary["alpha_corrected"].keys()
    assert {"mean", "ci_low", "ci_high", "confidence", "verdict"} <= summary["alpha"].keys()
    assert pq.read_schema(out / "pies.parquet").names == [
        "example",
        "label",
        "dense_vote",
        "pruned_vote",
        "is_pie",
        "dense_agreement",
        "pruned_agreement",
    ]
    assert columns(out / "recall.csv") == (
        [
            "seed",
            "class",
            "support",
            "recall_dense",
            "recall_pruned",
            "balance_dense",
            "balance_pruned",
            "intensification",
        ]
    )
    assert columns(out / "alpha.csv") == ["seed", "accuracy_dense", "accuracy_pruned", "alpha"]
    assert columns(out / "classes.csv")[:11] == [
        "class",
        "n_examples",
        "share_of_examples",
        "n_pies",
        "share_of_pies",
        "recall_dense",
        "recall_pruned",
        "to_wrong",
        "to_right",
        "p_value",
        "p_corrected",
    ]
    assert columns(out / "el2n.csv") == [
        "bin",
        "n_examples",
        "n_pies",
        "pie_share",
        "score_low",
        "score_high",
    ]
    assert pq.read_schema(out / "el2n_scores.parquet").names == ["example", "el2n"]
    assert columns(out / "readability.csv")[:4] == ["measure", "all", "pies", "ratio"]
    bins = pd.read_csv(out / "el2n.csv")
    assert bins["n_examples"].tolist() == [12] * 5
    assert bins["n_pies"].sum() == summary["n_pies"] > 0
    assert pd.read_csv(out / "classes.csv")["share_of_pies"].sum() == pytest.approx(1)
    assert len(pd.read_csv(out / "readability.csv")) == 8


def test_against_pandas(tmp_path: Path, sides: tuple[Path, Path]) -> None:
    summary = audit([sides[0]], [sides[1]], tmp_path / "out")
    votes, right = [], []
    for path in sides:
        frame = pd.read_parquet(path)
        frame["prediction"] = np.stack(frame["logits"].to_numpy()).argmax(axis=1)
        frame["right"] = frame["prediction"] == frame["label"]
        votes.append(frame.groupby("example")["prediction"].agg(lambda v: v.mode()[0]))
        right.append(frame)
    is_pie = votes[0] != votes[1]
    pies = pd.read_parquet(tmp_path / "out" / "pies.parquet").set_index("example")
    assert pies["is_pie"].tolist() == is_pie.tolist()
    assert pies["dense_vote"].tolist() == votes[0].tolist()
    assert summary["n_pies"] == is_pie.sum()
    assert summary["dense_score"] == pytest.approx(right[0]["right"].mean())
    on_pies = right[1][right[1]["example"].map(is_pie)]
    assert summary["pruned_score_on_pies"] == pytest.approx(on_pies["right"].mean())
    flipped = (right[0]["right"] != right[1]["right"]).groupby(right[0]["seed"]).sum()
    assert summary["n_flips_mean"] == pytest.approx(flipped.mean())


def test_identical_models_have_no_pies(tmp_path: Path, sides: tuple[Path, Path]) -> None:
    summary = audit([sides[0]], [sides[0]], tmp_path / "out")
    assert (summary["n_pies"], summary["pie_share"], summary["n_flips_mean"]) == (0, 0, 0)
    assert summary["dense_score_on_pies"] is summary["pruned_score_on_pies"] is None
    assert (summary["alpha"]["mean"], summary["alpha"]["verdict"]) == (1, "?")
    shares = pd.read_csv(tmp_path / "out" / "classes.csv")
    assert shares["share_of_pies"].isna().all()
    assert shares["n_pies"].tolist() == [0, 0, 0]


def test_seeds_on_one_side_only_or_diverged_are_dropped_and_counted(tmp_path: Path) -> None:
    meta = TableMeta("single-label", CLASSES, diverged=(2, 7))
    dense = tmp_path / "d.parquet"
    write_predictions(dense, meta, (SeedBlock(s, LABEL, logits(s, 0.3)) for s in (0, 1, 3)))
    broken = logits(3, 1.0)
    broken[0, 0] = np.inf
    pruned = tmp_path / "p.parquet"
    blocks = [*(SeedBlock(s, LABEL, logits(s, 1.0)) for s in (1, 2)), SeedBlock(3, LABEL, broken)]
    write_predictions(pruned, TableMeta("single-label", CLASSES), blocks)
    summary = audit([dense], [pruned], tmp_path / "out")
    assert summary["seeds"] == [1]
    # 0: dense only; 2: diverged when dense; 3: when pruned; 7: diverged and pruned never
    assert summary["n_seeds_dropped"] == 4
    assert summary["diverged"] == {"dense": [2, 7], "pruned": [3]}
    assert (summary["alpha"]["ci_low"], summary["alpha"]["ci_high"], summary["alpha"]["verdict"]) == (
        None,
        None,
        "?",
    )


def test_only_the_seeds_asked_for(tmp_path: Path, sides: tuple[Path, Path]) -> None:
    summary = audit([sides[0]], [sides[1]], tmp_path / "out", seeds=[1, 3])
    assert (summary["seeds"], summary["n_seeds_dropped"]) == ([1, 3], 0)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_order_of_rows_and_files_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("order")
    straight, shuffled = [], []
    for side, noise in (("dense", 0.5), ("pruned", 1.5)):
        path = table(folder / f"{side}.parquet", range(3), noise)
        straight.append([path])
        frame = pq.read_table(path)
        order = np.random.default_rng(data.draw(st.integers(0, 1000))).permutation(frame.num_rows)
        mixed = frame.take(order)
        seeds = mixed["seed"].to_numpy()
        files = []
        for part in data.draw(st.permutations([[0], [1, 2]])):
            files.append(folder / f"{side}-{part[0]}.parquet")
            pq.write_table(mixed.filter(np.isin(seeds, part)), files[-1])
        shuffled.append(files)
    audit(*straight, folder / "a", early=straight[0])
    audit(*shuffled, folder / "b", early=shuffled[0])
    assert contents(folder / "a") == contents(folder / "b")


def test_equal_input_gives_equal_bytes(tmp_path: Path, sides: tuple[Path, Path], texts: Path) -> None:
    for name in ("a", "b"):
        audit([sides[0]], [sides[1]], tmp_path / name, early=[sides[0]], texts=texts)
    read = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert read[0] == read[1]


def test_multi_label_from_users_csv(tmp_path: Path) -> None:
    def side(name: str, made: list[str]) -> Path:
        path = tmp_path / name
        frame = pd.DataFrame({"example": range(3), "label": ["a|b", "c", ""], "prediction": made})
        frame.to_csv(path, index=False)
        return path

    summary = audit([side("d.csv", ["b|a", "c", ""])], [side("p.csv", ["a", "c", "c"])], tmp_path / "out")
    assert summary["task"] == "multi-label"
    # Dense is perfect. Pruned: a 1, b 0, c one hit of one with a false one: 2/3
    assert (summary["dense_score"], summary["pruned_score"]) == (1, pytest.approx((1 + 0 + 2 / 3) / 3))
    assert (summary["n_pies"], summary["n_flips_mean"]) == (2, 2)
    # On examples 0 and 2 c has no support: dense 1, 1, 0 for a, b, c
    assert summary["dense_score_on_pies"] == pytest.approx(2 / 3)
    assert "alpha" not in summary
    assert not (tmp_path / "out" / "recall.csv").exists()
    votes = pq.read_table(tmp_path / "out" / "pies.parquet")
    assert votes["dense_vote"].to_pylist() == [[0, 1], [2], []]
    classes = pd.read_csv(tmp_path / "out" / "classes.csv")
    assert classes["n_examples"].tolist() == [1, 1, 1]
    assert classes["n_pies"].tolist() == [1, 1, 0]


@pytest.mark.parametrize("task", ["regression", "tokens", "text"])
def test_other_tasks(tmp_path: Path, task: str) -> None:
    blocks: dict[str, tuple[Any, Any, Any]] = {
        "regression": (np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.5, 2.0]), np.array([0.0, 1.5, 9.0])),
        "tokens": ([[0], [1, 2]], [[0], [1, 2]], [[0], [1, 1]]),
        "text": ([["x"], ["y"]], ["x", "y"], ["x", "z"]),
    }
    label, dense, pruned = blocks[task]
    paths = []
    for name, made in (("d", dense), ("p", pruned)):
        paths.append(tmp_path / f"{name}.parquet")
        classes = CLASSES if task == "tokens" else ()
        write_predictions(paths[-1], TableMeta(task, classes), [SeedBlock(0, label, prediction=made)])
    summary = audit([paths[0]], [paths[1]], tmp_path / "out")
    assert summary["n_pies"] == 1
    assert summary["n_flips_mean"] == 1
    if task == "regression":
        assert summary["tolerance"] == pytest.approx(0.1)
        assert summary["dense_score"] == pytest.approx(np.corrcoef(label, dense)[0, 1])
        assert summary["pruned_score_on_pies"] is None
    if task == "tokens":
        assert (summary["n_tokens"], summary["n_token_pies"]) == (3, 1)
        assert summary["pruned_score"] == pytest.approx(2 / 3)


def test_readability_scores_kept_are_scores_computed(
    tmp_path: Path, sides: tuple[Path, Path], texts: Path
) -> None:
    from prunescope.analysis.readability import write_scores

    write_scores(texts, tmp_path / "kept.parquet")
    audit([sides[0]], [sides[1]], tmp_path / "a", texts=texts)
    audit([sides[0]], [sides[1]], tmp_path / "b", readability_scores=tmp_path / "kept.parquet")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def run(*arguments: object) -> tuple[int, str]:
    """The command in this process: exit code and what stands on standard error."""
    from contextlib import redirect_stderr
    from io import StringIO

    error = StringIO()
    with redirect_stderr(error):
        code = main(["audit", *map(str, arguments)])
    return code, error.getvalue()


def assert_refused(out: Path, expected: str, *arguments: object) -> None:
    before = sorted(out.parent.iterdir())
    code, error = run(*arguments, "--out", out)
    assert code == 2
    assert error.startswith("prunescope: error: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert expected in error
    assert sorted(out.parent.iterdir()) == before


def csv_file(path: Path, **values: Any) -> Path:
    pd.DataFrame({"example": range(3), "label": [0, 1, 1], "prediction": [0, 1, 0]} | values).to_csv(
        path, index=False
    )
    return path


def test_refusals_are_one_line_and_leave_nothing(
    tmp_path: Path, sides: tuple[Path, Path], texts: Path
) -> None:
    dense, pruned = sides
    pair = ("--dense", dense, "--pruned", pruned)
    out = tmp_path / "results" / "out"
    out.parent.mkdir()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(pruned.read_bytes()[:500])
    assert_refused(out, f"{cut}: damaged or not a prediction table", "--dense", dense, "--pruned", cut)
    assert_refused(out, "nowhere.csv: no such file", "--dense", dense, "--pruned", tmp_path / "nowhere.csv")
    assert_refused(out, "--confidence: 1 is not between 0 and 1", *pair, "--confidence", "1")
    assert_refused(out, "--bins: 0 is not a number of bins", *pair, "--bins", "0")
    small = csv_file(tmp_path / "small.csv")
    assert_refused(out, "small.csv: seed 0 has 3 examples and", "--dense", dense, "--pruned", small)
    other = table(tmp_path / "train.parquet", range(4), 1.0, split="train")
    assert_refused(out, "train.parquet: split 'train', but", "--dense", dense, "--pruned", other)
    assert_refused(out, "train.parquet: split 'train', but", *pair, "--early", other)
    labels = csv_file(tmp_path / "labels.csv", label=[1, 1, 1])
    assert_refused(out, "labels.csv: seed 0 labels example 0 otherwise", "--dense", small, "--pruned", labels)
    missing = csv_file(tmp_path / "missing.csv", label=[0, None, 1])
    assert_refused(
        out, "missing.csv: column 'label' has missing values", "--dense", small, "--pruned", missing
    )
    unknown = csv_file(tmp_path / "unknown.csv", seed=9)
    assert_refused(out, "no seed has usable predictions on both sides", "--dense", small, "--pruned", unknown)
    assert_refused(out, f"seed 0 is already in {small}", "--dense", small, small, "--pruned", small)
    assert_refused(out, "small.csv: has no logits", "--dense", small, "--pruned", small, "--early", small)
    assert_refused(out, "give --texts FILE too", *pair, "--text-column", "text")
    assert_refused(
        out, "no column 'body'; the file has text", *pair, "--texts", texts, "--text-column", "body"
    )
    short = tmp_path / "short.csv"
    short.write_text("example,text\n0,a\n")
    assert_refused(out, "short.csv: no text for example 1 (59 are missing)", *pair, "--texts", short)


def test_out_holds_something_else(tmp_path: Path, sides: tuple[Path, Path]) -> None:
    pair = ("--dense", sides[0], "--pruned", sides[1])
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("precious")
    assert_refused(out, f"{out}: holds something other than an audit", *pair)
    assert (out / "chapter1.tex").read_text() == "precious"
    file = tmp_path / "file"
    file.write_text("precious")
    assert_refused(file, f"{file}: is a file", *pair)


def test_an_earlier_audit_is_replaced_as_a_whole(tmp_path: Path, sides: tuple[Path, Path]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    audit([sides[0]], [sides[1]], out, early=[sides[0]])
    assert (out / "el2n.csv").exists()
    audit([sides[0]], [sides[1]], out)
    assert not (out / "el2n.csv").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_failure_while_writing_leaves_the_old_results(
    tmp_path: Path, sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results" / "out"
    audit([sides[0]], [sides[0]], out)
    before = contents(out)

    def full(folder: Path, results: object) -> None:
        (folder / "pies.parquet").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit_module, "write", full)
    with pytest.raises(UserError, match="No space left"):
        audit([sides[0]], [sides[1]], out)
    assert contents(out) == before
    with pytest.raises(UserError, match="No space left"):
        audit([sides[0]], [sides[1]], tmp_path / "results" / "new")
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_killed_audit_leaves_no_results(tmp_path: Path, sides: tuple[Path, Path]) -> None:
    # Killed between the first table and the summary: what is there is not under the name asked for.
    code = (
        "import sys\nfrom pathlib import Path\nfrom prunescope.analysis import audit\n"
        "real = audit.write\n"
        "def slow(folder, results):\n"
        "    real(folder, results); print('written', flush=True); sys.stdin.read()\n"
        "audit.write = slow\n"
        "dense, pruned, out = map(Path, sys.argv[1:])\n"
        "audit.audit([dense], [pruned], out)\n"
    )
    out = tmp_path / "results" / "out"
    arguments = [sys.executable, "-c", code, str(sides[0]), str(sides[1]), str(out)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not out.exists()
    audit([sides[0]], [sides[1]], out)
    assert (out / "summary.json").exists()


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = "import sys; from prunescope.analysis import audit; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ["torch", "transformers", "pandas", "sklearn", "matplotlib", "scipy.stats", "textstat"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
