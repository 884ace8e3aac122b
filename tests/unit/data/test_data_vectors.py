"""Word vectors from text files, and pretrained encoders from folders: read whole, or refused in one line."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunescope.cli import main
from prunescope.config.architectures import BiLSTM, Encoder
from prunescope.config.architectures.bilstm import PUBLISHED_VECTORS, PublishedVectors
from prunescope.data.build import build
from prunescope.data.encoding import vectors as vectors_module
from prunescope.data.encoding.encode import encode, load_inputs
from prunescope.data.encoding.vectors import read_vectors
from prunescope.data.sources.imdb import Imdb
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.seeds import stream

VOCABULARY = ["<pad>", "<unk>", "film", "good", "bad", "rare"]
GLOVE = "the 9 9 9\nbad 1 2 3\n. . . 5 5 5\nfilm 3 2 1\ncafé 1 1 1\ngood 0.5 -1e-2 2\nbad 7 7 7\n"


def test_only_the_wanted_words_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text(GLOVE, encoding="utf-8")
    words, vectors = read_vectors(path, VOCABULARY, 3)
    assert words == ["<pad>", "<unk>", "film", "good", "bad"]
    assert vectors.dtype == np.float32
    expected = np.array([[3, 2, 1], [0.5, -0.01, 2], [1, 2, 3]], dtype=np.float32)
    np.testing.assert_array_equal(vectors[2:], expected)
    np.testing.assert_allclose(vectors[1], expected.mean(axis=0), rtol=1e-6)
    assert not np.allclose(vectors[0], vectors[1])
    np.testing.assert_array_equal(read_vectors(path, VOCABULARY, 3)[1], vectors)
    # A separator is a special word too, and no word of the file.
    words, paired = read_vectors(path, ["<pad>", "<unk>", "<sep>", "film", "bad"], 3)
    assert words == ["<pad>", "<unk>", "<sep>", "film", "bad"]
    np.testing.assert_array_equal(paired[3:], [[3, 2, 1], [1, 2, 3]])
    assert len({row.tobytes() for row in paired}) == 5


@pytest.mark.parametrize("form", ["header", "gz", "spaces"])
def test_other_forms_say_the_same(tmp_path: Path, form: str) -> None:
    plain = tmp_path / "glove.txt"
    plain.write_text(GLOVE, encoding="utf-8")
    if form == "gz":
        path = tmp_path / "glove.txt.gz"
        path.write_bytes(gzip.compress(GLOVE.encode()))
    else:
        path = tmp_path / "other.txt"
        path.write_text("7 3\n" + GLOVE if form == "header" else GLOVE.replace("\n", " \n"), encoding="utf-8")
    one, other = read_vectors(plain, VOCABULARY, 3), read_vectors(path, VOCABULARY, 3)
    assert one[0] == other[0]
    np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GLOVE + "torn 1 2\n", r"line 8: torn, or its vector has fewer than 3 numbers"),
        (GLOVE.replace("film 3", "film x"), r"line 4: not a word and its numbers"),
        (GLOVE.replace("film 3", "film nan"), r"line 4: has a number that is not finite"),
        ("film 1 2 3 4\n", r"line 1: its vector has more than 3 numbers"),
        ("5 300\nfilm 1 2 3\n", r"has vectors of 300 numbers, not 3"),
        ("the 1 2 3\n", r"none of the words of the texts"),
        ("", r"none of the words of the texts"),
        (GLOVE[:-1], r"its last line is torn, it has no end"),
        (GLOVE + "torn 1", r"its last line is torn"),
        (f"8 3\n{GLOVE}", r"ends after 8 lines of 9: cut off"),
        (GLOVE.replace("film 3 2", "film\t3 2"), r"line 4: torn, or its vector has fewer"),
    ],
)
def test_bad_vector_files(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "glove.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=said) as error:
        read_vectors(path, VOCABULARY, 3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("block", [1, 7, 30, 1 << 22])
def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Lines that blocks cut are put together, for mapped and for unpacked files."""
    if block < 100:
        # Only whole pages can be given back.
        monkeypatch.setattr(vectors_module.mmap, "MADV_DONTNEED", None)
    monkeypatch.setattr(vectors_module, "_BLOCK", block)
    path = tmp_path / "glove.txt"
    path.write_text(GLOVE, encoding="utf-8")
    (tmp_path / "glove.txt.gz").write_bytes(gzip.compress(GLOVE.encode()))
    for file in (path, tmp_path / "glove.txt.gz"):
        words, vectors = read_vectors(file, VOCABULARY, 3)
        assert words == ["<pad>", "<unk>", "film", "good", "bad"]
        np.testing.assert_array_equal(vectors[2], [3, 2, 1])
        np.testing.assert_array_equal(vectors[4], [1, 2, 3])


def naive(path: Path, dimensions: int) -> dict[str, list[float]]:
    """Every line at once, numbers from the right, the first of doubles."""
    found: dict[str, list[float]] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            word, *numbers = line.rsplit(" ", dimensions)
            found.setdefault(word, [float(number) for number in numbers])
    return found


def test_as_a_naive_reader(tmp_path: Path) -> None:
    """Words of all kinds, among them GloVe 840B's with spaces and without a letter."""
    rng = np.random.default_rng(3)
    texts = ["at name@domain.com", ". . .", "..", ".", "1", "-0.5", "é", "日本", "\u00a0", "a", "\u0085"]
    texts += [f"w{n}" for n in rng.integers(0, 400, 600)]
    path = tmp_path / "made.txt"
    lines = [f"{t} {' '.join(f'{x:.5g}' for x in rng.standard_normal(6))}" for t in texts]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    expected = naive(path, 6)
    vocabulary = ["<pad>", "<unk>", *(w for w in sorted(expected) if " " not in w), "absent"]
    words, vectors = read_vectors(path, vocabulary, 6)
    assert words == vocabulary[:-1]
    for word, vector in zip(words[2:], vectors[2:], strict=True):
        np.testing.assert_array_equal(vector, np.array(expected[word], dtype=np.float32))


def test_a_file_that_ends_at_a_line(tmp_path: Path) -> None:
    """Nothing in the text tells, but everybody knows how long the published files are."""
    path = tmp_path / "glove.840B.300d.txt"
    path.write_text(GLOVE, encoding="utf-8")
    with pytest.raises(UserError, match=r"ends after 7 lines of 2,196,017: cut off; .* rename it"):
        read_vectors(path, VOCABULARY, 3)


def test_special_vectors_follow_no_seed(tmp_path: Path) -> None:
    """Padding is drawn once per study: with the deviation of the words, the same whatever the words' order."""
    rng = np.random.default_rng(5)
    names = [f"w{n}" for n in range(4000)]
    values = rng.normal(2.0, 0.5, (4000, 8)).astype(np.float32)
    path = tmp_path / "made.txt"
    path.write_text(
        "".join(f"{n} {' '.join(map(repr, v.tolist()))}\n" for n, v in zip(names, values, strict=True))
    )
    _, vectors = read_vectors(path, ["<pad>", "<unk>", *names], 8)
    _, turned = read_vectors(path, ["<pad>", "<unk>", *names[::-1]], 8)
    np.testing.assert_allclose(vectors[0], turned[0], rtol=1e-5)
    np.testing.assert_allclose(vectors[1], values.mean(axis=0), rtol=1e-5)
    standard = np.random.default_rng(stream(0, "data", "padding")).standard_normal(8)
    np.testing.assert_allclose(
        (vectors[0] - values.mean(axis=0)) / values.std(axis=0), standard, rtol=1e-3, atol=1e-3
    )


def test_a_torn_archive(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt.gz"
    path.write_bytes(gzip.compress(GLOVE.encode())[:-12])
    with pytest.raises(UserError, match="truncated or cannot be read"):
        read_vectors(path, VOCABULARY, 3)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        rows = "".join(f"{'good' if n % 2 else 'bad'} film {split} {n},{n % 2}\n" for n in range(20))
        (tmp_path / f"{split}.csv").write_text(f"text,label\n{rows}")
    out = tmp_path / "data"
    out.mkdir()
    build("films", Imdb(source="imdb", path=str(tmp_path)), out)
    return out


SPEC = Imdb(source="imdb", path="unused", max_tokens=6)


def test_texts_encoded_with_given_vectors(films: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "glove.txt").write_text(GLOVE + "test 4 4 4\n", encoding="utf-8")
    monkeypatch.setenv("SOME_VECTORS", str(tmp_path))
    arch = BiLSTM(family="bilstm", vectors=3, vectors_path="$SOME_VECTORS/glove.txt")
    out = tmp_path / "bilstm.safetensors"
    encode(films, "films", "bilstm", SPEC, arch, out)
    inputs = load_inputs(out)
    words = (tmp_path / "bilstm.vocabulary.txt").read_text().split("\n")[:-1]
    # "test" is in no training text, but the vectors know it.
    assert set(words) == {"<pad>", "<unk>", "film", "good", "bad", "test"}
    assert inputs.vectors is not None
    np.testing.assert_array_equal(inputs.vectors[words.index("test")], [4, 4, 4])
    first = [words[i] for i in inputs.splits["test"].inputs[0]]
    assert first == ["bad", "film", "test", "<unk>", "<pad>", "<pad>"]
    monkeypatch.delenv("SOME_VECTORS")
    with pytest.raises(UserError, match="SOME_VECTORS is not set"):
        encode(films, "films", "bilstm", SPEC, arch, out)


def test_without_a_limit_the_rule_decides(films: Path, tmp_path: Path) -> None:
    """Four words a text, so 4; where the set says nothing, it is the paper's number."""
    (tmp_path / "glove.txt").write_text(GLOVE, encoding="utf-8")
    arch = BiLSTM(family="bilstm", vectors=3, vectors_path=str(tmp_path / "glove.txt"))
    for spec, length in (
        (Imdb(source="imdb", path="unused", max_tokens=None), 4),
        (Imdb(source="imdb"), 512),
    ):
        encode(films, "films", "bilstm", spec, arch, tmp_path / "b.safetensors")
        assert load_inputs(tmp_path / "b.safetensors").splits["test"].inputs.shape == (20, length)


PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "test", "##s"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    import torch

    prepare_torchvision()
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=64,
        hidden_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def encoder(folder: Path | str, **changes: Any) -> Encoder:
    sizes = {"hidden": 8, "layers": 2, "heads": 2, "intermediate": 16, "vocabulary": 64, "positions": 16}
    return Encoder.model_validate(
        {"family": "encoder", "pretrained": str(folder), "dropout": 0.0} | sizes | changes
    )


def test_a_pretrained_encoder(films: Path, checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from prunescope.models.registry import build as build_model
    from prunescope.models.registry import count_parameters, prunable
    from prunescope.models.shape import Shape

    arch = encoder(checkpoint)
    out = tmp_path / "bert.safetensors"
    encode(films, "films", "bert", SPEC, arch, out)
    inputs = load_inputs(out)
    assert (inputs.pad, inputs.cls, inputs.sep, inputs.vocabulary_size) == (0, 2, 3, 64)
    assert inputs.splits["test"].inputs[0].tolist() == [2, 6, 7, 8, 1, 3]
    assert (tmp_path / "bert.vocabulary.txt").read_text().split("\n")[:-1] == PIECES

    shape = Shape(classes=2, vocabulary=64, length=6, pad=0)
    models = [build_model(arch, shape, seed) for seed in (0, 0, 1)]
    states = [model.state_dict() for model in models]
    saved = load_file(checkpoint / "model.safetensors")
    for state in states:
        for name, value in state.items():
            assert value.dtype == torch.float32
            if name.startswith("bert."):
                assert torch.equal(value, saved[name.removeprefix("bert.")])
    assert not any(".layer.2." in name for name in states[0])
    # The seed decides the head alone.
    assert torch.equal(states[0]["classifier.weight"], states[1]["classifier.weight"])
    assert not torch.equal(states[0]["classifier.weight"], states[2]["classifier.weight"])
    scratch = build_model(arch.model_copy(update={"pretrained": None}), shape, 0)
    assert count_parameters(models[0]) == count_parameters(scratch)
    assert list(prunable(models[0])) == list(prunable(scratch))
    assert arch.masks_padding


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": 12}, r"has other sizes than the arch; set hidden: 8$"),
        ({"layers": 4, "vocabulary": 70}, r"set vocabulary: 64, layers: 3$"),
    ],
)
def test_other_sizes(checkpoint: Path, changes: dict[str, int], said: str) -> None:
    from prunescope.models.encoder_checkpoints import load_model

    with pytest.raises(UserError, match=said):
        load_model(encoder(checkpoint).model_copy(update=changes))


def test_checkpoints_that_are_refused(checkpoint: Path, monkeypatch: Any) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from prunescope.models.encoder_checkpoints import load_model

    weights = checkpoint / "model.safetensors"
    tensors = load_file(weights)
    whole = weights.read_bytes()
    kept = {name: value for name, value in tensors.items() if "layer.1.attention.self.query" not in name}
    save_file(kept, weights, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks weights .* encoder.layer.1.attention.self.query"):
        load_model(encoder(checkpoint))
    weights.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"cannot be loaded") as error:
        load_model(encoder(checkpoint))
    assert "\n" not in str(error.value)
    # A pickle in its place is not read.
    weights.unlink()
    torch.save(tensors, checkpoint / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"a pickled checkpoint, which is not read"):
        load_model(encoder(checkpoint))
    config = checkpoint / "config.json"
    config.write_text(config.read_text().replace('"model_type": "bert"', '"model_type": "gpt2"'))
    with pytest.raises(UserError, match="its model type is 'gpt2'; choose a text encoder: albert, bert, "):
        load_model(encoder(checkpoint))
    monkeypatch.delenv("SOME_MODELS", raising=False)
    with pytest.raises(UserError, match="SOME_MODELS is not set"):
        load_model(encoder("$SOME_MODELS/bert"))
    with pytest.raises(UserError, match="no such file or folder"):
        load_model(encoder(checkpoint / "absent"))


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_an_archive_of_one_file_is_read_as_the_file(tmp_path: Path) -> None:
    plain = tmp_path / "glove.txt"
    plain.write_text(GLOVE, encoding="utf-8")
    packed = zipped(tmp_path / "glove.zip", {"glove.txt": GLOVE})
    words, vectors = read_vectors(plain, VOCABULARY, 3)
    again, same = read_vectors(packed, VOCABULARY, 3)
    assert again == words
    np.testing.assert_array_equal(same, vectors)
    with pytest.raises(UserError, match="holds 2 files, not one"):
        read_vectors(zipped(tmp_path / "two.zip", {"a": GLOVE, "b": GLOVE}), VOCABULARY, 3)
    (tmp_path / "cut.zip").write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"cut\.zip: truncated or cannot be read"):
        read_vectors(tmp_path / "cut.zip", VOCABULARY, 3)
    # Known by its name, also behind the cache's digest: the published file has more lines.
    with pytest.raises(UserError, match="of 2,196,017: cut off"):
        read_vectors(packed.rename(tmp_path / "c06db255e650-glove.840B.300d.zip"), VOCABULARY, 3)


def test_published_vectors_are_fetched_once_and_encoded(
    films: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """The archive, its digest, length and address are those of a small one."""
    packed = zipped(tmp_path / "small.zip", {"small.txt": GLOVE})
    known = PublishedVectors(
        "small.zip",
        3,
        packed.stat().st_size,
        hashlib.sha256(packed.read_bytes()).hexdigest(),
        (packed.as_uri(),),
    )
    monkeypatch.setitem(PUBLISHED_VECTORS, "glove.840B.300d", known)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    settings = {"family": "bilstm", "vectors": 3, "published_vectors": "glove.840B.300d"}
    arch = BiLSTM.model_validate(settings)
    assert arch.fetched
    assert arch.checked() == [
        f"downloads small.zip (0.0 GB, SHA-256 {known.sha256}) from {packed.as_uri()}, unless it is in the cache"
    ]
    command = ["pretrained", "--arch", "bilstm", "--settings", json.dumps(settings)]
    assert main([*command, "--out", str(tmp_path / "fetched.json")]) == 0
    assert json.loads((tmp_path / "fetched.json").read_text())["published_vectors"] == "glove.840B.300d"
    packed.unlink()
    encode(films, "films", "bilstm", SPEC, arch, tmp_path / "b.safetensors")
    assert load_inputs(tmp_path / "b.safetensors").vectors is not None
    # Another file at that address is not taken.
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "empty"))
    packed.write_text("something else")
    with pytest.raises(
        UserError, match=r"wrong checksum.*set `vectors_path` in place of `published_vectors`"
    ):
        encode(films, "films", "bilstm", SPEC, arch, tmp_path / "b.safetensors")


def test_published_vectors_have_their_own_length_and_no_file_beside() -> None:
    published = {"family": "bilstm", "published_vectors": "glove.840B.300d"}
    assert BiLSTM.model_validate(published).vectors == 300
    for more, message in (
        ({"vectors": 50}, "have 300 numbers"),
        ({"vectors_path": "x"}, "leave one of the two out"),
    ):
        with pytest.raises(ValueError, match=message):
            BiLSTM.model_validate(published | more)
