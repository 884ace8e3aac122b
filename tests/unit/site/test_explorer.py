"""The example explorer's files: counts by hand, what is chosen of many, and texts that cannot leave their string."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.config.compression import Compression
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.tables import write_table
from prunescope.site import explorer
from prunescope.site.explorer_votes import Ranked, chosen, ranked, read_votes
from prunescope.site.findings import CellNumbers
from tests.support.fake_study import study, write_pies

CLASSES = ("cat", "dog", "</script>")
#: Votes by model: example -> (dense, pruned); the label of example e is e % 3.
VOTES = {
    "MP": {0: (0, 1), 2: (2, 1)},
    "IMP-FT": {0: (0, 1), 3: (0, 2)},
    "RP-AI": {0: (0, 2), 2: (2, 0), 3: (0, 0)},
}


def cell(
    root: Path, pruner: str, votes: dict[int, tuple[int, int]], dense_agreement: float = 0.75
) -> tuple[CellNumbers, Path]:
    folder = root / "cells" / "docstrings" / "bilstm" / pruner / "sparsity-900permille"
    pairs = [votes.get(example, (example % 3, example % 3)) for example in range(6)]
    write_pies(
        folder / "test" / "pies.parquet",
        {
            "example": np.arange(6),
            "label": (np.arange(6) % 3).astype(np.int32),
            "dense_vote": np.array([a for a, _ in pairs], dtype=np.int32),
            "pruned_vote": np.array([b for _, b in pairs], dtype=np.int32),
            "is_pie": [a != b for a, b in pairs],
            "dense_agreement": [dense_agreement] * 6,
            "pruned_agreement": [0.5] * 6,
        },
        CLASSES,
        "single-label",
    )
    numbers = CellNumbers(
        "docstrings", "bilstm", pruner, Compression.parse("sparsity-900permille"), {"n_examples": 6}
    )
    return numbers, folder


def content(path: Path, call: str) -> list[object]:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(call + "(")
    assert text.endswith(");\n")
    # No character that could end a script element or a line of an older script.
    assert not set("<>&\u2028\u2029") & set(text)
    return json.loads(f"[{text[len(call) + 1 : -3]}]")  # type: ignore[no-any-return]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, list[explorer.Split], list[str]]:
    cells = [cell(tmp_path, pruner, votes) for pruner, votes in VOTES.items()]
    data = tmp_path / "data" / "docstrings"
    texts = [f"text {i}" for i in range(5)] + ["x"]
    texts[2] = "</script><script>alert(1)</script>\u2028\u202e\x00" + "long " * 20_000
    info = TableInfo("docstrings", "test", "single-label", CLASSES, ("text",))
    write_table(
        data / "test.parquet", DataTable(info, (np.arange(6) % 3).astype(np.int32), texts={"text": texts})
    )
    scores = {name: np.arange(6) + 0.5 for name in explorer.MEASURES}
    pq.write_table(pa.table({"example": np.arange(6), **scores}), data / "readability.parquet")
    problems: list[str] = []
    out = tmp_path / "examples"
    out.mkdir()
    return out, explorer.write(study(), cells, {"docstrings": data}, out, problems), problems


@pytest.mark.parametrize(("agreement", "shown"), [(0.75, [0, 2, 3]), (0.5, [])])
def test_examples_that_pay_are_right_in_more_than_half_of_the_dense_models(
    tmp_path: Path, agreement: float, shown: list[int]
) -> None:
    cells = [cell(tmp_path, pruner, votes, agreement) for pruner, votes in VOTES.items()]
    (tmp_path / "examples").mkdir()
    (split,) = explorer.write(study(), cells, {}, tmp_path / "examples", [])
    assert [one["example"] for one in split.paying] == shown


def test_examples_with_their_votes(written: tuple[Path, list[explorer.Split], list[str]]) -> None:
    out, splits, problems = written
    assert problems == []
    assert [split.entry["key"] for split in splits] == ["docstrings--test"]
    # Example 0 is a PIE of all three, 2 of two; 3 only of one, as (0, 0) is none.
    assert splits[0].summary == (
        "3 of 6 test examples of docstrings are PIEs of at least one of 3 pruned models (3 pruners): "
        "2 under at least half of the pruners, 1 under one pruner only."
    )
    key, found = content(out / "docstrings--test.js", "prunescope.split")
    assert key == "docstrings--test"
    assert isinstance(found, dict)
    assert found["examples"] == [0, 2, 3]
    assert found["pruners"] == [3, 2, 1]
    name = found["names"]
    assert [[name[i] for i in found["sets"][code]] for code in found["labels"]] == [
        ["cat"],
        ["</script>"],
        ["cat"],
    ]
    votes = [found["votes"][0][i : i + 5] for i in range(0, 15, 5)]
    named = [[one[0], *(name[found["sets"][code][0]] for code in one[1:3]), *one[3:]] for one in votes]
    assert named == [
        [0, "cat", "dog", 75, 50],
        [1, "cat", "dog", 75, 50],
        [2, "cat", "</script>", 75, 50],
    ]
    assert found["measures"]["text_length"] == [0.5, 2.5, 3.5]
    assert found["cells"][0] == ["bilstm", "MP", "90%", "docstrings--bilstm--MP--sparsity-900permille.html"]


def test_texts_are_whole_and_stay_in_their_string(
    written: tuple[Path, list[explorer.Split], list[str]],
) -> None:
    out, _, _ = written
    _, number, texts = content(out / "docstrings--test" / "texts-0.js", "prunescope.texts")
    assert number == 0
    assert isinstance(texts, list)
    assert texts[0] == "text 0"
    assert texts[1].startswith("</script><script>alert(1)</script>\u2028\u202e\x00long ")
    assert len(texts[1]) > 100_000


def test_all_examples_are_in_the_csv(written: tuple[Path, list[explorer.Split], list[str]]) -> None:
    out, _, _ = written
    lines = (out / "docstrings--test.csv").read_text().splitlines()
    assert lines[0].split(",")[:6] == [
        "example",
        "label",
        "n_networks",
        "of_networks",
        "n_pruners",
        "of_pruners",
    ]
    assert lines[1].split(",")[:6] == ["0", "cat", "3", "3", "3", "3"]
    assert lines[3].split(",")[:6] == ["3", "cat", "1", "3", "1", "3"]


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    cells = [cell(tmp_path, pruner, votes) for pruner, votes in VOTES.items()]
    (cells[0][1] / "test" / "pies.parquet").unlink()
    (cells[1][1] / "test" / "pies.parquet").write_bytes(b"PAR1 not really")
    problems: list[str] = []
    out = tmp_path / "examples"
    out.mkdir()
    splits = explorer.write(study(), cells, {}, out, problems)
    assert not splits[0].entry["texts"]
    assert len(problems) == 3
    assert all("pies.parquet" in line for line in problems[:2])
    assert "its texts are not shown" in problems[2]
    assert "of 1 test" not in splits[0].summary


def test_several_labels_and_none(tmp_path: Path) -> None:
    path = tmp_path / "pies.parquet"
    columns = {
        "example": [4, 9],
        "label": [[0, 2], []],
        "dense_vote": [[0], [1]],
        "pruned_vote": [[], [0, 2]],
    }
    columns |= {"is_pie": [True, True], "dense_agreement": [1.0, None], "pruned_agreement": [0.5, 0.25]}
    write_pies(path, columns, CLASSES, "multi-label")
    votes = read_votes([path], [])
    names, sets = list(votes.codes.names), list(votes.codes.sets)
    assert [[names[i] for i in sets[code]] for code in votes.label] == [["cat", "</script>"], []]
    # The same set has the same code wherever it stands: a right vote is recognized by that.
    assert votes.pruned[1] == votes.label[0]
    assert votes.pruned[0] == votes.label[1]
    assert votes.dense_agreement.tolist() == [100, -1]


def test_of_many_both_ends_are_chosen() -> None:
    n = 90
    counts = np.arange(n, 0, -1)
    found = Ranked(np.arange(n), np.zeros(n, int), counts, counts, np.where(counts > 30, 3, 1))
    kept = chosen(found, 30)
    assert len(kept) == 30
    # The 20 of most models, and the first 10 that one pruner alone changes.
    assert kept.example.tolist() == [*range(20), *range(60, 70)]
    assert len(chosen(found, 200)) == n


def test_nothing_to_rank() -> None:
    assert len(ranked(read_votes([], []), np.zeros(0, dtype=int))) == 0


def test_long_texts_share_no_file() -> None:
    starts = explorer._chunks(["x" * 300_000, "y" * 300_000, "z"] + ["short"] * 500)
    assert starts[:2] == [0, 1]
    assert all(later - first <= explorer.CHUNK_EXAMPLES for first, later in pairwise(starts))
