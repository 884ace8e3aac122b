"""From data tables to the numbers that a model takes in: one safetensors file per (data set, arch)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.config import architectures as archs
from prunescope.config.datasets import Dataset
from prunescope.data.dataset import DataTable
from prunescope.data.encoding import words
from prunescope.data.encoding.answers import as_bytes, check, continued, from_bytes, padded, tagged, windows
from prunescope.data.encoding.byte_pairs import BytePairs
from prunescope.data.encoding.vectors import published_vectors, read_vectors
from prunescope.data.images import channel_statistics
from prunescope.data.published import covering_power_of_two
from prunescope.data.settings import Spans, Texts
from prunescope.data.splits import SPLITS
from prunescope.data.tables import read_table
from prunescope.errors import BadFileError, UserError
from prunescope.files import atomic_path, expanded, write_text
from prunescope.predictions.texts import basic_english

if TYPE_CHECKING:
    from prunescope.data.encoding.subwords import Subwords
    from prunescope.data.encoding.tokenizers import AnyTokenizer, PretrainedTokenizer

_KEY = "prunescope"

#: Tasks whose answers are no classes of a whole text.
ANSWER_TASKS = ("tokens", "span", "text")

#: Arrays that only some of them have.
_FURTHER = ("words", "owners", "offsets", "prompts")

#: Types of labels, by task.
_LABELS = {"single-label": np.int64, "multi-label": np.uint8, "regression": np.float32}


@dataclass(frozen=True)
class SplitInputs:
    """One split.

    ``inputs``: (n, channels, height, width) uint8 images, or (n, L) int32 ids filled up with
    padding. ``lengths``: (n,) int32 ids before the padding, or None for images. ``labels``:
    (n,) int64, or (n, C) uint8; regression (n,) float32.

    Where answers are no classes of a whole text, ``labels``, the arrays ``further`` and ``truth`` are as
    ``encode_answers`` makes them, and n may be a number of windows.
    """

    inputs: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray | None
    further: Mapping[str, np.ndarray] = field(default_factory=dict)
    truth: Any = None


@dataclass(frozen=True)
class Inputs:
    """An encoded data set.

    ``vectors``: (V, D) float32 word vectors, for words only. ``parts``: texts of an example whose tokens
    ``sep`` separates; 2 for pairs as subwords, else 1.

    ``tokenizer``: turns tokens into texts again, as JSON (task text). ``max_answer``: longest span, in tokens.
    ``metrics`` and ``test_parts``: the data set's own scores, and parts of its test split (``TableInfo``).

    Of images: pixels are divided by ``image_scale``; where ``image_mean`` and ``image_std`` are
    given, one number a channel, the former is then taken off and the rest divided by the latter.
    ``augment``: how training augments its images (``prunescope.training.augment``).
    """

    dataset: str
    arch: str
    task: str
    classes: tuple[str, ...]
    kind: str
    splits: dict[str, SplitInputs]
    image_scale: float = 1.0
    image_mean: tuple[float, ...] | None = None
    image_std: tuple[float, ...] | None = None
    augment: str = "none"
    pad: int | None = None
    vocabulary_size: int | None = None
    max_tokens: int | None = None
    cls: int | None = None
    sep: int | None = None
    vectors: np.ndarray | None = None
    parts: int = 1
    metrics: tuple[str, ...] = ()
    test_parts: Mapping[str, int] = field(default_factory=dict)
    tokenizer: str | None = None
    max_answer: int = 0


def encode(
    data: Path,
    dataset_name: str,
    arch_name: str,
    spec: Dataset,
    arch: archs.Arch,
    out: Path,
) -> None:
    """Encode the tables in folder ``data`` for an architecture, and write them to ``out``.

    Words and subwords, and the vectors of words, are learned from the training texts alone;
    the vocabulary goes beside ``out``, ``<arch_name>.vocabulary.txt``, a word a line.

    Raises:
        UserError: a table is missing or unusable, belongs to another data set, or does not suit the arch;
            or the disk is full.
    """
    tables = {split: read_table(Path(data) / f"{split}.parquet") for split in SPLITS}
    _check_together(Path(data), dataset_name, tables)
    first = tables["train"].info
    wanted, got = arch.input, "image" if first.image_shape is not None else "text"
    if wanted != got:
        raise UserError(f"{data}: has {got}s, but arch {arch_name!r} takes {wanted}s; choose another arch")
    about: dict[str, Any] = {
        "dataset": dataset_name,
        "arch": arch_name,
        "task": first.task,
        "classes": list(first.classes),
    }
    if first.metrics:
        about["metrics"] = list(first.metrics)
    if tables["test"].info.parts:
        about["test_parts"] = dict(tables["test"].info.parts)
    # Every data set of texts has this setting; those of images do not.
    max_tokens: int | None = getattr(spec, "max_tokens", None)
    tensors: dict[str, np.ndarray] = {}
    vocabulary: list[str] | None = None
    answered = first.task in ANSWER_TASKS
    settings: Any = arch  # with those that its way of encoding asks for
    if answered:
        vocabulary = _encode_answers(tables, spec, settings, tensors, about)
    elif arch.encoding == "words":
        vocabulary = _encode_words(tables, settings, max_tokens, tensors, about)
    elif arch.encoding == "subwords":
        vocabulary = _encode_subwords(tables, settings, max_tokens, tensors, about)
    else:
        about |= {"kind": "image", "image_scale": first.image_scale}
        for split, table in tables.items():
            assert table.images is not None
            tensors[f"{split}.inputs"] = np.ascontiguousarray(table.images)
        augment = getattr(spec, "augment", None)
        if augment is not None:
            mean, std = channel_statistics(tensors["train.inputs"])
            scale = first.image_scale or 1.0
            about |= {"image_mean": [m / scale for m in mean], "image_std": [s / scale for s in std]}
            about["augment"] = augment
    for split, table in () if answered else tables.items():
        tensors[f"{split}.labels"] = table.labels.astype(_LABELS[first.task])
    if vocabulary is not None:
        write_text(
            Path(out).parent / f"{arch_name}.vocabulary.txt", "".join(f"{word}\n" for word in vocabulary)
        )
    _save(Path(out), tensors, about)


def load_inputs(path: Path | str) -> Inputs:
    """Read and check an encoded data set.

    Raises:
        UserError: the file is missing, truncated, or not an encoded data set; the line names it.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise BadFileError(path, "no such file of encoded inputs", "encode the data set first")
    try:
        with safe_open(path, framework="numpy") as file:
            raw = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise BadFileError(path, f"truncated or not a safetensors file ({reason})") from None
    if raw is None:
        raise _foreign(path, "has no 'prunescope' metadata")
    try:
        about = json.loads(raw)
        splits = {
            split: SplitInputs(
                tensors[f"{split}.inputs"],
                tensors[f"{split}.labels"],
                tensors.get(f"{split}.lengths"),
                {name: tensors[key] for name in _FURTHER if (key := f"{split}.{name}") in tensors},
                from_bytes(tensors[key]) if (key := f"{split}.truth") in tensors else None,
            )
            for split in SPLITS
        }
        inputs = Inputs(
            dataset=about["dataset"],
            arch=about["arch"],
            task=about["task"],
            classes=tuple(about["classes"]),
            kind=about["kind"],
            splits=splits,
            image_scale=float(about.get("image_scale") or 1.0),
            image_mean=_numbers(about.get("image_mean")),
            image_std=_numbers(about.get("image_std")),
            augment=str(about.get("augment", "none")),
            pad=about.get("pad"),
            vocabulary_size=about.get("vocabulary_size"),
            max_tokens=about.get("max_tokens"),
            cls=about.get("cls"),
            sep=about.get("sep"),
            vectors=tensors.get("vectors"),
            parts=int(about.get("parts") or 1),
            metrics=tuple(about.get("metrics") or ()),
            test_parts=dict(about.get("test_parts") or {}),
            tokenizer=from_bytes(tensors["tokenizer"]) if "tokenizer" in tensors else None,
            max_answer=int(about.get("max_answer") or 0),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _foreign(path, f"lacks a part ({type(error).__name__}: {error})") from None
    for split, arrays in inputs.splits.items():
        _check_split(path, inputs, split, arrays)
    if inputs.kind == "words" and (inputs.vectors is None or len(inputs.vectors) != inputs.vocabulary_size):
        raise _foreign(path, "does not have one vector for each word")
    return inputs


def _numbers(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(map(float, values))


def _encode_words(
    tables: dict[str, DataTable],
    arch: archs.BiLSTM,
    max_tokens: int | None,
    tensors: dict[str, np.ndarray],
    about: dict[str, Any],
) -> list[str]:
    tokens = {
        split: [[basic_english(text) for text in column] for column in _columns(table)]
        for split, table in tables.items()
    }
    given = None
    if arch.vectors_path is None and arch.published_vectors is None:
        vocabulary = words.vocabulary(tokens["train"], arch.min_count)
    else:
        # Given vectors know words whether or not the training texts hold them.
        everything = [
            [text for columns in tokens.values() for text in columns[part]]
            for part in range(len(tokens["train"]))
        ]
        file = (
            published_vectors(arch.published_vectors)
            if arch.published_vectors is not None
            else expanded(str(arch.vectors_path))
        )
        vocabulary, given = read_vectors(file, words.vocabulary(everything, 1), arch.vectors)
    numbered = {split: words.numbered(columns, vocabulary) for split, columns in tokens.items()}
    length = max_tokens or covering_power_of_two([len(row) for row in numbered["train"]])
    for split, rows in numbered.items():
        tensors[f"{split}.inputs"], tensors[f"{split}.lengths"] = padded(rows, length, words.PAD)
    if given is None:
        given = words.word_vectors(numbered["train"], len(vocabulary), arch.vectors)
    if arch.padding_vector != "random":
        given[words.PAD] = 0.0 if arch.padding_vector == "zeros" else given[words.UNKNOWN]
    tensors["vectors"] = given
    about |= {"kind": "words", "pad": words.PAD, "vocabulary_size": len(vocabulary), "max_tokens": length}
    return vocabulary


def _encode_subwords(
    tables: dict[str, DataTable],
    arch: archs.Encoder | archs.Transformers,
    max_tokens: int | None,
    tensors: dict[str, np.ndarray],
    about: dict[str, Any],
) -> list[str]:
    training = _columns(tables["train"])
    tokenizer, size = _tokenizer_of(arch, [text for column in training for text in column])
    length = max_tokens or covering_power_of_two([len(row) for row in tokenizer.numbered(training)])
    for split, table in tables.items():
        rows = tokenizer.numbered(_columns(table), length)
        tensors[f"{split}.inputs"], tensors[f"{split}.lengths"] = padded(rows, length, tokenizer.pad)
    about |= {
        "kind": "pieces",
        "pad": tokenizer.pad,
        "cls": tokenizer.cls,
        "sep": tokenizer.sep,
        "vocabulary_size": size,
        "max_tokens": length,
    }
    if len(training) > 1:
        about["parts"] = len(training)
    return tokenizer.vocabulary


def _encode_answers(
    tables: dict[str, DataTable],
    spec: Dataset,
    arch: Any,
    tensors: dict[str, np.ndarray],
    about: dict[str, Any],
) -> list[str]:
    """Tags and spans for an encoder, texts for a causal language model (``encode_answers``)."""
    about["kind"] = "pieces"
    training = [text for column in _columns(tables["train"]) for text in column]
    if tables["train"].info.task == "text":
        assert isinstance(spec, Texts)
        references = [text for answers in tables["train"].labels for text in answers]
        pairs = _byte_pairs(arch, [*training, *references])
        vocabulary = pairs.vocabulary
        size = len(vocabulary) if arch.pretrained is None else arch.vocabulary_size
        about |= {"pad": pairs.end, "vocabulary_size": size, "max_tokens": spec.max_tokens}
        tensors["tokenizer"] = as_bytes(pairs.tokenizer.to_str())
        encoded = {split: continued(pairs, table, spec.max_tokens) for split, table in tables.items()}
    else:
        tokenizer, size = _tokenizer_of(arch, training)
        vocabulary = tokenizer.vocabulary
        about |= {"pad": tokenizer.pad, "cls": tokenizer.cls, "sep": tokenizer.sep, "vocabulary_size": size}
        if isinstance(spec, Spans):
            about |= {"max_tokens": spec.max_tokens, "max_answer": spec.max_answer, "parts": 2}
            encoded = {
                split: windows(tokenizer.tokenizer, table, spec, tokenizer.pad)
                for split, table in tables.items()
            }
        else:
            rows = tokenizer.numbered(_columns(tables["train"]))
            length: int = getattr(spec, "max_tokens", None) or covering_power_of_two(
                [len(row) for row in rows]
            )
            about["max_tokens"] = length
            encoded = {
                split: tagged(tokenizer.tokenizer, table, length, tokenizer.pad)
                for split, table in tables.items()
            }
    for split, (arrays, truth) in encoded.items():
        tensors.update({f"{split}.{name}": array for name, array in arrays.items()})
        tensors[f"{split}.truth"] = as_bytes(truth)
    return vocabulary


def _byte_pairs(arch: archs.CausalLM | archs.Transformers, training: Sequence[str]) -> BytePairs:
    """The tokenizer of a causal language model: its checkpoint's, or one learned here."""
    from prunescope.data.encoding.byte_pairs import END_ID, learn

    if arch.pretrained is None:
        return BytePairs(learn(training, arch.vocabulary), END_ID)
    from prunescope.data.encoding.tokenizers import load_byte_pairs

    return load_byte_pairs(arch)


def _tokenizer_of(
    arch: archs.Encoder | archs.Transformers, training: Sequence[str]
) -> tuple[Subwords | PretrainedTokenizer | AnyTokenizer, int]:
    """The tokenizer of a model, and the number of its tokens."""
    from prunescope.data.encoding import subwords
    from prunescope.data.encoding.tokenizers import AnyTokenizer, PretrainedTokenizer

    if isinstance(arch, archs.Transformers):
        tokenizer = AnyTokenizer(arch)
        return tokenizer, tokenizer.size
    if arch.pretrained is None:
        learned = subwords.learn(training, arch.vocabulary)
        return subwords.Subwords(learned), len(learned)
    return PretrainedTokenizer(arch), arch.vocabulary


def _columns(table: DataTable) -> list[list[str]]:
    assert table.texts is not None
    return [table.texts[column] for column in table.info.inputs]


def _check_together(data: Path, dataset_name: str, tables: dict[str, DataTable]) -> None:
    first = tables["train"].info
    for split, table in tables.items():
        info = table.info
        if info.dataset != dataset_name or info.split != split:
            raise UserError(
                f"{data / f'{split}.parquet'}: holds {info.split} of data set {info.dataset!r}, not {split} of "
                f"{dataset_name!r}; build the data set again"
            )
        same = ("task", "classes", "inputs", "image_shape", "image_scale")
        if any(getattr(info, field) != getattr(first, field) for field in same):
            raise UserError(
                f"{data / f'{split}.parquet'}: task, classes or inputs differ from train.parquet's; "
                "build the data set again"
            )


def _save(out: Path, tensors: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    with atomic_path(out) as temporary:
        try:
            save_file(contiguous, temporary, metadata={_KEY: json.dumps(about, ensure_ascii=False)})
        except SafetensorError as error:
            # Its own word for a full disk.
            raise OSError(str(error)) from error


def _check_split(path: Path, inputs: Inputs, split: str, arrays: SplitInputs) -> None:
    n, classes = len(arrays.inputs), len(inputs.classes)
    multi = inputs.task == "multi-label"
    if inputs.task in ANSWER_TASKS:
        try:
            held = {"inputs": arrays.inputs, "labels": arrays.labels, **arrays.further}
            check(inputs.task, held, arrays.truth)
        except (ValueError, KeyError, TypeError) as error:
            raise _foreign(path, f"{split}: {error}") from None
    elif arrays.labels.shape != ((n, classes) if multi else (n,)):
        raise _foreign(
            path, f"{split}.labels have shape {arrays.labels.shape}, which does not suit {n} examples"
        )
    if inputs.kind == "image":
        if arrays.inputs.ndim != 4:
            raise _foreign(path, f"{split}.inputs are not images but of shape {arrays.inputs.shape}")
        for numbers in (inputs.image_mean, inputs.image_std):
            if numbers is not None and len(numbers) != arrays.inputs.shape[1]:
                raise _foreign(path, "does not have one mean and one deviation for each channel")
    elif inputs.kind in ("words", "pieces"):
        if arrays.inputs.ndim != 2 or arrays.lengths is None or arrays.lengths.shape != (n,):
            raise _foreign(path, f"{split}.inputs or {split}.lengths do not have the form of texts")
        if n and int(arrays.inputs.max()) >= (inputs.vocabulary_size or 0):
            raise _foreign(path, f"{split}.inputs hold an id outside the vocabulary")
    else:
        raise _foreign(path, f"its kind {inputs.kind!r} is none of image, words, pieces")


def _foreign(path: Path, what: str) -> UserError:
    return BadFileError(path, f"not an encoded data set: {what}")
