"""A search that may be stopped at any moment: Optuna draws the points and stores the scores in a database file.

Evaluation i draws from its own random stream, seeded by the search's seed and i. A random search therefore has the same
points whatever was interrupted. So has TPE, which depends on finished evaluations alone: they finish in order.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from prunescope.config.architectures import Training, merged_training
from prunescope.errors import UserError
from prunescope.files.meter import QUIET, duration
from prunescope.seeds import stream
from prunescope.training.state import DivergedError
from prunescope.tuning.job import Evaluation, TuneJob

#: Trains a model with the settings and scores it; calls its second argument after each epoch.
Score = Callable[[Training, Callable[[int], None]], float]


def search(job: TuneJob, inputs: str, database: Path, score: Score) -> list[Evaluation]:
    """All evaluations of a search, in their order; those that ``database`` has are not run again.

    An evaluation that was under way when a run was stopped is marked as failed there, and repeated. Only
    one search at a time may use the file.

    Args:
        inputs: SHA-256 of the encoded data set. With other data or settings, evaluations already in the
            database are kept, but are not this search's.
        score: may raise ``DivergedError``.

    Raises:
        UserError: the database is damaged or cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        study = _open(database, job.fingerprint(inputs))
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        found = _finished(study, job)
        if found and len(found) < job.evaluations:
            _say(job, f"resuming after {len(found)} of {job.evaluations} evaluations")
        while len(found) < job.evaluations:
            found.append(_evaluate(study, job, len(found), score))
            _say(job, _line(found, job))
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__
        reason = getattr(cause, "orig", None) or error
        raise UserError(
            f"{database}: cannot be used ({reason}); free space, or move it away to start the search again"
        ) from None
    return found[: job.evaluations]


def _open(database: Path, name: str) -> optuna.Study:
    url = URL.create("sqlite", database=str(database)).render_as_string(hide_password=False)
    return optuna.create_study(
        storage=optuna.storages.RDBStorage(url), study_name=name, direction="maximize", load_if_exists=True
    )


def _finished(study: optuna.Study, job: TuneJob) -> list[Evaluation]:
    # Diverged evaluations are "pruned" trials in Optuna: they have no value, and its samplers rank them last.
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    return [_evaluation(trial, job) for trial in study.get_trials(deepcopy=False, states=states)]


def _evaluation(trial: FrozenTrial, job: TuneJob) -> Evaluation:
    return Evaluation(
        number=trial.user_attrs["evaluation"],
        epochs=trial.params["epochs"],
        lr=trial.params["lr"],
        batch_size=trial.params.get("batch_size", job.training.batch_size),
        score=trial.value,
        seconds=trial.user_attrs["seconds"],
    )


def _evaluate(study: optuna.Study, job: TuneJob, number: int, score: Score) -> Evaluation:
    # Optuna's generators take 32 bits.
    seed = stream(job.seed, "tune", job.dataset, job.arch, number) % 2**32
    kind = optuna.samplers.RandomSampler if job.sampler == "random" else optuna.samplers.TPESampler
    study.sampler = kind(seed=seed)
    trial = study.ask()
    space = job.space
    changes: dict[str, float] = {
        "epochs": trial.suggest_int("epochs", space.epochs.min, space.epochs.max),
        "lr": trial.suggest_float("lr", space.lr.min, space.lr.max, log=space.lr.log),
    }
    if space.batch_size:
        changes["batch_size"] = trial.suggest_categorical("batch_size", space.batch_size)
    training = merged_training(job.training, changes)
    began = shown = time.perf_counter()

    def after_epoch(epoch: int) -> None:
        nonlocal shown
        now = time.perf_counter()
        if now - shown >= QUIET and epoch < training.epochs:
            shown = now
            left = (now - began) / epoch * (training.epochs - epoch)
            _say(
                job,
                f"evaluation {number + 1} of {job.evaluations}: epoch {epoch} of {training.epochs}, "
                f"about {duration(left)} left for it",
            )

    value: float | None = None
    try:
        value = score(training, after_epoch)
    except DivergedError as error:
        _say(job, f"evaluation {number + 1} of {job.evaluations} diverged: {error}")
    trial.set_user_attr("evaluation", number)
    trial.set_user_attr("seconds", time.perf_counter() - began)
    study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)
    return _evaluation(study.get_trials(deepcopy=False)[trial.number], job)


def _line(found: list[Evaluation], job: TuneJob) -> str:
    last, left = found[-1], job.evaluations - len(found)
    epochs = f"{last.epochs} epoch{'s' if last.epochs > 1 else ''}"
    result = last.state if last.score is None else f"{last.score:.4f}"
    text = (
        f"evaluation {last.number + 1} of {job.evaluations}: {epochs}, lr {last.lr:.4g}, "
        f"batch size {last.batch_size}: {result} in {duration(last.seconds)}"
    )
    if left:
        text += f"; about {duration(left * sum(e.seconds for e in found) / len(found))} left"
    return text


def _say(job: TuneJob, text: str) -> None:
    print(f"{job.dataset} {job.arch}: {text}", file=sys.stderr, flush=True)
