"""What the workflow costs beside the work: reading a study, dry runs, no-op reruns, plan and status, by size.

    python benchmarks/orchestration.py [--models 1000 3000 10000 30000 100000] [--studies FILE ...] [--add]

For each size a study is made that has about so many models, more data sets, archs, pruners, amounts and seeds
as it grows (10,000 is the PIE paper's grid). Its whole run goes through Snakemake with an executor that leaves
every output as a small file instead of computing it: dates and metadata in `.snakemake` are those of a real
run. Timed, each in a process of its own: the dry run before it, that run (`bookkeeping`: all of Snakemake's
own work on the jobs, none of theirs, a thousand at a time as on a cluster), then a dry run and a real run with
nothing to do, `prunescope plan` and `prunescope status`. The slope
of the logarithms, of seconds on models, says how each grows: 1 is linear. The same of real studies with
`--studies FILE`.

Processor seconds are what counts where other programs run; wall seconds stand beside them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
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

#: models, about -> data sets, archs, pruners, amounts, seeds
SHAPES = {
    1_000: (2, 2, 5, 3, 16),
    3_000: (3, 2, 6, 4, 20),
    10_000: (4, 2, 8, 5, 30),
    30_000: (6, 3, 10, 5, 33),
    100_000: (9, 4, 12, 7, 33),
}

PRUNERS = [
    "IIBP-WR",
    "IIBP-FT",
    "IBP-AI",
    "IMP-WR",
    "IMP-FT",
    "MP-AI",
    "IRP-FT",
    "RP-AI",
    "MP",
    "GP",
    "UP",
    "RP",
]
SPARSITIES = [0.2, 0.5, 0.7, 0.9, 0.99, 0.3, 0.8]

#: Every second arch trains one seed a job, which makes as many jobs as there can be, every other five.
BLOCKS = (1, 5)

#: Snakemake with an executor that makes empty outputs, apart from metrics, which `status` reads.
STUB = '''
import json, re, sys
from pathlib import Path
from snakemake import cli
from snakemake.executors import touch
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

def record(seed):
    """As long as those of a real model: a record per layer, and the training curve."""
    layers = {f"layer.{i}.weight": {"size": 589824, "zeros": 294912, "sparsity": 0.5} for i in range(24)}
    epochs = [{"phase": "train", "epoch": i, "loss": 0.25, "validation_loss": 0.5} for i in range(12)]
    return {"seed": seed, "diverged": False, "layers": layers, "epochs": epochs, "seconds": 1.0}

def run_job(self, job):
    for name in job.output:
        path = Path(name)
        if name.is_directory:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "metrics.json":
            first, last = map(int, job.wildcards.block.split("-"))
            path.write_text(json.dumps({"models": [record(seed) for seed in range(first, last + 1)]}))
        else:
            path.write_text("")
    info = SubmittedJobInfo(job=job)
    self.report_job_submission(info)
    self.report_job_success(info)

touch.Executor.run_job = run_job
sys.exit(cli.main(sys.argv[1:]))
'''


def study(models: int) -> dict[str, Any]:
    """A study of about that many models; nothing of it is ever read or trained."""
    n_datasets, n_archs, n_pruners, n_compressions, n_seeds = SHAPES[models]
    datasets = [f"reuters-{number}" for number in range(n_datasets)]
    archs = {
        f"arch-{number}": {"family": "bilstm", "hidden": 100, "vectors": 300, "block": BLOCKS[number % 2]}
        for number in range(n_archs)
    }
    training = {name: {"epochs": 72, "batch_size": 512, "lr": 1.863e-3} for name in archs}
    return {
        "name": f"{models} models",
        "seeds": list(range(n_seeds)),
        "datasets": {
            name: {"source": "reuters", "path": "$PRUNESCOPE_DATA/reuters21578", "training": training}
            for name in datasets
        },
        "archs": archs,
        "grid": [
            {
                "datasets": datasets,
                "archs": list(archs),
                "pruners": PRUNERS[:n_pruners],
                "sparsities": sorted(SPARSITIES[:n_compressions]),
            }
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--studies", type=Path, nargs="+", default=[], help="instead of made ones")
    parser.add_argument(
        "--label", default="as it is", help="what of the code is measured (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", help="these measurements alone, of an unfinished study")
    parser.add_argument("--add", action="store_true", help="to the sizes that the file has")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "orchestration.json")
    args = parser.parse_args()
    before = json.loads(args.out.read_text(encoding="utf-8")) if args.add and args.out.exists() else {}
    sizes = {size["models"]: size for size in before.get("sizes", [])}
    studies = before.get("studies", {})
    for source in args.studies or args.models:
        made = not isinstance(source, Path)
        text = yaml.safe_dump(study(source)) if made else source.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as name:
            size = {**measured_study(text, Path(name), args.only), "label": args.label}
        print(json.dumps(size), flush=True)
        if made:
            sizes[size["models"]] = size
        else:
            studies[source.stem] = size
        # After each: the largest takes long, and what is measured is measured.
        write(args, [sizes[key] for key in sorted(sizes)], studies)
    return 0


def write(args: argparse.Namespace, sizes: list[dict[str, Any]], studies: dict[str, Any]) -> None:
    names = dict.fromkeys(name for size in sizes for name in size["measured"])
    result = {
        "what": "the workflow's own cost by size of study: no network is trained, no data set read",
        "studies": studies,
        "sizes": [{**size, "cpu_ms_each": each(size)} for size in sizes],
        "growth": {name: growth(sizes, name) for name in names},
        "command": "python benchmarks/orchestration.py",
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {"python": platform.python_version(), "snakemake": version("snakemake")},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measured_study(text: str, folder: Path, only: list[str] | None) -> dict[str, Any]:
    """All measurements of one study, in order: each needs what those before it left."""
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    place += ["--configfile", str(folder / "study.yaml")]
    snakemake = [sys.executable, "-m", "snakemake", *place, "--cores", "2", "--quiet", "all"]
    prunescope = [sys.executable, "-m", "prunescope"]
    config = ["--configfile", str(folder / "study.yaml")]
    commands = {
        "dry_run": [*snakemake, "--dry-run"],
        "bookkeeping": [sys.executable, "-c", STUB, *place, "--cores", "1000", "--quiet", "all", "--touch"],
        "noop_dry_run": [*snakemake, "--dry-run"],
        "noop_run": snakemake,
        "plan": [*prunescope, "plan", *config, "--json"],
        "status": [*prunescope, "status", *config, "--json"],
    }
    measured = {}
    for name, command in commands.items():
        if not only or name in only:
            measured[name], output = timed(command, folder)
            print(f"{name}: {measured[name]}", file=sys.stderr, flush=True)
    if not only:
        status = json.loads(output)
        if status["done"] != status["models"]:
            raise SystemExit(f"{status['done']} of {status['models']} models done")
        check_nothing_to_do(snakemake, folder)
    plan = json.loads(timed(commands["plan"], folder)[1])
    load = [round(value, 1) for value in os.getloadavg()]
    return {"models": plan["models"], "jobs": plan["jobs"], "load": load, "measured": measured}


def each(size: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Processor milliseconds a model and a job, the start of the process shared by all."""
    found = {name: 1000 * times["cpu_s"] for name, times in size["measured"].items()}
    return {
        name: {of: round(ms / size[f"{of}s"], 3) for of in ("model", "job")} for name, ms in found.items()
    }


def check_nothing_to_do(snakemake: list[str], folder: Path) -> None:
    """A no-op that was none would be timed as one."""
    command = [*snakemake[: snakemake.index("--quiet")], "--dry-run"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    if "Nothing to be done" not in done.stdout + done.stderr:
        raise SystemExit(f"the finished study is not finished:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def timed(command: list[str], folder: Path) -> tuple[dict[str, float], str]:
    """Wall seconds, processor seconds and peak memory (MiB) of a command, and what it printed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=out, stderr=err)
        _, state, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(state)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{err.read()[-3000:]}")
        unit = 1 if sys.platform == "darwin" else 1024
        found = {
            "wall_s": round(wall, 2),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
            "peak_mib": round(usage.ru_maxrss * unit / 2**20, 1),
        }
        return found, out.read()


def environment() -> dict[str, str]:
    """The code of this folder, whatever is installed; data that a study names need not be there."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    nowhere = dict.fromkeys(("PRUNESCOPE_DATA", "PRUNESCOPE_VECTORS"), "/nowhere")
    return {**os.environ, **nowhere, "PATH": path, "PYTHONPATH": str(ROOT / "src")}


def growth(sizes: list[dict[str, Any]], name: str) -> dict[str, dict[str, float]]:
    """Slopes of log seconds on log models and on log jobs: over all sizes, and between the two largest.

    The start of a process is in every number and makes the first smaller; the second shows what is to come. The
    larger studies have more jobs for as many models.
    """
    sizes = [size for size in sizes if name in size["measured"]]
    return {of: slopes(sizes, name, of) for of in ("models", "jobs")} if len(sizes) > 1 else {}


def slopes(sizes: list[dict[str, Any]], name: str, of: str) -> dict[str, float]:
    x = [math.log(size[of]) for size in sizes]
    y = [math.log(size["measured"][name]["cpu_s"]) for size in sizes]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum(
        (a - mean_x) ** 2 for a in x
    )
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])
    return {"exponent": round(slope, 3), "exponent_of_the_last_step": round(last, 3)}


if __name__ == "__main__":
    sys.exit(main())
