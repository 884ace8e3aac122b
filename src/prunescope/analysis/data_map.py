"""Data maps: how sure dense models become of an example while they train (Swayamdipta et al., EMNLP 2020).

Of each example over epochs: confidence, the mean probability of what is true; variability, its standard deviation;
correctness, the share of epochs at which the answer is right. Each is computed of every model and averaged over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.analysis.audit_tables import DataMapRow
from prunescope.predictions.arrow import Source
from prunescope.predictions.metadata import meta_of
from prunescope.predictions.sets import yes_no
from prunescope.predictions.store import Predictions, iter_logits

#: Parts of each axis in ``rows``; variability of a probability is at most 1/2.
PARTS = 10


@dataclass(frozen=True)
class DataMap:
    """(n,) each; n_epochs: epochs that they are over."""

    confidence: np.ndarray
    variability: np.ndarray
    correctness: np.ndarray
    n_epochs: int


def by_epoch(paths: Sequence[Path]) -> list[list[Path]]:
    """Tables by the epoch that their metadata names, numbers in order and ``final`` last; those without are one."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        meta = meta_of(Source(path))
        found.setdefault(str(meta.epoch) if meta and meta.epoch is not None else "", []).append(path)

    def place(epoch: str) -> tuple[int, float]:
        try:
            return 1, float(epoch)
        except ValueError:
            return (2 if epoch == "final" else 0), 0.0

    return [found[epoch] for epoch in sorted(found, key=place)]


def measure(epochs: Sequence[Sequence[Path]], side: Predictions) -> DataMap | None:
    """The map of ``side``'s examples, over its seeds that are there at every epoch; None where none is.

    Args:
        epochs: prediction tables with logits, by epoch.
        side: examples, labels and seeds; of single or several labels.

    Raises:
        UserError: a table has no logits.
    """
    n, row = len(side.examples), {int(seed): i for i, seed in enumerate(side.seeds)}
    total, squares, right = (np.zeros((len(row), n), dtype=np.float32) for _ in range(3))
    whole = np.ones(len(row), dtype=bool)
    for paths in epochs:
        seen = np.zeros((len(row), n), dtype=bool)
        for seed, examples, logits in iter_logits(paths):
            at = np.searchsorted(side.examples, examples)
            known = side.examples[np.minimum(at, n - 1)] == examples
            if seed in row and known.any():
                at = at[known]
                probability, correct = _of_truth(logits[known], yes_no(side.label[at], len(side.classes)))
                seen[row[seed], at] = True
                total[row[seed], at] += probability
                squares[row[seed], at] += probability**2
                right[row[seed], at] += correct
        whole &= seen.all(axis=1)
    if not whole.any():
        return None
    e = len(epochs)
    total, squares, right = total[whole], squares[whole], right[whole]
    mean = total / e
    spread = np.sqrt(np.maximum(squares / e - mean**2, 0.0))
    found = [np.asarray(one.mean(axis=0, dtype=np.float64)) for one in (mean, spread, right / e)]
    return DataMap(found[0], found[1], found[2], e)


def _of_truth(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) probability of the true class, of several labels the mean over them; and whether the answer is right."""
    x = logits.astype(np.float64)
    if label.ndim == 2:
        with np.errstate(over="ignore"):
            x = 1.0 / (1.0 + np.exp(-x))
        truth = label.astype(bool)
        return np.where(truth, x, 1 - x).mean(axis=1), ((x > 0.5) == truth).all(axis=1)
    best = x.argmax(axis=1)
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return x[np.arange(len(x)), label] / x.sum(axis=1), best == label


def rows(found: DataMap, is_pie: np.ndarray, el2n: np.ndarray | None) -> list[DataMapRow]:
    """The map as a grid of ``PARTS`` by ``PARTS``, those parts of it that hold examples."""
    across = np.minimum((found.confidence * PARTS).astype(int), PARTS - 1)
    up = np.minimum((found.variability * 2 * PARTS).astype(int), PARTS - 1)
    made = []
    for place in np.unique(across * PARTS + up).tolist():
        inside = across * PARTS + up == place
        n, pies = int(inside.sum()), int(is_pie[inside].sum())
        made.append(
            DataMapRow(
                confidence=place // PARTS / PARTS,
                variability=place % PARTS / (2 * PARTS),
                n_examples=n,
                n_pies=pies,
                pie_share=pies / n,
                correctness=float(found.correctness[inside].mean()),
                el2n=None if el2n is None else float(el2n[inside].mean()),
                n_epochs=found.n_epochs,
            )
        )
    return made
