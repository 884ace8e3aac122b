"""Clusters, and studies small enough for them."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from prunescope.running.results_lock import ResultsLock
from tests.slurm.cluster import ACCOUNTING, PROGRAMS, Cluster, missing_programs

PACKAGES = "slurm-wlm munge slurmdbd mariadb-server"

ROOT = Path(__file__).parents[2]

#: Real training of seconds a job, on real data: long enough for a fault to hit it.
STUDY: dict[str, Any] = {
    "name": "faults",
    "seeds": [0, 1],
    "datasets": {"digits": {"source": "digits"}},
    "archs": {
        "lenet5": {
            "family": "lenet5",
            "block": 1,
            "training": {"optimizer": "sgd", "lr": 0.05, "epochs": 18, "batch_size": 32},
        }
    },
    "pruners": {"mine": {"criterion": "magnitude", "schedule": "iterative", "rounds": 2, "scope": "global"}},
    "grid": [
        {"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["mine"], "sparsities": [0.5]},
    ],
}

#: Where runs end here: the tables of one data set. Pages and figures are the business of other tests.
TABLES = "results/only/digits/tables/effectiveness.csv"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = missing_programs((*PROGRAMS, *ACCOUNTING))
    if not missing:
        return
    reason = f"not installed here: {', '.join(missing)}; on Debian: apt install {PACKAGES}"
    for item in items:
        if item.get_closest_marker("slurm") is None:
            continue
        if os.environ.get("PRUNESCOPE_REQUIRE_SLURM"):
            item.add_marker(pytest.mark.usefixtures("slurm_is_required"))
        else:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def slurm_is_required() -> None:
    pytest.fail(
        "PRUNESCOPE_REQUIRE_SLURM is set, and not installed are: "
        + ", ".join(missing_programs((*PROGRAMS, *ACCOUNTING)))
    )


class Site:
    """A person's account on a cluster: profile set up, a working directory with a study."""

    def __init__(self, cluster: Cluster, folder: Path, study: Mapping[str, Any] = STUDY) -> None:
        self.cluster = cluster
        self.folder = folder
        self.folder.mkdir(parents=True)
        self._held: set[int] = set()
        self.config = "study.yaml"
        self.write(study)
        self.results = folder / "results"
        self.env = {**cluster.env, "PRUNESCOPE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
        self._set_up()

    def write(self, study: Mapping[str, Any]) -> None:
        (self.folder / self.config).write_text(yaml.safe_dump(dict(study)))

    def beside(self, config: str, study: Mapping[str, Any]) -> Site:
        """The same account and folder, with another study, whose results are ``other``."""
        other = copy.copy(self)
        other.config = config
        other.results = self.folder / "other"
        other.write({**study, "results": "other"})
        return other

    def _set_up(self) -> None:
        # The profile as it is shipped, but for what a small machine and short jobs ask for.
        source = self.folder / "profile"
        shutil.copytree(ROOT / "profiles" / "slurm", source)
        profile = yaml.safe_load((source / "config.yaml").read_text())
        profile["slurm-init-seconds-before-status-checks"] = 1
        profile["seconds-between-status-checks"] = 1
        profile["max-status-checks-per-second"] = 1
        profile["latency-wait"] = 5
        profile["default-resources"].update(mem_mb=1500, runtime=10)
        # Shorter than SLURM's warning would come before its end.
        profile["set-resources"]["encode"] = {"runtime": "2 * attempt"}
        (source / "config.yaml").write_text(yaml.safe_dump(profile))
        done = self.command("slurm", "setup", "--source", str(source))
        assert done.returncode == 0, done.stderr

    def command(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """``prunescope`` with these arguments."""
        return subprocess.run(
            [sys.executable, "-m", "prunescope", *arguments],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def snakemake(self, *arguments: str, profile: str = "slurm") -> subprocess.CompletedProcess[str]:
        """``snakemake --profile slurm`` as a person types it, but for the path of the Snakefile."""
        return subprocess.run(
            [
                "snakemake",
                f"--snakefile={ROOT / 'Snakefile'}",
                f"--profile={profile}",
                f"--configfile={self.config}",
                *arguments,
            ],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=1800,
        )

    def start(self, *targets: str, patience: float = 60) -> subprocess.Popen[bytes]:
        """``prunescope slurm run``; what it says is kept, one run after the other."""
        with open(self.folder / f"said-{self.config}", "ab") as said:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "prunescope", "slurm", "run"),
                    f"--configfile={self.config}",
                    f"--patience={patience}",
                    "--interval=2",
                    "--",
                    f"--snakefile={ROOT / 'Snakefile'}",
                    *targets,
                ],
                env=self.env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        path = self.folder / f"said-{self.config}"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def logs(self) -> str:
        """Everything that the supervisor and its Snakemakes have said."""
        logs = sorted((self.results / "logs").glob("slurm-*.log")) if self.results.is_dir() else []
        return self.said + "".join(path.read_text(errors="replace") for path in logs)

    @property
    def snakemake_log(self) -> str:
        """What the last Snakemake that was started here has said so far."""
        logs = sorted((self.folder / ".snakemake" / "log").glob("*.log"))
        return logs[-1].read_text(errors="replace") if logs else ""

    def slurm(self, action: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``prunescope slurm`` for the study."""
        return self.command("slurm", action, f"--configfile={self.config}", *arguments)

    def running(self, rule: str) -> list[int]:
        """SLURM's numbers of the running jobs of a rule."""
        return [
            number
            for number, comment, state in self.cluster.jobs("running")
            if state == "RUNNING" and comment.startswith(f"rule_{rule}_")
        ]

    def trainers(self, rule: str) -> list[int]:
        """The processes that train models for jobs of ``train`` (dense ones), or of ``prune``: one a job.

        A process that a job has forked, to start a program, looks like the job's own until the program runs.
        """
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            pid = int(process.name)
            words = _words(pid, "cmdline")
            if words[1:2] == ["-m"] or "model" not in words[1:4] or "--settings" not in words:
                continue
            if self.variable(pid, "PRUNESCOPE_TEST_CLUSTER") != str(self.cluster.folder):
                continue
            if ("--early" in words) == (rule == "train"):
                found.append(pid)
        return [pid for pid in found if int(_status(pid).get("PPid", "0")) not in found]

    def hold(self, rule: str, count: int) -> list[int]:
        """As many processes of jobs of ``train`` or ``prune``, each of its own, at work at once: held until they are
        released, and never among those that a later call returns.

        Each is stopped when it is first seen, so that it cannot be through before what is to happen to it.
        """
        found: list[int] = []

        def enough() -> bool:
            for pid in self.trainers(rule):
                if pid not in self._held and len(found) < count:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                        self._held.add(pid)
                        found.append(pid)
            return len(found) == count

        self.wait_for(enough, f"{count} jobs of {rule} that train at once")
        return found

    def let_train(self, pid: int) -> None:
        """Let a held process run until it heeds a warning, as models in training do; it is held then."""

        def heeds() -> bool:
            if self.catches(pid, signal.SIGUSR1):
                return True
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)
            os.kill(pid, signal.SIGSTOP)
            return False

        self.wait_for(heeds, "training that heeds a warning")

    @staticmethod
    def release(held: list[int]) -> None:
        for pid in held:
            os.kill(pid, signal.SIGCONT)

    def job(self, pid: int) -> int:
        """SLURM's number of the job that a process is of."""
        return int(self.variable(pid, "SLURM_JOB_ID"))

    def wait_for_no_jobs(self) -> None:
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
        self.wait_for(lambda: all(state in over for *_, state in self.cluster.jobs()), "end of all jobs")

    @staticmethod
    def variable(pid: int, name: str) -> str:
        """A variable of a process's environment; empty where it has none."""
        for entry in _words(pid, "environ"):
            if entry.startswith(f"{name}="):
                return entry.partition("=")[2]
        return ""

    @staticmethod
    def catches(pid: int, number: signal.Signals) -> bool:
        """Whether a process has a handler for a signal: a model in training has."""
        return _in_mask(pid, "SigCgt", number)

    @staticmethod
    def awaits(pid: int, number: signal.Signals) -> bool:
        """Whether a signal was sent to a process that has not had it yet, because it is stopped."""
        return _in_mask(pid, "ShdPnd", number)

    @staticmethod
    def stopped(pid: int) -> bool:
        return _status(pid).get("State", "").startswith("T")

    def holder(self) -> int:
        """The process that holds the results tree; 0 where none does."""
        holder = ResultsLock(self.results).holder()
        return 0 if holder is None else holder.pid

    @property
    def snakemake_process(self) -> int:
        return int(json.loads((self.results / ".prunescope" / "lock.json").read_text())["snakemake"])

    def planned(self, *targets: str) -> set[str]:
        """The rules of which a dry run would start jobs."""
        done = self.snakemake("--dry-run", *targets)
        assert done.returncode == 0, done.stdout + done.stderr
        return set(re.findall(r"^(?:local)?rule (\S+):$", done.stdout + done.stderr, re.MULTILINE))

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = 900) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} after {seconds} s:\n{self.logs[-6000:]}")
            time.sleep(0.1)
        return value

    def finish(self, process: subprocess.Popen[bytes], seconds: float = 900) -> int:
        """The exit code of a run, once it has ended."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            raise AssertionError(f"no end after {seconds} s:\n{self.logs[-8000:]}") from None


def _status(pid: int) -> dict[str, str]:
    """``/proc/<pid>/status``; empty where there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def _in_mask(pid: int, mask: str, number: signal.Signals) -> bool:
    return bool(int(_status(pid).get(mask, "0"), 16) >> (number - 1) & 1)


def _words(pid: int, file: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def tables(results: Path) -> dict[str, bytes]:
    """Every table of the one data set, by name."""
    folder = results / "only" / "digits" / "tables"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}


@contextmanager
def temporary_cluster(*, accounting: bool = False) -> Iterator[tuple[Cluster, Path]]:
    """A cluster, and a folder for the work on it. Short paths: a socket's name has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ps-"))
    try:
        cluster = Cluster(folder / "c", accounting=accounting)
        try:
            yield cluster, folder / "w"
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_locally(folder: Path) -> dict[str, bytes]:
    """The tables of the study, run on this machine without SLURM and without faults."""
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [
            *("snakemake", f"--snakefile={ROOT / 'Snakefile'}", "--configfile=study.yaml", "--cores=2"),
            TABLES,
        ],
        env={**os.environ, "PATH": path, "PRUNESCOPE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return tables(folder / "results")
