"""Packed texts: the same outputs and gradients as padded ones, for every encoder; attention against its definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_encoders import OTHERS, save_checkpoint

from prunescope.config.architectures import Encoder, with_checkpoint_sizes
from prunescope.config.checkpoints import ENCODER_TYPES
from prunescope.data.encoding.tokenizers import PretrainedTokenizer
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.encoder import token_types
from prunescope.models.packed import (
    PackedTexts,
    attention_by_length,
    fused_attention,
    fused_works,
    packed,
    packed_token_types,
)
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape

# tiny_encoders imports transformers itself.
prepare_torchvision()

KINDS = sorted(OTHERS)
FIRST = ["good a b film c a", "a", "bad film", "c c c c", "film b"]
SECOND = ["a b", "c", "good", "d b", "e f g h"]


def table_of(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Padded ids (n, 16) and their lengths (n,)."""
    table = torch.full((len(rows), 16), pad)
    for number, row in enumerate(rows):
        table[number, : len(row)] = torch.tensor(row)
    return table, torch.tensor([len(row) for row in rows])


def pretrained(folder: Path, *, pairs: bool) -> tuple[Any, PretrainedTokenizer]:
    raw = {"archs": {"a": {"family": "encoder", "pretrained": str(folder), "dropout": 0.0}}}
    arch = Encoder.model_validate(with_checkpoint_sizes(raw)["archs"]["a"])
    pieces = PretrainedTokenizer(arch)
    shape = Shape(
        classes=3, vocabulary=64, length=16, pad=pieces.pad, separator=pieces.sep if pairs else None
    )
    model = build(arch, shape, 0)
    for weight in prunable(model).values():
        weight.data *= 8
    return model.double(), pieces


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if ENCODER_TYPES[kind].packs])
def test_outputs_and_gradients_are_those_of_padded_texts(kind: str, pairs: bool, tmp_path: Path) -> None:
    model, pieces = pretrained(save_checkpoint(tmp_path, kind), pairs=pairs)
    rows = pieces.numbered([FIRST, SECOND] if pairs else [FIRST], 16)
    table, lengths = table_of(rows, pieces.pad)
    index = torch.tensor([3, 0, 4, 1, 2])
    sides = []
    # Padded once more behind: padded batches must not depend on what attention packed ones were given.
    for inputs in (table[index], packed(table, index, lengths[index]), table[index]):
        model.zero_grad(set_to_none=True)
        logits = model(inputs)
        (logits.square().sum() + logits[0, 0]).backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        sides.append((logits.detach(), gradients))
    (padded, wanted), (without, found), (again, _) = sides
    torch.testing.assert_close(without, padded, rtol=1e-9, atol=1e-12)
    assert torch.equal(again, padded)
    assert padded.std(dim=0).min() > 1e-4  # texts are distinguished
    assert found.keys() == wanted.keys()
    assert set(prunable(model)) <= found.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-7, atol=1e-12, msg=name)


def test_texts_do_not_depend_on_their_neighbours(tmp_path: Path) -> None:
    model, pieces = pretrained(save_checkpoint(tmp_path, "bert"), pairs=False)
    table, lengths = table_of(pieces.numbered([FIRST], 16), pieces.pad)
    all_ = torch.arange(5)
    before = model(packed(table, all_, lengths))
    table[2, 1] = (table[2, 1] + 1) % 12
    after = model(packed(table, all_, lengths))
    changed = (before - after).abs().amax(dim=1) > 0
    assert changed.tolist() == [False, False, True, False, False]


def test_mpnet_is_refused_in_a_line(tmp_path: Path) -> None:
    model, pieces = pretrained(save_checkpoint(tmp_path, "mpnet"), pairs=False)
    table, lengths = table_of(pieces.numbered([FIRST], 16), pieces.pad)
    with pytest.raises(UserError, match=r"^padding: none is not for encoders of type mpnet; set"):
        model(packed(table, torch.arange(5), lengths))


def test_packing_by_hand() -> None:
    table = torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0], [1, 2, 3, 4], [9, 0, 0, 0]])
    texts = packed(table, torch.tensor([2, 1, 3]), torch.tensor([4, 1, 1]))
    assert texts.tokens.tolist() == [8, 9, 1, 2, 3, 4]
    assert texts.positions.tolist() == [0, 0, 0, 1, 2, 3]
    assert texts.text.tolist() == [0, 1, 2, 2, 2, 2]
    assert texts.offsets.tolist() == [0, 1, 2, 6]
    assert texts.first.tolist() == [2, 0, 1]
    assert texts.lengths == (1, 1, 4)
    assert texts.runs == [(1, 2), (4, 1)]
    assert len(texts) == 3


def test_token_types_are_those_of_padded_texts() -> None:
    # Separator 3, padding 0; the third text has no second one, the fourth two separators in a row.
    table = torch.tensor(
        [[2, 7, 3, 8, 3, 0, 0], [2, 3, 8, 9, 8, 8, 3], [2, 7, 9, 3, 0, 0, 0], [2, 3, 3, 0, 0, 0, 0]]
    )
    lengths = (table != 0).sum(dim=1)
    texts = packed(table, torch.arange(4), lengths)
    found = packed_token_types(texts, 3)
    wanted = token_types(table, 3, 0)
    order = torch.argsort(lengths, stable=True)
    assert found.tolist() == [t for n in order.tolist() for t in wanted[n, : lengths[n]].tolist()]


def some_texts(*lengths: int) -> PackedTexts:
    table = torch.ones(len(lengths), max(lengths), dtype=torch.int64)
    return packed(table, torch.arange(len(lengths)), torch.tensor(lengths))


def by_definition(heads: Any, texts: PackedTexts, scaling: float, window: int | None) -> torch.Tensor:
    """softmax(q k^T) v over the whole row, other texts (and tokens too far away) masked: (T, H, D)."""
    query, key, value = heads
    scores = torch.einsum("qhd,khd->hqk", query, key) * scaling
    may = texts.text[:, None] == texts.text[None]
    if window is not None:
        may = may & ((texts.positions[:, None] - texts.positions[None]).abs() < window)
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(~may, float("-inf")).softmax(dim=2), value)


@pytest.mark.parametrize("window", [None, 1, 3])
def test_attention_against_its_definition(window: int | None) -> None:
    texts = some_texts(4, 9, 1, 4, 2)
    torch.manual_seed(0)
    heads = tuple(torch.randn(20, 2, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    wanted = by_definition(heads, texts, 0.5, window)
    found = attention_by_length(heads, texts, scaling=0.5, window=window)
    torch.testing.assert_close(found, wanted)
    pull = torch.randn_like(wanted)
    for one, other in zip(
        torch.autograd.grad(found, heads, pull), torch.autograd.grad(wanted, heads, pull), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_fused_attention_against_its_definition() -> None:
    """On a CPU nested tensors take their plain path; tests/gpu has the kernels."""
    texts = some_texts(4, 9, 1, 4, 2)
    torch.manual_seed(0)
    heads = tuple(torch.randn(20, 2, 8, requires_grad=True) for _ in range(3))
    wanted = by_definition(heads, texts, 0.5, None)
    found = fused_attention(heads, texts, scaling=0.5)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert fused_works(torch.device("cpu"), torch.float32, 2, 8)


def test_attention_that_is_wrong_is_not_used(monkeypatch: Any, capsys: Any) -> None:
    from prunescope.models import packed as module

    monkeypatch.setattr(
        module, "fused_attention", lambda heads, texts, *_, **__: attention_by_length(heads, texts) * 1.1
    )
    fused_works.cache_clear()
    try:
        assert not fused_works(torch.device("cpu"), torch.float32, 2, 8)
    finally:
        fused_works.cache_clear()
    assert "its results are others" in capsys.readouterr().err
