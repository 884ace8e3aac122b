"""Random streams depend on their names and on nothing else."""

from __future__ import annotations

import hashlib
import itertools

from prunescope.seeds import stream


def test_a_stream_is_63_bits_of_the_hash_of_its_names():
    digest = hashlib.sha256(b"prunescope/3/order/train/2").hexdigest()
    assert stream(3, "order", "train", 2) == int(digest[:16], 16) // 2


def test_streams_never_change():
    """Results on disk come from these numbers."""
    assert stream(0, "init") == 7665830912647013786
    assert stream(1, "dropout", "round-1", 3) == 7319044197166006912


def test_seeds_and_purposes_have_streams_of_their_own():
    purposes = ("init", "order", "dropout", "augment", "prune", "data", "resample", "tune")
    streams = {
        stream(seed, purpose, *where)
        for seed, purpose in itertools.product(range(30), purposes)
        for where in ((), (1,), (1, 1), ("train", 1), ("round-1", 1), (11,))
    }
    assert len(streams) == 30 * 8 * 6
    assert all(0 <= value < 2**63 for value in streams)
