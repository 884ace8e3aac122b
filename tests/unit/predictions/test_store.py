"""Prediction tables and users' own tables: what is read, and what is refused, by name."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.errors import DamagedFileError, UserError
from prunescope.predictions.arrow import Source
from prunescope.predictions.store import (
    SeedBlock,
    TableMeta,
    decide,
    iter_logits,
    read_predictions,
    read_sides,
    write_predictions,
)

CLASSES = ("ant", "bee", "cat")
SINGLE = TableMeta("single-label", CLASSES, dataset="zoo", split="test")
LABEL = np.array([0, 1, 2, 1], dtype=np.int32)


def logits(seed: int, n: int = 4, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def single(path: Path, seeds: tuple[int, ...] = (0, 1), meta: TableMeta = SINGLE, **options: Any) -> Path:
    write_predictions(path, meta, (SeedBlock(s, LABEL, logits(s)) for s in seeds), **options)
    return path


def frame_to(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def refused(*paths: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_predictions(paths)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_round_trip_single_label(tmp_path: Path) -> None:
    side = read_predictions([single(tmp_path / "a.parquet", (3, 7))])
    assert side.task == "single-label"
    assert side.classes == CLASSES
    assert side.seeds.tolist() == [3, 7]
    assert side.examples.tolist() == [0, 1, 2, 3]
    assert side.label.tolist() == LABEL.tolist()
    assert side.label.dtype == np.int32
    assert side.prediction.dtype == np.int8
    assert side.prediction.tolist() == [logits(3).argmax(1).tolist(), logits(7).argmax(1).tolist()]
    assert side.meta is not None
    assert side.meta.dataset == "zoo"


def test_the_file_is_as_documented(tmp_path: Path) -> None:
    file = pq.ParquetFile(single(tmp_path / "a.parquet"))
    schema = file.schema_arrow
    assert [(f.name, str(f.type)) for f in schema] == [
        ("seed", "int32"),
        ("example", "int64"),
        ("label", "int32"),
        ("logits", "fixed_size_list<element: float>[3]"),
    ]
    assert json.loads(file.metadata.metadata[b"prunescope"]) == {
        "task": "single-label",
        "classes": list(CLASSES),
        "dataset": "zoo",
        "split": "test",
        "diverged": [],
    }
    assert file.num_row_groups == 2
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    a, b = single(tmp_path / "a.parquet"), single(tmp_path / "b.parquet")
    assert a.read_bytes() == b.read_bytes()


def test_metadata_keeps_what_it_does_not_know() -> None:
    stored = {"task": "text", "classes": [], "sparsity": 0.9, "quantized": "int8", "diverged": [4]}
    meta = TableMeta.from_json(stored, "x")
    assert meta.extra == {"quantized": "int8"}
    assert meta.to_json() == stored


def test_ties_go_to_the_lowest_class() -> None:
    tied = np.array([[1, 1, 0], [0, 2, 2], [3, 3, 3]], dtype=np.float32)
    assert decide(tied, "single-label").tolist() == [0, 1, 0]


def test_multi_label_thresholds_are_strict_and_per_seed(tmp_path: Path) -> None:
    # sigmoid(0) is exactly 0.5, sigmoid(1) about 0.731, sigmoid(-1) about 0.269
    values = np.array([[0.0, 1.0, -1.0]], dtype=np.float32)
    meta = TableMeta("multi-label", CLASSES, threshold={"1": 0.2, "2": 0.8})
    label = np.array([[True, False, True]])
    path = tmp_path / "m.parquet"
    write_predictions(path, meta, [SeedBlock(s, label, values) for s in (0, 1, 2)])
    side = read_predictions([path])
    assert side.label.tolist() == label.tolist()
    assert side.prediction[:, 0].tolist() == [[False, True, False], [True, True, True], [False, False, False]]
    assert read_predictions([path], threshold=0.4).prediction[0, 0].tolist() == [True, True, False]
    assert pq.read_table(path)["label"].to_pylist() == [[0, 2]] * 3


def test_stored_predictions_win_over_logits(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    stored = np.array([2, 2, 2, 2])
    write_predictions(path, SINGLE, [SeedBlock(0, LABEL, logits(0), stored)])
    assert read_predictions([path]).prediction[0].tolist() == [2, 2, 2, 2]


def test_float16_keeps_predictions_made_before_rounding(tmp_path: Path) -> None:
    # In float16 these two are equal, and argmax would turn to class 0; 1e6 is beyond its range.
    close = np.array([[1.0, 1.0001, 0.0], [1e6, 0, 0]], dtype=np.float32)
    path = tmp_path / "a.parquet"
    write_predictions(path, SINGLE, [SeedBlock(0, LABEL[:2], close)], float16=True)
    side = read_predictions([path])
    assert side.prediction[0].tolist() == [1, 0]
    assert side.diverged == ()
    stored = next(iter(iter_logits([path])))[2]
    assert stored[0, 0] == stored[0, 1] == 1.0


def test_the_logits_of_float16_tables_are_left_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    batches = Source.batches

    def noted(self: Source, columns: Sequence[str]) -> Any:
        read.extend(columns)
        return batches(self, columns)

    monkeypatch.setattr(Source, "batches", noted)
    rounded = single(tmp_path / "a.parquet", float16=True)
    side = read_predictions([rounded])
    assert sorted(read) == ["example", "label", "prediction", "seed"]
    assert side.meta is not None
    assert side.meta.finite is True
    whole = read_predictions([single(tmp_path / "b.parquet")])
    assert "logits" in read
    assert np.array_equal(side.prediction, whole.prediction)
    assert np.array_equal(side.label, whole.label)


def test_a_float16_table_joined_with_one_without_predictions(tmp_path: Path) -> None:
    stored = pq.read_table(single(tmp_path / "a.parquet", (0,), float16=True))
    other = pq.read_table(single(tmp_path / "b.parquet", (1,)))
    other = other.set_column(3, stored.schema.field("logits"), other["logits"].cast(stored["logits"].type))
    nulls = pa.nulls(len(other), stored.schema.field("prediction").type)
    other = other.append_column("prediction", nulls)
    joined = pa.concat_tables([stored, other.cast(stored.schema)])
    pq.write_table(joined, tmp_path / "c.parquet")
    side = read_predictions([tmp_path / "c.parquet"])
    assert np.array_equal(side.prediction, [decide(logits(seed), "single-label") for seed in (0, 1)])


def test_logits_that_are_not_finite_are_not_rounded(tmp_path: Path) -> None:
    broken = logits(0)
    broken[2, 1] = np.nan
    with pytest.raises(ValueError, match="seed 0: logits are not finite"):
        write_predictions(tmp_path / "a.parquet", SINGLE, [SeedBlock(0, LABEL, broken)], float16=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("task", "classes", "label", "prediction"),
    [
        ("tokens", CLASSES, [[0, 1], [], [2]], [[0, 0], [], [1]]),
        ("text", (), [["a", "b"], ["c"], []], ["a", "x", ""]),
        ("span", (), [["a"], ["c"], ["d"]], ["a", "x", "y"]),
    ],
)
def test_round_trip_without_logits(
    tmp_path: Path, task: str, classes: tuple[str, ...], label: list[Any], prediction: list[Any]
) -> None:
    path = tmp_path / "a.parquet"
    write_predictions(path, TableMeta(task, classes), [SeedBlock(0, label, prediction=prediction)])
    side = read_predictions([path])
    assert [list(v) for v in side.label] == label
    assert [v if isinstance(v, str) else list(v) for v in side.prediction[0]] == prediction


def test_round_trip_regression(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    label = np.array([0.25, 1.5], dtype=np.float32)
    write_predictions(
        path, TableMeta("regression", ()), [SeedBlock(0, label, np.array([[0.5], [1.0]], np.float32))]
    )
    side = read_predictions([path])
    assert side.label.tolist() == [0.25, 1.5]
    assert side.prediction.tolist() == [[0.5, 1.0]]


def test_diverged_seeds_come_from_metadata_and_from_logits(tmp_path: Path) -> None:
    broken = logits(1)
    broken[2, 1] = np.nan
    meta = TableMeta("single-label", CLASSES, diverged=(5,))
    path = tmp_path / "a.parquet"
    write_predictions(path, meta, [SeedBlock(0, LABEL, logits(0)), SeedBlock(1, LABEL, broken)])
    side = read_predictions([path])
    assert side.seeds.tolist() == [0]
    assert side.diverged == (1, 5)


def test_every_seed_diverged_is_a_table_too(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_predictions(path, TableMeta("single-label", CLASSES, diverged=(0, 1)), [])
    side = read_predictions([path])
    assert side.seeds.tolist() == []
    assert side.diverged == (0, 1)


def test_writer_refuses_blocks_that_do_not_fit(tmp_path: Path) -> None:
    def write(*blocks: SeedBlock) -> None:
        write_predictions(tmp_path / "a.parquet", SINGLE, blocks)

    with pytest.raises(ValueError, match="ascend"):
        write(SeedBlock(1, LABEL, logits(1)), SeedBlock(0, LABEL, logits(0)))
    with pytest.raises(ValueError, match="shape"):
        write(SeedBlock(0, LABEL, logits(0, width=2)))
    with pytest.raises(ValueError, match="some blocks have logits"):
        write(SeedBlock(0, LABEL, logits(0)), SeedBlock(1, LABEL, prediction=LABEL))
    with pytest.raises(ValueError, match="3 predictions for 4"):
        write(SeedBlock(0, LABEL, prediction=LABEL[:3]))
    assert list(tmp_path.iterdir()) == []


def test_iter_logits_streams_whole_seeds(tmp_path: Path) -> None:
    found = list(iter_logits([single(tmp_path / "a.parquet", (0, 1)), single(tmp_path / "b.parquet", (2,))]))
    assert [seed for seed, _, _ in found] == [0, 1, 2]
    for seed, examples, values in found:
        assert examples.tolist() == [0, 1, 2, 3]
        assert np.array_equal(values, logits(seed))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_row_order_does_not_matter(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("rows")
    n, seeds = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    label = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, 2)))
    made = data.draw(hnp.arrays(np.int64, (seeds, n), elements=st.integers(0, 2)))
    examples = np.sort(data.draw(st.permutations(range(20)))[:n])
    frame = pd.DataFrame(
        {
            "seed": np.repeat(np.arange(seeds), n),
            "example": np.tile(examples, seeds),
            "label": np.tile(label, seeds),
            "prediction": made.ravel(),
        }
    ).iloc[data.draw(st.permutations(range(seeds * n)))]
    frame["label"] = frame["label"].map(dict(enumerate(CLASSES)))
    frame["prediction"] = frame["prediction"].map(dict(enumerate(CLASSES)))
    for name in ("t.csv", "t.parquet"):
        side = read_predictions([frame_to(folder / name, frame)])
        assert side.examples.tolist() == examples.tolist()
        names = np.array(side.classes)
        assert names[side.label].tolist() == np.array(CLASSES)[label].tolist()
        assert names[side.prediction].tolist() == np.array(CLASSES)[made].tolist()


def rows(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"example": [0, 1, 2], **columns})


def test_user_indices_span_zero_to_the_largest(tmp_path: Path) -> None:
    side = read_predictions(
        [frame_to(tmp_path / "a.csv", rows(label=[0.0, 3.0, 1.0], prediction=[0.0, 1.0, 1.0]))]
    )
    assert side.task == "single-label"
    assert side.classes == ("0", "1", "2", "3")
    assert side.seeds.tolist() == [0]


def test_user_names_are_sorted_over_all_inputs(tmp_path: Path) -> None:
    a = frame_to(tmp_path / "a.csv", rows(label=["dog", "cat", "dog"], prediction=["dog", "dog", "dog"]))
    b = frame_to(tmp_path / "b.parquet", rows(label=["dog", "cat", "dog"], prediction=["ant", "cat", "dog"]))
    sides = read_sides({"dense": [a], "pruned": [b]})
    assert sides["dense"].classes == sides["pruned"].classes == ("ant", "cat", "dog")
    assert sides["pruned"].prediction.tolist() == [[0, 1, 2]]


def test_negative_integers_are_names_in_numeric_order(tmp_path: Path) -> None:
    side = read_predictions([frame_to(tmp_path / "a.csv", rows(label=[-1, 1, 10], prediction=[1, 1, -1]))])
    assert side.classes == ("-1", "1", "10")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_user_sets_of_labels(tmp_path: Path, suffix: str) -> None:
    frame = rows(label=["b|a", "", "a"], prediction=["a", "a | b", ""])
    side = read_predictions([frame_to(tmp_path / f"a{suffix}", frame)])
    assert side.task == "multi-label"
    assert side.classes == ("a", "b")
    assert side.label.tolist() == [[True, True], [False, False], [True, False]]
    assert side.prediction[0].tolist() == [[True, False], [True, True], [False, False]]


def test_user_lists_of_labels_in_parquet(tmp_path: Path) -> None:
    frame = rows(label=[[1, 0], [], [2]], prediction=[[1], [0], [2]])
    side = read_predictions([frame_to(tmp_path / "a.parquet", frame)])
    assert side.task == "multi-label"
    assert side.label.tolist() == [[True, True, False], [False] * 3, [False, False, True]]


def test_fractions_mean_regression(tmp_path: Path) -> None:
    side = read_predictions([frame_to(tmp_path / "a.csv", rows(label=[1, 2, 3], prediction=[1.0, 2.5, 3.0]))])
    assert side.task == "regression"
    assert side.label.tolist() == [1, 2, 3]
    assert side.prediction.tolist() == [[1, 2.5, 3]]


@pytest.mark.parametrize("given_as", ["names", "indices"])
def test_users_values_map_through_the_metadata_of_the_other_side(tmp_path: Path, given_as: str) -> None:
    table = single(tmp_path / "a.parquet", (0,))
    label = LABEL if given_as == "indices" else [CLASSES[i] for i in LABEL]
    made = [2, 2, 1, 0] if given_as == "indices" else ["cat", "cat", "bee", "ant"]
    mine = pd.DataFrame({"example": range(4), "label": label, "prediction": made})
    sides = read_sides({"dense": [table], "pruned": [frame_to(tmp_path / "b.csv", mine)]})
    assert sides["pruned"].classes == CLASSES
    assert sides["pruned"].prediction.tolist() == [[2, 2, 1, 0]]
    assert sides["pruned"].task == "single-label"


def test_a_table_without_metadata_is_known_by_its_logits(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"seed": 0, "example": range(4), "label": LABEL, "logits": list(logits(0).astype(float))}
    )
    side = read_predictions([frame_to(tmp_path / "a.parquet", frame)])
    assert side.classes == ("0", "1", "2")
    assert side.prediction[0].tolist() == logits(0).argmax(1).tolist()


def test_csv_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    text = ',seed,example,label,prediction,note\n0,1.0,2.0,ant,"bee","a, ""b""\nc"\n1,1.0,0.0,cat, ant ,\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    side = read_predictions([path])
    assert side.seeds.tolist() == [1]
    assert side.examples.tolist() == [0, 2]
    assert side.classes == ("ant", "bee", "cat")
    assert side.prediction.tolist() == [[0, 1]]


def test_byte_order_mark_before_a_wanted_column(tmp_path: Path) -> None:
    path = tmp_path / "bom.csv"
    path.write_text("example;label;prediction\r\n0;a;b\r\n", encoding="utf-8-sig", newline="")
    assert read_predictions([path]).classes == ("a", "b")


def test_categories_and_booleans(tmp_path: Path) -> None:
    frame = rows(label=pd.Categorical(["x", "y", "x"]), prediction=pd.Categorical(["x", "x", "x"]))
    assert read_predictions([frame_to(tmp_path / "c.parquet", frame)]).label.tolist() == [0, 1, 0]
    frame = rows(label=[True, False, True], prediction=[True, True, True])
    for name in ("b.csv", "b.parquet"):
        assert read_predictions([frame_to(tmp_path / name, frame)]).classes == ("False", "True")


def test_missing_file(tmp_path: Path) -> None:
    assert "no-such.parquet: no such file" in refused(tmp_path / "no-such.parquet")
    assert "a folder" in refused(tmp_path)


def test_truncated_and_foreign_files_are_named(tmp_path: Path) -> None:
    whole = single(tmp_path / "whole.parquet").read_bytes()
    for name, content in {
        "cut.parquet": whole[: len(whole) // 2],
        "foreign.parquet": b"GIF89a, not a table",
        "tail.parquet": whole[:-1],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DamagedFileError) as caught:
            read_predictions([tmp_path / name])
        assert caught.value.path == tmp_path / name
        message = refused(tmp_path / name)
        assert message.startswith(f"{tmp_path / name}: damaged or not a prediction table (")
        assert message.endswith("; write it again")


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = single(tmp_path / "a.parquet")
    content = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(3)
    content[column.data_page_offset + column.total_compressed_size - 3] ^= 0xFF
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_empty_files(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        (tmp_path / name).touch()
        assert f"{name}: the file is empty" in refused(tmp_path / name)
    assert "has no rows" in refused(frame_to(tmp_path / "b.csv", rows(label=0, prediction=0).iloc[:0]))
    assert "has no rows" in refused(frame_to(tmp_path / "b.parquet", rows(label=0, prediction=0).iloc[:0]))
    write_predictions(tmp_path / "c.parquet", SINGLE, [])
    assert "has no rows" in refused(tmp_path / "c.parquet")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_missing_columns_are_named(tmp_path: Path, suffix: str) -> None:
    path = frame_to(tmp_path / f"a{suffix}", rows(label=[0, 1, 2], guess=[0, 1, 2]))
    assert "no column 'prediction'; the file has example, label, guess" in refused(path)
    path = frame_to(tmp_path / f"b{suffix}", rows(guess=[0, 1, 2]).drop(columns="example"))
    assert "no column 'example', 'label', 'prediction'" in refused(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"label": [0, None, 1]}, "column 'label' has"),
        ({"prediction": ["a", None, "b"]}, "column 'prediction' has"),
        ({"example": [0, None, 1]}, "column 'example' has 1 missing values"),
        ({"example": [0, 1.5, 2]}, "column 'example' must hold whole numbers, not 1.5"),
        ({"seed": [0, None, 0]}, "column 'seed' has 1 missing values"),
        ({"seed": [0.5, 0, 0]}, "column 'seed' must hold whole numbers, not 0.5"),
        ({"example": [0, 1, 1]}, "seed 0 has example 1 twice"),
        ({"label": [0.5, float("nan"), 1], "prediction": [0.1, 0.2, 0.3]}, "missing values"),
    ],
)
def test_users_values_that_cannot_be_used(
    tmp_path: Path, suffix: str, changes: dict[str, Any], expected: str
) -> None:
    frame = rows(label=[0, 1, 2], prediction=[0, 1, 2]).assign(**changes)
    path = frame_to(tmp_path / f"a{suffix}", frame)
    message = refused(path)
    assert message.startswith(f"{path}: ")
    assert expected in message


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_ids_that_are_texts(tmp_path: Path, suffix: str) -> None:
    frame = rows(label=[0, 1, 2], prediction=[0, 1, 1]).assign(example=["z", "x7", "y"])
    side = read_predictions([frame_to(tmp_path / f"a{suffix}", frame)])
    assert side.keys.tolist() == ["x7", "y", "z"]
    assert side.examples.tolist() == [0, 1, 2]
    assert side.label.tolist() == [1, 2, 0]
    assert "has example 'y' twice" in refused(
        frame_to(tmp_path / f"b{suffix}", frame.assign(example=["z", "y", "y"]))
    )


def test_ragged_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("example,label,prediction\n0,1\n1,2,3\n")
    assert f"{path}: not a readable CSV table" in refused(path)


def table(path: Path, meta: TableMeta, **columns: Any) -> Path:
    schema_metadata = {b"prunescope": json.dumps(meta.to_json())}
    values = {"seed": pa.array([0, 0], pa.int32()), "example": pa.array([0, 1]), **columns}
    pq.write_table(pa.table(values).replace_schema_metadata(schema_metadata), path)
    return path


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"label": [0, 3], "prediction": [0, 1]}, "column 'label' holds class 3, but there are 3 classes"),
        ({"label": [0, -1], "prediction": [0, 1]}, "column 'label' holds class -1"),
        ({"label": [0, 1], "prediction": [0, 9]}, "column 'prediction' holds class 9"),
        ({"label": [0, None], "prediction": [0, 1]}, "column 'label' has 1 missing values"),
        ({"label": [0.0, float("nan")], "prediction": [0, 1]}, "column 'label' must hold whole numbers"),
        ({"label": [0.5, 1], "prediction": [0, 1]}, "column 'label' must hold whole numbers, not 0.5"),
        ({"label": ["ant", "bee"], "prediction": [0, 1]}, "column 'label' must hold whole numbers"),
        ({"label": [0, 1], "logits": [[0.0, 1.0], [0.0, 1.0]]}, "rows of 2 values where there are 3 classes"),
        ({"label": [0, 1], "logits": [[0.0, 1.0, 2.0], None]}, "column 'logits' has 1 missing values"),
        ({"label": [0, 1]}, "no column 'prediction'"),
    ],
)
def test_prediction_tables_that_cannot_be_used(
    tmp_path: Path, columns: dict[str, Any], expected: str
) -> None:
    path = table(tmp_path / "a.parquet", SINGLE, **columns)
    message = refused(path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def test_nan_labels_of_regression(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.parquet",
        TableMeta("regression", ()),
        label=[0.0, float("nan")],
        prediction=[0.0, 1.0],
    )
    assert "column 'label' holds NaN" in refused(path)


def test_token_counts_must_fit(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.parquet", TableMeta("tokens", CLASSES), label=[[0, 1], [2]], prediction=[[0], [2]]
    )
    assert "1 predictions for the 2 tokens of example 0" in refused(path)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (b"not json", "metadata 'prunescope' is not a JSON object"),
        (b"[1]", "metadata 'prunescope' is not a JSON object"),
        (b'{"task": "guessing"}', "metadata 'task' is 'guessing'"),
        (b'{"task": "single-label"}', "metadata 'classes' is missing"),
        (b'{"task": "single-label", "classes": 3}', "malformed"),
        (b'{"task": "multi-label", "classes": ["a"], "threshold": {"0": "x"}}', "malformed"),
    ],
)
def test_metadata_that_cannot_be_used(tmp_path: Path, stored: bytes, expected: str) -> None:
    path = tmp_path / "a.parquet"
    held = pa.table({"seed": [0], "example": [0], "label": [0], "prediction": [0]})
    pq.write_table(held.replace_schema_metadata({b"prunescope": stored}), path)
    assert expected in refused(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task", "tokens"),
        ("classes", ("x", "y", "z")),
        ("dataset", "other"),
        ("split", "train"),
    ],
)
def test_tables_of_different_things_are_refused(tmp_path: Path, key: str, value: Any) -> None:
    a = single(tmp_path / "a.parquet", (0,))
    changed = TableMeta(**{**vars(SINGLE), key: value})
    b = tmp_path / "b.parquet"
    if key == "task":
        write_predictions(b, changed, [SeedBlock(1, [[0]] * 4, prediction=[[0]] * 4)])
    else:
        single(b, (1,), changed)
    message = refused(a, b)
    assert message.startswith(f"{b}: {key} ")
    assert str(a) in message


def test_two_kinds_of_models_on_one_side_are_refused(tmp_path: Path) -> None:
    a = single(tmp_path / "a.parquet", (0,), TableMeta("single-label", CLASSES, pruner="MP"))
    b = single(tmp_path / "b.parquet", (1,), TableMeta("single-label", CLASSES, pruner="GP"))
    assert "pruner 'GP'" in refused(a, b)
    assert read_sides({"dense": [a], "pruned": [b]})["pruned"].seeds.tolist() == [1]


def test_a_seed_twice_on_one_side_is_refused(tmp_path: Path) -> None:
    a, b = single(tmp_path / "a.parquet", (0, 1)), single(tmp_path / "b.parquet", (1, 2))
    assert refused(a, b).startswith(f"{b}: seed 1 is already in {a}")
    mine = [frame_to(tmp_path / f"{i}.csv", rows(label=[0, 1, 2], prediction=[0, 1, 2])) for i in range(2)]
    assert "number the models in a 'seed' column" in refused(*mine)


def test_other_examples_or_labels_are_refused(tmp_path: Path) -> None:
    a = single(tmp_path / "a.parquet", (0,))
    b, c = tmp_path / "b.parquet", tmp_path / "c.parquet"
    write_predictions(b, SINGLE, [SeedBlock(1, LABEL[:3], logits(1, 3))])
    other = LABEL.copy()
    other[2] = 0
    write_predictions(c, SINGLE, [SeedBlock(1, other, logits(1))])
    assert f"{b}: seed 1 has 3 examples and {a} has 4; example 3 is only in {a}" in refused(a, b)
    assert f"{c}: seed 1 labels example 2 otherwise than {a} does" in refused(a, c)
    for path in (b, c):
        with pytest.raises(UserError, match="seed 1"):
            read_sides({"dense": [a], "pruned": [path]})


def test_unknown_class_names_are_refused(tmp_path: Path) -> None:
    a = single(tmp_path / "a.parquet", (0,))
    for wrong in ("dog", 3):
        mine = pd.DataFrame({"example": range(4), "label": LABEL.tolist(), "prediction": [0, 1, 2, wrong]})
        b = frame_to(tmp_path / "b.csv", mine)
        with pytest.raises(UserError) as caught:
            read_sides({"dense": [a], "pruned": [b]})
        message = f"{b}: column 'prediction' holds '{wrong}', which is neither a class name nor an index"
        assert message in str(caught.value)


def test_logits_are_asked_for_by_name(tmp_path: Path) -> None:
    path = frame_to(tmp_path / "a.csv", rows(label=[0, 1, 2], prediction=[0, 1, 2]))
    with pytest.raises(UserError, match=r"a\.csv: has no logits"):
        list(iter_logits([path]))


@pytest.mark.parametrize(
    "key", ["dataset", "arch", "pruner", "split", "epoch", "sparsity", "threshold", "classes"]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -3, 10**400, [1], {"a": math.nan}, True])
def test_metadata_of_another_kind_is_one_line(key: str, value: Any) -> None:
    if value is True and key in ("threshold", "classes"):
        value = 1
    made = {"task": "single-label", "classes": ["a", "b"], key: value}
    if key == "classes" and value == [1]:
        assert TableMeta.from_json(made, "x").classes == ("1",)
        return
    with pytest.raises(UserError, match=f"x: metadata .*{key}") as caught:
        TableMeta.from_json(made, "x")
    assert len(str(caught.value)) < 200
