"""What takes too long for every change, on real clusters; the results go to tests/soak/results/cluster.json.

    python -m tests.soak.cluster

- outage: slurmctld is away for ten minutes, slurmdbd for two, while a supervised study trains and another one, of a
  plain Snakemake, in the same folder.
- late: on the login node and on one of two nodes, a file that another node writes is seen five seconds later; needs
  root, bindfs and FUSE.

The tables are then, to the byte, those of a run without SLURM.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from prunescope.config.load import load_study
from prunescope.running.workflow import WorkflowGrid
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ROOT, STUDY, TABLES, Site, run_locally, tables, temporary_cluster

RESULTS = Path(__file__).parent / "results" / "cluster.json"

#: Seconds.
CONTROLLER, DATABASE, LATE = 600, 120, 5

_OTHER = TABLES.replace("results", "other")


def outage(undisturbed: dict[str, bytes]) -> dict[str, Any]:
    with temporary_cluster(accounting=True) as (cluster, folder), ThreadPoolExecutor(1) as pool:
        site = Site(cluster, folder)
        plain = site.beside("other.yaml", STUDY)
        run = site.start(TABLES)
        ended = pool.submit(plain.snakemake, _OTHER)
        site.release(site.hold("train", 2))
        cluster.stop_accounting()
        time.sleep(DATABASE)
        cluster.start_accounting()
        site.wait_for(lambda: cluster.jobs("running"), "running jobs")
        asked = cluster.unanswered()
        cluster.stop_controller()
        time.sleep(CONTROLLER)
        cluster.start_controller()
        asked = cluster.unanswered() - asked
        since = time.monotonic()
        codes = [site.finish(run, 1800), ended.result().returncode]
        return {
            "seconds without slurmctld": CONTROLLER,
            "seconds without slurmdbd": DATABASE,
            "exit code of the supervised run": codes[0],
            "exit code of the plain run": codes[1],
            "seconds from slurmctld's return to the end of both": round(time.monotonic() - since),
            "questions meanwhile, of both": asked,
            "said by the supervised run": [line[20:] for line in site.said.splitlines() if "queue" in line],
            "states of all jobs": Counter(state for *_, state in cluster.jobs()),
            "calls": cluster.calls(),
            "tables as without SLURM": tables(site.results) == tables(plain.results) == undisturbed,
        }


def late(undisturbed: dict[str, bytes]) -> dict[str, Any]:
    with temporary_cluster() as (cluster, folder):
        site = Site(cluster, folder)
        profile = cluster.folder / "home" / ".config" / "snakemake" / "slurm" / "config.yaml"
        settings = yaml.safe_load(profile.read_text()) | {"latency-wait": 30}
        profile.write_text(profile.read_text().splitlines()[0] + "\n" + yaml.safe_dump(settings))
        see_late(cluster, folder, "n2")
        command = [
            *(sys.executable, "-m", "prunescope", "slurm", "run", "--configfile=study.yaml", "--interval=5"),
            *("--", f"--snakefile={ROOT / 'Snakefile'}", TABLES),
        ]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", f'{_view(folder)} && exec "$@"', "sh", *command],
            env=site.env,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        return {
            "seconds until a file is seen": LATE,
            "exit code": done.returncode,
            "said": [line[20:] for line in done.stderr.splitlines()],
            "states of all jobs": Counter(state for *_, state in cluster.jobs()),
            "tables as without SLURM": tables(site.results) == undisturbed,
        }


def see_late(cluster: Cluster, folder: Path, node: str) -> None:
    cluster.kill_node(node)
    run = f'{_view(folder)} && exec slurmd -D -N {node} -f "$SLURM_CONF"'
    cluster._start("unshare", "--mount", "sh", "-c", run, name=node)
    cluster._await("the node", lambda: cluster.node_state(node) == "idle")


def _view(folder: Path) -> str:
    """Mounts a folder over itself so that what was absent stays absent for a while; and asks for all there will be."""
    options = f"negative_timeout={LATE},entry_timeout={LATE},attr_timeout={LATE}"
    poke = f"{sys.executable} -m tests.soak.cluster --ask {folder}"
    return f"bindfs -o {options} {folder} {folder} && cd {folder} && {{ PYTHONPATH={ROOT} {poke} > /dev/null 2>&1 & }}"


def ask(folder: Path) -> None:
    """Ask for every output of a study twice a second: only what was asked for before it was there is seen late."""
    study = load_study(folder / "study.yaml")
    paths = [folder / study.results / output for output in WorkflowGrid(study).outputs()]
    while (folder / "study.yaml").exists():
        for path in paths:
            path.exists()
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("outage", "late"))
    arguments = parser.parse_args()
    if arguments.ask:
        ask(arguments.ask)
        return 0
    tasks: dict[str, Callable[[dict[str, bytes]], dict[str, Any]]] = {"outage": outage, "late": late}
    with tempfile.TemporaryDirectory() as place:
        undisturbed = run_locally(Path(place))
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, task in tasks.items():
        if arguments.only in (None, name):
            found[name] = {"date": time.strftime("%Y-%m-%d"), **task(undisturbed)}
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(found, indent=2) + "\n")
            print(json.dumps(found[name], indent=2))
    return 0 if all(result["tables as without SLURM"] for result in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
