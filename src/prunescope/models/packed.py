"""Texts of a batch one behind the other in one row, without padding, and the attention of each to itself alone.

transformers' encoders take such a row: they are given each token's position in its text, and all but their attention
looks at one token at a time. Attention is registered with transformers under a name of ours.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

#: Query, key and value of all heads, each (T, H, D).
Heads: TypeAlias = tuple[Tensor, Tensor, Tensor]

#: What transformers calls this module's attention.
ATTENTION = "prunescope_packed"


@dataclass(frozen=True)
class PackedTexts:
    """B texts with T tokens in all, the shortest text first; all but ``lengths`` on the device, int64.

    ``tokens``, ``positions`` (T,): ids, and the position of each in its text, from 0. ``text`` (T,): which text in this
    order it is of. ``offsets`` (B + 1,): where texts start and the last one ends. ``first`` (B,): where the first
    token of each example stands, in the order of the examples. ``lengths``: of the texts, ascending.
    """

    tokens: Tensor
    positions: Tensor
    text: Tensor
    offsets: Tensor
    first: Tensor
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def runs(self) -> list[tuple[int, int]]:
        """(length, how many texts have it), in the row's order."""
        return [(length, len(list(texts))) for length, texts in groupby(self.lengths)]


def packed(inputs: Tensor, rows: Tensor, lengths: Tensor) -> PackedTexts:
    """The texts ``rows`` of a padded table without their padding. Nothing waits for the device.

    Args:
        inputs: (n, L) int64 ids, padding behind.
        rows: (B,) int64 on the CPU.
        lengths: (B,) int64 on the CPU, at least 1: tokens of these texts.
    """
    order = torch.argsort(lengths, stable=True)
    ascending = lengths[order]
    starts = torch.empty_like(lengths)
    starts[order] = ascending.cumsum(0) - ascending
    device = inputs.device
    there, sizes, first = sent(torch.stack([rows[order], ascending, starts]), device)
    total = int(ascending.sum())
    offsets = pad(sizes.cumsum(0), (1, 0))
    count = torch.arange(len(lengths), device=device)
    # With its size given, the host need not ask the device for it.
    text = torch.repeat_interleave(count, sizes, output_size=total)
    positions = torch.arange(total, device=device) - offsets[text]
    return PackedTexts(
        inputs[there[text], positions], positions, text, offsets, first, tuple(map(int, ascending.tolist()))
    )


def sent(numbers: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on the device; from pinned memory, or the host would wait for all that the GPU has to do."""
    if device.type != "cuda":
        return numbers.to(device)
    return numbers.pin_memory().to(device, non_blocking=True)


def packed_token_types(texts: PackedTexts, separator: int) -> Tensor:
    """``encoder.token_types`` of packed texts: (T,) int64, 1 behind a text's first separator."""
    here = (texts.tokens == separator).long()
    before = here.cumsum(0) - here
    return (before > before[texts.offsets[:-1]][texts.text]).long()


def use_packed_attention(base: Any) -> None:
    """Have a model of transformers attend by ``attention``: texts by themselves if packed, as by default if not."""
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
    from transformers.modeling_utils import AttentionInterface

    if base.config._attn_implementation == ATTENTION:
        return
    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    base.set_attn_implementation(ATTENTION)


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    texts: PackedTexts | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **further: Any,
) -> tuple[Tensor, None]:
    """What transformers calls for attention: query, key, value (1, H, T, D) of packed texts -> (1, T, H, D).

    Args:
        texts: None: a padded batch, left to transformers' own.
        sliding_window: tokens attend to those less than so many positions away; None: to all of their text.
    """
    if texts is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[Tensor, None] = sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            sliding_window=sliding_window,
            **further,
        )
        return found
    heads = (query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1))
    alone = sliding_window is None
    if alone and query.is_cuda and fused_works(query.device, query.dtype, query.shape[1], query.shape[3]):
        return fused_attention(heads, texts, dropout, scaling)[None], None
    return attention_by_length(heads, texts, dropout, scaling, sliding_window)[None], None


def attention_by_length(
    heads: Heads,
    texts: PackedTexts,
    dropout: float = 0.0,
    scaling: float | None = None,
    window: int | None = None,
) -> Tensor:
    """Attention (T, H, D) of each text to itself, all texts of one length at once."""
    parts, start = [], 0
    for length, count in texts.runs:
        end = start + length * count
        query, key, value = (each[start:end].unflatten(0, (count, length)).transpose(1, 2) for each in heads)
        mask = None
        if window is not None and window < length:
            position = torch.arange(length, device=query.device)
            mask = (position[:, None] - position[None]).abs() < window
        out = scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling
        )
        parts.append(out.transpose(1, 2).flatten(0, 1))
        start = end
    return torch.cat(parts)


def fused_attention(
    heads: Heads, texts: PackedTexts, dropout: float = 0.0, scaling: float | None = None
) -> Tensor:
    """The same over nested tensors: one kernel on a GPU, flash attention in bfloat16."""

    def nested(values: Tensor) -> Tensor:
        # With the lengths given, the host need not ask the device for them.
        made: Tensor = torch.nested.nested_tensor_from_jagged(
            values.contiguous(), texts.offsets, min_seqlen=texts.lengths[0], max_seqlen=texts.lengths[-1]
        )
        return made.transpose(1, 2)

    query, key, value = (nested(each) for each in heads)
    out = scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scaling)
    values: Tensor = out.transpose(1, 2).values()
    return values


@functools.cache
def fused_works(device: torch.device, dtype: torch.dtype, heads: int, width: int) -> bool:
    """Whether ``fused_attention`` agrees with ``attention_by_length`` here, values and gradients; said if not."""
    lengths = torch.tensor([33, 7, 7, 64])
    texts = packed(torch.zeros(4, 64, dtype=torch.int64, device=device), torch.arange(4), lengths)
    generator = torch.Generator().manual_seed(0)
    made = torch.randn(3, len(texts.tokens), heads, width, generator=generator)
    slack = {torch.float32: 1e-3, torch.float64: 1e-6}.get(dtype, 5e-2)
    failure = None

    def fresh() -> Heads:
        query, key, value = (values.to(device, dtype).requires_grad_() for values in made)
        return query, key, value

    try:
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            sides = []
            for way in (attention_by_length, fused_attention):
                own = fresh()
                out = way(own, texts)
                sides.append([out, *torch.autograd.grad(out.float().square().sum(), own)])
            if not all(torch.allclose(a, b, rtol=slack, atol=slack) for a, b in zip(*sides, strict=True)):
                failure = "its results are others"
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                fused_attention(fresh(), texts, dropout=0.1).float().sum().backward()
    except (RuntimeError, NotImplementedError, ValueError, AssertionError) as error:
        failure = " ".join(str(error).split())[:300]
    if failure is not None:
        print(f"attention over nested tensors is not used, texts go by length: {failure}", file=sys.stderr)
    return failure is None
