"""Made texts with the lengths that a data set of the PIE paper has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

#: Counted from the texts by benchmarks/lengths.py.
LENGTHS = Path(__file__).parent / "results" / "lengths.json"


def profile(source: str, count: int) -> Tensor:
    """``count`` lengths of a data set's texts, at equally spaced quantiles, in a random but fixed order; int64."""
    record = json.loads(LENGTHS.read_text(encoding="utf-8"))
    at = (np.arange(count) + 0.5) / count * 100
    lengths = np.interp(at, record["percents"], record["lengths"][source]["percentiles"])
    order = np.random.default_rng(0).permutation(count)
    return torch.from_numpy(np.maximum(lengths.round(), 3).astype(np.int64)[order])


def made_texts(lengths: Tensor, limit: int, vocabulary: int) -> Tensor:
    """(n, limit) int64 ids of random pieces, padded with 0."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, vocabulary, (len(lengths), limit), generator=generator)
    ids[torch.arange(limit)[None] >= lengths[:, None]] = 0
    return ids
