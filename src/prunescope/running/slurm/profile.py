"""Snakemake's profile for SLURM, with the values of a site: what ``snakemake --profile slurm`` reads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prunescope.config.shipped import shipped
from prunescope.config.spec import problem_line
from prunescope.errors import UserError
from prunescope.files import write_text

#: The profile without a site's values, in a clone or a study's folder.
SOURCE = Path("profiles/slurm")

#: Names of partitions, accounts and the like: nothing that a shell or Snakemake would read as more than a name.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.:@+-]*(,[A-Za-z0-9][A-Za-z0-9_.:@+-]*)*$"


class Site(BaseModel):
    """The values of ``site.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_partition: str | None = Field(default=None, pattern=NAME)
    gpu_partition: str | None = Field(default=None, pattern=NAME)
    account: str | None = Field(default=None, pattern=NAME, coerce_numbers_to_str=True)
    qos: str | None = Field(default=None, pattern=NAME)
    gpu_type: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.]+$")
    gpus_per_job: int = Field(default=1, ge=0, le=1)
    max_jobs: int = Field(default=1000, ge=1)


def read_site(path: Path) -> Site:
    """Read a site's values.

    Raises:
        UserError: the file is missing, not YAML, or has a value that is not one; the line names it.
    """
    raw = _read_yaml(path)
    try:
        return Site.model_validate(raw or {})
    except ValidationError as error:
        raise UserError(f"{path}: {problem_line(error, Site, {}, {})}") from None


def render(profile: dict[str, Any], site: Site) -> dict[str, Any]:
    """The profile of the repository, with a site's values in it."""
    common = {"slurm_account": site.account, "qos": site.qos}
    shared = {key: _text(value) for key, value in common.items() if value}
    default = {**profile["default-resources"], **shared}
    default.pop("slurm_partition", None)
    if site.cpu_partition:
        default["slurm_partition"] = _text(site.cpu_partition)
    on_gpu: dict[str, Any] = {}
    if site.gpu_partition:
        on_gpu["slurm_partition"] = _text(site.gpu_partition)
    on_gpu["gpu"] = site.gpus_per_job
    if site.gpu_type and site.gpus_per_job:
        on_gpu["gpu_model"] = _text(site.gpu_type)
    rules = {
        rule: {**{k: v for k, v in resources.items() if k not in ("slurm_partition", "gpu")}, **on_gpu}
        if "gpu" in resources
        else resources
        for rule, resources in profile["set-resources"].items()
    }
    return {**profile, "jobs": site.max_jobs, "default-resources": default, "set-resources": rules}


def set_up(source: Path) -> Path:
    """Write the profile of ``source`` (a folder with ``config.yaml`` and ``site.yaml``) to the user's folder.

    Without a clone, ``profiles/slurm`` is first copied from the installed package, for the user to change.

    Returns its path.

    Raises:
        UserError: a file is missing or wrong, or a profile of that name that is not ours is in the way.
    """
    if source == SOURCE and not source.exists():
        shutil.copytree(shipped(str(SOURCE)), source)
    site = read_site(source / "site.yaml")
    profile = _read_yaml(source / "config.yaml")
    target = installed_profile()
    head = f"# Written by `prunescope slurm setup` from {source.resolve()}; change site.yaml there, and run it again.\n"
    if target.exists() and not target.read_text(encoding="utf-8").startswith(head[:34]):
        raise UserError(
            f"{target}: a profile that prunescope did not write; move it away, then run `prunescope slurm setup` again"
        )
    write_text(target, head + yaml.safe_dump(render(profile, site), sort_keys=False, width=120))
    return target


def installed_profile() -> Path:
    """Where Snakemake looks for ``--profile slurm``."""
    return Path(platformdirs.user_config_dir("snakemake", "snakemake")) / "slurm" / "config.yaml"


def cpu_partition() -> str:
    """The partition of jobs that need no GPU, as the installed profile names it; empty where it names none."""
    path = installed_profile()
    if not path.is_file():
        raise UserError(f"{path}: no such file; run `prunescope slurm setup` first")
    return str(_read_yaml(path)["default-resources"].get("slurm_partition", "")).strip("'")


def _text(value: str) -> str:
    # Snakemake evaluates resources as expressions: quotes make it a string whatever it holds.
    return f"'{value}'"


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name the folder of the profile with --source") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
