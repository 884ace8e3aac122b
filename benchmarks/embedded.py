"""The whole embedded study before and after: an older revision's ``config.yaml``, run by its code and by this one's.

    python benchmarks/embedded.py [--before c9bf5e8] [--cores 2]

The older revision is checked out beside this one (a git worktree, taken away at the end). Both run its study from
nothing: first until every cell is analysed, then what is left (tables, figures, pages). Timed: wall seconds, and
processor seconds of Snakemake and all its jobs; on a busy machine only the latter tell. Both use the packages of this
environment, with one thread a job. Afterwards it is counted in how many rows of the prediction tables a logit differs,
so that a gain of time that changed the networks would be seen.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq

from machine import processor

ROOT = Path(__file__).resolve().parents[1]
LOG = Path(__file__).resolve().parent / "results" / "log"

#: The last revision before any work on speed.
FIRST = "c9bf5e8"

#: Put before the older code's first import of transformers: it does not know a torchvision that is built for another
#: PyTorch than the one beside it, as a package index's is beside the one for CPUs.
STARTUP = """
import importlib.util, sys

class Before:
    def find_spec(self, name, path=None, target=None):
        if name == "transformers":
            sys.meta_path.remove(self)
            spec = importlib.util.spec_from_file_location("vision", {vision!r})
            vision = sys.modules["vision_of_after"] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(vision)
            vision.prepare_torchvision()

sys.meta_path.insert(0, Before())
"""

#: What Snakemake is asked for, in order.
PARTS = {"models_and_cells": ["results/cells.txt"], "tables_figures_pages": []}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", default=FIRST, help="the revision to compare with")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="for both studies; emptied at the end")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "embedded.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name).resolve()
        with checked_out(args.before, folder / "code") as before:
            study = before / "config.yaml"
            vision = str(ROOT / "src" / "prunescope" / "vision.py")
            (before / "src" / "sitecustomize.py").write_text(STARTUP.format(vision=vision), encoding="utf-8")
            runs = {
                side: whole_study(code, study, folder / side, args.cores)
                for side, code in {"before": before, "after": ROOT}.items()
            }
        changed = changed_rows(folder / "before", folder / "after")
    result = {
        "what": "the embedded study of an older revision, by its code and by this one's",
        "before": args.before,
        "parts": runs,
        "before_over_after": {
            part: {
                key: round(runs["before"][part][key] / runs["after"][part][key], 2)
                for key in ("wall_s", "cpu_s")
            }
            for part in runs["after"]
        },
        "rows_of_predictions": changed,
        "command": f"python benchmarks/embedded.py --before {args.before} --cores {args.cores}",
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {"python": sys.version.split()[0]}
        | {name: version(name) for name in ("torch", "snakemake")},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result["before_over_after"]))
    return 0


@contextmanager
def checked_out(revision: str, place: Path) -> Iterator[Path]:
    """``revision`` in a folder of its own.

    Raises:
        SystemExit: git does not know it.
    """
    if subprocess.run(
        ["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", place, revision]
    ).returncode:
        raise SystemExit(
            f"benchmarks/embedded.py: no revision {revision!r} here; a shallow clone lacks old ones"
        )
    try:
        yield place
    finally:
        subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", place], check=True)


def whole_study(code: Path, study: Path, folder: Path, cores: int) -> dict[str, dict[str, float]]:
    """Seconds of each part, and of both as ``whole``."""
    folder.mkdir()
    times = {part: snakemake(code, study, folder, cores, targets) for part, targets in PARTS.items()}
    times["whole"] = {key: round(sum(part[key] for part in times.values()), 1) for key in ("wall_s", "cpu_s")}
    print(json.dumps({str(folder.name): times}), flush=True)
    return times


def snakemake(code: Path, study: Path, folder: Path, cores: int, targets: list[str]) -> dict[str, float]:
    """One call to the end, by the code in ``code``, into ``folder``.

    Raises:
        SystemExit: the study fails; its log is named.
    """
    log = LOG / f"embedded-{folder.name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", code / "Snakefile", "--directory", folder]
    command += ["--configfile", study, "--cores", str(cores), *targets]
    environment = os.environ | {
        "PYTHONPATH": str(code / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    used, started = children_seconds(), time.perf_counter()
    with log.open("ab") as stream:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"benchmarks/embedded.py: the study failed; see {log}")
    return {
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(children_seconds() - used, 1),
    }


def children_seconds() -> float:
    """Processor seconds of all children that have ended, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def changed_rows(before: Path, after: Path) -> dict[str, int]:
    """How many rows the prediction tables of test examples have, and in how many a logit is another number."""
    rows = changed = 0
    for path in sorted(before.glob("results/models/*/*/*/*/*/test.parquet")):
        one, two = (_logits(file) for file in (path, after / path.relative_to(before)))
        if one.keys() != two.keys():
            raise SystemExit(f"benchmarks/embedded.py: {path.relative_to(before)}: other examples or seeds")
        rows += len(one)
        changed += sum(one[key] != two[key] for key in one)
    return {"rows": rows, "changed": changed}


def _logits(path: Path) -> dict[tuple[int, int], tuple[float, ...]]:
    table = pq.read_table(path, columns=["seed", "example", "logits"])
    seeds, examples, logits = (table[name].to_pylist() for name in table.column_names)
    return {(seed, example): tuple(row) for seed, example, row in zip(seeds, examples, logits, strict=True)}


if __name__ == "__main__":
    raise SystemExit(main())
