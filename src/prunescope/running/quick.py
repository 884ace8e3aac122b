"""The same study in a minute: two seeds, a part of the data, one epoch; to see that everything fits together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prunescope.config.load import load_study, read_yaml
from prunescope.config.study import Study
from prunescope.files import write_text

#: Examples of a split, at most; and of each class, so that none goes missing.
EXAMPLES, EACH = 100, 3

SEEDS, LEVELS = 2, 2

#: Where data sets say how many examples they keep.
_LIMITS = ("limit", "max_examples", "per_library")


def quick_study(configfile: Path) -> Path:
    """Write the small study beside its results, ``<results>-quick/study.yaml``; the path.

    Raises:
        UserError: the study is not a valid one, or its data is not there.
    """
    study = load_study(configfile)
    path = Path(f"{study.results}-quick") / "study.yaml"
    write_text(
        path, yaml.safe_dump(smaller(study, read_yaml(configfile)), sort_keys=False, allow_unicode=True)
    )
    return path


def smaller(study: Study, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings ``raw`` of a study, made small."""
    return {
        **{key: value for key, value in raw.items() if key not in ("tune", "analysis")},
        "name": f"{study.name}-quick",
        "results": f"{study.results}-quick",
        "seeds": list(study.seeds[:SEEDS]),
        "datasets": {name: _data(study, name, settings) for name, settings in raw["datasets"].items()},
        "archs": {
            name: {**settings, "training": _short(settings.get("training") or {})}
            for name, settings in raw["archs"].items()
        },
        "grid": [_block(block) for block in raw["grid"]],
    }


def _data(study: Study, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    dataset = study.datasets[name]
    small = dict(settings)
    for key in _LIMITS:
        if key in type(dataset).model_fields:
            most = max(EXAMPLES, EACH * dataset.declared().classes)
            small[key] = min(most, settings.get(key) or most)
    if dataset.training:
        small["training"] = {arch: _short(of_arch) for arch, of_arch in dataset.training.items()}
    return small


def _short(training: Mapping[str, Any]) -> dict[str, Any]:
    epochs = dict.fromkeys(("epochs", "finetune_epochs", "rewind_epochs"), 1)
    return {**{key: value for key, value in training.items() if key != "milestones"}, **epochs}


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    small = dict(block)
    if small.get("seeds"):
        small["seeds"] = list(small["seeds"])[:SEEDS]
    if small.get("levels"):
        small["levels"] = min(LEVELS, small["levels"])
    return small
