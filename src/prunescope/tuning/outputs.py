"""What searches leave: a table and the best of each, the study with them filled in, the paper beside."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from prunescope import __version__
from prunescope.analysis.csv_text import write_csv
from prunescope.config.load import study_from
from prunescope.config.study import Study
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json, write_json, write_text
from prunescope.papers.pie.printed import searches
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

#: How the results folder of a tuned study ends.
_TUNED = "-tuned"

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
    if undecided(evaluations):
        print(
            f"{job.dataset} {job.arch}: undecided: all evaluations that did not diverge score "
            f"{best.score:.4f}; the study's own settings stay. Search a wider space, or look at the data",
            file=sys.stderr,
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
            **({"undecided": True} if undecided(evaluations) else {}),
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


def undecided(evaluations: Sequence[Evaluation]) -> bool:
    """Whether several evaluations came to a score, and all to the same: none is better than another."""
    scores = [e.score for e in evaluations if e.score is not None]
    return len(scores) > 1 and len(set(scores)) == 1


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
    open_ = [f"{entry['arch']} on {entry['dataset']}" for entry in best if entry.get("undecided")]
    notes = "".join(f"# Undecided, as all evaluations score alike: {name}.\n" for name in open_)
    write_text(out / "tuned.yaml", _HEADER + notes + text)


def tuned_config(config: Mapping[str, Any], best: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A copy of a study's configuration with the best settings as ``datasets.<name>.training.<arch>``.

    Other training settings stay, and all of a search that is undecided. Results go to a folder of their own, beside the
    study's. ``best``: contents of ``best.json``.
    """
    tuned = copy.deepcopy(dict(config))
    results = str(tuned.get("results", Study.model_fields["results"].default)).rstrip("/")
    tuned["results"] = results if results.endswith(_TUNED) else results + _TUNED
    for entry in best:
        if entry.get("undecided"):
            continue
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
    beside = searches().get((best["dataset"].lower(), best["arch"].lower()))
    printed = {} if beside is None else {f"published_{name}": value for name, value in beside.chosen.items()}
    chosen = dict.fromkeys(CHOSEN) if best.get("undecided") else {}
    return tuple({**best, **printed, **chosen}.get(name) for name in TABLE)
