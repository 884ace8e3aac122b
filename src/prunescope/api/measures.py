"""The measures on plain arrays, in the manner of ``sklearn.metrics``: what is true first, then what models say.

Predictions of one side are (S, n), a row for each model (seed), or (n,) of one model. Models pair by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from prunescope.analysis import el2n as el2n_scores
from prunescope.analysis.alpha.distortion import Distortion, distortion
from prunescope.analysis.audit_tables import ClassCount
from prunescope.analysis.pies.classes import class_counts, with_tests
from prunescope.analysis.pies.votes import default_tolerance, find_pies
from prunescope.api.frames import frame_of
from prunescope.predictions.scores import correct
from prunescope.predictions.store import Predictions

if TYPE_CHECKING:
    import pandas as pd


def pies(dense: ArrayLike, pruned: ArrayLike, *, tolerance: float | None = None) -> np.ndarray:
    """Which examples are pruning-identified exemplars: the majority votes of the two sides differ.

    Args:
        dense, pruned: (S, n) classes (numbers or names), (S, n) floats of a regression, or (S, n, C) 0/1 of several
            labels; (n,) of one model. A tie goes to the lowest class; a label is in the majority's set where more
            than half of the models predict it; of floats the vote is the median.
        tolerance: medians further apart than this make a PIE; by default a tenth of the dense predictions' standard
            deviation.

    Returns:
        (n,) bool.

    Raises:
        ValueError: the shapes do not fit.

    References:
        Hooker et al., "What Do Compressed Deep Neural Networks Forget?", 2019; votes as in the PIE paper.

    >>> import prunescope as ps
    >>> dense = [[0, 1, 1, 2], [0, 1, 2, 2], [0, 1, 1, 0]]
    >>> pruned = [[0, 1, 2, 0], [0, 1, 2, 0], [1, 1, 1, 2]]
    >>> ps.pies(dense, pruned)
    array([False, False,  True,  True])
    """
    first, second = _models(dense, "dense"), _models(pruned, "pruned")
    if first.shape != second.shape:
        raise ValueError(
            f"dense has shape {first.shape} and pruned {second.shape}; give the same models and examples"
        )
    if first.ndim == 3:
        sides = [_side("multi-label", first.shape[2], side.astype(bool)) for side in (first, second)]
    elif first.dtype.kind == "f" or second.dtype.kind == "f":
        sides = [_side("regression", 0, side.astype(np.float64)) for side in (first, second)]
        tolerance = default_tolerance(first.ravel()) if tolerance is None else tolerance
    else:
        names = _sorted(first, second)
        sides = [_side("single-label", len(names), _codes(side, names, "")) for side in (first, second)]
    return find_pies(*sides, tolerance=tolerance or 0.0).is_pie


def el2n(y_true: ArrayLike, logits: ArrayLike, *, classes: Sequence[Any] | None = None) -> np.ndarray:
    """EL2N score of each example: mean over models of the L2 norm of (probabilities - label).

    Args:
        y_true: (n,) classes, or (n, C) 0/1 of several labels.
        logits: (S, n, C) raw outputs of models early in training, or (n, C) of one. Probabilities are their softmax,
            with several labels their sigmoid.
        classes: the C names, in the order of the outputs, where ``y_true`` holds names.

    Returns:
        (n,) float64.

    Raises:
        ValueError: the shapes do not fit, or a label is no class.

    References:
        Paul et al., "Deep Learning on a Data Diet", NeurIPS 2021, definition of the EL2N score.

    >>> import prunescope as ps
    >>> ps.el2n([0, 1], [[0.0, 0.0], [0.0, 0.0]]).round(4)  # probabilities of a half each
    array([0.7071, 0.7071])
    """
    outputs = np.asarray(logits, dtype=np.float64)
    outputs = outputs[None] if outputs.ndim == 2 else outputs
    label = np.asarray(y_true)
    if outputs.ndim != 3 or not outputs.shape[0] or len(label) != outputs.shape[1]:
        raise ValueError(
            f"logits of shape {np.shape(logits)} do not fit {len(label)} labels; give (n, C) or (S, n, C)"
        )
    n_classes = outputs.shape[2]
    if label.ndim == 2:
        if label.shape[1] != n_classes:
            raise ValueError(f"y_true has {label.shape[1]} classes and logits {n_classes}")
        label = label.astype(bool)
    else:
        names = np.arange(n_classes) if classes is None else np.asarray(classes)
        if len(names) != n_classes:
            raise ValueError(f"{len(names)} classes are named and logits have {n_classes}")
        label = _codes(label, names, "; name the outputs in their order with classes=")
    return np.asarray(np.mean([el2n_scores.errors(one, label) for one in outputs], axis=0))


@dataclass(frozen=True)
class Alpha:
    """Recall distortion of pruned models: above 1, pruning widens the gaps between the classes' recalls.

    mean, ci_low, ci_high, verdict: over models, by Student's t; ``verdict`` is ``<``, ``>`` or ``?``. corrected,
    corrected_low, corrected_high, corrected_verdict: without the pull of noise. per_model: (S,), NaN where it is not
    defined. null: what alpha is between two dense models of other seeds. Numbers are None where there is none.
    """

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    confidence: float
    verdict: str
    corrected: float | None
    corrected_low: float | None
    corrected_high: float | None
    corrected_verdict: str
    null: float | None
    per_model: np.ndarray

    def __float__(self) -> float:
        return float("nan") if self.mean is None else self.mean


def alpha(y_true: ArrayLike, dense: ArrayLike, pruned: ArrayLike, *, confidence: float = 0.99) -> Alpha:
    """Alpha: slope through the origin of the pruned over the dense models' normalized recall balances of the classes.

    Args:
        y_true: (n,) classes, numbers or names.
        dense, pruned: (S, n) predicted classes, or (n,) of one model.
        confidence: of the intervals, 0 to 1.

    Raises:
        ValueError: the shapes do not fit.

    References:
        The recall paper, section 4, definition 1 and equation 1.

    >>> import prunescope as ps
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> dense = [0, 0, 0, 0, 1, 1, 0, 0]   # recalls 1 and 1/2, accuracy 3/4
    >>> pruned = [0, 0, 0, 0, 1, 0, 0, 0]  # recalls 1 and 1/4, accuracy 5/8
    >>> round(ps.alpha(y, dense, pruned).mean, 6)
    1.8
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence:g}; give a share between 0 and 1, such as 0.99")
    found, _ = _distortion(y_true, dense, pruned, None)
    interval, corrected = found.interval(confidence), found.corrected(confidence)
    return Alpha(
        mean=interval.mean,
        ci_low=interval.low,
        ci_high=interval.high,
        confidence=confidence,
        verdict=interval.verdict,
        corrected=corrected.mean,
        corrected_low=corrected.low,
        corrected_high=corrected.high,
        corrected_verdict=corrected.verdict,
        null=found.null()[0],
        per_model=found.alpha,
    )


def effect_on_classes(
    y_true: ArrayLike, dense: ArrayLike, pruned: ArrayLike, *, classes: Sequence[Any] | None = None
) -> pd.DataFrame:
    """Who pays: a row for each class, with the columns of an audit's ``classes.csv``.

    Args:
        y_true: (n,) classes, numbers or names.
        dense, pruned: (S, n) predicted classes, or (n,) of one model.
        classes: all classes in the order of the rows; by default those that occur, ascending.

    Raises:
        ValueError: the shapes do not fit, or a value is no class.

    >>> import prunescope as ps
    >>> y = ["cat", "cat", "cat", "dog", "dog", "dog"]
    >>> dense = ["cat", "cat", "cat", "dog", "dog", "cat"]
    >>> pruned = ["cat", "dog", "dog", "dog", "dog", "dog"]
    >>> effect = ps.effect_on_classes(y, dense, pruned)
    >>> effect[["class", "recall_dense", "recall_pruned", "to_wrong", "to_right"]].round(2)
      class  recall_dense  recall_pruned  to_wrong  to_right
    0   cat          1.00           0.33         2         0
    1   dog          0.67           1.00         0         1
    """
    found, sides = _distortion(y_true, dense, pruned, classes)
    votes = find_pies(*sides)
    return frame_of(with_tests(class_counts(sides[0], votes), sides[0], votes, found), ClassCount)


def _distortion(
    y_true: ArrayLike, dense: ArrayLike, pruned: ArrayLike, classes: Sequence[Any] | None
) -> tuple[Distortion, tuple[Predictions, Predictions]]:
    label = np.asarray(y_true)
    first, second = _models(dense, "dense"), _models(pruned, "pruned")
    if label.ndim != 1 or first.ndim != 2 or first.shape != second.shape or first.shape[1] != len(label):
        raise ValueError(
            f"y_true has shape {label.shape}, dense {np.shape(dense)} and pruned {np.shape(pruned)}; "
            "give (n,) labels and (S, n) or (n,) predicted classes"
        )
    names = _sorted(label, first, second) if classes is None else np.asarray(classes)
    truth = _codes(label, names, "").astype(np.int32)
    before, after = (_side("single-label", names, _codes(side, names, ""), truth) for side in (first, second))
    return distortion(before, after, correct(before), correct(after)), (before, after)


def _models(values: ArrayLike, name: str) -> np.ndarray:
    """(S, n) or (S, n, C)."""
    array = np.asarray(values)
    array = array[None] if array.ndim == 1 else array
    if array.ndim not in (2, 3) or not array.shape[0] or not array.shape[1]:
        raise ValueError(f"{name} has shape {np.shape(values)}; give a row for each model: (S, n) or (n,)")
    return array


def _sorted(*arrays: np.ndarray) -> np.ndarray:
    """All values, each once, ascending."""
    kinds = {"text" if array.dtype.kind in "USO" else "number" for array in arrays}
    if len(kinds) > 1:
        raise ValueError("some arrays hold names of classes and others numbers; give the same in all")
    return np.unique(np.concatenate([array.ravel() for array in arrays]))


def _codes(values: np.ndarray, names: np.ndarray, advice: str) -> np.ndarray:
    """The position of every value among ``names``."""
    order = np.argsort(names, kind="stable")
    at = np.minimum(np.searchsorted(names, values, sorter=order), len(names) - 1)
    codes = order[at]
    wrong = names[codes] != values
    if wrong.any():
        raise ValueError(f"{values[wrong].ravel()[0]!r} is none of the {len(names)} classes{advice}")
    return np.asarray(codes, dtype=np.int64)


def _side(
    task: str, names: np.ndarray | int, prediction: np.ndarray, label: np.ndarray | None = None
) -> Predictions:
    seeds, n = prediction.shape[:2]
    return Predictions(
        task=task,
        classes=tuple(map(str, range(names) if isinstance(names, int) else names.tolist())),
        seeds=np.arange(seeds),
        examples=np.arange(n),
        label=np.zeros(n, np.int32) if label is None else label,
        prediction=prediction,
        diverged=(),
        meta=None,
        sources=("arrays",),
    )
