"""Training curves for TensorBoard, MLflow and Weights & Biases while models train; nothing else depends on them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from prunescope.config.jobs import ModelJob
from prunescope.config.tracking import VARIABLE
from prunescope.training.state import Epoch, Noted


class Writer(Protocol):
    """One model's curves in one place."""

    def add(self, values: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, folder: Path, study: str, name: str, settings: Mapping[str, Any]) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(logdir=str(folder / name))

    def add(self, values: Mapping[str, float], step: int) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    """Into ``MLFLOW_TRACKING_URI``, else into files beside the results."""

    def __init__(self, folder: Path, study: str, name: str, settings: Mapping[str, Any]) -> None:
        from mlflow.tracking import MlflowClient

        where = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
        folder.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=where)
        known = self._client.get_experiment_by_name(study)
        number = known.experiment_id if known is not None else self._client.create_experiment(study)
        self._run = self._client.create_run(number, run_name=name).info.run_id
        for key, value in settings.items():
            self._client.log_param(self._run, key, value)

    def add(self, values: Mapping[str, float], step: int) -> None:
        for key, value in values.items():
            self._client.log_metric(self._run, key, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)


class _Wandb:
    """By its own settings (``wandb login``, ``WANDB_MODE``)."""

    def __init__(self, folder: Path, study: str, name: str, settings: Mapping[str, Any]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        # Models in lock step have a run each at the same time.
        self._run = wandb.init(
            project=study, name=name, dir=str(folder), config=dict(settings), reinit="create_new"
        )

    def add(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


_WRITERS: dict[str, Callable[..., Writer]] = {"tensorboard": _TensorBoard, "mlflow": _MLflow, "wandb": _Wandb}


class Tracking:
    """The curves of a job's models. What cannot be written is said once and left; training goes on."""

    def __init__(self, job: ModelJob) -> None:
        told = json.loads(os.environ.get(VARIABLE) or "{}")
        self._names: list[str] = list(told.get("names", ()))
        self._where = (Path(told.get("folder", "")), str(told.get("study", "")))
        self._job = job
        self._open: dict[tuple[str, int], Writer] = {}

    def of(self, seed: int) -> Noted:
        """What a model's training calls after every epoch."""
        return partial(self._epoch, seed)

    def _epoch(self, seed: int, step: int, epoch: Epoch) -> None:
        values = {"loss/train": epoch.loss, "loss/validation": epoch.validation_loss}
        self._write(seed, {key: value for key, value in values.items() if value is not None}, step)

    def ended(self, seed: int, record: Mapping[str, Any]) -> None:
        """Scores and size of a model that is trained, from its record in ``metrics.json``."""
        values = {
            f"score/{split}/{metric}": float(value)
            for split, scores in record["scores"].items()
            for metric, value in scores.items()
            if value is not None
        }
        self._write(seed, {**values, "sparsity": float(record["sparsity"])}, len(record["epochs"]))
        for name in list(self._names):
            writer = self._open.pop((name, seed), None)
            if writer is not None:
                self._try(name, writer.close)

    def _write(self, seed: int, values: Mapping[str, float], step: int) -> None:
        for name in list(self._names):
            self._try(name, lambda name=name: self._writer(name, seed).add(values, step))  # type: ignore[misc]

    def _writer(self, name: str, seed: int) -> Writer:
        if (name, seed) not in self._open:
            job, (folder, study) = self._job, self._where
            settings = {
                "dataset": job.dataset,
                "arch": job.arch,
                "pruner": job.pruner,
                "amount": job.amount,
                "seed": seed,
            }
            run = f"{job.dataset}/{job.arch}/{job.pruner}/{job.amount}/seed-{seed}"
            self._open[name, seed] = _WRITERS[name](folder, study, run, settings)
        return self._open[name, seed]

    def _try(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self._names.remove(name)
            words = " ".join(str(error).split()) or type(error).__name__
            print(f"track: {name} is left out of this job: {words}", file=sys.stderr, flush=True)
