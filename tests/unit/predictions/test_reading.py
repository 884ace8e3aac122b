"""Users' tables through the command: what is asked, what is said, and what is refused instead of guessed."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from prunescope.cli import main
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions

HEADER = "example,label,prediction\n"


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def audit(out: Path, dense: Path, pruned: Path, *options: str) -> dict[str, Any]:
    assert main(["audit", "--dense", str(dense), "--pruned", str(pruned), "--out", str(out), *options]) == 0
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


def refused(capsys: pytest.CaptureFixture[str], out: Path, dense: Path, pruned: Path, *options: str) -> str:
    capsys.readouterr()
    assert main(["audit", "--dense", str(dense), "--pruned", str(pruned), "--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not out.exists()
    return error


def votes(out: Path) -> dict[str, list[Any]]:
    held: dict[str, list[Any]] = pq.read_table(out / "pies.parquet").to_pydict()
    return held


def test_names_beside_indices_ask_for_the_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """GLUE's order is not the alphabet's: entailment 0, neutral 1, contradiction 2."""
    names = ("entailment", "neutral", "contradiction")
    a = written(tmp_path / "a.csv", HEADER + "".join(f"{i},{names[i % 3]},{i % 3}\n" for i in range(9)))
    b = written(
        tmp_path / "b.csv", HEADER + "".join(f"{i},{names[i % 3]},{names[i % 3]}\n" for i in range(9))
    )
    error = refused(capsys, tmp_path / "out", a, b)
    assert "a.csv: column 'prediction' holds indices (0, 1, 2)" in error
    assert "--classes" in error
    for given in (",".join(names), str(written(tmp_path / "names.txt", "\n".join(names) + "\n"))):
        summary = audit(tmp_path / "out", a, b, "--classes", given)
        assert (summary["dense_score"], summary["pruned_score"]) == (1.0, 1.0)
        assert summary["read"]["classes"] == list(names)
        assert summary["read"]["order"] == "as --classes gives them"


def test_some_labels_of_minus_one_are_no_class_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{i},{-1 if i == 4 else i % 3},{i % 3}\n" for i in range(9))
    mine = written(tmp_path / "a.csv", HEADER + rows)
    error = refused(capsys, tmp_path / "out", mine, mine)
    assert "a.csv: column 'label' holds -1 in some rows, and no model predicts it" in error
    summary = audit(tmp_path / "out", mine, mine, "--classes=-1,0,1,2")
    assert summary["dense_score"] == pytest.approx(8 / 9)
    # A model that predicts it knows it as a class.
    signs = written(tmp_path / "b.csv", HEADER + "0,-1,-1\n1,1,-1\n2,1,1\n")
    assert audit(tmp_path / "out", signs, signs)["read"]["classes"] == ["-1", "1"]


def test_negative_whole_numbers_say_how_they_were_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,-5,10\n1,10,-5\n2,2,2\n")
    audit(tmp_path / "out", mine, mine)
    lines = capsys.readouterr().out.splitlines()
    assert "whole numbers, read as classes; --task regression reads them as scores" in lines[0]
    assert lines[1] == "3 classes, numbers in their order: -5, 2, 10."


@pytest.mark.parametrize("label", ["sport", "1.5"])
def test_labels_that_do_not_vary_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    other = "news" if label == "sport" else "2.5"
    mine = written(tmp_path / "a.csv", HEADER + f"0,{label},{label}\n1,{label},{other}\n")
    audit(tmp_path / "out", mine, mine)
    assert capsys.readouterr().err.count(f"the label of every example is {label!r}") == 1


def test_a_margin_without_labels_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,-1,1\n1,-1,0\n")
    assert "as there are no labels" in refused(capsys, tmp_path / "out", mine, mine, "--margin", "0.1")


def test_what_was_read_stands_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", "idx,Y True,y_pred\n0,b,a\n1,a,a\n")
    audit(tmp_path / "out", mine, mine)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "Read as single-label: 2 examples, 1 seed a side.",
        "2 classes, in alphabetical order: a, b.",
        "Columns of both sides: example = idx, label = Y True, prediction = y_pred.",
    ]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index(lines[0]) < page.index("The answer")


def test_prediction_tables_are_named_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = SeedBlock(3, np.array([0, 1, 1]), prediction=np.array([0, 1, 0]))
    write_predictions(tmp_path / "a.parquet", TableMeta("single-label", ("x", "y")), [block])
    audit(tmp_path / "out", tmp_path / "a.parquet", tmp_path / "a.parquet")
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "Read as single-label (prediction tables, 2 classes): 3 examples, 1 seed a side."


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("idx,y_true,y_pred", ()),
        ("ID,Label, Prediction", ()),
        ("example_id,target,pred", ()),
        ("row,truth,answer", ("--id", "row", "--label", "truth", "--prediction", "answer")),
        # Both of these are usual names of the example: the contract's own comes first.
        ("example,gold,preds", ()),
    ],
)
def test_columns_by_their_usual_names_or_as_named(
    tmp_path: Path, header: str, options: tuple[str, ...]
) -> None:
    mine = written(tmp_path / "a.csv", header + "\n5,x,y\n7,y,y\n")
    out = tmp_path / "out"
    audit(out, mine, mine, *options)
    assert votes(out)["example"] == [5, 7]


def test_two_columns_that_could_be_meant_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(tmp_path / "a.csv", "id,idx,label,prediction\n0,5,x,y\n")
    assert "columns 'id', 'idx' could all be the example; name one with --id" in (
        refused(capsys, tmp_path / "out", mine, mine)
    )
    out = tmp_path / "out"
    audit(out, mine, mine, "--id", "idx")
    assert votes(out)["example"] == [5]


def test_a_named_column_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,x,y\n")
    assert "no column 'gold', which --label names; the file has example, label, prediction" in (
        refused(capsys, tmp_path / "out", mine, mine, "--label", "gold")
    )


def test_seeds_by_their_column(tmp_path: Path) -> None:
    mine = written(tmp_path / "a.csv", "run," + HEADER + "0,0,x,x\n0,1,y,y\n3,0,x,y\n3,1,y,y\n")
    assert audit(tmp_path / "out", mine, mine, "--seed-column", "run")["seeds"] == [0, 3]


def test_ids_that_are_texts_pair_across_sides_and_with_texts(tmp_path: Path) -> None:
    a = written(tmp_path / "a.csv", HEADER + "q-9,x,x\nq-10,y,x\nz,x,x\n")
    b = written(tmp_path / "b.csv", HEADER + "z,x,y\nq-10,y,x\nq-9,x,x\n")
    texts = written(tmp_path / "t.csv", "example,text\nz,The last.\nq-9,Nine.\nq-10,Ten.\n")
    out = tmp_path / "out"
    audit(out, a, b, "--texts", str(texts))
    found = votes(out)
    assert found["example"] == ["q-10", "q-9", "z"]
    assert found["is_pie"] == [False, False, True]
    assert "The last." in (out / "report.html").read_text()


def test_rows_without_ids_pair_by_their_number_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(tmp_path / "a.csv", "label,prediction\nx,x\ny,x\n")
    audit(tmp_path / "out", mine, mine)
    assert "no column of examples; rows pair by their number" in capsys.readouterr().err
    shorter = written(tmp_path / "b.csv", "label,prediction\nx,x\n")
    assert "seed 0 has 1 examples" in refused(capsys, tmp_path / "other", mine, shorter)


@pytest.mark.parametrize(
    ("values", "options", "task"),
    [
        (("3.9", "3.10", "3.1"), (), "single-label"),
        (("3.9", "3.10", "3.1"), ("--task", "regression"), "regression"),
        (("3.50", "3.25", "4.00"), (), "regression"),
        (("3.5", "3.25", "4.0"), (), "regression"),
        (("3.5", "3.25", "4.0"), ("--task", "single-label"), "single-label"),
        (("3", "5", "4"), (), "single-label"),
        (("3", "5", "4"), ("--task", "regression"), "regression"),
    ],
)
def test_numbers_are_names_or_scores(
    tmp_path: Path, values: tuple[str, ...], options: tuple[str, ...], task: str
) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "".join(f"{i},{v},{v}\n" for i, v in enumerate(values)))
    summary = audit(tmp_path / "out", mine, mine, *options)
    assert summary["task"] == task
    if options:
        assert summary["read"]["notes"] == []
    elif task == "single-label":
        assert "--task regression" in summary["read"]["notes"][0]
    if values[0] == "3.9" and not options:
        assert summary["n_classes"] == 3


def test_numbers_with_a_decimal_comma_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", "example;label;prediction\n0;3,5;3,25\n1;2;2,5\n")
    assert "a number with a decimal comma" in refused(capsys, tmp_path / "out", mine, mine)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("\"['a', 'b']\"", "['c']"),
        ('"[""a"", ""b""]"', '"[""c""]"'),
        ("['a' 'b']", "['c']"),
        ("\"{'b', 'a'}\"", "{'c'}"),
        ("\"('a', 'b')\"", "\"('c',)\""),
        ("b|a", "c"),
    ],
)
def test_cells_that_look_like_lists_are_several_labels(tmp_path: Path, first: str, second: str) -> None:
    mine = written(tmp_path / "a.csv", HEADER + f"0,{first},{second}\n1,{second},[]\n2,{second},[]\n")
    if "|" in first:
        mine = written(tmp_path / "a.csv", HEADER + f"0,{first},{second}\n1,{second},\n2,{second},\n")
    out = tmp_path / "out"
    assert audit(out, mine, mine)["task"] == "multi-label"
    found = votes(out)
    assert found["label"] == [[0, 1], [2], [2]]
    assert found["dense_vote"] == [[2], [], []]


def test_lists_of_indices(tmp_path: Path) -> None:
    mine = written(tmp_path / "a.csv", HEADER + '0,"[0, 2]",[1]\n1,[0 2],[]\n')
    out = tmp_path / "out"
    audit(out, mine, mine)
    assert votes(out)["label"] == [[0, 2], [0, 2]]


def test_a_bar_in_a_class_name_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,Sci|Fi,Drama\n1,Drama,Sci|Fi\n")
    error = refused(capsys, tmp_path / "out", mine, mine)
    assert "'Sci|Fi': one class name, or several labels joined by '|'?" in error
    assert audit(tmp_path / "one", mine, mine, "--task", "single-label")["read"]["classes"] == [
        "Drama",
        "Sci|Fi",
    ]
    assert audit(tmp_path / "more", mine, mine, "--task", "multi-label")["n_classes"] == 3


def test_blanks_tell_names_apart_within_a_column_not_between_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One column with ``a`` and ``a `` has two classes; files that pad each name have the same classes."""
    apart = written(tmp_path / "apart.csv", HEADER + "0,a,a \n1,a ,a \n2, b,a\n")
    found = audit(tmp_path / "two", apart, apart)
    assert (found["read"]["classes"], found["dense_score"]) == ([" b", "a", "a "], 1 / 3)
    assert " holds 'a' and 'a ', which differ in blanks alone: read as two" in capsys.readouterr().err
    plain = written(tmp_path / "plain.csv", HEADER + "0,a,a\n1,b,a\n")
    padded = written(tmp_path / "padded.csv", "example, label, prediction\n0, a, a\n1, b, b\n")
    for options, order in (((), ["a", "b"]), (("--classes", "b,a"), ["b", "a"])):
        capsys.readouterr()
        found = audit(tmp_path / "one", plain, padded, *options)
        assert (found["read"]["classes"], found["dense_score"], found["pruned_score"]) == (order, 0.5, 1.0)
        said = capsys.readouterr().err
        assert "differ in blanks alone: read as one class" in said
        assert str(plain) in said or options
        assert str(padded) in said
    sets = "".join(f'{{"example": {i}, "label": ["a ", "b"], "prediction": ["a"]}}\n' for i in range(2))
    assert audit(tmp_path / "sets", *[written(tmp_path / "s.jsonl", sets)] * 2)["n_classes"] == 2


@pytest.mark.parametrize("rows", ["{i},-1,{v}\n", "{i},{v}\n"])
def test_no_labels_mean_votes_without_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str
) -> None:
    header = HEADER if "-1" in rows else "example,prediction\n"
    a, b = (
        written(
            tmp_path / f"{name}.csv", header + "".join(rows.format(i=i, v=v) for i, v in enumerate(values))
        )
        for name, values in (("a", "xyyx"), ("b", "xxyy"))
    )
    out = tmp_path / "out"
    summary = audit(out, a, b)
    assert (summary["n_pies"], summary["n_flips_mean"]) == (2, 2.0)
    assert (summary["dense_score"], summary["pruned_score"]) == (None, None)
    assert "alpha" not in summary
    assert summary["read"]["classes"] == ["x", "y"]
    assert votes(out)["label"] == [None] * 4
    printed = capsys.readouterr()
    assert "no labels" in printed.err
    assert "accuracy" not in printed.out
    assert "accuracy is" not in (out / "report.html").read_text()


def test_labels_of_one_side_serve_both(tmp_path: Path) -> None:
    a = written(tmp_path / "a.csv", HEADER + "0,x,x\n1,y,y\n")
    b = written(tmp_path / "b.csv", "example,prediction\n1,y\n0,y\n")
    for dense, pruned in ((a, b), (b, a)):
        summary = audit(tmp_path / "out", dense, pruned)
        assert {summary["dense_score"], summary["pruned_score"]} == {1.0, 0.5}


def test_no_labels_of_scores_and_of_sets(tmp_path: Path) -> None:
    a = written(tmp_path / "a.csv", "example,prediction\n0,1.5\n1,2.5\n2,3.5\n")
    b = written(tmp_path / "b.csv", "example,prediction\n0,1.5\n1,9.5\n2,3.5\n")
    assert audit(tmp_path / "out", a, b)["n_pies"] == 1
    a = written(tmp_path / "a.csv", "example,prediction\n0,x|y\n1,y\n")
    assert audit(tmp_path / "out", a, a)["task"] == "multi-label"


def test_a_class_that_is_only_predicted_is_named_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = written(tmp_path / "a.csv", HEADER + "0,sport,sport\n1,news,news\n")
    b = written(tmp_path / "b.csv", HEADER + "0,sport,SPORT\n1,news,news\n")
    audit(tmp_path / "out", a, b)
    assert "'SPORT' (a label is 'sport') is predicted but never a label" in capsys.readouterr().err
    assert "a label is &#39;sport&#39;" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_encodings_that_bytes_show(tmp_path: Path, encoding: str) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,grün,rot\n1,rot,rot\n", encoding)
    if encoding == "utf-32":
        mine = written(tmp_path / "a.csv", HEADER + "0,grün,rot\n1,rot,rot\n", encoding)
    assert audit(tmp_path / "out", mine, mine)["read"]["classes"] == ["grün", "rot"]


def test_other_encodings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,rot,rot\n1,grün,rot\n", "latin-1")
    assert "a.csv: not UTF-8: line 3 holds byte 0xfc, as Latin-1 and Windows files do; give --encoding" in (
        refused(capsys, tmp_path / "out", mine, mine)
    )
    summary = audit(tmp_path / "out", mine, mine, "--encoding", "latin-1")
    assert summary["read"]["classes"] == ["grün", "rot"]
    assert "no encoding Python knows" in refused(capsys, tmp_path / "b", mine, mine, "--encoding", "klingon")


@pytest.mark.parametrize(
    ("sep", "option"), [("\t", None), (";", None), ("|", None), ("^", "^"), ("\t", "tab")]
)
def test_separators(tmp_path: Path, sep: str, option: str | None) -> None:
    mine = written(tmp_path / "a.csv", (HEADER + "0,a,b\n1,b,b\n").replace(",", sep))
    options = ("--sep", option) if option else ()
    assert audit(tmp_path / "out", mine, mine, *options)["n_examples"] == 2


def lines_of(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


ROWS = [{"idx": 0, "label": "a", "pred": "b"}, {"pred": "b", "label": "b", "idx": 1}]


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "json", "txt"])
def test_json_lines(tmp_path: Path, form: str) -> None:
    mine = tmp_path / f"a.{form}"
    text = json.dumps(ROWS, indent=1) if form == "json" else lines_of(ROWS)
    mine.write_bytes(gzip.compress(text.encode()) if form.endswith("gz") else text.encode())
    out = tmp_path / "out"
    assert audit(out, mine, mine)["dense_score"] == 0.5
    assert votes(out)["example"] == [0, 1]


def test_json_lines_of_sets_and_numbers(tmp_path: Path) -> None:
    rows = [
        {"example": "p", "label": ["a", "b|c"], "prediction": []},
        {"example": "q", "label": ["a"], "prediction": ["a"]},
    ]
    mine = written(tmp_path / "a.jsonl", lines_of(rows))
    out = tmp_path / "out"
    assert audit(out, mine, mine)["read"]["classes"] == ["a", "b|c"]
    assert votes(out)["label"] == [[0, 1], [0]]
    numbers = [
        {"example": 0, "label": 1.5, "prediction": 2},
        {"example": 1, "label": 3, "prediction": 2.5},
        {"example": 2, "label": 2, "prediction": 2},
    ]
    mine = written(tmp_path / "b.jsonl", lines_of(numbers))
    assert audit(out, mine, mine)["task"] == "regression"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (lines_of(ROWS) + '{"idx": 2, "lab', "line 3 is cut off"),
        (lines_of(ROWS)[:-1].replace("}\n", "\n"), "line 1 is no JSON"),
        ("[1, 2]\n", "entry 1 of the array is not a JSON object"),
        ("7\n", "line 1 is not a JSON object"),
        (lines_of(ROWS) + '{"idx": 2, "label": "a"}\n', "line 3 has no 'pred'"),
        (lines_of([{**ROWS[0], "label": {"x": 1}}]), "'label' must hold texts, numbers or lists of them"),
        (lines_of([{**ROWS[0], "label": None}]), "column 'label' has 1 missing values"),
        ("", "the file is empty"),
    ],
)
def test_json_lines_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    mine = written(tmp_path / "a.jsonl", text)
    error = refused(capsys, tmp_path / "out", mine, mine)
    assert "a.jsonl: " in error
    assert said in error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--task", "guessing"), "--task: 'guessing' is no task; there are single-label"),
        (("--classes", ","), "holds no name"),
        (("--classes", "a,b,a"), "--classes: 'a' is listed twice"),
        (("--classes", "names.txt"), "no such file"),
        (("--sep", "::"), "--sep: '::' is not one character"),
        (("--classes", "a,c"), "'b', which is neither a class name nor an index; the classes are a, c"),
    ],
)
def test_options_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,a,b\n1,b,b\n")
    assert said in refused(capsys, tmp_path / "out", mine, mine, *options)


def test_text_answers_in_csv(tmp_path: Path) -> None:
    mine = written(tmp_path / "a.csv", HEADER + '0,The cat,"the cat."\n1,a dog,a cow\n')
    assert audit(tmp_path / "out", mine, mine, "--task", "text")["dense_score"] == 0.5


def test_row_order_does_not_matter_with_text_ids(tmp_path: Path) -> None:
    rows = [f"e{i},{'xy'[i % 2]},{'xyx'[i % 3]}\n" for i in range(30)]
    a = written(tmp_path / "a.csv", HEADER + "".join(rows))
    b = written(tmp_path / "b.csv", HEADER + "".join(reversed(rows)))
    found = []
    for name, mine in (("one", a), ("two", b)):
        audit(tmp_path / name, mine, a)
        with open(tmp_path / name / "classes.csv", encoding="utf-8") as stream:
            found.append((list(csv.reader(stream)), votes(tmp_path / name)))
    assert found[0] == found[1]


def test_what_a_trainer_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 30)
    logits = rng.normal(size=(30, 3)).astype(np.float32)
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(a, predictions=logits, label_ids=label)
    np.savez_compressed(b, predictions=logits * 2 + rng.normal(size=(30, 3)), label_ids=label)
    summary = audit(tmp_path / "out", a, b)
    assert summary["task"] == "single-label"
    assert summary["dense_score"] == pytest.approx(np.mean(logits.argmax(1) == label))
    assert summary["kl_mean"] > 0
    audit(tmp_path / "named", a, b, "--classes", "cat,dog,bird")
    assert {row["class"] for row in csv.DictReader((tmp_path / "named" / "classes.csv").open())} == {
        *("cat", "dog", "bird")
    }
    assert "--classes: 2 names, but" in refused(capsys, tmp_path / "no", a, b, "--classes", "cat,dog")
    np.savez(a, predictions=logits[:, :1], label_ids=label.astype(np.float32))
    assert audit(tmp_path / "out", a, a)["task"] == "regression"
    np.savez(a, predictions=logits, label_ids=(logits > 1).astype(np.float32))
    assert audit(tmp_path / "out", a, a)["task"] == "multi-label"


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros(3)}, "no array 'predictions'; the file has x"),
        (
            {"predictions": np.zeros((2, 3, 4)), "label_ids": np.zeros((2, 3))},
            "arrays of shapes (2, 3, 4), (2, 3)",
        ),
        ({"predictions": np.zeros((2, 3))}, "no column 'label'"),
    ],
)
def test_arrays_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arrays: dict[str, Any], said: str
) -> None:
    mine = tmp_path / "a.npz"
    np.savez(mine, **arrays)
    assert said in refused(capsys, tmp_path / "out", mine, mine)
    mine.write_bytes(mine.read_bytes()[:100])
    assert "not a whole .npz file" in refused(capsys, tmp_path / "out", mine, mine)


@pytest.mark.parametrize("all_classes", [False, True])
def test_what_a_pipeline_returns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], all_classes: bool
) -> None:
    """Its ``label`` is the model's answer; nobody says what is right."""

    def said(names: str) -> str:
        best = [{"label": name, "score": 0.9} for name in names]
        rest = [[{"label": "z", "score": 0.1}, one] for one in best]
        return json.dumps(rest if all_classes else best)

    a, b = (written(tmp_path / f"{n}.json", said(names)) for n, names in (("a", "xyxy"), ("b", "xxxy")))
    summary = audit(tmp_path / "out", a, b)
    assert (summary["n_pies"], summary["labelled"]) == (1, False)
    assert summary["read"]["classes"] == ["x", "y"]
    assert "rows pair by their number" in capsys.readouterr().err


def test_prediction_tables_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    meta = TableMeta("single-label", ("x", "y", "z"))
    for name, label, values in (
        ("a", [-1] * 4, logits),
        ("b", [-1] * 4, logits[::-1]),
        ("c", [0, -1, 1, 2], logits),
    ):
        write_predictions(tmp_path / f"{name}.parquet", meta, [SeedBlock(0, np.array(label), values)])
    a, b, c = (tmp_path / f"{name}.parquet" for name in "abc")
    summary = audit(tmp_path / "out", a, b)
    assert (summary["labelled"], summary["dense_score"], summary["n_pies"]) == (False, None, 2)
    assert "holds class -1" in refused(capsys, tmp_path / "other", a, c)


def test_options_that_prediction_tables_contradict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = SeedBlock(0, np.array([0, 1]), prediction=np.array([0, 1]))
    write_predictions(tmp_path / "a.parquet", TableMeta("single-label", ("x", "y")), [block])
    a = tmp_path / "a.parquet"
    for option in (("--classes", "y,x"), ("--task", "multi-label")):
        assert f"{option[0]}: " in refused(capsys, tmp_path / "out", a, a, *option)
    assert audit(tmp_path / "out", a, a, "--classes", "x,y", "--task", "single-label")["dense_score"] == 1


def test_clusters_are_what_tests_and_intervals_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thirty passages of four questions; on four passages all answers become wrong: 16 examples, but 4 clusters."""
    head = "example,label,prediction,passage,half\n"
    dense = "".join(f"{i},{'ab'[i % 2]},{'ab'[i % 2]},p{i // 4},{i % 3}\n" for i in range(120))
    pruned = "".join(f"{i},{'ab'[i % 2]},{'ab'[(i + (i < 16)) % 2]},p{i // 4},{i % 3}\n" for i in range(120))
    a, b = written(tmp_path / "a.csv", head + dense), written(tmp_path / "b.csv", head + pruned)
    alone = audit(tmp_path / "alone", a, b, "--groups", "half")
    capsys.readouterr()
    found = audit(tmp_path / "out", a, b, "--clusters", "passage", "--groups", "half")
    said = capsys.readouterr().out
    assert "30 clusters of examples by 'passage': tests and intervals count these." in said
    assert "exact test by cluster, p = 0.12" in said
    assert alone["mcnemar"]["p_value"] == pytest.approx(2 / 2**16)
    assert found["mcnemar"] == {"to_wrong": 16, "to_right": 0, "p_value": pytest.approx(2 / 2**4)}
    assert found["clusters"] == {"column": "passage", "n": 30}
    assert found["change"]["mean"] == alone["change"]["mean"]
    assert found["change"]["ci_low"] < alone["change"]["ci_low"] < -0.1
    assert found["alpha_corrected"]["verdict"] == "?"
    for name, rows in (("classes.csv", 2), ("groups.csv", 3)):
        with (tmp_path / "out" / name).open() as file:
            held = list(csv.DictReader(file))
        assert len(held) == rows
        assert all(float(row["p_value"]) >= 2 / 2**4 for row in held)
    assert "exact test by cluster" in (tmp_path / "out" / "report.html").read_text()
    assert "McNemar" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("column", "expected"),
    [("none", "no column 'none'"), ("gap", "has no value for some examples"), ("one", "has one value, 'x'")],
)
def test_columns_that_are_no_clusters_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, expected: str
) -> None:
    mine = written(tmp_path / "a.csv", "example,label,prediction,gap,one\n0,a,a,1,x\n1,b,a,,x\n")
    error = refused(capsys, tmp_path / "out", mine, mine, "--clusters", column)
    assert "--clusters" in error
    assert expected in error
