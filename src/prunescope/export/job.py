"""`prunescope export`: one trained model of a study as a small file, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from prunescope.config.architectures import Arch
from prunescope.config.jobs import ModelJob
from prunescope.data.encoding.encode import load_inputs
from prunescope.errors import BadFileError, DamagedFileError, UserError, given, listed
from prunescope.export.files import Exported, compress, read, write
from prunescope.files import read_json
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.predictions.arrays import LOGIT_TASKS, decide
from prunescope.training.batches import TrainingData, training_data
from prunescope.training.checkpoint import Checkpoint
from prunescope.training.decoding import answers_of
from prunescope.training.predict import logits_of, score_on
from prunescope.training.state import TrainingState


@dataclass(frozen=True)
class Outcome:
    """What an export did. Sizes in bytes, of the prunable tensors and of the whole model.

    ``agreement``: share of test examples with the same prediction (several labels: at probability 0.5);
    ``largest_difference``: of any logit of the test split; None where an example has several.
    """

    matrix_bytes_dense: int
    matrix_bytes: int
    model_bytes_dense: int
    file_bytes: int
    sparsity: float
    agreement: float
    largest_difference: float | None


def summary(outcome: Outcome, out: Path) -> str:
    """The outcome for a terminal."""
    o, off = outcome, outcome.largest_difference
    mb = 1e6
    return "\n".join(
        [
            f"{out}: {o.file_bytes / mb:.2f} MB, {o.model_bytes_dense / o.file_bytes:.1f} times smaller than the "
            f"model's {o.model_bytes_dense / mb:.2f} MB",
            f"prunable weights at {o.sparsity:.1%} sparsity: {o.matrix_bytes / mb:.2f} MB, "
            f"{o.matrix_bytes_dense / o.matrix_bytes:.1f} times smaller than {o.matrix_bytes_dense / mb:.2f} MB",
            f"test split: {o.agreement:.2%} of the predictions are the same"
            + ("" if off is None else f"; no logit is off by more than {off:.3g}"),
        ]
    )


def export(models: Path, metrics: Path, inputs: Path, seed: int, out: Path) -> Outcome:
    """Write model ``seed`` of ``models`` to ``out`` and compare both on the test split of ``inputs``.

    Args:
        models: a block's ``models.safetensors``; metrics: its ``metrics.json``; inputs: the encoded data set.

    Raises:
        UserError: a file is missing or damaged, or has no such seed.
    """
    opened = _Opened.at(models, metrics, inputs)
    if seed not in opened.checkpoint.seeds:
        seeds = listed(sorted(opened.checkpoint.seeds))
        raise UserError(f"{models}: no model of seed {seed}; there are {seeds}")
    model, tensors, names = opened.model(seed)
    write(out, compress(tensors, names, opened.about(seed)))
    exported = read(out)
    before, predicted = _predicted(model, opened.data)
    _fill(model, exported, out)
    after, again = _predicted(model, opened.data)
    same = np.array([np.array_equal(a, b) for a, b in zip(predicted, again, strict=True)])
    zeros = sum(int((tensors[name] == 0).sum()) for name in names)
    return Outcome(
        matrix_bytes_dense=exported.matrix_bytes_dense,
        matrix_bytes=exported.matrix_bytes,
        model_bytes_dense=sum(tensor.nbytes for tensor in tensors.values()),
        file_bytes=out.stat().st_size,
        sparsity=zeros / sum(tensors[name].size for name in names),
        agreement=float(same.mean()),
        largest_difference=None if before is None or after is None else float(np.abs(before - after).max()),
    )


def scores_as_exported(models: Path, metrics: Path, inputs: Path) -> dict[int, float]:
    """Scores on the test split by seed, of a block's models as ``export`` writes them.

    By the data set's leading metric, or the task's score. Files as in ``export``.

    Raises:
        UserError: a file is missing or damaged, or not of the same models.
    """
    opened, found = _Opened.at(models, metrics, inputs), {}
    thresholds = {int(one["seed"]): one.get("threshold") for one in opened.record["models"]}
    for seed in sorted(opened.checkpoint.seeds):
        model, tensors, names = opened.model(seed)
        _fill(model, compress(tensors, names, {}), models)
        state = TrainingState(model, opened.data, opened.job.training, seed)
        threshold = thresholds.get(seed)
        found[seed] = score_on(state, "test", 0.5 if threshold is None else float(threshold))
    return found


@dataclass(frozen=True)
class _Opened:
    """A block of models, with its record and the encoded data set on the CPU."""

    checkpoint: Checkpoint
    record: Any
    job: ModelJob
    data: TrainingData

    @classmethod
    def at(cls, models: Path, metrics: Path, inputs: Path) -> _Opened:
        with given(
            "give the models.safetensors or checkpoint.safetensors of a block of models, beside its metrics.json"
        ):
            checkpoint = Checkpoint(models)
            record = read_json(metrics)
            job = _job(record, metrics)
        with given(
            "give RESULTS/data/DATASET/inputs/ARCH.safetensors of the models' data set and architecture"
        ):
            encoded = load_inputs(inputs)
            if (encoded.dataset, encoded.arch) != (job.dataset, job.arch):
                raise BadFileError(
                    inputs,
                    f"{encoded.dataset} for {encoded.arch}, but the models are {job.arch} on {job.dataset}",
                )
        cpu = torch.device("cpu")
        return cls(
            checkpoint, record, job, training_data(encoded, trim=job.architecture.masks_padding, device=cpu)
        )

    def model(self, seed: int) -> tuple[nn.Module, dict[str, np.ndarray], set[str]]:
        """The model, its tensors by name, and which of them are prunable matrices."""
        model = build(self.job.architecture, self.data.shape, seed)
        with given("give models and an encoded data set of the same study"):
            self.checkpoint.load(seed, model)
        # Gains and biases stay float32: a scale for each would take more than they do.
        names = {name for name, weight in prunable(model).items() if weight.dim() > 1}
        # Copies: the model is filled with what is read back.
        return model, {name: value.numpy().copy() for name, value in model.state_dict().items()}, names

    def about(self, seed: int) -> dict[str, Any]:
        known = {key: self.record[key] for key in ("dataset", "arch", "pruner", "amount", "task", "classes")}
        return known | {"seed": seed, "architecture": self.job.architecture.model_dump(mode="json")}


def _predicted(model: nn.Module, data: TrainingData) -> tuple[np.ndarray | None, np.ndarray]:
    """Logits of the test split, None where there are several for an example, and predictions."""
    if data.task not in LOGIT_TASKS:
        return None, answers_of(model, data, "test")
    logits = logits_of(model, data, "test").numpy()
    return logits, decide(logits, data.task, 0.5)


def load(path: Path, shape: Shape) -> nn.Module:
    """The model in an exported file, dequantized, ready to predict.

    Args:
        shape: of the data it was trained on, as ``training_data(...).shape`` gives it.

    Raises:
        UserError: the file is missing, damaged or of another model.
    """
    exported = read(path)
    try:
        architecture: Arch = TypeAdapter(Arch).validate_python(exported.about["architecture"])
    except (KeyError, ValueError):
        raise DamagedFileError(path, f"{path}: does not say which model it holds; export again") from None
    model = build(architecture, shape, int(exported.about.get("seed", 0)))
    _fill(model, exported, path)
    return model.eval()


def _fill(model: nn.Module, exported: Exported, path: Path) -> None:
    try:
        state: Mapping[str, Tensor] = {
            name: torch.from_numpy(np.array(value)) for name, value in exported.weights().items()
        }
        model.load_state_dict(dict(state))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DamagedFileError(path, f"{path}: damaged export ({reason}); export again") from None


def _job(record: Any, path: Path) -> ModelJob:
    try:
        return ModelJob.model_validate(record["settings"])
    except (KeyError, TypeError, ValueError):
        raise BadFileError(path, "not the metrics of a block of models") from None
