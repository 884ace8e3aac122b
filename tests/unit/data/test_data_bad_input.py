"""Bad input through the command line: one clear line, exit code 2, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.cli import main

GOOD = "text,label\ngood film,1\nbad film,0\nfine film,1\npoor film,0\n"


def film(folder: Path, **files: str | bytes) -> dict[str, Any]:
    """A good IMDB folder in CSV, some files of which are other ones; settings that name it."""
    folder.mkdir()
    for name, content in {"train.csv": GOOD, "test.csv": GOOD, **files}.items():
        raw = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(raw)
    return {"source": "imdb", "path": str(folder), "max_tokens": 4}


def damaged_parquet(folder: Path) -> dict[str, Any]:
    settings = film(folder)
    for split in ("train", "test"):
        (folder / f"{split}.csv").unlink()
        pq.write_table(pa.table({"text": ["good film", "bad film"] * 500, "label": [1, 0] * 500}),
                       folder / f"{split}.parquet", compression="none", use_dictionary=False)  # fmt: skip
    raw = bytearray((folder / "train.parquet").read_bytes())
    raw[20:400] = b"\xff" * 380
    (folder / "train.parquet").write_bytes(bytes(raw))
    return settings


def absent_variable(folder: Path) -> dict[str, Any]:
    return {"source": "imdb", "path": "$PRUNESCOPE_NO_SUCH_VARIABLE/imdb"}


CASES: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "missing column": (
        lambda f: film(f, **{"train.csv": "text,stars\na,1\n"}),
        "train.csv: has no column 'label'; its columns are text, stars",
    ),
    "unknown label": (
        lambda f: film(f, **{"test.csv": GOOD + "odd,mixed\n"}),
        "test.csv: row 5: unknown label 'mixed'; give one of negative, positive",
    ),
    "empty text": (
        lambda f: film(f, **{"train.csv": GOOD + '" ",1\n'}),
        "train.csv: row 5: column 'text' is an empty text; remove the row",
    ),
    "not UTF-8": (
        lambda f: film(f, **{"train.csv": GOOD.encode() + b"caf\xe9,1\n"}),
        "train.csv: line 6: not UTF-8 text; convert the file to UTF-8",
    ),
    "class without training examples": (
        lambda f: film(f, **{"train.csv": "text,label\ngood,1\nfine,1\nnice,1\n"}),
        "class without training examples: negative; check the files",
    ),
    "torn CSV": (lambda f: film(f, **{"train.csv": GOOD + "cut"}), "line 6: has not as many cells"),
    "damaged Parquet": (damaged_parquet, "train.parquet: truncated or not a Parquet file"),
    "two files of a split": (
        lambda f: film(f, **{"train.parquet": b"PAR1"}),
        "several files of the train split: train.csv, train.parquet; keep one of them",
    ),
    "missing split": (
        lambda f: film(f, **{"test.csv": GOOD}) | {"source": "snli"},
        "no validation split in a known form",
    ),
    "missing variable": (
        absent_variable,
        "the environment variable PRUNESCOPE_NO_SUCH_VARIABLE is not set; set it to the folder it stands for",
    ),
    "no such folder": (lambda f: {"source": "reuters", "path": str(f)}, "no such file or folder"),
    "no path and no address": (
        lambda f: {"source": "aapd"},
        "path: required, or `url` and `sha256` of the original archive",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_data(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    make, said = CASES[case]
    settings = make(tmp_path / "in")
    if settings["source"] == "snli":
        (tmp_path / "in" / "train.csv").write_text("premise,hypothesis,label\na,b,0\nc,d,1\ne,f,2\n")
    out = tmp_path / "out"
    code = main(["dataset", "--name", "films", "--settings", json.dumps(settings), "--out", str(out)])
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("prunescope: error: ")
    assert printed.err.count("\n") == 1
    assert said in printed.err
    assert not out.exists()


def test_a_class_without_test_examples_is_a_note(tmp_path: Path) -> None:
    """Nothing that was asked for is impossible then: a model can be trained, its recall of the class is unknown."""
    settings = film(tmp_path / "in", **{"test.csv": "text,label\ngood,1\n"})
    out = tmp_path / "out"
    assert main(["dataset", "--name", "f", "--settings", json.dumps(settings), "--out", str(out)]) == 0
    notes = json.loads((out / "card.json").read_text())["notes"]
    assert "Classes without examples in test: negative." in notes


def test_a_full_disk_leaves_no_half_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prunescope.data import build
    from prunescope.errors import UserError

    settings = film(tmp_path / "in")
    write, calls = build.write_table, []

    def full(path: Path, table: Any) -> None:
        calls.append(path.name)
        if len(calls) == 3:
            raise UserError(f"{path}: could not be written (No space left on device)")
        write(path, table)

    monkeypatch.setattr(build, "write_table", full)
    out = tmp_path / "out"
    for was_there in (False, True):
        calls.clear()
        if was_there:
            out.mkdir()
            (out / "readability.parquet").write_bytes(b"another stage's")
        assert main(["dataset", "--name", "f", "--settings", json.dumps(settings), "--out", str(out)]) == 2
        assert (sorted(p.name for p in out.iterdir()) if out.exists() else []) == (
            ["readability.parquet"] if was_there else []
        )


VECTORS = "good 1 2\nbad 3 4\nfilm 5 6\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (VECTORS + "torn 1", "its last line is torn, it has no end"),
        (VECTORS + "torn 1\n", "line 4: torn, or its vector has fewer than 2 numbers"),
        (VECTORS.replace("bad 3", "bad x"), "line 2: not a word and its numbers"),
        (VECTORS.replace("bad 3", "bad inf"), "line 2: has a number that is not finite"),
        ("good 1 2 3\n", "line 1: its vector has more than 2 numbers; set `vectors`"),
        (None, "no such file or folder"),
    ],
)
def test_bad_vectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    settings = json.dumps(film(tmp_path / "in"))
    data = tmp_path / "data"
    assert main(["dataset", "--name", "f", "--settings", settings, "--out", str(data)]) == 0
    if content is not None:
        (tmp_path / "vectors.txt").write_text(content)
    arch = json.dumps({"family": "bilstm", "vectors": 2, "vectors_path": str(tmp_path / "vectors.txt")})
    out = tmp_path / "inputs" / "bilstm.safetensors"
    capsys.readouterr()
    code = main(
        ["encode", "--data", str(data), "--dataset", "f", "--dataset-settings", settings, "--arch", "bilstm",
         "--arch-settings", arch, "--out", str(out)]
    )  # fmt: skip
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("prunescope: error: ")
    assert printed.err.count("\n") == 1
    assert said in printed.err
    assert not out.parent.exists()
