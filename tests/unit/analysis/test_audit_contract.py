"""The command against inputs that other people write: what they may look like, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.analysis.tables.registry import TABLES
from prunescope.cli import main

HEADER = "example,label,prediction\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def audited(tmp_path: Path, dense: Path, pruned: Path, *options: str) -> Path:
    out = tmp_path / "out"
    assert main(["audit", "--dense", str(dense), "--pruned", str(pruned), "--out", str(out), *options]) == 0
    return out


def refused(capsys: pytest.CaptureFixture[str], dense: Path, pruned: Path, out: Path, *options: str) -> str:
    capsys.readouterr()
    code = main(["audit", "--dense", str(dense), "--pruned", str(pruned), "--out", str(out), *options])
    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("prunescope: error: ")
    assert error.count("\n") == 1
    return error


def classes_of(out: Path) -> dict[str, int]:
    with open(out / "classes.csv", newline="", encoding="utf-8") as stream:
        return {row["class"]: int(row["n_examples"]) for row in csv.DictReader(stream)}


def votes_of(out: Path) -> dict[str, list[Any]]:
    held: dict[str, list[Any]] = pq.read_table(out / "pies.parquet").to_pydict()
    return held


def summary_of(out: Path) -> dict[str, Any]:
    def forbidden(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    value: dict[str, Any] = json.loads((out / "summary.json").read_text(), parse_constant=forbidden)
    return value


def table(
    path: Path, seeds: tuple[int, ...] = (0, 1), meta: dict[str, Any] | None = None, **more: Any
) -> Path:
    """A prediction table of 4 examples and 3 classes, written without this package."""
    n = 4 * len(seeds)
    logits = np.random.default_rng(len(path.name)).normal(size=n * 3).astype(np.float32)
    columns = {
        "seed": pa.array(np.repeat(seeds, 4), pa.int32()),
        "example": pa.array(np.tile(np.arange(4), len(seeds))),
        "label": pa.array(np.tile([0, 1, 2, 0], len(seeds)), pa.int32()),
        "logits": pa.FixedSizeListArray.from_arrays(pa.array(logits), 3),
        **more,
    }
    said = {"task": "single-label", "classes": ["ant", "bee", "cat"], **(meta or {})}
    pq.write_table(pa.table(columns).replace_schema_metadata({"prunescope": json.dumps(said)}), path)
    return path


def test_names_as_labels_and_indices_as_predictions(tmp_path: Path) -> None:
    """Indices count in the order that is said, whether whole or as pandas' floats."""
    dense = written(tmp_path / "a.csv", HEADER + "0,cat,2\n1,ant,0\n2,bee,1\n3,cat,0\n")
    pruned = written(tmp_path / "b.csv", HEADER + "0,cat,2.0\n1,ant,1.0\n2,bee,1.0\n3,cat,0.0\n")
    out = audited(tmp_path, dense, pruned, "--classes", "ant,bee,cat")
    assert classes_of(out) == {"ant": 1, "bee": 1, "cat": 2}
    votes = votes_of(out)
    assert votes["dense_vote"] == [2, 0, 1, 0]
    assert votes["pruned_vote"] == [2, 1, 1, 0]
    summary = summary_of(out)
    assert (summary["dense_score"], summary["pruned_score"], summary["n_pies"]) == (0.75, 0.5, 1)


def test_names_as_labels_and_indices_as_predictions_of_several_labels(tmp_path: Path) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,cat|ant,2\n1,bee,0|1\n2,,\n")
    votes = votes_of(audited(tmp_path, mine, mine, "--classes", "ant,bee,cat"))
    assert votes["label"] == [[0, 2], [1], []]
    assert votes["dense_vote"] == [[2], [0, 1], []]


def test_names_and_indices_beside_a_prediction_table(tmp_path: Path) -> None:
    mine = written(tmp_path / "b.csv", "seed," + HEADER + "0,0,ant,2\n0,1,bee,1\n0,2,cat,0\n0,3,ant,0\n")
    out = audited(tmp_path, table(tmp_path / "a.parquet", seeds=(0,)), mine)
    assert votes_of(out)["pruned_vote"] == [2, 1, 0, 0]


def test_an_index_beyond_the_names_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,ant,0\n1,bee,2\n")
    assert "holds '2', which is neither a class name nor an index" in (
        refused(capsys, mine, mine, tmp_path / "out", "--classes", "ant,bee")
    )


def test_a_number_that_is_name_and_index_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,ant,0\n1,1,1\n2,bee,2\n")
    assert "a class name in one column and an index in another" in (
        refused(capsys, mine, mine, tmp_path / "out", "--classes", "1,ant,bee")
    )


def test_names_that_only_look_missing_are_names(tmp_path: Path) -> None:
    names = ("NA", "None", "nan", "null")
    rows = "".join(f"{i},{name},{name}\n" for i, name in enumerate(names))
    mine = written(tmp_path / "a.csv", HEADER + rows)
    assert classes_of(audited(tmp_path, mine, mine)) == dict.fromkeys(names, 1)


def test_nan_among_numbers_is_a_missing_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,nan,0\n1,1,1\n")
    assert "column 'label' has missing values" in refused(capsys, mine, mine, tmp_path / "out")


def test_leading_zeros_make_a_name(tmp_path: Path) -> None:
    """A program that reads ``007`` as the number 7 still means the same class."""
    mine = written(tmp_path / "a.csv", HEADER + "0,007,7\n1,010,10\n2,010,7\n")
    out = audited(tmp_path, mine, mine)
    assert classes_of(out) == {"007": 1, "010": 2}
    assert votes_of(out)["dense_vote"] == [0, 1, 0]


def test_identifiers_with_and_without_a_fraction_are_one_class(tmp_path: Path) -> None:
    mine = written(tmp_path / "a.csv", HEADER + "0,40001,40001.0\n1,50002,40001.0\n")
    out = audited(tmp_path, mine, mine)
    assert classes_of(out) == {"40001": 1, "50002": 1}
    assert summary_of(out)["dense_score"] == 0.5


def test_large_example_numbers_of_csv_are_exact(tmp_path: Path) -> None:
    numbers = [2**60 + 1, 2**60 + 2]
    mine = written(tmp_path / "a.csv", HEADER + f"{numbers[0]},x,x\n{numbers[1]},y,x\n")
    texts = written(tmp_path / "t.csv", f"example,text\n{numbers[1]},Two.\n{numbers[0]},One.\n")
    assert votes_of(audited(tmp_path, mine, mine, "--texts", str(texts)))["example"] == numbers


def test_example_numbers_beyond_int64_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = pa.array([0, 1, 2, 2**64 - 1] * 2, pa.uint64())
    good, wrong = table(tmp_path / "a.parquet"), table(tmp_path / "b.parquet", example=examples)
    assert f"holds {2**64 - 1}" in refused(capsys, good, wrong, tmp_path / "out")


def test_rows_without_stored_prediction_are_decided_by_their_logits(tmp_path: Path) -> None:
    """As they come from joining tables with and without stored predictions."""
    logits = pa.array([[0.0, 1.0, 0.0]] * 8, pa.list_(pa.float32()))
    stored = pa.array([2, None, 0, None] * 2, pa.int32())
    mine = table(tmp_path / "a.parquet", logits=logits, prediction=stored)
    assert votes_of(audited(tmp_path, mine, mine))["dense_vote"] == [2, 1, 0, 1]


def test_sets_without_stored_prediction_are_decided_by_their_logits(tmp_path: Path) -> None:
    sets = pa.array([[0], [], [1, 2], [0]], pa.list_(pa.int32()))
    stored = pa.array([[], None, [0, 1], None], pa.list_(pa.int32()))
    logits = pa.array([[1.0, -1.0, 1.0]] * 4, pa.list_(pa.float32()))
    meta = {"task": "multi-label"}
    mine = table(tmp_path / "a.parquet", (0,), meta, label=sets, logits=logits, prediction=stored)
    assert votes_of(audited(tmp_path, mine, mine))["dense_vote"] == [[], [0, 2], [0, 1], [0, 2]]


def test_logits_of_texts_are_not_needed(tmp_path: Path) -> None:
    meta = {"task": "text", "classes": []}
    answers = pa.array([["a cat"], ["dog"], ["x", "y"], ["z"]], pa.list_(pa.string()))
    made = pa.array(["The cat!", "dog", "y", ""])
    mine = table(tmp_path / "a.parquet", (0,), meta, label=answers, prediction=made)
    assert summary_of(audited(tmp_path, mine, mine))["dense_score"] == 0.75


def test_options_given_twice_add_up(tmp_path: Path) -> None:
    a, b = table(tmp_path / "a.parquet", (0,)), table(tmp_path / "b.parquet", (7,))
    out = audited(tmp_path, a, a, "--dense", str(b), "--pruned", str(b))
    assert summary_of(out)["seeds"] == [0, 7]


def test_a_folder_with_anything_else_in_it_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = table(tmp_path / "a.parquet")
    out = audited(tmp_path, a, a)
    written(out / "notes.txt", "mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "notes.txt" in refused(capsys, a, a, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    mine = tmp_path / "mine"
    mine.mkdir()
    written(mine / "summary.json", "{}")
    refused(capsys, a, a, mine)
    assert (mine / "summary.json").read_text() == "{}"


def test_an_audit_whose_summary_was_removed_is_replaced(tmp_path: Path) -> None:
    """Snakemake removes the files a rule names before it runs the rule again."""
    a = table(tmp_path / "a.parquet")
    (audited(tmp_path, a, a) / "summary.json").unlink()
    written(tmp_path / "out" / ".snakemake_timestamp", "")
    assert summary_of(audited(tmp_path, a, a))["n_examples"] == 4


def test_a_column_that_stands_there_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = written(tmp_path / "a.csv", "example,label,prediction,label\n0,x,x,y\n")
    assert "more than one column 'label'" in refused(capsys, a, a, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tables_of_other_tasks_are_reported_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = table(tmp_path / "a.parquet")
    b = table(tmp_path / "b.parquet", meta={"task": "regression", "classes": []})
    assert "task 'regression', but" in refused(capsys, a, b, tmp_path / "out")


def test_texts_are_looked_for_before_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--texts", str(tmp_path / "none.csv"))
    missing = tmp_path / "none.parquet"
    assert "none.csv: no such file" in refused(capsys, missing, missing, tmp_path / "out", *options)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ('{"text": "a", "example": Infinity}', "must be a whole number"),
        ('{"text": ["a"]}', "must hold a text"),
    ],
)
def test_json_lines_of_other_values_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, expected: str
) -> None:
    a = table(tmp_path / "a.parquet")
    texts = written(tmp_path / "t.jsonl", row + "\n")
    assert expected in refused(capsys, a, a, tmp_path / "out", "--texts", str(texts))


def test_cross_study_tables_have_the_documented_columns() -> None:
    of_cells = {name: table.columns for name, table in TABLES.items() if "tests" not in name}
    assert of_cells == {
        name: tuple(f"dataset arch pruner sparsity {columns}".split())
        for name, columns in {
            "effectiveness": "metric mean std n_seeds",
            "task_metrics": "metric mean std n_seeds",
            "pie_share": "n_examples n_pies pie_share",
            "effectiveness_on_pies": "metric dense pruned n_pies n_seeds",
            "el2n_bins": "bin n_examples n_pies pie_share",
            "readability": "measure all pies ratio difference ci_low ci_high p_value p_corrected n_texts n_empty",
            "alpha": "ratio alpha ci_low ci_high confidence verdict accuracy n_seeds alpha_null alpha_corrected "
            "corrected_low corrected_high corrected_verdict alpha_control",
            "controls": "metric change_from_dense change_from_control ci_low ci_high n_seeds alpha_control",
            "changes": "metric change ci_low ci_high confidence detectable to_wrong to_right p_value n_seeds",
            "certainty": "measure scaled dense pruned change ci_low ci_high confidence",
            "alpha_variants": "ratio measure alpha ci_low ci_high n_seeds",
            "alpha_intensification": "ratio pooled_alpha pooled_r2 alpha_mean alpha_std alpha_min alpha_max "
            "intensification_mean intensification_std intensification_min intensification_max n_seeds "
            "n_undefined",
            "recall_variance": "ratio mean_recall_variance n_seeds",
            "pie_intervals": "n_seeds pie_share ci_low ci_high confidence bootstrap_mean pie_share_half "
            "noise_floor noise_floor_low noise_floor_high excess verdict centered_low centered_high",
            "pie_share_by_seeds": "n_models pie_share low high noise_floor",
            "agreement": "loyalty_mean loyalty_std loyalty_between_seeds flips_mean flips_to_wrong "
            "flips_to_right n_seeds flips_share",
            "pruning_loss": "step reached mean std n_seeds",
            "layer_collapse": "layer n_weights n_collapsed n_seeds",
            "objectives": "base objective metric mean std ci_low ci_high confidence n_seeds published",
            "who_pays": "reference n_examples n_pies_reference n_pies n_both jaccard jaccard_by_chance",
            "data_map": "confidence variability n_examples n_pies pie_share correctness el2n n_epochs",
            "groups": "column group n_examples score_dense score_pruned change ci_low ci_high to_wrong to_right "
            "p_value p_corrected",
            "slices": "slice n_examples harm harm_elsewhere p_value p_corrected n_confirming to_wrong to_right",
            "who_pays_classes": "reference class support change_reference change_reference_low change_reference_high "
            "change change_low change_high difference difference_low difference_high confidence "
            "n_seeds p_value p_corrected",
            "weights": "layer layer_name matrix rows columns n_matrices n_seeds left_share left_share_std rank "
            "rank_std rank_share rank_share_std empty_rows empty_rows_std empty_columns empty_columns_std row_gini "
            "row_gini_std column_gini column_gini_std megabytes megabytes_std row_gini_random column_gini_random "
            "megabytes_float32 megabytes_csr exported_score",
            "weight_values": "low high share share_std n_seeds",
            "spearman_pies": "n_examples n_spearman_pies n_both mean_spearman",
        }.items()
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("high", "column 'prediction' holds 'high', which is not a number"),
        ("90%", "column 'prediction' holds '90%', which is not a number"),
        ("1e39", "column 'prediction' holds '1e39', which is not a number"),
    ],
)
def test_a_prediction_beside_scores_that_is_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str, said: str
) -> None:
    """One wrong cell does not make scores into classes."""
    right = written(tmp_path / "a.csv", HEADER + "0,1.5,1.4\n1,2,2.25\n2,4,4\n")
    wrong = written(tmp_path / "b.csv", HEADER + f"0,1.5,1.4\n1,2,{value}\n2,4,4\n")
    assert summary_of(audited(tmp_path, right, right))["task"] == "regression"
    assert said in refused(capsys, right, wrong, tmp_path / "other")


def answers(path: Path, label: Any, prediction: Any, task: str = "span", **meta: Any) -> Path:
    """A prediction table of one model, written without this package."""
    columns = {
        "seed": pa.array([0] * len(label), pa.int32()),
        "example": pa.array(range(len(label)), pa.int64()),
        "label": label,
        "prediction": prediction,
    }
    said = json.dumps({"task": task, "classes": [], **meta})
    pq.write_table(pa.table(columns).replace_schema_metadata({"prunescope": said}), path)
    return path


@pytest.mark.parametrize("task", ["span", "text"])
@pytest.mark.parametrize(
    ("label", "prediction", "said"),
    [
        (pa.array([["a"], [None]]), pa.array(["a", "b"]), "column 'label' has 1 missing values"),
        (pa.array([[1], [2]]), pa.array(["a", "b"]), "column 'label' must hold strings, not int64"),
        (pa.array([["a"], ["b"]]), pa.array([1, 2]), "column 'prediction' must hold strings, not int64"),
        (
            pa.array([["a"], ["b"]]),
            pa.array([["a"], ["b"]]),
            "column 'prediction' must hold strings, not list",
        ),
    ],
)
def test_answers_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, label: Any, prediction: Any, said: str
) -> None:
    wrong = answers(tmp_path / "a.parquet", label, prediction, task)
    assert said in refused(capsys, wrong, wrong, tmp_path / "out")


@pytest.mark.parametrize("task", ["span", "text"])
def test_an_example_without_an_accepted_answer_is_wrong_whatever_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    label = pa.array([["a"], []])
    dense = answers(tmp_path / "a.parquet", label, pa.array(["a", "b"]), task)
    pruned = answers(tmp_path / "b.parquet", label, pa.array(["a", ""]), task)
    summary = summary_of(audited(tmp_path, dense, pruned))
    assert (summary["dense_score"], summary["pruned_score"], summary["n_pies"]) == (0.5, 0.5, 1)
    # Metrics that compare with the accepted answers have nothing to compare with.
    wrong = answers(tmp_path / "c.parquet", label, pa.array(["a", "b"]), task, metrics=["exact_match"])
    line = refused(capsys, wrong, wrong, tmp_path / "other")
    assert "c.parquet: column 'label' has an empty list; its metrics (exact_match) need" in line


def test_lists_of_answers_without_a_task_beside_a_table_of_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label, prediction = pa.array([["a b", "b"], ["c"]]), pa.array(["b", "c"])
    dense = answers(tmp_path / "a.parquet", label, prediction)
    plain = tmp_path / "b.parquet"
    pq.write_table(pa.table({"example": [0, 1], "label": label, "prediction": prediction}), plain)
    assert "holds lists of answers; give a prediction table" in refused(
        capsys, dense, plain, tmp_path / "out"
    )


def test_a_metric_that_its_task_has_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label, prediction = pa.array([["a"]]), pa.array(["a"])
    wrong = answers(tmp_path / "a.parquet", label, prediction, metrics=["pearson"])
    line = refused(capsys, wrong, wrong, tmp_path / "out")
    assert "a.parquet: metric 'pearson': unknown for task span; there are f1, exact_match\n" in line


@pytest.mark.filterwarnings("error")
def test_sentences_without_tokens_have_no_accuracy(tmp_path: Path) -> None:
    none = pa.array([[], []], pa.list_(pa.int32()))
    empty = answers(tmp_path / "a.parquet", none, none, "tokens", classes=["O"], metrics=["accuracy"])
    assert summary_of(audited(tmp_path, empty, empty))["task_metrics"]["accuracy"]["dense"] is None


def test_folders_of_a_studys_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers on the test split are compared; folders of one name are told apart by the folders above."""

    def models(folder: str, answers: str) -> Path:
        block = tmp_path / folder / "seeds-0-0"
        block.mkdir(parents=True)
        said = [int(answer) for answer in answers]
        table(block / "test.parquet", (0,), prediction=pa.array(said, pa.int32()))
        table(block / "train.parquet", (0, 1), {"split": "train"})
        written(block / "metrics.json", '{\n  "dataset": "x"\n}\n')
        written(block / "models.safetensors", "")
        return block

    dense, mild, harsh = models("none", "0120"), models("MP/half", "0121"), models("GP/half", "0021")
    out = audited(tmp_path, dense.parent, mild)
    assert summary_of(out)["n_seeds"] == 1
    assert summary_of(out)["pruned_score"] == 0.75
    two = ["--pruned", str(mild), str(harsh)]
    assert main(["audit", "--dense", str(dense), *two, "--out", str(tmp_path / "suite")]) == 0
    with open(tmp_path / "suite" / "matrix.csv", newline="", encoding="utf-8") as stream:
        to_wrong = {row["model"]: row["to_wrong"] for row in csv.DictReader(stream)}
    assert to_wrong == {"MP_half_seeds-0-0": "1", "GP_half_seeds-0-0": "2"}
    capsys.readouterr()
    assert main(["audit", "--dense", str(dense), *two, str(mild), "--out", str(tmp_path / "twice")]) == 2
    assert "given twice" in capsys.readouterr().err
