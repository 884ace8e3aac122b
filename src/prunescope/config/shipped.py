"""What every installation carries: programs, the workflow, the embedded study, the papers' studies, the profiles."""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from pathlib import Path

_IN_WHEEL = Path(__file__).parents[1] / "shipped"


def shipped(name: str) -> Path:
    """The path of a file or folder of the repository, in the installed wheel or in the clone."""
    root = _IN_WHEEL if _IN_WHEEL.is_dir() else Path(__file__).parents[3]
    return root / name


def program(name: str) -> Path | None:
    """The program ``name`` of this Python's environment, whatever is first in ``PATH``; None where it has none."""
    folders = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    if site.ENABLE_USER_SITE:
        folders.append(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")))
    found = shutil.which(name, path=os.pathsep.join(folders))
    return None if found is None else Path(found)


def study_file(name: str) -> Path:
    """The study that ``--configfile`` names.

    ``config.yaml`` may also be called ``study.yaml``. A study that is not in this folder but comes with prunescope
    (``config.yaml``, ``studies/pie.yaml``, ...) is read from there; a line on standard error says so.
    """
    here = Path(name)
    if here.exists() or here.is_absolute():
        return here
    if name == "config.yaml" and Path("study.yaml").exists():
        return Path("study.yaml")
    if name == "config.yaml" or here.parts[0] == "studies":
        packaged = shipped(name)
        if packaged.is_file():
            print(f"prunescope: {name}: not in this folder; using {packaged}", file=sys.stderr)
            return packaged
    return here
