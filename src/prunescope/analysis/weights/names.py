"""Which layer a weight is of, as its name tells, and how it is turned into a matrix."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

#: An LSTM's weights stand in one module, with the layer in the end of their names.
_LSTM = re.compile(r"(.+)\.(weight_[a-z]+)_l(\d+)((?:_reverse)?)")

#: GPT-2's layers hold their weights as (inputs, outputs), all others as (outputs, inputs).
_INPUTS_FIRST = frozenset({"c_attn", "c_proj", "c_fc"})


def layer_and_matrix(name: str) -> tuple[str, str]:
    """The layer of a weight and what the matrix is called within it.

    A layer is what stands before and with the first number of the name; a weight without a number is a layer of its
    own.

    >>> layer_and_matrix("bert.encoder.layer.3.attention.self.query.weight")
    ('bert.encoder.layer.3', 'attention.self.query')
    >>> layer_and_matrix("lstm.weight_ih_l0_reverse")
    ('lstm.l0', 'weight_ih_reverse')
    >>> layer_and_matrix("conv1.weight")
    ('conv1', 'conv1')
    """
    lstm = _LSTM.fullmatch(name)
    if lstm:
        return f"{lstm[1]}.l{lstm[3]}", lstm[2] + lstm[4]
    parts = name.removesuffix(".weight").split(".")
    for index, part in enumerate(parts):
        if part.isdecimal():
            layer = ".".join(parts[: index + 1])
            return layer, ".".join(parts[index + 1 :]) or layer
    whole = ".".join(parts)
    return whole, whole


def short_names(layers: Sequence[str]) -> list[str]:
    """Names of a model's layers for an axis: numbers from 1 where a single stack is numbered.

    >>> short_names(["bert.encoder.layer.0", "bert.encoder.layer.1", "bert.pooler.dense"])
    ['1', '2', 'pooler']
    >>> short_names(["conv1", "stage1.0", "stage1.1", "stage2.0", "stage2.1"])
    ['conv1', 'stage1.0', 'stage1.1', 'stage2.0', 'stage2.1']
    """
    numbered = Counter(stem for layer in layers if (stem := _stem(layer)) is not None)
    stacks = [stem for stem, count in numbered.items() if count > 1]
    found = []
    for layer in layers:
        stem = _stem(layer)
        if stem is None:
            found.append(layer.removesuffix(".dense").rsplit(".", 1)[-1])
        elif stacks == [stem]:
            found.append(str(int(layer.rsplit(".", 1)[1]) + 1))
        else:
            found.append(".".join(layer.rsplit(".", 2)[-2:]))
    return found


def _stem(layer: str) -> str | None:
    stem, _, last = layer.rpartition(".")
    return stem if stem and last.isdecimal() else None


def as_matrix(name: str, weight: np.ndarray, family: str | None) -> np.ndarray:
    """(outputs, inputs): a row per output; of a convolution per filter, its positions and channels side by side.

    Args:
        family: of the architecture; ``causal-lm`` holds its weights the other way round.
    """
    if family == "causal-lm" and name.removesuffix(".weight").rsplit(".", 1)[-1] in _INPUTS_FIRST:
        weight = weight.T
    return np.ascontiguousarray(weight.reshape(len(weight), -1))


def middle(layers: Sequence[int], sizes: Sequence[int]) -> int:
    """Which of a model's matrices is shown: the one in the middle of the layer that has the middle weight.

    Of two in the middle the later. In BERT-base that is the output of the seventh layer's attention.

    Args:
        layers: the layer of each matrix; sizes: weights of each, both in the model's order.
    """
    ends = np.cumsum(sizes)
    layer = layers[int(np.searchsorted(ends, ends[-1] / 2))]
    indices = [index for index, one in enumerate(layers) if one == layer]
    return indices[len(indices) // 2]
