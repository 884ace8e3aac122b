"""A data set of one's own: tables in every form, tasks, splits, images, and what is odd about them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from prunescope.config.datasets import Dataset
from prunescope.config.load import study_from
from prunescope.data.build import build
from prunescope.data.dataset import DataSet
from prunescope.data.splits import drawn
from prunescope.data.tables import read_table
from prunescope.errors import Problems, UserError
from prunescope.planning.data import data_lines

ODD = ("01", "None", "NA", "naïve", "否", "1.0")

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))


def own(path: Path | str | None = None, **settings: Any) -> Any:
    given = {"source": "table", **({"path": str(path)} if path else {}), **settings}
    return TypeAdapter(Dataset).validate_python(given)


def made(count: int = 60, classes: tuple[str, ...] = ODD) -> Rows:
    return [
        {"text": f"the word number {n} is here", "label": classes[n % len(classes)]} for n in range(count)
    ]


def write(path: Path, rows: Rows, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name.removesuffix(".gz")
    table = pa.Table.from_pylist(rows)
    if name.endswith(".parquet"):
        pq.write_table(table, path)
    elif name.endswith(".feather"):
        feather.write_feather(table, path)
    elif name.endswith(".arrow"):
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        text = io.StringIO(newline="")
        if name.endswith((".csv", ".tsv")):
            writer = csv.DictWriter(
                text, list(rows[0]), **({"delimiter": "\t"} if ".tsv" in name else {}), **options
            )
            writer.writeheader()
            writer.writerows(rows)
        elif name.endswith(".json"):
            text.write(json.dumps(rows))
        else:
            text.writelines(json.dumps(row) + "\n" for row in rows)
        raw = text.getvalue().encode()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def labels_of(data: DataSet) -> Counter[str]:
    return Counter(
        table.info.classes[label] for table in data.tables.values() for label in table.labels.tolist()
    )


FORMS = "csv tsv jsonl ndjson json parquet arrow feather csv.gz tsv.gz jsonl.gz".split()  # noqa: SIM905


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_alike(tmp_path: Path, form: str) -> None:
    data = own(write(tmp_path / f"mine.{form}", made()), text="text").build("mine")
    assert labels_of(data) == dict.fromkeys(ODD, 10)
    assert {split: len(table) for split, table in data.tables.items()} == {
        "train": 42,
        "validation": 6,
        "test": 12,
    }
    texts = [text for table in data.tables.values() for text in (table.texts or {})["text"]]
    assert sorted(texts) == sorted(row["text"] for row in made())


def test_the_tables_are_read_back(tmp_path: Path) -> None:
    rows = [{**row, "name": f"q{n}", "origin": n % 3} for n, row in enumerate(made())]
    spec = own(write(tmp_path / "a.jsonl", rows), text="text", id="name", groups=["origin", "length"])
    build("mine", spec, tmp_path / "out")
    table = read_table(tmp_path / "out" / "test.parquet")
    assert table.info.extra == ("id", "origin", "length")
    assert set(table.extra["origin"]) == {"0", "1", "2"}
    assert table.extra["length"] == ["up to 6 words"] * 12
    texts = {row["name"]: row["text"] for row in rows}
    assert [texts[name] for name in table.extra["id"]] == (table.texts or {})["text"]


@pytest.mark.parametrize(
    "files",
    [
        ("train.csv", "validation.csv", "test.csv"),
        ("train.tsv.gz", "dev.tsv.gz", "test.tsv.gz"),
        ("train-00000-of-00001.parquet", "val-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001.parquet", "data/validation.parquet", "data/test.parquet"),
        ("train/0000.parquet", "validation/0000.parquet", "test/0000.parquet"),
    ],
)
def test_a_file_a_split(tmp_path: Path, files: tuple[str, ...]) -> None:
    for size, file in zip((24, 12, 18), files, strict=True):
        write(tmp_path / file, [{**row, "text": f"{file} {row['text']}"} for row in made(size)])
    data = own(tmp_path, text="text").build("mine")
    assert [len(data.tables[split]) for split in ("train", "validation", "test")] == [24, 12, 18]
    assert data.warnings == ()


def test_parts_belong_together(tmp_path: Path) -> None:
    for part in range(3):
        write(tmp_path / f"train-0000{part}-of-00003.parquet", made(60)[part::3])
    assert sum(len(table) for table in own(tmp_path, text="text").build("a").tables.values()) == 60
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(UserError, match=r"2 of 3 parts of the train split; fetch the others"):
        own(tmp_path, text="text").build("a")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "no table there"),
        (("a.csv", "b.csv"), "several tables, and none is called as a split is: a.csv, b.csv"),
        (("train.csv", "train.jsonl"), "several files of the train split: train.csv, train.jsonl"),
        (("test.csv",), "no training examples; it has test alone"),
    ],
)
def test_folders_that_say_too_little(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    for file in files:
        write(tmp_path / file, made())
    with pytest.raises(UserError, match=message):
        own(tmp_path, text="text").build("a")


def test_a_column_says_the_split(tmp_path: Path) -> None:
    rows = [{**row, "fold": ("train", "train", "Dev", "test")[n % 4]} for n, row in enumerate(made())]
    path = write(tmp_path / "a.csv", rows)
    data = own(path, text="text", splits={"column": "fold"}).build("a")
    assert {split: len(table) for split, table in data.tables.items()} == {
        "train": 30,
        "validation": 15,
        "test": 15,
    }
    write(path, [{**rows[0], "fold": "other"}, *rows])
    with pytest.raises(UserError, match=r"a\.csv: row 1: column 'fold' is 'other'; it must be train"):
        own(path, text="text", splits={"column": "fold"}).build("a")


def test_sizes_are_of_splits_that_the_files_lack(tmp_path: Path) -> None:
    for size, split in ((60, "train"), (12, "test")):
        write(tmp_path / f"{split}.csv", [{**row, "text": f"{split} {row['text']}"} for row in made(size)])
    data = own(tmp_path, text="text", splits={"validation": 0.2, "test": 0.5}).build("a")
    assert [len(data.tables[split]) for split in ("train", "validation", "test")] == [48, 12, 12]
    assert "Of `splits`, test is not used: the data has such a split." in data.notes


def test_splits_are_drawn_by_size_and_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", made(120))
    whole = own(path, text="text", splits={"validation": 12, "test": 0.25}).build("a")
    assert {split: len(table) for split, table in whole.tables.items()} == {
        "train": 78,
        "validation": 12,
        "test": 30,
    }
    for table in whole.tables.values():
        counts = Counter(table.labels.tolist())
        assert max(counts.values()) - min(counts.values()) <= 1
    again, other = (
        own(path, text="text", splits={"validation": 12, "test": 0.25, "seed": seed}).build("a")
        for seed in (0, 1)
    )
    assert again.tables["test"].texts == whole.tables["test"].texts != other.tables["test"].texts
    # The order of the rows does not matter.
    write(path, made(120)[::-1])
    turned = own(path, text="text", splits={"validation": 12, "test": 0.25}).build("a")
    assert sorted(turned.tables["test"].texts["text"]) == sorted(whole.tables["test"].texts["text"])  # type: ignore[index]


def test_equal_texts_are_drawn_together_and_rare_classes_stay_in_training() -> None:
    contents = [f"text {n % 30}" for n in range(60)] + ["alone"]
    places = drawn(contents, [(n % 30 % 3,) for n in range(60)] + [(3,)], {"test": 0.2, "validation": 0.1})
    assert places[:30] == places[30:60]
    assert places[-1] == "train"
    assert Counter(places[:30]) == {"train": 21, "test": 6, "validation": 3}


def test_one_example_of_a_class_is_trained_on_and_said(tmp_path: Path) -> None:
    data = own(write(tmp_path / "a.csv", [*made(30), {"text": "a b c", "label": "rare"}]), text="text").build(
        "a"
    )
    number = data.tables["train"].info.classes.index("rare")
    assert [Counter(table.labels.tolist())[number] for table in data.tables.values()] == [1, 0, 0]
    assert "One training example alone: class rare." in data.warnings
    assert "Not in the test split, so nothing is measured of class rare." in data.warnings


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (["b", "a"] * 30, "single-label", ("a", "b")),
        ([2, 10, 1] * 20, "single-label", ("1", "2", "10")),
        (["2", "10", "1"] * 20, "single-label", ("1", "2", "10")),
        (["01", "1"] * 30, "single-label", ("01", "1")),
        ([1.0, 0.0] * 30, "single-label", ("0", "1")),
        ([True, False] * 30, "single-label", ("false", "true")),
        ([n / 7 for n in range(60)], "regression", ()),
        ([str(n / 8) for n in range(60)], "regression", ()),
        (list(range(60)), "regression", ()),
        ([["x", "y"], [], ["y"]] * 20, "multi-label", ("x", "y")),
        (["x|y", "z", "y|z"] * 20, "multi-label", ("x", "y", "z")),
        ([["B-A", "I-A", "O", "O", "O", "O"]] * 60, "tokens", ("O", "B-A", "I-A")),
    ],
)
def test_the_task_is_guessed_and_said(
    tmp_path: Path, labels: list[Any], task: str, classes: tuple[str, ...]
) -> None:
    rows = [{**row, "label": label} for row, label in zip(made(60), labels, strict=True)]
    spec = own(write(tmp_path / "a.jsonl", rows), text="text")
    data = spec.build("a")
    info = data.tables["train"].info
    assert (info.task, info.classes) == (task, classes)
    assert data.notes[0].startswith(f"Task {task}, as column 'label' has ")
    assert spec.answers == {"regression": "number", "tokens": "tokens"}.get(task, "classes")
    assert spec.declared().train == len(data.tables["train"])


@pytest.mark.parametrize(
    ("labels", "said", "tasks"),
    [
        (["Sci|Fi", "Drama"] * 30, "'Sci|Fi': one class name, or several labels joined by '|'?", (2, 3)),
        (["Sci|Fi", "Sci", "Drama"] * 20, "'Sci|Fi': one class name", (3, 3)),
        (["a|b", "a|c", "d"] * 20, "'a|b': one class name", (3, 4)),
        (["x|y", "y", None] * 20, "'x|y': one class name", (None, 2)),
        ([["x"], ["x", "y"], None] * 20, "has no label (and 19 more); set `task: multi-label`", (None, 2)),
        (["x|y", "y|x", None] * 20, "has no label (and 19 more); set `task: multi-label`", (None, 2)),
    ],
)
def test_labels_that_may_be_one_or_several_are_asked_for(
    tmp_path: Path, labels: list[Any], said: str, tasks: tuple[int | None, int]
) -> None:
    """Each remedy that the line names leads on, where it can: so many classes has the data set then."""
    rows = [{**row, "label": label} for row, label in zip(made(60), labels, strict=True)]
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        own(path, text="text").build("a")
    assert "task: multi-label`" in str(caught.value)
    for task, classes in zip(("single-label", "multi-label"), tasks, strict=True):
        if classes is not None:
            data = own(path, text="text", task=task).build("a")
            assert len(data.tables["train"].info.classes) == classes


def test_a_given_task_is_no_guess(tmp_path: Path) -> None:
    rows = [{**row, "label": n % 3} for n, row in enumerate(made(60))]
    data = own(write(tmp_path / "a.jsonl", rows), text="text", task="regression").build("a")
    assert data.tables["train"].info.metrics == ("pearson", "spearman")
    assert not any(note.startswith("Task") for note in data.notes)


def test_texts_of_their_own_are_no_classes(tmp_path: Path) -> None:
    rows = [{**row, "label": f"answer {n}"} for n, row in enumerate(made(60))]
    with pytest.raises(UserError, match="60 different texts in 60 rows, which are no classes"):
        own(write(tmp_path / "a.csv", rows), text="text").build("a")


def test_pairs_and_the_order_of_classes(tmp_path: Path) -> None:
    rows = [{"a": row["text"], "b": "is it so", "gold": row["label"]} for row in made()]
    data = own(write(tmp_path / "a.csv", rows), text=["a", "b"], label="gold", classes=ODD[::-1]).build("a")
    assert data.tables["train"].info.inputs == ("a", "b")
    assert data.tables["train"].info.classes == ODD[::-1]


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet", "feather", "arrow"])
def test_fields_within_a_column_have_dotted_names(tmp_path: Path, form: str) -> None:
    rows = [
        {
            "doc": {"body": row["text"], "of": {"who": (n % 2 and "web") or None}},
            "gold": {"label": row["label"]},
            "a.b": str(n),
        }
        for n, row in enumerate(made())
    ]
    rows[-1]["doc"]["of"] = None  # all of it is missing
    path = write(tmp_path / f"a.{form}", rows)
    given = {"text": "doc.body", "label": "gold.label", "id": "a.b", "groups": ["doc.of.who"]}
    table = own(path, **given, splits={"test": 20, "validation": 10}).build("a").tables["train"]
    assert sorted(table.info.classes) == sorted(ODD)
    plain = {
        str(n): (row["text"], row["label"], (n % 2 and n < 59 and "web") or "")
        for n, row in enumerate(made())
    }
    for text, label, name, who in zip(
        table.texts["doc.body"], table.labels, table.extra["id"], table.extra["doc.of.who"], strict=True
    ):
        assert plain[name] == (text, table.info.classes[label], who)
    with pytest.raises(UserError, match=r"no column 'doc\.boby' \(did you mean 'doc\.body'\?\)"):
        own(path, text="doc.boby", label="gold.label").build("a")


def test_numbers_in_yaml_are_names_of_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{**row, "label": n % 3} for n, row in enumerate(made())])
    assert own(path, text="text", classes=[2, 0, 1]).build("a").tables["train"].info.classes == (
        "2",
        "0",
        "1",
    )


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (made(), {"text": "txt"}, r"has no column 'txt' \(did you mean 'text'\?\); its columns are text, label"),
        (made(), {"text": "text", "label": "Lable"}, r"has no column 'Lable' \(did you mean 'label'\?\)"),
        (made(), {"text": "text", "groups": ["origin"]}, "has no column 'origin'"),
        (made(), {"text": "Text", "label": "Lable"},
         r"has no columns 'Text' \(did you mean 'text'\?\), 'Lable' \(did you mean 'label'\?\); its columns"),
        (made(), {"text": "text", "classes": ["01", "None", "NA", "naive", "否", "1.0"]},
         r"row 4: label 'naïve' is none of `classes` \(did you mean 'naive'\?\)"),
        ([*made(), {"text": "x", "label": ""}], {"text": "text"}, r"row 61: column 'label' has no label; remove"),
        (made(60, ("a",)), {"text": "text"}, r"has one class alone \(a\)"),
        (made(), {"text": "text", "task": "regression"}, r"row 2: label 'None' is not a number"),
        (made(), {"text": "text", "task": "tokens"}, r"row 1: 1 tags for 6 words"),
        (made(12), {"text": "text", "splits": {"test": 12}}, r"splits: 12 test examples of 12 different ones"),
        (made(), {}, "no folder of images by class; name a column in `text` or `image`|no image"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(
    tmp_path: Path, rows: Rows, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        own(write(tmp_path / "a.csv", rows), **settings).build("a")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "a", "image": "b"}, "`text` is given too"),
        ({"text": "a", "groups": ["label"]}, "a column of its own"),
        ({"text": "a", "classes": ["x", "x"]}, "is listed twice"),
        ({"text": "a", "classes": ["x"]}, "at least 2"),
        ({"text": "a", "splits": {"column": "c", "test": 0.2}}, "leave out the sizes"),
        ({"text": "a", "splits": {"test": 1.5}}, "neither a share below 1 nor a whole number"),
    ],
)
def test_settings_that_contradict(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        own("x", **settings)


@pytest.mark.parametrize(
    ("name", "raw", "settings", "message"),
    [
        ("a.csv", b"", {}, "is empty"),
        ("a.csv", b"text,label\n", {}, "has no rows"),
        ("a.csv", b"text,label\na,\xff\n", {}, "line 2: not UTF-8"),
        ("a.csv", b"text,label\na,b\nc,d,e\n", {}, "line 3: has not as many cells"),
        ("a.csv", b'text,label\n"a,b\n', {}, "not CSV"),
        ("a.csv.gz", b"no gzip", {}, "cannot be read"),
        ("a.jsonl", b'{"text": 1', {}, "line 1: not JSON"),
        ("a.json", b"[1, 2]", {}, "row 1: not a JSON object"),
        ("a.jsonl", b'{"text": "a", "label": {"b": 1}}', {}, "no single class"),
        ("a.jsonl", b'{"text": 3, "label": "b"}', {}, "column 'text' is 3, not a text"),
        ("a.jsonl", b'{"text": "a", "label": [["b"]]}', {}, "is not a list of labels"),
        ("a.jsonl", b'{"text": "a", "label": 1%s}' % (b"0" * 400), {}, "has one class alone|int"),
        ("a.jsonl", b'{"text": "a\\u0000b", "label": "c"}', {"text": None, "image": "text"}, "null byte"),
        ("a.parquet", b"PAR1", {}, "not a Parquet file"),
        ("a.arrow", b"x" * 20, {}, "not an Arrow file"),
        ("a.xlsx", b"x", {}, "its ending is none of"),
    ],
)
def test_files_that_are_no_tables_are_a_line(
    tmp_path: Path, name: str, raw: bytes, settings: dict[str, Any], message: str
) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(UserError, match=message) as caught:
        own(tmp_path / name, **{"text": "text", **settings}).checked()
    assert "\n" not in str(caught.value)


def test_quotation_marks_of_tsv_may_be_plain(tmp_path: Path) -> None:
    lines = [f'"quoted" word {n}\t{ODD[n % 2]}' for n in range(30)]
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "\n".join(lines) + "\n")
    data = own(tmp_path / "a.tsv", text="text").build("a")
    assert all(t.startswith('"quoted"') for t in data.tables["train"].texts["text"])  # type: ignore[index]


def test_semicolons_and_a_byte_order_mark(tmp_path: Path) -> None:
    lines = [f'"a; b {n}";{ODD[n % 2]}' for n in range(30)]
    (tmp_path / "a.csv").write_text("\ufefftext;label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    assert len(own(tmp_path / "a.csv", text="text").build("a").tables["train"]) == 21


def test_class_names_keep_their_blanks_and_alike_ones_are_warned_of(tmp_path: Path) -> None:
    names = (" lead", "trail ", "Trail")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        data = own(write(tmp_path / name, made(60, names)), text="text").build("d")
        assert data.tables["test"].info.classes == tuple(sorted(names))
        assert "Differ in blanks at their ends or in case alone: classes Trail, trail ." in data.warnings


@pytest.mark.parametrize("form", ["python", "json"])
def test_lists_in_csv_are_several_labels(tmp_path: Path, form: str) -> None:
    several = [[], ["a"], ["b b", "None"], ["a", "None"]]
    rows = [{"text": f"the word {n}", "label": several[n % 4]} for n in range(80)]
    written = [
        {**row, "label": str(row["label"]) if form == "python" else json.dumps(row["label"])} for row in rows
    ]
    data = own(write(tmp_path / "a.csv", written), text="text").build("d")
    table = data.tables["train"]
    assert (table.info.task, table.info.classes) == ("multi-label", ("None", "a", "b b"))
    labels = {
        text: tuple(marks)
        for text, marks in zip((table.texts or {})["text"], table.labels.tolist(), strict=True)
    }
    assert all(labels[row["text"]] == tuple(c in row["label"] for c in table.info.classes)
               for row in rows if row["text"] in labels)  # fmt: skip
    assert own(tmp_path / "a.csv", text="text", task="single-label").build("d").tables["test"].info.classes[
        0
    ] in (
        "['a', 'None']",
        '["a", "None"]',
    )


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    rows = [{"text": f"the word {n}", "label": f"{n},{n % 10}"} for n in range(60)]
    data = own(write(tmp_path / "a.csv", rows, delimiter=";"), text="text").build("d")
    (numbers,) = [table.labels for table in (data.tables["test"],)]
    assert data.tables["test"].info.task == "regression"
    texts = (data.tables["test"].texts or {})["text"]
    assert numbers.tolist() == pytest.approx(
        [float(f"{t.split()[-1]}.{int(t.split()[-1]) % 10}") for t in texts]
    )
    assert any("numbers with decimal commas" in note for note in data.notes)


@pytest.mark.parametrize("ending", ["bz2", "xz", "zip", "zst"])
def test_compressed_tables(tmp_path: Path, ending: str) -> None:
    import bz2
    import lzma
    import zipfile

    path = write(tmp_path / "a.csv", made())
    plain, packed = path.read_bytes(), tmp_path / f"b.csv.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("inside.csv", plain)
            archive.writestr("__MACOSX/._inside.csv", b"x")
    elif ending == "zst":
        with pa.CompressedOutputStream(str(packed), "zstd") as stream:
            stream.write(plain)
    else:
        packed.write_bytes({"bz2": bz2, "xz": lzma}[ending].compress(plain))
    found, expected = (own(one, text="text").build("d").tables["train"] for one in (packed, path))
    assert found.texts == expected.texts
    packed.write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(UserError, match=rf"b\.csv\.{ending}: cannot be read"):
        own(packed, text="text").build("d")


def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(UserError, match="holds 2 files, not one table; unpack it"):
        own(tmp_path / "a.csv.zip", text="text").build("d")


def test_rows_within_an_object_and_bars_between_cells(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "data": made()}))
    (tmp_path / "b.csv").write_text("text|label\n" + "".join(f"{r['text']}|{r['label']}\n" for r in made()))
    for name in ("a.json", "b.csv"):
        assert own(tmp_path / name, text="text").build("d").tables["train"].info.classes == tuple(sorted(ODD))


def test_a_table_without_a_header_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("".join(f"{r['text']}\t{r['label']}\n" for r in made()))
    with pytest.raises(
        UserError, match=r"has no columns 'text', 'label'.*; write a first line that names them"
    ):
        own(tmp_path / "a.tsv", text="text").build("d")


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    rows = [*made(30), {"text": "long " * 40_000, "label": "01"}]
    assert labels_of(own(write(tmp_path / "a.csv", rows), text="text").build("a"))["01"] == 6


def test_lone_surrogates_are_replaced_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", made(30))
    with path.open("a") as file:
        file.write(
            '{"text": "half \\ud83d of it", "label": "01"}\n{"text": "whole \\ud83d\\ude00", "label": "NA"}\n'
        )
    spec = own(path, text="text")
    build("mine", spec, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert "1 cells held halves of characters (lone surrogates), now U+FFFD." in card["notes"]
    texts = [text for split in ("train", "validation", "test")
             for text in read_table(tmp_path / "out" / f"{split}.parquet").texts["text"]]  # type: ignore[index]  # fmt: skip
    assert {"half \ufffd of it", "whole 😀"} <= set(texts)


def test_leaks_contradictions_and_empty_texts_are_warned_of(tmp_path: Path) -> None:
    write(
        tmp_path / "train.csv",
        [*made(60), {"text": made()[0]["text"], "label": "NA"}, {"text": "", "label": "NA"}],
    )
    write(tmp_path / "test.csv", [*made(10), {"text": "a new one of the kind", "label": "unseen"}])
    build("mine", own(tmp_path, text="text"), tmp_path / "out")
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    text = "\n".join(card["warnings"])
    assert "Leak: 9 of 11 test examples (82%) are in the training split too" in text
    assert "Contradiction: 1 text with several labels, such as 'the word number 0 is here'." in text
    assert "Never seen in training, though in other splits: class unseen." in text
    assert "1 of 56 train examples (2%) have no text. The first is " in text
    assert "/train.csv: row 62." in text
    assert card["findings"]["contradictions"] == 1
    page = (tmp_path / "out" / "card.md").read_text()
    assert "## Warnings" in page
    assert "- Leak: " in page


def study(path: Path, **settings: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "seeds": [0],
        "datasets": {"mine": {"source": "table", "path": str(path), "text": "text", **settings}},
        "archs": {"net": {"family": "bilstm"}, "bert": {"family": "encoder", "positions": 16}},
        "grid": [{"datasets": ["mine"], "archs": ["net", "bert"]}],
    }


def test_unspaced_texts_are_refused_for_models_of_words(tmp_path: Path) -> None:
    rows = [{"text": f"这是第{chr(0x4E00 + n)}个句子没有空格", "label": ("a", "b")[n % 2]} for n in range(60)]
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(Problems) as caught:
        data_lines(study_from(study(path)))
    (line,) = caught.value.lines
    assert line.startswith("datasets.mine.path: ")
    assert "100% of its words are unknown to arch 'net'" in line
    assert "family encoder" in line
    alone = study(path)
    alone["grid"][0]["archs"] = ["bert"]
    lines = data_lines(study_from(alone))
    assert any("WARNING: Language: not English, as it seems (script Han)" in line for line in lines)


def test_texts_longer_than_positions_are_refused(tmp_path: Path) -> None:
    rows = [{"text": f"the word is {n} " * 10, "label": ("a", "b")[n % 2]} for n in range(60)]
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(Problems, match=r"up to 64 words, arch 'bert' has 16 positions; set max_tokens: 16"):
        data_lines(study_from(study(path)))
    assert data_lines(study_from(study(path, max_tokens=16)))


def test_vectors_and_data_that_are_missing_are_named_together(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("SOME_DATA", "SOME_VECTORS"):
        monkeypatch.delenv(name, raising=False)
    raw = study(tmp_path)
    raw["datasets"] = {"papers": {"source": "aapd", "path": "$SOME_DATA/aapd"}}
    raw["archs"]["net"] = {"family": "bilstm", "vectors_path": "$SOME_VECTORS/glove.txt"}
    raw["grid"] = [{"datasets": ["papers"], "archs": ["net"]}]
    with pytest.raises(Problems) as caught:
        data_lines(study_from(raw))
    data, vectors = caught.value.lines
    assert data.startswith(
        "datasets.papers.path: $SOME_DATA/aapd: the environment variable SOME_DATA is not set"
    )
    assert data.endswith("its authors give the files at https://github.com/lancopku/SGM (Google Drive)")
    assert vectors.startswith("archs.net.vectors_path: $SOME_VECTORS/glove.txt: the environment variable")
    # For a machine elsewhere both are notes.
    assert len(data_lines(study_from(raw), elsewhere=True)) == 2
    raw["archs"]["net"] = {"family": "bilstm", "published_vectors": "glove.840B.300d"}
    line = data_lines(study_from(raw), elsewhere=True)[-1]
    assert line.startswith("net: downloads glove.840B.300d.zip (2.2 GB, SHA-256 c06db255e650")


def test_all_that_is_wrong_with_the_data_is_said(tmp_path: Path) -> None:
    raw = study(tmp_path / "nowhere.csv")
    raw["datasets"]["other"] = {
        "source": "table",
        "path": str(write(tmp_path / "a.csv", made())),
        "text": "txt",
    }
    raw["datasets"]["reviews"] = {"source": "imdb", "path": str(tmp_path / "imdb")}
    raw["grid"][0] |= {"datasets": ["mine", "other", "reviews"], "archs": ["net"]}
    with pytest.raises(Problems) as caught:
        data_lines(study_from(raw))
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "datasets.mine.path", "datasets.other", "datasets.reviews.path"
    ]  # fmt: skip


def test_a_published_set_may_be_elsewhere_when_a_study_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_HERE", raising=False)
    raw = study(Path("x"))
    raw["datasets"] = {"mine": {"source": "imdb", "path": "$NOT_HERE/imdb"}}
    raw["grid"][0]["archs"] = ["net"]
    (line,) = data_lines(study_from(raw), elsewhere=True)
    assert "NOT_HERE is not set" in line
    with pytest.raises(Problems):
        data_lines(study_from(raw))


def test_facts_are_kept_and_follow_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", made(60))
    first = own(path, text="text")
    content = first.fingerprint()
    assert first.declared().train == 42
    with monkeypatch.context() as patch:
        patch.setattr("prunescope.data.tabular.prepare", lambda *_: pytest.fail("read again"))
        assert own(path, text="text").declared().train == 42
        # A job that does not see the file goes by what was found.
        kept = path.read_bytes()
        path.unlink()
        assert own(path, text="text").declared().train == 42
        with pytest.raises(UserError, match="no such file"):
            own(path, text="text").checked()
    path.write_bytes(kept)
    write(path, made(120))
    again = own(path, text="text")
    assert again.declared().train == 84
    assert again.fingerprint() != content
    with pytest.raises(UserError, match="its files have changed since this run began"):
        own(path, text="text", content=content).build("a")


def picture(
    colour: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (12, 8), **save: Any
) -> bytes:
    image = Image.new("RGB", size, colour)
    image.putpixel((0, 0), (0, 0, 0))
    held = io.BytesIO()
    image.save(held, **{"format": "PNG", **save})
    return held.getvalue()


def folder_of_images(root: Path, each: int = 10, **how: Any) -> Path:
    for number, name in enumerate(("cat", "01")):
        for n in range(each):
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name / f"{n}.png").write_bytes(picture((number * 200, n, 9), **how))
    return root


def test_a_folder_of_folders(tmp_path: Path) -> None:
    spec = own(folder_of_images(tmp_path / "a"))
    data = spec.build("a")
    assert spec.input == "image"
    assert labels_of(data) == {"cat": 10, "01": 10}
    assert data.tables["train"].info.image_shape == (3, 8, 12)
    assert spec.declared().image == (3, 8, 12)
    assert {tuple(image[:, 4, 6]) for image in data.tables["train"].images} <= {  # type: ignore[union-attr]
        (number * 200, n, 9) for number in range(2) for n in range(10)
    }


def test_folders_of_splits(tmp_path: Path) -> None:
    folder_of_images(tmp_path / "train", 6, size=(40, 30))
    folder_of_images(tmp_path / "test", 4, size=(30, 40))
    data = own(tmp_path, splits={"validation": 2}).build("a")
    assert {split: len(table) for split, table in data.tables.items()} == {
        "train": 10,
        "validation": 2,
        "test": 8,
    }
    assert data.tables["train"].info.image_shape == (3, 64, 64)
    assert (
        "Images of 2 different sizes were scaled and cut to their middle 64 x 64 pixels (size)." in data.notes
    )
    assert own(tmp_path, size=32).build("a").tables["test"].info.image_shape == (3, 32, 32)


@pytest.mark.parametrize("held", ["paths", "bytes"])
def test_a_column_of_images(tmp_path: Path, held: str) -> None:
    folder_of_images(tmp_path / "pictures", 10)
    files = sorted((tmp_path / "pictures").rglob("*.png"))
    rows = [
        {
            "picture": str(file.relative_to(tmp_path))
            if held == "paths"
            else {"bytes": file.read_bytes(), "path": ""},
            "label": file.parent.name,
        }
        for file in files
    ]
    path = write(tmp_path / ("a.csv" if held == "paths" else "a.parquet"), rows)
    assert labels_of(own(path, image="picture").build("a")) == {"cat": 10, "01": 10}


def test_pictures_stand_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: its first pixel is the upper right one
    folder_of_images(tmp_path, 10, exif=exif)
    data = own(tmp_path).build("a")
    assert data.tables["train"].info.image_shape == (3, 12, 8)
    for image in data.tables["train"].images:  # type: ignore[union-attr]
        assert image[:, 0, -1].tolist() == [0, 0, 0]
        assert image[2, 0, 0] == 9


@pytest.mark.parametrize("damage", [b"", b"no image", None])
def test_a_damaged_picture_is_named_before_anything_runs(tmp_path: Path, damage: bytes | None) -> None:
    folder_of_images(tmp_path, 10, size=(60, 60))
    bad = tmp_path / "cat" / "3.png"
    bad.write_bytes(damage if damage is not None else bad.read_bytes()[:-60])
    with pytest.raises(UserError) as caught:
        own(tmp_path).checked()
    assert str(bad) in str(caught.value)
    assert "BytesIO" not in str(caught.value)


def test_all_damaged_pictures_are_named(tmp_path: Path) -> None:
    folder_of_images(tmp_path, 10, size=(60, 60))
    for name in ("3.png", "7.png"):
        (tmp_path / "cat" / name).write_bytes(b"no picture")
    with pytest.raises(Problems) as caught:
        own(tmp_path).checked()
    assert [line.partition(": ")[0][-9:] for line in caught.value.lines] == ["cat/3.png", "cat/7.png"]


def test_unknown_names_are_told_beside_other_mistakes(tmp_path: Path) -> None:
    raw = study(write(tmp_path / "a.csv", made()))
    raw["grid"][0] |= {"pruners": ["MPP"], "sparsities": [90]}
    with pytest.raises(Problems) as caught:
        study_from(raw)
    first, second = caught.value.lines
    assert first.endswith("did you mean 0.9?")
    assert second.startswith("config: grid.0.pruners: unknown name 'MPP' (did you mean 'MP'?)")


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{"file": "no.png", "label": "a"}])
    with pytest.raises(UserError, match=r"a\.csv: row 1: image .*no\.png: cannot be read"):
        own(path, image="file").checked()


def test_grey_pictures_have_one_channel(tmp_path: Path) -> None:
    for name, tone in (("a", 10), ("b", 200)):
        (tmp_path / name).mkdir()
        for n in range(10):
            Image.new("L", (8, 8), tone + n).save(tmp_path / name / f"{n}.png")
    assert own(tmp_path).build("x").tables["train"].info.image_shape == (1, 8, 8)


def test_the_hub_by_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    features = datasets.Features(
        {"q": {"en": datasets.Value("string")}, "y": datasets.ClassLabel(names=["no", "01"])}
    )
    parts = {
        split: datasets.Dataset.from_dict(
            {
                "q": [{"en": f"the {split} text is {n}"} for n in range(size)],
                "y": [n % 2 for n in range(size)],
            },
            features,
        )
        for split, size in (("train", 40), ("test", 10), ("unsupervised", 5))
    }
    asked = []

    def load(*names: str, revision: str | None) -> Any:
        asked.append((*names, revision))
        return datasets.DatasetDict(parts)

    monkeypatch.setattr(datasets, "load_dataset", load)
    spec = own(source="hub", repo="some/data", config="en", revision="abc", text="q.en", label="y")
    data = spec.build("a")
    assert asked == [("some/data", "en", "abc")]
    assert data.tables["test"].info.classes == ("no", "01")
    assert {split: len(table) for split, table in data.tables.items()} == {
        "train": 36,
        "validation": 4,
        "test": 10,
    }
    assert data.versions["some/data"] == "abc"


def test_the_hub_without_a_network_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("off\nline"))
    )
    with pytest.raises(
        UserError, match=r"some/data cannot be read from the hub \(ConnectionError: off line\)"
    ):
        own(source="hub", repo="some/data", text="q").checked()


def test_class_names_of_a_hubs_file(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    rows = {"text": [f"the text is {n}" for n in range(30)], "label": [n % 2 for n in range(30)]}
    datasets.Dataset.from_dict(rows, features).to_parquet(str(tmp_path / "a.parquet"))
    assert labels_of(own(tmp_path / "a.parquet", text="text").build("a")) == {"no": 15, "yes": 15}


def test_settings_survive_as_json(tmp_path: Path) -> None:
    spec = own("x", text=["a", "b"], classes=["1", "0"], splits={"test": 0.5}, groups=["g"], limit=7)
    assert TypeAdapter(Dataset).validate_json(spec.model_dump_json()) == spec


def test_what_scikit_learn_carries() -> None:
    spec = own(source="sklearn", name="digits", limit=200)
    data = spec.build("a")
    assert spec.input == "image"
    assert data.tables["train"].info.classes == tuple("0123456789")
    assert {split: len(table) for split, table in data.tables.items()} == {
        "train": 200,
        "validation": 180,
        "test": 200,
    }
    assert data.tables["train"].images.max() == 255  # type: ignore[union-attr]


def test_what_torchvision_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    from prunescope.data.vision import prepare_torchvision

    prepare_torchvision()
    import torchvision.datasets

    class Made:
        classes = ("plane", "01")

        def __init__(self, root: str, train: bool, download: bool) -> None:
            assert download
            self.count = 40 if train else 10

        def __iter__(self) -> Any:
            return ((Image.new("RGB", (8, 8), (n, self.count, 0)), n % 2) for n in range(self.count))

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Made)
    data = own(source="torchvision", name="CIFAR10").build("a")
    assert data.tables["test"].info.classes == ("plane", "01")
    assert {split: len(table) for split, table in data.tables.items()} == {
        "train": 36,
        "validation": 4,
        "test": 10,
    }
    monkeypatch.setattr(Made, "__init__", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no net")))
    with pytest.raises(
        UserError, match=r"name: CIFAR10: torchvision cannot give it \(RuntimeError: no net\)"
    ):
        own(source="torchvision", name="CIFAR10").build("a")
