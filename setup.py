"""Puts the workflow, its studies and profiles into the wheel; all other metadata is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: What ``prunescope run`` needs where there is no clone; ``prunescope.config.shipped`` finds it.
SHIPPED = ("Snakefile", "workflow", "config.yaml", "studies", "profiles", "envs/conda.yaml")


class BuildWithWorkflow(build_py):
    def run(self) -> None:
        super().run()
        # An editable install reads the clone's own files.
        if self.editable_mode:
            return
        for name in SHIPPED:
            source, target = Path(name), Path(self.build_lib, "prunescope", "shipped", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(
                    source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*")
                )
            else:
                shutil.copy(source, target)


setup(cmdclass={"build_py": BuildWithWorkflow})
