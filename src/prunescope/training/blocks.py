"""One GPU job: train (and prune) a block of seeds, write what they say of every example."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunescope import __version__, code_revision
from prunescope.config.architectures import Stackable
from prunescope.config.jobs import ModelJob
from prunescope.data.encoding.encode import load_inputs
from prunescope.errors import UserError
from prunescope.files import write_json
from prunescope.models.registry import build, masks_padding
from prunescope.predictions.arrays import LOGIT_TASKS
from prunescope.predictions.scores import correct, one_model, score_name, scores
from prunescope.predictions.store import SeedBlock, TableMeta, decide, write_predictions
from prunescope.predictions.task_metrics import task_scores
from prunescope.training import checkpoint as checkpoints
from prunescope.training.batches import TrainingData, training_data
from prunescope.training.collected import Collected
from prunescope.training.decoding import answers_of, labels_of
from prunescope.training.lockstep import follow, train_each
from prunescope.training.loop import DivergedError, Trainee, copied_state, logits_of
from prunescope.training.memory import memory_told
from prunescope.training.objectives import dense_teacher
from prunescope.training.recipes import Recipe, dense, pruned
from prunescope.training.records import record_of
from prunescope.training.resume import Progress
from prunescope.training.threshold import best_threshold
from prunescope.training.together import Together

#: Splits whose predictions every model leaves.
SPLITS = ("train", "test")


@dataclass(frozen=True)
class BlockOutputs:
    """Where a job writes; None where it is not asked to."""

    test: Path
    train: Path
    metrics: Path
    early: Path | None = None
    checkpoint: Path | None = None
    models: Path | None = None


@dataclass(frozen=True)
class Kept:
    """Where a job keeps its progress while it trains, and how often; a job that was stopped goes on from it."""

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
        dense: checkpoints of the unpruned models of these seeds, for pruners that start from trained
            ones or distill them; with none, these are trained here, to the same bytes. For a level of a ladder
            above the first, the networks of the level below, which must be there.
        device: ``auto``, ``cpu`` or ``cuda``.
        kept: where progress is kept and found again (``training.resume``); the folder is gone once the outputs
            are written.

    A seed whose loss stops being finite has no rows in the tables; it is listed as diverged in
    their metadata and in the metrics, and the other seeds go on.

    Raises:
        UserError: no such device, inputs or checkpoint damaged, or not those of the level below.
        Stopped: asked to end by a signal, after the progress was kept.
    """
    if job.composition is not None and job.composition.is_ladder and job.target.units > 1 and not dense:
        raise UserError(
            f"{job.pruner} {job.amount}: starts from the networks of level {job.target.units - 1}; give their "
            "models.safetensors with --dense"
        )
    place = choose_device(device)
    torch.set_flush_denormal(True)  # pruned networks make many; arithmetic on them is slow
    data = training_data(
        load_inputs(inputs),
        trim=masks_padding(job.architecture),
        device=place,
        padding=job.training.padding,
    )
    starts = [checkpoints.Checkpoint(path) for path in dense]
    collected = Collected()
    together = replicas_together(job, place)
    alone = alone_because(job)
    if alone and isinstance(job.architecture, Stackable) and job.architecture.replicas == "together":
        print(f"{job.dataset} {job.arch} {job.pruner}: {alone}", file=sys.stderr, flush=True)
    groups = in_groups(sorted(job.seeds), 1 if together is None else together.most)
    progress = Progress(
        kept.folder if kept else None,
        kept.interval if kept else math.inf,
        lambda: owner_of(job, [inputs, *dense], place, early=outputs.early is not None),
    )
    done = 0
    with progress.listening(), memory_told():
        for seeds in groups:
            began = time.perf_counter()
            before = progress.finished(seeds)
            if before is not None:
                collected.add(Collected.from_state(before, lambda split: _labels(data, split)))
            else:
                collected.add(
                    _run_seeds(
                        job, seeds, data, place, starts, together, progress, early=outputs.early is not None
                    )
                )
            done += len(seeds)
            named = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))} together"
            took = f"{time.perf_counter() - began:.1f} s" if before is None else "an earlier run"
            print(
                f"{job.dataset} {job.arch} {job.pruner} {job.amount}: {named} "
                f"({done} of {len(job.seeds)}) in {took}",
                file=sys.stderr,
                flush=True,
            )
        _write(job, data, collected, outputs, place)
        progress.forget()


def owner_of(job: ModelJob, files: Sequence[Path], place: torch.device, *, early: bool) -> dict[str, str]:
    """What progress must agree in, to be this job's: settings, inputs, software and kind of device."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return {
        "settings": f"{job.model_dump_json()} early={early}",
        "inputs": digest.hexdigest(),
        "software": f"prunescope {__version__} {code_revision()} torch {torch.__version__}",
        "device": place.type,
    }


def replicas_together(job: ModelJob, place: torch.device) -> Together | None:
    """What trains this job's seeds in lock step; None where each is trained alone."""
    architecture = job.architecture
    if not isinstance(architecture, Stackable) or architecture.replicas == "alone" or alone_because(job):
        return None
    if architecture.replicas == "auto" and (place.type != "cuda" or len(job.seeds) == 1):
        return None
    return Together(architecture.together)


def alone_because(job: ModelJob) -> str | None:
    """Why the job's replicas cannot be trained together whatever the settings say; None where they can."""
    if job.composition is not None and job.composition.is_gradual:
        return "gradual pruning looks at every step of a network: replicas are trained one after the other"
    if job.composition is not None and job.composition.objective != "task":
        return f"objective {job.composition.objective}: replicas are trained one after the other"
    if not job.training.steady:
        return "the learning rate changes within epochs: replicas are trained one after the other"
    return None


def in_groups(seeds: Sequence[int], most: int) -> list[list[int]]:
    """As few groups of at most ``most`` as there can be, of sizes as equal as can be.

    >>> in_groups([1, 2, 3, 4, 5], 3)
    [[1, 2, 3], [4, 5]]
    """
    count = -(-len(seeds) // most)
    return [list(map(int, part)) for part in np.array_split(np.asarray(seeds, dtype=np.int64), count)]


def _run_seeds(
    job: ModelJob,
    seeds: Sequence[int],
    data: TrainingData,
    place: torch.device,
    starts: Sequence[checkpoints.Checkpoint],
    together: Together | None,
    progress: Progress,
    *,
    early: bool,
) -> Collected:
    """Train some seeds of the job, in lock step if ``together``: what they leave."""
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    trainees = [
        Trainee(build(job.architecture, data.shape, seed).to(place), data, job.training, seed)
        for seed in seeds
    ]
    early_logits: dict[int, np.ndarray] = {}
    progress.begin(trainees, early_logits)
    recipes = [_recipe(job, trainee, starts, early_logits if early else None) for trainee in trainees]
    runs = [
        (trainee, progress.followed(trainee, recipe))
        for trainee, recipe in zip(trainees, recipes, strict=True)
    ]
    ends = follow(runs, progress.noting(together or train_each))
    progress.trained()
    collected = Collected()
    for trainee, end in zip(trainees, ends, strict=True):
        if end is None:
            _collect(job, trainee, collected, early_logits.get(trainee.seed))
        else:
            _diverged(job, trainee, str(end), collected)
    alone = alone_because(job)
    collected.replicas = {"trained": "alone", **({"because": alone} if alone else {})}
    if together is not None:
        collected.replicas = {
            "trained": "together",
            "at_once": together.at_once,
            "cuda_graphs": together.graphs,
        }
    progress.complete(collected.state())
    return collected


def _recipe(
    job: ModelJob,
    trainee: Trainee,
    starts: Sequence[checkpoints.Checkpoint],
    early_logits: dict[int, np.ndarray] | None,
) -> Recipe:
    """The job's recipe for a network at initialization; ``early_logits``: seed -> logits, to be filled."""

    def after_epoch(epoch: int) -> None:
        if (
            early_logits is not None
            and trainee.data.task in LOGIT_TASKS
            and epoch == job.training.early_epoch
        ):
            early_logits[trainee.seed] = _logits(trainee, "train")

    if job.composition is None:
        yield from dense(trainee, after_epoch)
        return
    beginning = copied_state(trainee.model)
    if job.composition.needs_trained:
        if starts:
            checkpoints.restore(starts, trainee)
        else:
            yield from dense(trainee)
    teacher = None
    if starts and job.composition.objective == "distilled" and not job.composition.needs_trained:
        teacher = dense_teacher(trainee, partial(checkpoints.restore, starts))
    yield from pruned(trainee, job.composition, job.target, beginning, teacher)


def _logits(trainee: Trainee, split: str) -> np.ndarray:
    logits = logits_of(trainee.model, trainee.data, split, precision=trainee.settings.precision)
    return logits.numpy()


def _collect(job: ModelJob, trainee: Trainee, collected: Collected, early_logits: np.ndarray | None) -> None:
    """What a trained network says of every example, and its weights."""
    data, seed = trainee.data, trainee.seed
    if data.task not in LOGIT_TASKS:
        _collect_answers(job, trainee, collected)
        return
    logits = {split: _logits(trainee, split) for split in data.splits}
    if not all(np.isfinite(values).all() for values in logits.values()):
        _diverged(job, trainee, "logits are not finite", collected)
        return
    threshold = 0.5
    if data.task == "multi-label":
        chosen = job.training.threshold_split
        threshold = best_threshold(logits[chosen], data.splits[chosen].labels.cpu().numpy())
        collected.thresholds[str(seed)] = threshold
    reached = {}
    for split, values in logits.items():
        labels, prediction = _decisions(data, split, values, threshold)
        reached[split] = _scores(data, split, labels, prediction)
        if split in SPLITS:
            collected.predictions.setdefault(split, []).append(SeedBlock(seed, labels, values))
    if early_logits is not None:
        labels, _ = _decisions(data, "train", early_logits, threshold)
        collected.predictions.setdefault("early", []).append(SeedBlock(seed, labels, early_logits))
    collected.records.append(record_of(job, trainee, reached))
    _collect_weights(job, trainee, collected)


def _collect_answers(job: ModelJob, trainee: Trainee, collected: Collected) -> None:
    """The same of tags, spans and texts, which are kept as they are decided. Training texts are not written."""
    data, reached = trainee.data, {}
    splits = [split for split in data.splits if data.task != "text" or split != "train"]
    try:
        found = {split: answers_of(trainee.model, data, split, job.training.precision) for split in splits}
    except DivergedError as error:
        _diverged(job, trainee, str(error), collected)
        return
    for split, (labels, prediction) in found.items():
        reached[split] = _scores(data, split, labels, prediction)
        if split in SPLITS:
            block = SeedBlock(trainee.seed, labels, prediction=prediction)
            collected.predictions.setdefault(split, []).append(block)
    collected.records.append(record_of(job, trainee, reached))
    _collect_weights(job, trainee, collected)


def _collect_weights(job: ModelJob, trainee: Trainee, collected: Collected) -> None:
    seed = trainee.seed
    if job.composition is None:
        collected.trained.update(checkpoints.trainee_tensors(trainee))
    else:
        collected.pruned.update(checkpoints.model_tensors(seed, trainee.model))
        if job.composition.is_ladder:
            collected.pruned.update(checkpoints.mask_tensors(trainee))


def _labels(data: TrainingData, split: str) -> np.ndarray:
    """In the prediction table's form."""
    if data.task not in LOGIT_TASKS:
        return labels_of(data, split)
    labels: np.ndarray = data.splits[split].labels.cpu().numpy()
    return labels.astype({"multi-label": bool, "regression": np.float32}.get(data.task, np.int32))


def _decisions(
    data: TrainingData, split: str, logits: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions in the prediction table's form."""
    return _labels(data, split), decide(logits, data.task, threshold)


def _scores(
    data: TrainingData, split: str, labels: np.ndarray, prediction: np.ndarray
) -> dict[str, float | None]:
    """The data set's own metrics, the first one above all, and the task's score; None where one has no value."""
    side = one_model(data.task, labels, prediction, data.classes)
    found = task_scores(side, data.metrics, data.test_parts if split == "test" else {})
    found.setdefault(score_name(data.task), scores(side, correct(side)))
    return {name: float(values[0]) if np.isfinite(values[0]) else None for name, values in found.items()}


def _diverged(job: ModelJob, trainee: Trainee, reason: str, collected: Collected) -> None:
    print(
        f"{job.dataset} {job.arch} {job.pruner} {job.amount}: seed {trainee.seed} diverged: {reason}",
        file=sys.stderr,
        flush=True,
    )
    collected.diverged.append(trainee.seed)
    record = record_of(job, trainee, {})
    collected.records.append({**record, "diverged": True, "reason": reason})


def _write(
    job: ModelJob,
    data: TrainingData,
    collected: Collected,
    outputs: BlockOutputs,
    place: torch.device,
) -> None:
    sparsities = [record["sparsity_asked"] for record in collected.records]
    common: dict[str, Any] = {
        "task": data.task,
        "classes": data.classes,
        "dataset": job.dataset,
        "arch": job.arch,
        "pruner": job.pruner,
        "sparsity": sparsities[0] if sparsities else None,
        "threshold": collected.thresholds or None,
        "diverged": tuple(collected.diverged),
    }
    own = {"metrics": list(data.metrics)} if data.metrics else {}
    parts = {"parts": dict(data.test_parts)} if data.test_parts else {}
    final = {"test": outputs.test, "train": outputs.train}
    for split, path in final.items():
        extra = {**own, **parts} if split == "test" else own
        meta = TableMeta(**common, split=split, epoch="final", extra=extra)
        write_predictions(path, meta, collected.predictions.get(split, []), float16=job.logits == "float16")
    if outputs.early is not None:
        meta = TableMeta(**common, split="train", epoch="early")
        write_predictions(outputs.early, meta, collected.predictions.get("early", []))
    if outputs.checkpoint is not None:
        checkpoints.save(outputs.checkpoint, collected.trained, job.seeds)
    if outputs.models is not None:
        tensors = collected.pruned or _weights_only(collected.trained)
        checkpoints.save(outputs.models, tensors, job.seeds)
    write_json(
        outputs.metrics,
        {
            "dataset": job.dataset,
            "arch": job.arch,
            "pruner": job.pruner,
            "amount": job.amount,
            "task": data.task,
            "classes": list(data.classes),
            "models": collected.records,
            "replicas": collected.replicas,
            "device": torch.cuda.get_device_name(place) if place.type == "cuda" else _processor(),
            "threads": torch.get_num_threads(),
            "versions": {
                "prunescope": __version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": version("numpy"),
                "transformers": version("transformers"),
            },
            "revision": code_revision(),
            # The arch's own training and block settings are placeholders in a job (jobs.model_job).
            "settings": job.model_dump(mode="json", exclude={"architecture": {"training", "block"}}),
        },
    )


def _weights_only(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.split("/")[1] == "model"}


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UserError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: no GPU is visible; use --device cpu or auto")
    if name == "cuda":
        # Deterministic kernels where there are any; cuBLAS wants this workspace for them.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(name)


def _processor() -> str:
    return f"cpu ({platform.machine()})"
