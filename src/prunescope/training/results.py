"""The results of a job's seeds until all are done, also as the snapshot that a stopped job leaves of finished ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from prunescope.config.jobs import ModelJob
from prunescope.models.channels import channels_of
from prunescope.models.registry import count_parameters, prunable
from prunescope.models.removal import removal
from prunescope.predictions.store import SeedBlock
from prunescope.pruning.filters import channels_kept
from prunescope.training.checkpoint import mask_tensors, model_tensors, state_tensors
from prunescope.training.device import peak_memory_mb
from prunescope.training.predict import Predictions
from prunescope.training.state import Snapshot, TrainingState


@dataclass
class Results:
    """Of some seeds of a block.

    Attributes:
        predictions: by prediction table, ascending by seed.
        thresholds: by seed, of several labels.
        records: of each model, for ``metrics.json``.
        replicas: how the models were trained, for ``metrics.json``.
        trained: tensors of dense models with optimizer state; pruned: of pruned ones.
    """

    predictions: dict[str, list[SeedBlock]] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    diverged: list[int] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    replicas: dict[str, Any] = field(default_factory=dict)
    trained: dict[str, Tensor] = field(default_factory=dict)
    pruned: dict[str, Tensor] = field(default_factory=dict)

    def add_model(self, job: ModelJob, state: TrainingState, found: Predictions) -> None:
        """A trained model, its predictions and its weights."""
        for table, block in found.blocks.items():
            self.predictions.setdefault(table, []).append(block)
        if found.threshold is not None:
            self.thresholds[str(state.seed)] = found.threshold
        self.records.append(record_of(job, state, found.scores))
        if job.composition is None:
            self.trained |= state_tensors(state)
            return
        self.pruned |= model_tensors(state.seed, state.model)
        if job.composition.in_levels:
            self.pruned |= mask_tensors(state)

    def add_diverged(self, job: ModelJob, state: TrainingState, reason: str) -> None:
        """A model without predictions."""
        self.diverged.append(state.seed)
        self.records.append({**record_of(job, state, {}), "diverged": True, "reason": reason})

    def add(self, other: Results) -> None:
        """More seeds, above those that are here."""
        for table, blocks in other.predictions.items():
            self.predictions.setdefault(table, []).extend(blocks)
        self.thresholds |= other.thresholds
        self.diverged += other.diverged
        self.records += other.records
        self.trained |= other.trained
        self.pruned |= other.pruned
        # The largest number trained at once describes the block.
        if other.replicas.get("at_once", 0) >= self.replicas.get("at_once", 0):
            self.replicas = other.replicas

    def capture(self) -> Snapshot:
        """Without the labels, which the data set has."""
        tensors = {f"trained/{name}": value for name, value in self.trained.items()}
        tensors |= {f"pruned/{name}": value for name, value in self.pruned.items()}
        for table, blocks in self.predictions.items():
            for block in blocks:
                if block.logits is not None:
                    logits = np.ascontiguousarray(block.logits)
                    tensors[f"logits/{table}/{block.seed}"] = torch.from_numpy(logits)
                else:
                    assert block.prediction is not None
                    tensors[f"answers/{table}/{block.seed}"] = _as_bytes(block.prediction)
        facts = {
            "thresholds": self.thresholds,
            "diverged": self.diverged,
            "records": self.records,
            "replicas": self.replicas,
        }
        return tensors, facts

    @classmethod
    def restored(cls, snapshot: Snapshot, labels_of: Callable[[str], Any]) -> Self:
        """Inverse of ``capture``; ``labels_of``: split -> labels."""
        tensors, facts = snapshot
        found = cls(**facts)
        for name, value in tensors.items():
            kind, rest = name.split("/", 1)
            if kind in ("trained", "pruned"):
                getattr(found, kind)[rest] = value
        for table, seed, form in sorted(_prediction_names(tensors)):
            value = tensors[f"{form}/{table}/{seed}"]
            labels = labels_of("train" if table == "early" else table)
            block = (
                SeedBlock(seed, labels, value.numpy())
                if form == "logits"
                else SeedBlock(seed, labels, prediction=_from_bytes(value))
            )
            found.predictions.setdefault(table, []).append(block)
        return found


def _prediction_names(tensors: Mapping[str, Tensor]) -> list[tuple[str, int, str]]:
    names = [name.split("/") for name in tensors if name.startswith(("logits/", "answers/"))]
    return [(table, int(seed), form) for form, table, seed in names]


def _as_bytes(answers: Any) -> Tensor:
    """Texts, or an int32 array for each sentence, as the bytes of JSON."""
    values = [one.tolist() if isinstance(one, np.ndarray) else one for one in answers]
    return torch.from_numpy(np.frombuffer(json.dumps(values).encode(), dtype=np.uint8).copy())


def _from_bytes(stored: Tensor) -> np.ndarray:
    values = json.loads(stored.numpy().tobytes())
    answers = np.empty(len(values), dtype=object)
    for number, value in enumerate(values):
        answers[number] = np.array(value, dtype=np.int32) if isinstance(value, list) else value
    return answers


def record_of(job: ModelJob, state: TrainingState, scores: Mapping[str, Any]) -> dict[str, Any]:
    """A model's entry in ``metrics.json``: sizes, sparsity, scores, training curve, time and memory.

    ``scores``: by split and metric; empty for a model that diverged.
    """
    weights = prunable(state.model)
    layers = {}
    for name, weight in weights.items():
        zeros = int((weight == 0).sum())
        layers[name] = {"size": weight.numel(), "zeros": zeros, "sparsity": zeros / weight.numel()}
    zeros = sum(int(layer["zeros"]) for layer in layers.values())
    total = count_parameters(state.model)
    size = sum(weight.numel() for weight in weights.values())
    asked = removal(job.composition, job.target, state.model).share if job.composition is not None else 0
    masks = state.masks or {}
    # Biases, normalization and inputs of the classifier that go with filters.
    further = sum(int((~mask).sum()) for name, mask in masks.items() if name not in weights)
    filters = {}
    if job.composition is not None and job.composition.structure == "filters" and masks:
        channels = channels_of(state.model)
        left = channels_kept(masks, channels)
        filters = {"filters": {one.layer: {"size": one.size, "left": left[one.layer]} for one in channels}}
    return {
        "seed": state.seed,
        "diverged": False,
        "parameters": total,
        "prunable": size,
        "sparsity_asked": float(asked),
        "sparsity": zeros / size,
        "ratio": total / (total - zeros - further),
        "layers": layers,
        **filters,
        "scores": scores,
        "epochs": [asdict(epoch) for epoch in state.curve],
        **_pruning_curve(state),
        "micro_batches": state.parts,
        "seconds": state.seconds,
        "samples_per_second": state.examples_seen / state.seconds if state.seconds else None,
        "peak_memory_mb": peak_memory_mb(next(state.model.parameters()).device),
    }


def _pruning_curve(state: TrainingState) -> dict[str, Any]:
    """By column, for brevity; nothing for models that are not pruned gradually."""
    points = state.pruning_curve
    if not points:
        return {}
    columns = ("step", "sparsity", "loss")
    return {"pruning_curve": {name: [getattr(point, name) for point in points] for name in columns}}
