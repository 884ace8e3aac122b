"""Named random streams: one for each purpose, all derived from a model's seed.

A stream depends on nothing but its names, never on how much of another one was drawn, so that
training goes on after any interruption, in any grouping of seeds, with the same draws.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Purpose = Literal["init", "order", "dropout", "augment", "prune", "data", "resample", "tune"]


def stream(seed: int, purpose: Purpose, *where: int | str) -> int:
    """A 63-bit seed for one purpose of one model, e.g. ``stream(3, "order", epoch)``.

    SHA-256 of the names, so that neighbouring seeds give unrelated streams on every platform.
    """
    text = "/".join(str(part) for part in ("prunescope", seed, purpose, *where))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
