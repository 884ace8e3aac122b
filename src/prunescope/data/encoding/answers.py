"""Texts with tags, spans or texts of their own as the numbers that a model takes in.

What turns a model's outputs into answers again goes along: as arrays, and text as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from prunescope.data.dataset import DataTable
from prunescope.data.encoding.byte_pairs import BytePairs
from prunescope.data.settings import Spans

#: The label of a position that the loss ignores (torch's default).
IGNORED = -100

#: One split's arrays by name, and what goes along as JSON.
Encoded = tuple[dict[str, np.ndarray], dict[str, Any]]


def tagged(tokenizer: Tokenizer, table: DataTable, length: int, pad: int) -> Encoded:
    """Sentences of words with a class each.

    ``inputs`` (n, L) int32, ``lengths`` (n,); ``labels`` (n, L) int64, the word's class at its first token, else
    ``IGNORED``; ``words`` (n, L) int32, the word's number at its first token, else -1.
    """
    assert table.texts is not None
    sentences = [text.split(" ") for text in table.texts[table.info.inputs[0]]]
    lead = _needs_blank(tokenizer)
    rows = [[" " * (lead and n > 0) + word for n, word in enumerate(words)] for words in sentences]
    tokenizer.enable_truncation(length)
    encodings = tokenizer.encode_batch(rows, is_pretokenized=True)
    inputs, lengths = padded([e.ids for e in encodings], length, pad)
    labels = np.full(inputs.shape, IGNORED, dtype=np.int64)
    words = np.full(inputs.shape, -1, dtype=np.int32)
    for n, encoding in enumerate(encodings):
        seen = None
        for position, word in enumerate(encoding.word_ids):
            if word is not None and word != seen:
                labels[n, position], words[n, position] = table.labels[n][word], word
                seen = word
    truth = {"label": [label.tolist() for label in table.labels]}
    return {"inputs": inputs, "lengths": lengths, "labels": labels, "words": words}, truth


def windows(tokenizer: Tokenizer, table: DataTable, spec: Spans, pad: int) -> Encoded:
    """Questions, each with every window of its paragraph (Devlin et al. 2019, section 4.2).

    ``inputs`` (w, L) int32 and ``lengths`` (w,) of w windows; ``labels`` (w, 2) int64, first and last token of the
    first answer, 0 and 0 where the window does not hold it whole; ``owners`` (w,) int32, whose window it is;
    ``offsets`` (w, L, 2) int32, characters of the paragraph that a token covers, -1 outside of it.
    """
    assert table.texts is not None
    assert table.starts is not None
    questions, contexts = (table.texts[name] for name in table.info.inputs)
    cut = _cut(tokenizer, questions, spec.max_question)
    tokenizer.enable_truncation(spec.max_tokens, stride=spec.stride, strategy="only_second")
    found = tokenizer.encode_batch(list(zip(cut, contexts, strict=True)))
    parts = [(owner, part) for owner, first in enumerate(found) for part in (first, *first.overflowing)]
    inputs, lengths = padded([part.ids for _, part in parts], spec.max_tokens, pad)
    offsets = np.full((*inputs.shape, 2), -1, dtype=np.int32)
    labels = np.zeros((len(parts), 2), dtype=np.int64)
    for n, (owner, part) in enumerate(parts):
        where = [position for position, sequence in enumerate(part.sequence_ids) if sequence == 1]
        offsets[n, where] = [part.offsets[position] for position in where]
        start = table.starts[owner][0]
        labels[n] = _span(offsets[n], start, start + len(table.labels[owner][0]))
    arrays = {
        "inputs": inputs,
        "lengths": lengths,
        "labels": labels,
        "owners": np.array([owner for owner, _ in parts], dtype=np.int32),
        "offsets": offsets,
    }
    return arrays, {"label": [list(answers) for answers in table.labels], "context": contexts}


def _span(offsets: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """First and last token of the characters [start, end), (0, 0) where not all of them are there."""
    inside = (offsets[:, 0] >= 0) & (offsets[:, 1] > start) & (offsets[:, 0] < end)
    positions = np.flatnonzero(inside)
    if not len(positions) or offsets[positions[0], 0] > start or offsets[positions[-1], 1] < end:
        return 0, 0
    return int(positions[0]), int(positions[-1])


def _cut(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> list[str]:
    """The texts up to the end of their token number ``most``."""
    tokenizer.no_truncation()
    encodings: list[Encoding] = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [
        text if len(encoding) <= most else text[: encoding.offsets[most - 1][1]]
        for text, encoding in zip(texts, encodings, strict=True)
    ]


def continued(tokenizer: BytePairs, table: DataTable, length: int) -> Encoded:
    """Record, end token, text, end token: what a causal language model continues.

    ``inputs`` (n, L) int32 and ``lengths`` (n,) of record and first reference; ``labels`` (n, L) int64, the next
    token, ``IGNORED`` before the text and after the last end token, so that the loss is of the text alone;
    ``prompts`` (n,) int32, tokens up to and with the first end token.
    """
    assert table.texts is not None
    sources = tokenizer.numbered(table.texts[table.info.inputs[0]])
    targets = tokenizer.numbered([references[0] for references in table.labels])
    rows, prompts = [], []
    for source, target in zip(sources, targets, strict=True):
        prompt = [*source[: length // 2 - 1], tokenizer.end]
        rows.append([*prompt, *target, tokenizer.end][:length])
        prompts.append(len(prompt))
    inputs, lengths = padded(rows, length, tokenizer.end)
    labels = np.full(inputs.shape, IGNORED, dtype=np.int64)
    for n, (row, begun) in enumerate(zip(rows, prompts, strict=True)):
        labels[n, begun - 1 : len(row) - 1] = row[begun:]
    arrays = {
        "inputs": inputs,
        "lengths": lengths,
        "labels": labels,
        "prompts": np.array(prompts, dtype=np.int32),
    }
    return arrays, {"label": [list(references) for references in table.labels]}


def padded(rows: Sequence[Sequence[int]], length: int, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n, length) int32 and lengths (n,) int32, cut and filled up.

    A text without any word counts as one padding, since no model reads a text of no length.
    """
    ids = np.full((len(rows), length), pad, dtype=np.int32)
    for number, row in enumerate(rows):
        kept = row[:length]
        ids[number, : len(kept)] = kept
    lengths = np.array([min(max(len(row), 1), length) for row in rows], dtype=np.int32)
    return ids, lengths


def _needs_blank(tokenizer: Tokenizer) -> bool:
    """Whether words but the first must begin with a blank to be cut as they are in a text (RoBERTa's)."""
    before = json.loads(tokenizer.to_str()).get("pre_tokenizer") or {}
    kinds = [before, *before.get("pretokenizers", [])]
    return any(kind.get("type") == "ByteLevel" and not kind.get("add_prefix_space") for kind in kinds)


def as_bytes(value: Any) -> np.ndarray:
    """JSON as a (b,) uint8 array, for files that hold arrays alone."""
    return np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), dtype=np.uint8).copy()


def from_bytes(array: np.ndarray) -> Any:
    """Inverse of ``as_bytes``.

    Raises:
        ValueError: it holds no JSON.
    """
    return json.loads(array.astype(np.uint8).tobytes().decode())


def check(task: str, arrays: Mapping[str, np.ndarray], truth: Any) -> None:
    """Raises: ValueError: the arrays of a split do not fit together."""
    shape, n = arrays["inputs"].shape, len(truth["label"])
    wanted: dict[str, tuple[int, ...]] = {"labels": shape}
    if task == "tokens":
        wanted["words"] = shape
    if task == "span":
        wanted = {"labels": (shape[0], 2), "owners": shape[:1], "offsets": (*shape, 2)}
        if sorted(set(arrays["owners"].tolist())) != list(range(n)) or len(truth["context"]) != n:
            raise ValueError("not every question has a window")
    elif shape[0] != n:
        raise ValueError(f"{n} answers for {shape[0]} examples")
    if task == "text":
        wanted["prompts"] = shape[:1]
    for name, size in wanted.items():
        if name not in arrays or arrays[name].shape != size:
            raise ValueError(f"{name} do not have the shape {size}")
