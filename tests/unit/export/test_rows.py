"""Sparse rows worked by hand, and against scipy's CSR."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from prunescope.export.files import quantize
from prunescope.export.rows import Rows, _with_bitmap, _with_gaps, decode, encode, positions

WAYS = [_with_gaps, _with_bitmap]


def matrix(rows, columns, density, seed=0):
    rng = np.random.default_rng(seed)
    q = rng.integers(-127, 128, (rows, columns)).astype(np.int8)
    kept = rng.random((rows, columns)) < density
    return np.where(kept, q, 0).astype(np.int8), kept


def test_by_hand():
    q = np.array([[0, 5, 0, 0], [0, 0, 0, 0], [7, 0, 0, -2]], dtype=np.int8)
    gaps, bits = _with_gaps(q, q != 0), _with_bitmap(q, q != 0)
    assert gaps.starts.tolist() == bits.starts.tolist() == [0, 1, 1, 3]
    assert gaps.values.tolist() == bits.values.tolist() == [5, 7, -2]
    assert gaps.columns.tolist() == [1, 0, 2]
    # Row after row, lowest bit first: 0100 0000 1001 -> 00000010, 1001.
    assert bits.columns.tolist() == [0b00000010, 0b1001]


def test_long_gaps_are_bridged_by_stored_zeros():
    q = np.zeros((2, 1000), dtype=np.int8)
    q[0, [255, 600]] = 1, 2
    q[1, 256] = 3
    rows = _with_gaps(q, q != 0)
    # 255 skipped: one byte. 344 skipped: 255 and a zero, then 88. 256 skipped: 255 and a zero, then 0.
    assert rows.columns.tolist() == [255, 255, 88, 255, 0]
    assert rows.values.tolist() == [1, 0, 2, 0, 3]
    assert rows.starts.tolist() == [0, 3, 5]
    np.testing.assert_array_equal(decode(rows), q)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("density", [0.0, 0.001, 0.05, 0.2, 0.9, 1.0])
def test_decoding_gives_back_what_was_encoded(way, density):
    q, kept = matrix(37, 611, density)
    rows = way(q, kept)
    np.testing.assert_array_equal(decode(rows), q)
    scipy = csr_matrix((rows.values, positions(rows), rows.starts), shape=rows.shape)
    np.testing.assert_array_equal(scipy.toarray(), q)


def test_kept_weights_that_round_to_zero_are_stored():
    q, kept = np.zeros((1, 3), dtype=np.int8), np.array([[True, False, True]])
    assert len(encode(q, kept).values) == 2


def test_the_smaller_encoding_is_taken():
    assert encode(*matrix(64, 768, 0.3)).encoding == "bitmap"
    assert encode(*matrix(64, 768, 0.05)).encoding == "gaps"


def test_weights_outside_the_mask_are_refused():
    with pytest.raises(ValueError, match="not zero"):
        encode(np.ones((1, 2), dtype=np.int8), np.array([[True, False]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"starts": np.array([0, 2, 1], dtype=np.int32)}, "ascend"),
        ({"starts": np.array([0, 1, 1], dtype=np.int32)}, "rows end at 1 of 2"),
        ({"columns": np.array([1], dtype=np.uint8)}, "1 gaps for 2"),
        ({"columns": np.array([1, 9], dtype=np.uint8)}, "beyond the last column"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    good = {
        "shape": (2, 4),
        "encoding": "gaps",
        "starts": np.array([0, 1, 2], dtype=np.int32),
        "values": np.array([1, 2], dtype=np.int8),
        "columns": np.array([1, 3], dtype=np.uint8),
    }
    decode(Rows(**good))
    with pytest.raises(ValueError, match=message):
        decode(Rows(**{**good, **change}))


def test_quantization_by_hand():
    q, scale = quantize(np.array([[1.27, -0.64, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32))
    assert q.tolist() == [[127, -64, 0], [0, 0, 0]]
    np.testing.assert_allclose(scale, [0.01, 1.0], rtol=1e-6)


def test_quantization_is_off_by_half_a_scale_at_most():
    weights = np.random.default_rng(1).standard_normal((50, 300)).astype(np.float32)
    q, scale = quantize(weights)
    assert np.abs(q * scale[:, None] - weights).max(axis=1) == pytest.approx(scale / 2, rel=0.05)
    assert (np.abs(q * scale[:, None] - weights) <= scale[:, None] * 0.5001).all()
