"""Sets of classes, an example's labels: a table of yes and no, or, where there are many classes, packed.

A packed set is the bytes of its class indices (int32, ascending). An array of these takes as much memory as there are
labels, is compared and hashed row by row, and is cut and joined as any array. Compare it with arrays, never with a
single ``bytes``: numpy would drop that one's last zeros.
"""

from __future__ import annotations

import itertools

import numpy as np

#: With more classes sets are packed.
WIDE = 1024

_INDEX = np.dtype("<i4")


def is_wide(n_classes: int) -> bool:
    """Whether sets of so many classes are packed."""
    return n_classes > WIDE


def label_sets(rows: np.ndarray, classes: np.ndarray, n: int, n_classes: int) -> np.ndarray:
    """(n, C) bool, or packed where there are many classes, of (row, class) pairs."""
    if is_wide(n_classes):
        return packed(rows, classes, n)
    table = np.zeros((n, n_classes), dtype=bool)
    table[rows, classes] = True
    return table


def packed(rows: np.ndarray, classes: np.ndarray, n: int) -> np.ndarray:
    """(n,) object: sets of (row, class) pairs, which may come in any order and more than once."""
    span = int(classes.max(initial=0)) + 1
    pairs = np.unique(rows.astype(np.int64) * span + classes)
    joined = (pairs % span).astype(_INDEX).tobytes()
    ends = (np.searchsorted(pairs, np.arange(n + 1, dtype=np.int64) * span) * _INDEX.itemsize).tolist()
    sets = np.empty(n, dtype=object)
    sets[:] = [joined[start:end] for start, end in itertools.pairwise(ends)]
    return sets


def flat(sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) how many classes each packed set has, and all of them, one set after the other."""
    sizes = np.fromiter(map(len, sets), np.int64, len(sets)) // _INDEX.itemsize
    return sizes, np.frombuffer(b"".join(sets.tolist()), _INDEX)


def keys(sets: np.ndarray, n_classes: int) -> np.ndarray:
    """row * C + class of every label of packed sets, ascending."""
    sizes, classes = flat(sets)
    return np.asarray(np.repeat(np.arange(len(sets), dtype=np.int64) * n_classes, sizes) + classes)


def class_sizes(sets: np.ndarray, n_classes: int) -> np.ndarray:
    """(C,) how many of the sets, of either form, hold a class."""
    if sets.dtype == object:
        return np.bincount(flat(sets)[1], minlength=n_classes)
    return np.asarray(np.count_nonzero(sets, axis=0))


def yes_no(sets: np.ndarray, n_classes: int) -> np.ndarray:
    """(n, C) bool of packed sets; labels of any other form as they are."""
    if sets.dtype != object:
        return sets
    table = np.zeros((len(sets), n_classes), dtype=bool)
    table.reshape(-1)[keys(sets, n_classes)] = True
    return table
