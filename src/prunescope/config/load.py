"""Configuration files: read and checked, each problem one line that names the key; and their JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from prunescope.config.analysis import Analysis
from prunescope.config.architectures import FAMILIES, Training
from prunescope.config.checkpoints import with_checkpoint_sizes
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
        return Study.model_validate(with_checkpoint_sizes(raw))
    except ValidationError as error:
        raise UserError(f"{name}: {first_problem(error)}") from None


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file."""
    schema = Study.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "prunescope study", **schema}


#: What stands under which key, or which tag of a union, for messages on unknown keys.
_SPECS: dict[str, type[BaseModel]] = {
    "pruners": Pruner,
    "gradual": Gradual,
    "grid": Grid,
    "analysis": Analysis,
    "training": Training,
    "tune": Tune,
    "spaces": Space,
    "epochs": EpochRange,
    "lr": RateRange,
    **FAMILIES,
}


def first_problem(error: ValidationError) -> str:
    """The first problem of a study, or of a part of one, as one line, ``key: what is wrong and what is allowed``."""
    known = sources()
    return problem_line(error, Study, {**_SPECS, **known}, {"family": FAMILIES, "source": known})
