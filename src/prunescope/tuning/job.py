"""One search as data: the settings that it depends on and no others, and its evaluations."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from prunescope.config.architectures import Arch, Training, without_running
from prunescope.config.spec import Spec
from prunescope.config.study import Study
from prunescope.config.tuning import Space

#: Training settings without effect on a dense model's score.
_WITHOUT_EFFECT = ("finetune_epochs", "finetune_lr_factor", "early_fraction", "early_epochs_from")


class TuneJob(Spec):
    """The search for one arch on one data set. Snakemake reruns it when this changes.

    ``training`` holds what is not searched; its epochs and rate are placeholders. ``stage`` is the number
    of the workflow's stage: evaluations by other code do not count.
    """

    dataset: str
    arch: str
    architecture: Arch
    training: Training
    space: Space
    evaluations: int
    sampler: Literal["random", "tpe"]
    seed: int
    stage: int = 1

    def fingerprint(self, inputs: str) -> str:
        """Names what an evaluation depends on, ``inputs`` (the SHA-256 of the encoded data) included.

        Searches that differ in their number of evaluations alone share them.
        """
        settings = self.model_dump(mode="json", exclude={"evaluations"})
        text = json.dumps([settings, inputs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def tune_job(study: Study, dataset: str, arch: str, stage: int = 1) -> TuneJob:
    """The search for ``arch`` on ``dataset``, which must have a space in the study's ``tune`` section."""
    assert study.tune is not None
    space = study.tune.spaces[dataset][arch]
    # What a search finds is written into the study; that must not start the search again.
    searched = ("epochs", "lr", *(("batch_size",) if space.batch_size else ()))
    defaults = {name: Training.model_fields[name].default for name in (*searched, *_WITHOUT_EFFECT)}
    return TuneJob(
        dataset=dataset,
        arch=arch,
        architecture=without_running(study.archs[arch]),
        training=study.training(dataset, arch).model_copy(update=defaults),
        space=space,
        evaluations=study.tune.evaluations,
        sampler=study.tune.sampler,
        seed=study.tune.seed,
        stage=stage,
    )


@dataclass(frozen=True)
class Evaluation:
    """Drawn settings and their score, which is None where the model diverged."""

    number: int
    epochs: int
    lr: float
    batch_size: int
    score: float | None
    seconds: float

    @property
    def state(self) -> str:
        return "diverged" if self.score is None else "complete"


def ranked(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Best first: by score, then fewer epochs, then the earlier one. Diverged ones come last."""
    return sorted(evaluations, key=lambda e: (e.score is None, -(e.score or 0.0), e.epochs, e.number))
