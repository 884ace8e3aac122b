"""What a job costs beside its work: Snakemake's start, Python, imports, inputs, the device.

    python benchmarks/job_start.py [--repeats 5] [--out FILE]

Each part is a process of its own, of which the fastest of ``repeats`` counts: the start of Python alone is part of
all. ``model job`` and ``cell job`` are what the rules train and prune, and cell, start with; inputs have the size of
the PIE paper's largest (IMDB as word pieces), made up. ``cluster job`` is Snakemake on a compute node for one
job of studies/full.yaml whose command does nothing; a SLURM job starts it twice, once in the allocation and once
in its step. On a GPU, its first use is timed too; without one it is null, not yet measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from machine import processor

ROOT = Path(__file__).resolve().parents[1]

#: Examples of IMDB's splits, tokens, and what the encoded file says of itself.
SPLITS = {"train": 20_000, "validation": 5_000, "test": 25_000}
TOKENS = 512
ABOUT = {
    "dataset": "imdb",
    "arch": "bert",
    "task": "single-label",
    "classes": ["negative", "positive"],
    "kind": "pieces",
    "vocabulary_size": 30_522,
    "pad": 0,
    "parts": 1,
}

CODE = {
    "python": "pass",
    "command_line": "from prunescope.commands.parser import build_parser; build_parser()",
    "cell_job_imports": "import prunescope.commands.parser, prunescope.analysis.cells",
    "model_job_imports": "import prunescope.commands.parser, prunescope.training.job",
    "model_job_with_inputs": """
import sys, torch, prunescope.commands.parser
from prunescope.training.job import load_inputs, training_data
training_data(load_inputs(sys.argv[1]), trim=True, device=torch.device("cpu"))
""",
    "model_job_with_bert": """
import torch, prunescope.commands.parser, prunescope.training.job
from prunescope.config.architectures import Encoder
from prunescope.models.registry import build
from prunescope.models.shape import Shape
build(Encoder(family="encoder"), Shape(classes=2, vocabulary=30522, length=512), 0)
""",
}

GPU = """
import torch, prunescope.training.job
(torch.ones(512, 512, device="cuda") @ torch.ones(512, 512, device="cuda")).sum().item()
"""

#: Stands for `prunescope model`: leaves its outputs, does nothing.
STUB = """#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in --test|--train|--metrics|--models|--early|--checkpoint) : > "$2"; shift;; esac
  shift
done
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "job_start.json")
    args = parser.parse_args()
    import torch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder / "inputs.safetensors")
        parts: dict[str, Any] = {
            key: fastest(
                [sys.executable, "-c", code, str(folder / "inputs.safetensors")], folder, args.repeats
            )
            for key, code in CODE.items()
        }
        parts["first_use_of_gpu"] = (
            fastest([sys.executable, "-c", GPU], folder, args.repeats) if torch.cuda.is_available() else None
        )
        parts["cluster_job_snakemake"] = fastest(cluster_job(folder), folder, args.repeats)
    result = {
        "what": "starts of processes, each with that of Python in it; seconds",
        "parts": parts,
        "inputs_mb": round(sum(SPLITS.values()) * TOKENS * 4 / 1e6, 1),
        "command": " ".join(["python", "benchmarks/job_start.py", *sys.argv[1:]]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "snakemake": version("snakemake"),
        },
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def make_inputs(path: Path) -> None:
    tensors: dict[str, np.ndarray] = {}
    rng = np.random.default_rng(0)
    for split, n in SPLITS.items():
        tensors[f"{split}.inputs"] = rng.integers(1, 30_522, (n, TOKENS), dtype=np.int32)
        tensors[f"{split}.lengths"] = np.full(n, TOKENS, dtype=np.int32)
        tensors[f"{split}.labels"] = rng.integers(0, 2, n)
    save_file(tensors, path, metadata={"prunescope": json.dumps(ABOUT)})


def cluster_job(folder: Path) -> list[str]:
    """Snakemake as the SLURM executor calls it for one job, its inputs there, its command a stub."""
    (folder / "bin").mkdir()
    stub = folder / "bin" / "prunescope"
    stub.write_text(STUB, encoding="utf-8")
    stub.chmod(0o755)
    study = ROOT / "studies" / "full.yaml"
    inputs = folder / "results" / "full" / "data" / "imdb" / "inputs" / "bert.safetensors"
    inputs.parent.mkdir(parents=True)
    inputs.write_bytes(b"")
    job = "prune:dataset=imdb,arch=bert,pruner=MP-AI,amount=sparsity-500permille,block=0-9"
    return [
        *(
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--directory",
            str(folder),
        ),
        *("--configfile", str(study), "--target-jobs", job, "--allowed-rules", "prune", "--cores", "1"),
        *("--attempt", "1", "--force-use-threads", "--force", "--nolock", "--ignore-incomplete"),
        *("--mode", "remote", "--quiet", "all"),
    ]


def fastest(command: list[str], folder: Path, repeats: int) -> dict[str, float]:
    """Wall and processor seconds of the fastest run, each on its own."""
    path = f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    source = f"{ROOT / 'src'}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": source, "PRUNESCOPE_DATA": "/nowhere"}
    environment["PRUNESCOPE_VECTORS"] = "/nowhere"
    walls, processor_times = [], []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-3000:]}")
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        processor_times.append(spent)
    return {"wall_s": round(min(walls), 2), "cpu_s": round(min(processor_times), 2)}


if __name__ == "__main__":
    sys.exit(main())
