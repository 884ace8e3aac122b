"""Where training curves go while models train, beside the results (``track``); no output depends on it."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

from prunescope.config.study import Study
from prunescope.errors import Problems

#: By name: the module that writes, and what installs it.
TRACKERS = {
    "tensorboard": ("tensorboardX", "pip install 'prunescope[track]'"),
    "mlflow": ("mlflow", "pip install mlflow"),
    "wandb": ("wandb", "pip install wandb"),
}

#: Tells jobs. Not an argument of theirs: what they write does not follow from it, and so they must not run again.
VARIABLE = "PRUNESCOPE_TRACK"


def check_trackers(study: Study) -> None:
    """Raises: UserError: what ``track`` names is not installed."""
    missing = [name for name in study.track if find_spec(TRACKERS[name][0]) is None]
    if missing:
        raise Problems(
            f"track: {name} is not installed here; {TRACKERS[name][1]}, or leave it out" for name in missing
        )


def track_jobs(study: Study) -> None:
    """Let the jobs that this process starts know."""
    folder = str(Path(study.results).absolute() / "tracking")
    told = {"names": study.track, "folder": folder, "study": study.name}
    os.environ[VARIABLE] = json.dumps(told) if study.track else ""
