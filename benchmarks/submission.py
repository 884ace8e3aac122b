"""Ten thousand jobs on SLURM: time to the first submission, submissions a second, the main process's memory and files.

    python benchmarks/submission.py [--jobs 10000] [--limit 900] [--add]

On a real SLURM on this machine (that of the tests, with one node), through the shipped profile, with jobs that do
nothing: the node runs two at a time, so the run is stopped when all are submitted, or after `--limit` seconds.
`--add` writes benchmarks/results/submission.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from machine import processor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WORKFLOW = """\
rule all:
    input:
        expand("out/{{number}}", number=range({jobs})),


rule trivial:
    output:
        "out/{{number}}",
    shell:
        "touch {{output}}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=900)
    parser.add_argument("--add", action="store_true")
    arguments = parser.parse_args()
    row = measure(arguments.jobs, arguments.limit)
    print(json.dumps(row, indent=2))
    if arguments.add:
        result = {
            "date": datetime.date.today().isoformat(),
            "command": " ".join(["python", "benchmarks/submission.py", *sys.argv[1:]]),
            "processor": processor(),
            "cores": os.cpu_count(),
            "snakemake": version("snakemake"),
            "plugin": version("snakemake-executor-plugin-slurm"),
            "rows": [row],
        }
        path = ROOT / "benchmarks" / "results" / "submission.json"
        path.write_text(json.dumps(result, indent=2) + "\n")


def measure(jobs: int, limit: float) -> dict[str, Any]:
    from tests.slurm.cluster import Cluster

    folder = Path(tempfile.mkdtemp(prefix="ps-"))
    cluster = Cluster(folder / "c")
    try:
        return submit(cluster, folder / "w", jobs, limit)
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def submit(cluster: Any, work: Path, jobs: int, limit: float) -> dict[str, Any]:
    work.mkdir()
    (work / "Snakefile").write_text(WORKFLOW.format(jobs=jobs))
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    for key in ("configfile", "set-resources"):
        del profile[key]
    profile["jobs"] = jobs
    profile["default-resources"].update(mem_mb=100, runtime=5)
    (work / "profile").mkdir()
    (work / "profile" / "config.yaml").write_text(yaml.safe_dump(profile))
    log = work / "log"
    started = time.monotonic()
    with open(log, "wb") as record:
        process = subprocess.Popen(
            ["snakemake", "--profile", "profile"],
            cwd=work,
            env=cluster.env,
            stdout=record,
            stderr=record,
            start_new_session=True,
        )
    first = last = None
    peak = files = count = 0
    with open(log, encoding="utf-8") as output:
        while process.poll() is None and time.monotonic() - started < limit and count < jobs:
            found = len(re.findall("has been submitted with SLURM jobid", output.read()))
            now = time.monotonic() - started
            if found:
                first = now if first is None else first
                last, count = now, count + found
            peak = max(peak, memory(process.pid))
            files = max(files, open_files(process.pid))
            time.sleep(0.2)
    small = sum(1 for path in (work / ".snakemake").rglob("*") if path.is_file())
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if first is None or last is None:
        raise SystemExit(f"nothing was submitted:\n{log.read_text()[-2000:]}")
    return {
        "jobs": jobs,
        "submitted": count,
        "seconds_to_first": round(first, 1),
        "seconds_to_last": round(last, 1),
        "submissions_per_second": round((count - 1) / max(last - first, 1e-9), 1),
        "peak_memory_mb": round(peak / 1024),
        "open_files": files,
        "files_in_dot_snakemake": small,
    }


def memory(pid: int) -> int:
    """Peak resident memory of a process, in KiB."""
    try:
        match = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(match[1]) if match else 0


def open_files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


if __name__ == "__main__":
    main()
