"""What a model predicts for a split, and what these predictions are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.analysis.effectiveness import correct, one_model, score_name, scores
from prunescope.analysis.task_metrics import leading_score, task_scores
from prunescope.models.precision import outputs
from prunescope.predictions.arrays import LOGIT_TASKS, decide
from prunescope.predictions.store import SeedBlock
from prunescope.training.batches import TrainingData
from prunescope.training.decoding import answers_of, labels_of
from prunescope.training.memory import in_batches
from prunescope.training.state import DivergedError, TrainingState
from prunescope.training.task import loss_terms

#: Splits whose predictions every model leaves.
SPLITS = ("train", "test")

#: Candidates for a probability threshold, as in the PIE paper's code: 0.00, 0.01, ..., 0.99.
GRID = np.arange(100) / 100


@dataclass(frozen=True)
class Predictions:
    """What one trained model leaves.

    Attributes:
        blocks: by prediction table: ``train``, ``test`` and, where there are any, ``early``.
        scores: by split and metric; None where a metric has no value.
        threshold: probability above which a label is given (several labels), else None.
    """

    blocks: Mapping[str, SeedBlock]
    scores: Mapping[str, Mapping[str, float | None]]
    threshold: float | None


def predict(state: TrainingState, early_logits: np.ndarray | None = None) -> Predictions:
    """The predictions of a trained model on every split. Training texts are not written: that takes too long.

    ``early_logits``: of the training split, earlier in training.

    Raises:
        DivergedError: an output is not finite.
    """
    data, seed = state.data, state.seed
    splits = [split for split in data.splits if (data.task, split) != ("text", "train")]
    blocks, reached, threshold = {}, {}, None
    if data.task in LOGIT_TASKS:
        logits = {split: finite_logits(state, split) for split in splits}
        if data.task == "multi-label":
            chosen = state.settings.threshold_split
            threshold = best_threshold(logits[chosen], labels_of(data, chosen))
        blocks = {split: SeedBlock(seed, labels_of(data, split), values) for split, values in logits.items()}
        predicted = {
            split: decide(values, data.task, 0.5 if threshold is None else threshold)
            for split, values in logits.items()
        }
    else:
        predicted = {
            split: answers_of(state.model, data, split, state.settings.precision) for split in splits
        }
        blocks = {
            split: SeedBlock(seed, labels_of(data, split), prediction=values)
            for split, values in predicted.items()
        }
    reached = {split: _scores(data, split, prediction) for split, prediction in predicted.items()}
    blocks = {split: block for split, block in blocks.items() if split in SPLITS}
    if early_logits is not None:
        blocks["early"] = SeedBlock(seed, labels_of(data, "train"), early_logits)
    return Predictions(blocks, reached, threshold)


def _scores(data: TrainingData, split: str, prediction: np.ndarray) -> dict[str, float | None]:
    """The data set's own metrics, the leading one first, and the task's score."""
    side = one_model(data.task, labels_of(data, split), prediction, data.classes)
    found = task_scores(side, data.metrics, data.test_parts if split == "test" else {})
    found.setdefault(score_name(data.task), scores(side, correct(side)))
    return {name: float(values[0]) if np.isfinite(values[0]) else None for name, values in found.items()}


def score_on(state: TrainingState, split: str, threshold: float = 0.5) -> float:
    """The data set's leading metric, or the task's score, of the model as it is.

    ``threshold``: of probabilities, for several labels.

    Raises:
        DivergedError: an output is not finite.
    """
    data = state.data
    if data.task in LOGIT_TASKS:
        prediction = decide(finite_logits(state, split), data.task, threshold)
    else:
        prediction = answers_of(state.model, data, split, state.settings.precision)
    return leading_score(one_model(data.task, labels_of(data, split), prediction, data.classes), data.metrics)


def finite_logits(state: TrainingState, split: str) -> np.ndarray:
    """(n, C) float32.

    Raises:
        DivergedError: a logit is not finite.
    """
    logits = logits_of(state.model, state.data, split, precision=state.settings.precision).numpy()
    if not np.isfinite(logits).all():
        raise DivergedError("logits are not finite")
    return logits


def logits_of(
    model: nn.Module, data: TrainingData, split: str, batch_size: int = 512, *, precision: str = "float32"
) -> Tensor:
    """Logits (n, C) float32 on the CPU, in the order of the examples; dropout off."""
    examples = data.splits[split]
    model.eval()
    with torch.no_grad():
        parts = [
            part
            for _, part in in_batches(
                torch.arange(len(examples)),
                batch_size,
                lambda index: outputs(model, examples.batch(index)[0], precision).float(),
            )
        ]
    return torch.cat(parts).cpu()


def mean_loss(state: TrainingState, split: str) -> float:
    """The task's mean loss over a split, in float64; NaN where nothing has a label."""
    if state.data.task in ("tokens", "span", "text"):
        return _mean_loss_by_batch(state, split)
    logits = logits_of(state.model, state.data, split, precision=state.settings.precision)
    return float(state.loss(logits.double(), state.data.splits[split].labels.cpu()))


def _mean_loss_by_batch(state: TrainingState, split: str) -> float:
    """The same mean where the outputs of every token are too many for memory."""
    examples, task = state.data.splits[split], state.data.task
    state.model.eval()
    total, count = 0.0, 0

    def of_batch(index: Tensor) -> tuple[float, int]:
        inputs, labels = examples.batch(index)
        terms = loss_terms(task, labels)
        if not terms:
            return 0.0, 0
        values = outputs(state.model, inputs, state.settings.precision)
        return float(state.loss(values.double(), labels)) * terms, terms

    with torch.no_grad():
        for _, (losses, terms) in in_batches(
            torch.arange(len(examples)), state.settings.batch_size, of_batch
        ):
            total, count = total + losses, count + terms
    return total / count if count else float("nan")


def best_threshold(logits: np.ndarray, labels: np.ndarray) -> float:
    """The probability threshold of ``GRID`` with the best macro F1; the lowest one on ties.

    Args:
        logits: (n, C) float.
        labels: (n, C) bool or 0/1.

    A label is given where its probability is above the threshold. All thresholds at once: each
    probability falls into the one grid interval from which on it is no longer given.
    """
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    truth = labels.astype(bool)
    # Given at thresholds GRID[0 .. given - 1]: those that are strictly below the probability.
    given = np.searchsorted(GRID, probabilities, side="left")
    f1 = np.zeros((len(GRID), logits.shape[1]))
    for c in range(logits.shape[1]):
        predicted = _counts_from(given[:, c])
        hits = _counts_from(given[truth[:, c], c])
        denominator = predicted + truth[:, c].sum()
        f1[:, c] = np.divide(2 * hits, denominator, out=np.zeros(len(GRID)), where=denominator > 0)
    # Rounded: sums of the same scores in another order differ in their last bits, and are ties.
    return float(GRID[int(f1.mean(axis=1).round(12).argmax())])


def _counts_from(given: np.ndarray) -> np.ndarray:
    """For each grid index i, how many entries are given there: given > i."""
    histogram = np.bincount(given, minlength=len(GRID) + 1)
    return histogram[::-1].cumsum()[::-1][1:]
