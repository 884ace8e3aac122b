"""The embedded study with jobs that start warm and with jobs that start cold, from nothing, in turns.

    python benchmarks/embedded.py [--cores 2] [--configfile config.yaml]

Timed: wall seconds, and processor seconds of Snakemake, all its jobs and the process that starts them; on a busy
machine only the latter tell. Afterwards the prediction tables and the tables of both are compared to the byte.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import filecmp
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from machine import processor
from prunescope.config.load import load_study
from prunescope.running.warm import VARIABLE

ROOT = Path(__file__).resolve().parents[1]
WAYS = {"cold": {VARIABLE: "0"}, "warm": {}}
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--configfile", type=Path, default=ROOT / "config.yaml")
    parser.add_argument("--folder", type=Path, help="for both studies; emptied at the end")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "embedded.json")
    args = parser.parse_args()
    # The process that starts warm jobs outlives Snakemake by a moment; its time, and theirs, counts too.
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folders = {way: Path(name) / way for way in WAYS}
        runs = {way: run(folders[way], args.configfile, args.cores, WAYS[way]) for way in WAYS}
        results = load_study(args.configfile).results
        differ = different(*(folder / results for folder in folders.values()))
    result = {
        "what": f"{args.configfile.name} from nothing, by jobs that start cold and by jobs that start warm",
        "parts": runs,
        "cold_over_warm": {key: round(runs["cold"][key] / runs["warm"][key], 2) for key in runs["warm"]},
        "files_that_differ": differ,
        "command": " ".join(["python", "benchmarks/embedded.py", *sys.argv[1:]]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {"python": sys.version.split()[0]}
        | {package: version(package) for package in ("torch", "snakemake")},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def run(folder: Path, study: Path, cores: int, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of one run from nothing.

    Raises:
        SystemExit: the study fails; the end of what it said is in the message.
    """
    folder.mkdir()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(study.resolve()), "--cores", str(cores)]
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    used, started = children_seconds(), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wall = time.perf_counter() - started
    with suppress(ChildProcessError):
        while True:
            os.wait()
    if done.returncode:
        raise SystemExit(f"benchmarks/embedded.py: the study failed:\n{done.stdout[-3000:]}")
    return {"wall_s": round(wall, 1), "cpu_s": round(children_seconds() - used, 1)}


def children_seconds() -> float:
    """Processor seconds of all children that have ended, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def different(one: Path, other: Path) -> list[str]:
    """Prediction tables and tables that are not the same to the byte, or are missing on one side."""
    names = {
        str(path.relative_to(root))
        for root in (one, other)
        for pattern in ("models/**/*.parquet", "tables/*.csv")
        for path in root.glob(pattern)
    }
    same = filecmp.cmpfiles(one, other, names, shallow=False)[0]
    return sorted(names - set(same))


if __name__ == "__main__":
    raise SystemExit(main())
