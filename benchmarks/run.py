"""Everything that this machine can measure, one benchmark after the other.

    python benchmarks/run.py [--only NAME ...] [--without NAME ...] [--thorough] [--list]

Those of networks run on the CPU and once more on the GPU, if there is one. Each writes its JSON into
`benchmarks/results`, as when it is called by itself; what it prints stands in `benchmarks/results/log`. One that fails
is named at the end, the others go on, and the exit code is 1. Without `--thorough`, networks are timed only as long as
says something; the analysis stage, Snakemake and the site are at the papers' size either way and take most of the time.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOG = HERE / "results" / "log"


def _always() -> str | None:
    return None


def _texts() -> str | None:
    data = Path(os.environ.get("PRUNESCOPE_DATA", "data"))
    there = (data / "bert_base_uncased_vocab" / "vocab.txt").is_file()
    return None if there else "set PRUNESCOPE_DATA to the folder with the papers' texts"


def _slurm() -> str | None:
    return None if shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin") else "there is no SLURM"


def _browser() -> str | None:
    found = any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return None if found else "there is no Chromium"


@dataclass(frozen=True)
class Benchmark:
    """``brief``, ``thorough``: arguments; ``device``: whether it takes one. ``lacks``: why it cannot run, or None."""

    about: str
    brief: tuple[str, ...] = ()
    thorough: tuple[str, ...] = ()
    device: bool = False
    lacks: Callable[[], str | None] = _always


def _to(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Brief and thorough arguments of a benchmark that writes only where it is told."""
    out = ("--out", str(HERE / "results" / f"{name}.json"))
    return out, out


BENCHMARKS: dict[str, Benchmark] = {
    "lengths": Benchmark("lengths of the papers' texts", lacks=_texts),
    "encoders": Benchmark(
        "BERT on texts: padding, order, precision", ("--seconds", "1"), ("--seconds", "20"), device=True
    ),
    "gradual": Benchmark(
        "steps that prune gradually over plain ones", ("--rounds", "1"), ("--rounds", "5"), device=True
    ),
    "masks": Benchmark("choosing and enforcing masks", ("--seconds", "1"), ("--seconds", "10"), device=True),
    "small_networks": Benchmark(
        "LeNet-5 and ResNet-20 on a core, against a plain loop", ("--seconds", "5"), ("--seconds", "30")
    ),
    "replicas": Benchmark(
        "replicas together and alone", ("--seconds", "0.5"), ("--seconds", "10"), device=True
    ),
    "rates": Benchmark(
        "rates of every network of the papers, for plan --rates",
        ("--seconds", "0.5", "--step-operations", "1e10"),
        ("--seconds", "5"),
        device=True,
    ),
    "job_start": Benchmark("what a job costs beside its work", ("--repeats", "2"), ("--repeats", "5")),
    "vectors": Benchmark("reading word vectors"),
    "inference": Benchmark("pruned networks on a CPU", *_to("inference-cpu")),
    "analysis": Benchmark("tables of the PIE paper's grid"),
    "embedded": Benchmark("the embedded study, its jobs started cold and warm"),
    "audit": Benchmark("the audit of two sets of models"),
    "slices": Benchmark("slices that pay, and groups with their intervals"),
    "alpha_calibration": Benchmark("errors and power of verdicts on alpha", ("--studies", "200")),
    "orchestration": Benchmark("Snakemake over the grids"),
    "submission": Benchmark("jobs handed to SLURM", ("--jobs", "1000"), ("--add",), lacks=_slurm),
    "site": Benchmark("the pages at the papers' size", *_to("site"), lacks=_browser),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    parser.add_argument("--without", nargs="+", choices=list(BENCHMARKS), default=[])
    parser.add_argument("--thorough", action="store_true", help="time networks for longer")
    parser.add_argument("--list", action="store_true", help="what would run, and nothing else")
    args = parser.parse_args()
    devices = available_devices()
    failed = []
    for name in BENCHMARKS:
        if name not in args.only or name in args.without:
            continue
        one = BENCHMARKS[name]
        reason = one.lacks()
        if reason is not None or not (HERE / f"{name}.py").is_file():
            print(f"{name}: not run, {reason or 'it is not here'}", flush=True)
            continue
        for device in devices if one.device else (None,):
            more = one.thorough if args.thorough else one.brief
            title = f"{name}{f' on {device}' if device else ''}"
            if args.list:
                print(f"{title}: {one.about}")
                continue
            print(f"{title}: {one.about} ...", flush=True)
            started = time.perf_counter()
            log = LOG / f"{name}{f'-{device}' if device else ''}.txt"
            code = run(name, (*more, *(("--device", device) if device else ())), log)
            took = f"{(time.perf_counter() - started) / 60:.1f} min"
            print(f"{title}: {'done' if code == 0 else f'exit {code}, see {log}'}, {took}", flush=True)
            if code:
                failed.append(title)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def available_devices() -> tuple[str, ...]:
    import torch

    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def run(name: str, arguments: Sequence[str], log: Path) -> int:
    """Exit code of one benchmark in a process of its own, its output in ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if importlib.util.find_spec("prunescope") is None:
        environment["PYTHONPATH"] = str(HERE.parent / "src")
    with open(log, "w", encoding="utf-8") as stream:
        done = subprocess.run(
            [sys.executable, str(HERE / f"{name}.py"), *arguments],
            cwd=HERE.parent,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
