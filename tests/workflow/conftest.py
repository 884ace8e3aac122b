"""A small study, run once for all workflow tests, and workspaces whose runs are killed."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]

#: The target of runs whose figures and pages nobody looks at. Where it is there and newer than what it is made of,
#: Snakemake does not look further: name what is missing beside it.
TABLES = "results/tables/effectiveness.csv"

STUDY: dict[str, Any] = {
    "name": "small",
    "seeds": [0, 1],
    "datasets": {
        "digits": {"source": "digits"},
        "prose": {
            "source": "docstrings",
            "libraries": ["snakemake", "jinja2"],
            "per_library": 40,
            "max_tokens": 16,
        },
    },
    "archs": {
        "lenet5": {
            "family": "lenet5",
            "block": 2,
            "training": {"optimizer": "sgd", "lr": 0.05, "epochs": 2, "batch_size": 64},
        },
        "bilstm": {
            "family": "bilstm",
            "hidden": 4,
            "layers": 1,
            "head": [4],
            "vectors": 8,
            "block": 2,
            "training": {"epochs": 2, "lr": 0.01},
        },
    },
    "grid": [
        {
            "datasets": ["digits"],
            "archs": ["lenet5"],
            "pruners": ["IMP-FT", "RP-AI"],
            "sparsities": [0.5, 0.9],
        },
        {"datasets": ["prose"], "archs": ["bilstm"], "pruners": ["MP"], "ratios": [2]},
    ],
}


#: Imports Snakemake, which is most of what a dry run takes, and forks for each that is asked for.
FORKS = """
import json, os, sys
import snakemake.cli
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        for stream in (1, 2):
            os.dup2(os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        snakemake.cli.main(asked["arguments"])
        os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def forks() -> subprocess.Popen[str]:
    """One for all dry runs of this process; it ends with its input."""
    command = [sys.executable, "-c", FORKS]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Workspace:
    """A working directory with a study in it."""

    #: Whether figures are laid out and painted, which is most of what a small study takes after its training.
    painted = True

    def __init__(self, folder: Path, study: Mapping[str, Any] = STUDY) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write(study)

    def write(self, study: Mapping[str, Any]) -> None:
        (self.folder / "study.yaml").write_text(yaml.safe_dump(dict(study)))

    def copy(self, folder: Path) -> Workspace:
        shutil.copytree(self.folder, folder, symlinks=True)
        workspace = Workspace.__new__(Workspace)
        workspace.folder = folder
        return workspace

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *arguments: str) -> list[str]:
        program = str(Path(sys.executable).parent / "snakemake")
        return [
            program,
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--directory",
            str(self.folder),
            "--configfile",
            str(self.folder / "study.yaml"),
            "--cores",
            "2",
            *arguments,
        ]

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        places = [] if self.painted else [str(ROOT / "tests" / "support" / "unpainted")]
        places += filter(None, [os.environ.get("PYTHONPATH")])
        set_here = {"PATH": path, "PRUNESCOPE_DEVICE": "cpu", "PYTHONPATH": os.pathsep.join(places)}
        return {**os.environ, **set_here}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=1800,
        )

    def kill_when(self, event: Callable[[], Any], command: Sequence[str]) -> None:
        """Start a run, and kill it and all its jobs once something has happened."""
        process = subprocess.Popen(
            command,
            env=self.environment(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 1800
        while not event():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def jobs(self, *arguments: str) -> Counter[str]:
        """Jobs by rule that a dry run would start."""
        said = self.folder / "dry-run"
        said.unlink(missing_ok=True)
        asked = {
            "folder": str(self.folder),
            "environment": self.environment(),
            "said": str(said),
            "arguments": self.command("--dry-run", *arguments)[1:],
        }
        process = forks()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        code = process.stdout.readline().strip()
        text = said.read_text()
        assert code == "0", text
        stats = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", text, re.DOTALL)
        if stats is None:
            assert "Nothing to be done" in text, text
            return Counter()
        counts = {name: int(count) for name, count in (line.split() for line in stats[1].splitlines())}
        counts.pop("total")
        return Counter(counts)


def changed(**changes: Any) -> dict[str, Any]:
    """The study with changes; dots in the keyword stand as double underscores."""
    study = copy.deepcopy(STUDY)
    for key, value in changes.items():
        *parents, last = key.split("__")
        place: Any = study
        for parent in parents:
            place = place[int(parent)] if parent.isdigit() else place[parent]
        place[last] = value
    return study


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The small study, run to its end. Tests that change files work on a copy."""
    workspace = Workspace(tmp_path_factory.mktemp("study") / "run")
    done = workspace.snakemake()
    assert done.returncode == 0, done.stderr
    return workspace


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished study."""
    return finished.copy(tmp_path / "run")
