"""One GPU job: train (and prune) a block of seeds, predict every example, write the results."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from prunescope import __version__, code_revision
from prunescope.config.jobs import ModelJob, alone_because
from prunescope.data.encoding.encode import load_inputs
from prunescope.errors import UserError
from prunescope.models.registry import build, kernels
from prunescope.models.start import give_weights
from prunescope.predictions.arrays import LOGIT_TASKS
from prunescope.pruning.mask import ScoreError
from prunescope.training import checkpoint as checkpoints
from prunescope.training.batches import TrainingData, training_data
from prunescope.training.decoding import labels_of
from prunescope.training.device import choose_device, reset_peak_memory
from prunescope.training.lockstep import follow, train_each
from prunescope.training.memory import reported_memory
from prunescope.training.objectives import dense_teacher
from prunescope.training.predict import logits_of, predict
from prunescope.training.recipes import Recipe, dense, pruned
from prunescope.training.results import Results
from prunescope.training.resume import Progress
from prunescope.training.state import DivergedError, TrainingState, copied_state
from prunescope.training.together import Together
from prunescope.training.tracking import Tracking
from prunescope.training.write import BlockOutputs, write


@dataclass(frozen=True)
class Kept:
    """Where a job saves its progress while it trains, and every how many seconds; a stopped job resumes from it."""

    folder: Path
    interval: float


def run_block(
    job: ModelJob,
    inputs: Path,
    outputs: BlockOutputs,
    *,
    dense: Sequence[Path] = (),
    device: str = "auto",
    kept: Kept | None = None,
) -> None:
    """Train every seed of the job and write its prediction tables, metrics and checkpoints.

    Args:
        inputs: the encoded data set.
        dense: checkpoints of the dense models of these seeds, for pruners that start from trained models or distill
            them; with none, they are trained here, to the same bytes. For a level above the first of iterative
            magnitude pruning, the models of the level below, which are required.
        device: ``auto``, ``cpu`` or ``cuda``.
        kept: where progress is saved and found (``training.resume``); the folder is removed once the outputs are
            written.

    A seed whose loss stops being finite has no rows in the tables. It is listed as diverged in their metadata and in
    the metrics, and the other seeds go on.

    Raises:
        UserError: no such device, inputs or checkpoint damaged, or not those of the level below.
        Stopped: asked to end by a signal, after the progress was saved.
    """
    if job.composition is not None and job.composition.in_levels and job.target.units > 1 and not dense:
        raise UserError(
            f"{job.pruner} {job.amount}: starts from the models of level {job.target.units - 1}; give their "
            "models.safetensors with --dense"
        )
    chosen = choose_device(device)
    data = training_data(
        load_inputs(inputs),
        trim=job.architecture.masks_padding,
        device=chosen,
        padding=job.training.padding,
    )
    block = _Block(
        job, data, chosen, [checkpoints.Checkpoint(path) for path in dense], outputs.early is not None
    )
    progress = Progress(
        kept.folder if kept else None,
        kept.interval if kept else math.inf,
        lambda: owner_of(job, [inputs, *dense], chosen, early=block.early),
    )
    with progress.listening(), reported_memory():
        results = block.run(progress)
        write(job, data, results, outputs, chosen)
        progress.forget()


class _Block:
    """The seeds of a job. ``starts``: checkpoints to start from; ``early``: whether early predictions are kept."""

    def __init__(
        self,
        job: ModelJob,
        data: TrainingData,
        device: torch.device,
        starts: Sequence[checkpoints.Checkpoint],
        early: bool,
    ) -> None:
        self.job, self.data, self.device, self.starts, self.early = job, data, device, starts, early
        self.together = replicas_together(job, device)
        self.tracking = Tracking(job)

    def run(self, progress: Progress) -> Results:
        """Train all seeds, as many in lock step as the settings allow."""
        job, results, done = self.job, Results(), 0
        alone = alone_because(job.composition, job.training)
        if alone and job.architecture.lock_step == "together":
            self._report(alone)
        for seeds in in_groups(sorted(job.seeds), 1 if self.together is None else self.together.most):
            began = time.perf_counter()
            before = progress.finished(seeds)
            if before is not None:
                results.add(Results.restored(before, partial(labels_of, self.data)))
            else:
                results.add(self.train_group(seeds, progress))
            done += len(seeds)
            names = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))} together"
            took = f"{time.perf_counter() - began:.1f} s" if before is None else "an earlier run"
            self._report(f"{names} ({done} of {len(job.seeds)}) in {took}")
        return results

    def train_group(self, seeds: Sequence[int], progress: Progress) -> Results:
        """Train some seeds, in lock step where there are several, and predict."""
        job, together = self.job, self.together
        reset_peak_memory(self.device)
        states = [
            TrainingState(
                build(job.architecture, self.data.shape, seed).to(self.device), self.data, job.training, seed
            )
            for seed in seeds
        ]
        for state in states:
            state.noted = self.tracking.of(state.seed)
        if job.architecture.start is not None:
            for state in states:
                give_weights(state.model, job.architecture, state.seed)
        early_logits: dict[int, np.ndarray] = {}
        progress.begin(states, early_logits)
        runs = [(state, progress.followed(state, self.recipe(state, early_logits))) for state in states]
        ends = follow(runs, progress.noting(together or train_each))
        progress.trained()
        results = Results()
        for state, end in zip(states, ends, strict=True):
            try:
                if end is not None:
                    raise end
                results.add_model(job, state, predict(state, early_logits.get(state.seed)))
            except (DivergedError, ScoreError) as error:
                self._report(f"seed {state.seed} diverged: {error}")
                results.add_diverged(job, state, str(error))
            self.tracking.ended(state.seed, results.records[-1])
        alone = alone_because(job.composition, job.training)
        results.replicas = {"trained": "alone", **({"because": alone} if alone else {})}
        if together is not None:
            results.replicas = {
                "trained": "together",
                "at_once": together.at_once,
                "cuda_graphs": together.graphs,
            }
        progress.complete(results.capture())
        return results

    def recipe(self, state: TrainingState, early_logits: dict[int, np.ndarray]) -> Recipe:
        """The job's recipe for a model at initialization; fills ``early_logits`` (seed -> logits) if asked to."""
        job = self.job

        def after_epoch(epoch: int) -> None:
            if self.early and self.data.task in LOGIT_TASKS and epoch == job.training.early_epoch:
                logits = logits_of(state.model, self.data, "train", precision=job.training.precision)
                early_logits[state.seed] = logits.numpy()

        trained = job.architecture.start is not None
        if job.composition is None:
            if not trained:
                yield from dense(state, after_epoch)
            return
        beginning = copied_state(state.model)
        if job.composition.needs_trained:
            if self.starts:
                checkpoints.restore(self.starts, state)
            elif not trained:
                yield from dense(state)
        teacher = None
        if self.starts and job.composition.has_dense_teacher and not job.composition.needs_trained:
            teacher = dense_teacher(state, partial(checkpoints.restore, self.starts))
        yield from pruned(state, job.composition, job.target, beginning, teacher)

    def _report(self, text: str) -> None:
        job = self.job
        print(f"{job.dataset} {job.arch} {job.pruner} {job.amount}: {text}", file=sys.stderr, flush=True)


def owner_of(job: ModelJob, files: Sequence[Path], device: torch.device, *, early: bool) -> dict[str, str]:
    """What identifies the job to its saved progress: settings, inputs, software and kind of device."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return {
        "settings": f"{job.model_dump_json()} early={early}",
        "inputs": digest.hexdigest(),
        "software": f"prunescope {__version__} {code_revision()} torch {torch.__version__}",
        "device": device.type,
        "kernels": kernels(job.architecture, device, job.training.precision),
    }


def replicas_together(job: ModelJob, device: torch.device) -> Together | None:
    """What trains this job's seeds in lock step; None where each is trained alone."""
    architecture = job.architecture
    if architecture.lock_step == "alone" or alone_because(job.composition, job.training):
        return None
    if architecture.lock_step == "auto" and (device.type != "cuda" or len(job.seeds) == 1):
        return None
    return Together(architecture.most_at_once)


def in_groups(seeds: Sequence[int], most: int) -> list[list[int]]:
    """The fewest groups of at most ``most``, of sizes as equal as possible.

    >>> in_groups([1, 2, 3, 4, 5], 3)
    [[1, 2, 3], [4, 5]]
    """
    count = -(-len(seeds) // most)
    return [list(map(int, part)) for part in np.array_split(np.asarray(seeds, dtype=np.int64), count)]
