"""What is done to runs on real clusters, and what was then found. Each has a cluster of its own."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.slurm.cluster import ACCOUNT, NODES, Cluster
from tests.slurm.conftest import ROOT, STUDY, TABLES, Site, tables, temporary_cluster


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
    """Jobs are killed, cancelled, requeued, warned, out of time, preempted; a node dies; both are drained.

    One job always fails.
    """
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

        first = site.hold("train", 2)
        found.facts["gpus"] = {
            (site.variable(pid, "SLURMD_NODENAME"), site.variable(pid, "CUDA_VISIBLE_DEVICES"))
            for pid in first
        }
        cluster.client("scancel", str(site.job(first[1])))
        os.kill(first[0], signal.SIGKILL)

        second = site.hold("train", 2)
        requeued, lost = map(site.job, second)
        cluster.client("scontrol", "requeue", str(requeued))
        node = site.variable(second[1], "SLURMD_NODENAME")
        cluster.kill_node(node)
        site.wait_for(lambda: lost not in site.running("train"), "a node that is given up")
        cluster.start_node(node)

        heeds, hanging = site.hold("prune", 2)
        warned, late = site.job(heeds), site.job(hanging)
        site.let_train(heeds)
        # It is held until the warning has come, so that it cannot be finished before.
        cluster.client("scancel", "--signal=USR1", str(warned))
        site.wait_for(lambda: site.awaits(heeds, signal.SIGUSR1) or not site.stopped(heeds), "the warning")
        site.release([heeds])
        # One that hangs heeds no warning.
        cluster.client("scontrol", "update", f"JobId={late}", "EndTime=now+1")
        site.wait_for(lambda: late not in site.running("prune"), "the end of its time")

        [at_work] = site.hold("prune", 1)
        site.let_train(at_work)
        preempted = site.job(at_work)
        node = site.variable(at_work, "SLURMD_NODENAME")
        cluster.client(
            *("sbatch", "--partition=urgent", f"--nodelist={node}", "--gres=gpu:1", "--mem=100"),
            *("--output=/dev/null", "--wrap=true"),
        )
        site.wait_for(lambda: preempted not in site.running("prune"), "preemption")
        found.facts.update(requeued=requeued, lost=lost, warned=warned, preempted=preempted)

        # What comes after it is submitted to nodes that are drained.
        last = site.hold("prune", 1)
        cluster.client("scontrol", "update", "NodeName=n1,n2", "State=DRAIN", "Reason=test")
        found.facts["drained"] = [cluster.node_state(node) for node in NODES]
        site.release(last)
        site.wait_for(
            lambda: cluster.jobs("pending") and not cluster.jobs("running"), "a job that waits for the node"
        )
        cluster.client("scontrol", "update", "NodeName=n1,n2", "State=RESUME")

        found.facts["code"] = site.finish(run)
        found.look(site)
        found.facts["model logs"] = "".join(
            path.read_text() for path in sorted((site.results / "logs" / "prune").rglob("*.log"))
        )
    return found


def faults_of_the_main_process() -> Found:
    """Snakemake is killed; Snakemake and its supervisor are; slurmctld is away; settings change afterwards.

    One job may be submitted at a time; the allocation is used up; the database is away.
    """
    found = Found()
    with temporary_cluster(accounting=True) as (cluster, folder):
        site = Site(cluster, folder)
        account = ("account", ACCOUNT, "set")
        cluster.account(*account, "MaxSubmitJobs=1")
        run = site.start(TABLES)
        dense = site.hold("train", 1)
        site.wait_for(lambda: "AssocMaxSubmitJobLimit" in site.said, "a refused submission")
        cluster.account(*account, "MaxSubmitJobs=-1")

        dense += site.hold("train", 1)
        cluster.stop_accounting()
        os.kill(site.snakemake_process, signal.SIGKILL)
        site.wait_for(lambda: "jobs of the last run are at work" in site.said, "waiting for them")
        site.release(dense)

        pruned = site.hold("prune", 2)
        snakemake = site.snakemake_process
        run.kill()
        run.wait()
        os.killpg(snakemake, signal.SIGKILL)
        site.release(pruned)
        site.wait_for_no_jobs()
        cluster.start_accounting()

        def limited() -> bool:
            # Again and again: a controller that has not found the database again does not hear of it.
            cluster.account(*account, "GrpTRESMins=cpu=0")
            return "GrpTRESMins=cpu=0(" in cluster.client("scontrol", "show", "assoc_mgr", "flags=assoc")

        site.wait_for(limited, "a controller that knows of the limit")
        run = site.start(TABLES)
        site.wait_for(lambda: "AssocGrpCPUMinutesLimit" in site.said, "an allocation that is used up")
        found.facts["used up"] = site.slurm("status").stdout
        cluster.account(*account, "GrpTRESMins=cpu=-1")

        site.wait_for(lambda: site.running("cell"), "analysis")
        asked = cluster.unanswered()
        cluster.stop_controller()
        site.wait_for(lambda: cluster.unanswered() > asked, "a query that gets no answer")
        cluster.start_controller()

        found.facts["code"] = site.finish(run)
        found.look(site)
        found.facts["again"] = site.planned(TABLES)
        site.write({**STUDY, "pruners": {"mine": {**STUDY["pruners"]["mine"], "rounds": 3}}})
        found.facts["other settings"] = site.planned(TABLES)
    return found


def full_disk() -> Found:
    """No space is left in the results tree; then there is again. Two runs at once; a killed supervisor; cancel.

    Another study runs in the same folder, its supervisor a job; a file is damaged between two runs.
    """
    found = Found()
    with temporary_cluster() as (cluster, folder):
        site = Site(cluster, folder)
        site.results.mkdir()
        with small_disk(site.results):
            run = site.start(TABLES)
            # Held, so that they are still at work when the next run takes over.
            dense = site.hold("train", 2)
            second = site.slurm("run")
            found.facts["second run"] = (second.returncode, second.stderr)
            plain = site.snakemake(TABLES)
            found.facts["plain run"] = (plain.returncode, plain.stdout + plain.stderr)

            run.kill()
            run.wait()
            found.facts["orphan"] = site.snakemake_process
            run = site.start(TABLES)
            site.wait_for(lambda: "ending it to take over" in site.said, "taking over")
            site.release(dense)

            # Both, so that neither is through, nor leaves space when it ends.
            pruned = site.hold("prune", 2)
            fill(site.results)
            site.release(pruned)
            found.facts["full"] = (site.finish(run), site.said)
            # What a retry could still finish when there is space again would be missing below.
            site.wait_for_no_jobs()
            (site.results / "filler").unlink()

            run = site.start(TABLES)
            # Held, so that its job is there to be seen and cancelled.
            site.hold("prune", 1)
            site.wait_for(lambda: site.holder() == run.pid, "the lock of the run that starts")
            status = site.slurm("status")
            found.facts["status"] = (status.returncode, status.stdout)
            other_study(site, found)
            cancel = site.slurm("cancel")
            found.facts["cancel"] = (cancel.returncode, cancel.stdout, site.finish(run, 300))
            site.wait_for_no_jobs()

            damaged = damage(site)
            found.facts["damaged"] = str(damaged.relative_to(folder))
            run = site.start(TABLES)
            found.facts["code"] = site.finish(run)
            found.look(site)
    return found


def other_study(site: Site, found: Found) -> None:
    """Run a part of another study to its end, by a supervisor that is a job whose time is up once; then cancel it."""
    other = site.beside("other.yaml", STUDY)
    log = other.results / "logs" / "slurm-run.log"
    done = other.slurm(
        *("run", "--detach", "30", "--interval=2", "--", f"--snakefile={ROOT / 'Snakefile'}"),
        "other/data/digits/inputs/lenet5.safetensors",
    )
    assert done.returncode == 0, done.stderr
    number = done.stdout.split()[3].rstrip(";")

    def said(text: str) -> bool:
        return log.exists() and text in log.read_text()

    site.wait_for(lambda: said("Snakemake's output"), "a supervisor that is a job")
    site.cluster.client("scancel", "--signal=USR1", "--batch", number)
    site.wait_for(lambda: said("done: "), "the end of another study")
    found.facts["detached"] = log.read_text()
    cancel = other.slurm("cancel")
    found.facts["other"] = (other.slurm("status").stdout, cancel.stdout, site.running("prune"))


def damage(site: Site) -> Path:
    """Cut off the end of predictions of a dense model."""
    path = next(iter(sorted((site.results / "models").rglob("*.parquet"))))
    path.write_bytes(path.read_bytes()[:-1])
    return path


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

        pruned = site.hold("prune", 2)
        cluster.stop_controller()
        site.release(pruned)
        site.wait_for(lambda: "squeue: no answer" in site.snakemake_log, "an outage noticed")
        asked = cluster.unanswered()
        site.wait_for(lambda: cluster.unanswered() > asked, "another query that gets no answer")
        cluster.start_controller()
        # From the same folder, with names that no partition has.
        profile = cluster.folder / "home" / ".config" / "snakemake" / "slurm" / "config.yaml"
        right = profile.read_text()
        profile.write_text(right.replace("'gpu'", "'nosuch'").replace("'cpu'", "'nosuch'"))
        wrong = site.beside("wrong.yaml", STUDY)
        run = wrong.start(TABLES.replace("results", "other"))
        found.facts["refused"] = (wrong.finish(run), wrong.said)
        found.facts["refused status"] = wrong.slurm("status").stdout
        profile.write_text(right)

        done = ended.result()
        found.facts["code"] = done.returncode
        found.facts["calls"] = cluster.calls()
        found.look(site)
        found.logs = done.stdout + done.stderr
        found.facts["requests"] = requests(cluster)
        damaged = damage(site)
        again = site.snakemake(TABLES)
        found.facts["damaged"] = (
            str(damaged.relative_to(folder)),
            again.returncode,
            again.stdout + again.stderr,
        )
    return found


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
