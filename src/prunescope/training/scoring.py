"""A network's score on a split, while nothing is written yet."""

from __future__ import annotations

import numpy as np

from prunescope.predictions.arrays import LOGIT_TASKS
from prunescope.predictions.scores import one_model
from prunescope.predictions.store import decide
from prunescope.predictions.task_metrics import leading_score
from prunescope.training.decoding import answers_of
from prunescope.training.loop import DivergedError, Trainee, logits_of


def score_on(trainee: Trainee, split: str, threshold: float = 0.5) -> float:
    """The data set's leading metric, or the task's score, of the network as it is.

    ``threshold``: of probabilities, for several labels.

    Raises:
        DivergedError: the outputs are not finite.
    """
    data, precision = trainee.data, trainee.settings.precision
    if data.task not in LOGIT_TASKS:
        labels, prediction = answers_of(trainee.model, data, split, precision)
        return leading_score(one_model(data.task, labels, prediction, data.classes), data.metrics)
    logits = logits_of(trainee.model, data, split, precision=precision).numpy()
    if not np.isfinite(logits).all():
        raise DivergedError("logits are not finite")
    labels = data.splits[split].labels.cpu().numpy()
    labels = labels.astype({"multi-label": bool, "regression": np.float32}.get(data.task, np.int32))
    prediction = decide(logits, data.task, threshold)
    return leading_score(one_model(data.task, labels, prediction, data.classes), data.metrics)
