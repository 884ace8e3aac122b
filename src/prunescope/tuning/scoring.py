"""One evaluation: an unpruned network, trained with given settings, scored on the validation split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from prunescope.config.architectures import Arch, Training
from prunescope.models.registry import build
from prunescope.training.batches import TrainingData
from prunescope.training.loop import DivergedError, Trainee, logits_of
from prunescope.training.recipes import train_dense
from prunescope.training.scoring import score_on
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
    train_dense(trainee, after_epoch)
    threshold = 0.5
    if data.task == "multi-label":
        chosen = training.threshold_split
        logits = logits_of(trainee.model, data, chosen, precision=training.precision).numpy()
        if not np.isfinite(logits).all():
            raise DivergedError("logits are not finite")
        threshold = best_threshold(logits, data.splits[chosen].labels.cpu().numpy())
    return score_on(trainee, "validation", threshold)
