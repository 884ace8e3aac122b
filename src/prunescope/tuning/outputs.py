"""What searches leave: a table and the best of each, the study with them filled in, the paper beside."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from prunescope import __version__
from prunescope.analysis.csv_text import write_csv
from prunescope.config.load import study_from
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json, write_json, write_text
from prunescope.tuning.job import Evaluation, TuneJob, ranked

TRIALS = ("number", "epochs", "lr", "batch_size", "score", "seconds", "state", "rank")
TABLE = (
    "dataset",
    "arch",
    "epochs",
    "lr",
    "batch_size",
    "score",
    "published_epochs",
    "published_lr",
    "published_batch_size",
    "metric",
    "evaluations",
)

#: What a search decides, as keys of training settings.
CHOSEN = ("epochs", "lr", "batch_size")

_HEADER = """\
# Written by `snakemake tune`: the study, with the best training settings that its searches found.
# Run it with `snakemake --configfile` and this file.
"""


def write_search(job: TuneJob, task: str, metric: str, evaluations: list[Evaluation], folder: Path) -> None:
    """Write ``trials.csv`` and ``best.json`` of one search.

    Raises:
        UserError: every evaluation diverged, so that there is no best one.
    """
    order = ranked(evaluations)
    best = order[0]
    if best.score is None:
        raise UserError(
            f"{job.dataset} {job.arch}: all {len(evaluations)} evaluations diverged; lower "
            f"tune.spaces.{job.dataset}.{job.arch}.lr and run again"
        )
    rank = {evaluation.number: position for position, evaluation in enumerate(order, start=1)}
    rows = [
        (e.number, e.epochs, e.lr, e.batch_size, e.score, f"{e.seconds:.3f}", e.state, rank[e.number])
        for e in evaluations
    ]
    write_csv(folder / "trials.csv", TRIALS, rows)
    write_json(
        folder / "best.json",
        {
            "dataset": job.dataset,
            "arch": job.arch,
            "task": task,
            "metric": metric,
            "split": "validation",
            "number": best.number,
            "epochs": best.epochs,
            "lr": best.lr,
            "batch_size": best.batch_size,
            "score": best.score,
            "evaluations": len(evaluations),
            "diverged": sum(e.score is None for e in evaluations),
            "sampler": job.sampler,
            "seed": job.seed,
            "space": job.space.model_dump(mode="json"),
            "versions": {
                "prunescope": __version__,
                "optuna": version("optuna"),
                "torch": version("torch"),
            },
        },
    )


def write_tuned(config: Mapping[str, Any], searches: Sequence[Path], out: Path) -> None:
    """Write ``tuned.yaml`` and ``tuning.csv`` from the ``best.json`` of every search.

    Args:
        config: the study as its file has it.

    Raises:
        UserError: a file is damaged.
    """
    best = [_best(path) for path in searches]
    tuned = tuned_config(config, best)
    study_from(tuned, str(out / "tuned.yaml"))
    text = yaml.safe_dump(tuned, sort_keys=False, allow_unicode=True, width=110)
    write_csv(out / "tuning.csv", TABLE, [_row(entry) for entry in best])
    write_text(out / "tuned.yaml", _HEADER + text)


def tuned_config(config: Mapping[str, Any], best: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A copy of a study's configuration with the best settings as ``datasets.<name>.training.<arch>``.

    Other training settings stay. ``best``: contents of ``best.json``.
    """
    tuned = copy.deepcopy(dict(config))
    for entry in best:
        dataset = tuned["datasets"][entry["dataset"]]
        training = dataset.setdefault("training", {})
        own = training.get(entry["arch"], {})
        training[entry["arch"]] = {**own, **{name: entry[name] for name in CHOSEN}}
    return tuned


def _best(path: Path) -> dict[str, Any]:
    entry = read_json(path)
    missing = [name for name in ("dataset", "arch", "score", *CHOSEN) if name not in entry]
    if missing:
        raise BadFileError(path, f"has no {missing[0]!r}")
    return dict(entry)


def _row(best: Mapping[str, Any]) -> tuple[Any, ...]:
    beside = published_settings().get((best["dataset"].lower(), best["arch"].lower()), {})
    return tuple({**best, **beside}.get(name) for name in TABLE)


def published_settings() -> dict[tuple[str, str], dict[str, Any]]:
    """Training settings that the PIE paper's own searches chose (Table 8), by data set and architecture in lower case.

    Keys as in ``TABLE``; and ``space``: the least and largest number of epochs and learning rate that were tried.
    """
    text = (
        resources.files("prunescope.tuning").joinpath("pie_hyperparameters.csv").read_text(encoding="utf-8")
    )
    return {
        (row["dataset"].lower(), row["arch"].lower()): {
            "published_epochs": int(row["best_epoch"]),
            "published_lr": float(row["best_lr"]),
            "published_batch_size": int(row["batch_size"]),
            "space": {
                "epochs": (int(row["min_epochs"]), int(row["max_epochs"])),
                "lr": (float(row["min_lr"]), float(row["max_lr"])),
            },
        }
        for row in csv.DictReader(io.StringIO(text))
    }
