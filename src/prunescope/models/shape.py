"""What a model must know of its data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """``image``: (channels, height, width). ``vectors``: float32 (vocabulary, dimensions), for models
    over fixed word vectors. ``vocabulary``, ``length`` and ``pad`` of token sequences; ``separator`` is the
    token between the texts of a pair, None for single texts. ``per_token``: outputs are of every token.
    ``writes``: it is a language model, which goes on from a text.
    """

    classes: int
    image: tuple[int, int, int] | None = None
    vectors: Tensor | None = None
    vocabulary: int = 0
    length: int = 0
    pad: int = 0
    separator: int | None = None
    per_token: bool = False
    writes: bool = False
