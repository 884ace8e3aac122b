"""Configuration files: read and checked, each problem one line that names the key; and their JSON schema."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from prunescope.config.analysis import Analysis
from prunescope.config.architectures import (
    Prunable,
    Training,
    family_named,
    family_names,
    with_checkpoint_sizes,
)
from prunescope.config.datasets import sources
from prunescope.config.gradual import Gradual
from prunescope.config.grid import Grid
from prunescope.config.pruners import Pruner
from prunescope.config.spec import problem_line
from prunescope.config.study import Study
from prunescope.config.tuning import EpochRange, RateRange, Space, Tune
from prunescope.errors import UserError


def load_study(path: Path | str) -> Study:
    """Read and check a YAML configuration.

    Raises:
        UserError: the file is missing, not YAML, or not a study; the line names the key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    return study_from(raw, str(path))


def study_from(raw: Any, name: str = "config") -> Study:
    """Check a configuration that is already parsed, as Snakemake hands it over.

    Raises:
        UserError: it is not a study; the line names the key and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise UserError(f"{name}: must be a mapping of settings (see config.yaml)")
    try:
        study = Study.model_validate(with_checkpoint_sizes(raw))
    except ValidationError as error:
        raise UserError(f"{name}: {first_problem(error)}") from None
    for line in _renamed(raw):
        print(f"{name}: {line}", file=sys.stderr)
    return study


def _renamed(raw: Mapping[str, Any]) -> list[str]:
    """A line for each old name that the study uses and that is still read."""
    archs, pruners = raw["archs"], raw.get("pruners") or {}
    poolers = [
        f"archs.{arch}.prune_pooler: is now called `prunable: {{pooler: {str(settings['prune_pooler']).lower()}}}`; "
        "the old name is still read"
        for arch, settings in archs.items()
        if "prune_pooler" in settings
    ]
    return poolers + [
        f"pruners.{pruner}.schedule: `ladder` is now called `levels`; the old name is still read"
        for pruner, settings in pruners.items()
        if settings["schedule"] == "ladder"
    ]


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file."""
    schema = Study.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "prunescope study", **schema}


#: What stands under which key, or which tag of a union, for messages on unknown keys.
_SPECS: dict[str, type[BaseModel]] = {
    "pruners": Pruner,
    "gradual": Gradual,
    "prunable": Prunable,
    "grid": Grid,
    "analysis": Analysis,
    "training": Training,
    "tune": Tune,
    "spaces": Space,
    "epochs": EpochRange,
    "lr": RateRange,
}


def first_problem(error: ValidationError) -> str:
    """The first problem of a study, or of a part of one, as one line, ``key: what is wrong and what is allowed``."""
    named = {part for problem in error.errors(include_url=False) for part in problem["loc"]}
    families = {name: family_named(name) for name in family_names() if name in named}
    known = sources()
    specs = {**_SPECS, **families, **known}
    return problem_line(error, Study, specs, {"family": family_names(), "source": known})
