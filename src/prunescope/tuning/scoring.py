"""One evaluation: an unpruned network, trained with given settings, scored on the validation split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from prunescope.analysis.effectiveness import one_model
from prunescope.analysis.task_metrics import leading_score
from prunescope.archs import Arch, Training
from prunescope.artifacts import decide
from prunescope.models.registry import build
from prunescope.predictions import LOGIT_TASKS
from prunescope.training.batches import TrainingData
from prunescope.training.decoding import answers_of
from prunescope.training.loop import DivergedError, Trainee, logits_of
from prunescope.training.recipes import train_unpruned
from prunescope.training.threshold import best_threshold


def validation_score(
    architecture: Arch,
    training: Training,
    data: TrainingData,
    seed: int,
    device: torch.device,
    after_epoch: Callable[[int], None] | None = None,
) -> float:
    """Train a network as a study would, and score it on the validation split.

    Accuracy for one label, macro F1 for several (PIE paper, appendix A.4), the latter at the probability
    threshold that the training settings ask for; the data set's own metric where it has one. Two evaluations
    share nothing: each has a learning rate of its own, so no epoch of one is an epoch of another.

    Raises:
        DivergedError: the loss or the logits are not finite.
    """
    trainee = Trainee(build(architecture, data.shape, seed).to(device), data, training, seed)
    train_unpruned(trainee, after_epoch)
    if data.task not in LOGIT_TASKS:
        labels, prediction = answers_of(trainee.model, data, "validation", training.precision)
        return leading_score(one_model(data.task, labels, prediction, data.classes), data.metrics)
    splits = {"validation", training.threshold_split} if data.task == "multi-label" else {"validation"}
    logits = {
        split: logits_of(trainee.model, data, split, precision=training.precision).numpy() for split in splits
    }
    if not all(np.isfinite(values).all() for values in logits.values()):
        raise DivergedError("logits are not finite")
    threshold = 0.5
    if data.task == "multi-label":
        chosen = training.threshold_split
        threshold = best_threshold(logits[chosen], data.splits[chosen].labels.cpu().numpy())
    labels = data.splits["validation"].labels.cpu().numpy()
    labels = labels.astype({"multi-label": bool, "regression": np.float32}.get(data.task, np.int32))
    prediction = decide(logits["validation"], data.task, threshold)
    return leading_score(one_model(data.task, labels, prediction, data.classes), data.metrics)
