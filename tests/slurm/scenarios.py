"""What is done to runs on real clusters, and what was then found. Each has a cluster of its own."""

from __future__ import annotations

import copy
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import STUDY, TABLES, Site, tables, temporary_cluster


@dataclass
class Found:
    """``facts``: by name, what single tests look at."""

    tables: dict[str, bytes] = field(default_factory=dict)
    logs: str = ""
    said: str = ""
    jobs: list[tuple[int, str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def look(self, site: Site) -> None:
        self.tables = tables(site.results)
        self.logs, self.said, self.jobs = site.logs, site.said, site.cluster.jobs()

    def submitted(self, rule: str) -> dict[str, list[str]]:
        """States of all jobs of a rule, by what they run."""
        found: dict[str, list[str]] = {}
        for _, comment, state in sorted(self.jobs):
            if comment.startswith(f"rule_{rule}_"):
                found.setdefault(comment, []).append(state)
        return found


def faults_of_jobs() -> Found:
    """Jobs are killed, cancelled, requeued, warned, out of time; the node is drained; one job always fails."""
    found = Found()
    with temporary_cluster() as (cluster, folder):
        # A torn file: encoding texts for this architecture fails whenever it is tried.
        torn = folder.parent / "torn.txt"
        torn.write_text("word 0.5", encoding="utf-8")
        prose = {
            "source": "docstrings",
            "libraries": ["snakemake", "jinja2"],
            "per_library": 40,
            "max_tokens": 16,
        }
        study = copy.deepcopy(STUDY)
        study["datasets"]["prose"] = prose
        study["archs"]["bilstm"] = {"family": "bilstm", "vectors_path": str(torn), "vectors": 8}
        study["grid"].append({**STUDY["grid"][0], "datasets": ["prose"], "archs": ["bilstm"]})
        site = Site(cluster, folder, study)
        run = site.start(TABLES, TABLES.replace("digits", "prose"))

        found.facts["gpus"] = {site.variable(pid, "CUDA_VISIBLE_DEVICES") for pid in site.two_trainers()}
        killed, cancelled = site.running("train")
        os.kill(site.wait_for(lambda: site.trainer(killed), "its process"), signal.SIGKILL)
        cluster.client("scancel", str(cancelled))
        requeued = site.wait_for(
            lambda: [job for job in site.running("train") if job not in (killed, cancelled)], "a second try"
        )[0]
        site.wait_for(lambda: site.trainer(requeued), "its process")
        cluster.client("scontrol", "requeue", str(requeued))

        warned = site.wait_for(lambda: site.running("prune"), "a pruned model")[0]
        what = {number: comment for number, comment, _ in cluster.jobs()}[warned]
        heeds = site.wait_for(
            lambda: next((pid for pid in [site.trainer(warned)] if site.catches(pid, signal.SIGUSR1)), 0),
            "training that heeds a warning",
        )
        # It waits for the warning, so that it cannot be finished before the warning arrives.
        os.kill(heeds, signal.SIGSTOP)
        cluster.client("scancel", "--signal=USR1", str(warned))
        site.wait_for(lambda: site.awaits(heeds, signal.SIGUSR1) or not site.stopped(heeds), "the warning")
        os.kill(heeds, signal.SIGCONT)
        late = site.wait_for(lambda: site.running("prune", besides=what), "another pruned model")[0]
        # One that hangs heeds no warning; SLURM's signals would wake it, so it is stopped again and again. Limits are
        # in minutes.
        hanging = site.wait_for(lambda: site.trainer(late), "its process")
        cluster.client("scontrol", "update", f"JobId={late}", "TimeLimit=1")
        hang(site, hanging, late)
        found.facts.update(requeued=requeued, warned=warned)

        site.wait_for(lambda: site.running("cell"), "analysis")
        host = socket.gethostname().split(".")[0]
        cluster.client("scontrol", "update", f"NodeName={host}", "State=DRAIN", "Reason=test")
        found.facts["drained"] = cluster.node_state()
        site.wait_for(
            lambda: cluster.jobs("pending") and not cluster.jobs("running"), "a job that waits for the node"
        )
        cluster.client("scontrol", "update", f"NodeName={host}", "State=RESUME")

        found.facts["code"] = site.finish(run)
        found.look(site)
        found.facts["model logs"] = "".join(
            path.read_text() for path in sorted((site.results / "logs" / "prune").rglob("*.log"))
        )
    return found


def faults_of_the_main_process() -> Found:
    """Snakemake is killed; Snakemake and its supervisor are; slurmctld is away; settings change afterwards."""
    found = Found()
    with temporary_cluster() as (cluster, folder):
        site = Site(cluster, folder)
        run = site.start(TABLES)

        site.two_trainers()
        os.kill(site.snakemake_process, signal.SIGKILL)

        site.wait_for(lambda: site.trainers("prune"), "a pruned model")
        snakemake = site.snakemake_process
        run.kill()
        run.wait()
        os.killpg(snakemake, signal.SIGKILL)
        site.wait_for(
            lambda: all(state not in ("RUNNING", "COMPLETING") for *_, state in cluster.jobs()),
            "end of the jobs that nobody watches",
        )
        run = site.start(TABLES)

        site.wait_for(lambda: site.running("cell"), "analysis")
        asked = cluster.unanswered()
        cluster.stop_controller()
        # More often than Snakemake's plugin for SLURM asks where no profile tells it to go on: five times.
        site.wait_for(lambda: cluster.unanswered() > asked + 6, "queries that get no answer")
        cluster.start_controller()

        found.facts["code"] = site.finish(run)
        found.look(site)
        found.facts["again"] = site.planned(TABLES)
        site.write({**STUDY, "pruners": {"mine": {**STUDY["pruners"]["mine"], "rounds": 3}}})
        found.facts["other settings"] = site.planned(TABLES)
    return found


def full_disk() -> Found:
    """No space is left in the results tree; then there is again. Two runs at once; a killed supervisor; cancel."""
    found = Found()
    with temporary_cluster() as (cluster, folder):
        site = Site(cluster, folder)
        site.results.mkdir()
        with small_disk(site.results):
            run = site.start(TABLES)
            # Held, so that they are still at work when the next run takes over.
            dense = site.hold_two_trainers()
            second = site.command("slurm", "run", "--configfile=study.yaml")
            found.facts["second run"] = (second.returncode, second.stderr)
            plain = site.snakemake(TABLES)
            found.facts["plain run"] = (plain.returncode, plain.stdout + plain.stderr)

            run.kill()
            run.wait()
            found.facts["orphan"] = site.snakemake_process
            run = site.start(TABLES)
            site.wait_for(lambda: "ending it to take over" in site.said, "taking over")
            site.release(dense)

            pruned = site.hold_pruning()
            fill(site.results)
            site.release(pruned)
            found.facts["full"] = (site.finish(run), site.said)
            (site.results / "filler").unlink()

            run = site.start(TABLES)
            # Held, so that its job is there to be seen and cancelled.
            site.hold_pruning()
            status = site.command("slurm", "status", "--configfile=study.yaml")
            found.facts["status"] = (status.returncode, status.stdout)
            cancel = site.command("slurm", "cancel", "--configfile=study.yaml")
            found.facts["cancel"] = (cancel.returncode, cancel.stdout, site.finish(run, 300))
            site.wait_for(
                lambda: all(
                    state not in ("RUNNING", "PENDING", "COMPLETING") for *_, state in cluster.jobs()
                ),
                "empty queue",
            )

            run = site.start(TABLES)
            found.facts["code"] = site.finish(run)
            found.look(site)
    return found


def profile_alone() -> Found:
    """``snakemake --profile slurm``, as a person types it: a drained partition, then slurmctld away; a wrong name.

    sacct is there and has no database, as on many clusters.
    """
    found = Found()
    with temporary_cluster() as (cluster, folder), ThreadPoolExecutor(1) as pool:
        site = Site(cluster, folder)
        cluster.client("scontrol", "update", "PartitionName=cpu", "State=DRAIN")
        ended = pool.submit(site.snakemake, TABLES)
        site.wait_for(lambda: "tried again every" in site.snakemake_log, "a refused submission")
        cluster.client("scontrol", "update", "PartitionName=cpu", "State=UP")

        site.wait_for(lambda: site.trainers("prune"), "a pruned model")
        cluster.stop_controller()
        site.wait_for(lambda: "squeue: no answer" in site.snakemake_log, "an outage noticed")
        # More than the executor's own attempts would bear.
        time.sleep(50)
        cluster.start_controller()
        done = ended.result()
        found.facts["code"] = done.returncode
        found.look(site)
        found.logs = done.stdout + done.stderr
        found.facts["requests"] = requests(cluster)

        wrong = Site(cluster, folder.with_name("wrong"), {**STUDY, "results": "other"})
        profile = cluster.folder / "home" / ".config" / "snakemake" / "slurm" / "config.yaml"
        profile.write_text(profile.read_text().replace("'gpu'", "'nosuch'").replace("'cpu'", "'nosuch'"))
        run = wrong.start(TABLES.replace("results", "other"))
        found.facts["refused"] = (wrong.finish(run), wrong.said)
        status = wrong.command("slurm", "status", "--configfile=study.yaml")
        found.facts["refused status"] = status.stdout
    return found


def hang(site: Site, pid: int, number: int) -> None:
    """Keep a process from going on until SLURM has ended its job."""
    while number in site.running("prune"):
        for _ in range(20):
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                return
            time.sleep(0.05)


def requests(cluster: Cluster) -> list[list[str]]:
    """Comment, partition, GPUs and state of every job."""
    lines = cluster.client(
        *("squeue", "--noheader", "--states=all"),
        "--Format=Comment:100,Partition:20,tres-per-job:20,State:20",
    )
    return [line.split() for line in lines.splitlines()]


class small_disk:
    """A file system of 60 MB at ``folder``; needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(self.folder)], check=True)

    def __exit__(self, *error: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def fill(folder: Path) -> None:
    """Leave nothing of a file system."""
    # Unbuffered: closing a buffered file would write once more, and fail.
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return
