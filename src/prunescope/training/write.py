"""The files that a job leaves: prediction tables, checkpoints, metrics."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from prunescope import __version__, code_revision
from prunescope.config.jobs import ModelJob
from prunescope.files import write_json
from prunescope.models.registry import kernels
from prunescope.predictions.store import TableMeta, write_predictions
from prunescope.training import checkpoint as checkpoints
from prunescope.training.batches import TrainingData
from prunescope.training.device import device_name
from prunescope.training.results import Results


@dataclass(frozen=True)
class BlockOutputs:
    """Where a job writes; None for files that it leaves out."""

    test: Path
    train: Path
    metrics: Path
    early: Path | None = None
    checkpoint: Path | None = None
    models: Path | None = None


def write(
    job: ModelJob, data: TrainingData, results: Results, outputs: BlockOutputs, device: torch.device
) -> None:
    """Write the results of all seeds of the job.

    Raises:
        UserError: a file cannot be written.
    """
    _write_tables(job, data, results, outputs)
    if outputs.checkpoint is not None:
        checkpoints.save(outputs.checkpoint, results.trained, job.seeds)
    if outputs.models is not None:
        dense = {name: tensor for name, tensor in results.trained.items() if name.split("/")[1] == "model"}
        checkpoints.save(outputs.models, results.pruned or dense, job.seeds)
    write_json(
        outputs.metrics,
        {
            "dataset": job.dataset,
            "arch": job.arch,
            "pruner": job.pruner,
            "amount": job.amount,
            "task": data.task,
            "classes": list(data.classes),
            "models": results.records,
            "replicas": results.replicas,
            "device": device_name(device),
            "kernels": kernels(job.architecture, device, job.training.precision),
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


def _write_tables(job: ModelJob, data: TrainingData, results: Results, outputs: BlockOutputs) -> None:
    common: dict[str, Any] = {
        "task": data.task,
        "classes": data.classes,
        "dataset": job.dataset,
        "arch": job.arch,
        "pruner": job.pruner,
        "sparsity": results.records[0]["sparsity_asked"] if results.records else None,
        "threshold": results.thresholds or None,
        "diverged": tuple(results.diverged),
    }
    metrics = {"metrics": list(data.metrics)} if data.metrics else {}
    parts = {"parts": dict(data.test_parts)} if data.test_parts else {}
    for split, path, extra in (
        ("test", outputs.test, metrics | parts),
        ("train", outputs.train, metrics),
    ):
        meta = TableMeta(**common, split=split, epoch="final", extra=extra)
        write_predictions(path, meta, results.predictions.get(split, []), float16=job.logits == "float16")
    if outputs.early is not None:
        meta = TableMeta(**common, split="train", epoch="early")
        write_predictions(outputs.early, meta, results.predictions.get("early", []))
