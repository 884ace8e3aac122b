"""One job of ``snakemake tune``: the search for one arch on one data set, on files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from prunescope.config.architectures import Training
from prunescope.data.encoding.encode import load_inputs
from prunescope.models.registry import masks_padding
from prunescope.predictions.task_metrics import leading_metric
from prunescope.training.batches import training_data
from prunescope.training.blocks import choose_device
from prunescope.tuning.job import TuneJob
from prunescope.tuning.outputs import write_search
from prunescope.tuning.picture import draw
from prunescope.tuning.scoring import validation_score
from prunescope.tuning.search import search


def run_search(job: TuneJob, inputs: Path, out: Path, *, device: str = "auto") -> None:
    """Search, and write ``trials.csv``, ``best.json`` and ``figure/`` into ``out``.

    ``out/search.db`` remembers every evaluation, so that a search that was stopped goes on from there,
    and one with more evaluations from those it has.

    Args:
        inputs: the encoded data set.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UserError: no such device, damaged inputs or database, or every evaluation diverged.
    """
    place = choose_device(device)
    torch.set_flush_denormal(True)
    data = training_data(
        load_inputs(inputs),
        trim=masks_padding(job.architecture),
        device=place,
        padding=job.training.padding,
    )

    def score(training: Training, after_epoch: Callable[[int], None]) -> float:
        return validation_score(job.architecture, training, data, job.seed, place, after_epoch)

    with open(inputs, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    evaluations = search(job, digest, out / "search.db", score)
    metric = leading_metric(data.task, data.metrics)
    write_search(job, data.task, metric, evaluations, out)
    draw(job, metric, evaluations, out / "figure")
