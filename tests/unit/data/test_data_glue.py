"""GLUE: its own files, columns and the hub give the same tables; real files have the published counts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.config.load import study_from
from prunescope.data.build import build
from prunescope.data.dataset import DataSet
from prunescope.data.encoding.encode import encode, load_inputs
from prunescope.data.sources import glue
from prunescope.data.sources.glue import TASKS, Glue
from prunescope.data.tables import read_table
from prunescope.errors import UserError

from .test_data_published import REAL

#: One of GLUE's own files per task: header, a row from its texts, label and number.
FILES: dict[str, tuple[str | None, str]] = {
    "glue_cola": (None, "gj04\t{label}\t\t{a}"),
    "glue_sst2": ("sentence\tlabel", "{a}\t{label}"),
    "glue_mrpc": ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "{label}\t1\t2\t{a}\t{b}"),
    "glue_stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        "{n}\tmain\tfile\t2012\t1\tnone\tnone\t{a}\t{b}\t{label}",
    ),
    "glue_rte": ("index\tsentence1\tsentence2\tlabel", "{n}\t{a}\t{b}\t{label}"),
    "glue_wnli": ("index\tsentence1\tsentence2\tlabel", "{n}\t{a}\t{b}\t{label}"),
    "glue_qnli": ("index\tquestion\tsentence\tlabel", "{n}\t{a}\t{b}\t{label}"),
    "glue_mnli": (
        "index\tpromptID\tsentence1\tsentence2\tlabel1\tgold_label",
        "{n}\t1\t{a}\t{b}\tneutral\t{label}",
    ),
    "glue_qqp": ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "{n}\t1\t2\t{a}\t{b}\t{label}"),
}
N = 40


def rows(source: str, split: str, n: int = N) -> list[tuple[str, str, Any]]:
    classes = TASKS[source].classes
    labels = [k % len(classes) if classes else (k % 11) / 2 for k in range(n)]
    # A quotation mark that nothing closes is a mark like others in GLUE's files.
    return [(f'{split} "text {k}', f"other {k}", label) for k, label in enumerate(labels)]


def write_tsv(source: str, path: Path, split: str, n: int = N) -> None:
    header, row = FILES[source]
    classes = TASKS[source].classes
    named = source in ("glue_rte", "glue_qnli", "glue_mnli")
    lines = [header] if header else []
    for k, (a, b, label) in enumerate(rows(source, split, n)):
        lines.append(row.format(n=k, a=a, b=b, label=classes[label] if named else label))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_parquet(source: str, path: Path, split: str, n: int = N) -> None:
    task = TASKS[source]
    a, b, label = zip(*rows(source, split, n), strict=True)
    pq.write_table(pa.table({**dict(zip(task.inputs, (a, b), strict=False)), "label": label}), path)


def texts(data: DataSet) -> dict[str, Any]:
    found = {}
    for split, table in data.tables.items():
        assert table.texts is not None
        found[split] = (dict(table.texts), table.labels.tolist(), table.info)
    return found


@pytest.mark.parametrize("source", TASKS)
def test_own_files_and_columns_are_the_same(tmp_path: Path, source: str) -> None:
    task = TASKS[source]
    names = [f"dev_{part}" for part in task.parts] or ["dev"]
    for name in ("train", *names):
        write_tsv(source, tmp_path / "own" / task.folder / f"{name}.tsv", name)
        other = name.replace("dev", "validation")
        (tmp_path / "parquet").mkdir(exist_ok=True)
        write_parquet(source, tmp_path / "parquet" / f"{other}.parquet", name)
    own, columns = (
        texts(Glue(source=source, path=str(tmp_path / form)).build("g")) for form in ("own", "parquet")
    )
    assert own == columns
    assert len(own["train"][1]) + len(own["validation"][1]) == N
    assert len(own["validation"][1]) == pytest.approx(N / 10, abs=len(task.classes) or 5)
    inputs, labels, info = own["test"]
    assert tuple(inputs) == task.inputs
    assert labels == [label for name in names for _, _, label in rows(source, name)]
    assert info.metrics == task.metrics
    assert info.parts == ({"matched": N, "mismatched": N} if task.parts else {})


def test_parts_keep_their_counts_where_splits_are_cut(tmp_path: Path) -> None:
    for name in ("train", "dev_matched", "dev_mismatched"):
        write_tsv("glue_mnli", tmp_path / f"{name}.tsv", name, 30 if name == "dev_matched" else N)
    data = Glue(source="glue_mnli", path=str(tmp_path), max_examples=20).build("m")
    parts = data.tables["test"].info.parts
    assert sum(parts.values()) == 20
    first = data.tables["test"].texts["premise"]  # type: ignore[index]
    assert [text.startswith("dev_matched") for text in first] == [True] * parts["matched"] + [False] * parts[
        "mismatched"
    ]


def test_lines_without_their_cells_are_counted_and_empty_questions_stay(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        write_tsv("glue_qqp", tmp_path / f"{name}.tsv", name)
    with (tmp_path / "train.tsv").open("a") as file:
        file.write("7\t1\t2\tcut off\n8\t1\t2\t\twhat?\t1\n")
    data = Glue(source="glue_qqp", path=str(tmp_path)).build("q")
    assert len(data.tables["train"]) + len(data.tables["validation"]) == N + 1
    assert "1 broken line of train.tsv left out." in data.notes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0\ta\tb\tmaybe", "row 41: unknown label 'maybe'"),
        ("0\ta\tb\t-1", r"row 41: its label is hidden \(-1\)"),
        (None, "no test split in a known form; put it there as validation"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, line: str | None, said: str) -> None:
    write_tsv("glue_rte", tmp_path / "train.tsv", "train")
    if line is not None:
        write_tsv("glue_rte", tmp_path / "dev.tsv", "dev")
        with (tmp_path / "train.tsv").open("a") as file:
            file.write(f"{line}\n")
    with pytest.raises(UserError, match=said):
        Glue(source="glue_rte", path=str(tmp_path)).build("r")


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("nan", "row 1: label 'nan' is not a number"),
        ("5.01", "row 1: label '5.01' is no score from 0 to 5"),
        ("-0.5", "row 1: label '-0.5' is no score from 0 to 5"),
        ("-1.0", r"row 1: its label is hidden \(-1.0\)"),
    ],
)
def test_scores_that_are_none(tmp_path: Path, score: str, said: str) -> None:
    write_tsv("glue_stsb", tmp_path / "train.tsv", "train")
    (tmp_path / "dev.tsv").write_text(f"sentence1\tsentence2\tscore\na\tb\t{score}\n")
    with pytest.raises(UserError, match=said):
        Glue(source="glue_stsb", path=str(tmp_path)).build("s")


@pytest.mark.parametrize("header", ["source\tlabel\tmark\tsentence", "sentence\tlabel"])
def test_cola_with_a_header(tmp_path: Path, header: str) -> None:
    write_tsv("glue_cola", tmp_path / "train.tsv", "train")
    row = {"source": "gj04", "label": "1", "mark": "", "sentence": 'He said "no.'}
    line = "\t".join(row[name] for name in header.split("\t"))
    (tmp_path / "dev.tsv").write_text(f"{header}\n{line}\n")
    test = Glue(source="glue_cola", path=str(tmp_path)).build("c").tables["test"]
    assert test.texts == {"sentence": [row["sentence"]]}
    assert test.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("index\tsentence1\tsentence1\tsentence2\tlabel\n", "more than one column 'sentence1'"),
        ("sentence1\tsentence2\tlabel\na\tb\n", r"no rows of 3 cells \(sentence1, sentence2, label\)"),
    ],
)
def test_files_without_use(tmp_path: Path, content: str, said: str) -> None:
    write_tsv("glue_rte", tmp_path / "train.tsv", "train")
    (tmp_path / "dev.tsv").write_text(content)
    with pytest.raises(UserError, match=said):
        Glue(source="glue_rte", path=str(tmp_path)).build("r")


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    write_tsv("glue_rte", tmp_path / "train.tsv", "train")
    twice = pa.table([["a"], ["b"], ["c"], [1]], names=["sentence1", "sentence1", "sentence2", "label"])
    pq.write_table(twice, tmp_path / "validation.parquet")
    with pytest.raises(UserError, match="more than one column 'sentence1'"):
        Glue(source="glue_rte", path=str(tmp_path)).build("r")


def test_two_files_of_one_split_are_refused(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        write_tsv("glue_rte", tmp_path / f"{name}.tsv", name)
    write_parquet("glue_rte", tmp_path / "validation.parquet", "validation")
    with pytest.raises(UserError, match=r"several files of the test split: dev\.tsv, validation\.parquet"):
        Glue(source="glue_rte", path=str(tmp_path)).build("r")


def test_classes_as_floats(tmp_path: Path) -> None:
    """As pandas writes numbers of a column that once had gaps."""
    write_tsv("glue_rte", tmp_path / "train.tsv", "train")
    pq.write_table(
        pa.table({"sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [1.0, 0.0]}),
        tmp_path / "validation.parquet",
    )
    data = Glue(source="glue_rte", path=str(tmp_path)).build("r")
    assert data.tables["test"].labels.tolist() == [1, 0]


def test_the_hub_is_asked_for_one_task_at_a_pinned_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Split(dict[str, Any]):
        @property
        def column_names(self) -> list[str]:
            return list(self)

    def load(*names: str, **settings: Any) -> dict[str, Split]:
        asked.append((names, settings))
        found = {}
        for split in ("train", "validation_matched", "validation_mismatched"):
            a, b, label = zip(*rows("glue_mnli", split), strict=True)
            found[split] = Split(premise=a, hypothesis=b, label=label)
        return found

    module = ModuleType("datasets")
    module.__dict__.update(load_dataset=load, __version__="4.0.0")
    monkeypatch.setitem(sys.modules, "datasets", module)
    data = Glue(source="glue_mnli").build("m")
    assert asked == [(("nyu-mll/glue", "mnli"), {"revision": glue.COMMIT})]
    assert data.tables["test"].info.parts == {"matched": N, "mismatched": N}


@pytest.mark.parametrize("source", ["glue_mrpc", "glue_stsb"])
def test_tables_and_encoded_inputs_keep_labels_and_metrics(tmp_path: Path, source: str) -> None:
    for name in ("train", "dev"):
        write_tsv(source, tmp_path / "raw" / f"{name}.tsv", name)
    spec = Glue(source=source, path=str(tmp_path / "raw"), max_tokens=16)  # type: ignore[arg-type]
    build("g", spec, tmp_path / "data")
    test = read_table(tmp_path / "data/test.parquet")
    assert test.info.metrics == TASKS[source].metrics
    study = study_from(
        {
            "name": "s",
            "seeds": [0],
            "datasets": {"g": {"source": source, "path": "x"}},
            "archs": {"bilstm": {"family": "bilstm", "vectors": 4}},
            "grid": [{"datasets": ["g"], "archs": ["bilstm"]}],
        }
    )
    encode(tmp_path / "data", "g", "bilstm", spec, study.archs["bilstm"], tmp_path / "inputs.safetensors")
    inputs = load_inputs(tmp_path / "inputs.safetensors")
    assert inputs.metrics == TASKS[source].metrics
    labels = inputs.splits["test"].labels
    assert labels.dtype == (np.float32 if source == "glue_stsb" else np.int64)
    assert labels.tolist() == [label for _, _, label in rows(source, "dev")]


def test_tables_of_other_data_sets_are_written_as_before() -> None:
    from prunescope.data.dataset import TableInfo

    info = TableInfo("d", "train", "single-label", ("a", "b"), ("text",))
    assert info.json() == (
        '{"dataset": "d", "split": "train", "task": "single-label", "classes": ["a", "b"], "inputs": ["text"], '
        '"image_shape": null, "image_scale": null}'
    )


@pytest.mark.parametrize(
    "source", ["glue_cola", "glue_mrpc", "glue_stsb", "glue_rte", "glue_sst2", "glue_wnli"]
)
def test_real_files_have_the_published_counts(source: str) -> None:
    folder = REAL / source
    if not folder.is_dir():
        pytest.skip(f"no {source} in {REAL}")
    spec = Glue(source=source, path=str(folder))  # type: ignore[arg-type]
    data = spec.build("g")
    counts = {split: len(table) for split, table in data.tables.items()}
    train, test = TASKS[source].counts
    assert counts["train"] + counts["validation"] == train
    assert counts["test"] == test
    assert counts["validation"] == pytest.approx(train / 10, abs=3)
    plan = spec.declared()
    assert (plan.train, plan.validation, plan.test) == pytest.approx(tuple(counts.values()), abs=3)
    if source == "glue_mrpc":
        labels = np.concatenate([data.tables[split].labels for split in ("train", "validation")])
        assert int(labels.sum()) == 2_474
