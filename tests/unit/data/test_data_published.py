"""The PIE paper's data sets: every form of their files, their preprocessing, and every way they can be wrong."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.config.datasets import sources
from prunescope.data.build import build
from prunescope.data.dataset import DataSet
from prunescope.data.published import beside_table_7, token_counts
from prunescope.data.sources import aapd, imdb, snli
from prunescope.data.sources.aapd import Aapd
from prunescope.data.sources.imdb import Imdb
from prunescope.data.sources.reuters import Reuters
from prunescope.data.sources.snli import Snli
from prunescope.data.splits import SPLITS, sample
from prunescope.data.tables import read_table
from prunescope.errors import UserError

REVIEWS = {
    "train": [(f"review {n} was fine", n % 2) for n in range(20)],
    "test": [(f"test review {n}, ça va", n % 2) for n in range(6)],
}
PAIRS = [
    ("A man eats.", "A man is eating.", 0),
    ("A man eats.", "He likes it.", 1),
    ("A man eats.", "Nobody eats.", 2),
    ("A man eats.", "Unclear.", -1),
]
GOLD = {0: "entailment", 1: "neutral", 2: "contradiction", -1: "-"}


def write(path: Path, columns: dict[str, list[Any]]) -> None:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for row in rows:
                writer.writerow("|".join(c) if isinstance(c, list) else c for c in row.values())


def reviews(folder: Path, ending: str, names: bool = False) -> None:
    for split, rows in REVIEWS.items():
        labels: list[Any] = [("Negative", "positive")[label] if names else label for _, label in rows]
        write(folder / f"{split}{ending}", {"text": [text for text, _ in rows], "label": labels})


def original_reviews(folder: Path) -> None:
    for split, rows in REVIEWS.items():
        for number, (text, label) in enumerate(rows):
            path = folder / split / ("neg", "pos")[label] / f"{number}_7.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def texts_of(data: DataSet, column: str = "text") -> dict[str, list[tuple[str, Any]]]:
    result = {}
    for split, table in data.tables.items():
        assert table.texts is not None
        result[split] = sorted(zip(table.texts[column], table.labels.tolist(), strict=True))
    return result


@pytest.mark.parametrize("form", [".parquet", ".csv", ".jsonl", "original", "archive", "names"])
def test_imdb_is_the_same_from_every_form(tmp_path: Path, form: str) -> None:
    if form in ("original", "archive"):
        original_reviews(tmp_path / "aclImdb" if form == "archive" else tmp_path)
    else:
        reviews(tmp_path, ".csv" if form == "names" else form, names=form == "names")
    found = texts_of(Imdb(source="imdb", path=str(tmp_path)).build("i"))
    assert sorted(found["train"] + found["validation"]) == sorted(REVIEWS["train"])
    assert found["test"] == sorted(REVIEWS["test"])
    # A fifth of each class is validation.
    assert [label for _, label in found["validation"]].count(0) == 2
    assert len(found["validation"]) == 4


@pytest.mark.parametrize("form", [".parquet", ".csv", ".jsonl", "original"])
def test_snli_drops_pairs_without_a_gold_label(tmp_path: Path, form: str) -> None:
    premises, hypotheses, labels = (list(column) for column in zip(*PAIRS, strict=True))
    for split in ("train", "dev", "test"):
        if form == "original":
            columns = {
                "gold_label": [GOLD[label] for label in labels],
                "sentence1": premises,
                "sentence2": hypotheses,
            }
            write(tmp_path / f"snli_1.0_{split}.jsonl", columns)
        else:
            columns = {"premise": premises, "hypothesis": hypotheses, "label": labels}
            write(tmp_path / f"{split}{form}", columns)
    data = Snli(source="snli", path=str(tmp_path)).build("s")
    for split in SPLITS:
        table = data.tables[split]
        assert table.info.inputs == ("premise", "hypothesis")
        assert table.texts == {"premise": premises[:3], "hypothesis": hypotheses[:3]}
        assert table.labels.tolist() == [0, 1, 2]
    assert "3 pairs without a gold label were dropped" in " ".join(data.notes)


def test_a_subset_is_used_and_named(tmp_path: Path) -> None:
    premises, hypotheses, labels = (list(column[:3]) for column in zip(*PAIRS, strict=True))
    for stem in ("train_subset", "validation", "test"):
        columns = {"premise": premises, "hypothesis": hypotheses, "label": labels}
        write(tmp_path / f"{stem}.parquet", columns)
    data = Snli(source="snli", path=str(tmp_path)).build("s")
    assert "train_subset.parquet is a part of the train split only" in data.notes[0]
    assert "549,367 train" in data.notes[0]


def test_published_sets_are_read_from_parts_and_compressed_tables(tmp_path: Path) -> None:
    """By the readers of one's own tables."""
    import gzip

    reviews(tmp_path / "whole", ".csv")
    whole = {path.name: path.read_text().splitlines(keepends=True) for path in (tmp_path / "whole").iterdir()}
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/test.csv.gz").write_bytes(gzip.compress("".join(whole["test.csv"]).encode()))
    head, *rows = whole["train.csv"]
    for part, some in enumerate((rows[:7], rows[7:])):
        (tmp_path / f"parts/train-0000{part}-of-00002.csv").write_text("".join([head, *some]))
    found, expected = (
        texts_of(Imdb(source="imdb", path=str(tmp_path / f)).build("i")) for f in ("parts", "whole")
    )
    assert found == expected
    (tmp_path / "parts/train-00001-of-00002.csv").unlink()
    with pytest.raises(UserError, match="1 of 2 parts of the train split"):
        Imdb(source="imdb", path=str(tmp_path / "parts")).build("i")


DOCUMENTS = [
    (f"PROFIT up {n}\n  U.S. &lt;GM> rose, {'a' * (n + 1)}.", ["earn"] if n % 3 else ["earn", "trade"])
    for n in range(30)
] + [(f"nothing {n}", []) for n in range(5)] + [(f"cocoa {n}", ["cocoa"]) for n in range(4)]  # fmt: skip


def sgm(documents: list[tuple[str, list[str]]]) -> str:
    parts = ['<!DOCTYPE lewis SYSTEM "lewis.dtd">\n']
    for number, (text, topics) in enumerate(documents):
        title, _, body = text.partition("\n")
        inner = f"<TITLE>{title}</TITLE><BODY>{body} &#3;</BODY>" if body else f"{title}\n&#3;"
        marks = "".join(f"<D>{topic}</D>" for topic in topics)
        parts.append(
            f'<REUTERS TOPICS="YES" NEWID="{number}"><TOPICS>{marks}</TOPICS><TEXT>{inner}</TEXT></REUTERS>\n'
        )
    return "".join(parts)


@pytest.mark.parametrize("form", [".parquet", ".csv", ".jsonl", "file", "original"])
def test_reuters_rule(tmp_path: Path, form: str) -> None:
    texts, topics = [text for text, _ in DOCUMENTS], [names for _, names in DOCUMENTS]
    path = tmp_path
    if form == "original":
        # One byte beyond ASCII, as a few of the distribution's files have.
        (path / "reut2-000.sgm").write_bytes(sgm(DOCUMENTS[:20]).encode() + b"<!-- \xfc -->")
        (path / "reut2-001.sgm").write_text(sgm(DOCUMENTS[20:]))
    elif form == "file":
        path = tmp_path / "all.parquet"
        write(path, {"text": texts, "topics": topics})
    else:
        write(tmp_path / f"train{form}", {"text": texts[:20], "topics": topics[:20]})
        write(tmp_path / f"test{form}", {"text": texts[20:], "topics": topics[20:]})
    data = Reuters(source="reuters", path=str(path), min_documents=10).build("r")
    tables = data.tables
    assert tables["train"].info.classes == ("earn", "trade")
    assert {split: len(table) for split, table in tables.items()} == pytest.approx(
        {"train": 21, "validation": 4.5, "test": 4.5}, abs=1
    )
    labels = np.concatenate([table.labels for table in tables.values()])
    assert labels.sum(axis=0).tolist() == [30, 10]
    found = {text for table in tables.values() for text in (table.texts or {})["text"]}
    assert found == {f"profit up us gm rose {'a' * (n + 1)}" for n in range(30)}
    assert all(table.labels.any(axis=0).all() for table in tables.values())


SUBJECTS = [["cs.IT", "math.IT"], ["cs.AI"], ["stat.ML", "cs.LG"]]


def every_subject(folder: Path, form: str, splits: tuple[str, ...] = SPLITS) -> None:
    labels = [[name] for name in aapd.CLASSES] + SUBJECTS
    texts = [f"abstract number {n}" for n in range(len(labels))]
    folder.mkdir(exist_ok=True)
    for split in splits:
        if form == "original":
            part = {"validation": "val"}.get(split, split)
            (folder / f"text_{part}").write_text("".join(f"{text}\n" for text in texts))
            (folder / f"label_{part}").write_text("".join(f"{' '.join(names)}\n" for names in labels))
        else:
            write(folder / f"{split}{form}", {"text": texts, "labels": labels})


@pytest.mark.parametrize("form", [".parquet", ".csv", ".jsonl", "original"])
def test_aapd_keeps_its_splits(tmp_path: Path, form: str) -> None:
    every_subject(tmp_path, form)
    data = Aapd(source="aapd", path=str(tmp_path)).build("a")
    assert len(set(aapd.CLASSES)) == 54
    for table in data.tables.values():
        assert table.labels.shape == (57, 54)
        assert (table.texts or {})["text"][55] == "abstract number 55"
        names = [[aapd.CLASSES[c] for c in np.flatnonzero(row)] for row in table.labels]
        assert [sorted(row) for row in names[54:]] == [sorted(row) for row in SUBJECTS]


def test_aapd_without_a_training_split(tmp_path: Path) -> None:
    every_subject(tmp_path, ".parquet", ("validation", "test"))
    with pytest.raises(UserError, match=r"no train split .* or set train_from: validation"):
        Aapd(source="aapd", path=str(tmp_path)).build("a")
    rows = pq.read_table(tmp_path / "validation.parquet").to_pydict()
    more = {
        "text": [*rows["text"], *(f"more {n}" for n in range(43))],
        "labels": [*rows["labels"], *([["cs.AI"]] * 43)],
    }
    write(tmp_path / "validation.parquet", more)
    spec = Aapd(source="aapd", path=str(tmp_path), train_from="validation")
    data = spec.build("a")
    assert [len(data.tables[split]) for split in SPLITS] == [80, 20, 57]
    parts = [set((data.tables[split].texts or {})["text"]) for split in ("train", "validation")]
    assert parts[0] | parts[1] == set(more["text"])
    assert "train_from: validation" in data.notes[0]


def test_max_examples_keeps_proportions_and_every_class(tmp_path: Path) -> None:
    reviews(tmp_path, ".csv")
    data = Imdb(source="imdb", path=str(tmp_path), max_examples=4).build("i")
    assert [len(data.tables[split]) for split in SPLITS] == [4, 4, 4]
    assert all(table.labels.sum() == 2 for table in data.tables.values())
    assert "max_examples" in data.notes[0]


def test_samples_are_nested_and_cover_rare_classes() -> None:
    contents = [f"text {n}" for n in range(1000)]
    labels: list[tuple[int, ...]] = [(0,) if n % 4 else (0, 1) for n in range(999)] + [(2,)]
    small, large = sample(contents, labels, 100), sample(contents, labels, 400)
    assert len(small) == 100
    assert len(large) == 400
    assert set(small) <= set(large)
    assert 999 in small
    assert sum(1 in labels[n] for n in large) == pytest.approx(100, abs=2)
    # The order of the examples does not matter.
    turned = sample(contents[::-1], labels[::-1], 100)
    assert sorted(999 - n for n in turned) == small


def fake_hub(monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]) -> None:
    module = ModuleType("datasets")
    module.__dict__.update(load_dataset=load, __version__="4.0.0")
    monkeypatch.setitem(sys.modules, "datasets", module)


class Split:
    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns, self.column_names = columns, list(columns)

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    splits = {
        split: Split({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
        for split, rows in REVIEWS.items()
    }

    def load(repository: str, **settings: Any) -> dict[str, Split]:
        asked.append((repository, settings))
        return splits

    fake_hub(monkeypatch, load)
    data = Imdb(source="imdb", revision="abc").build("i")
    # Nothing but the revision: no code of the repository is trusted.
    assert asked == [("stanfordnlp/imdb", {"revision": "abc"})]
    assert data.versions == {"datasets": "4.0.0", "stanfordnlp/imdb": "abc"}
    assert texts_of(data)["test"] == sorted(REVIEWS["test"])
    splits["train"] = Split({"text": [], "star": []})
    with pytest.raises(UserError, match="has no column 'label' on the hub; its columns are text, star"):
        Imdb(source="imdb").build("i")
    del splits["train"]
    with pytest.raises(UserError, match="no split 'train' on the hub"):
        Imdb(source="imdb").build("i")


def test_no_path_and_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no\nroute")

    fake_hub(monkeypatch, unreachable)
    with pytest.raises(
        UserError, match=r"stanfordnlp/snli .*ConnectionError: no route.* set `path`"
    ) as error:
        Snli(source="snli").build("s")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="check the network or set `path`"):
        Imdb(source="imdb").build("i")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="unset HF_HUB_OFFLINE or set `path`"):
        Imdb(source="imdb").build("i")


def test_the_hub_pins_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(repository: str, **settings: Any) -> None:
        asked.append((repository, settings))
        raise ConnectionError

    fake_hub(monkeypatch, load)
    for spec in (Imdb(source="imdb"), Snli(source="snli")):
        with pytest.raises(UserError, match="cannot be read from the hub"):
            spec.build("x")
    assert asked == [(module.PRESET.hub[0], {"revision": module.PRESET.hub[1]}) for module in (imdb, snli)]
    assert all(len(settings["revision"]) == 40 for _, settings in asked)


def test_folders_in_the_layout_of_the_hub(tmp_path: Path) -> None:
    """The package ``datasets`` itself, offline, on Parquet files as the hub has them."""
    hub = tmp_path / "hub"
    reviews(hub / "imdb" / "plain_text", ".parquet")
    premises, hypotheses, labels = (list(column) for column in zip(*PAIRS, strict=True))
    pairs = {"premise": premises, "hypothesis": hypotheses, "label": labels}
    for split in SPLITS:
        write(hub / "snli" / "plain_text" / f"{split}-00000-of-00001.parquet", pairs)
    for split in ("train", "test", "unsupervised"):
        target = hub / "imdb" / "plain_text" / f"{split}-00000-of-00001.parquet"
        source = hub / "imdb" / "plain_text" / f"{split}.parquet"
        if source.exists():
            source.rename(target)
        else:
            write(target, {"text": ["no label"], "label": [-1]})
    for name, splits in (("imdb", ("train", "test", "unsupervised")), ("snli", SPLITS)):
        files = "".join(f"  - split: {split}\n    path: plain_text/{split}-*\n" for split in splits)
        (hub / name / "README.md").write_text(
            f"---\nconfigs:\n- config_name: plain_text\n  data_files:\n{files}---\n"
        )
    # A process of its own: offline is decided when the hub's packages are imported.
    code = (
        "import sys, json\nfrom prunescope.data.sources import imdb, snli\n"
        "from prunescope.data.sources.imdb import Imdb\nfrom prunescope.data.sources.snli import Snli\n"
        "from dataclasses import replace\n"
        "for module, hub in zip((imdb, snli), sys.argv[1:]):\n"
        "    module.PRESET = replace(module.PRESET, hub=(hub, module.PRESET.hub[1]))\n"
        "a, b = Imdb(source='imdb').build('i'), Snli(source='snli').build('s')\n"
        "print(json.dumps([{s: len(t) for s, t in d.tables.items()} for d in (a, b)]))\n"
        "print(json.dumps(sorted(a.versions)))\n"
    )
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_DATASETS_CACHE": str(tmp_path / "c"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(hub / "imdb"), str(hub / "snli")],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[0]) == [
        {"train": 16, "validation": 4, "test": 6},
        {"train": 3, "validation": 3, "test": 3},
    ]
    # Nothing there, and no network to ask.
    done = subprocess.run(
        [sys.executable, "-m", "prunescope", "dataset", "--name", "i", "--settings", '{"source": "imdb"}',
         "--out", str(tmp_path / "out")],
        env={**os.environ, **offline}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "stanfordnlp/imdb cannot be read from the hub" in done.stderr
    assert "unset HF_HUB_OFFLINE or set `path`" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_variables_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reviews(tmp_path / "imdb", ".csv")
    monkeypatch.setenv("SOME_DATA", str(tmp_path))
    for path in ("$SOME_DATA/imdb", "${SOME_DATA}/imdb"):
        assert len(Imdb(source="imdb", path=path).build("i").tables["test"]) == 6
    monkeypatch.delenv("SOME_DATA")
    with pytest.raises(UserError, match="environment variable SOME_DATA is not set"):
        Imdb(source="imdb", path="$SOME_DATA/imdb").build("i")
    with pytest.raises(UserError, match="no such file or folder"):
        Imdb(source="imdb", path=str(tmp_path / "absent")).build("i")


HEAD = "text,label\n"
GOOD = "good film,1\nbad film,0\n"

#: What stands in train.csv (or another file), and what is said of it.
BAD: list[tuple[str, bytes, str]] = [
    ("train.csv", b"text,stars\na,1\n", r"train.csv: has no column 'label'; its columns are text, stars"),
    ("train.csv", f"{HEAD}good,7\n".encode(), r"row 1: unknown label '7'; give one of negative, positive"),
    ("train.csv", f"{HEAD}{GOOD} ,1\n".encode(), r"row 3: column 'text' is an empty text"),
    ("train.csv", HEAD.encode() + b"caf\xe9,1\n", r"train.csv: line 2: not UTF-8"),
    ("train.csv", f"{HEAD}good\n".encode(), r"line 2: has not as many cells"),
    ("train.csv", f'{HEAD}"good"x,1\n'.encode(), r"line 2: not CSV"),
    ("train.csv", HEAD.encode(), r"train.csv: has no rows"),
    ("train.csv", f"{HEAD}good,1\nfine,1\n".encode(), r"class without training examples: negative"),
    ("train.jsonl", b'{"text": "a", "label": 1}\n{"text": "b"', r"train.jsonl: line 2: not JSON"),
    ("train.jsonl", b"[1]\n", r"line 1: not a JSON object"),
    ("train.jsonl", b'{"text": "a", "label": 1}\n{"text": "b"}\n', r"line 2: has no 'label'"),
    ("train.jsonl", b'{"text": 5, "label": 1}\n', r"row 1: column 'text' is 5, not a text"),
    ("train.parquet", b"PAR1 torn", r"train.parquet: truncated or not a Parquet file"),
    ("train.parquet.csv", b"", r"no train split in a known form"),
    ("training.tsv", b"text\tlabel\n", r"no train split in a known form; put it there as train, train\{"),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD, ids=lambda value: str(value)[:30])
def test_bad_files_are_one_line_and_leave_nothing(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "test.csv").write_text(HEAD + GOOD)
    (tmp_path / "in" / name).write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UserError, match=said) as error:
        build("i", Imdb(source="imdb", path=str(tmp_path / "in")), out)
    assert "\n" not in str(error.value)
    assert list(out.iterdir()) == []


def test_parquet_text_that_is_not_utf8(tmp_path: Path) -> None:
    reviews(tmp_path, ".parquet")
    raw = pa.array([b"caf\xe9", b"fine"], type=pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": raw, "label": [0, 1]}), tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"train.parquet: holds text that is not UTF-8"):
        Imdb(source="imdb", path=str(tmp_path)).build("i")


def test_original_forms_that_are_torn(tmp_path: Path) -> None:
    original_reviews(tmp_path / "imdb")
    (tmp_path / "imdb" / "train" / "neg" / "0_7.txt").write_text("  \n")
    with pytest.raises(UserError, match=r"0_7.txt: an empty text"):
        Imdb(source="imdb", path=str(tmp_path / "imdb")).build("i")
    for path in (tmp_path / "imdb" / "train" / "pos").iterdir():
        path.unlink()
    (tmp_path / "imdb" / "train" / "neg" / "0_7.txt").write_text("bad")
    with pytest.raises(UserError, match="no reviews"):
        Imdb(source="imdb", path=str(tmp_path / "imdb")).build("i")

    (tmp_path / "reuters").mkdir()
    spec = Reuters(source="reuters", path=str(tmp_path / "reuters"), min_documents=10)
    with pytest.raises(UserError, match="no train split"):
        spec.build("r")
    whole = sgm(DOCUMENTS)
    (tmp_path / "reuters" / "reut2-000.sgm").write_text(whole[:-20])
    with pytest.raises(UserError, match=r"reut2-000.sgm: not a whole Reuters-21578 file"):
        spec.build("r")
    (tmp_path / "reuters" / "reut2-000.sgm").write_text(whole.replace("<TOPICS>", "<TOPIC>"))
    with pytest.raises(UserError, match="no <TOPICS>"):
        spec.build("r")
    (tmp_path / "reuters" / "reut2-000.sgm").write_text(sgm(DOCUMENTS[30:]))
    with pytest.raises(UserError, match="fewer than two topics have 10 documents; lower min_documents"):
        spec.build("r")

    every_subject(tmp_path / "aapd", "original")
    labels = tmp_path / "aapd" / "label_val"
    spec_aapd = Aapd(source="aapd", path=str(tmp_path / "aapd"))
    good = labels.read_text()
    for content, said in (
        (good + "cs.AI\n", "label_val: 58 lines, but text_val has 57"),
        (good.replace("stat.ML cs.LG", "stat.XX"), "label_val: line 57: unknown label 'stat.XX'"),
        (good.replace("stat.ML cs.LG", ""), "label_val: line 57: has no label"),
    ):
        labels.write_text(content)
        with pytest.raises(UserError, match=said):
            spec_aapd.build("a")
    labels.unlink()
    with pytest.raises(UserError, match="label_val: no such file"):
        spec_aapd.build("a")


def test_labels_that_are_no_list(tmp_path: Path) -> None:
    every_subject(tmp_path, ".parquet")
    write(tmp_path / "test.parquet", {"text": ["a"], "labels": [3]})
    with pytest.raises(UserError, match=r"test.parquet: row 1: 3 is neither a list of labels"):
        Aapd(source="aapd", path=str(tmp_path)).build("a")


def test_too_small_a_sample_says_so(tmp_path: Path) -> None:
    every_subject(tmp_path, ".parquet")
    with pytest.raises(UserError, match=r"classes without training examples: .*raise max_examples"):
        Aapd(source="aapd", path=str(tmp_path), max_examples=10).build("a")


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    reviews(tmp_path / "in", ".jsonl")
    spec = Imdb(source="imdb", path=str(tmp_path / "in"))
    for out in ("a", "b"):
        (tmp_path / out).mkdir()
        build("i", spec, tmp_path / out)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert "20,000 train" in (tmp_path / "a" / "card.md").read_text()
    assert len(read_table(tmp_path / "a" / "train.parquet")) == 16


REAL = Path(os.environ.get("PRUNESCOPE_DATA") or Path(__file__).parents[4] / "shared" / "data")


def table_7(source: str, data: DataSet) -> dict[str, tuple[float, float]]:
    """Quantity of the paper's Table 7 -> (printed, ours)."""
    sizes = {split: len(table) for split, table in data.tables.items()}
    tokens = np.concatenate([token_counts(table) for table in data.tables.values()])
    paper: Any = sources()[source]
    rows = beside_table_7(paper.published, sizes, len(data.tables["train"].info.classes), tokens)
    return {row["quantity"]: (row["published"], row["ours"]) for row in rows}


def real(name: str) -> str:
    if not (REAL / name).is_dir():
        pytest.skip(f"no {name} in {REAL}; set PRUNESCOPE_DATA to a folder with the data sets")
    return str(REAL / name)


def test_real_reuters() -> None:
    data = Reuters(source="reuters", path=real("reuters21578")).build("reuters")
    assert len(data.tables["train"].info.classes) == 21
    assert sum(map(len, data.tables.values())) == 9886
    assert [len(data.tables[split]) / 9886 for split in SPLITS] == pytest.approx([0.7, 0.15, 0.15], abs=0.002)
    whole = np.concatenate([table.labels for table in data.tables.values()]).mean(axis=0)
    for table in data.tables.values():
        assert table.labels.mean(axis=0) == pytest.approx(whole, abs=0.005)
    assert "10,788 documents" in data.notes[0]
    # 21 + 2: the topics that the paper's 23 have and this form, with fewer documents, just misses.
    assert "Topics that just miss that number here: livestock (99), cpi (97)." in data.notes[0]
    assert table_7("reuters", data)["max tokens by the rule"] == (256, 256)


def test_real_imdb() -> None:
    data = Imdb(source="imdb", path=real("imdb")).build("imdb")
    assert [len(data.tables[split]) for split in SPLITS] == [20_000, 5_000, 25_000]
    assert all(table.labels.mean() == 0.5 for table in data.tables.values())
    assert data.notes[0].startswith("The counts agree with the PIE paper's Table 7")
    table = table_7("imdb", data)
    assert table["max tokens by the rule"] == (512, 512)
    for quantity, (printed, ours) in table.items():
        # The longest review is one token shorter than the paper's.
        assert round(ours) == printed - (quantity == "tokens: max"), quantity


def test_real_snli() -> None:
    data = Snli(source="snli", path=real("snli")).build("snli")
    assert [len(data.tables[split]) for split in SPLITS[1:]] == [9842, 9824]
    train = data.tables["train"]
    assert len(train) == (549_367 if len(train) > 31_647 else 31_647)
    table = table_7("snli", data)
    # The paper's exception: 128 where the rule gives 32.
    assert table["max tokens by the rule"] == (128, 32)
    assert [round(table[f"tokens: {name}"][1]) for name in ("median", "min")] == [22, 5]


def test_real_aapd() -> None:
    spec = Aapd(source="aapd", path=real("aapd"), train_from="validation")
    data = spec.build("aapd")
    assert [len(data.tables[split]) for split in SPLITS] == [800, 200, 1000]
    assert data.tables["test"].labels.any(axis=0).sum() == 54
    table = table_7("aapd", data)
    assert table["max tokens by the rule"] == (256, 256)
    assert [round(table[f"tokens: {name}"][1]) for name in ("mean", "std")] == [167, 70]
