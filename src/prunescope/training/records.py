"""What a job records of each network: sizes, sparsity reached, scores, training curve, time and memory."""

from __future__ import annotations

import resource
from typing import Any

import torch

from prunescope.config.jobs import ModelJob
from prunescope.models.channels import channels_of
from prunescope.models.registry import count_parameters, prunable
from prunescope.pruning.compression import removal
from prunescope.pruning.filters import channels_kept
from prunescope.training.loop import Trainee


def record_of(job: ModelJob, trainee: Trainee, scores: dict[str, Any]) -> dict[str, Any]:
    """``scores``: of each split, by metric; empty for a network that diverged."""
    weights = prunable(trainee.model)
    layers = {}
    for name, weight in weights.items():
        zeros = int((weight == 0).sum())
        layers[name] = {"size": weight.numel(), "zeros": zeros, "sparsity": zeros / weight.numel()}
    zeros = sum(int(layer["zeros"]) for layer in layers.values())
    total = count_parameters(trainee.model)
    size = sum(weight.numel() for weight in weights.values())
    asked = removal(job.composition, job.target, trainee.model).share if job.composition is not None else 0
    masks = trainee.masks or {}
    # Biases, normalization and inputs of the classifier that go with filters.
    further = sum(int((~mask).sum()) for name, mask in masks.items() if name not in weights)
    filters = {}
    if job.composition is not None and job.composition.structure == "filters" and masks:
        channels = channels_of(trainee.model)
        left = channels_kept(masks, channels)
        filters = {"filters": {one.layer: {"size": one.size, "left": left[one.layer]} for one in channels}}
    return {
        "seed": trainee.seed,
        "diverged": False,
        "parameters": total,
        "prunable": size,
        "sparsity_asked": float(asked),
        "sparsity": zeros / size,
        "ratio": total / (total - zeros - further),
        "layers": layers,
        **filters,
        "scores": scores,
        "epochs": [
            {
                "phase": epoch.phase,
                "epoch": epoch.epoch,
                "loss": epoch.loss,
                "validation_loss": epoch.validation_loss,
            }
            for epoch in trainee.curve
        ],
        **_while_pruned(trainee),
        "micro_batches": trainee.parts,
        "seconds": trainee.seconds,
        "samples_per_second": trainee.examples_seen / trainee.seconds if trainee.seconds else None,
        "peak_memory_mb": _peak_memory(trainee),
    }


def _while_pruned(trainee: Trainee) -> dict[str, Any]:
    """By column, for brevity; nothing of networks that were not pruned gradually."""
    points = trainee.pruning_curve
    if not points:
        return {}
    columns = ("step", "sparsity", "loss")
    return {"pruning_curve": {name: [getattr(point, name) for point in points] for name in columns}}


def _peak_memory(trainee: Trainee) -> float:
    place = next(trainee.model.parameters()).device
    if place.type == "cuda":
        return torch.cuda.max_memory_allocated(place) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
