"""How PIEs spread over the classes, beside how all examples do."""

from __future__ import annotations

import numpy as np

from prunescope.analysis.audit_tables import ClassCount
from prunescope.analysis.pies.votes import Pies
from prunescope.predictions.store import Predictions


def class_counts(side: Predictions, pies: Pies) -> list[ClassCount]:
    """By true label. An example with several labels counts once for each; of tokens, each token
    counts, and is a PIE where the votes on it differ. No rows for tasks without classes."""
    n_classes = len(side.classes)
    if side.task == "single-label":
        every = np.bincount(side.label, minlength=n_classes)
        some = np.bincount(side.label[pies.is_pie], minlength=n_classes)
    elif side.task == "multi-label":
        every = np.count_nonzero(side.label, axis=0)
        some = np.count_nonzero(side.label[pies.is_pie], axis=0)
    elif side.task == "tokens":
        label, a, b = (np.concatenate(list(v)) for v in (side.label, pies.dense.vote, pies.pruned.vote))
        every = np.bincount(label, minlength=n_classes)
        some = np.bincount(label[a != b], minlength=n_classes)
    else:
        return []
    return [
        ClassCount(name, int(n), _share(n, every), int(k), _share(k, some))
        for name, n, k in zip(side.classes, every, some, strict=True)
    ]


def _share(count: int, counts: np.ndarray) -> float | None:
    total = int(counts.sum())
    return int(count) / total if total else None
