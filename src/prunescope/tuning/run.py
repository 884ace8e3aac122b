"""One job of ``snakemake tune``: the search for one arch on one data set, on files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from prunescope.analysis.task_metrics import leading_metric
from prunescope.config.architectures import Arch, Training
from prunescope.data.encoding.encode import load_inputs
from prunescope.models.registry import build
from prunescope.training.batches import TrainingData, training_data
from prunescope.training.decoding import labels_of
from prunescope.training.device import choose_device
from prunescope.training.predict import best_threshold, finite_logits, score_on
from prunescope.training.recipes import train_dense
from prunescope.training.state import TrainingState
from prunescope.tuning.figure import draw
from prunescope.tuning.job import TuneJob
from prunescope.tuning.outputs import write_search
from prunescope.tuning.search import search


def run_search(job: TuneJob, inputs: Path, out: Path, *, device: str = "auto") -> None:
    """Search, and write ``trials.csv``, ``best.json`` and ``figure/`` into ``out``.

    ``out/search.db`` holds every evaluation: a stopped search resumes from there, and one with more evaluations reuses
    those it has.

    Args:
        inputs: the encoded data set.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UserError: no such device, damaged inputs or database, or every evaluation diverged.
    """
    chosen = choose_device(device)
    data = training_data(
        load_inputs(inputs),
        trim=job.architecture.masks_padding,
        device=chosen,
        padding=job.training.padding,
    )

    def score(training: Training, after_epoch: Callable[[int], None]) -> float:
        return validation_score(job.architecture, training, data, job.seed, chosen, after_epoch)

    with open(inputs, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    evaluations = search(job, digest, out / "search.db", score)
    metric = leading_metric(data.task, data.metrics)
    write_search(job, data.task, metric, evaluations, out)
    draw(job, metric, evaluations, out / "figure")


def validation_score(
    architecture: Arch,
    training: Training,
    data: TrainingData,
    seed: int,
    device: torch.device,
    after_epoch: Callable[[int], None] | None = None,
) -> float:
    """Train a dense model as a study would, and score it on the validation split.

    Accuracy for one label, macro F1 for several (PIE paper, appendix A.4), the latter at the probability
    threshold that the training settings ask for; the data set's own metric where it has one. Two evaluations
    share nothing: each has a learning rate of its own, so no epoch of one is an epoch of another.

    Raises:
        DivergedError: the loss or the outputs are not finite.
    """
    state = TrainingState(build(architecture, data.shape, seed).to(device), data, training, seed)
    train_dense(state, after_epoch)
    threshold = 0.5
    if data.task == "multi-label":
        chosen = training.threshold_split
        threshold = best_threshold(finite_logits(state, chosen), labels_of(data, chosen))
    return score_on(state, "validation", threshold)
