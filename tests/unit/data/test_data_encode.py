"""Encoding: digits from source to file, and texts to words, vectors and subwords."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from prunescope.config.architectures import BiLSTM, Encoder, LeNet5
from prunescope.data.build import build
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.encoding import subwords, words
from prunescope.data.encoding.encode import encode, load_inputs
from prunescope.data.published import covering_power_of_two
from prunescope.data.sources.digits import Digits
from prunescope.data.sources.docstrings import Docstrings
from prunescope.data.tables import read_table, write_table
from prunescope.errors import UserError
from prunescope.predictions.texts import basic_english
from prunescope.training.batches import training_data

SPEC = Docstrings(source="docstrings")
BILSTM = BiLSTM(family="bilstm", vectors=8, min_count=2)
ENCODER = Encoder(family="encoder", hidden=8, heads=2, layers=1, intermediate=8, vocabulary=120)
ANIMALS = ["cat", "dog", "horse", "mouse", "sheep", "eagle"]


def _texts(start: int, n: int) -> list[str]:
    rng = np.random.default_rng(start)
    return [f"The {' '.join(rng.choice(ANIMALS, rng.integers(2, 9)))} sleeps, isn't it?" for _ in range(n)]


def _data(folder: Path, columns: tuple[str, ...] = ("text",), multi: bool = False) -> Path:
    for number, (split, n) in enumerate({"train": 60, "validation": 10, "test": 12}.items()):
        info = TableInfo("zoo", split, "multi-label" if multi else "single-label", ("a", "b", "c"), columns)
        labels = np.arange(n, dtype=np.int32) % 3
        if multi:
            labels = np.eye(3, dtype=bool)[labels]
        texts = {column: _texts(10 * number + i, n) for i, column in enumerate(columns)}
        write_table(folder / f"{split}.parquet", DataTable(info, labels, texts=texts))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return _data(tmp_path / "zoo")


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([430], 512),
        ([232], 256),
        ([242], 256),
        ([256], 256),
        ([257], 512),
        ([1], 1),
        ([2], 2),
        ([3], 4),
        # 85 of 100 texts have at most 16, then only 84
        ([16] * 85 + [400] * 15, 16),
        ([16] * 84 + [400] * 16, 512),
    ],
)
def test_length_is_the_first_power_of_two_that_covers_85_percent(lengths: list[int], expected: int) -> None:
    assert covering_power_of_two(lengths) == expected


def test_digits_from_source_to_inputs(tmp_path: Path) -> None:
    out = tmp_path / "digits"
    kept = out / "inputs" / "other.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("of an earlier run")
    build("digits", Digits(source="digits"), out)
    first = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert set(first) == {"train.parquet", "validation.parquet", "test.parquet", "card.json", "card.md"}
    build("digits", Digits(source="digits"), out)
    assert first == {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert kept.exists()
    card = json.loads(first["card.json"])
    assert card["n_examples"] == 1797
    assert 0.1 <= card["splits"]["test"]["majority_share"] < 0.12
    assert card["splits"]["test"]["constant_score"] == card["splits"]["test"]["majority_share"]
    for c in card["classes"]:
        assert abs(c["test"] / (c["train"] + c["validation"] + c["test"]) - 0.2) < 0.01
    assert set(card["versions"]) == {"scikit-learn"}

    file = out / "inputs" / "lenet5.safetensors"
    encode(out, "digits", "lenet5", Digits(source="digits"), LeNet5(family="lenet5"), file)
    inputs = load_inputs(file)
    assert (inputs.kind, inputs.image_scale, inputs.task, len(inputs.classes)) == (
        "image",
        16.0,
        "single-label",
        10,
    )
    assert sum(len(split.inputs) for split in inputs.splits.values()) == 1797
    for name, split in inputs.splits.items():
        table = read_table(out / f"{name}.parquet")
        assert split.inputs.dtype == np.uint8
        assert split.inputs.shape[1:] == (1, 8, 8)
        assert split.labels.dtype == np.int64
        assert split.lengths is None
        assert np.array_equal(split.inputs, table.images)
        assert np.array_equal(split.labels, table.labels)
    with pytest.raises(UserError, match="takes texts"):
        encode(out, "digits", "bilstm", Digits(source="digits"), BILSTM, file)


def test_digits_images_belong_to_their_labels(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    build("d", Digits(source="digits"), tmp_path)
    bunch = load_digits()
    known = {
        image.astype(np.uint8).tobytes(): label
        for image, label in zip(bunch.images, bunch.target, strict=True)
    }
    table = read_table(tmp_path / "test.parquet")
    assert table.images is not None
    assert all(known[i.tobytes()] == label for i, label in zip(table.images, table.labels, strict=True))


def test_basic_english_is_torchtexts() -> None:
    text = 'Basic English; isn\'t it: "so" (or, not)? Yes!<br />2.5'
    expected = "basic english isn ' t it so ( or , not ) ? yes ! 2 . 5"
    assert basic_english(text) == expected.split()


def test_vocabulary_comes_from_frequent_words_most_frequent_first() -> None:
    assert words.vocabulary([[["b", "a", "a"], ["b", "c", "<unk>", "<unk>"]]], 2) == [
        "<pad>",
        "<unk>",
        "a",
        "b",
    ]
    assert words.numbered([[["a", "zzz", "<pad>"]]], ["<pad>", "<unk>", "a"]) == [[2, 1, 1]]
    pairs = [[["a", "a"]], [["b"]]]
    vocabulary = words.vocabulary(pairs, 1)
    assert vocabulary == ["<pad>", "<unk>", "<sep>", "a", "b"]
    assert words.numbered(pairs, vocabulary) == [[3, 3, words.SEPARATOR, 4]]


def test_pmi_by_hand() -> None:
    # Ids 2, 3, 4; texts "2 3", "2 3", "4 4": pairs (2,3) twice, (4,4) once, each counted both ways.
    counts = words._counts([[2, 3], [2, 3], [4, 4]], 5).toarray()
    assert counts.tolist() == [[0, 2, 0], [2, 0, 0], [0, 0, 2]]
    # log(2 * 6 / (2 * 2)) = log 3 everywhere
    assert words._ppmi(words._counts([[2, 3], [2, 3], [4, 4]], 5)).toarray() == pytest.approx(
        np.log(3) * np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    )


def test_window_is_five_words_within_one_text() -> None:
    counts = words._counts([[2, 1, 1, 1, 1, 3, 1, 4], [4]], 5).toarray()
    assert counts[0, 1] == 1  # five apart
    assert counts[0, 2] == 0  # seven apart
    assert counts[2, 2] == 0  # in two texts
    assert counts.sum() == 4  # unknown words count for nothing


@pytest.mark.parametrize("dense", [10_000, 0])
def test_factors_rebuild_the_matrix_up_to_signs(monkeypatch: pytest.MonkeyPatch, dense: int) -> None:
    from scipy import sparse

    monkeypatch.setattr(words, "_DENSE", dense)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0][:, :5]
    matrix = sparse.csr_array(basis @ np.diag([9.0, 7, 5, 3, 2]) @ basis.T)
    factors = words._factors(matrix, 5)
    assert factors.shape == (40, 5)
    assert factors @ factors.T == pytest.approx(matrix.toarray(), abs=1e-9)
    assert np.linalg.norm(factors, axis=0) ** 2 == pytest.approx([9, 7, 5, 3, 2])


def test_vectors_have_unit_mean_norm_and_the_mean_stands_for_the_unknown() -> None:
    rows = [list(np.random.default_rng(i).integers(2, 30, 12)) for i in range(50)]
    vectors = words.word_vectors(rows, 30, 6)
    assert vectors.shape == (30, 6)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors[2:], axis=1).mean() == pytest.approx(1, rel=1e-5)
    assert vectors[words.UNKNOWN] == pytest.approx(vectors[2:].mean(axis=0), abs=1e-6)
    z = (vectors[words.PAD] - vectors[2:].mean(axis=0)) / vectors[2:].std(axis=0)
    assert np.abs(z).max() < 4
    assert np.abs(z).min() > 1e-4
    assert np.array_equal(vectors, words.word_vectors(rows, 30, 6))


def test_a_vocabulary_smaller_than_the_dimensions_leaves_zeros() -> None:
    vectors = words.word_vectors([[2, 3, 4, 2, 3]], 5, 10)
    assert vectors.shape == (5, 10)
    assert np.abs(vectors[:, :3]).max() > 0
    assert not vectors[:, 3:].any()
    assert words.word_vectors([[1, 1]], 2, 4).shape == (2, 4)


def test_words_are_encoded(folder: Path) -> None:
    out = folder / "inputs" / "bilstm.safetensors"
    encode(folder, "zoo", "bilstm", SPEC, BILSTM, out)
    inputs = load_inputs(out)
    vocabulary = (out.parent / "bilstm.vocabulary.txt").read_text().splitlines()
    assert vocabulary[:2] == ["<pad>", "<unk>"]
    assert (inputs.kind, inputs.pad, inputs.vocabulary_size, inputs.max_tokens) == (
        "words",
        0,
        len(vocabulary),
        16,
    )
    assert inputs.vectors is not None
    assert inputs.vectors.shape == (len(vocabulary), 8)
    table = read_table(folder / "train.parquet")
    assert table.texts is not None
    arrays = inputs.splits["train"]
    assert arrays.inputs.dtype == np.int32
    assert arrays.lengths is not None
    for row, length, text in zip(arrays.inputs, arrays.lengths, table.texts["text"], strict=True):
        expected = basic_english(text)
        assert length == min(len(expected), 16)
        assert [vocabulary[i] for i in row[:length]] == expected[:16]
        assert not row[length:].any()


def test_subwords_are_encoded_and_cut_with_their_end_kept(folder: Path) -> None:
    out = folder / "inputs" / "bert.safetensors"
    spec = Docstrings(source="docstrings", max_tokens=8)
    encode(folder, "zoo", "bert", spec, ENCODER, out)
    inputs = load_inputs(out)
    vocabulary = (out.parent / "bert.vocabulary.txt").read_text().splitlines()
    assert vocabulary[:5] == list(subwords.SPECIAL)
    assert (inputs.parts, b"parts" in out.read_bytes()) == (1, False)  # the bytes of earlier versions
    assert len(vocabulary) == len(set(vocabulary)) == inputs.vocabulary_size
    assert inputs.vocabulary_size <= 120
    assert (inputs.kind, inputs.pad, inputs.cls, inputs.sep, inputs.max_tokens) == ("pieces", 0, 2, 3, 8)
    for arrays in inputs.splits.values():
        assert arrays.lengths is not None
        assert arrays.inputs.shape[1] == 8
        assert np.all(arrays.inputs[:, 0] == 2)
        assert np.all(arrays.inputs[np.arange(len(arrays.lengths)), arrays.lengths - 1] == 3)
        assert np.array_equal((arrays.inputs != 0).sum(axis=1), arrays.lengths)
        assert not np.any(arrays.inputs == subwords.UNKNOWN)
        assert arrays.lengths.max() == 8


def test_subwords_spell_the_text() -> None:
    texts = _texts(3, 30)
    vocabulary = subwords.learn(texts, 60)
    (ids,) = subwords.Subwords(vocabulary).numbered([["Sheep sleeps!"]])
    spelt = " ".join(vocabulary[i] for i in ids).replace(" ##", "")
    assert spelt == "[CLS] sheep sleeps [UNK] [SEP]"
    (literal,) = subwords.Subwords(vocabulary).numbered([["[SEP]"]])
    assert literal[0] == subwords.CLS
    assert literal.count(subwords.SEP) == 1


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(UserError, match=r"vocabulary: 6 subwords are fewer than the \d+ single characters"):
        subwords.learn(_texts(0, 5), 6)


def test_pairs_are_joined(tmp_path: Path) -> None:
    data = _data(tmp_path / "zoo", ("premise", "hypothesis"), multi=True)
    for arch, name, separator in ((BILSTM, "bilstm", words.SEPARATOR), (ENCODER, "bert", subwords.SEP)):
        out = data / "inputs" / f"{name}.safetensors"
        encode(data, "zoo", name, Docstrings(source="docstrings", max_tokens=128), arch, out)
        inputs = load_inputs(out)
        assert inputs.splits["test"].labels.dtype == np.uint8
        assert inputs.splits["test"].labels.shape == (12, 3)
        counts = (inputs.splits["test"].inputs == separator).sum(axis=1)
        assert set(counts.tolist()) == {1 if name == "bilstm" else 2}
        # Subwords say where the second text begins; it gets token types of its own.
        data_of = training_data(inputs, trim=False, device=torch.device("cpu"))
        assert (inputs.parts, data_of.shape.separator) == (
            (1, None) if name == "bilstm" else (2, subwords.SEP)
        )
    cutter = subwords.Subwords((data / "inputs" / "bert.vocabulary.txt").read_text().splitlines())
    (ids,) = cutter.numbered([["cat " * 30], ["dog"]], 10)
    assert len(ids) == 10
    # The longer part was cut, the shorter one is whole.
    assert ids.index(subwords.SEP) >= 6


def test_empty_texts_count_as_one_padding(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        info = TableInfo("zoo", split, "single-label", ("a", "b"), ("text",))
        table = DataTable(info, np.array([0, 1], dtype=np.int32), texts={"text": ["a a b b", ""]})
        write_table(tmp_path / f"{split}.parquet", table)
    encode(tmp_path, "zoo", "bilstm", SPEC, BILSTM, tmp_path / "x.safetensors")
    lengths = load_inputs(tmp_path / "x.safetensors").splits["train"].lengths
    assert lengths is not None
    assert lengths.tolist() == [4, 1]


def test_padding_can_be_zeros_or_the_mean_vector(folder: Path, tmp_path: Path) -> None:
    vectors = {}
    for kind in ("random", "zeros", "mean"):
        arch = BILSTM.model_copy(update={"padding_vector": kind})
        encode(folder, "zoo", "bilstm", SPEC, arch, tmp_path / "x.safetensors")
        found = load_inputs(tmp_path / "x.safetensors").vectors
        assert found is not None
        vectors[kind] = found
    assert not vectors["zeros"][words.PAD].any()
    assert np.array_equal(vectors["mean"][words.PAD], vectors["random"][words.UNKNOWN])
    for kind in ("zeros", "mean"):
        assert np.array_equal(vectors[kind][1:], vectors["random"][1:])
    assert "padding_vector" not in BILSTM.model_dump()


_AGAIN = """
import sys
from pathlib import Path
from prunescope.config.architectures import BiLSTM, Encoder
from prunescope.data.sources.docstrings import Docstrings
from prunescope.data.encoding.encode import encode
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
spec = Docstrings(source="docstrings")
encode(folder, "zoo", "bilstm", spec, BiLSTM.model_validate_json(sys.argv[3]), out / "bilstm.safetensors")
encode(folder, "zoo", "bert", spec, Encoder.model_validate_json(sys.argv[4]), out / "bert.safetensors")
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""


def test_two_processes_write_the_same_bytes_and_import_no_torch(folder: Path, tmp_path: Path) -> None:
    # Processes of their own: hash tables are seeded again in each, which is what upsets the trainer.
    results = []
    for run in ("a", "b"):
        out = tmp_path / run
        arguments = [str(folder), str(out), BILSTM.model_dump_json(), ENCODER.model_dump_json()]
        subprocess.run([sys.executable, "-c", _AGAIN, *arguments], check=True)
        results.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert results[0] == results[1]
    assert set(results[0]) == {
        *("bilstm.safetensors", "bilstm.vocabulary.txt", "bert.safetensors", "bert.vocabulary.txt")
    }


def test_only_training_texts_make_the_vocabulary(folder: Path) -> None:
    info = TableInfo("zoo", "test", "single-label", ("a", "b", "c"), ("text",))
    texts = {"text": ["zebra zebra zebra zebra"] * 3}
    write_table(folder / "test.parquet", DataTable(info, np.array([0, 1, 2], dtype=np.int32), texts=texts))
    encode(folder, "zoo", "bilstm", SPEC, BILSTM, folder / "x.safetensors")
    assert "zebra" not in (folder / "bilstm.vocabulary.txt").read_text()
    test = load_inputs(folder / "x.safetensors").splits["test"]
    assert test.inputs[0, :5].tolist() == [1, 1, 1, 1, 0]


def test_tables_that_do_not_belong_together_are_refused(folder: Path) -> None:
    out = folder / "x.safetensors"
    with pytest.raises(UserError, match="holds train of data set 'zoo', not train of 'other'"):
        encode(folder, "other", "bilstm", SPEC, BILSTM, out)
    with pytest.raises(UserError, match="takes images"):
        encode(folder, "zoo", "lenet5", SPEC, LeNet5(family="lenet5"), out)
    info = TableInfo("zoo", "test", "single-label", ("a", "other", "c"), ("text",))
    write_table(
        folder / "test.parquet", DataTable(info, np.array([0], dtype=np.int32), texts={"text": ["x"]})
    )
    with pytest.raises(UserError, match=r"test\.parquet: task, classes or inputs differ"):
        encode(folder, "zoo", "bilstm", SPEC, BILSTM, out)
    (folder / "test.parquet").unlink()
    with pytest.raises(UserError, match="no such data table"):
        encode(folder, "zoo", "bilstm", SPEC, BILSTM, out)
    assert not out.exists()


def test_inputs_that_are_none_are_refused(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    out = folder / "x.safetensors"

    def refused(what: str) -> None:
        with pytest.raises(UserError, match=what) as error:
            load_inputs(out)
        assert str(out) in str(error.value)
        assert "\n" not in str(error.value)

    refused("no such file")
    encode(folder, "zoo", "bilstm", SPEC, BILSTM, out)
    whole, tensors = out.read_bytes(), load_file(out)
    from safetensors import safe_open

    with safe_open(out, framework="numpy") as file:
        metadata = file.metadata()
    out.write_bytes(whole[:-100])
    refused("truncated")
    out.write_bytes(b"hello")
    refused("truncated")
    save_file(tensors, out)
    refused("no 'prunescope' metadata")
    about = json.loads(metadata["prunescope"])
    for changed, what in (
        ({**about, "kind": "sound"}, "kind 'sound'"),
        ({**about, "vocabulary_size": 3}, "outside the vocabulary"),
        ({**about, "task": "multi-label"}, "train.labels have shape"),
        ({k: v for k, v in about.items() if k != "classes"}, "lacks a part"),
    ):
        save_file(tensors, out, metadata={"prunescope": json.dumps(changed)})
        refused(what)
    for missing, what in (
        ("test.inputs", "lacks a part"),
        ("vectors", "one vector"),
        ("train.lengths", "form of"),
    ):
        save_file({k: v for k, v in tensors.items() if k != missing}, out, metadata=metadata)
        refused(what)


def test_a_full_disk_leaves_no_inputs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.numpy

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    out = tmp_path / "inputs" / "bilstm.safetensors"
    with pytest.raises(
        UserError, match=r"bilstm\.safetensors: could not be written .*No space left"
    ) as error:
        encode(folder, "zoo", "bilstm", SPEC, BILSTM, out)
    assert "\n" not in str(error.value)
    assert [path.name for path in out.parent.iterdir()] == ["bilstm.vocabulary.txt"]
